//! Where tokens are asked for, and who gets to see the password on the way.

use serde_json::json;

use super::{
    CANARY, program_of, run_once, stranger, tells_on_us, through, trust_file, users, wants_token_of, was_left_alone,
    was_told_nothing,
};
use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::images::image;
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;
use crate::support::token_server::TokenServer;
use crate::support::tunnel::Tunnel;

/// A token server that takes down what it is asked and gives a token to anyone.
fn giver(settings: crate::support::scripted::Settings) -> Scripted {
    let giver = settings.start();
    giver.rule(when("*", "/token"), Act::respond(Response::json(200, &json!({"token": "t", "expires_in": 300}))));
    giver
}

/// A registry and a token server that have names of their own, and the program that reaches both.
struct Named {
    registry: Scripted,
    realm: Scripted,
    tunnel: Tunnel,
    program: Program,
    address: String,
}

impl Named {
    /// The registry at `address` names `realm`, `https://HOST[:PORT]`.
    fn new(address: &str, contacted: &str, realm: &str) -> Self {
        let authority = Authority::new();
        let place = |text: &str| {
            let (host, port) = text.split_once(':').unwrap_or((text, "443"));
            (host.to_owned(), format!("{host}:{port}"))
        };
        let (host, registry_place) = place(contacted);
        let (realm_host, realm_place) = place(realm);
        let registry = Scripted::settings().tls(authority.server(&[&host])).start();
        registry.put("library/app", &image().build(), &["v1"]);
        wants_token_of(&registry, &format!("https://{realm}/token"));
        let server = giver(Scripted::settings().ip("127.0.0.2").tls(authority.server(&[&realm_host])));
        let tunnel = Tunnel::start();
        tunnel.lead(&registry_place, &registry.address()).lead(&realm_place, &server.address());
        let mut program = program_of(&[address]);
        through(&mut program, &tunnel);
        let ca = trust_file(&program, &authority);
        let named = Self { registry, realm: server, tunnel, program, address: address.to_owned() };
        named.program.configure(&format!("remote-registries:\n- address: {address}\n  ca-cert-file: {ca}\n"));
        named
    }

    fn resolve(&self, flags: &[&str]) -> Output {
        let image = format!("{}/library/app:v1", self.address);
        run_once(&self.program, &[&["resolve", &image], flags].concat())
    }
}

#[test]
fn s06_credentials_go_to_realms_of_the_same_owner() {
    for (address, contacted, realm) in [
        ("registry.acme.example", "registry.acme.example", "registry.acme.example:8443"),
        ("registry.acme.example", "registry.acme.example", "auth.acme.example"),
        ("registry.acme.co.uk:5000", "registry.acme.co.uk:5000", "login.acme.co.uk"),
        ("docker.io", "registry-1.docker.io", "auth.docker.io"),
    ] {
        let named = Named::new(address, contacted, realm);
        named.resolve(&[]).success().keeps_quiet_about(CANARY);
        let asked = named.realm.requests();
        assert_eq!(asked.len(), 1, "{realm}");
        assert!(tells_on_us(&asked[0]), "{realm}: {asked:#?}");
        assert!(!named.registry.requests().iter().any(|request| request.target.contains(CANARY)));
    }
}

#[test]
fn s06_credentials_do_not_go_to_realms_of_others_and_the_way_to_allow_it_is_said() {
    for (address, realm) in [
        ("registry.acme.example", "evil.example"),
        ("registry.acme.example", "registry.acme.example.evil.example"),
        ("registry.acme.example", "evilacme.example"),
        ("alice.github.io", "mallory.github.io"),
        ("registry.co.uk", "login.co.uk"),
        ("registry.acme.example", "auth.docker.io"),
        ("notdocker.io", "auth.docker.io"),
    ] {
        let named = Named::new(address, address, realm);
        let refused = named.resolve(&[]).code(4).keeps_quiet_about(CANARY);
        let allowed = format!("`tranship registry set {address} --token-realm https://{realm}`");
        refused.says("which is not known to belong to it").says(&allowed);
        was_left_alone(&named.realm);
        assert!(!named.tunnel.targets().iter().any(|target| target.starts_with(realm) && realm != address));

        named.program.run(&["registry", "set", address, "--token-realm", &format!("https://{realm}")]).success();
        named.resolve(&[]).success();
        assert!(tells_on_us(&named.realm.requests()[0]), "what the user allows is done");
    }
}

#[test]
fn s06_without_a_credential_any_realm_may_be_asked() {
    let named = Named::new("registry.acme.example", "registry.acme.example", "tokens.elsewhere.example");
    named.resolve(&["--anonymous"]).success();
    assert_eq!(named.realm.requests().len(), 1);
    was_told_nothing(&named.realm);
}

