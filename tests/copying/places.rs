//! Registries of every setting, as source and as destination.

use super::{Pair, tagged};
use crate::support::certificates::Authority;
use crate::support::docker_registry::{DockerRegistry, PASSWORD, USER};
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::relay::Relay;
use crate::support::token_server::{TokenServer, Tokens};

/// A configuration with one registry, whose credential is in the environment.
fn configured(address: &str, more: &str) -> String {
    format!(
        "vaults: [{{name: ci, backend: environment}}]\n\
         remote-registries:\n\
         - address: {address}\n  \
           credentials: [{{repository: '*', vault: ci, secret: test}}]\n{more}"
    )
}

/// The program with that credential.
fn program_with(user: &str, password: &str) -> Program {
    let mut program = Program::new();
    program.set("TRANSHIP_SECRET_CI_TEST_USERNAME", user);
    program.set("TRANSHIP_SECRET_CI_TEST_PASSWORD", password);
    program
}

#[test]
fn a_registry_that_removes_nothing_takes_and_gives() {
    needs!("docker-registry");
    let pair = Pair::start();
    let strict = DockerRegistry::without_delete();
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let there = format!("{}/a:v1", strict.address());
    pair.program.run(&["copy", &pair.source("a:v1"), &there]).success();
    pair.program.run(&["copy", &there, &pair.destination("b:v1")]).success();
    assert!(pair.arrived().holds("b", &image));
}

#[test]
fn a_pull_through_mirror_gives_and_says_why_it_takes_nothing() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let mirror = DockerRegistry::mirror_of(&pair.from.url());
    let there = format!("{}/a:v1", mirror.address());
    pair.program.run(&["copy", &there, &pair.destination("b:v1")]).success();
    assert!(pair.arrived().holds("b", &image));
    let run = pair.program.run(&["copy", &pair.source("a:v1"), &format!("{}/c:v1", mirror.address())]);
    run.code(1).says("UNSUPPORTED").says("(HTTP 405)");
}

#[test]
fn content_is_read_from_a_configured_mirror_and_tags_from_the_registry() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let relay = Relay::to(pair.from.address());
    let mirror = DockerRegistry::mirror_of(&pair.from.url());
    let asked = Relay::to(mirror.address());
    pair.program.configure(&format!(
        "remote-registries: [{{address: '{}', mirrors: ['{}']}}]\n",
        relay.address(),
        asked.address()
    ));
    let source = format!("{}/a:v1", relay.address());
    pair.program.run(&["copy", "--attached", "none", &source, &pair.destination("b:v1")]).success();
    assert!(pair.arrived().holds("b", &image));
    assert_eq!(relay.lines(), ["GET /v2/a/manifests/v1"], "the mirror had the rest");
    assert_eq!(asked.count("GET", "/blobs/"), 3);

    // A mirror that is gone is left out, with a warning.
    drop((asked, mirror));
    let run = pair.program.run(&["copy", "--retries", "0", &source, &pair.destination("c:v1")]).success();
    run.says("warning: the mirror ").says(" is left out from now on");
    assert!(pair.arrived().holds("c", &image));
}

