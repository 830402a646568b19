//! `push`: images of the store to the registry in their name, or to others.

use super::{name, with};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;

fn tag_of(server: &DockerRegistry, repository: &str, tag: &str) -> Option<String> {
    Registry::at(&server.url()).manifest(repository, tag).map(|manifest| manifest.digest)
}

#[test]
fn back_to_the_registry_in_the_name() {
    needs!("docker-registry");
    let (old, new) = (image().build(), image().build());
    let server = with(&old);
    let registry = Registry::at(&server.url());
    let program = Program::new();
    let there = format!("{}/a:v1", server.address());
    program.run(&["pull", &there]).success();
    registry.push("a", &new, &["v1"]);
    // By the name that was pulled, and by the name that `images` lists.
    let run = program.run(&["push", "-q", &there]).success();
    assert_eq!(run.stdout.trim(), old.digest());
    assert_eq!(tag_of(&server, "a", "v1").as_deref(), Some(old.digest()));
    registry.push("a", &new, &["v1"]);
    program.run(&["push", &format!("{}:v1", name(&server, "a"))]).success();
    assert_eq!(tag_of(&server, "a", "v1").as_deref(), Some(old.digest()));
    registry.push("a", &new, &["v1"]);
    program.run(&["push", &format!("store:{}:v1", name(&server, "a"))]).success();
    assert_eq!(tag_of(&server, "a", "v1").as_deref(), Some(old.digest()));
    assert!(program.run(&["push", &there]).success().stdout.contains("(unchanged)"));
    program.run(&["push", "--no-clobber", &there]).success();
}

#[test]
fn by_digest_no_tag_is_written() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let other = DockerRegistry::open();
    let program = Program::new();
    let by_digest = format!("{}/a@{}", server.address(), image.digest());
    program.run(&["pull", &by_digest]).success();
    program.run(&["push", &by_digest]).success();
    let tags = Registry::at(&server.url()).get("/v2/a/tags/list").body;
    assert_eq!(String::from_utf8(tags).unwrap(), "{\"name\":\"a\",\"tags\":[\"v1\"]}\n");
    // A truncated digest is enough for what the store has.
    let short = format!("store:{}@{}", name(&server, "a"), &image.digest()[..18]);
    program.run(&["push", &short, &format!("{}/b:v1", other.address())]).success();
    assert_eq!(tag_of(&other, "b", "v1").as_deref(), Some(image.digest()));
    program.run(&["push", &short]).success();
}

#[test]
fn to_places_that_are_named() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let other = DockerRegistry::open();
    let program = Program::new();
    program.run(&["pull", "--to", "team/app:v1", &format!("{}/a:v1", server.address())]).success();
    let destinations = [format!("{}/b:v1", server.address()), format!("{}/c:v2", other.address())];
    let run = program.run(&["push", "-o", "json", "team/app:v1", &destinations[0], &destinations[1]]).success();
    assert_eq!(run.json()["images"].as_array().unwrap().len(), 2);
    assert_eq!(tag_of(&server, "b", "v1").as_deref(), Some(image.digest()));
    assert_eq!(tag_of(&other, "c", "v2").as_deref(), Some(image.digest()));
    let run = program.run(&["push", "--dry-run", "team/app:v1", &format!("{}/d:v1", other.address())]).success();
    assert!(run.stdout.contains("3 blobs to send, "), "{}", run.shown());
    assert_eq!(tag_of(&other, "d", "v1"), None);
    insta::assert_snapshot!(program.run(&["push", "team/app:v1"]).shown(), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot push `team/app:v1`
      because: `team/app:v1` names no registry that it could be sent to
    hint: say where to: `tranship push store:team/app:v1 DST`
    ");
    insta::assert_snapshot!(program.run(&["push", "team/app:v2", &destinations[0]]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot push `store:team/app:v2` to `127.0.0.1:PORT/b:v1`
      because: there is no `store:team/app:v2`
    hint: see what the store holds: `tranship images`
    ");
    // A default registry completes the name; the image that the store has under the short one is meant all the same.
    program.configure(&format!("settings: {{default-remote-registry: '{}'}}\n", other.address()));
    program.run(&["push", "team/app:v1", &format!("{}/e:v1", other.address())]).success();
    assert_eq!(tag_of(&other, "e", "v1").as_deref(), Some(image.digest()));
}
