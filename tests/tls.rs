//! How connections are secured: whom the program trusts, to whom it shows a certificate, and that it never does
//! without TLS where it was not told to.

use std::path::PathBuf;

use crate::support::certificates::{Authority, Identity, LOOPBACK};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::Scripted;
use crate::support::token_server::{TokenServer, Tokens};
use crate::support::tunnel::Tunnel;

/// A registry with this certificate that holds `app:v1`, and that name.
fn registry(identity: Identity) -> (Scripted, String) {
    let registry = Scripted::settings().tls(identity).start();
    registry.put("app", &image().build(), &["v1"]);
    let name = format!("{}/app:v1", registry.address());
    (registry, name)
}

/// The program with an entry for a registry; `fields` are indented by two.
fn configure(program: &Program, registry: &Scripted, fields: &str) {
    program.configure(&format!("remote-registries:\n- address: '{}'\n{fields}", registry.address()));
}

fn inline(authority: &Authority) -> String {
    format!("  ca-cert: |\n    {}\n", authority.pem().trim_end().replace('\n', "\n    "))
}

/// Podman's folder for a registry.
fn folder(program: &Program, registry: &Scripted) -> PathBuf {
    let folder = program.home().join(".config/containers/certs.d").join(registry.address());
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named() {
    let authority = Authority::new();
    let (registry, name) = registry(authority.server(&LOOPBACK));

    let program = Program::new();
    configure(&program, &registry, &inline(&authority));
    program.run(&["resolve", &name]).success();

    let program = Program::new();
    std::fs::write(program.path("ca.pem"), authority.pem()).unwrap();
    configure(&program, &registry, &format!("  ca-cert-file: {}\n", program.path("ca.pem")));
    program.run(&["resolve", &name]).success();
    std::fs::write(program.path("ca.pem"), "no certificate").unwrap();
    program
        .run(&["resolve", &name])
        .code(2)
        .says(&format!("the file {} holds no PEM certificate", program.path("ca.pem")));
    std::fs::remove_file(program.path("ca.pem")).unwrap();
    program.run(&["resolve", &name]).code(2).says("ca.pem does not exist");

    let program = Program::new();
    std::fs::write(folder(&program, &registry).join("ca.crt"), authority.pem()).unwrap();
    program.run(&["resolve", &name]).success();
}

#[test]
fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let client = clients.client("tranship");
    let registry = Scripted::settings().mutual_tls(authority.server(&LOOPBACK), clients).start();
    registry.put("app", &image().build(), &["v1"]);
    let name = format!("{}/app:v1", registry.address());

    let program = Program::new();
    let (certificate, key) = client.write(program.home(), "client");
    let files = format!("  client-cert-file: {}\n  client-key-file: {}\n", certificate.display(), key.display());
    configure(&program, &registry, &format!("{}{files}", inline(&authority)));
    program.run(&["inspect", &name]).success();

    configure(&program, &registry, &inline(&authority));
    let output = program.run(&["resolve", &name]).code(4).says("wants a client certificate that it trusts");
    output.says(&format!("hint: name one: `tranship registry set {} --client-cert-file FILE", registry.address()));
    let half = format!("{}  client-cert-file: {}\n", inline(&authority), certificate.display());
    configure(&program, &registry, &half);
    program.run(&["resolve", &name]).code(2).says("client-key-file");

    let program = Program::new();
    let folder = folder(&program, &registry);
    std::fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
    let (_, key) = client.write(&folder, "client");
    std::fs::rename(key.with_extension("crt"), key.with_extension("cert")).unwrap();
    program.run(&["resolve", &name]).success();
}

#[test]
fn docker_registry_lets_in_who_shows_a_certificate_of_its_authority() {
    needs!("docker-registry");
    let (authority, clients) = (Authority::new(), Authority::new());
    let registry = DockerRegistry::mutual(&authority, &clients);
    let image = image().build();
    let source = Scripted::start();
    source.put("app", &image, &["v1"]);
    let from = format!("{}/app:v1", source.address());
    let name = format!("{}/app:v1", registry.address());
    let program = Program::new();
    let entry = |client: &Identity, file: &str| {
        let (certificate, key) = client.write(program.home(), file);
        let files = format!("  client-cert-file: {}\n  client-key-file: {}\n", certificate.display(), key.display());
        let address = registry.address();
        program.configure(&format!("remote-registries:\n- address: '{address}'\n{}{files}", inline(&authority)));
    };
    entry(&clients.client("tranship"), "client");
    program.run(&["copy", "--attached", "none", &from, &name]).success();
    assert_eq!(program.run(&["resolve", &name]).success().lines(), [format!("{name}@{}", image.digest())]);
    entry(&Authority::new().client("stranger"), "stranger");
    program.run(&["resolve", &name]).code(4).says("wants a client certificate that it trusts");
}

