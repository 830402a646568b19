//! Uploads and manifests that are refused, lost or forgotten.

use std::time::{Duration, Instant};

use super::{Scene, Sink};
use crate::support::images::{image, index};
use crate::support::scripted::{Ability, Act, Scripted, when};
use crate::support::server::{Delivery, Request, Response};

/// Refuses bodies above this, so that the blob goes in chunks.
fn at_most(bytes: usize, status: u16) -> Act {
    Act::answer_if(move |request| (request.body.len() > bytes).then(|| Response::error(status, "UNKNOWN")))
}

/// Does what is right, and lets the answer be lost.
fn lost_answer() -> Act {
    Act::deliver(Delivery::HangUp)
}

#[test]
fn f22_an_upload_that_is_gone_begins_again_alone() {
    let scene = Scene::new(&[9_000_000, 1000]);
    scene.destination.rule(when("PUT", "/uploads/"), at_most(4_000_000, 413));
    scene
        .destination
        .rule(when("PATCH", "/uploads/").skip(1).once(), Act::respond(Response::error(404, "BLOB_UPLOAD_UNKNOWN")));
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    let small = scene.image.blobs.iter().filter(|blob| blob.digest != scene.layer().digest);
    for blob in small {
        let word = blob.digest.rsplit(':').next().unwrap();
        assert_eq!(scene.source.count("GET", word), 1, "the other blobs went once");
    }
}

#[test]
fn f23_a_chunk_that_was_cut_goes_on_where_the_registry_is() {
    for keeps in [true, false] {
        let settings = Scripted::settings();
        let settings = if keeps { settings } else { settings.without(Ability::KeepUploads) };
        let scene = Scene::with(image().layers(&[9_000_000]).build(), Scripted::settings(), settings);
        scene.destination.rule(when("PUT", "/uploads/"), at_most(4_000_000, 413));
        scene.destination.rule(when("PATCH", "/uploads/").skip(1).once(), Act::reset_request_after(1_500_000));
        scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
        assert!(scene.destination.count("GET", "/uploads/") > 0, "it was asked: {:?}", scene.destination.lines());
        let again = scene.source.count("GET", scene.layer_word());
        assert_eq!(again, if keeps { 2 } else { 3 }, "the first went in vain as one body");
    }
}

#[test]
fn f24_a_chunk_that_is_out_of_step_is_put_right() {
    let scene = Scene::new(&[9_000_000]);
    scene.destination.rule(when("PUT", "/uploads/"), at_most(4_000_000, 413));
    // It takes the chunk, and calls it out of range.
    let confused = Act::change(|_, response: Response| Response { status: 416, ..response });
    scene.destination.rule(when("PATCH", "/uploads/").once(), confused);
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
}

#[test]
fn f25_a_lost_answer_to_the_end_of_an_upload_costs_a_look_and_no_upload() {
    for size in [1000, 3_000_000] {
        let scene = Scene::new(&[size]);
        scene.destination.rule(when("PUT", scene.layer_word()).once(), lost_answer());
        scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
        let digest = scene.layer_word();
        let counts = (scene.destination.count("PUT", digest), scene.source.count("GET", digest));
        assert_eq!(counts, (1, 1), "{size}: {:?}", scene.destination.lines());
        assert!(scene.destination.count("HEAD", digest) > 0);
    }
}

#[test]
fn f26_a_lost_answer_to_a_manifest_costs_a_look() {
    let scene = Scene::of(index(vec![image().build(), image().architecture("arm64").build()]));
    scene.destination.rule(when("PUT", "/manifests/").skip(1), lost_answer());
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    assert_eq!(scene.destination.count("PUT", "/manifests/"), 3, "none was sent twice");
}

#[test]
fn f27_bodies_that_are_too_long_are_sent_in_chunks() {
    for (limit, size) in [(1_048_576, 3_000_000), (5_000_000, 9_000_000)] {
        let scene = Scene::new(&[size]);
        scene.destination.rule(when("PUT", "/uploads/"), at_most(limit, 413));
        scene.destination.rule(when("PATCH", "/uploads/"), at_most(limit, 413));
        scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
        assert!(scene.destination.count("PATCH", "/uploads/") > 0, "{:?}", scene.destination.lines());
    }
}

#[test]
fn f28_any_good_status_is_a_good_status() {
    for status in [200, 201, 202, 204] {
        let scene = Scene::new(&[3_000_000]);
        let say = || Act::change(move |_: &Request, response: Response| Response { status, ..response });
        scene.destination.rule(when("PATCH", "/uploads/"), say());
        scene.destination.rule(when("PUT", "/manifests/"), say());
        let limit = |request: &Request| request.body.len() > 2_000_000;
        let say_or_refuse =
            Act::change(
                move |request: &Request, response: Response| {
                    if limit(request) { Response::error(413, "UNKNOWN") } else { Response { status, ..response } }
                },
            );
        scene.destination.rule(when("PUT", "/uploads/"), say_or_refuse);
        // A mount that is answered with 201 is done; the other answers to one open the upload.
        scene.destination.rule(when("POST", "/uploads/?"), Act::respond(Response::error(405, "UNSUPPORTED")));
        scene.destination.rule(when("POST", "/uploads/"), say());
        scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    }
}

#[test]
fn f28_an_end_that_is_merely_accepted_is_looked_for() {
    for size in [1000, 3_000_000] {
        // It is there, but not at once.
        let scene = Scene::new(&[size]);
        let accepted = Act::change(|_, response| Response { status: 202, ..response });
        scene.destination.rule(when("PUT", scene.layer_word()), accepted);
        scene.destination.rule(when("HEAD", scene.layer_word()).times(2), Act::status(404));
        scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
        // It never comes.
        let scene = Scene::new(&[size]);
        scene.destination.rule(when("PUT", scene.layer_word()), Act::status(202));
        scene.failed(Sink::Registry, scene.bring(Sink::Registry), 5).says("accepted, but the blob is not there");
    }
}