#[test]
fn s06_realms_without_tls_and_realms_that_are_none() {
    let authority = Authority::new();
    let registry = Scripted::settings().tls(authority.server(&LOOPBACK)).start();
    registry.put("app", &image().build(), &["v1"]);
    let (plain, evil) = (giver(Scripted::settings()), giver(Scripted::settings().ip("127.0.0.2")));
    let program = program_of(&[&registry.address()]);
    let ca = trust_file(&program, &authority);
    program.configure(&format!("remote-registries:\n- address: {}\n  ca-cert-file: {ca}\n", registry.address()));
    let host = registry.address();
    let realms = [
        format!("{}/token", plain.url()),
        format!("{}/token", evil.url()),
        format!("http://{host}/token"),
        format!("https://bob:x@{host}/token"),
        format!("https://{host}@127.0.0.2/token"),
        "file:///etc/passwd".to_owned(),
        "/token".to_owned(),
        "//127.0.0.2/token".to_owned(),
        "data:application/json,{\"token\":\"t\"}".to_owned(),
        String::new(),
    ];
    for realm in realms {
        registry.behave();
        wants_token_of(&registry, &realm);
        let failed = run_once(&program, &["resolve", &format!("{host}/app:v1")]).keeps_quiet_about(CANARY);
        assert!(matches!(failed.code, Some(1 | 4)), "{realm}: {}", failed.shown());
        was_left_alone(&plain);
        was_left_alone(&evil);
        was_told_nothing(&registry);
    }
}

#[test]
fn s06_identity_tokens_and_the_second_origin() {
    let (registry, evil) = (Scripted::start(), giver(Scripted::settings().ip("127.0.0.2")));
    registry.put("app", &image().build(), &["v1"]);
    wants_token_of(&registry, &format!("{}/token", evil.url()));
    let image = format!("{}/app:v1", registry.address());
    let program = program_of(&[&registry.address()]);
    run_once(&program, &["resolve", &image]).code(4).says("--token-realm http://127.0.0.2:");
    let identity = json!({"auths": {registry.address(): {"identitytoken": CANARY}}});
    std::fs::write(program.home().join(".docker/config.json"), identity.to_string()).unwrap();
    run_once(&program, &["resolve", &image]).code(4).keeps_quiet_about(CANARY);
    was_left_alone(&evil);
}

#[test]
fn s07_a_token_server_does_not_lead_credentials_on() {
    let (inside, evil) = (Scripted::start(), stranger());
    let named = Named::new("registry.acme.example", "registry.acme.example", "auth.acme.example");
    named.tunnel.lead("evil.example:443", &evil.address());
    let targets = [
        "https://169.254.169.254/latest".to_owned(),
        inside.url().replace("http:", "https:"),
        "https://evil.example/token".to_owned(),
        "https://registry.acme.example/v2/".to_owned(),
        "http://auth.acme.example/token".to_owned(),
    ];
    for target in targets {
        named.realm.behave();
        named.realm.rule(when("*", "/token"), Act::redirect(302, &target));
        named.registry.forget_requests();
        named.resolve(&[]).code(4).keeps_quiet_about(CANARY);
        was_told_nothing(&named.registry);
    }
    was_left_alone(&inside);
    was_left_alone(&evil);
}

#[test]
fn s07_without_a_credential_neither() {
    let (registry, realm) = (Scripted::start(), stranger());
    registry.put("app", &image().build(), &["v1"]);
    wants_token_of(&registry, &format!("{}/token", realm.url()));
    realm.rule(when("*", "/token"), Act::redirect(302, "http://169.254.169.254/latest"));
    let program = program_of(&[]);
    let failed = run_once(&program, &["resolve", &format!("{}/app:v1", registry.address())]).code(4);
    failed.says("an address inside this computer or its networks");
}

#[test]
fn s08_a_token_server_has_to_prove_who_it_is_whatever_holds_for_the_registry() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let tokens = TokenServer::start_at("127.0.0.2", Some(&unknown), users());
    for (registry, tls) in [
        (Scripted::settings().tls(known.server(&LOOPBACK)).tokens(&tokens).start(), "verify"),
        (Scripted::settings().tls(unknown.server(&LOOPBACK)).tokens(&tokens).start(), "skip-verify"),
    ] {
        registry.put("app", &image().build(), &["v1"]);
        let realm = tokens.realm().replace("/token", "");
        let program = program_of(&[&registry.address()]);
        let ca = trust_file(&program, &known);
        program.configure(&format!(
            "remote-registries:\n- address: {}\n  ca-cert-file: {ca}\n  tls: {tls}\n  token-realms: [\"{realm}\"]\n",
            registry.address()
        ));
        let failed = run_once(&program, &["resolve", &format!("{}/app:v1", registry.address())]).code(5);
        failed.says("https://127.0.0.2:").says("cannot be trusted").keeps_quiet_about(CANARY);
        assert_eq!(tokens.fetches().len(), 0);
        let flagged = ["resolve", &format!("{}/app:v1", registry.address()), "--tls", "skip-verify"];
        run_once(&program, &flagged).code(5).says("cannot be trusted");
        assert_eq!(tokens.fetches().len(), 0);
    }
}