#[test]
fn passwords_over_tls_of_a_private_authority() {
    needs!("docker-registry", "htpasswd");
    let pair = Pair::start();
    let authority = Authority::new();
    let server = DockerRegistry::htpasswd(&authority);
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let there = format!("{}/a:v1", server.address());
    let program = program_with(USER, PASSWORD);
    let file = program.path("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    program.configure(&configured(server.address(), &format!("  ca-cert-file: {file}\n")));
    program.run(&["copy", &pair.source("a:v1"), &there]).success().keeps_quiet_about(PASSWORD);
    let owner = Registry::trusting(&server.url(), &authority).basic(USER, PASSWORD);
    assert!(owner.holds("a", &image));
    let run = program.run(&["copy", "-vvv", &there, &pair.destination("b:v1")]).success();
    run.says("credential for").keeps_quiet_about(PASSWORD);
    assert!(pair.arrived().holds("b", &image));
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_unless_it_is_told_to_skip_it() {
    needs!("docker-registry", "htpasswd");
    let pair = Pair::start();
    let authority = Authority::new();
    let server = DockerRegistry::htpasswd(&authority);
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let there = format!("{}/a:v1", server.address());
    let program = program_with(USER, PASSWORD);
    let trusted = |authority: &Authority| {
        let file = program.path("ca.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        program.configure(&configured(server.address(), &format!("  ca-cert-file: {file}\n")));
    };
    let hint = format!(
        "hint: name its certificate authority: `tranship registry set {} --ca-cert-file FILE`",
        server.address()
    );
    program.configure(&configured(server.address(), ""));
    program.run(&["copy", &pair.source("a:v1"), &there]).code(5).says("cannot be trusted").says(&hint);
    trusted(&Authority::new());
    program.run(&["copy", &pair.source("a:v1"), &there]).code(5).says("cannot be trusted").says(&hint);
    // The source is plain HTTP: what is said of TLS concerns the destination alone.
    program.run(&["copy", "--dest-tls", "skip-verify", &pair.source("a:v1"), &there]).success();
    let owner = Registry::trusting(&server.url(), &authority).basic(USER, PASSWORD);
    assert!(owner.holds("a", &image));
    program.run(&["resolve", "--tls", "skip-verify", &there]).success();
}

#[test]
fn a_wrong_password_is_an_error_that_names_registry_and_credential() {
    needs!("docker-registry", "htpasswd");
    let authority = Authority::new();
    let server = DockerRegistry::htpasswd(&authority);
    let program = program_with(USER, "wrong-password");
    let file = program.path("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    program.configure(&configured(server.address(), &format!("  ca-cert-file: {file}\n")));
    let there = format!("{}/a:v1", server.address());
    let run = program.run(&["pull", &there]).code(4).says(server.address()).says("ci/test");
    run.keeps_quiet_about("wrong-password");
    let run = program.run(&["pull", "--anonymous", &there]).code(4);
    run.says(&format!("hint: run `tranship login {}`", server.address()));
}

#[test]
fn tokens_are_fetched_for_what_is_done() {
    needs!("docker-registry");
    let pair = Pair::start();
    let tokens = TokenServer::start(Tokens::default());
    let server = DockerRegistry::tokens(&tokens);
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let there = format!("{}/team/app:v1", server.address());
    let program = program_with("bob", "secret");

    program.run(&["copy", &pair.source("a:v1"), &there]).code(4).says(&format!("tranship login {}", server.address()));
    program.configure(&configured(server.address(), ""));
    program.run(&["copy", &pair.source("a:v1"), &there]).success();
    let reader = Registry::at(&server.url()).token(&tokens.token(&["repository:team/app:pull"]));
    assert!(reader.holds("team/app", &image));

    // Whoever may pull without a password does.
    Program::new().run(&["copy", &there, &pair.destination("b:v1")]).success();
    assert!(pair.arrived().holds("b", &image));
    let last = tokens.fetches().last().unwrap().clone();
    assert_eq!((last.user, last.scopes), (None, vec!["repository:team/app:pull".to_owned()]));
}

#[test]
fn a_docker_credential_file_is_read() {
    needs!("docker-registry");
    let tokens = TokenServer::start(Tokens { anonymous_pull: false, ..Tokens::default() });
    let server = DockerRegistry::tokens(&tokens);
    let image = image().build();
    let writer = Registry::at(&server.url()).token(&tokens.token(&["repository:a:pull,push"]));
    writer.push("a", &image, &["v1"]);
    let program = Program::new();
    let (there, file) = (format!("{}/a:v1", server.address()), program.path("auth.json"));
    // bob:secret
    let text = serde_json::json!({"auths": {server.address(): {"auth": "Ym9iOnNlY3JldA=="}}});
    std::fs::write(&file, text.to_string()).unwrap();
    program.run(&["resolve", &there]).code(4);
    program.run(&["resolve", "--authfile", &file, &there]).success();
    let run = program.invoke(&["pull", "-q", &there]).env("REGISTRY_AUTH_FILE", &file).run().success();
    assert_eq!(run.stdout.trim(), image.digest());
}

#[test]
fn from_one_kind_of_registry_to_another() {
    needs!("docker-registry", "htpasswd");
    let (authority, tokens) = (Authority::new(), TokenServer::start(Tokens::default()));
    let (secured, with_tokens) = (DockerRegistry::htpasswd(&authority), DockerRegistry::tokens(&tokens));
    let owner = Registry::trusting(&secured.url(), &authority).basic(USER, PASSWORD);
    let image = image().docker().build();
    owner.push("a", &image, &["v1"]);
    let mut program = program_with(USER, PASSWORD);
    program.set("TRANSHIP_SECRET_CI_OTHER_USERNAME", "bob");
    program.set("TRANSHIP_SECRET_CI_OTHER_PASSWORD", "secret");
    let other = format!(
        "- address: {}\n  credentials: [{{repository: team, vault: ci, secret: other}}]\n",
        with_tokens.address()
    );
    program.configure(&configured(secured.address(), &format!("  tls: skip-verify\n{other}")));
    let destination = format!("{}/team/app:v1", with_tokens.address());
    program.run(&["copy", &format!("{}/a:v1", secured.address()), &destination]).success();
    let reader = Registry::at(&with_tokens.url()).token(&tokens.token(&["repository:team/app:pull"]));
    assert_eq!(tagged(&reader, "team/app", "v1").as_deref(), Some(image.digest()));
    // Another repository there is not what the rule is for.
    let destination = format!("{}/other/app:v1", with_tokens.address());
    program.run(&["copy", &format!("{}/a:v1", secured.address()), &destination]).code(4);
}
