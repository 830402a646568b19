//! Automatic pull of `serve --upstream`: what is missing comes from where it comes from, once for everybody.

use std::time::Duration;

use crate::support::content::{noise, sha256};
use crate::support::eventually;
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::served::Served;
use crate::support::server::Delivery;

/// A served home that pulls from `registry`, and what the registry's repositories are called there.
fn scene(registry: &Scripted, flags: &[&str]) -> (Program, Served, String) {
    let program = Program::new();
    program.configure(&format!("remote-registries:\n- address: {}\n", registry.address()));
    let served = Served::with(&program, &[&["--upstream"], flags].concat());
    (program, served, registry.address().replace(':', "_"))
}

#[test]
fn what_is_missing_is_fetched_and_kept_and_served_when_the_upstream_is_gone() {
    let upstream = Scripted::start();
    let image = index(vec![image().layers(&[300_000, 2000]).build(), image().architecture("arm64").build()]);
    upstream.put("team/app", &image, &["v1"]);
    let (program, served, host) = scene(&upstream, &["--upstream-fresh", "1h"]);
    let name = format!("{host}/team/app");
    let other = Program::new();
    let copy = |to: &str| {
        other.run(&[
            "copy",
            "--attached",
            "none",
            &format!("{}/{name}:v1", served.address()),
            &format!("oci:{}", other.path(to)),
        ])
    };
    copy("one").success();
    assert!(served.registry().holds(&name, &image));
    upstream.forget_requests();
    copy("two").success();
    assert!(upstream.requests().is_empty(), "{:?}", upstream.lines());
    assert_eq!(served.registry().get(&format!("/v2/{name}/manifests/none")).status, 404);
    drop(upstream);
    copy("three").success();
    assert_eq!(served.registry().get(&format!("/v2/{name}/manifests/v2")).status, 502);
    // It is in the store as what was pulled.
    let listed = program.run(&["images", "-q"]).success();
    assert_eq!(listed.stdout, format!("{name}:v1\n"));
    program.run(&["prune"]).success();
    assert!(served.registry().holds(&name, &image));
}

#[test]
fn however_many_ask_a_blob_travels_once() {
    let upstream = Scripted::start();
    let image = image().layers(&[3_000_000]).build();
    let layer = image.blobs[1].clone();
    upstream.put("app", &image, &["v1"]);
    upstream.rule(when("GET", &layer.digest), Act::deliver(Delivery::Drip(300_000, Duration::from_millis(40))));
    let (_program, served, host) = scene(&upstream, &[]);
    let name = format!("{host}/app");
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (registry, name, digest) = (served.registry(), name.clone(), layer.digest.clone());
            std::thread::spawn(move || {
                assert!(registry.manifest(&name, "v1").is_some());
                registry.get(&format!("/v2/{name}/blobs/{digest}")).body
            })
        })
        .collect();
    for client in clients {
        assert_eq!(sha256(&client.join().unwrap()), layer.digest);
    }
    assert_eq!((upstream.count("GET", &layer.digest), upstream.count("GET", "/manifests/")), (1, 1));
    // Also a part of it, and what a push would ask.
    let part =
        served.registry().request("GET", &format!("/v2/{name}/blobs/{}", layer.digest), &[("Range", "bytes=5-9")], b"");
    assert_eq!((part.status, &part.body[..]), (206, &layer.bytes[5..10]));
}

#[test]
fn a_client_is_served_while_the_rest_still_comes() {
    let upstream = Scripted::start();
    let image = image().layers(&[1_000_000]).build();
    let layer = image.blobs[1].clone();
    upstream.put("app", &image, &["v1"]);
    upstream.rule(when("GET", &layer.digest).once(), Act::deliver(Delivery::StallAfter(600_000)));
    let (_program, served, host) = scene(&upstream, &[]);
    let name = format!("{host}/app");
    assert!(served.registry().manifest(&name, "v1").is_some());
    let target = format!("/v2/{name}/blobs/{}", layer.digest);
    let part = served.registry().request("GET", &target, &[("Range", "bytes=0-99999")], b"");
    assert_eq!((part.status, part.body == layer.bytes[..100_000]), (206, true));
}

#[test]
fn what_comes_wrong_breaks_the_connection_and_is_not_kept() {
    let upstream = Scripted::start();
    let image = image().layers(&[500_000]).build();
    let layer = image.blobs[1].clone();
    upstream.put("app", &image, &["v1"]);
    let mut wrong = layer.bytes.clone();
    wrong[1000] ^= 1;
    upstream.rule(when("GET", &layer.digest).once(), Act::change(move |_, response| response.body(wrong.clone())));
    let (_program, served, host) = scene(&upstream, &[]);
    let (name, registry) = (format!("{host}/app"), served.registry());
    assert!(registry.manifest(&name, "v1").is_some());
    let target = format!("/v2/{name}/blobs/{}", layer.digest);
    let got = registry.try_request("GET", &target, &[], b"");
    assert!(!got.is_ok_and(|answer| answer.status == 200), "the end is withheld");
    // The next one gets it right.
    eventually("the wrong one is forgotten", || {
        registry.try_request("GET", &target, &[], b"").is_ok_and(|answer| answer.body == layer.bytes)
    });
}

