//! `stream refresh` and `stream watch`: what is due, how often, and how it ends.

use super::triggers::{noted, noting};
use super::{digests, imported, moved};
use crate::support::eventually;
use crate::support::images::image;
use crate::support::scripted::{Act, when};

#[test]
fn a_scheduled_tag_is_looked_up_when_it_is_due_and_no_other() {
    let one = image().build();
    let (registry, program) = imported(&one);
    let there = format!("{}/app:stable", registry.address());
    program.run(&["stream", "import", "app:once", "--from", &there, "--confirm"]).success();
    registry.forget_requests();
    let run = program.run(&["stream", "refresh"]).success();
    assert_eq!(run.stdout, "app: 1 tag unchanged\n");
    assert_eq!(registry.lines().len(), 1);
    let run = program.run(&["stream", "refresh"]).success();
    assert_eq!((run.stdout.as_str(), registry.lines().len()), ("", 1), "it is not due");
    let two = moved(&registry);
    program.run(&["stream", "refresh"]).success();
    assert_eq!(digests(&program, "app:prod"), [one.digest()]);
    let run = program.run(&["stream", "refresh", "app", "--now", "-q"]).success();
    assert_eq!(run.stdout, "app:prod\n");
    assert_eq!(digests(&program, "app:prod"), [two.digest(), one.digest()]);
    assert_eq!(digests(&program, "app:once"), [one.digest()]);
    program.run(&["stream", "import", "app:prod", "--scheduled=false"]).success();
    registry.forget_requests();
    program.run(&["stream", "refresh", "--now"]).success();
    assert_eq!(registry.lines(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_looked_up_is_told_and_kept_and_the_rest_is_done() {
    let (registry, program) = imported(&image().build());
    let there = format!("{}/app:gone", registry.address());
    program.run(&["stream", "tag", &there, "app:gone", "--scheduled"]).code(3).says("there is no image");
    let run = program.run(&["stream", "refresh", "nothing", "app", "--now"]).code(7);
    assert_eq!(run.stdout, "app: 1 tag unchanged\n");
    run.says("cannot import `app:gone`").says("there is no stream `nothing`");
    registry.rule(when("*", "manifests/stable"), Act::status(403));
    program.run(&["stream", "refresh", "--now"]).code(7);
    let shown = program.run(&["stream", "show", "app"]).success().stdout;
    assert!(shown.contains("Import failed (Unauthorized)") && shown.contains("Import failed (NotFound)"), "{shown}");
}

#[test]
fn only_so_many_are_looked_up_in_a_minute() {
    let (registry, program) = imported(&image().build());
    let there = format!("{}/app:stable", registry.address());
    program.run(&["stream", "tag", &there, "app:a", "app:b", "--scheduled"]).success();
    registry.forget_requests();
    let running = program.invoke(&["stream", "refresh", "--per-minute", "2"]).start();
    let looked = || registry.count("HEAD", "/manifests/");
    eventually("two were looked up", || looked() == 2);
    running.signal("TERM");
    assert_eq!(running.finish().code, Some(143));
    // The next run knows of them, though it is another process.
    let running = program.invoke(&["stream", "refresh", "--now", "--per-minute", "3"]).start();
    eventually("one more was looked up", || looked() == 3);
    running.signal("TERM");
    running.finish();
    assert_eq!(looked(), 3);
}

#[test]
fn watching_goes_on_until_a_signal_ends_it() {
    let (registry, program) = imported(&image().build());
    noting(&program);
    let running = program.invoke(&["stream", "watch", "--interval", "1s"]).start();
    let mut changes = Vec::new();
    for _ in 0..2 {
        changes.push(moved(&registry).digest().to_owned());
        eventually("the trigger acted", || noted(&program) == changes);
    }
    running.signal("TERM");
    let run = running.finish();
    assert_eq!(run.code, Some(143), "{}", run.shown());
    // It acts before it says so, and may have been ended in between.
    let said = run.stdout.matches("trigger note of app:prod").count();
    assert!((1..=2).contains(&said), "{}", run.stdout);
    assert_eq!(noted(&program), changes);
}
