//! Lists that lead elsewhere, or nowhere, or do not end; and documents that name each other for ever.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{CANARY, USER, program_of, run_once, stranger, was_left_alone};
use crate::support::images::{Content, Image, OCI_INDEX, image, index};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Request, Response};

#[test]
fn s10_the_next_page_is_on_the_registry_or_nowhere() {
    let evil = stranger();
    for target in [
        format!("{}/v2/app/tags/list?last=a", evil.url()),
        format!("//{}/v2/app/tags/list?last=a", evil.address()),
        "https://127.0.0.2/v2/app/tags/list?last=a".to_owned(),
        "file:///etc/passwd?last=a".to_owned(),
        "http://169.254.169.254/latest?last=a".to_owned(),
    ] {
        let registry = Scripted::settings().basic(USER, CANARY).start();
        registry.put("app", &image().build(), &["a", "b"]);
        let subject = image().build();
        registry.put("subject", &subject, &["v1"]);
        for list in ["/tags/list", "/_catalog", "/referrers/"] {
            registry.rule(when("GET", list), Act::header("Link", &format!("<{target}>; rel=\"next\"")));
        }
        let program = program_of(&[&registry.address()]);
        let repository = format!("{}/app", registry.address());
        for words in [&["tags", repository.as_str()][..], &["repositories", &registry.address()]] {
            let failed = run_once(&program, words).keeps_quiet_about(CANARY);
            assert!(matches!(failed.code, Some(1 | 4)), "{words:?} {target}: {}", failed.shown());
        }
        let image = format!("{}/subject:v1", registry.address());
        let layout = format!("oci:{}:x", program.path("layout"));
        let failed = run_once(&program, &["copy", &image, &layout, "--attached", "all"]);
        assert!(matches!(failed.code, Some(1 | 4)), "referrers {target}: {}", failed.shown());
        was_left_alone(&evil);
    }
}

/// Lists one page of tags for ever: `page(n)` is the nth, with a link behind it.
fn endless(page: impl Fn(usize) -> (Vec<String>, String) + Send + Sync + 'static) -> Scripted {
    let registry = Scripted::start();
    let pages = AtomicUsize::new(0);
    let answer = move |_: &Request| {
        let (tags, link) = page(pages.fetch_add(1, Ordering::SeqCst));
        let link = format!("</v2/app/tags/list?{link}>; rel=\"next\"");
        Response::json(200, &json!({"name": "app", "tags": tags})).header("Link", &link)
    };
    registry.rule(when("GET", "/tags/list"), Act::answer(answer));
    registry
}

#[test]
fn s11_lists_that_get_nowhere_end() {
    let same = || vec!["a".to_owned(), "b".to_owned()];
    let registries = [
        ("itself", endless(move |_| (same(), "last=b".to_owned()))),
        ("the same tags", endless(move |page| (same(), format!("last={page}")))),
        ("no tags", endless(|page| (Vec::new(), format!("last={page}")))),
        ("a circle", endless(|page| (vec![format!("t{}", page % 3)], format!("last={}", page % 3)))),
        ("what is no tag", endless(|page| (vec!["../..".to_owned()], format!("last={page}")))),
    ];
    for (what, registry) in registries {
        let program = program_of(&[]);
        let failed = run_once(&program, &["tags", &format!("{}/app", registry.address())]).code(1);
        failed.says("do not end");
        assert!(registry.requests().len() < 20, "{what}: {}", registry.requests().len());
    }
}

#[test]
fn s11_lists_that_always_bring_something_new_end_too() {
    let registry = endless(|page| {
        let tags = (0..100_000).map(|tag| format!("t{}", page * 100_000 + tag)).collect();
        (tags, format!("last={page}"))
    });
    let program = program_of(&[]);
    let failed = run_once(&program, &["tags", &format!("{}/app", registry.address()), "--match", "none"]).code(1);
    failed.says("do not end");
    assert!(registry.requests().len() <= 11, "{}", registry.requests().len());
}

#[test]
fn s11_lists_of_referrers_end() {
    for fresh in [true, false] {
        let registry = Scripted::start();
        let subject = image().build();
        registry.put("app", &subject, &["v1"]);
        let pages = AtomicUsize::new(0);
        let answer = move |_: &Request| {
            let page = pages.fetch_add(1, Ordering::SeqCst);
            let named = Content::new("application/vnd.oci.image.manifest.v1+json", format!("{page}"));
            let manifests = if fresh { vec![named.descriptor()] } else { Vec::new() };
            let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
            let link = format!("</v2/app/referrers/{}?page={page}>; rel=\"next\"", named.digest);
            Response::json(200, &body).header("Content-Type", OCI_INDEX).header("Link", &link)
        };
        registry.rule(when("GET", "/referrers/"), Act::answer(answer));
        let program = program_of(&[]);
        let layout = format!("oci:{}:x", program.path("layout"));
        let source = format!("{}/app:v1", registry.address());
        run_once(&program, &["copy", &source, &layout, "--attached", "all"]).code(1).says("does not end");
        assert!(registry.count("GET", "/referrers/") <= 101);
    }
}

