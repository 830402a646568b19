//! Bodies of any length: what is read of them, and how much memory that takes.

use serde_json::json;

use super::{program_of, run_once, wants_token_of};
use crate::support::content::gzip;
use crate::support::images::{Content, OCI_INDEX, OCI_MANIFEST, image};
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, When, when};
use crate::support::server::{Delivery, Response};

/// How much more memory a hostile body may take than an honest one.
const MORE: u64 = 16 << 20;
const GIBIBYTE: u64 = 1 << 30;

/// Runs a command against an honest registry and then against one with this rule; both have `app:v1`.
fn compared(words: &[&str], when: When, act: Act) -> (Output, Scripted) {
    let run = |registry: &Scripted, program: &Program| {
        let words: Vec<String> = words.iter().map(|word| word.replace("REGISTRY", &registry.address())).collect();
        run_once(program, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let registry = Scripted::start();
    registry.put("app", &image().build(), &["v1"]);
    let honest = honest_peak(|| run(&registry, &program_of(&[])));
    registry.rule(when, act);
    let hostile = run(&registry, &program_of(&[]));
    let more = hostile.peak.saturating_sub(honest);
    assert!(more < MORE, "{words:?} took {} KiB more\n{}", more / 1024, hostile.shown());
    assert!(hostile.code.is_some(), "a signal ended it: {}", hostile.shown());
    (hostile, registry)
}

/// The memory that an honest body takes. Such a run is so short that the last look at it may come too early, so it is
/// the most of several.
fn honest_peak(run: impl Fn() -> Output) -> u64 {
    (0..3).map(|_| run().success().peak).max().unwrap()
}

/// A body that begins like `start` and goes on for a gibibyte.
fn flood(status: u16, media_type: &str, start: &str, letter: u8) -> Response {
    Response::new(status).header("Content-Type", media_type).body(start).deliver(Delivery::Flood(letter, GIBIBYTE))
}

/// Asserts that only a little of a flood was read; buffers of the system lie between.
#[track_caller]
fn little_was_read(registry: &Scripted) {
    assert!(registry.flooded() < 64 << 20, "{} bytes were taken", registry.flooded());
}

#[test]
fn s20_a_manifest_of_256_mib() {
    let start = format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"annotations\":{{\"a\":\"");
    for words in [&["inspect", "REGISTRY/app:v1"][..], &["copy", "REGISTRY/app:v1", "store:app:v1"]] {
        let body = Response::new(200).header("Content-Type", OCI_MANIFEST).body(start.as_str());
        let chunked = body.clone().deliver(Delivery::Flood(b'a', 256 << 20));
        let (failed, registry) = compared(words, when("GET", "/manifests/"), Act::respond(chunked.clone()));
        failed.code(1).says("longer than the 4194304 bytes");
        little_was_read(&registry);
        let length = ((256 << 20) + start.len()).to_string();
        let measured = chunked.header("Content-Length", &length);
        let (failed, registry) = compared(words, when("GET", "/manifests/"), Act::respond(measured));
        failed.code(1).says("longer than the 4194304 bytes");
        little_was_read(&registry);
    }
}

#[test]
fn s20_a_manifest_that_is_only_announced_to_be_long() {
    let registry = Scripted::start();
    registry.put("app", &image().build(), &["v1"]);
    let program = program_of(&[]);
    registry.rule(when("HEAD", "/manifests/"), Act::header("Content-Length", "1099511627776"));
    let source = format!("{}/app:v1", registry.address());
    run_once(&program, &["copy", &source, "store:app:v1"]).code(0);
}

#[test]
fn s20_a_page_of_tags_of_1_gib() {
    for (words, target, start) in [
        (&["tags", "REGISTRY/app"][..], "/tags/list", "{\"tags\":[\""),
        (&["repositories", "REGISTRY"], "/_catalog", "{\"repositories\":[\""),
    ] {
        let body = flood(200, "application/json", start, b'a');
        let (failed, registry) = compared(words, when("GET", target), Act::respond(body));
        failed.code(1).says("longer than the 4194304 bytes");
        little_was_read(&registry);
    }
}

#[test]
fn s20_a_list_of_referrers_of_1_gib() {
    let body = flood(200, OCI_INDEX, "{\"schemaVersion\":2,\"manifests\":[", b' ');
    let words = ["copy", "REGISTRY/app:v1", "store:app:v1"];
    let (failed, registry) = compared(&words, when("GET", "/referrers/"), Act::respond(body));
    failed.code(1).says("longer than the 4194304 bytes");
    little_was_read(&registry);
}

#[test]
fn s20_errors_of_1_gib() {
    for (status, code) in [(401, 4), (403, 4), (404, 3), (400, 1), (500, 5), (200, 6)] {
        let body = flood(status, "application/json", "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"", b'm');
        let words = ["inspect", "REGISTRY/app:v1"];
        let (failed, registry) = compared(&words, when("GET", "/manifests/"), Act::respond(body));
        assert!(failed.stderr.len() < 8192, "{}", failed.stderr.len());
        assert!(failed.code == Some(code) || status == 200 && failed.code == Some(1), "{status}: {}", failed.shown());
        little_was_read(&registry);
    }
}

#[test]
fn s20_tokens_of_1_gib() {
    let realm = Scripted::start();
    for body in
        [flood(200, "application/json", "{\"token\":\"", b't'), flood(401, "application/json", "{\"details\":\"", b'd')]
    {
        realm.behave();
        realm.rule(when("*", "/token"), Act::respond(body));
        let registry = Scripted::start();
        registry.put("app", &image().build(), &["v1"]);
        let words = ["resolve", &format!("{}/app:v1", registry.address())];
        let honest = honest_peak(|| run_once(&program_of(&[]), &words));
        wants_token_of(&registry, &format!("{}/token", realm.url()));
        let hostile = run_once(&program_of(&[]), &words);
        assert!(matches!(hostile.code, Some(1 | 4)), "{}", hostile.shown());
        assert!(hostile.peak.saturating_sub(honest) < MORE, "{} {honest}", hostile.peak);
        assert!(hostile.stderr.len() < 8192);
    }
    little_was_read(&realm);
}

#[test]
fn s20_a_config_of_1_gib() {
    let registry = Scripted::start();
    let honest = image().build();
    registry.put("app", &honest, &["v1"]);
    let program = program_of(&[]);
    let words = ["inspect", &format!("{}/app:v1", registry.address())];
    let base = honest_peak(|| run_once(&program, &words));
    // The manifest says so itself: nothing of it is read.
    let mut document = honest.document();
    document["config"]["size"] = json!(GIBIBYTE);
    registry.put_manifest("app", &Content::new(OCI_MANIFEST, document.to_string()), &["v1"]);
    registry.rule(when("GET", "/blobs/"), Act::respond(flood(200, "application/octet-stream", "{", b' ')));
    registry.forget_requests();
    let failed = run_once(&program, &words);
    assert!(failed.code != Some(0) && failed.peak < base + MORE, "{}", failed.shown());
    // The manifest says otherwise: what is longer is noticed at once.
    registry.put_manifest("app", &honest.manifest, &["v1"]);
    let failed = run_once(&program, &words).code(6);
    assert!(failed.peak < base + MORE);
    little_was_read(&registry);
}

#[test]
fn s20_answers_to_what_is_written() {
    for (method, target) in [("POST", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/")] {
        let (source, registry) = (Scripted::start(), Scripted::start());
        source.put("app", &image().build(), &["v1"]);
        let late = |_: &_, response: Response| response.body("{").deliver(Delivery::Flood(b' ', GIBIBYTE));
        registry.rule(when(method, target), Act::change(late));
        let program = program_of(&[]);
        let name = |registry: &Scripted| format!("{}/app:v1", registry.address());
        run_once(&program, &["copy", &name(&source), &name(&registry)]).success();
        little_was_read(&registry);
    }
}

#[test]
fn s20_a_head_that_does_not_end() {
    let long = Response::new(200).deliver(Delivery::LongHead(GIBIBYTE));
    let (failed, registry) = compared(&["inspect", "REGISTRY/app:v1"], when("*", "/manifests/"), Act::respond(long));
    failed.code(5);
    little_was_read(&registry);
    let many = (0..5_000).fold(Response::new(200), |response, number| response.header(&format!("X-{number}"), "y"));
    let (failed, _) = compared(&["inspect", "REGISTRY/app:v1"], when("*", "/manifests/"), Act::respond(many));
    failed.code(5);
}

#[test]
fn s20_compressed_documents_are_not_blown_up() {
    let bomb = gzip(&vec![b' '; 3 << 20]);
    let compressed =
        Response::new(200).header("Content-Type", OCI_MANIFEST).header("Content-Encoding", "gzip").body(bomb);
    let (failed, registry) =
        compared(&["inspect", "REGISTRY/app:v1"], when("GET", "/manifests/"), Act::respond(compressed));
    failed.code(6);
    let asked = registry.requests();
    assert!(asked.iter().all(|request| request.header("accept-encoding") == Some("identity")));
}

#[test]
fn s20_many_big_manifests_of_one_index() {
    let child = |number: u32| {
        let config = Content::new("application/vnd.oci.empty.v1+json", "{}");
        let document = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(), "layers": [],
            "annotations": {"a": number.to_string().repeat(1_000_000)},
        });
        Content::new(OCI_MANIFEST, document.to_string())
    };
    let children: Vec<Content> = (10..50).map(child).collect();
    let entries: Vec<_> = children.iter().map(Content::descriptor).collect();
    let registry = Scripted::start();
    for child in &children {
        registry.put_manifest("app", child, &[]);
    }
    let root = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
    registry.put_manifest("app", &Content::new(OCI_INDEX, root), &["v1"]);
    let failed = run_once(&program_of(&[]), &["copy", &format!("{}/app:v1", registry.address()), "store:app:v1"]);
    let failed = failed.code(1).says("more than 64 MiB of manifests");
    assert!(registry.count("GET", "/manifests/sha256") < 40);
    assert!(failed.peak < 256 << 20, "{} KiB", failed.peak / 1024);
}
