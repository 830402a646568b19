//! Redirects: the bytes may be elsewhere, what is ours stays here.

use super::{
    CANARY, USER, program_of, run_once, stranger, through, trust_file, users, wants_token_of, was_left_alone,
    was_told_nothing,
};
use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::images::{Image, image};
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;
use crate::support::token_server::TokenServer;
use crate::support::tunnel::Tunnel;

fn copy(program: &Program, source: &str) -> Output {
    run_once(program, &["copy", source, &format!("oci:{}:app", program.path("layout"))])
}

#[test]
fn s03_redirected_blob_gets_no_token() {
    let tokens = TokenServer::start(users());
    let (registry, evil) = (Scripted::settings().tokens(&tokens).start(), stranger());
    let image = image().build();
    registry.put("app", &image, &["v1"]);
    evil.put("app", &image, &[]);
    registry.rule(when("GET", "/blobs/"), Act::redirect_to(307, &evil.url()));
    let program = program_of(&[&registry.address()]);
    copy(&program, &format!("{}/app:v1", registry.address())).success();
    assert_eq!(evil.count("GET", "/blobs/"), 3);
    was_told_nothing(&evil);
}

#[test]
fn s03_the_challenge_of_a_stranger_is_not_answered() {
    let tokens = TokenServer::start(users());
    for offer in ["Basic realm=\"evil\"".to_owned(), format!("Bearer realm=\"{}\",service=\"evil\"", tokens.realm())] {
        let (registry, evil) = (Scripted::settings().tokens(&tokens).start(), stranger());
        registry.put("app", &image().build(), &["v1"]);
        registry.rule(when("GET", "/blobs/"), Act::redirect_to(307, &evil.url()));
        let answer = Response::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &offer);
        evil.rule(when("*", ""), Act::respond(answer));
        let program = program_of(&[&registry.address()]);
        let before = tokens.fetches().len();
        let copied = copy(&program, &format!("{}/app:v1", registry.address())).code(4);
        copied.says("the storage that the registry redirected to refused").keeps_quiet_about(CANARY);
        assert!(evil.count("GET", "/blobs/") >= 1);
        was_told_nothing(&evil);
        assert_eq!(tokens.fetches().len() - before, 1, "no token for the stranger's challenge");
    }
}

#[test]
fn s04_only_the_same_origin_sees_the_credential_again() {
    let image = image().build();
    for status in [301, 302, 303, 307, 308] {
        let registry = Scripted::settings().basic(USER, CANARY).start();
        let (other_host, other_port) = (stranger(), Scripted::start());
        registry.put("app", &image, &["v1"]);
        other_host.put("app", &image, &["v1"]);
        other_port.put("app", &image, &["v1"]);
        let source = format!("{}/app:v1", registry.address());
        let program = program_of(&[&registry.address()]);
        // From here on it is known that a password is wanted, and the first request shows it.
        program.run(&["resolve", &source]).success();
        for elsewhere in [&other_host, &other_port] {
            for kind in ["/blobs/", "/manifests/"] {
                registry.behave();
                registry.forget_requests();
                registry.rule(when("*", kind), Act::redirect_to(status, &elsewhere.url()));
                let layout = format!(
                    "oci:{}:app",
                    program.path(&format!("{}-{}", kind.trim_matches('/'), elsewhere.address().replace(':', "-")))
                );
                run_once(&program, &["copy", &source, &layout]).success();
                assert!(registry.requests().iter().all(|request| request.header("authorization").is_some()));
                assert!(elsewhere.count("GET", kind) > 0);
                was_told_nothing(elsewhere);
            }
        }
        registry.behave();
        registry.rule(
            when("GET", "/blobs/sha256").times(3),
            Act::answer(move |request| Response::new(status).header("Location", &format!("{}?there", request.target))),
        );
        registry.forget_requests();
        copy(&program, &source).success();
        let redirected: Vec<_> =
            registry.requests().into_iter().filter(|request| request.target.ends_with("?there")).collect();
        assert!(!redirected.is_empty() && redirected.iter().all(|request| request.header("authorization").is_some()));
    }
}