#[test]
fn s12_things_that_refer_to_each_other_are_taken_once() {
    // No honest registry can list a circle, because a digest cannot be known beforehand; a lying one lists anything.
    let registry = Scripted::start();
    let (a, b) = (image().build(), image().build());
    registry.put("app", &a, &["v1"]);
    registry.put("app", &b, &[]);
    let (of_a, of_b) = (b.manifest.descriptor(), a.manifest.descriptor());
    let digest = a.digest().to_owned();
    let answer = move |request: &Request| {
        let listed = if request.target.contains(&digest) { &of_a } else { &of_b };
        let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [listed, listed]});
        Response::json(200, &body).header("Content-Type", OCI_INDEX)
    };
    registry.rule(when("GET", "/referrers/"), Act::answer(answer));
    let program = program_of(&[]);
    let layout = format!("oci:{}:x", program.path("layout"));
    let source = format!("{}/app:v1", registry.address());
    run_once(&program, &["copy", &source, &layout, "--attached", "all"]).success();
    assert!(registry.count("GET", "/referrers/") <= 2);
    assert!(registry.count("GET", "/manifests/") <= 3);
}

#[test]
fn s12_chains_of_referrers_are_followed_only_so_far() {
    let registry = Scripted::start();
    let root = image().build();
    registry.put("app", &root, &["v1"]);
    let answer = |request: &Request| {
        let subject = request.path().rsplit('/').next().unwrap_or_default().to_owned();
        let next = chain_link(&subject);
        let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [next.descriptor()]});
        Response::json(200, &body).header("Content-Type", OCI_INDEX)
    };
    registry.rule(when("GET", "/referrers/"), Act::answer(answer));
    // Every manifest of the chain is made up when it is asked for by the digest that was listed.
    let chain: std::sync::Mutex<Vec<Content>> = std::sync::Mutex::new(vec![chain_link(root.digest())]);
    let give = move |request: &Request, response: Response| {
        let mut chain = chain.lock().unwrap();
        let wanted = request.path().rsplit('/').next().unwrap_or_default().to_owned();
        for _ in 0..200 {
            if let Some(found) = chain.iter().find(|link| link.digest == wanted) {
                return Response::new(200).header("Content-Type", &found.media_type).body(found.bytes.clone());
            }
            let next = chain_link(&chain.last().unwrap().digest.clone());
            chain.push(next);
        }
        response
    };
    registry.rule(when("GET", "/manifests/sha256"), Act::change(give));
    let config = Content::new("application/vnd.oci.empty.v1+json", "{}");
    registry.put_blob("app", &config);
    let program = program_of(&[]);
    let layout = format!("oci:{}:x", program.path("layout"));
    let source = format!("{}/app:v1", registry.address());
    let ended = run_once(&program, &["copy", &source, &layout, "--attached", "all"]);
    assert!(ended.code.is_some_and(|code| code <= 1), "{}", ended.shown());
    assert!(registry.count("GET", "/referrers/") <= 20, "{}", registry.count("GET", "/referrers/"));
}

/// A manifest that refers to `subject`.
fn chain_link(subject: &str) -> Content {
    let config = Content::new("application/vnd.oci.empty.v1+json", "{}");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let subject = json!({"mediaType": media_type, "digest": subject, "size": 1000});
    let document = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": config.descriptor(), "layers": [],
        "artifactType": "application/x-chain", "subject": subject,
    });
    Content::new(media_type, document.to_string())
}

#[test]
fn s12_indexes_in_indexes_are_followed_only_so_far() {
    let nested = |depth: usize| (0..depth).fold(image().build(), |inner: Image, _| index(vec![inner]));
    for (depth, code) in [(10, 0), (30, 1)] {
        let registry = Scripted::start();
        registry.put("app", &nested(depth), &["v1"]);
        let program = program_of(&[]);
        let layout = format!("oci:{}:x", program.path("layout"));
        let source = format!("{}/app:v1", registry.address());
        let ended = run_once(&program, &["copy", &source, &layout]).code(code);
        assert!(code == 0 || ended.stderr.contains("16 deep"), "{}", ended.shown());
        assert!(registry.count("GET", "/manifests/") <= 20);
    }
}

#[test]
fn s12_an_index_that_lists_itself_is_not_what_its_digest_says() {
    let registry = Scripted::start();
    let made_up = format!("sha256:{}", "0".repeat(64));
    let document = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_INDEX, "digest": made_up, "size": 300},
    ]});
    let body = document.to_string();
    registry.rule(
        when("*", "/manifests/"),
        Act::answer(move |_| Response::new(200).header("Content-Type", OCI_INDEX).body(body.clone())),
    );
    let program = program_of(&[]);
    let layout = format!("oci:{}:x", program.path("layout"));
    let failed = run_once(&program, &["copy", &format!("{}/app:v1", registry.address()), &layout]).code(6);
    failed.says("has the digest");
    assert!(registry.requests().len() < 10);
}

#[test]
fn s12_an_index_of_thousands_is_not_read_to_its_end() {
    let registry = Scripted::start();
    let entry = |number: usize| -> Value {
        Content::new("application/vnd.oci.image.manifest.v1+json", number.to_string()).descriptor()
    };
    let entries: Vec<Value> = (0..9_000).map(entry).collect();
    let root =
        Content::new(OCI_INDEX, json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string());
    registry.put_manifest("app", &root, &["v1"]);
    let program = program_of(&[]);
    let layout = format!("oci:{}:x", program.path("layout"));
    let failed = run_once(&program, &["copy", &format!("{}/app:v1", registry.address()), &layout]).code(1);
    failed.says("more than 2,000 manifests");
    assert_eq!(registry.count("GET", "/manifests/sha256"), 0);
}