#[test]
fn who_speaks_plain_http_to_a_tls_server_is_told_so() {
    needs!("docker-registry");
    let registry = DockerRegistry::secure(&Authority::new());
    let name = format!("{}/app:v1", registry.address());
    let output = Program::new().run(&["inspect", &name, "--tls", "plain-http"]).code(1);
    output.says("hint: it speaks TLS: leave out `--tls plain-http`").says("--tls verify`");
}

// Threat S37.
#[test]
fn a_certificate_that_is_not_good_ends_it_with_the_reason() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let cases = [
        (authority.expired_server(), "its certificate has expired, on 2001-01-01", "`--tls skip-verify`"),
        (authority.server(&["registry.test"]), "is for another name: registry.test", "`--tls skip-verify`"),
        (stranger.server(&LOOPBACK), "is from an authority that is not trusted here", "--ca-cert-file FILE"),
    ];
    for (identity, reason, hint) in cases {
        let (registry, name) = registry(identity);
        let program = Program::new();
        configure(&program, &registry, &inline(&authority));
        let output = program.run(&["resolve", &name]).code(5);
        output.says(&format!("https://{} cannot be trusted", registry.address())).says(reason).says(hint);
        assert!(registry.requests().is_empty());
    }
}

#[test]
fn verification_is_skipped_for_the_registry_that_is_named_alone() {
    let (one, name) = registry(Authority::new().server(&LOOPBACK));
    let (other, elsewhere) = registry(Authority::new().server(&LOOPBACK));
    let program = Program::new();
    program.run(&["resolve", &name]).code(5);
    program.run(&["resolve", &name, "--tls", "skip-verify"]).success();
    configure(&program, &one, "  tls: skip-verify\n");
    program.run(&["resolve", &name]).success();
    program.run(&["resolve", &elsewhere]).code(5);
    let copy = ["copy", "--attached", "none", &name, &elsewhere.replace(":v1", ":v2")];
    program.run(&copy).code(5).says(&other.address());
    program.run(&[&copy[..], &["--src-tls", "skip-verify"]].concat()).code(5);
    program.run(&[&copy[..], &["--dest-tls", "skip-verify"]].concat()).success();
    assert_eq!(other.tags("app"), ["v1", "v2"]);
}

// Threat S8.
#[test]
fn what_is_skipped_for_a_registry_is_not_skipped_for_its_token_server() {
    let authority = Authority::new();
    let tokens = TokenServer::start_at("127.0.0.1", Some(&authority), Tokens::default());
    let registry = Scripted::settings().tls(authority.server(&LOOPBACK)).tokens(&tokens).start();
    registry.put("app", &image().build(), &["v1"]);
    let name = format!("{}/app:v1", registry.address());
    let program = Program::new();
    configure(&program, &registry, "  tls: skip-verify\n");
    let output = program.run(&["resolve", &name]).code(5);
    output.says("the auth server 127.0.0.1 gave no answer").says("cannot be trusted");
    assert!(tokens.fetches().is_empty());
    configure(&program, &registry, &inline(&authority));
    program.run(&["resolve", &name]).success();
}

#[test]
fn nothing_is_shown_before_it_is_known_who_answers() {
    let plain = Scripted::settings().basic("bob", "secret").start();
    plain.put("app", &image().build(), &["v1"]);
    let name = format!("{}/app:v1", plain.address());
    let mut program = Program::new();
    program.set("TRANSHIP_SECRET_TEST_BOB_USERNAME", "bob");
    program.set("TRANSHIP_SECRET_TEST_BOB_PASSWORD", "secret");
    program.configure("vaults: [{name: test, backend: environment}]\n");
    // On this computer it may be plain without saying so, but not where it is to be TLS.
    program.run(&["resolve", &name, "--secret", "test/bob"]).success();
    assert!(plain.requests()[0].header("authorization").is_none());
}

// Threat S38.
#[test]
fn without_tls_no_other_computer_is_spoken_to() {
    needs!("docker-registry");
    let plain = DockerRegistry::open();
    let image = image().build();
    Registry::at(&plain.url()).push("app", &image, &["v1"]);
    let proxy = Tunnel::start();
    proxy.lead("registry.test:5000", plain.address());
    let mut program = Program::new();
    for scheme in ["http_proxy", "https_proxy"] {
        program.set(scheme, &proxy.url());
    }
    let name = "registry.test:5000/app:v1";
    let output = program.run(&["resolve", name]).code(5).says("https://registry.test:5000 does not speak TLS");
    output.says("hint: if it speaks plain HTTP, run `tranship registry set registry.test:5000 --tls plain-http`");
    assert_eq!(proxy.targets(), ["registry.test:5000"]);
    let output = program.run(&["resolve", name, "--tls", "plain-http"]).success();
    assert_eq!(output.lines(), [format!("{name}@{}", image.digest())]);
}
