//! What registries say to `registry test`, `login` and supctl's actions.

use serde_json::json;

use crate::support::certificates::Authority;
use crate::support::docker_registry::{DockerRegistry, PASSWORD, USER};
use crate::support::images::{image, index};
use crate::support::program::{Output, Program};
use crate::support::push::Registry;
use crate::support::token_server::{TokenServer, Tokens};

/// A program whose vaults are encrypted files.
fn program() -> Program {
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", "correct horse");
    program.configure("settings:\n  vault-backend: file\n");
    program
}

/// A program that trusts the certificates of `authority` for this registry.
fn trusting(registry: &DockerRegistry, authority: &Authority) -> Program {
    let program = program();
    let add = program.invoke(&["registry", "add", registry.address(), "--ca-cert-stdin"]);
    add.stdin(authority.pem()).run().success();
    program
}

fn login(program: &Program, registry: &str, user: &str, password: &str) -> Output {
    let words = ["login", registry, "--username", user, "--password-stdin"];
    program.invoke(&words).stdin(format!("{password}\n")).run()
}

fn whoami(program: &Program, place: &str) -> serde_json::Value {
    program.run(&["whoami", place, "-o", "json"]).success().json()
}

#[test]
fn an_open_registry_is_tested() {
    needs!("docker-registry");
    let registry = DockerRegistry::open();
    let program = program();
    let output = program.run(&["registry", "test", registry.address(), "--repository", "team/app"]).success();
    for line in [
        "Authentication: none",
        "TLS:            plain HTTP",
        "Credential:     none, because no credential is configured",
        "Accepted:       yes",
        "Rights:         pull, push in team/app",
    ] {
        assert!(output.stdout.contains(line), "{line}: {}", output.shown());
    }
    let json = program.run(&["registry", "test", registry.address(), "-o", "json"]).success().json();
    assert_eq!((&json["reachable"], &json["accepted"], &json["rights"]), (&json!(true), &json!(true), &json!([])));
}

#[test]
fn a_registry_that_is_not_there_is_unreachable() {
    let program = program();
    let words = ["registry", "test", "127.0.0.1:1", "--retries", "0"];
    program.run(&words).code(5).says("127.0.0.1:1");
    let login = ["login", "127.0.0.1:1", "--username", "bob", "--password-stdin", "--retries", "0"];
    program.invoke(&login).stdin("canary").run().code(5).keeps_quiet_about("canary");
}

#[test]
fn a_credential_is_tried_before_it_is_kept() {
    needs!("docker-registry", "htpasswd");
    let authority = Authority::new();
    let registry = DockerRegistry::htpasswd(&authority);
    let (program, address) = (trusting(&registry, &authority), registry.address());

    let wrong = login(&program, address, USER, "canary-wrong").code(4);
    wrong.says(address).says(&format!("`{USER}`")).says("nothing was kept").keeps_quiet_about("canary-wrong");
    assert_eq!(whoami(&program, address)["kind"], "none");
    let untested = program.run(&["registry", "test", address]).code(4);
    untested.says("wants a credential, and there is none").says(&format!("tranship login {address}"));

    let right = login(&program, address, USER, PASSWORD).success().keeps_quiet_about(PASSWORD);
    assert_eq!(right.stdout, format!("logged in to {address} as `{USER}`; kept in the vault `login` (file)\n"));
    let who = whoami(&program, &format!("{address}/some/repository"));
    assert_eq!((who["username"].as_str(), who["credential"].as_str()), (Some(USER), Some("login")));
    let tested = program.run(&["registry", "test", address, "-vvv", "--repository", "a/b"]).success();
    assert!(tested.stdout.contains("Rights:         pull, push in a/b"), "{}", tested.shown());
    tested.keeps_quiet_about(PASSWORD);

    program.run(&["logout", address]).success();
    assert_eq!(whoami(&program, address)["kind"], "none");
    let again = program.run(&["logout", address]).success();
    assert_eq!(again.stdout, format!("nobody was logged in to {address}\n"));
}

