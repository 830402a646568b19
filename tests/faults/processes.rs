//! Runs that are killed, interrupted, stopped for a while, or several at once.

use std::time::{Duration, Instant};

use super::{SINKS, Scene, Sink, assert_no_wrong_names, assert_store_holds};
use crate::support::images::image;
use crate::support::program::{Program, Running};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Delivery;

/// Starts bringing the image to `sink`.
fn started(scene: &Scene, sink: Sink) -> Running {
    let words = scene.words(sink);
    scene.program.invoke(&words.iter().map(String::as_str).collect::<Vec<_>>()).start()
}

/// Waits until `happened`.
#[track_caller]
fn until(happened: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(Instant::now() < end, "it never happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn f38_a_run_that_is_killed_leaves_nothing_half_done() {
    for sink in SINKS {
        for requests in [1, 3, 5, 7] {
            let scene = Scene::new(&[200_000, 100_000, 50_000, 1000]);
            scene.source.rule(when("GET", "/blobs/"), Act::deliver(Delivery::Drip(20_000, Duration::from_millis(5))));
            let running = started(&scene, sink);
            until(|| scene.source.requests().len() >= requests);
            running.signal("KILL");
            let output = running.finish();
            if output.code.is_some() {
                scene.arrived(sink, output);
                continue;
            }
            let standing = scene.standing(sink);
            assert!([scene.old.digest(), scene.image.digest()].contains(&standing.as_str()));
            assert_no_wrong_names(scene.program.home());
            scene.source.behave();
            scene.rest_arrives(sink);
        }
    }
}

/// A command that reads from the source or writes to the destination, and where its image ends up.
const COMMANDS: [(&str, Sink); 4] =
    [("copy", Sink::Registry), ("copy", Sink::Store), ("pull", Sink::Store), ("push", Sink::Registry)];

/// The words of a command that brings the image to where `scene` looks for it.
fn words(scene: &Scene, command: &str, sink: Sink) -> Vec<String> {
    let (here, there) = (scene.named("a:v1"), format!("{}/b:v1", scene.destination.address()));
    let words = match (command, sink) {
        ("pull", _) => vec!["pull", "--attached", "none", "--to", "b:v1", &here],
        ("push", _) => vec!["push", "--attached", "none", "new:v1", &there],
        (_, Sink::Registry) => vec!["copy", "--attached", "none", &here, &there],
        (_, Sink::Store) => vec!["copy", "--attached", "none", &here, "store:b:v1"],
    };
    words.into_iter().map(str::to_owned).collect()
}

#[test]
fn f39_a_signal_ends_a_run_at_once_and_what_came_is_kept() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for (command, sink) in COMMANDS {
            let scene = Scene::new(&[3_000_000, 1000]);
            let layer = scene.layer_word();
            if command == "push" {
                let from = scene.named("a:v1");
                scene.program.run(&["copy", "--attached", "none", &from, "store:new:v1"]).success();
                scene.destination.rule(when("PUT", layer), Act::deliver(Delivery::Silence));
            } else {
                scene.source.rule(when("GET", layer).once(), Act::deliver(Delivery::StallAfter(2_000_000)));
            }
            let begins = |scene: &Scene| {
                if command == "push" { scene.destination.count("PUT", layer) } else { scene.source.count("GET", layer) }
            };
            let before = begins(&scene);
            let all = words(&scene, command, sink);
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let running = scene.program.invoke(&all).limit(Duration::from_secs(20)).start();
            until(|| begins(&scene) > before);
            // What was sent is on the disk soon after.
            std::thread::sleep(Duration::from_millis(300));
            running.signal(signal);
            let begun = Instant::now();
            let output = running.finish();
            assert!(begun.elapsed() < Duration::from_secs(2), "{command}: {:?}", begun.elapsed());
            let sent = scene.source.sent();
            scene.failed(sink, output, code);
            if sink == Sink::Store {
                let again = scene.source.sent() - sent;
                // Less than a mebibyte of what came had not been written yet.
                assert!(again < 2_100_000, "{command}: {again} bytes came again, though 2000000 of 3000000 were there");
            }
        }
    }
}

#[test]
fn f41_two_runs_for_the_same_place_both_go_well() {
    for sink in SINKS {
        let scene = Scene::new(&[500_000, 200_000, 1000]);
        scene.source.rule(when("GET", "/blobs/"), Act::deliver(Delivery::Drip(50_000, Duration::from_millis(5))));
        let both = [started(&scene, sink), started(&scene, sink)];
        for running in both {
            scene.arrived(sink, running.finish());
        }
    }
    let registry = Scripted::start();
    let program = Program::new();
    let images: Vec<_> = (0..4).map(|_| image().build()).collect();
    let runs: Vec<Running> = images
        .iter()
        .enumerate()
        .map(|(number, image)| {
            let name = format!("app-{number}");
            registry.put(&name, image, &["v1"]);
            program.invoke(&["pull", "--attached", "none", &format!("{}/{name}:v1", registry.address())]).start()
        })
        .collect();
    for run in runs {
        run.finish().success();
    }
    for image in &images {
        assert_store_holds(program.home(), image);
    }
    let listed = program.run(&["images", "-q"]).success();
    assert_eq!(listed.lines().len(), 4, "{}", listed.shown());
}

#[test]
fn f41_edits_of_the_configuration_and_of_a_vault_at_once_lose_nothing() {
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", "pass");
    program.run(&["vault", "create", "v", "--backend", "file"]).success();
    let names: Vec<String> = (0..6).map(|number| format!("r{number}.example.com")).collect();
    let mut runs: Vec<Running> = Vec::new();
    for (number, name) in names.iter().enumerate() {
        runs.push(program.invoke(&["registry", "add", name]).start());
        let secret = format!("v/s{number}");
        runs.push(program.invoke(&["secret", "set", &secret, "password=-"]).stdin("p").start());
    }
    for run in runs {
        run.finish().success();
    }
    let registries = program.run(&["registry", "list"]).success();
    let secrets = program.run(&["secret", "list", "v"]).success();
    for (number, name) in names.iter().enumerate() {
        assert!(registries.stdout.contains(name), "{}", registries.shown());
        assert!(secrets.stdout.contains(&format!("s{number}")), "{}", secrets.shown());
    }
}

#[test]
fn f50_a_run_that_was_stopped_for_longer_than_the_time_limit_goes_on() {
    let scene = Scene::new(&[400_000]);
    scene.source.rule(when("GET", scene.layer_word()), Act::deliver(Delivery::Drip(20_000, Duration::from_millis(50))));
    let running = started(&scene, Sink::Store);
    until(|| scene.source.count("GET", scene.layer_word()) > 0);
    running.signal("STOP");
    std::thread::sleep(Duration::from_millis(1500));
    running.signal("CONT");
    scene.arrived(Sink::Store, running.finish());
}
