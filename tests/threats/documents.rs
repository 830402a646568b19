//! Manifests that can be read in two ways, and digests that would be paths.

use serde_json::{Value, json};

use super::{program_of, run_once};
use crate::support::content::sha256;
use crate::support::images::{Content, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, image, index};
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;

/// Copies `app:v1` to a layout, and asserts that nothing of it is left where it failed.
fn copy(program: &Program, registry: &Scripted) -> Output {
    let layout = program.home().join("layout");
    let _ = std::fs::remove_dir_all(&layout);
    let source = format!("{}/app:v1", registry.address());
    let output = run_once(program, &["copy", &source, &format!("oci:{}:app", layout.display())]);
    if output.code != Some(0) {
        let index = std::fs::read_to_string(layout.join("index.json")).unwrap_or_default();
        assert!(!index.contains("sha256:"), "{index}");
    }
    output
}

#[test]
fn s16_a_digest_is_never_a_path_or_a_part_of_a_url() {
    let hex = "a".repeat(64);
    let digests = [
        "sha256:../../../../../etc/passwd".to_owned(),
        "../../../../etc/passwd".to_owned(),
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{hex}a"),
        format!("sha256:{}", hex.to_uppercase()),
        format!("SHA256:{hex}"),
        format!("md5:{}", &hex[..32]),
        format!("sha512:{hex}"),
        format!("sha256:{}/../x", &hex[..58]),
        format!("sha256:{}%2e%2e", &hex[..58]),
        format!("sha256:{}?x=y", &hex[..60]),
        format!("sha256:{}\u{0}", &hex[..63]),
        format!("sha256:{}\u{430}", &hex[..63]),
        format!("sha256:{}\r\n", &hex[..62]),
        format!("sha256+x:{hex}"),
        format!(" sha256:{hex}"),
        "sha256:".to_owned(),
        String::new(),
    ];
    for digest in digests {
        let registry = Scripted::start();
        let honest = image().build();
        registry.put("app", &honest, &["v1"]);
        let program = program_of(&[]);
        for place in ["layer", "config", "child", "subject"] {
            let document = poisoned(place, &honest.document(), &digest);
            let media_type = if place == "child" { OCI_INDEX } else { OCI_MANIFEST };
            registry.put_manifest("app", &Content::new(media_type, document.to_string()), &["v1"]);
            registry.forget_requests();
            copy(&program, &registry).code(6).says("cannot be taken");
            assert_eq!(registry.count("*", "/blobs/"), 0, "{place} {digest:?}");
            assert_eq!(registry.count("*", "/manifests/"), registry.count("*", "/manifests/v1"), "{place} {digest:?}");
        }
        let reference = format!("{}/app@{digest}", registry.address());
        if !digest.is_empty() && !digest.contains('\0') {
            registry.forget_requests();
            run_once(&program, &["resolve", &reference]).code(2);
            assert_eq!(registry.requests().len(), 0, "{digest:?}");
        }
    }
}

/// A manifest with a bad digest somewhere.
fn poisoned(place: &str, honest: &Value, digest: &str) -> Value {
    let bad = json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 10});
    let mut document = honest.clone();
    match place {
        "layer" => document["layers"][0]["digest"] = json!(digest),
        "config" => document["config"]["digest"] = json!(digest),
        "subject" => document["subject"] = bad,
        _ => return json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [bad]}),
    }
    document
}

#[test]
fn s16_digests_that_headers_and_lists_name_are_as_good_as_none() {
    let registry = Scripted::start();
    let honest = image().build();
    registry.put("app", &honest, &["v1"]);
    registry.rule(when("*", "/manifests/v1"), Act::header("Docker-Content-Digest", "sha256:../../../etc/passwd"));
    let program = program_of(&[]);
    copy(&program, &registry).success();
    let resolved = program.run(&["resolve", &format!("{}/app:v1", registry.address())]).success();
    assert!(resolved.stdout.contains(honest.digest()));

    let bad = json!({"mediaType": OCI_MANIFEST, "digest": "sha256:../../x", "size": 10});
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [bad]});
    registry
        .rule(when("GET", "/referrers/"), Act::respond(Response::json(200, &list).header("Content-Type", OCI_INDEX)));
    copy(&program, &registry).code(6);
}

#[test]
fn s17_documents_that_two_readers_would_read_in_two_ways_are_refused() {
    let honest = image().build();
    let document = honest.document();
    let text = document.to_string();
    let with = |key: &str, value: Value| {
        let mut changed = document.clone();
        changed[key] = value;
        changed.to_string()
    };
    let twice = |text: &str, key: &str, value: &str| format!("{},\"{key}\":{value}}}", text.strip_suffix('}').unwrap());
    let cases = [
        ("layers and manifests", OCI_MANIFEST, with("manifests", json!([]))),
        ("an index with layers", OCI_INDEX, with("manifests", json!([honest.manifest.descriptor()]))),
        ("the type of an index", OCI_INDEX, text.clone()),
        ("another type than it says", DOCKER_MANIFEST, text.clone()),
        ("the type of an index in it", OCI_MANIFEST, with("mediaType", json!(OCI_INDEX))),
        ("a key that stands twice", OCI_MANIFEST, twice(&text, "layers", "[]")),
        ("a key in another case", OCI_MANIFEST, twice(&text, "Layers", "[]")),
        ("a key of another alphabet", OCI_MANIFEST, twice(&text, "layer\u{17f}", "[]")),
        ("schema 1 among it", OCI_MANIFEST, with("fsLayers", json!([]))),
        ("two documents", OCI_MANIFEST, format!("{text}{text}")),
        ("no document", OCI_MANIFEST, "<html>log in</html>".to_owned()),
        ("nothing", OCI_MANIFEST, String::new()),
        ("a list", OCI_MANIFEST, "[]".to_owned()),
        ("no layers", OCI_MANIFEST, json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST}).to_string()),
        ("another type altogether", "application/x-other", with("mediaType", json!("application/x-other"))),
    ];
    for (what, media_type, bytes) in cases {
        let registry = Scripted::start();
        registry.put("app", &honest, &[]);
        registry.put_manifest("app", &Content::new(media_type, bytes), &["v1"]);
        let program = program_of(&[]);
        let copied = copy(&program, &registry);
        assert_eq!(copied.code, Some(6), "{what}: {}", copied.shown());
        assert_eq!(registry.count("*", "/blobs/"), 0, "{what}");
    }
}

#[test]
fn s17_the_same_bytes_mean_the_same_every_time() {
    let registry = Scripted::start();
    let honest = index(vec![image().build()]);
    registry.put("app", &honest, &["v1"]);
    // By the tag it is an index, by its digest it is said to be something else.
    registry.rule(when("*", "/manifests/sha256"), Act::header("Content-Type", OCI_MANIFEST));
    let program = program_of(&[]);
    let by_digest = format!("{}/app@{}", registry.address(), honest.digest());
    run_once(&program, &["copy", &by_digest, "oci:other:app"]).code(6);
    // The type that is missing, or says nothing, is worked out, and that is said.
    for vague in ["application/octet-stream", "text/plain", "application/json"] {
        registry.behave();
        registry.rule(when("*", "/manifests/"), Act::header("Content-Type", vague));
        let copied = copy(&program, &registry).success();
        assert!(copied.stdout.contains(honest.digest()) && copied.stderr.contains("warning"), "{}", copied.shown());
    }
    registry.behave();
    registry.rule(when("*", "/manifests/"), Act::without_header("Content-Type"));
    copy(&program, &registry).success();
    assert_eq!(sha256(&honest.manifest.bytes), honest.digest());
}
