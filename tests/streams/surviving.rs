//! Streams under kills: wherever a process is killed, nothing is lost and nothing is done twice.

use std::path::Path;

use super::triggers::{act, noted, noting};
use super::{digests, file, imported, moved};
use crate::support::eventually;
use crate::support::images::image;
use crate::support::program::{Output, Program};

/// The calls to the system at which a process is killed: all that it leaves something behind by.
const CALLS: [&str; 5] = ["fsync", "rename", "flock", "unlink", "vfork,clone,clone3"];
/// More than any of them is called in one run.
const MOST: usize = 40;

/// Runs the program, and kills it when it calls one of `calls` for the `number`th time.
fn killed(program: &Program, calls: &str, number: usize, words: &[&str]) -> Output {
    let inject = format!("inject={calls}:signal=KILL:when={number}");
    let strace = ["-qq", "-o", "/dev/null", "-e", &inject, env!("CARGO_BIN_EXE_tranship")];
    program.invoke_other("strace", &[&strace[..], words].concat()).run()
}

/// Waits until no process acts for a trigger any more.
fn settled(program: &Program) {
    let locked =
        |path: &Path| path.to_string_lossy().ends_with(".note.lock") || path.to_string_lossy().ends_with(".run.lock");
    let claims = || {
        let entries = program.home().join("data/tranship/triggers").read_dir().into_iter().flatten();
        entries.flatten().map(|entry| entry.path()).filter(|path| locked(path)).collect::<Vec<_>>()
    };
    eventually("nobody acts any more", || {
        claims().iter().all(|path| std::fs::File::open(path).is_ok_and(|file| file.try_lock_shared().is_ok()))
    });
}

#[test]
fn a_refresh_that_is_killed_anywhere_loses_no_change_and_repeats_none() {
    needs!("strace");
    let (registry, program) = imported(&image().build());
    noting(&program);
    let mut changes = Vec::new();
    for calls in CALLS {
        for number in 1..=MOST {
            changes.push(moved(&registry).digest().to_owned());
            let run = killed(&program, calls, number, &["stream", "refresh", "--now"]);
            settled(&program);
            // What was done before the kill is no more than once, and the next run does the rest.
            let next = program.run(&["stream", "refresh", "--now"]);
            assert_eq!(next.code, Some(0), "{calls} {number}: {}", next.shown());
            assert_eq!(noted(&program), changes, "{calls} {number}: {}", next.shown());
            if run.code == Some(0) {
                break;
            }
            assert!(number < MOST, "{calls} has no end: {}", run.shown());
        }
    }
    assert_eq!(digests(&program, "app:prod").len(), changes.len() + 1);
    assert!(changes.len() > 15, "{} kills", changes.len());
}

#[test]
fn where_the_process_of_a_command_is_killed_it_is_run_once_or_said_to_be_unknown() {
    needs!("strace");
    let (registry, program) = imported(&image().build());
    program.run(&["stream", "trigger", "add", "app:prod", "--", "./act"]).success();
    let (mut unknown, mut acted) = (0, 0);
    for calls in CALLS {
        for number in 1..=MOST {
            // It is pending, for there is nothing that could be run.
            let change = moved(&registry).digest().to_owned();
            program.run(&["stream", "refresh", "--now"]).code(7).says("cannot be run");
            act(&program, "echo \"app:prod $TRANSHIP_NEW_DIGEST\" >> noted");
            let generation = generation(&program);
            let run = killed(&program, calls, number, &["stream", "fire", "app", "run", "prod", &generation]);
            // The command goes on by itself.
            settled(&program);
            let next = program.run(&["stream", "refresh"]);
            let count = noted(&program).iter().filter(|noted| **noted == change).count();
            let is_told = next.stderr.contains("how it ended is not known");
            assert!(count == 1 || count == 0 && is_told, "{calls} {number}: {count} {}", next.shown());
            assert!(is_told || next.code == Some(0), "{calls} {number}: {}", next.shown());
            program.run(&["stream", "refresh"]).success();
            std::fs::remove_file(program.path("act")).unwrap();
            unknown += usize::from(is_told);
            acted += count;
            if run.code == Some(0) {
                break;
            }
            assert!(number < MOST, "{calls} has no end: {}", run.shown());
        }
    }
    assert!(unknown >= 1 && acted >= 10, "{unknown} {acted}");
}

/// The number of the last change of `app:prod`.
fn generation(program: &Program) -> String {
    let history = program.run(&["stream", "history", "app:prod", "-o", "json"]).success().json();
    history["tags"][0]["items"][0]["generation"].to_string()
}

#[test]
fn who_changes_one_stream_at_the_same_time_loses_nothing() {
    let (_registry, program) = imported(&image().build());
    let tags: Vec<String> = (0..8).map(|number| format!("app:t{number}")).collect();
    let running: Vec<_> = tags.iter().map(|tag| program.invoke(&["stream", "tag", "app:prod", tag]).start()).collect();
    for run in running {
        run.finish().success();
    }
    let shown = program.run(&["stream", "show", "app", "-q"]).success();
    assert_eq!(shown.lines().len(), 9, "{}", shown.stdout);
    let text = std::fs::read_to_string(file(&program, "app")).unwrap();
    assert_eq!(text.matches("kind: ImageStreamImage").count(), 8);
}

#[test]
fn several_runs_at_the_same_time_act_once() {
    let (registry, program) = imported(&image().build());
    noting(&program);
    let mut changes = Vec::new();
    for _ in 0..3 {
        changes.push(moved(&registry).digest().to_owned());
        let running = [0; 4].map(|_| program.invoke(&["stream", "refresh", "--now"]).start());
        for run in running {
            run.finish().success();
        }
        assert_eq!(noted(&program), changes);
    }
}
