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
            let there = |digest: &str| match sink {
                Sink::Registry => scene.destination.blob("b", digest).is_some(),
                Sink::Store => super::blobs_below(scene.program.home()).contains_key(digest),
            };
            let arrived: Vec<String> =
                scene.image.blobs.iter().map(|blob| blob.digest.clone()).filter(|digest| there(digest)).collect();
            scene.source.behave();
            scene.source.forget_requests();
            scene.arrived(sink, scene.bring(sink));
            for digest in arrived {
                assert_eq!(scene.source.count("GET", &digest), 0, "what had arrived is not read again");
            }
        }
    }
}

#[test]
fn f39_a_signal_ends_a_run_at_once() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for sink in SINKS {
            let scene = Scene::new(&[200_000, 1000]);
            scene.source.rule(when("GET", scene.layer_word()), Act::deliver(Delivery::Silence));
            let words = scene.words(sink);
            let words: Vec<&str> =
                words.iter().map(String::as_str).map(|word| if word == "1" { "60" } else { word }).collect();
            let running = scene.program.invoke(&words).limit(Duration::from_secs(10)).start();
            until(|| scene.source.count("GET", scene.layer_word()) > 0);
            running.signal(signal);
            let begun = Instant::now();
            let output = running.finish();
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
            scene.failed(sink, output, code);
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
