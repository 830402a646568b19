//! Credentials through the program: vaults, secrets, and which of them is chosen.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::keyring::{on_a_bus, with_keyring};
use crate::support::program::{Output, Program};

/// A program whose vaults are encrypted files.
fn program() -> Program {
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", "correct horse");
    program.configure("settings:\n  vault-backend: file\n");
    program
}

/// Keeps `bob` with this password.
fn set_bob(program: &Program, path: &str, password: &str) -> Output {
    let words = ["secret", "set", path, "--username", "bob", "--password-stdin"];
    program.invoke(&words).stdin(format!("{password}\n")).run()
}

#[test]
fn a_vault_whose_passphrase_is_lost_can_be_given_up() {
    let mut program = program();
    program.run(&["vault", "create", "v"]).success();
    set_bob(&program, "v/hub", "canary-1").success();
    program.set("TRANSHIP_VAULT_PASSPHRASE", "forgotten");
    program.run(&["vault", "delete", "v"]).code(4).says("does not open the vault `v`");
    program.run(&["vault", "delete", "v", "--yes"]).success();
    program.run(&["vault", "create", "v"]).success();
    assert_eq!(program.run(&["secret", "list", "v"]).success().stdout, "");
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let below = entries.flat_map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => files(&entry.path()),
        kind if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    });
    below.collect()
}

/// The files below a directory that hold a text.
fn holding(directory: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |file: &PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap()).contains(text);
    files(directory).into_iter().filter(holds).collect()
}

#[test]
fn secrets_are_set_listed_shown_and_deleted() {
    let program = program();
    let made = program.run(&["vault", "create", "v"]).success();
    assert_eq!(made.stdout, "created the vault `v` (file)\n");
    let set = set_bob(&program, "v/hub", "canary-1").success().keeps_quiet_about("canary");
    assert_eq!(set.stdout, "set `v/hub` (password, username)\n");
    let token = program.invoke(&["secret", "set", "v/ghcr", "--token-stdin"]).stdin("canary-2\n").run();
    token.success().keeps_quiet_about("canary");
    assert_eq!(program.run(&["secret", "list", "v"]).success().lines(), ["ghcr", "hub"]);
    for format in ["text", "json", "yaml"] {
        let shown = program.run(&["secret", "show", "v/hub", "-o", format, "-vvv"]).success();
        assert!(shown.stdout.contains("password") && shown.stdout.contains("username"), "{}", shown.shown());
        shown.keeps_quiet_about("canary").keeps_quiet_about("bob");
    }
    assert!(holding(program.home(), "canary").is_empty(), "{:?}", holding(program.home(), "canary"));

    program.run(&["secret", "delete", "v/hub"]).success();
    program.run(&["secret", "delete", "v/hub"]).code(3).says("tranship secret list v");
    program.run(&["secret", "show", "v/hub"]).code(3);
    program.run(&["vault", "create", "v"]).code(1).says("it is there already");
    assert_eq!(program.run(&["vault", "list", "-q"]).success().stdout, "v\n");
    program.run(&["vault", "delete", "v"]).code(2).says("(ghcr)").says("tranship vault delete v --yes");
    let gone = program.run(&["vault", "delete", "v", "--yes"]).success();
    assert_eq!(gone.stdout, "deleted the vault `v` with 1 secret\n");
    program.run(&["vault", "delete", "v"]).code(3);
    program.run(&["secret", "list", "v"]).code(3).says("tranship vault create v");
    // Made again, it is empty.
    program.run(&["vault", "create", "v"]).success();
    assert_eq!(program.run(&["secret", "list", "v"]).success().stdout, "");
}

#[test]
fn values_are_never_taken_from_the_command_line() {
    let program = program();
    program.run(&["vault", "create", "v"]).success();
    let refused = program.run(&["secret", "set", "v/s", "password=canary"]).code(2);
    refused.says("values are not taken from the command line").keeps_quiet_about("canary");
    for command in [&["secret", "set", "v/s"][..], &["login", "r.example"]] {
        for flag in ["--password", "-p", "--token"] {
            let words = [command, &["--username", "bob", flag, "x"]].concat();
            program.run(&words).code(2).says("unexpected argument");
        }
        program.run(&[command, &["--username", "bob"]].concat()).code(2).says("standard input is not a terminal");
        program.run(&[command, &["--password-stdin"]].concat()).code(2).says("--username");
    }
    set_bob(&program, "v/s", "").code(2).says("there is no password");
    assert_eq!(program.run(&["secret", "list", "v"]).success().stdout, "");
}

