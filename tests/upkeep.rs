//! Upkeep of the home: `prune`, `images`, and what `serve` does by itself.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::scripted::Scripted;
use crate::support::served::Served;

/// The file of content in the store of a program.
fn content(program: &Program, digest: &str) -> PathBuf {
    PathBuf::from(program.path("data/tranship/store/blobs")).join(digest.replacen(':', "/", 1))
}

/// Makes content as old as if nobody had asked for it for days.
fn age(program: &Program, digest: &str) {
    // What is gone is old enough.
    if let Ok(file) = std::fs::File::open(content(program, digest)) {
        file.set_modified(SystemTime::now() - Duration::from_hours(100)).unwrap();
    }
}

#[test]
fn prune_removes_what_nothing_names_and_says_what_that_is() {
    let program = Program::new();
    let registry = Scripted::start();
    let (old, new, by_digest) = (image().build(), image().build(), image().build());
    registry.put("a", &old, &["v1"]);
    registry.put("a", &by_digest, &["other"]);
    let there = format!("{}/a", registry.address());
    program.run(&["pull", &format!("{there}:v1"), "--to", "a:v1"]).success();
    program.run(&["pull", &format!("{there}@{}", by_digest.digest()), "--to", "a"]).success();
    registry.put("a", &new, &["v1"]);
    program.run(&["pull", &format!("{there}:v1"), "--to", "a:v1"]).success();

    let told = program.run(&["prune", "--dry-run"]).success();
    assert!(told.stdout.contains(&format!("would remove a@{}\nwould free ", old.digest())), "{}", told.shown());
    assert!(content(&program, old.digest()).exists());
    let untagged = program.run(&["images", "--untagged", "-o", "json"]).success().json();
    assert_eq!(untagged["images"].as_array().unwrap().len(), 3);
    let done = program.run(&["prune", "-o", "json"]).success().json();
    assert_eq!(done["manifests"][0]["digest"], old.digest());
    let freed: usize = old.all_blobs().iter().map(|blob| blob.bytes.len()).sum::<usize>() + old.manifest.bytes.len();
    // The config is every image's.
    let config = old.blobs[0].bytes.len();
    assert!([freed, freed - config].contains(&usize::try_from(done["bytes"].as_u64().unwrap()).unwrap()), "{done}");
    assert!(!content(&program, old.digest()).exists());
    for image in [&new, &by_digest] {
        for blob in image.all_blobs() {
            assert!(content(&program, &blob.digest).exists());
        }
    }
    assert_eq!(program.run(&["prune", "-q"]).success().stdout, "");
}

#[test]
fn prune_keeps_the_tags_that_moved_last_and_what_is_young() {
    let program = Program::new();
    let registry = Scripted::start();
    for tag in ["v1", "v2", "v3"] {
        registry.put("a", &image().build(), &[tag]);
        program.run(&["pull", &format!("{}/a:{tag}", registry.address()), "--to", &format!("a:{tag}")]).success();
    }
    let young = ["prune", "--keep", "1", "--keep-younger-than", "1h", "-q"];
    assert_eq!(program.run(&young).success().stdout, "");
    let gone = program.run(&["prune", "--keep", "1", "-q"]).success();
    assert_eq!(gone.lines()[..2], ["a:v2", "a:v1"], "{}", gone.shown());
    let left = program.run(&["images", "-q"]).success();
    assert_eq!(left.stdout, "a:v3\n");
}

#[test]
fn a_pull_goes_on_while_the_home_is_pruned_again_and_again() {
    let program = Program::new();
    let registry = Scripted::start();
    let images = [(); 6].map(|()| index(vec![image().layers(&[200_000, 100_000]).build(), image().build()]));
    for (number, image) in images.iter().enumerate() {
        registry.put("a", image, &[&format!("v{number}")]);
    }
    let pulling = program
        .invoke(
            &[
                &["pull", "-q"][..],
                &[0, 1, 2, 3, 4, 5].map(|n| format!("{}/a:v{n}", registry.address())).each_ref().map(String::as_str),
            ]
            .concat(),
        )
        .start();
    for _ in 0..8 {
        program.run(&["prune"]).success();
    }
    pulling.finish().success();
    program.run(&["prune"]).success();
    for image in &images {
        for digest in image.all_blobs().iter().chain(&image.all_manifests()).map(|one| &one.digest) {
            assert!(content(&program, digest).exists(), "{digest}");
        }
    }
}

