//! Answers that refuse a request for now: from the registry, or from what stands before it.

use std::thread;
use std::time::Duration;

use super::{Scene, Sink};
use crate::support::program::Output;
use crate::support::scripted::{Act, Scripted, When, when};
use crate::support::server::{Request, Response};

/// The steps of a copy between two registries: whose they are, their method, and what their targets hold. The layer
/// goes in chunks.
pub(super) const STEPS: [(&str, &str, &str); 8] = [
    ("source", "HEAD", "/manifests/"),
    ("source", "GET", "/manifests/"),
    ("source", "GET", "/blobs/"),
    ("destination", "HEAD", "/manifests/"),
    ("destination", "POST", "/uploads/"),
    ("destination", "PATCH", "/uploads/"),
    ("destination", "PUT", "/uploads/"),
    ("destination", "PUT", "/manifests/"),
];

/// What a registry or a proxy answers when something behind it fails.
const STATUSES: [u16; 6] = [500, 502, 503, 504, 522, 499];

pub(super) fn side<'a>(scene: &'a Scene, side: &str) -> &'a Scripted {
    if side == "source" { &scene.source } else { &scene.destination }
}

/// A copy whose layer is sent in chunks, because the destination takes no long ones whole.
fn chunked() -> Scene {
    let scene = Scene::new(&[2_500_000]);
    let long = |request: &Request| {
        let is_whole = request.method == "PUT" && request.body.len() > 2_000_000;
        is_whole.then(|| Response::error(413, "SIZE_INVALID"))
    };
    scene.destination.rule(when("PUT", "/uploads/"), Act::answer_if(long));
    scene
}

/// Answers requests of a step with `response`, before any other rule.
fn refuse(scene: &Scene, (of, method, fragment): (&str, &str, &str), which: fn(When) -> When, response: Response) {
    side(scene, of).rule_first(which(when(method, fragment)), Act::respond(response));
}

#[test]
fn f14_a_passing_failure_is_tried_again() {
    thread::scope(|scope| {
        for status in STATUSES {
            scope.spawn(move || {
                let scene = chunked();
                for step in STEPS {
                    refuse(&scene, step, When::once, Response::new(status));
                }
                scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
                for (of, method, fragment) in STEPS {
                    assert!(side(&scene, of).count(method, fragment) >= 2, "{status} to {method} {fragment}");
                }
            });
        }
    });
}

#[test]
fn f14_a_failure_that_stays_ends_in_an_error() {
    for step in STEPS {
        thread::scope(|scope| {
            for status in STATUSES {
                scope.spawn(move || {
                    let scene = chunked();
                    refuse(&scene, step, |when| when, Response::error(status, "UNAVAILABLE"));
                    let output = quickly(&scene);
                    scene.no_storm();
                    forget(&scene);
                    scene
                        .failed(Sink::Registry, output, 5)
                        .says(&format!("HTTP {status}"))
                        .says(&format!("cannot copy `{}`", scene.named("a:v1")));
                });
            }
        });
    }
}

/// Brings the image to the registry with one try more than the first, so that nobody waits for six.
fn quickly(scene: &Scene) -> Output {
    let mut words = scene.words(Sink::Registry);
    words.extend(["--retries", "1"].map(str::to_owned));
    scene.program.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn forget(scene: &Scene) {
    scene.source.forget_requests();
    scene.destination.forget_requests();
}

#[test]
fn f14_a_failure_that_stays_is_tried_six_times() {
    thread::scope(|scope| {
        for step in STEPS {
            scope.spawn(move || {
                let scene = chunked();
                let unavailable = Response::error(503, "UNAVAILABLE").header("Retry-After", "0");
                refuse(&scene, step, |when| when, unavailable);
                let output = scene.bring(Sink::Registry);
                scene.no_storm();
                forget(&scene);
                scene.failed(Sink::Registry, output, 5);
            });
        }
    });
}

/// A moment in two seconds, as HTTP writes it.
fn in_two_seconds() -> String {
    let moment = jiff::Timestamp::now() + Duration::from_secs(2);
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).unwrap()
}

#[test]
fn f15_too_many_requests_are_waited_out_as_long_as_is_said() {
    for after in [Some("0".to_owned()), Some("3".to_owned()), Some(in_two_seconds()), None, Some("soon".to_owned())] {
        thread::scope(|scope| {
            let after = &after;
            for step in STEPS {
                scope.spawn(move || {
                    let scene = chunked();
                    let limited = Response::error(429, "TOOMANYREQUESTS");
                    let limited = after.iter().fold(limited, |limited, after| limited.header("Retry-After", after));
                    refuse(&scene, step, When::once, limited);
                    let output = scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
                    if after.as_deref() == Some("3") {
                        output.says(&format!("waiting 3.0 s for {}", side(&scene, step.0).address()));
                    }
                });
            }
        });
    }
}

#[test]
fn f15_a_wait_that_is_too_long_is_an_error_that_says_when() {
    thread::scope(|scope| {
        for step in STEPS {
            // What is no number of seconds is as if it were not there.
            for (after, said) in [("1000000000", "hint: try again in 1000000000 s"), ("1e9", "HTTP 429")] {
                scope.spawn(move || {
                    let scene = chunked();
                    let limited = Response::error(429, "TOOMANYREQUESTS").header("Retry-After", after);
                    refuse(&scene, step, |when| when, limited);
                    let output = quickly(&scene);
                    forget(&scene);
                    scene.failed(Sink::Registry, output, 5).says(said);
                });
            }
        }
    });
}

#[test]
fn f15_a_body_that_cannot_be_sent_again_waits_as_well() {
    let scene = Scene::new(&[2_500_000]);
    let limited = Response::error(429, "TOOMANYREQUESTS").header("Retry-After", "1");
    refuse(&scene, ("destination", "PUT", scene.layer_word()), |when| when.times(2), limited);
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    assert_eq!(scene.destination.count("PUT", scene.layer_word()), 3);
}