#[test]
fn f29_an_upload_moves_on_at_every_step() {
    let scene = Scene::new(&[3_000_000]);
    scene.destination.rule(when("PUT", "/uploads/"), at_most(1_500_000, 413));
    let url = scene.destination.url();
    let moved = move |request: &Request, response: Response| {
        let found = response.headers.iter().find(|(name, _)| name == "Location").map(|(_, location)| location.clone());
        let Some(location) = found.filter(|_| request.method != "PUT") else { return response };
        let step = request.body.len();
        let forms = [format!("{url}{location}&step={step}"), format!("{location}&step={step}")];
        response.header("Location", &forms[step % 2])
    };
    scene.destination.rule(when("*", "/uploads/"), Act::change(moved));
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    let lines = scene.destination.lines();
    assert!(lines.iter().filter(|line| line.contains("step=")).count() >= 3, "{lines:?}");
}

#[test]
fn f30_a_mount_may_be_done_refused_or_an_error() {
    for status in [201, 202, 400, 405, 500] {
        let registry = Scripted::start();
        let (new, old) = (image().build(), image().build());
        registry.put("a", &new, &["v1"]);
        registry.put("b", &old, &["v1"]);
        if status != 201 {
            let answer = Act::change(move |_: &Request, response: Response| match status {
                202 => Response::new(202).header("Location", "/v2/b/blobs/uploads/none"),
                _ => Response { status, ..response },
            });
            registry.rule(when("POST", "mount="), answer);
        }
        if status == 202 {
            registry.behave();
            let open = Act::answer(|_| Response::new(202).header("Location", "/v2/b/blobs/uploads/lost"));
            registry.rule(when("POST", "mount=").once(), open);
        }
        let program = crate::support::program::Program::new();
        let (from, to) = (format!("{}/a:v1", registry.address()), format!("{}/b:v1", registry.address()));
        program.run(&["copy", "--attached", "none", &from, &to]).success();
        assert!(registry.holds("b", &new) && registry.tag("b", "v1").as_deref() == Some(new.digest()), "{status}");
    }
}

#[test]
fn f31_a_blob_that_was_lost_before_its_manifest_came_is_sent_again() {
    let scene = Scene::new(&[100_000]);
    // It says that the layer is there, which it is not.
    let there = Act::respond(Response::new(201).header("Location", "/v2/b/blobs/x"));
    scene.destination.rule(when("POST", scene.layer_word()).once(), there);
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    assert_eq!(scene.destination.count("PUT", "/manifests/v1"), 2, "{:?}", scene.destination.lines());
    let others = scene.image.blobs.iter().filter(|blob| blob.digest != scene.layer().digest);
    for blob in others {
        assert_eq!(scene.source.count("GET", &blob.digest), 1, "only what was named went again");
    }
}

#[test]
fn f32_what_was_written_and_is_not_seen_yet_is_waited_for() {
    let child = image().build();
    let scene = Scene::of(index(vec![child.clone()]));
    let layer = &child.blobs[1].digest;
    // What it has taken, it sees after a while; blobs, then the manifests of children.
    let unseen = |digest: &str| {
        let error = serde_json::json!({"code": "MANIFEST_BLOB_UNKNOWN", "detail": {"digest": digest}});
        Act::respond(Response::json(404, &serde_json::json!({"errors": [error]})))
    };
    scene.destination.rule(when("PUT", &format!("/manifests/{}", child.digest())).times(3), unseen(layer));
    scene.destination.rule(when("PUT", "/manifests/v1").times(4), unseen(child.digest()));
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    assert_eq!(scene.source.count("GET", layer), 1, "it is there, which a look tells");
    assert_eq!(scene.destination.count("PUT", child.digest()), 5, "four for itself, one for the index");
    assert_eq!(scene.destination.count("PUT", "/manifests/v1"), 5);
}

#[test]
fn f32_a_blob_that_is_not_seen_for_two_seconds_is_no_failure() {
    let scene = Scene::new(&[100_000]);
    let lag = Duration::from_secs(2);
    let begun = std::sync::OnceLock::new();
    // Nothing that was written is there before its time: not by HEAD, and not for a manifest.
    let digest = scene.layer().digest.clone();
    let unseen = Act::answer_if(move |request: &Request| {
        let asks = request.method == "HEAD" && request.target.contains(&digest);
        let names = request.method == "PUT" && request.target.contains("/manifests/");
        if names {
            begun.get_or_init(Instant::now);
        }
        let is_early = begun.get().is_none_or(|begun| begun.elapsed() < lag);
        let error = serde_json::json!({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": {"digest": digest}}]});
        match (asks, names) {
            (true, _) if is_early => Some(Response::new(404)),
            (_, true) if is_early => Some(Response::json(400, &error)),
            _ => None,
        }
    });
    scene.destination.rule(when("*", ""), unseen);
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    assert!(scene.source.count("GET", scene.layer_word()) <= 2);
}

#[test]
fn f32_what_never_comes_to_be_seen_is_an_error() {
    let scene = Scene::new(&[1000]);
    let never =
        serde_json::json!({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": {"digest": scene.layer().digest}}]});
    scene.destination.rule(when("PUT", "/manifests/v1"), Act::respond(Response::json(404, &never)));
    let output = scene.bring(Sink::Registry);
    assert_eq!(scene.destination.count("PUT", "/manifests/v1"), 6);
    scene.destination.forget_requests();
    scene.failed(Sink::Registry, output, 1).says("MANIFEST_BLOB_UNKNOWN");
}
