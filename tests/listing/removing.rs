//! `tag` and `delete`.

use super::timeless;
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Ability, Scripted};

fn tag_of(server: &DockerRegistry, tag: &str) -> Option<String> {
    Registry::at(&server.url()).manifest("a", tag).map(|manifest| manifest.digest)
}

/// A registry with one image under two tags and another under a third, and the program.
fn with_tags(server: &DockerRegistry) -> (Image, Image) {
    let (one, other) = (image().seed(1).build(), image().seed(2).build());
    let registry = Registry::at(&server.url());
    registry.push("a", &one, &["v1", "latest"]);
    registry.push("a", &other, &["v2"]);
    (one, other)
}

#[test]
fn a_manifest_gets_more_tags() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let (one, other) = with_tags(&server);
    let there = format!("{}/a:v1", server.address());
    let program = Program::new();
    insta::assert_snapshot!(program.run(&["tag", &there, "stable", "1.0"]).shown(), @r"
    exit 0
    --- stdout
    127.0.0.1:PORT/a:stable@sha256:DIGEST
    127.0.0.1:PORT/a:1.0@sha256:DIGEST
    --- stderr
    ");
    for tag in ["stable", "1.0"] {
        assert_eq!(tag_of(&server, tag).as_deref(), Some(one.digest()));
    }
    assert_eq!(program.run(&["tag", "-q", &there, "stable"]).success().stdout.trim(), one.digest());
    program.run(&["tag", "--no-clobber", &there, "v2"]).code(1).says("v2");
    assert_eq!(tag_of(&server, "v2").as_deref(), Some(other.digest()));
    program.run(&["tag", &there, "not/a/tag"]).code(2);
    program.run(&["tag", &format!("{}/a:none", server.address()), "x"]).code(3);
}

#[test]
fn what_would_be_removed_is_said_and_stays() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let (image, _) = with_tags(&server);
    let program = Program::new();
    let name = format!("{}/a:v1", server.address());
    let tag = program.run(&["delete", "--dry-run", &name]).success();
    assert_eq!(tag.stdout, format!("would remove {name}\n"));
    let whole = program.run(&["delete", "--dry-run", "--manifest", &name]).success();
    assert!(whole.stdout.starts_with(&format!("would remove {} with the tag", image.digest())), "{}", whole.shown());
    assert_eq!(program.run(&["delete", "--dry-run", &name, "-o", "json"]).success().json()["dryRun"], true);
    program.run(&["delete", "--dry-run", &format!("{}/a:none", server.address())]).code(3);
    assert_eq!(tag_of(&server, "v1").as_deref(), Some(image.digest()));
}

