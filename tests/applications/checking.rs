//! `app check`: the gate.

use super::{COMPOSE, Site, compose};
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};

#[test]
fn the_gate_opens_when_every_image_is_home() {
    let site = Site::of(COMPOSE);
    let check = ["app", "check", "-f", "app.yaml"];
    let run = site.program.run(&check).code(3).says("is missing: `store:").says("bring it home: `tranship pull");
    assert_eq!(run.stdout.matches("missing").count(), 4, "{}", run.shown());
    let one = format!("{}/shop/cache:7", site.registry.address());
    site.program.run(&["pull", "-q", &one]).success();
    let run = site.program.run(&["app", "check", "-f", "app.yaml", "-o", "json"]).code(3).json();
    let states: Vec<&str> = run["images"].as_array().unwrap().iter().map(|i| i["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["missing", "missing", "missing", "present"], "{run}");
    assert_eq!(run["place"], "home");
    site.program.run(&["app", "pull", "-f", "app.yaml", "-q"]).success();
    let run = site.program.run(&check).success();
    assert_eq!(run.stdout.matches("present").count(), 4, "{}", run.shown());
    assert_eq!(site.program.run(&["app", "check", "-f", "app.yaml", "-q"]).success().stdout, "");
    // Another digest is another image.
    site.program.run(&["app", "pin", "-f", "app.yaml", "--write"]).success();
    site.program.run(&check).success();
    let text = site.text.replace("cache:7", &format!("cache@sha256:{}", "0".repeat(64)));
    site.write(&text);
    site.program.run(&check).code(3).says(&"0".repeat(64));
}

#[test]
fn a_gate_at_a_registry_or_at_every_registry_of_a_site() {
    let site = Site::of(COMPOSE);
    let (one, two) = (Scripted::start(), Scripted::start());
    site.program.configure(&format!(
        "sites:\n- {{name: stockholm, registries: ['{}', '{}/edge']}}\n",
        one.address(),
        two.address()
    ));
    let home = site.registry.address().replace(':', "_");
    for (name, image) in &site.images {
        let (repository, tag) = name.split_once(':').unwrap();
        one.put(&format!("{home}/{repository}"), image, &[tag]);
    }
    let at = |place: &str| site.program.run(&["app", "check", "-f", "app.yaml", "--at", place]);
    at(&one.address()).success();
    at("stockholm").code(3).says(&format!("{}/edge/{home}/shop/web:4.1.0", two.address()));
    for (name, image) in &site.images {
        let (repository, tag) = name.split_once(':').unwrap();
        two.put(&format!("edge/{home}/{repository}"), image, &[tag]);
    }
    at("stockholm").success();
    at("gothenburg").code(2).says("there is no site `gothenburg`");
}

#[test]
fn what_cannot_be_told_is_neither_there_nor_missing() {
    let program = Program::new();
    std::fs::write(program.home().join("a.yaml"), compose(&["reg.example.com/a:1", "reg.example.com/b:1"])).unwrap();
    let registry = Scripted::start();
    registry.rule(when("HEAD", "/a/manifests"), Act::status(500));
    registry.rule(when("GET", "/a/manifests"), Act::status(500));
    let check = ["app", "check", "-f", "a.yaml", "--retries", "0", "--at"];
    let run = program.run(&[&check[..], &["127.0.0.1:1"]].concat()).code(5);
    assert_eq!(run.stdout.matches("unknown").count(), 2, "{}", run.shown());
    // One is missing for sure.
    program.run(&[&check[..], &[&registry.address()]].concat()).code(3);
    registry.put("reg.example.com/b", &crate::support::images::image().build(), &["1"]);
    program.run(&[&check[..], &[&registry.address()]].concat()).code(5);
    std::fs::write(program.home().join("a.yaml"), compose(&["${IMAGE}"])).unwrap();
    program.run(&[&check[..], &[&registry.address()]].concat()).code(2).says("not filled in");
}
