//! How copies fail, and what is left behind then: nothing that points at less than the whole.

use std::net::TcpListener;

use super::{Pair, tagged};
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};

#[test]
fn a_layer_with_wrong_bytes_is_refused_and_no_tag_is_written() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = index(vec![image().build(), image().architecture("arm64").layers(&[50_000]).build()]);
    let from = Scripted::start();
    from.put("a", &image, &["v1"]);
    let layer = image.children[1].blobs[1].clone();
    let mut bytes = layer.bytes.clone();
    bytes[20_000] ^= 1;
    from.put_blob("a", &crate::support::images::Content { bytes, ..layer.clone() });
    let source = format!("{}/a:v1", from.address());
    let run = pair.program.run(&["copy", &source, &pair.destination("b:v1")]).code(6).says(&layer.digest);
    assert_eq!(run.stdout, "");
    assert_eq!(tagged(&pair.arrived(), "b", "v1"), None);
    assert_eq!(pair.arrived().get(&format!("/v2/b/blobs/{}", layer.digest)).status, 404);

    pair.program.run(&["pull", &source]).code(6);
    assert_eq!(pair.program.run(&["images", "-q"]).success().stdout, "");
}

#[test]
fn a_manifest_with_wrong_bytes_is_refused() {
    let (from, to) = (Scripted::start(), Scripted::start());
    let (image, other) = (image().build(), image().build());
    from.put("a", &image, &["v1"]);
    let wrong = crate::support::images::Content { digest: image.digest().to_owned(), ..other.manifest.clone() };
    from.put_manifest("a", &wrong, &["v1"]);
    let source = format!("{}/a@{}", from.address(), image.digest());
    Program::new().run(&["copy", &source, &format!("{}/b:v1", to.address())]).code(6);
    assert_eq!(to.tag("b", "v1"), None);
}

#[test]
fn an_image_that_is_not_there_is_not_found() {
    needs!("docker-registry");
    let pair = Pair::start();
    pair.put("a", &image().build(), &["v1"]);
    let run = pair.program.run(&["copy", &pair.source("a:none"), &pair.destination("b:v1")]).code(3);
    run.says(&format!("hint: see what is there: `tranship tags {}`", pair.source("a")));
    pair.program.run(&["copy", &pair.source("none:v1"), &pair.destination("b:v1")]).code(3);
    pair.program.run(&["pull", &pair.source("a:none")]).code(3);
    assert_eq!(pair.arrived().get("/v2/b/tags/list").status, 404);
}

#[test]
fn nobody_at_the_address_is_unreachable() {
    // A port that is free: it was bound a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = Program::new();
    let there = format!("{address}/a:v1");
    let to = Scripted::start();
    let words = ["copy", &there, &format!("{}/b:v1", to.address()), "--retries", "0"];
    program.run(&words).code(5).says(&address.to_string()).says("Connection refused");
    // Without a word on retries it is given up within the time for one connection.
    let run = program.run(&["resolve", "--timeout", "1s", &there]).code(5);
    assert!(!run.stderr.contains("client error"), "{}", run.stderr);
}

#[test]
fn a_name_without_a_registry_needs_a_default() {
    let program = Program::new();
    let run = program.run(&["pull", "alpine:3"]).code(2);
    run.says("`alpine` names no registry").says("hint: run `tranship settings set default-remote-registry docker.io`");
}

#[test]
fn the_default_registry_completes_names_with_its_path() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = image().build();
    pair.put("team/tools/app", &image, &["v1"]);
    pair.program.configure(&format!("settings: {{default-remote-registry: '{}'}}\n", pair.source("team")));
    let run = pair.program.run(&["resolve", "tools/app:v1"]).success();
    assert_eq!(run.stdout, format!("{}@{}\n", pair.source("team/tools/app:v1"), image.digest()));
}

#[test]
fn a_failing_blob_leaves_no_tag_and_the_next_run_goes_on() {
    let (from, to) = (Scripted::start(), Scripted::start());
    let image = image().layers(&[30_000, 20_000]).build();
    from.put("a", &image, &["v1"]);
    to.rule(when("PUT", "/blobs/uploads/"), Act::status(403));
    let words = ["copy", &format!("{}/a:v1", from.address()), &format!("{}/b:v1", to.address())];
    let program = Program::new();
    program.run(&words).code(4);
    assert_eq!(to.tag("b", "v1"), None);
    to.behave();
    program.run(&words).success();
    assert!(to.holds("b", &image));
}

#[test]
fn errors_are_objects_where_json_is_asked_for() {
    needs!("docker-registry");
    let pair = Pair::start();
    let run = pair.program.run(&["-o", "json", "copy", &pair.source("a:v1"), &pair.destination("b:v1")]).code(3);
    assert_eq!(run.stdout, "");
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["type"], "error");
    assert_eq!(error["kind"], "notFound");
    assert_eq!(error["message"], format!("cannot copy `{}` to `{}`", pair.source("a:v1"), pair.destination("b:v1")));
    assert!(error["causes"][0].is_string() && error["hints"][0].is_string(), "{error}");
    let run = pair.program.run(&["-o", "json", "tags", &pair.source("a")]).code(3);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!((&error["registry"], &error["status"]), (&pair.from.address().into(), &404.into()));
    assert_eq!(error["code"], "NAME_UNKNOWN");
}

#[test]
fn words_that_clap_refuses_are_wrong_usage() {
    let program = Program::new();
    program.run(&["copy", "127.0.0.1:1/a"]).code(2).says("DST");
    program.run(&["copy", "--attached", "some", "a", "b"]).code(2).says("none, image, all");
    program.run(&["copy", "-o", "xml", "a", "b"]).code(2).says("text, json, yaml");
    program.run(&["copy", "--password", "x", "a", "b"]).code(2);
}

#[test]
fn an_interrupted_copy_says_so_by_its_exit_code() {
    use crate::support::eventually;
    use crate::support::server::Delivery;
    let (from, to) = (Scripted::start(), Scripted::start());
    let image = image().layers(&[100_000]).build();
    from.put("a", &image, &["v1"]);
    from.rule(when("GET", "/blobs/"), Act::deliver(Delivery::StallAfter(10)));
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        from.forget_requests();
        let words = ["copy", &format!("{}/a:v1", from.address()), &format!("{}/b:v1", to.address())];
        let program = Program::new();
        let running = program.invoke(&words).start();
        eventually("a blob is on its way", || from.count("GET", "/blobs/") > 0);
        running.signal(signal);
        let run = running.finish();
        assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{}", run.shown());
    }
    assert_eq!(to.tag("b", "v1"), None);
}