#[test]
fn single_values_come_on_standard_input() {
    let program = program();
    program.run(&["vault", "create", "v"]).success();
    let set =
        |words: &[&str], stdin: &str| program.invoke(&[&["secret", "set", "v/s"], words].concat()).stdin(stdin).run();
    let username = || {
        let who = program.run(&["whoami", "r.example", "--secret", "v/s", "-o", "json"]).success().json();
        who["username"].as_str().unwrap_or_default().to_owned()
    };
    set(&["username=-", "password=-"], "alice\np w: d\n").success();
    assert_eq!(username(), "alice");
    set(&["username=-", "--merge"], "carol").success();
    assert_eq!(username(), "carol");
    set(&["token=-"], "t").success();
    assert_eq!(program.run(&["secret", "show", "v/s"]).success().stdout, "token\n");
    set(&["a=-", "b=-"], "one\n").code(2).says("line for each key");
    set(&["--data-stdin"], "data: {username: dave}\nbase64-data: {password: AP8=}\n").success();
    assert_eq!(program.run(&["secret", "show", "v/s"]).success().lines(), ["password", "username"]);
    set(&["--data-stdin"], "name: other\ndata: {a: b}\n").code(2);
    set(&["--data-stdin"], "data: {}\n").code(2).says("would hold nothing");
}

