//! What the flags of `copy` pick and hold back: platforms, dry runs, tags that are not to move, the digest file.

use super::{Pair, tagged};
use crate::support::images::{image, index};

/// An index for three platforms in the source's `a:v1`.
fn with_platforms() -> (Pair, crate::support::images::Image) {
    let pair = Pair::start();
    let child = |architecture| image().architecture(architecture).build();
    let all = index(vec![child("amd64"), child("arm64"), child("s390x")]);
    pair.put("a", &all, &["v1"]);
    (pair, all)
}

#[test]
fn one_platform_is_that_image_alone() {
    needs!("docker-registry");
    let (pair, all) = with_platforms();
    let arguments =
        ["copy", "-o", "json", "--platform", "linux/arm64", &pair.source("a:v1"), &pair.destination("b:v1")];
    let run = pair.program.run(&arguments).success();
    let report = &run.json()["images"][0];
    assert_eq!(report["digest"], all.children[1].digest());
    assert_eq!(report["narrowedFrom"], all.digest());
    assert_eq!(tagged(&pair.arrived(), "b", "v1").as_deref(), Some(all.children[1].digest()));
    assert!(pair.arrived().holds("b", &all.children[1]));
    assert!(!pair.arrived().holds("b", &all.children[0]) && !pair.arrived().holds("b", &all.children[2]));
}

#[test]
fn several_platforms_are_an_index_of_those() {
    needs!("docker-registry");
    let (pair, all) = with_platforms();
    let (source, destination) = (pair.source("a:v1"), pair.destination("b:v1"));
    let platforms = ["--platform", "linux/s390x", "--platform", "linux/amd64"];
    let words = [&["copy", source.as_str(), destination.as_str()], &platforms[..]].concat();
    let run = pair.program.run(&words).success().says("what refers to the whole index stays behind");
    assert!(run.stdout.contains("narrowed from"), "{}", run.shown());
    let manifest = pair.arrived().manifest("b", "v1").unwrap();
    let document: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let named: Vec<&str> =
        document["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].as_str().unwrap()).collect();
    assert_eq!(named, [all.children[0].digest(), all.children[2].digest()]);
    assert!(pair.arrived().holds("b", &all.children[0]) && pair.arrived().holds("b", &all.children[2]));
    assert!(!pair.arrived().holds("b", &all.children[1]));
    // The narrowed index is made the same each time.
    assert!(pair.program.run(&words).success().stdout.contains("(unchanged)"));
    // All of them are the index itself.
    let every = [&words[..], &["--platform", "linux/arm64"]].concat();
    pair.program.run(&every).success();
    assert_eq!(tagged(&pair.arrived(), "b", "v1").as_deref(), Some(all.digest()));
}

#[test]
fn a_platform_that_is_not_there_is_an_error_that_lists_those_that_are() {
    needs!("docker-registry");
    let (pair, _) = with_platforms();
    let run =
        pair.program.run(&["copy", "--platform", "windows/amd64", &pair.source("a:v1"), &pair.destination("b:v1")]);
    run.code(3).says("no image for windows/amd64; there are linux/amd64, linux/arm64, linux/s390x");
    assert_eq!(tagged(&pair.arrived(), "b", "v1"), None);
    let run = pair.program.run(&["copy", "--platform", "linux//", &pair.source("a:v1"), &pair.destination("b:v1")]);
    run.code(2).says("--platform");
}

#[test]
fn an_image_for_another_platform_is_not_taken_for_the_wanted_one() {
    needs!("docker-registry");
    let pair = Pair::start();
    pair.put("a", &image().architecture("amd64").build(), &["v1"]);
    let (source, destination) = (pair.source("a:v1"), pair.destination("b:v1"));
    let run = pair.program.run(&["copy", "--platform", "linux/arm64", &source, &destination]);
    run.code(3).says("no image for linux/arm64; there are linux/amd64");
    assert_eq!(tagged(&pair.arrived(), "b", "v1"), None);
    pair.program.run(&["copy", "--platform", "linux/amd64", &source, &destination]).success();
}

#[test]
fn the_platforms_of_the_settings_are_taken_where_none_is_named() {
    needs!("docker-registry");
    let (pair, all) = with_platforms();
    pair.program.configure("settings: {platforms: [linux/arm64]}\n");
    let run = pair.program.run(&["copy", "-q", &pair.source("a:v1"), &pair.destination("b:v1")]).success();
    assert_eq!(run.stdout.trim(), all.children[1].digest());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    needs!("docker-registry");
    let (pair, all) = with_platforms();
    let (source, destination) = (pair.source("a:v1"), pair.destination("b:v1"));
    let plan = pair.program.run(&["copy", "--dry-run", "-o", "json", &source, &destination]).success().json();
    let plan = &plan["images"][0];
    assert_eq!(plan["digest"], all.digest());
    assert_eq!(plan["unchanged"], false);
    assert_eq!(plan["blobs"].as_array().unwrap().len(), all.all_blobs().len());
    let bytes: usize = all.all_blobs().iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(plan["totals"]["send"], serde_json::json!({"count": 9, "bytes": bytes}));
    assert_eq!(plan["manifests"].as_array().unwrap().len(), 4);
    assert_eq!(plan["manifests"][3]["tags"], serde_json::json!(["v1"]));
    assert_eq!(pair.arrived().get("/v2/_catalog").body, b"{\"repositories\":[]}\n");

    pair.program.run(&["copy", &source, &pair.destination("b:old"), "--platform", "linux/amd64"]).success();
    let plan = pair.program.run(&["copy", "--dry-run", "-o", "json", &source, &destination]).success().json();
    let totals = &plan["images"][0]["totals"];
    assert_eq!((&totals["send"]["count"], &totals["skip"]["count"]), (&6.into(), &3.into()));
    pair.program.run(&["copy", &source, &destination]).success();
    let run = pair.program.run(&["copy", "--dry-run", &source, &destination]).success();
    assert!(run.stdout.ends_with(&format!("nothing to do: it has {}\n", all.digest())), "{}", run.stdout);
    let run = pair.program.run(&["copy", "--dry-run", "-q", &source, &destination]).success();
    assert_eq!(run.stdout.trim(), all.digest());
}

#[test]
fn a_tag_that_is_not_to_move_stays() {
    needs!("docker-registry");
    let pair = Pair::start();
    let (old, new) = (image().build(), image().build());
    pair.put("a", &old, &["old"]);
    pair.put("a", &new, &["new"]);
    let copy = |source: &str| {
        pair.program.run(&["copy", "--no-clobber", "-q", &pair.source(source), &pair.destination("b:v1")])
    };
    copy("a:old").success();
    copy("a:old").success();
    let refused =
        copy("a:new").code(1).says("the tag `v1` exists at the destination and points at").says("--no-clobber");
    assert_eq!(refused.stdout, "");
    assert_eq!(tagged(&pair.arrived(), "b", "v1").as_deref(), Some(old.digest()));
    assert!(!pair.arrived().holds("b", &new), "nothing travelled");
}

#[test]
fn the_digest_is_written_into_a_file() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let (file, source, destination) = (pair.program.path("digest"), pair.source("a:v1"), pair.destination("b:v1"));
    let words = ["copy", "--digest-file", &file, &source, &destination];
    for _ in 0..2 {
        pair.program.run(&words).success();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), image.digest());
        std::fs::remove_file(&file).unwrap();
    }
    pair.program.run(&["copy", "--digest-file", &file, &pair.source("a:none"), &destination]).code(3);
    assert!(!std::path::Path::new(&file).exists());
}
