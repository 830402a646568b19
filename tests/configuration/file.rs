//! The file: what is refused in it, `config edit|path|validate`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{program, text};
use crate::support::program::{Output, Program};

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let program = Program::new();
    program
        .configure("settings:\n  retries: 1\nremote-registries:\n- address: a.example\n  overide-address: b.example\n");
    for words in [&["settings", "show"][..], &["registry", "list"], &["tags", "a.example/x"], &["vault", "list"]] {
        let output = program.run(words).code(2);
        output.says("config/tranship/config.yaml:5: ").says("unknown key `overide-address`").says("`override-address`");
    }
    let json = program.run(&["settings", "show", "-o", "json"]).code(2);
    let error: serde_json::Value = serde_json::from_str(json.stderr.trim()).unwrap();
    assert_eq!((error["type"].as_str(), error["kind"].as_str()), (Some("error"), Some("usage")));
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let program = Program::new();
    for line in ["password: canary", "token: canary", "username: canary", "headers: {Authorization: Basic canary}"] {
        program.configure(&format!("remote-registries:\n- address: a.example\n  {line}\n"));
        program.run(&["registry", "list"]).code(2).says("config.yaml:3: ").keeps_quiet_about("canary");
    }
}

#[test]
fn a_broken_file_can_be_looked_at_and_edited() {
    let program = program();
    program.configure("settings: [\n");
    assert_eq!(program.run(&["config", "path"]).success().stdout.trim(), program.config_file().to_string_lossy());
    program.run(&["config", "validate"]).code(2).says("this is not YAML");
    program.run(&["settings", "set", "retries", "1"]).code(2).says("this is not YAML");
    assert_eq!(text(&program), "settings: [\n");
    edit(&program, "printf 'settings: {retries: 2}\\n' > \"$1\"").success();
    assert_eq!(program.run(&["settings", "show", "retries"]).success().stdout, "2\n");
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let program = Program::new();
    program.configure(
        "settings:\n  retires: 1\n  concurrency: 0\nremote-registries:\n- address: 'http://a.example'\n- address: b.example\n",
    );
    let output = program.run(&["config", "validate"]).code(2);
    for part in ["config.yaml:2: unknown key `retires`", "config.yaml:3: `concurrency`", "config.yaml:5: "] {
        assert!(output.stderr.contains(part), "{part}: {}", output.shown());
    }
    program.configure("remote-registries:\n- address: b.example\n  ca-cert-file: nowhere.pem\n");
    program.run(&["config", "validate"]).code(2).says("config.yaml:3: `ca-cert-file`").says("nowhere.pem");
    program.configure(
        "remote-registries:\n- address: b.example\n  credentials: [{repository: '*', vault: v, secret: s}]\n",
    );
    let valid = program.run(&["config", "validate", "-o", "json"]).success();
    assert_eq!(valid.json()["valid"], true);
    valid.says("there is no vault `v`");
}

/// Runs `config edit` with this script as the editor; `$1` is the file.
fn edit(program: &Program, script: &str) -> Output {
    let editor = program.home().join("editor.sh");
    fs::write(&editor, format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(program.path("tmp")).unwrap();
    program
        .invoke(&["config", "edit"])
        .env("EDITOR", &format!("sh {}", editor.display()))
        .env("TMPDIR", &program.path("tmp"))
        .run()
}

/// What is in the files that an edit left behind.
fn copies(program: &Program) -> Vec<String> {
    let copies = fs::read_dir(program.path("tmp")).unwrap();
    copies.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn an_edit_is_taken_over_where_it_is_right() {
    let program = program();
    let changed = edit(&program, "printf '  retries: 4 # by hand\\n' >> \"$1\"").success();
    assert!(changed.stdout.ends_with("changed\n"), "{}", changed.shown());
    assert_eq!(text(&program), "settings:\n  vault-backend: file\n  retries: 4 # by hand\n");
    assert!(edit(&program, "true").success().stdout.ends_with("is as it was\n"));
    // An editor that puts a new file in the place of the old one.
    edit(&program, "sed -e s/4/5/ \"$1\" > \"$1.new\"; mv \"$1.new\" \"$1\"").success();
    assert_eq!(program.run(&["settings", "show", "retries"]).success().stdout, "5\n");
    assert!(copies(&program).is_empty());
}

#[test]
fn a_wrong_edit_changes_nothing_and_is_not_lost() {
    let program = program();
    let before = text(&program);
    let wrong = edit(&program, "printf '  retires: 4\\n' >> \"$1\"").code(2);
    wrong.says("unknown key `retires`").says("what was edited is in ");
    assert_eq!(text(&program), before);
    assert_eq!(copies(&program), [format!("{before}  retires: 4\n")]);
    edit(&program, "exit 3").code(1).says("name another in VISUAL or EDITOR");
}

#[test]
fn an_edit_does_not_undo_what_others_did_meanwhile() {
    let program = program();
    let binary = env!("CARGO_BIN_EXE_tranship");
    let script = format!("{binary} settings set concurrency 2\nprintf '  retries: 4\\n' >> \"$1\"");
    edit(&program, &script).code(1).says("changed in the meantime").says("what was edited is in ");
    assert_eq!(text(&program), "settings:\n  vault-backend: file\n  concurrency: 2\n");
}

#[test]
fn without_a_terminal_no_editor_is_started_but_the_one_that_is_named() {
    let program = program();
    let output = program.run(&["config", "edit"]).code(2);
    output.says("there is no terminal for an editor").says("VISUAL or EDITOR");
    edit(&program, "true").success();
}