#[test]
fn an_encrypted_file_is_private_and_needs_its_passphrase() {
    let program = program();
    program.run(&["vault", "create", "v"]).success();
    set_bob(&program, "v/s", "canary").success();
    let vaults = files(&program.home().join("data"));
    for file in &vaults {
        let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    let words = ["whoami", "r.example", "--secret", "v/s"];
    let wrong = program.invoke(&words).env("TRANSHIP_VAULT_PASSPHRASE", "wrong").run().code(4);
    wrong.says("`v/s`").says("r.example").keeps_quiet_about("wrong");
    let none = program.invoke(&words).env("TRANSHIP_VAULT_PASSPHRASE", "").run().code(4);
    none.says("TRANSHIP_VAULT_PASSPHRASE");
    program.run(&words).success();
}

#[test]
fn without_a_keychain_the_encrypted_file_is_named_and_nothing_is_written() {
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", "correct horse");
    let refused = |output: Output| {
        output.code(4).says("keychain").says("--backend file").keeps_quiet_about("canary");
        assert!(!program.config_file().exists());
        assert!(holding(program.home(), "canary").is_empty());
    };
    refused(program.run(&["vault", "create", "v"]));
    let body = "name: s\ndata: {password: canary}\n";
    refused(program.invoke(&["config", "create", "strongbox", "vaults", "v", "secrets"]).stdin(body).run());
    refused(set_bob(&program, "login/s", "canary"));
    // A log-in is not asked for first and refused afterwards.
    let login = ["login", "127.0.0.1:1", "--username", "bob", "--password-stdin"];
    refused(program.invoke(&login).stdin("canary").run());
    // What the error says works.
    program.run(&["vault", "create", "v", "--backend", "file"]).success();
    set_bob(&program, "v/s", "canary").success();
}

#[test]
fn a_keychain_that_is_not_set_up_is_an_error_too() {
    needs!("dbus-run-session");
    let program = Program::new();
    let output = on_a_bus(&program, "$tranship vault create v").code(4);
    output.says("keychain for the vault `v`").says("tranship vault create v --backend file");
    assert!(!program.config_file().exists());
}

#[test]
fn the_keychain_keeps_secrets_under_their_vault() {
    needs!("dbus-run-session", "gnome-keyring-daemon", "secret-tool");
    let program = Program::new();
    let output = with_keyring(
        &program,
        r#"
$tranship vault create registry-credentials
printf 'canary-1\n' | $tranship secret set registry-credentials/hub --username bob --password-stdin
$tranship config create strongbox vaults registry-credentials secrets <<EOF
name: ghcr
data: {token: canary-2}
EOF
echo "outside: $(secret-tool lookup service tranship/registry-credentials username hub)"
$tranship secret list registry-credentials
$tranship secret show registry-credentials/hub
$tranship whoami r.example --secret registry-credentials/hub
$tranship secret delete registry-credentials/hub
secret-tool lookup service tranship/registry-credentials username hub || echo gone
$tranship vault delete registry-credentials --yes
secret-tool search --all service tranship/registry-credentials 2>&1 | grep secret || echo empty
"#,
    )
    .success();
    insta::assert_snapshot!(output.stdout, @r#"
    created the vault `registry-credentials` (keychain)
    set `registry-credentials/hub` (password, username)
    create strongbox vaults registry-credentials secrets: done
    outside: {"password":"canary-1","username":"bob"}
    ghcr
    hub
    password
    username
    bob, by the credential `registry-credentials/hub`, because `--secret` names it
    deleted `registry-credentials/hub`
    gone
    deleted the vault `registry-credentials` with 1 secret
    empty
    "#);
    assert!(!output.stderr.contains("canary"));
    // Nothing of it stands in a file of ours.
    let ours = ["config", "state"].map(|place| program.home().join(place)).into_iter().filter(|place| place.is_dir());
    for place in ours {
        assert!(holding(&place, "canary").is_empty());
    }
}

#[test]
fn the_longest_prefix_names_the_secret() {
    let program = program();
    program.configure(
        "settings:\n  vault-backend: file\nremote-registries:\n- address: r.example\n  credentials:\n  \
         - {repository: '*', vault: v, secret: all}\n  - {repository: team, vault: v, secret: team}\n  \
         - {repository: team/app, vault: v, secret: app}\nvaults:\n- {name: v, backend: file}\n",
    );
    for secret in ["all", "team"] {
        set_bob(&program, &format!("v/{secret}"), "p").success();
    }
    let credential = |place: &str| {
        let who = program.run(&["whoami", place, "-o", "json"]).success().json();
        who["credential"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(credential("r.example"), "v/all");
    assert_eq!(credential("r.example/teams"), "v/all");
    assert_eq!(credential("r.example/team/other"), "v/team");
    assert_eq!(credential("other.example/team"), "");
    // The one that is configured counts, also where it cannot be read.
    let missing = program.run(&["whoami", "r.example/team/app/x"]).code(4);
    missing.says("`v/app`").says("tranship secret set v/app");
    let anonymous = program.run(&["whoami", "r.example/team/app", "--anonymous"]).success();
    assert_eq!(anonymous.stdout, "anonymous, because `--anonymous` asks for none\n");
    program.run(&["secret", "delete", "v/team"]).success().says("the rule of r.example for `team` still names");
}

#[test]
fn the_environment_and_dockers_files_are_read() {
    let mut program = Program::new();
    program.set("TRANSHIP_SECRET_CI_HUB_USERNAME", "robot");
    program.set("TRANSHIP_SECRET_CI_HUB_PASSWORD", "canary");
    program.run(&["vault", "create", "ci", "--backend", "environment"]).success();
    let whoami = |place: &str, flags: &[&str]| {
        let output = program.run(&[&["whoami", place, "-o", "json"], flags].concat()).success();
        output.clone().keeps_quiet_about("canary");
        output.json()
    };
    assert_eq!(whoami("r.example", &["--secret", "ci/hub"])["username"], "robot");
    set_bob(&program, "ci/x", "p").code(2).says("which tranship only reads");
    program.run(&["vault", "delete", "ci"]).success();

    let docker = program.home().join(".docker");
    fs::create_dir(&docker).unwrap();
    // `dora:canary`
    fs::write(docker.join("config.json"), r#"{"auths":{"r.example":{"auth":"ZG9yYTpjYW5hcnk="}}}"#).unwrap();
    let who = whoami("r.example/x", &[]);
    assert_eq!(who["username"], "dora");
    assert!(who["why"].as_str().unwrap().contains(".docker/config.json"), "{who}");
    fs::write(docker.join("other.json"), r#"{"auths":{"r.example":{"auth":"ZXZlOmNhbmFyeQ=="}}}"#).unwrap();
    let other = docker.join("other.json").to_string_lossy().into_owned();
    assert_eq!(whoami("r.example", &["--authfile", &other])["username"], "eve");
}

#[test]
fn a_vault_that_cannot_be_opened_is_exit_4_wherever_it_is_needed() {
    let program = Program::new();
    program.configure(
        "vaults:\n- {name: v, backend: file}\n- {name: k, backend: keychain}\nremote-registries:\n- address: a.example\n  \
         credentials: [{repository: '*', vault: v, secret: s}]\n",
    );
    let set = program.invoke(&["secret", "set", "v/s", "--token-stdin"]).stdin("t");
    set.env("TRANSHIP_VAULT_PASSPHRASE", "p").run().success();
    let needing: [&[&str]; 10] = [
        &["secret", "list", "v"],
        &["secret", "show", "v/s"],
        &["secret", "set", "v/x", "--token-stdin"],
        &["secret", "delete", "v/s"],
        &["vault", "create", "w", "--backend", "file"],
        &["vault", "delete", "v"],
        &["login", "b.example", "--token-stdin", "--vault", "v"],
        &["whoami", "a.example"],
        &["tags", "a.example/x"],
        &["registry", "test", "a.example"],
    ];
    for words in needing {
        let run = program.invoke(words).stdin("t").run().code(4).says("TRANSHIP_VAULT_PASSPHRASE");
        // No quotation within a quotation.
        run.says("\"").keeps_quiet_about("`:`");
    }
    program.invoke(&["secret", "set", "k/x", "--token-stdin"]).stdin("t").run().code(4).says("keychain");
    // What the hint says is explained where the vault is there already.
    let there = program.run(&["vault", "create", "k", "--backend", "file"]).code(1);
    there.says("echo 'backend: file' | tranship config merge strongbox vaults k");
    let merge = ["config", "merge", "strongbox", "vaults", "k"];
    program.invoke(&merge).stdin("backend: file\n").run().success();
    let set = program.invoke(&["secret", "set", "k/x", "--token-stdin"]).stdin("t");
    set.env("TRANSHIP_VAULT_PASSPHRASE", "p").run().success();
}

#[test]
fn the_vault_of_login_is_listed_where_it_is_in_use() {
    let program = program();
    program.run(&["vault", "create", "ours"]).success();
    assert_eq!(program.run(&["vault", "list"]).success().lines(), ["VAULT  BACKEND", "ours   file"]);
    let logins = serde_json::json!({"logins": {"a.example": {"name": "login", "backend": "file"}}});
    fs::create_dir_all(program.home().join("data/tranship")).unwrap();
    fs::write(program.home().join("data/tranship/logins.json"), logins.to_string()).unwrap();
    assert_eq!(program.run(&["vault", "list", "-q"]).success().lines(), ["ours", "login"]);
}

#[test]
fn a_mistyped_vault_or_secret_is_told_from_the_one_that_is_there() {
    let program = program();
    program.run(&["vault", "create", "team"]).success();
    set_bob(&program, "team/ghcr", "canary").success();
    set_bob(&program, "taem/ghcr", "canary").code(3).says("there is no vault `taem`; did you mean `team`?");
    program.run(&["secret", "list", "logn"]).code(3).says("did you mean `login`?");
    program.run(&["vault", "delete", "tea"]).code(3).says("did you mean `team`?");
    for command in ["show", "delete"] {
        program.run(&["secret", command, "team/ghrc"]).code(3).says("there is none; did you mean `ghcr`?");
    }
    program
        .run(&["config", "show", "strongbox", "vaults", "team", "secrets", "ghr"])
        .code(3)
        .says("did you mean `ghcr`?");
    let tags = program.run(&["tags", "a.example/x", "--secret", "team/ghrc"]).code(4);
    tags.says("its vault has no such secret; did you mean `ghcr`?");
    let far = program.run(&["secret", "show", "team/unrelated"]).code(3);
    assert!(!far.stderr.contains("did you mean"), "{}", far.shown());
}

#[test]
fn a_credential_of_dockers_files_is_quoted_once() {
    let server = crate::support::scripted::Scripted::settings().basic("bob", "right").start();
    let program = Program::new();
    let file = program.path("auth.json");
    // base64 of `bob:wrong`.
    let auths = serde_json::json!({"auths": {server.address(): {"auth": "Ym9iOndyb25n"}}});
    fs::write(&file, auths.to_string()).unwrap();
    let refused = program.run(&["registry", "test", &server.address(), "--authfile", &file]).code(4);
    refused.says(&format!("does not take the credential `{} of {file}`:", server.address()));
}
