//! Where secrets are, and where they are not: on disk, in other processes, on the way there. What is said is a
//! matter of `threats::verbose`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;
use crate::support::token_server::{TokenServer, Tokens};

const USER: &str = "bob";
const PASSWORD: &str = "pAsSwOrD-cAnArY";
const PASSPHRASE: &str = "pAsSpHrAsE-cAnArY";

/// Every file below `directory` that holds one of `texts`.
fn holding(directory: &Path, texts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(holding(&path, texts));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = |text: &&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        if texts.iter().any(holds) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A registry that wants tokens and its token server, which knows [`USER`].
fn registry() -> (TokenServer, Scripted) {
    let tokens = TokenServer::start(Tokens::default());
    tokens.change(|tokens| drop(tokens.users.insert(USER.to_owned(), PASSWORD.to_owned())));
    let registry = Scripted::settings().tokens(&tokens).start();
    registry.put("app", &image().build(), &["v1"]);
    (tokens, registry)
}

/// Does a bit of everything with the registry, whatever comes of it.
fn use_it(program: &Program, registry: &Scripted) {
    let name = |rest: &str| format!("{}/{rest}", registry.address());
    program.run(&["copy", &name("app:v1"), "store:app:v1", "--digest-file", "digest"]).success();
    program.run(&["copy", "store:app:v1", &name("copy:v1")]).success();
    program.run(&["tag", &name("copy:v1"), "v2"]).success();
    program.run(&["tags", &name("copy"), "-l"]).success();
    program.run(&["whoami", &registry.address()]).success();
    program.run(&["registry", "test", &registry.address(), "--repository", "app"]).success();
    program.run(&["resolve", &name("nothing:v1")]).code(3);
    program.run(&["delete", &name("copy:v2")]);
}

/// The tokens that the registry was shown.
fn shown(registry: &Scripted) -> Vec<String> {
    let bearer = |request: &crate::support::server::Request| {
        request.header("authorization").and_then(|shown| shown.strip_prefix("Bearer ")).map(str::to_owned)
    };
    let mut tokens: Vec<String> = registry.requests().iter().filter_map(bearer).collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

// Threats S15, S31.
#[test]
fn a_password_of_an_encrypted_vault_is_in_no_file_and_a_token_in_one() {
    let (_tokens, registry) = registry();
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", PASSPHRASE);
    program.run(&["vault", "create", "v", "--backend", "file"]).success();
    let set = ["secret", "set", "v/bob", "--username", USER, "--password-stdin"];
    program.invoke(&set).stdin(PASSWORD).run().success().keeps_quiet_about(PASSWORD);
    let credential = format!("{}={}", "*", "v/bob");
    program.run(&["registry", "add", &registry.address(), "--credential", &credential]).success();
    use_it(&program, &registry);
    program.run(&["secret", "show", "v/bob", "-o", "json"]).success().keeps_quiet_about(PASSWORD);

    let pair = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let alone = STANDARD.encode(PASSWORD);
    let none: [PathBuf; 0] = [];
    assert_eq!(holding(program.home(), &[PASSWORD, PASSPHRASE, &pair, &alone]), none);

    let tokens = shown(&registry);
    assert!(!tokens.is_empty());
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let kept = program.home().join("state/tranship/tokens.json");
    assert_eq!(holding(program.home(), &tokens), std::slice::from_ref(&kept));
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);

    program.run(&["logout", &registry.address()]);
    assert_eq!(holding(program.home(), &tokens), none, "logging out drops them");
}

#[test]
fn without_kept_tokens_no_file_holds_one() {
    let (_tokens, registry) = registry();
    let mut program = Program::new();
    program.set("TRANSHIP_SECRET_CI_BOB_USERNAME", USER);
    program.set("TRANSHIP_SECRET_CI_BOB_PASSWORD", PASSWORD);
    program.configure("vaults: [{name: ci, backend: environment}]\n");
    let name = format!("{}/app:v1", registry.address());
    program.run(&["copy", &name, "store:app:v1", "--src-secret", "ci/bob", "--no-token-cache"]).success();
    let tokens = shown(&registry);
    assert_eq!(tokens.len(), 1);
    assert!(holding(program.home(), &[PASSWORD, &tokens[0]]).is_empty());
}

#[test]
fn a_log_in_leaves_the_password_in_its_vault_alone() {
    let (_tokens, registry) = registry();
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", PASSPHRASE);
    program.run(&["vault", "create", "v", "--backend", "file"]).success();
    let login = ["login", &registry.address(), "--vault", "v", "--username", USER, "--password-stdin", "-vvv"];
    let output = program.invoke(&login).stdin(PASSWORD).run().success();
    output.keeps_quiet_about(PASSWORD).keeps_quiet_about(PASSPHRASE);
    program.run(&["resolve", &format!("{}/app:v1", registry.address()), "-v"]).success().says("login");
    assert!(holding(program.home(), &[PASSWORD, PASSPHRASE]).is_empty());
    let wrong = ["login", &registry.address(), "--vault", "v", "--username", USER, "--password-stdin", "-vvv"];
    let output = program.invoke(&wrong).stdin("wRoNg-cAnArY").run().code(4);
    output.keeps_quiet_about("wRoNg-cAnArY");
    assert!(holding(program.home(), &["wRoNg-cAnArY"]).is_empty());
}

// Threat S30.
#[test]
fn a_helper_sees_no_secret_that_is_not_its_own() {
    let (_tokens, registry) = registry();
    let mut program = Program::new();
    let folder = program.home().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(program.home().join(".docker")).unwrap();
    std::fs::write(program.home().join(".docker/config.json"), r#"{"credsStore": "spy"}"#).unwrap();
    // What it is given is what `ps` and /proc show of it to others of the same user.
    let script = format!(
        "#!/bin/sh\ncat /proc/$$/environ /proc/$$/cmdline > \"$0.seen\"\n\
         printf '{{\"Username\":\"{USER}\",\"Secret\":\"%s\"}}' \"$(cat \"$HOME/secret\")\"\n"
    );
    let helper = folder.join("docker-credential-spy");
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(program.home().join("secret"), PASSWORD).unwrap();
    program.set("PATH", &format!("{}:/usr/bin:/bin", folder.display()));
    program.set("TRANSHIP_SECRET_CI_BOB_PASSWORD", "eNv-cAnArY");
    program.set("TRANSHIP_VAULT_PASSPHRASE", PASSPHRASE);
    program.run(&["resolve", &format!("{}/app:v1", registry.address())]).success();
    let seen = std::fs::read(folder.join("docker-credential-spy.seen")).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("HOME=") && seen.contains("docker-credential-spy"), "{seen}");
    for secret in ["eNv-cAnArY", PASSPHRASE, PASSWORD] {
        assert!(!seen.contains(secret), "{seen}");
    }
}