#[test]
fn a_manifest_goes_with_every_tag_on_it_when_that_is_confirmed() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let (_, other) = with_tags(&server);
    let there = format!("{}/a:v1", server.address());
    let program = Program::new();
    insta::assert_snapshot!(program.run(&["delete", "--manifest", &there]).shown(), @r"
    exit 2
    --- stdout
    --- stderr
    error: removing sha256:DIGEST takes the tags latest, v1 with it
    hint: pass `--yes` to do so all the same
    ");
    assert!(tag_of(&server, "v1").is_some());
    insta::assert_snapshot!(program.run(&["delete", "--manifest", "--yes", &there]).shown(), @r"
    exit 0
    --- stdout
    removed sha256:DIGEST with the tags latest, v1
    --- stderr
    ");
    assert_eq!((tag_of(&server, "v1"), tag_of(&server, "latest")), (None, None));
    let by_digest = format!("{}/a@{}", server.address(), other.digest());
    insta::assert_snapshot!(program.run(&["rm", "-y", &by_digest]).shown(), @r"
    exit 0
    --- stdout
    removed sha256:DIGEST with the tag v2
    --- stderr
    ");
    assert_eq!(tag_of(&server, "v2"), None);
    program.run(&["delete", "-y", &by_digest]).code(3);
}

#[test]
fn a_registry_that_removes_no_single_tag_is_explained_and_gone_round() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let (one, _) = with_tags(&server);
    let there = format!("{}/a:v1", server.address());
    let program = Program::new();
    insta::assert_snapshot!(program.run(&["delete", &there]).shown(), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot delete `127.0.0.1:PORT/a:v1`
      because: 127.0.0.1:PORT removes no single tag: the registry refused to remove the tag 127.0.0.1:PORT/a:v1: DIGEST_INVALID, provided digest did not match uploaded content (HTTP 400)
    hint: `--by-placeholder` moves the tag to an empty manifest and removes that; `--manifest` removes the manifest with every tag that points at it
    ");
    assert!(tag_of(&server, "v1").is_some());
    insta::assert_snapshot!(program.run(&["delete", "--by-placeholder", &there]).shown(), @r"
    exit 0
    --- stdout
    removed 127.0.0.1:PORT/a:v1
    --- stderr
    ");
    assert_eq!(tag_of(&server, "v1"), None);
    assert_eq!(tag_of(&server, "latest").as_deref(), Some(one.digest()), "the image itself stays");
}

#[test]
fn a_tag_that_is_not_there_is_neither_made_nor_blamed_on_the_registry() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    with_tags(&server);
    for words in [&["delete"][..], &["delete", "--by-placeholder"]] {
        let there = format!("{}/a:v9", server.address());
        Program::new().run(&[words, &[&there]].concat()).code(3);
        let new = format!("{}/brand/new:v1", server.address());
        Program::new().run(&[words, &[&new]].concat()).code(3);
    }
    assert_eq!(Registry::at(&server.url()).manifest("brand/new", "v1").map(|found| found.digest), None);
}

#[test]
fn a_registry_where_removing_is_off_says_so() {
    needs!("docker-registry");
    let server = DockerRegistry::without_delete();
    with_tags(&server);
    let there = format!("{}/a:v1", server.address());
    insta::assert_snapshot!(Program::new().run(&["delete", "--manifest", "-y", &there]).shown(), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot delete `127.0.0.1:PORT/a:v1`
      because: 127.0.0.1:PORT does not remove anything: the registry refused to remove the manifest 127.0.0.1:PORT/a@sha256:DIGEST: UNSUPPORTED, The operation is unsupported. (HTTP 405)
    hint: the registry's owner may have to allow it (for distribution: `storage.delete.enabled: true`); the space comes back with its garbage collection
    ");
}

#[test]
fn a_registry_that_removes_tags_removes_the_tag_alone() {
    let server = Scripted::start();
    let image = image().build();
    server.put("a", &image, &["v1", "v2"]);
    let there = |tag: &str| format!("{}/a:{tag}", server.address());
    let program = Program::new();
    let run = program.run(&["delete", &there("v1")]).success();
    assert_eq!(run.stdout, format!("removed {}\n", there("v1")));
    assert!(server.tags("a") == ["v2"] && server.holds("a", &image));
    program.run(&["delete", &there("v1"), &there("v2")]).code(7).says("v1");
    assert!(server.tags("a").is_empty());
    let closed = Scripted::settings().without(Ability::Delete).start();
    closed.put("a", &image, &["v1"]);
    let run = program.run(&["delete", "-o", "json", &format!("{}/a:v1", closed.address())]).code(1);
    assert!(serde_json::from_str::<serde_json::Value>(&run.stderr).unwrap()["status"] == 405);
}

#[test]
fn images_of_the_store_are_tagged_and_removed_too() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    with_tags(&server);
    let program = Program::new();
    program.run(&["pull", "-q", "--to", "app:v1", &format!("{}/a:v1", server.address())]).success();
    program.run(&["tag", "store:app:v1", "v2"]).success();
    assert_eq!(program.run(&["images", "-q"]).success().stdout, "app:v1\napp:v2\n");
    assert_eq!(program.run(&["tags", "store:app"]).success().stdout, "v1\nv2\n");
    let run = program.run(&["delete", "store:app:v1"]).success();
    assert_eq!(run.stdout, "removed store:app:v1\n");
    insta::assert_snapshot!(timeless(&program.run(&["delete", "--manifest", "store:app:v2"])), @r"
    exit 2
    --- stdout
    --- stderr
    error: removing sha256:DIGEST takes the tag v2 with it
    hint: pass `--yes` to do so all the same
    ");
    program.run(&["delete", "--manifest", "-y", "store:app:v2"]).success();
    assert_eq!(program.run(&["images", "--untagged"]).success().stdout, "");
    program.run(&["tags", "store:app"]).code(3);
}
