//! `stream trigger`: what is done when a tag moves, once for every change.

use super::{imported, moved};
use crate::listing::timeless;
use crate::support::images::image;
use crate::support::program::Program;

/// Has a trigger of `app:prod` write a line for everything that it acts on.
pub(super) fn noting(program: &Program) {
    let shell = r#"echo "$TRANSHIP_STREAM:$TRANSHIP_TAG $TRANSHIP_NEW_DIGEST" >> noted"#;
    program.run(&["stream", "trigger", "add", "app:prod", "--name", "note", "--shell", shell]).success();
}

/// The digests that it noted, in their order.
pub(super) fn noted(program: &Program) -> Vec<String> {
    let text = std::fs::read_to_string(program.path("noted")).unwrap_or_default();
    text.lines().map(|line| line.strip_prefix("app:prod ").unwrap().to_owned()).collect()
}

#[test]
fn a_change_is_acted_on_once_wherever_it_comes_from() {
    let one = image().build();
    let (registry, program) = imported(&one);
    noting(&program);
    let two = moved(&registry);
    let run = program.run(&["stream", "refresh", "--now"]).success();
    let told = format!("trigger note of app:prod for {}: done", &two.digest()[7..19]);
    assert_eq!(run.lines()[1], told, "{}", run.stdout);
    assert_eq!(noted(&program), [two.digest()]);
    for _ in 0..2 {
        program.run(&["stream", "refresh", "--now"]).success();
    }
    assert_eq!(noted(&program), [two.digest()]);
    let rolled = program.run(&["stream", "rollback", "app:prod", "-o", "json"]).success().json();
    assert_eq!(rolled["triggers"][0]["outcome"], "done");
    assert_eq!(rolled["triggers"][0]["old"], two.digest());
    program.run(&["stream", "tag", &format!("{}/app:stable", registry.address()), "app:prod"]).success();
    assert_eq!(noted(&program), [two.digest(), one.digest(), two.digest()]);
    // Another tag is not watched.
    program.run(&["stream", "tag", "app:prod", "app:other"]).success();
    assert_eq!(noted(&program).len(), 3);
}

#[test]
fn a_command_finds_what_changed_and_no_secret() {
    let one = image().build();
    let (registry, mut program) = imported(&one);
    program.set("TRANSHIP_SECRET_V_S_PASSWORD", "hush");
    program.set("TRANSHIP_VAULT_PASSPHRASE", "hush");
    program.run(&["stream", "trigger", "add", "app", "--", "sh", "-c", "env > found"]).success();
    let two = moved(&registry);
    program.run(&["stream", "refresh", "--now"]).success();
    let found = std::fs::read_to_string(program.path("found")).unwrap();
    let place = format!("{}/app@{}", registry.address(), two.digest());
    for (name, value) in [
        ("STREAM", "app"),
        ("TAG", "prod"),
        ("OLD_DIGEST", one.digest()),
        ("NEW_DIGEST", two.digest()),
        ("IMAGE", &place),
        ("TRIGGER", "run"),
    ] {
        assert!(found.lines().any(|line| line == format!("TRANSHIP_{name}={value}")), "{name}: {found}");
    }
    assert!(found.lines().any(|line| line.starts_with("TRANSHIP_CHANGE=") && line.ends_with("/run")), "{found}");
    assert!(!found.contains("hush"), "{found}");
}

#[test]
fn a_command_that_fails_was_run_and_is_told_and_run_again_where_that_is_asked_for() {
    let (registry, program) = imported(&image().build());
    let fails = "echo x >> ran; echo no such luck >&2; exit 3";
    program.run(&["stream", "trigger", "add", "app:prod", "--shell", fails]).success();
    moved(&registry);
    let ran = || std::fs::read_to_string(program.path("ran")).unwrap().lines().count();
    let run = program.run(&["stream", "refresh", "--now"]).code(7);
    run.says("the trigger `run` of `app:prod`").says("it failed: it ended with exit status: 3 and said `no such luck`");
    program.run(&["stream", "refresh", "--now"]).success();
    assert_eq!(ran(), 1);
    let listed = program.run(&["stream", "trigger", "list"]).success();
    let line = timeless(&listed);
    assert!(line.contains("runs sh -c") && line.contains("failed, AGO"), "{line}");
    program.run(&["stream", "trigger", "again", "app", "run"]).code(1).says("it failed");
    assert_eq!(ran(), 2);
    program.run(&["stream", "trigger", "remove", "app", "run"]).success();
    program.run(&["stream", "trigger", "again", "app", "run"]).code(3).says("there is no trigger `run`");
    moved(&registry);
    program.run(&["stream", "refresh", "--now"]).success();
    assert_eq!(ran(), 2);
}

#[test]
fn what_cannot_be_run_yet_is_waited_for_and_then_done_in_order() {
    let (registry, program) = imported(&image().build());
    program.run(&["stream", "trigger", "add", "app:prod", "--", "./act"]).success();
    let mut changes = Vec::new();
    for _ in 0..3 {
        changes.push(moved(&registry).digest().to_owned());
        program.run(&["stream", "refresh", "--now"]).code(7).says("it could not be done: `./act` cannot be run");
    }
    // What waits for a trigger stays in the history.
    program.run(&["stream", "prune", "--keep", "1"]).success();
    act(&program, "echo \"app:prod $TRANSHIP_NEW_DIGEST\" >> noted");
    let run = program.run(&["stream", "refresh", "app"]).success();
    assert_eq!(run.lines().len(), 3, "{}", run.stdout);
    assert_eq!(noted(&program), changes);
}

/// Makes the program `./act`.
pub(super) fn act(program: &Program, shell: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = program.path("act");
    std::fs::write(&path, format!("#!/bin/sh\n{shell}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_command_that_takes_too_long_is_ended() {
    let (registry, program) = imported(&image().build());
    program.run(&["stream", "trigger", "add", "app", "--limit", "1s", "--", "sleep", "60"]).success();
    moved(&registry);
    program.run(&["stream", "refresh", "--now"]).code(7).says("it took longer than 1 s");
}

#[test]
fn what_is_no_trigger_is_refused() {
    let (_registry, program) = imported(&image().build());
    for (words, code, part) in [
        (&["add", "app:prod"][..], 2, "required"),
        (&["add", "nothing", "--", "true"], 3, "there is no stream `nothing`"),
        (&["add", "app:prod", "--name", "A b", "--", "true"], 2, "cannot name a trigger"),
        (&["add", "app:prod", "--shell", "true", "--", "true"], 2, "cannot be used with"),
        (&["remove", "app", "none"], 3, "there is no trigger `none` of `app`"),
        (&["again", "app", "none"], 3, "there is no trigger `none` of `app`"),
    ] {
        program.run(&[&["stream", "trigger"], words].concat()).code(code).says(part);
    }
    program.run(&["stream", "trigger", "add", "app:later", "--", "true"]).success().says("has no tag `later` yet");
    program.run(&["stream", "trigger", "add", "app", "--", "true"]).success();
    program.run(&["stream", "trigger", "add", "app", "--name", "run", "--", "true"]).code(2).says("already");
    let listed = program.run(&["stream", "trigger", "list", "-q"]).success();
    assert_eq!(listed.lines(), ["run", "run-2"]);
    program.run(&["stream", "trigger", "again", "app", "run"]).code(2).says("has not acted yet");
    // A stream of the same name is another: its triggers went with the first.
    program.run(&["stream", "delete", "app"]).success();
    program.run(&["stream", "create", "app"]).success();
    assert_eq!(program.run(&["stream", "trigger", "list", "app"]).success().stdout, "");
}
