//! A registry as the home: `settings.home-registry`.

use super::{at_home, with};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;

/// A program whose home is `PATH` in a registry.
fn with_home(path: &str) -> (DockerRegistry, Program) {
    let home = DockerRegistry::open();
    let program = Program::new();
    program.configure(&format!("settings: {{home-registry: '{}{path}'}}\n", home.address()));
    (home, program)
}

#[test]
fn pull_brings_images_into_the_home_registry() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let (home, program) = with_home("");
    let there = format!("{}/a:v1", server.address());
    let run = program.run(&["pull", &there]).success();
    let name = at_home(server.address(), "a");
    assert!(
        run.stdout.starts_with(&format!("{}/{name}:v1@{}  (3 blobs sent", home.address(), image.digest())),
        "{}",
        run.shown()
    );
    assert!(Registry::at(&home.url()).holds(&name, &image));
    assert!(!program.home().join("data").exists(), "nothing is kept on this computer");
    assert!(program.run(&["pull", &there]).success().stdout.contains("(unchanged)"));
    program.run(&["pull", "--to", "blessed:v9", &there]).success();
    assert!(Registry::at(&home.url()).manifest("blessed", "v9").is_some());
    program.run(&["pull", "-q", &format!("{}/a@{}", server.address(), image.digest())]).success();
    let images = program.run(&["images", "-o", "json"]).success().json();
    let listed: Vec<_> = images["images"].as_array().unwrap().iter().map(|image| &image["repository"]).collect();
    assert_eq!(listed, [&serde_json::json!(name), &serde_json::json!("blessed")]);
    assert_eq!(images["images"][0]["digest"], image.digest());
    let one = program.run(&["images", "-q", "blessed"]).success();
    assert_eq!(one.stdout, "blessed:v9\n");
    program.run(&["images", "--untagged"]).code(2).says("`--untagged` is for the store");
}

#[test]
fn a_home_registry_may_carry_a_path() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let (home, program) = with_home("/tower");
    Registry::at(&home.url()).push("other", &image, &["v1"]);
    program.run(&["pull", &format!("{}/a:v1", server.address())]).success();
    let name = format!("tower/{}", at_home(server.address(), "a"));
    assert!(Registry::at(&home.url()).holds(&name, &image));
    assert_eq!(program.run(&["images", "-q"]).success().stdout, format!("{name}:v1\n"));
}
