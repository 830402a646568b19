//! Content that is not what its digest or size says.

use serde_json::json;

use super::{program_of, run_once};
use crate::support::images::{Content, Image, artifact, image, index};
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Delivery, Response};

/// Copies `app:v1` to every kind of place, and asserts that none has a name for it afterwards.
fn nothing_arrives(registry: &Scripted, codes: &[i32]) {
    let program = program_of(&[]);
    let before = image().build();
    let destination = Scripted::start();
    destination.put("app", &before, &["v1"]);
    let source = format!("{}/app:v1", registry.address());
    let to_registry = format!("{}/app:v1", destination.address());
    let to_layout = format!("oci:{}:app", program.path("layout"));
    for to in [to_registry.as_str(), &to_layout, "store:app:v1"] {
        let words = ["copy", &source, to, "--attached", "all"];
        let copied = run_once(&program, &words);
        assert!(copied.code.is_some_and(|code| codes.contains(&code)), "to {to}: {}", copied.shown());
    }
    assert_eq!(destination.tag("app", "v1").as_deref(), Some(before.digest()));
    let index = std::fs::read_to_string(program.home().join("layout/index.json")).unwrap_or_default();
    assert!(!index.contains("\"app\""), "{index}");
    assert_eq!(program.run(&["images", "-q"]).success().stdout, "");
    assert_names_are_true(&program);
}

/// Asserts that every blob file of the home is what its name says.
fn assert_names_are_true(program: &Program) {
    let mut directories = vec![program.home().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.parent().is_some_and(|parent| parent.ends_with("blobs/sha256")) {
                let name = format!("sha256:{}", path.file_name().unwrap().to_string_lossy());
                assert_eq!(crate::support::content::sha256(&std::fs::read(&path).unwrap()), name);
            }
        }
    }
}

/// The same content with one bit turned.
fn flipped(content: &Content) -> Content {
    let mut flipped = content.clone();
    *flipped.bytes.last_mut().unwrap() ^= 1;
    flipped
}

fn registry_with(image: &Image) -> Scripted {
    let registry = Scripted::start();
    registry.put("app", image, &["v1"]);
    registry
}

#[test]
fn s18_other_bytes_than_the_digest_says_arrive_nowhere() {
    let inner = image().build();
    let whole = index(vec![inner.clone()]);
    let attached = artifact(&whole.manifest, "application/x-signature", b"signed");
    let blobs = [&inner.blobs[0], &inner.blobs[1], &inner.blobs[2], &attached.blobs[1]];
    for blob in blobs {
        let registry = registry_with(&whole);
        registry.put("app", &attached, &[]);
        registry.put_blob("app", &flipped(blob));
        nothing_arrives(&registry, &[6]);
    }
    for manifest in [&whole.manifest, &inner.manifest, &attached.manifest] {
        let registry = registry_with(&whole);
        registry.put("app", &attached, &[]);
        // White space at the end is still a good document, with another digest.
        let mut changed = manifest.clone();
        changed.bytes.pop();
        registry.put_manifest("app", &changed, &[]);
        nothing_arrives(&registry, &[6]);
    }
}

#[test]
fn s18_a_header_proves_nothing() {
    let whole = image().build();
    let other = image().build();
    let registry = registry_with(&whole);
    registry.rule(when("*", "/manifests/v1"), Act::header("Docker-Content-Digest", other.digest()));
    // By that digest there is nothing here; and what is under the tag has another.
    nothing_arrives(&registry, &[3, 6]);
    registry.put("app", &other, &[]);
    let swapped = whole.manifest.clone();
    registry.rule(
        when("GET", &format!("/manifests/{}", other.digest())),
        Act::answer(move |_| {
            Response::new(200)
                .header("Content-Type", &swapped.media_type)
                .header(
                    "Docker-Content-Digest",
                    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
                )
                .body(swapped.bytes.clone())
        }),
    );
    nothing_arrives(&registry, &[6]);
    let silent = registry_with(&whole);
    silent.rule(when("*", ""), Act::without_header("Docker-Content-Digest"));
    let program = program_of(&[]);
    let copied = copy(&program, &silent).success();
    assert!(copied.stdout.contains(whole.digest()));
}

fn copy(program: &Program, registry: &Scripted) -> Output {
    run_once(program, &["copy", &format!("{}/app:v1", registry.address()), "store:app:v1"])
}

#[test]
fn s18_what_the_registry_says_it_stored_is_compared_too() {
    let source = registry_with(&image().build());
    let destination = Scripted::start();
    let other = image().build();
    destination.rule(when("PUT", "/manifests/"), Act::header("Docker-Content-Digest", other.digest()));
    let program = program_of(&[]);
    let name = |registry: &Scripted| format!("{}/app:v1", registry.address());
    run_once(&program, &["copy", &name(&source), &name(&destination)]).code(6).says("was stored as");
}

#[test]
fn s19_sizes_that_are_not_those_of_the_content() {
    for (place, size) in [("layer", 5), ("layer", 900_000), ("config", 5), ("config", 900_000)] {
        let mut lying = image().build();
        let mut document = lying.document();
        let entry = if place == "layer" { &mut document["layers"][0] } else { &mut document["config"] };
        entry["size"] = json!(size);
        lying.manifest = Content::new(&lying.manifest.media_type, document.to_string());
        nothing_arrives(&registry_with(&lying), &[6]);
    }
    let inner = image().build();
    let mut lying = index(vec![inner]);
    let mut document = lying.document();
    document["manifests"][0]["size"] = json!(5);
    lying.manifest = Content::new(&lying.manifest.media_type, document.to_string());
    nothing_arrives(&registry_with(&lying), &[6]);
}

#[test]
fn s19_bodies_longer_than_announced_are_not_read_to_their_end() {
    let whole = image().build();
    let gibibyte = 1 << 30;
    for length in [None, Some(gibibyte)] {
        let registry = registry_with(&whole);
        let flood = move |_: &_, response: Response| {
            let total = response.body.len() as u64 + gibibyte;
            let response = response.deliver(Delivery::Flood(b'x', gibibyte));
            if length.is_some() { response.header("Content-Length", &total.to_string()) } else { response }
        };
        registry.rule(when("GET", "/blobs/"), Act::change(flood));
        let program = program_of(&[]);
        copy(&program, &registry).code(6).says("that were announced");
        // Buffers of the system lie between: some megabytes leave the server that are never read.
        assert!(registry.flooded() < 64 << 20, "{}", registry.flooded());
    }
}

#[test]
fn s19_bodies_shorter_than_their_length_are_not_taken() {
    let whole = image().build();
    let registry = registry_with(&whole);
    registry.rule(when("GET", "/blobs/"), Act::deliver(Delivery::CutAfter(100)));
    let program = program_of(&[]);
    let failed = run_once(&program, &["copy", &format!("{}/app:v1", registry.address()), "store:app:v1"]);
    assert!(matches!(failed.code, Some(1 | 5 | 6)), "{}", failed.shown());
    assert_eq!(program.run(&["images", "-q"]).success().stdout, "");
    registry.behave();
    registry.rule(when("GET", "/manifests/"), Act::deliver(Delivery::CutAfter(100)));
    let failed = run_once(&program, &["copy", &format!("{}/app:v1", registry.address()), "store:app:v1"]);
    assert!(matches!(failed.code, Some(1 | 5 | 6)), "{}", failed.shown());
}
