//! Several processes at once, and processes that die.

use super::{at_home, listed, store};
use crate::support::eventually;
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::relay::Relay;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Delivery;
use crate::support::skopeo::Skopeo;

#[test]
fn two_processes_pull_the_same_image_at_once() {
    needs!("docker-registry", "skopeo");
    let image = index(vec![image().layers(&[300_000, 200_000]).build(), image().architecture("arm64").build()]);
    let server = super::with(&image);
    let relay = Relay::slow(server.address(), std::time::Duration::from_millis(5));
    let program = Program::new();
    let there = format!("{}/a:v1", relay.address());
    let running = [0, 1, 2].map(|_| program.invoke(&["pull", "-q", &there]).start());
    for run in running {
        assert_eq!(run.finish().success().stdout.trim(), image.digest());
    }
    let kept = format!("oci:{}:{}:v1", store(&program), at_home(relay.address(), "a"));
    assert_eq!(Skopeo::new().inspect_raw(&kept).unwrap(), image.manifest.bytes);
    Skopeo::new().copy(&kept, &format!("docker://{}/b:v1", server.address())).unwrap();
    assert_eq!(listed(&program).len(), 1);
}

#[test]
fn two_processes_pull_different_images_at_once_and_both_are_listed() {
    needs!("docker-registry");
    let images = [image().build(), image().build(), image().build(), image().build()];
    let server = Scripted::start();
    for (number, image) in images.iter().enumerate() {
        server.put("a", image, &[&format!("v{number}")]);
    }
    let program = Program::new();
    let running =
        [0, 1, 2, 3].map(|n| program.invoke(&["pull", "-q", &format!("{}/a:v{n}", server.address())]).start());
    for run in running {
        run.finish().success();
    }
    let index = std::fs::read_to_string(format!("{}/index.json", store(&program))).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 4);
    assert_eq!(listed(&program).len(), 4);
}

#[test]
fn a_pull_that_was_killed_leaves_a_store_that_works_and_is_completed_by_the_next() {
    needs!("skopeo");
    let (before, image) = (image().build(), image().layers(&[4_000_000, 1000]).build());
    let server = Scripted::start();
    server.put("a", &before, &["before"]);
    server.put("a", &image, &["v1"]);
    let program = Program::new();
    let home = at_home(&server.address(), "a");
    program.run(&["pull", &format!("{}/a:before", server.address())]).success();
    let layer = &image.blobs[1].digest;
    server.rule(when("GET", layer).once(), Act::deliver(Delivery::StallAfter(3_000_000)));

    let there = format!("{}/a:v1", server.address());
    let running = program.invoke(&["pull", &there]).start();
    eventually("half of the layer is there", || uploads(&program).iter().any(|length| *length >= 1_000_000));
    running.signal("KILL");
    assert_eq!(running.finish().code, None);

    let kept = |tag: &str| format!("oci:{}:{home}:{tag}", store(&program));
    assert_eq!(Skopeo::new().inspect_raw(&kept("before")).unwrap(), before.manifest.bytes);
    assert_eq!(listed(&program), [format!("{home}:before")]);
    server.forget_requests();
    program.run(&["pull", &there]).success();
    assert_eq!(Skopeo::new().inspect_raw(&kept("v1")).unwrap(), image.manifest.bytes);
    Skopeo::new().copy(&kept("v1"), &format!("oci:{}:x", program.path("copied"))).unwrap();
    assert_eq!(uploads(&program), Vec::<u64>::new(), "nothing is left of the first try");
    let ranges: Vec<String> = server
        .requests()
        .iter()
        .filter(|request| request.target.contains(layer.as_str()))
        .filter_map(|request| request.header("range").map(str::to_owned))
        .collect();
    assert_eq!(ranges.len(), 1, "it went on where the first was cut: {:?}", server.lines());
}

/// The lengths of the blobs on their way into the store.
fn uploads(program: &Program) -> Vec<u64> {
    let entries = std::fs::read_dir(format!("{}/uploads", store(program))).into_iter().flatten();
    let lengths = entries.flatten().filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file);
    lengths.map(|found| found.len()).collect()
}
