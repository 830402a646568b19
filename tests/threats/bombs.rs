//! Documents that are small and become big, or deep, when they are read.

use std::fmt::Write as _;

use super::{program_of, run_once, wants_token_of};
use crate::support::images::{Content, OCI_INDEX, OCI_MANIFEST, image};
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;

/// How much memory a hostile document of 4 MiB may take beside the program's own: each of its shortest entries is
/// a string or a descriptor in memory.
const MORE: u64 = 96 << 20;

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn s21_documents_that_are_too_deep_are_refused_everywhere() {
    for deep in [nested(1_000_000), "[".repeat(1_000_000), "{\"a\":".repeat(500_000)] {
        let registry = Scripted::start();
        registry.put("app", &image().build(), &["v1"]);
        let program = program_of(&[]);
        let run = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| word.replace("REGISTRY", &registry.address())).collect();
            let failed = run_once(&program, &words.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(failed.code.is_some_and(|code| code > 0), "{words:?}: {}", failed.shown());
        };
        for (target, media_type) in [("/manifests/", OCI_MANIFEST), ("/manifests/", OCI_INDEX), ("/blobs/", "")] {
            registry.behave();
            let body = Response::new(200).header("Content-Type", media_type).body(deep.as_str());
            registry.rule(when("GET", target), Act::respond(body));
            run(&["inspect", "REGISTRY/app:v1"]);
        }
        for (status, target, words) in [
            (200, "/tags/list", &["tags", "REGISTRY/app"][..]),
            (400, "/tags/list", &["tags", "REGISTRY/app"]),
            (200, "/_catalog", &["repositories", "REGISTRY"]),
            (401, "/manifests/", &["inspect", "REGISTRY/app:v1"]),
        ] {
            registry.behave();
            let body = Response::new(status).header("Content-Type", "application/json").body(deep.as_str());
            registry.rule(when("GET", target), Act::respond(body));
            run(words);
        }
        registry.behave();
        let realm = Scripted::start();
        realm.rule(when("*", "/token"), Act::respond(Response::new(200).body(deep.as_str())));
        wants_token_of(&registry, &format!("{}/token", realm.url()));
        run(&["resolve", "REGISTRY/app:v1"]);
    }
}

#[test]
fn s21_files_that_are_too_deep_are_refused_or_passed_over() {
    let registry = Scripted::start();
    registry.put("app", &image().build(), &["v1"]);
    let image = format!("{}/app:v1", registry.address());
    let program = program_of(&[]);
    let state = program.home().join("state/tranship");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("tokens.json"), nested(200_000)).unwrap();
    std::fs::write(state.join("registries.json"), nested(200_000)).unwrap();
    program.run(&["resolve", &image]).success();
    std::fs::write(program.home().join("auth.json"), nested(200_000)).unwrap();
    program.run(&["resolve", &image, "--authfile", "auth.json"]).code(4);
    for yaml in [nested(10_000), "- ".repeat(5_000), "a: {".repeat(5_000), aliases()] {
        let spec = program.invoke(&["app", "images", "-f", "-"]).stdin(yaml.as_str()).run();
        spec.code(2).says("cannot read the spec");
    }
    for yaml in [nested(10_000), "- ".repeat(5_000), "a: {".repeat(5_000), aliases()] {
        program.configure(&yaml);
        program.run(&["resolve", &image]).code(2);
    }
}

/// Nine times nine times nine … the same text, each by a name for the one before.
fn aliases() -> String {
    let mut yaml = "settings: &a0 [lol, lol]\n".to_owned();
    for level in 1..30 {
        let names = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(yaml, "x{level}: &a{level} [{names}]");
    }
    yaml
}

/// Inspects what a registry has under `app:v1`, and asserts a bound of the memory that it takes.
fn inspect(program: &Program, registry: &Scripted) -> crate::support::program::Output {
    let image = format!("{}/app:v1", registry.address());
    let ended = run_once(program, &["inspect", &image]);
    assert!(ended.code.is_some(), "{}", ended.shown());
    ended
}

#[test]
fn s21_manifests_with_too_many_entries() {
    let registry = Scripted::start();
    let honest = image().build();
    registry.put("app", &honest, &["v1"]);
    let program = program_of(&[]);
    let base = inspect(&program, &registry).success().peak;
    let empty = vec!["{}"; 1_300_000].join(",");
    let small = format!("{{\"digest\":\"sha256:{}\",\"size\":1,\"mediaType\":\"a/b\"}}", "a".repeat(64));
    let full = vec![small.as_str(); 35_000].join(",");
    let config = honest.blobs[0].descriptor();
    for (media_type, document) in [
        (OCI_MANIFEST, format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[{empty}]}}")),
        (OCI_MANIFEST, format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[{full}]}}")),
        (OCI_INDEX, format!("{{\"schemaVersion\":2,\"manifests\":[{full}]}}")),
    ] {
        assert!(document.len() < 4 << 20);
        registry.put_manifest("app", &Content::new(media_type, document), &["v1"]);
        let failed = inspect(&program, &registry).code(6);
        assert!(failed.peak < base + MORE, "{} KiB", (failed.peak - base) / 1024);
    }
}

#[test]
fn s21_pages_with_too_many_entries() {
    let registry = Scripted::start();
    registry.put("app", &image().build(), &["v1"]);
    let program = program_of(&[]);
    let repository = format!("{}/app", registry.address());
    let base = run_once(&program, &["tags", &repository]).success().peak;
    for entry in ["null", "\"\"", "{}", "\"a\"", "\"../x\""] {
        let page = format!("{{\"tags\":[{entry}{}]}}", format!(",{entry}").repeat(4_000_000 / (entry.len() + 1)));
        let answer = Response::new(200).header("Content-Type", "application/json").body(page);
        registry.behave();
        registry.rule(when("GET", "/tags/list"), Act::respond(answer));
        let ended = run_once(&program, &["tags", &repository]);
        assert!(ended.code.is_some() && ended.stdout.len() < 3, "{entry}: {}", ended.shown());
        assert!(ended.peak < base + MORE, "{entry}: {} KiB", (ended.peak - base) / 1024);
    }
}

#[test]
fn s21_manifests_with_a_hundred_thousand_notes() {
    let registry = Scripted::start();
    let honest = image().build();
    registry.put("app", &honest, &["v1"]);
    let program = program_of(&[]);
    let base = inspect(&program, &registry).success().peak;
    let mut document = honest.document();
    for number in 0..100_000 {
        document["annotations"][number.to_string()] = "note".into();
    }
    registry.put_manifest("app", &Content::new(OCI_MANIFEST, document.to_string()), &["v1"]);
    let ended = inspect(&program, &registry);
    assert!(ended.peak < base + MORE, "{} KiB", (ended.peak - base) / 1024);
}
