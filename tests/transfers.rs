//! `transfers`: what interrupted work is kept, and how it goes.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::images::{Image, bulk};
use crate::support::program::{Program, Running};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Delivery;

/// How much of a layer comes before its source says nothing more.
const COMES: usize = 10_000_000;

/// A run whose source stops in the midst of the layer of `image`.
fn stalled(program: &Program, source: &Scripted, image: &Image, words: &[&str]) -> Running {
    source.rule(when("GET", &image.blobs[1].digest), Act::deliver(Delivery::StallAfter(COMES)));
    program.invoke(words).start()
}

fn list(program: &Program) -> Value {
    program.run(&["transfers", "list", "-o", "json"]).success().json()
}

#[test]
fn nothing_is_kept_where_nothing_was_interrupted() {
    let program = Program::new();
    assert_eq!(list(&program), json!({"transfers": [], "partialBlobs": []}));
    let cleaned = program.run(&["transfers", "clean"]).success();
    assert_eq!(cleaned.stdout, "removed 0 interrupted transfers and 0 partial blobs (0 B)\n");
    assert!(!program.home().join("data").exists() && !program.home().join("state").exists());
}

#[test]
fn an_interrupted_upload_is_listed_and_removed_unless_it_runs() {
    let (program, source, destination) = (Program::new(), Scripted::start(), Scripted::start());
    let image = bulk(&[12_000_000]);
    source.put("a", &image, &["v1"]);
    let (from, to) = (format!("{}/a:v1", source.address()), format!("{}/b:v1", destination.address()));
    let running = stalled(&program, &source, &image, &["copy", "--attached", "none", &from, &to]);
    eventually("it is noted", || list(&program)["transfers"][0]["bytes"].as_u64() >= Some(8_000_000));
    let kept = list(&program);
    let kept = &kept["transfers"][0];
    assert_eq!((&kept["source"], &kept["destination"]), (&json!(from), &json!(to)));
    assert_eq!((&kept["digest"], &kept["inUse"]), (&json!(image.digest()), &json!(true)));
    assert!(program.run(&["transfers", "list"]).success().stdout.contains("running"));
    program.run(&["transfers", "clean"]).success();
    assert_eq!(list(&program)["transfers"].as_array().unwrap().len(), 1, "what is in use stays");

    running.signal("KILL");
    running.finish();
    let kept = list(&program);
    assert_eq!(kept["transfers"][0]["inUse"], false);
    assert_eq!(kept["partialBlobs"], json!([]));
    let text = program.run(&["transfers", "list"]).success().stdout;
    assert!(
        text.contains(&from)
            && text.contains(&to)
            && text.contains("MiB")
            && text.contains("interrupted")
            && text.contains("just now"),
        "{text}"
    );
    assert_eq!(program.run(&["transfers", "list", "-q"]).success().stdout, format!("{}\n", image.digest()));
    assert!(program.run(&["transfers", "list", "-o", "yaml"]).success().stdout.contains("inUse: false"));
    assert!(!text.contains("uploads/"), "where the upload goes on is not shown");

    let young = program.run(&["transfers", "clean", "--older-than", "1h", "-o", "json"]).success().json();
    assert_eq!(young, json!({"transfers": [], "partialBlobs": []}));
    let removed = program.run(&["transfers", "clean", "-o", "json"]).success().json();
    assert_eq!(removed, kept);
    assert_eq!(list(&program), json!({"transfers": [], "partialBlobs": []}));
}

#[test]
fn a_partial_blob_of_the_store_is_listed_and_removed_unless_it_is_written() {
    let (program, source) = (Program::new(), Scripted::start());
    let image = bulk(&[12_000_000]);
    source.put("a", &image, &["v1"]);
    let running =
        stalled(&program, &source, &image, &["pull", "--attached", "none", &format!("{}/a:v1", source.address())]);
    eventually("most of what came is there", || list(&program)["partialBlobs"][0]["bytes"].as_u64() >= Some(8_000_000));
    program.run(&["transfers", "clean"]).success();
    assert_eq!(list(&program)["partialBlobs"][0]["inUse"], true, "what is in use stays");
    running.signal("KILL");
    running.finish();
    let kept = list(&program);
    assert_eq!(kept["transfers"], json!([]), "the store needs no note beside the bytes");
    let blob = &kept["partialBlobs"][0];
    assert_eq!((&blob["digest"], &blob["inUse"]), (&json!(image.blobs[1].digest), &json!(false)));
    let text = program.run(&["transfers", "list"]).success().stdout;
    assert!(text.contains("store") && text.contains("MiB"), "{text}");
    let cleaned = program.run(&["transfers", "clean"]).success().stdout;
    assert!(cleaned.starts_with("removed 0 interrupted transfers and 1 partial blob ("), "{cleaned}");
    assert_eq!(list(&program), json!({"transfers": [], "partialBlobs": []}));
    let uploads = std::fs::read_dir(program.home().join("data/tranship/store/uploads")).unwrap();
    assert_eq!(uploads.count(), 0);
}

#[test]
fn a_time_that_is_none_is_refused() {
    let refused = Program::new().run(&["transfers", "clean", "--older-than", "soon"]).code(2);
    assert!(refused.stderr.contains("is not a time"), "{}", refused.stderr);
}
