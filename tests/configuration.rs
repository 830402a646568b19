//! The configuration through the program: settings, remote registries, supctl's verbs, the file itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::program::Program;

mod file;
mod verbs;

/// A program whose vaults are encrypted files.
fn program() -> Program {
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", "correct horse");
    program.configure("settings:\n  vault-backend: file\n");
    program
}

fn text(program: &Program) -> String {
    fs::read_to_string(program.config_file()).unwrap()
}

#[test]
fn settings_are_set_shown_and_unset() {
    let mut program = Program::new();
    program.run(&["settings", "set", "default-remote-registry", "registry-1.docker.io"]).success();
    program.run(&["settings", "set", "platforms", "linux/amd64", "linux/arm64"]).success();
    program.run(&["settings", "set", "concurrency", "3"]).success();
    program.set("TRANSHIP_STORE", "/s");
    let shown = program.run(&["settings", "show"]).success();
    insta::assert_snapshot!(shown.stdout, @r"
    KEY                      VALUE                    FROM
    default-remote-registry  docker.io                configuration
    home-registry            -                        pulled images land in the local store
    vault-backend            keychain                 default
    platforms                linux/amd64,linux/arm64  configuration
    attached                 image                    default
    concurrency              3                        configuration
    store                    /s                       TRANSHIP_STORE
    timeout                  30s                      default
    retries                  5                        default
    ");
    let json = program.run(&["settings", "show", "-o", "json"]).success().json();
    assert_eq!(json["platforms"], serde_json::json!(["linux/amd64", "linux/arm64"]));
    assert_eq!((&json["concurrency"], &json["home-registry"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!(program.run(&["settings", "show", "concurrency"]).success().stdout, "3\n");
    assert_eq!(
        program.run(&["settings", "show", "-q"]).success().lines(),
        ["default-remote-registry", "platforms", "concurrency"]
    );

    program.run(&["settings", "unset", "platforms"]).success();
    assert_eq!(text(&program), "settings:\n  default-remote-registry: registry-1.docker.io\n  concurrency: 3\n");
    let unset = program.run(&["settings", "show", "platforms"]).code(3).says("tranship settings set platforms");
    unset.says("the setting `platforms` is not set: every platform is copied");
    let default = program.run(&["settings", "show", "timeout"]).success();
    assert_eq!(default.stdout, "30s\n");
    default.says("hint: `timeout` is not set; this is its default");
    assert_eq!(program.run(&["settings", "show", "retries", "-q"]).success().stderr, "");
    let json = program.run(&["settings", "show", "-o", "json"]).success().json();
    assert_eq!((&json["retries"], &json["timeout"], &json["store"]), (&5.into(), &"30s".into(), &"/s".into()));
    program.run(&["settings", "unset", "platforms"]).code(3);
}

#[test]
fn a_wrong_setting_changes_nothing_and_says_what_is_right() {
    let program = Program::new();
    program.run(&["settings", "set", "home-regsitry", "x.example"]).code(2).says("home-registry");
    program.run(&["settings", "set", "concurrency", "65"]).code(2).says("a number from 1 to 64");
    program.run(&["settings", "set", "attached", "some"]).code(2).says("`attached`");
    program.run(&["settings", "set", "concurrency"]).code(2).says("<VALUE>");
    assert!(!program.config_file().exists());
    let help = program.run(&["settings", "--help"]).success().stdout;
    for part in ["home-registry            where pulled images land", "Example:"] {
        assert!(help.contains(part), "{help}");
    }
}

#[test]
fn a_short_name_without_a_default_registry_says_how_to_set_one() {
    let program = Program::new();
    let output = program.run(&["resolve", "alpine"]).code(2);
    output.says("tranship settings set default-remote-registry");
}

#[test]
fn registries_are_added_changed_and_removed() {
    let program = program();
    let address = "registry.example.com:6000";
    let added = program
        .run(&[
            "registry",
            "add",
            address,
            "--override-address",
            "10.0.0.5:6000",
            "--tls",
            "skip-verify",
            "--mirror",
            "mirror.internal:5000/hub",
            "--token-realm",
            "https://auth.corp.example",
            "--concurrency",
            "8",
            "--bandwidth",
            "50MiB/s",
            "--ca-cert-file",
            "ca.pem",
            "--header",
            "X-Site=stockholm",
            "--credential",
            "*=registry-credentials/example-registry",
            "--credential",
            "team-a=registry-credentials/team-a",
        ])
        .success()
        .says("names the vault `registry-credentials`, which is not there yet")
        .says("make it: `tranship vault create registry-credentials`");
    let path = program.path("ca.pem");
    let entry = [
        "- address: registry.example.com:6000",
        "  override-address: 10.0.0.5:6000",
        &format!("  ca-cert-file: {path}"),
        "  tls: skip-verify",
        "  token-realms:",
        "  - https://auth.corp.example/",
        "  mirrors:",
        "  - mirror.internal:5000/hub",
        "  limits:",
        "    concurrency: 8",
        "    bandwidth: 50MiB/s",
        "  headers:",
        "    X-Site: stockholm",
        "  credentials:",
        "  - repository: '*'",
        "    vault: registry-credentials",
        "    secret: example-registry",
        "  - repository: team-a",
        "    vault: registry-credentials",
        "    secret: team-a\n",
    ]
    .join("\n");
    assert_eq!(text(&program), format!("settings:\n  vault-backend: file\nremote-registries:\n{entry}"));
    assert_eq!(program.run(&["registry", "show", address]).success().stdout, added.stdout);

    let again = program.run(&["registry", "add", address]).code(1);
    again.says("it is there already").says("hint: change it: `tranship registry set registry.example.com:6000");
    program.run(&["registry", "set", "other.example", "--unset", "tls"]).code(3).says("tranship registry add other");
    let set = program.run(&["registry", "set", "other.example", "--tls", "skip-verify"]).success();
    assert_eq!(set.stdout, "address: other.example\ntls: skip-verify\n");
    set.says("hint: `other.example` was not configured, and is now");
    program.run(&["registry", "remove", "other.example"]).success();

    let changes = ["--unset", "mirrors", "--unset", "tls", "--credential", "team-a=registry-credentials/b"];
    program.run(&[&["registry", "set", address], &changes[..]].concat()).success();
    let shown = program.run(&["registry", "show", address, "-o", "json"]).success().json();
    assert_eq!((shown.get("mirrors"), shown.get("tls")), (None, None));
    assert_eq!(shown["credentials"][0]["secret"], "example-registry");
    assert_eq!(shown["credentials"][1]["secret"], "b");
    assert_eq!(shown["limits"]["concurrency"], 8);

    insta::assert_snapshot!(program.run(&["registry", "list"]).success().stdout, @r"
    REGISTRY                   CONTACTED      TLS     MIRRORS  CREDENTIALS
    registry.example.com:6000  10.0.0.5:6000  verify  -        *=registry-credentials/example-registry,team-a=registry-credentials/b
    ");
    assert_eq!(program.run(&["registry", "list", "-q"]).success().stdout, "registry.example.com:6000\n");
    program.run(&["registry", "remove", address]).success();
    program.run(&["registry", "remove", address]).code(3);
    program.run(&["registry", "show", address]).code(3);
}

#[test]
fn a_registry_is_refused_that_could_not_work() {
    let program = Program::new();
    let refused = |flags: &[&str], part: &str| {
        program.run(&[&["registry", "add", "r.example"], flags].concat()).code(2).says(part);
        assert!(!program.config_file().exists(), "{flags:?}");
    };
    refused(&["--header", "Authorization=Basic canary"], "the configuration holds none");
    refused(&["--client-cert-file", "c.pem"], "go together");
    refused(&["--token-realm", "http://auth.example"], "not an https URL");
    refused(&["--credential", "team-a"], "REPOSITORY=VAULT/SECRET");
    refused(&["--credential", "team-*=v/s"], "team-*");
    refused(&["--concurrency", "0"], "0 is not in 1..=64");
    refused(&["--bandwidth", "fast"], "50MiB/s");
    program.run(&["registry", "add", "https://r.example"]).code(2).says("r.example");
}

#[test]
fn certificates_on_standard_input_are_kept_in_the_configuration() {
    let program = Program::new();
    let authority = crate::support::certificates::Authority::new();
    let add = program.invoke(&["registry", "add", "r.example", "--ca-cert-stdin"]);
    add.stdin(authority.pem()).run().success();
    let shown = program.run(&["registry", "show", "r.example", "-o", "json"]).success().json();
    assert_eq!(shown["ca-cert"].as_str().unwrap().trim(), authority.pem().trim());
    let wrong = program.invoke(&["registry", "add", "s.example", "--ca-cert-stdin"]);
    wrong.stdin("canary").run().code(2).says("no certificate").keeps_quiet_about("canary");
}

#[test]
fn many_processes_at_once_lose_nothing() {
    let program = program();
    let number = 12;
    let running: Vec<_> =
        (0..number).map(|index| program.invoke(&["registry", "add", &format!("r{index}.example")]).start()).collect();
    for process in running {
        process.finish().success();
    }
    let mut there: Vec<String> =
        program.run(&["registry", "list", "-q"]).success().lines().iter().map(ToString::to_string).collect();
    let mut all: Vec<String> = (0..number).map(|index| format!("r{index}.example")).collect();
    there.sort();
    all.sort();
    assert_eq!(there, all);
    assert!(text(&program).starts_with("settings:\n  vault-backend: file\n"));
}

#[test]
fn who_may_read_the_file_stays_as_it_was() {
    let program = program();
    let mode = || fs::metadata(program.config_file()).unwrap().permissions().mode() & 0o777;
    for wanted in [0o600, 0o644] {
        fs::set_permissions(program.config_file(), fs::Permissions::from_mode(wanted)).unwrap();
        program.run(&["settings", "set", "retries", &wanted.to_string()[..1]]).success();
        assert_eq!(mode(), wanted);
    }
}

#[test]
fn a_configuration_file_that_is_named_has_to_be_there_to_be_read() {
    let program = Program::new();
    let file = program.path("named.yaml");
    let reading: [&[&str]; 8] = [
        &["settings", "show"],
        &["registry", "list"],
        &["vault", "list"],
        &["config", "show"],
        &["config", "validate"],
        &["images"],
        &["tags", "a.example/x"],
        &["registry", "test", "a.example"],
    ];
    for words in reading {
        let run = program.run(&[&["--config", file.as_str()], words].concat()).code(2);
        run.says(&format!("there is no configuration file {file}")).says("check `--config` or TRANSHIP_CONFIG");
        let run = program.invoke(words).env("TRANSHIP_CONFIG", &file).run().code(2);
        run.says("there is no configuration file");
        // The usual one need not be there.
        assert!(!program.config_file().exists());
    }
    program.run(&["settings", "show"]).success();
    assert_eq!(program.run(&["--config", &file, "config", "path"]).success().stdout, format!("{file}\n"));
    let secret = "name: s\ndata: {token: t}\n";
    let writing: [(&[&str], &str); 6] = [
        (&["settings", "set", "retries", "2"], ""),
        (&["registry", "add", "a.example"], ""),
        (&["registry", "set", "a.example", "--tls", "verify"], ""),
        (&["vault", "create", "v", "--backend", "environment"], ""),
        (&["config", "create", "image-registry", "settings"], "retries: 2\n"),
        (&["config", "create", "strongbox", "vaults", "v", "secrets"], secret),
    ];
    for (words, body) in writing {
        let run = program.invoke(&[&["--config", file.as_str()], words].concat()).stdin(body).run();
        // Without a keychain the last one stops after it has read the file.
        let expected = if body == secret { 4 } else { 0 };
        run.code(expected);
        assert_eq!(std::fs::remove_file(&file).is_ok(), expected == 0, "{words:?}");
    }
}

#[test]
fn a_rule_that_names_no_vault_is_said_however_it_was_made() {
    let program = Program::new();
    let create = ["config", "create", "image-registry", "remote-registries"];
    let entry = |vault: &str| {
        format!("address: {vault}.example\ncredentials:\n- {{repository: '*', vault: {vault}, secret: s}}\n")
    };
    let warned = program.invoke(&create).stdin(entry("taem")).run().success();
    warned.says("the rule of taem.example for `*` names the vault `taem`, which is not there yet");
    let merge = ["config", "merge", "image-registry", "remote-registries", "taem.example"];
    program.invoke(&merge).stdin("tls: skip-verify\n").run().success().says("`taem`, which is not there yet");
    // The vault of `login` is there without being made.
    let known = program.invoke(&[&merge[..4], &["login.example"]].concat()).stdin(entry("login")).run().success();
    assert_eq!(known.stderr, "");
    let validated = program.run(&["config", "validate"]).success();
    assert!(validated.stderr.contains("`taem`") && !validated.stderr.contains("`login`"), "{}", validated.shown());
}