#[test]
fn a_login_says_where_a_rule_goes_before_it() {
    needs!("docker-registry", "htpasswd");
    let authority = Authority::new();
    let registry = DockerRegistry::htpasswd(&authority);
    let (program, address) = (trusting(&registry, &authority), registry.address());
    program.run(&["vault", "create", "v"]).success();
    let set = program.invoke(&["secret", "set", "v/team", "--username", "carol", "--password-stdin"]);
    set.stdin("canary").run().success();
    program.run(&["registry", "set", address, "--credential", "team=v/team"]).success();
    let output = login(&program, address, USER, PASSWORD).success();
    output.says(&format!("for `team` the rule of {address} names `v/team`, which goes before this log-in"));
    assert_eq!(whoami(&program, &format!("{address}/team/app"))["username"], "carol");
    assert_eq!(whoami(&program, &format!("{address}/teams"))["username"], USER);
    // The rule's credential is the one that is tried, and the error names it.
    let refused = program.run(&["registry", "test", address, "--repository", "team/app"]).code(4);
    refused.says("the credential `v/team`").says("tranship secret set v/team").keeps_quiet_about("canary");
    program.run(&["logout", address]).success().says("still names `v/team` for `team`");
}

#[test]
fn a_login_can_go_into_a_vault_of_its_own() {
    needs!("docker-registry", "htpasswd");
    let authority = Authority::new();
    let registry = DockerRegistry::htpasswd(&authority);
    let (program, address) = (trusting(&registry, &authority), registry.address());
    let words = ["login", address, "--username", USER, "--password-stdin", "--vault", "mine"];
    program.invoke(&words).stdin(PASSWORD).run().code(3).says("tranship vault create mine");
    program.run(&["vault", "create", "ci", "--backend", "environment"]).success();
    let read_only = ["login", address, "--username", USER, "--password-stdin", "--vault", "ci"];
    program.invoke(&read_only).stdin(PASSWORD).run().code(2).says("which tranship only reads");
    program.run(&["vault", "create", "mine"]).success();
    program.invoke(&words).stdin(PASSWORD).run().success();
    assert_eq!(program.run(&["secret", "list", "mine"]).success().stdout, format!("{address}\n"));
    assert_eq!(whoami(&program, address)["username"], USER);
    program.run(&["logout", address]).success();
    assert_eq!(program.run(&["secret", "list", "mine"]).success().stdout, "");
}

#[test]
fn logging_out_drops_kept_tokens() {
    needs!("docker-registry");
    let tokens = TokenServer::start(Tokens { anonymous_pull: false, ..Tokens::default() });
    let registry = DockerRegistry::tokens(&tokens);
    let (program, address) = (program(), registry.address());
    login(&program, address, "bob", "wrong").code(4).says("`bob`");
    login(&program, address, "bob", "secret").success();
    let tested = program.run(&["registry", "test", address, "--repository", "a/b"]).success();
    assert!(tested.stdout.contains("Authentication: bearer, tokens from "), "{}", tested.shown());
    program.run(&["resolve", &format!("{address}/a/b:v1")]).code(3);
    let kept = program.home().join("state/tranship/tokens.json");
    let kept_tokens = || std::fs::read_to_string(&kept).unwrap_or_default().contains(address);
    assert!(
        kept_tokens(),
        "{:?}",
        std::fs::read_dir(program.home().join("state/tranship")).unwrap().collect::<Vec<_>>()
    );

    let output = program.run(&["logout", address]).success();
    assert!(output.stdout.contains("1 kept token dropped"), "{}", output.shown());
    assert!(!kept_tokens());
}

#[test]
fn a_token_is_taken_from_standard_input() {
    needs!("docker-registry");
    let users = [("token".to_owned(), "t0ken".to_owned())].into();
    let tokens = TokenServer::start(Tokens { users, anonymous_pull: false, ..Tokens::default() });
    let registry = DockerRegistry::tokens(&tokens);
    let (program, address) = (program(), registry.address());
    let login = |token: &str| program.invoke(&["login", address, "--token-stdin"]).stdin(token).run();
    login("wrong").code(4);
    login("").code(2).says("there is no token");
    login("t0ken\n").success();
    assert_eq!(whoami(&program, address)["username"], "token");
}