#[test]
fn a_home_that_is_served_shows_and_prunes_what_nothing_names() {
    let (home, program) = (Program::new(), Program::new());
    let served = Served::of(&home);
    program.run(&["settings", "set", "home-registry", served.address()]).success();
    let (old, new) = (image().build(), image().build());
    served.registry().push("team/app", &old, &["v1"]);
    served.registry().push("team/app", &new, &["v1"]);
    let listed = |flags: &[&str]| {
        let listed = program.run(&[&["images", "-o", "json"], flags].concat()).success().json();
        listed["images"].as_array().unwrap().clone()
    };
    assert_eq!((listed(&[]).len(), listed(&["--untagged"]).len()), (1, 2));
    assert!(listed(&[])[0]["shared"].is_u64());
    // What came lately may belong to a push that goes on.
    let young = program.run(&["prune"]).success();
    assert!(young.stdout.contains("stay for pushes that may need them"), "{}", young.shown());
    // Also for the store itself, as long as it is served.
    assert!(home.run(&["prune"]).success().stdout.contains("stay for pushes"));
    for digest in old.all_blobs().iter().chain(&old.all_manifests()).map(|one| &one.digest) {
        age(&home, digest);
    }
    let pruned = program.run(&["prune", "-o", "json"]).success().json();
    assert_eq!(pruned["manifests"][0]["digest"], old.digest(), "{pruned}");
    assert_eq!(listed(&["--untagged"]).len(), 1);
    assert!(served.registry().holds("team/app", &new));
    drop(served);
    assert!(!home.run(&["prune"]).success().stdout.contains("stay for pushes"));
}

#[test]
fn a_home_of_another_make_cannot_be_pruned_and_says_so() {
    let program = Program::new();
    let registry = Scripted::start();
    program.run(&["settings", "set", "home-registry", &registry.address()]).success();
    program.run(&["prune"]).code(2).says("it is no registry of tranship's");
    program.run(&["images", "--untagged"]).code(2).says("does not show what nothing names");
}

#[test]
fn who_may_not_remove_everything_may_not_prune() {
    let program = Program::new();
    let served = Served::with(&program, &["--anonymous", "pull"]);
    let rules = br#"{"rules":[{"untaggedAfter":{"secs":0,"nanos":0}}],"grace":{"secs":0,"nanos":0}}"#;
    let asked = served.registry().request("POST", "/v2/_tranship/prune", &[], rules);
    assert_eq!(asked.status, 401, "{asked:?}");
    assert_eq!(served.registry().request("GET", "/v2/_tranship/prune", &[], b"").status, 401);
    assert_eq!(served.registry().get("/v2/_tranship/images").status, 200);
}

#[test]
fn what_is_beyond_the_quota_is_refused_in_words() {
    let program = Program::new();
    let served = Served::with(&program, &["--quota", "300KiB"]);
    let (small, big) = (image().layers(&[100_000]).build(), image().layers(&[400_000]).build());
    served.registry().push("a", &small, &["v1"]);
    let whole = |layer: &crate::support::images::Content| {
        let target = format!("/v2/a/blobs/uploads/?digest={}", layer.digest);
        served.registry().request("POST", &target, &[], &layer.bytes)
    };
    let refused = whole(&big.blobs[1]);
    assert_eq!(refused.status, 403, "{refused:?}");
    let said = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(said.contains("DENIED") && said.contains("it keeps at most 300.0 KiB"), "{said}");
    // Nothing of it stays, and what fits goes on to fit.
    assert_eq!(std::fs::read_dir(program.path("data/tranship/store/uploads")).unwrap().count(), 0);
    let other = image().layers(&[100_000]).build();
    assert_eq!(whole(&other.blobs[1]).status, 201);
    assert!(served.registry().holds("a", &small));
    // To our own client it is a refusal too.
    let source = Scripted::start();
    source.put("a", &big, &["v1"]);
    let (from, to) = (format!("{}/a:v1", source.address()), format!("{}/a:v2", served.address()));
    Program::new().run(&["copy", &from, &to]).code(4).says("the quota of this registry is used up");
}

#[test]
fn retention_and_upkeep_are_said_in_the_file_of_serve() {
    let program = Program::new();
    let upkeep = "upkeep:\n  every: 50ms\n  retention:\n  - repositories: team/*\n    keep: 1\n";
    std::fs::write(program.path("serve.yaml"), upkeep).unwrap();
    let served = Served::with(&program, &["--serve-config", "serve.yaml"]);
    for (repository, tag) in [("team/app", "v1"), ("team/app", "v2"), ("other/app", "v1"), ("other/app", "v2")] {
        served.registry().push(repository, &image().build(), &[tag]);
    }
    let tags = |repository: &str| {
        let answer = served.registry().get(&format!("/v2/{repository}/tags/list"));
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["tags"].as_array().unwrap().len()
    };
    crate::support::eventually("the rule is kept to", || tags("team/app") == 1);
    assert_eq!(tags("other/app"), 2);
    drop(served);
    std::fs::write(program.path("serve.yaml"), "upkeep:\n  evry: 1h\n").unwrap();
    let wrong = program.run(&["serve", "--listen", "127.0.0.1:0", "--serve-config", "serve.yaml"]).code(2);
    wrong.says("evry").says("every");
}