#[test]
fn a_blob_that_the_upstream_does_not_have_any_more_is_said_to_be_missing() {
    let upstream = Scripted::start();
    let image = image().build();
    upstream.put("app", &image, &["v1"]);
    let (_program, served, host) = scene(&upstream, &[]);
    let (name, layer) = (format!("{host}/app"), &image.blobs[1].digest);
    assert!(served.registry().manifest(&name, "v1").is_some());
    upstream.lose_blob("app", layer);
    for method in ["GET", "HEAD"] {
        assert_eq!(served.registry().request(method, &format!("/v2/{name}/blobs/{layer}"), &[], b"").status, 404);
    }
}

#[test]
fn a_blob_that_breaks_off_goes_on() {
    let upstream = Scripted::start();
    let image = image().layers(&[800_000]).build();
    let layer = image.blobs[1].clone();
    upstream.put("app", &image, &["v1"]);
    upstream.rule(when("GET", &layer.digest).times(2), Act::deliver(Delivery::CutAfter(300_000)));
    let (_program, served, host) = scene(&upstream, &[]);
    let (name, registry) = (format!("{host}/app"), served.registry());
    assert!(registry.manifest(&name, "v1").is_some());
    assert!(registry.get(&format!("/v2/{name}/blobs/{}", layer.digest)).body == layer.bytes);
}

#[test]
fn a_tag_is_compared_with_its_upstream_and_what_is_pushed_here_is_not() {
    let upstream = Scripted::start();
    let (old, new, own) = (image().build(), image().build(), image().build());
    upstream.put("app", &old, &["v1", "own"]);
    let (_program, served, host) = scene(&upstream, &["--upstream-fresh", "1ms"]);
    let (name, registry) = (format!("{host}/app"), served.registry());
    let points_at = |tag: &str| registry.manifest(&name, tag).map(|found| found.digest);
    assert_eq!(points_at("v1").as_deref(), Some(old.digest()));
    registry.push(&name, &own, &["own"]);
    upstream.put("app", &new, &["v1"]);
    assert_eq!(points_at("v1").as_deref(), Some(new.digest()));
    assert_eq!(points_at("own").as_deref(), Some(own.digest()));
    // What is gone there stays here, and so it does when nobody answers.
    upstream.rule(when("*", "/manifests/"), Act::status(503));
    assert_eq!(points_at("v1").as_deref(), Some(new.digest()));
    upstream.forget_requests();
    assert_eq!(points_at("v1").as_deref(), Some(new.digest()));
    assert!(upstream.requests().is_empty(), "one that failed is left alone for a while");
}

#[test]
fn names_that_only_look_like_a_registry_are_asked_of_nobody() {
    let (upstream, other) = (Scripted::start(), Scripted::start());
    let image = image().build();
    upstream.put("library/app", &image, &["v1"]);
    other.put("app", &image, &["v1"]);
    let program = Program::new();
    program.configure(&format!("remote-registries:\n- address: {}\n", upstream.address()));
    let served = Served::with(&program, &["--upstream"]);
    let hidden = format!("{}/app", other.address().replace(':', "_"));
    assert_eq!(served.registry().get(&format!("/v2/{hidden}/manifests/v1")).status, 404);
    assert_eq!(served.registry().get("/v2/library/app/manifests/v1").status, 404);
    assert_eq!((other.connections(), upstream.connections()), (0, 0));
    drop(served);
    // With a default remote registry, every other name is asked of that.
    program.run(&["settings", "set", "default-remote-registry", &upstream.address()]).success();
    let served = Served::with(&program, &["--upstream"]);
    assert!(
        served.registry().holds("library/app", &image) || served.registry().manifest("library/app", "v1").is_some()
    );
    assert_eq!(served.registry().get(&format!("/v2/{hidden}/manifests/v1")).status, 404);
    assert_eq!(other.connections(), 0);
    // Blobs that no manifest names are fetched for nobody.
    upstream.forget_requests();
    let stray = sha256(&noise(1, 10));
    assert_eq!(served.registry().get(&format!("/v2/library/app/blobs/{stray}")).status, 404);
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_flight_is_picked_up_after_a_kill() {
    let upstream = Scripted::start();
    let image = image().layers(&[400_000]).build();
    upstream.put("app", &image, &["v1"]);
    let (program, served, host) = scene(&upstream, &[]);
    let name = format!("{host}/app");
    assert!(served.registry().manifest(&name, "v1").is_some());
    served.end("KILL");
    let served = Served::with(&program, &["--upstream"]);
    assert!(served.registry().holds(&name, &image), "what the manifest names is still known");
    assert!(Registry::at(&format!("http://{}", served.address())).holds(&name, &image));
}