#[test]
fn supctls_actions_pull_and_list() {
    needs!("docker-registry");
    let registry = DockerRegistry::open();
    let labelled = image().seed(1).layers(&[4096]).label("team", "a").build();
    let other = image().seed(2).layers(&[100, 200]).architecture("arm64").build();
    let both = index(vec![labelled.clone(), other]);
    let client = Registry::at(&registry.url());
    client.push("team/app", &both, &["v1"]);
    client.push("team/app", &labelled, &["single"]);
    let (program, address) = (program(), registry.address());

    let list = |image: &str, flags: &[&str]| {
        let words = ["config", "do", "image-registry", "list-remote-images", "--image", image];
        program.run(&[&words[..], flags].concat()).success()
    };
    let answer = list(&format!("{address}/team/app:v1"), &["-o", "json"]).json();
    let shown = &answer["images"][0];
    assert_eq!(shown["name"], format!("{address}/team/app:v1"));
    assert_eq!((&shown["digest"], &shown["type"]), (&json!(both.digest()), &json!("image-index")));
    assert_eq!(shown["images"][0]["platform"], "linux/amd64");
    assert_eq!(shown["images"][0]["digest"], labelled.digest());
    assert_eq!(shown["images"][0]["labels"], json!({"team": "a"}));
    assert!(shown["images"][0]["compressed-size"].as_str().unwrap().ends_with("KiB"));
    assert!(shown["images"][0]["image-id"].as_str().unwrap().starts_with("sha256:"));

    let tags = list(&format!("{address}/team/app"), &["--brief", "--digest-length", "short", "-o", "json"]).json();
    let tags = tags["images"].as_array().unwrap().clone();
    assert_eq!(tags.len(), 2);
    assert!(tags.iter().all(|image| image.get("images").is_none() && image["digest"].as_str().unwrap().len() == 19));
    let yaml = list(&format!("{address}/team/app:single"), &["--brief"]).stdout;
    assert!(yaml.starts_with("images:\n- name: ") && yaml.contains("  type: image\n"), "{yaml}");

    let pull =
        ["config", "do", "image-registry", "pull", "--image", &format!("{address}/team/app:v1"), "--to", "app:mine"];
    let pulled = program.run(&[&pull[..], &["-q"]].concat()).success();
    assert_eq!(pulled.stdout.trim(), both.digest());
    let kept = program.run(&["images", "-q"]).success();
    assert_eq!(kept.stdout, "app:mine\n");
    program.run(&["settings", "set", "platforms", "linux/arm64"]).success();
    let narrowed = program.run(&[&pull[..], &["-q"]].concat()).success();
    assert_ne!(narrowed.stdout.trim(), both.digest());
    let all = program.run(&[&pull[..], &["-q", "--all-platforms"]].concat()).success();
    assert_eq!(all.stdout.trim(), both.digest());
}

#[test]
fn a_word_that_no_reference_takes_for_a_registry_is_refused() {
    let program = program();
    for words in [&["whoami", "nope"][..], &["login", "nope", "--username", "u", "--password-stdin"]] {
        let run = program.invoke(words).stdin("canary").run().code(2);
        run.says("no registry `nope` is configured").says("tranship registry add nope").says("`nope:443`");
    }
    program.run(&["registry", "add", "nope"]).success();
    assert_eq!(whoami(&program, "nope")["kind"], "none");
}

#[test]
fn a_registry_that_does_not_answer_is_to_be_tested() {
    let program = program();
    let silent = program.run(&["tags", "127.0.0.1:1/x", "--retries", "0"]).code(5);
    silent.says("hint: see what answers there: `tranship registry test 127.0.0.1:1 -vv`");
}

#[test]
fn a_log_in_without_a_terminal_says_how_the_user_is_named() {
    let run = program().run(&["login", "a.example"]).code(2);
    run.says("there is no user name").says("--username USER --password-stdin");
}