#[test]
fn s04_another_scheme_is_another_origin() {
    let authority = Authority::new();
    let registry = Scripted::settings().basic(USER, CANARY).start();
    let secure = Scripted::settings().tls(authority.server(&LOOPBACK)).start();
    let image = image().build();
    registry.put("app", &image, &["v1"]);
    secure.put("app", &image, &[]);
    registry.rule(when("GET", "/blobs/"), Act::redirect_to(302, &secure.url()));
    let program = program_of(&[&registry.address()]);
    let ca = trust_file(&program, &authority);
    program.configure(&format!("remote-registries:\n- address: {}\n  ca-cert-file: {ca}\n", registry.address()));
    copy(&program, &format!("{}/app:v1", registry.address())).success();
    assert_eq!(secure.count("GET", "/blobs/"), 3);
    was_told_nothing(&secure);
}

#[test]
fn s04_who_was_led_away_does_not_come_back_with_the_credential() {
    let (registry, evil) = (Scripted::settings().basic(USER, CANARY).start(), stranger());
    registry.put("app", &image().build(), &["v1"]);
    registry.rule(when("GET", "/blobs/sha256").times(1), Act::redirect(307, &format!("{}/step", evil.url())));
    evil.rule(when("GET", "/step"), Act::redirect(307, &format!("{}/v2/private/manifests/stolen", registry.url())));
    let program = program_of(&[&registry.address()]);
    copy(&program, &format!("{}/app:v1", registry.address())).code(4);
    let led: Vec<_> = registry.requests().into_iter().filter(|request| request.target.contains("stolen")).collect();
    assert_eq!(led.len(), 1);
    assert!(led.iter().all(|request| request.header("authorization").is_none()));
    was_told_nothing(&evil);
}

#[test]
fn s04_what_writes_is_not_led_away() {
    for (method, kind) in [("POST", "/uploads/"), ("PUT", "/blobs/uploads/"), ("PUT", "/manifests/"), ("DELETE", "")] {
        let (registry, evil) = (Scripted::settings().basic(USER, CANARY).start(), stranger());
        let image = image().build();
        registry.put("old", &image, &["v1"]);
        registry.rule(when(method, kind), Act::redirect_to(307, &evil.url()));
        let program = program_of(&[&registry.address()]);
        let name = |repository: &str| format!("{}/{repository}:v1", registry.address());
        let failed = if method == "DELETE" {
            run_once(&program, &["delete", &name("old")])
        } else {
            let source = Scripted::start();
            source.put("app", &image, &["v1"]);
            run_once(&program, &["copy", &format!("{}/app:v1", source.address()), &name("new")])
        };
        failed.code(4).says("which has to be on the registry itself");
        was_left_alone(&evil);
        assert_eq!(registry.tag("new", "v1"), None);
    }
}

#[test]
fn s05_no_redirect_from_tls_to_plain_http() {
    let authority = Authority::new();
    let registry = Scripted::settings().tls(authority.server(&LOOPBACK)).start();
    let (same_host, evil) = (Scripted::start(), stranger());
    registry.put("app", &image().build(), &["v1"]);
    for target in [&same_host, &evil] {
        registry.behave();
        registry.rule(when("GET", "/blobs/"), Act::redirect_to(302, &target.url()));
        let program = program_of(&[]);
        let ca = trust_file(&program, &authority);
        program.configure(&format!("remote-registries:\n- address: {}\n  ca-cert-file: {ca}\n", registry.address()));
        let copied = copy(&program, &format!("{}/app:v1", registry.address())).code(4);
        copied.says("which is not protected by TLS");
        was_left_alone(target);
    }
}

/// A registry with a public name, the tunnel to it, and the program that knows its authority.
fn public_registry(image: &Image) -> (Scripted, Tunnel, Program) {
    let authority = Authority::new();
    let registry = Scripted::settings().tls(authority.server(&["registry.acme.example"])).start();
    registry.put("app", image, &["v1"]);
    let tunnel = Tunnel::start();
    tunnel.lead("registry.acme.example:443", &registry.address());
    let mut program = program_of(&["registry.acme.example"]);
    through(&mut program, &tunnel);
    let ca = trust_file(&program, &authority);
    program.configure(&format!("remote-registries:\n- address: registry.acme.example\n  ca-cert-file: {ca}\n"));
    (registry, tunnel, program)
}

