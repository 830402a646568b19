//! Taking a blob over from another repository of the same registry.

use super::{at, copy, holding};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::relay::Relay;
use crate::support::scripted::{Ability, Act, Scripted, when};
use crate::support::server::{Delivery, Request, Response};

#[test]
fn q41_mount_always_names_its_source() {
    let (registry, image) = holding("a");
    // As Quay: a mount without a source is an error.
    let strict = |request: &Request| {
        let lacks = request.query("mount").is_some() && request.query("from").is_none();
        lacks.then(|| Response::error(400, "INVALID_REQUEST"))
    };
    registry.rule(when("POST", "mount="), Act::answer_if(strict));
    let output = copy(&Program::new(), &at(&registry, "a:v1"), &at(&registry, "b:v1")).success();
    assert!(output.stdout.contains("3 blobs mounted"), "{}", output.shown());
    assert!(registry.holds("b", &image));
    let mounts = registry.requests().into_iter().filter(|request| request.query("mount").is_some());
    assert!(mounts.map(|request| request.query("from")).all(|from| from.as_deref() == Some("a")));
}

#[test]
fn q42_a_mount_that_is_not_done_is_the_upload() {
    let (_, image) = holding("a");
    let registry = Scripted::settings().without(Ability::Mount).start();
    registry.put("a", &image, &["v1"]);
    let output = copy(&Program::new(), &at(&registry, "a:v1"), &at(&registry, "b:v1")).success();
    assert!(output.stdout.contains("3 blobs sent"), "{}", output.shown());
    assert!(registry.holds("b", &image));
    assert_eq!((registry.count("POST", ""), registry.open_uploads()), (3, 0), "{:?}", registry.lines());
}

#[test]
fn q43_a_refused_mount_is_tried_once_and_then_the_blob_travels() {
    for status in [400, 401, 403, 404, 405, 415, 500] {
        let (registry, image) = holding("a");
        registry.rule(when("POST", "mount="), Act::respond(Response::error(status, "DENIED")));
        copy(&Program::new(), &at(&registry, "a:v1"), &at(&registry, "b:v1")).success();
        assert!(registry.holds("b", &image), "{status}");
        assert!(registry.count("POST", "mount=") <= 3, "once a blob, {status}: {:?}", registry.lines());
    }
    let (registry, image) = holding("a");
    registry.rule(when("POST", "mount="), Act::answer(|_| Response::new(500).deliver(Delivery::HangUp)));
    copy(&Program::new(), &at(&registry, "a:v1"), &at(&registry, "b:v1")).success();
    assert!(registry.holds("b", &image));
}

#[test]
fn q60_a_mount_from_the_repository_itself_tells_what_is_there() {
    needs!("docker-registry");
    let (source, image) = holding("a");
    let server = DockerRegistry::open();
    let client = Registry::at(&server.url());
    let relay = Relay::to(server.address());
    let destination = |tag: &str| format!("{}/b:{tag}", relay.address());
    for blob in &image.blobs {
        client.push_blob("b", blob);
    }
    let program = Program::new();
    copy(&program, &at(&source, "a:v1"), &destination("v1")).success();
    assert!(client.holds("b", &image));
    let lines = relay.lines();
    assert!(lines.iter().all(|line| !line.starts_with("HEAD /v2/b/blobs/")), "{lines:?}");
    let mounts = lines.iter().filter(|line| line.starts_with("POST /v2/b/blobs/uploads/?mount="));
    assert_eq!(mounts.clone().count(), 3);
    assert!(mounts.into_iter().all(|line| line.ends_with("from=b")));

    // Where it tells nothing, that is learnt by mounting the blob that went ahead, and the upload is cancelled.
    let registry = Scripted::settings().without(Ability::Mount).start();
    registry.put("b", &image, &[]);
    copy(&program, &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.lines());
    registry.forget_requests();
    source.put("a", &image, &["v2"]);
    copy(&program, &at(&source, "a:v2"), &at(&registry, "c:v2")).success();
    assert_eq!(registry.count("POST", "mount="), 0, "{:?}", registry.lines());
}

#[test]
fn q61_a_repository_that_does_not_exist_has_no_blobs_to_ask_for() {
    needs!("docker-registry");
    let (source, image) = holding("a");
    let server = DockerRegistry::open();
    let relay = Relay::to(server.address());
    copy(&Program::new(), &at(&source, "a:v1"), &format!("{}/fresh/b:v1", relay.address())).success();
    assert!(Registry::at(&server.url()).holds("fresh/b", &image));
    let lines = relay.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("HEAD /v2/fresh/b/blobs/")).count(), 0, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("/tags/list")).count(), 1, "{lines:?}");
    // An empty list in place of 404 tells nothing, and nothing is taken for fresh by it.
    let registry = Scripted::settings().without(Ability::Mount).start();
    let other = image_with(&image);
    registry.put("b", &other, &[]);
    registry.rule(when("GET", "/tags/list"), Act::respond(Response::json(200, &serde_json::json!({"tags": []}))));
    let output = copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
    // One went ahead without being asked for.
    let told = ["1 blob sent, ", "2 blobs there, "].map(|told| output.stdout.contains(told));
    assert_eq!(told, [true; 2], "{}", output.shown());
}

/// Another image with the same blobs.
fn image_with(blobs: &Image) -> Image {
    Image { blobs: blobs.blobs.clone(), ..image().build() }
}
