//! supctl's verbs: `config create|show|list|replace|merge|delete`.

use super::{program, text};
use crate::support::program::{Output, Program};

/// Runs `tranship config` with these words and this body.
fn config(program: &Program, words: &str, body: &str) -> Output {
    let words: Vec<&str> = ["config"].into_iter().chain(words.split_whitespace()).collect();
    program.invoke(&words).stdin(body).run()
}

/// The lines that people have in their scripts.
const FIELD: &str = r"
tranship config create image-registry settings <<EOF
default-remote-registry: registry-1.docker.io
EOF
tranship config create strongbox vaults registry-credentials secrets <<EOF
name: example-registry
data:
  username: bob
  password: MBWUIX00NS4szxSwHS
EOF
tranship config create image-registry remote-registries <<EOF
address: registry.example.com:6000
credentials:
- repository: '*'
  vault: registry-credentials
  secret: example-registry
EOF
";

#[test]
fn lines_from_the_field_work_as_they_stand() {
    let program = program();
    let binary = env!("CARGO_BIN_EXE_tranship");
    let script = format!("tranship() {{ {binary:?} \"$@\"; }}\n{FIELD}");
    let output = program.invoke_other("bash", &["-euc", &script]).run().success();
    output.keeps_quiet_about("MBWUIX00NS4szxSwHS");
    insta::assert_snapshot!(text(&program), @r"
    settings:
      vault-backend: file
      default-remote-registry: registry-1.docker.io
    vaults:
    - name: registry-credentials
      backend: file
    remote-registries:
    - address: registry.example.com:6000
      credentials:
      - repository: '*'
        vault: registry-credentials
        secret: example-registry
    ");
    let who = program.run(&["whoami", "registry.example.com:6000/any/repository", "-o", "json"]).success().json();
    assert_eq!((who["username"].as_str(), who["kind"].as_str()), (Some("bob"), Some("password")));
    assert_eq!(who["credential"], "registry-credentials/example-registry");

    // The second time everything is there; settings can be made again.
    let secret = "strongbox vaults registry-credentials secrets";
    let again = config(&program, &format!("create {secret}"), "name: example-registry\ndata: {a: b}\n").code(1);
    again.says("the secret `registry-credentials/example-registry` is there already").says("`replace`").says("`merge`");
    config(&program, "create image-registry remote-registries", "address: registry.example.com:6000\n").code(1);
    config(&program, "create image-registry settings", "default-remote-registry: registry-1.docker.io\n").success();
}

#[test]
fn scripts_may_say_topdc() {
    let program = program();
    config(&program, "topdc create image-registry settings", "retries: 2\n").success();
    assert_eq!(config(&program, "topdc show image-registry settings retries", "").success().stdout, "2\n");
    assert_eq!(config(&program, "show topdc image-registry settings retries", "").success().stdout, "2\n");
}

#[test]
fn secrets_are_shown_by_their_keys_alone() {
    let program = program();
    let secrets = "strongbox vaults v secrets";
    let create = |body: &str| config(&program, &format!("create {secrets}"), body).success();
    create("name: a\ndata: {username: bob, password: canary-1}\nallow-image-access: ['*']\n")
        .says("allow-image-access");
    create("name: b\nbase64-data: {token: Y2FuYXJ5LTI=}\n");
    let shown = config(&program, &format!("show {secrets}"), "").success();
    insta::assert_snapshot!(shown.stdout, @r"
    - name: a
      keys:
      - password
      - username
    - name: b
      keys:
      - token
    ");
    assert_eq!(config(&program, &format!("list {secrets}"), "").success().lines(), ["a", "b"]);
    assert_eq!(config(&program, &format!("list {secrets} a"), "").success().lines(), ["password", "username"]);
    let json = config(&program, &format!("show {secrets} b -o json"), "").success().json();
    assert_eq!(json, serde_json::json!({"name": "b", "keys": ["token"]}));

    // What was given arrives, whichever way.
    let who = |secret: &str| program.run(&["whoami", "r.example", "--secret", secret, "-o", "json"]).success().json();
    assert_eq!(who("v/b")["username"], "token");
    config(&program, &format!("merge {secrets} a"), "data: {username: alice}\n").success();
    assert_eq!(who("v/a")["username"], "alice");
    config(&program, &format!("replace {secrets} a"), "data: {token: canary-3}\n").success();
    assert_eq!(config(&program, &format!("list {secrets} a"), "").success().lines(), ["token"]);
}

#[test]
fn a_wrong_secret_is_refused_and_its_values_are_not_shown() {
    let program = program();
    let secrets = "strongbox vaults v secrets";
    let wrong = |words: &str, body: &str, part: &str| {
        config(&program, words, body).code(2).says(part).keeps_quiet_about("canary");
    };
    for verb in ["create", "replace"] {
        wrong(&format!("{verb} {secrets} c"), "data: {}\n", "holds no value");
    }
    wrong(&format!("create {secrets} c"), "name: d\ndata: {a: canary}\n", "not the one of the path");
    wrong(&format!("create {secrets}"), "data: {a: canary}\n", "`name` is missing");
    wrong(&format!("create {secrets}"), "name: e\nvalues: {a: canary}\n", "standard input:2: unknown key `values`");
    wrong(&format!("create {secrets}"), "name: e\ndata: {a: [canary]}\n", "standard input:2");
    assert_eq!(text(&program), "settings:\n  vault-backend: file\n");
}

#[test]
fn a_vault_with_secrets_in_it_does_not_go_by_accident() {
    let program = program();
    let secrets = "strongbox vaults v secrets";
    for name in ["a", "b"] {
        config(&program, &format!("create {secrets} {name}"), "data: {token: t}\n").success();
    }
    config(&program, "delete strongbox vaults v", "").code(2).says("there are secrets in it (a, b)");
    config(&program, &format!("delete {secrets}"), "").code(2).says("one by one");
    config(&program, &format!("delete {secrets} a"), "").success();
    config(&program, &format!("delete {secrets} a"), "").code(3);
    config(&program, &format!("delete {secrets} b"), "").success();
    config(&program, "delete strongbox vaults v", "").success();
    assert_eq!(text(&program), "settings:\n  vault-backend: file\nvaults: []\n");
}

#[test]
fn a_new_vault_is_where_the_settings_say() {
    let program = program();
    let body = "name: v\ndistribute: {to: all}\nmax-versions: 3\n";
    config(&program, "create strongbox vaults", body).success().says("distribute").says("max-versions");
    config(&program, "create strongbox vaults", "name: ci\nbackend: environment\n").success();
    assert_eq!(
        text(&program),
        "settings:\n  vault-backend: file\nvaults:\n- name: v\n  backend: file\n- name: ci\n  backend: environment\n"
    );
}

const COMMENTED: &str = "\
# Ours, by hand.
settings:
  vault-backend: file   # no keychain here
  # asked in this order
  default-remote-registry: docker.io

remote-registries:
# the big one
- address: a.example   # since 2024
  mirrors: [m1.example]
  credentials:
  - {repository: '*', vault: v, secret: s}   # everybody
- address: b.example
";

#[test]
fn comments_and_order_survive_every_edit() {
    let program = program();
    program.configure(COMMENTED);
    config(&program, "merge image-registry remote-registries a.example", "mirrors: [m2.example]\n").success();
    config(&program, "merge image-registry settings", "retries: 3\n").success();
    program.run(&["registry", "set", "a.example", "--credential", "team-a=v/t"]).success();
    config(&program, "delete image-registry remote-registries b.example", "").success();
    config(&program, "create image-registry sites", "name: stockholm\nregistries: ['s1.example:5000']\n").success();
    insta::assert_snapshot!(text(&program), @r"
    # Ours, by hand.
    settings:
      vault-backend: file   # no keychain here
      # asked in this order
      default-remote-registry: docker.io
      retries: 3

    remote-registries:
    # the big one
    - address: a.example   # since 2024
      mirrors: [m2.example]
      credentials:
      - {repository: '*', vault: v, secret: s}   # everybody
      - repository: team-a
        vault: v
        secret: t
    sites:
    - name: stockholm
      registries: ['s1.example:5000']
    ");
}

#[test]
fn each_verb_does_what_supctl_does() {
    let program = program();
    let registries = "image-registry remote-registries";
    config(&program, &format!("create {registries}"), "address: a.example\nmirrors: [m1.example]\n").success();
    config(&program, &format!("create {registries} b.example"), "").success();
    assert_eq!(config(&program, &format!("list {registries}"), "").success().lines(), ["a.example", "b.example"]);

    // `merge` replaces ordered lists, merges keyed ones, and removes nothing.
    let rule = |repository: &str| format!("credentials: [{{repository: {repository}, vault: v, secret: s}}]\n");
    config(&program, &format!("merge {registries} a.example"), &rule("'*'")).success();
    config(&program, &format!("merge {registries} a.example"), &(rule("team") + "mirrors: [m2.example]\n")).success();
    let shown = config(&program, &format!("show {registries} a.example -o json"), "").success().json();
    assert_eq!(shown["mirrors"], serde_json::json!(["m2.example"]));
    assert_eq!(shown["credentials"].as_array().unwrap().len(), 2);

    // `replace` puts the whole.
    config(&program, &format!("replace {registries} a.example"), "tls: plain-http\n").success();
    let shown = config(&program, &format!("show {registries} a.example"), "").success();
    assert_eq!(shown.stdout, "address: a.example\ntls: plain-http\n");

    config(&program, &format!("delete {registries} a.example"), "").success();
    config(&program, &format!("delete {registries} a.example"), "").code(3).says("there is no remote registry");
    config(&program, &format!("show {registries} a.example"), "").code(3);
    assert_eq!(config(&program, "list", "").success().lines(), ["image-registry", "strongbox"]);
    assert_eq!(config(&program, "show image-registry sites -o json", "").success().json(), serde_json::json!([]));
}

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let program = program();
    let before = text(&program);
    let wrong = |words: &str, body: &str, part: &str| {
        config(&program, words, body).code(2).says(part).keeps_quiet_about("canary");
        assert_eq!(text(&program), before, "{words}");
    };
    wrong("create image-regsitry settings", "a: b\n", "did you mean `image-registry`?");
    wrong("create image-registry", "a: b\n", "goes on with one of settings, remote-registries, sites");
    wrong("show strongbox vaults v tokens", "", "`tokens` cannot follow `strongbox vaults v`");
    wrong("show strongbox vaults v tokens", "", "can be followed by secrets");
    let registries = "create image-registry remote-registries";
    wrong(registries, "address: a.example\nmirors: [m.example]\n", "standard input:2: unknown key `mirors`");
    wrong(registries, "address: a.example\nmirors: [m.example]\n", "did you mean `mirrors`?");
    wrong(registries, "address: a.example\npassword: canary\n", "standard input:2");
    wrong(registries, "mirrors: []\n", "`address` is missing");
    wrong(registries, "address: [\n", "this is not YAML");
    wrong(registries, "", "standard input holds nothing");
    wrong("replace image-registry settings", "", "standard input holds nothing");
    wrong("do image-registry pul", "", "pull");
    wrong("create", "a: b\n", "<PATH>");
    let two = config(&program, "create image-registry settings", "concurrency: 0\nretries: many\n").code(2);
    two.says("standard input:1: `concurrency`").says("standard input:2: `retries`");
}

#[test]
fn validating_changes_nothing() {
    let program = program();
    let before = text(&program);
    let good = config(&program, "create image-registry settings --validate", "retries: 1\n").success();
    assert_eq!(good.stdout, "create image-registry settings: valid, nothing was changed\n");
    config(&program, "create image-registry settings --validate", "retries: -1\n").code(2);
    config(&program, "create strongbox vaults v secrets --validate", "name: s\ndata: {a: b}\n").success();
    config(&program, "delete image-registry remote-registries a.example --validate", "").code(3);
    assert_eq!(text(&program), before);
    program.run(&["secret", "list", "v"]).code(3).says("there is no vault `v`");
}