#[test]
fn s05_no_redirect_from_outside_to_the_inside() {
    let (registry, tunnel, program) = public_registry(&image().build());
    let inside = Scripted::start();
    let targets = [
        inside.url().replace("http:", "https:"),
        "https://localhost/".to_owned(),
        "https://127.1/".to_owned(),
        "https://2130706433/".to_owned(),
        "https://[::1]/".to_owned(),
        "https://[::ffff:127.0.0.1]/".to_owned(),
        "https://10.0.0.1/".to_owned(),
        "https://192.168.1.1/".to_owned(),
        "https://169.254.169.254/latest".to_owned(),
        "https://[fd00::1]/".to_owned(),
    ];
    for target in targets {
        registry.behave();
        registry.rule(when("GET", "/blobs/"), Act::redirect(307, &target));
        let copied = copy(&program, "registry.acme.example/app:v1").code(4);
        copied.says("an address inside this computer or its networks");
    }
    for target in ["file:///etc/passwd", "gopher://x/", "https://user@registry.acme.example/x", "https://"] {
        registry.behave();
        registry.rule(when("GET", "/blobs/"), Act::redirect(307, target));
        copy(&program, "registry.acme.example/app:v1").code(4).says("is not a URL that can be followed");
    }
    was_left_alone(&inside);
    assert!(tunnel.targets().iter().all(|target| target == "registry.acme.example:443"), "{:?}", tunnel.targets());
}

#[test]
fn s13_our_certificate_is_shown_at_home_alone() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let card = clients.client(USER);
    // Both places ask for a certificate of the same authority, so whoever is shown one lets us in.
    let evil = Scripted::settings().ip("127.0.0.2").mutual_tls(authority.server(&LOOPBACK), clients).start();
    let registry = Scripted::settings().tls(authority.server(&LOOPBACK)).start();
    let image = image().build();
    registry.put("app", &image, &["v1"]);
    evil.put("app", &image, &["v1"]);
    let program = program_of(&[]);
    let ca = trust_file(&program, &authority);
    let (certificate, key) = card.write(program.home(), "card");
    let of = |address: &str| {
        format!(
            "remote-registries:\n- address: {address}\n  ca-cert-file: {ca}\n  client-cert-file: {}\n  \
             client-key-file: {}\n",
            certificate.display(),
            key.display()
        )
    };
    program.configure(&of(&registry.address()));
    registry.rule(when("GET", "/blobs/"), Act::redirect_to(307, &evil.url()));
    copy(&program, &format!("{}/app:v1", registry.address())).code(4);
    assert!(evil.connections() > 0);
    assert_eq!(evil.requests().len(), 0, "nobody gets in there without showing a certificate");
    program.configure(&of(&evil.address()));
    program.run(&["resolve", &format!("{}/app:v1", evil.address())]).success();
}

#[test]
fn s14_our_headers_are_sent_home_alone() {
    let (registry, evil, realm) = (Scripted::start(), stranger(), stranger());
    registry.rule(when("GET", "/blobs/"), Act::redirect_to(307, &evil.url()));
    wants_token_of(&registry, &format!("{}/token", realm.url()));
    realm.rule(when("GET", "/token"), Act::respond(Response::json(200, &serde_json::json!({"token": "t"}))));
    let image = image().build();
    registry.put("app", &image, &["v1"]);
    evil.put("app", &image, &[]);
    let program = program_of(&[]);
    program.configure(&format!(
        "remote-registries:\n- address: {}\n  headers: {{X-Team: {CANARY}}}\n",
        registry.address()
    ));
    copy(&program, &format!("{}/app:v1", registry.address())).success();
    assert!(registry.requests().iter().all(|request| request.header("x-team") == Some(CANARY)));
    assert_eq!(evil.count("GET", "/blobs/"), 3);
    was_told_nothing(&evil);
    assert_eq!(realm.count("GET", "/token"), 1);
    was_told_nothing(&realm);
}
