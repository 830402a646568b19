//! `app pull`: once, until all is there, and for ever.

use std::time::Duration;

use super::{COMPOSE, Site, compose};
use crate::support::eventually;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;

#[test]
fn every_image_comes_home_once() {
    let site = Site::of(COMPOSE);
    let dry = site.program.run(&["app", "pull", "-f", "app.yaml", "--dry-run"]).success();
    assert_eq!(dry.stdout.matches(" -> store:").count(), 4, "{}", dry.shown());
    let run = site.program.run(&["app", "pull", "-f", "app.yaml"]).success();
    assert_eq!(run.lines().len(), 4, "{}", run.shown());
    let again = site.program.run(&["app", "pull", "-f", "app.yaml"]).success();
    assert_eq!(again.stdout.matches("(unchanged)").count(), 4, "{}", again.shown());
    let listed = site.program.run(&["images", "-q"]).success();
    assert_eq!(listed.lines().len(), 4);
    site.program.run(&["app", "check", "-f", "app.yaml"]).success();
}

#[test]
fn without_patience_what_is_missing_is_told_and_the_rest_comes() {
    let site = Site::of(COMPOSE);
    site.write(&site.text.replace("cache:7", "cache:8"));
    let run = site.program.run(&["app", "pull", "-f", "app.yaml", "-q"]).code(7).says("shop/cache:8");
    assert_eq!(run.lines().len(), 3);
}

#[test]
fn it_goes_on_until_the_last_image_is_there() {
    let (registry, program) = (Scripted::start(), Program::new());
    let names = [format!("{}/a:1", registry.address()), format!("{}/b:1", registry.address())];
    std::fs::write(program.home().join("app.yaml"), compose(&names)).unwrap();
    let (one, two) = (image().build(), image().build());
    registry.put("a", &one, &["1"]);
    let running = program.invoke(&["app", "pull", "-f", "app.yaml", "--until-complete"]).start();
    let asked = || registry.lines().iter().filter(|line| line.contains("/v2/b/manifests/1")).count();
    eventually("it is asked for again", || asked() > 2);
    registry.put("b", &two, &["1"]);
    let run = running.finish().success().says("/b:1").says("it is tried again");
    assert_eq!(run.lines().len(), 2, "{}", run.shown());
    assert_eq!(run.stderr.matches("it is tried again").count(), 1, "each reason is told once: {}", run.shown());
    let reads = registry.lines().iter().filter(|line| line.contains("/v2/a/blobs/")).count();
    assert_eq!(reads, one.blobs.len(), "what is there is not asked for again");
    program.run(&["app", "check", "-f", "app.yaml"]).success();
}

#[test]
fn patience_has_an_end_where_one_is_named() {
    let (registry, program) = (Scripted::start(), Program::new());
    std::fs::write(program.home().join("app.yaml"), compose(&[format!("{}/a:1", registry.address())])).unwrap();
    let pull = ["app", "pull", "-f", "app.yaml", "--until-complete", "--give-up-after", "1s"];
    program.run(&pull).code(3).says("/a:1");
    // What is written wrongly will never come.
    std::fs::write(program.home().join("app.yaml"), compose(&["reg.example.com/A:1"])).unwrap();
    program.run(&["app", "pull", "-f", "app.yaml", "--until-complete"]).code(2).says("`A` cannot stand");
}

#[test]
fn a_file_is_watched() {
    let (registry, program) = (Scripted::start(), Program::new());
    let file = program.home().join("app.yaml");
    let [a, b] = ["a", "b"].map(|name| format!("{}/{name}:1", registry.address()));
    std::fs::write(&file, compose(&[&a])).unwrap();
    let (one, two) = (image().build(), image().build());
    registry.put("a", &one, &["1"]);
    registry.put("b", &two, &["1"]);
    let running = program.invoke(&["app", "pull", "-f", "app.yaml", "--watch"]).start();
    let home = |name: &str| format!("{}/{name}:1", registry.address().replace(':', "_"));
    let has = |name: &str| program.run(&["images", "-q"]).success().lines().contains(&home(name).as_str());
    eventually("the first is home", || has("a"));
    // Half written, and then whole.
    std::fs::write(&file, "services: [").unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    std::fs::write(&file, compose(&[&a, &b])).unwrap();
    eventually("the second is home", || has("b"));
    running.signal("INT");
    let run = running.finish();
    assert_eq!(run.code, Some(130), "{}", run.shown());
    assert!(run.stdout.contains(&home("a")) && run.stdout.contains(&home("b")), "{}", run.shown());
    program.run(&["app", "pull", "-f", "-", "--watch"]).code(2).says("cannot be watched");
}
