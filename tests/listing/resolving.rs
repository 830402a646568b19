//! `resolve`, `repositories`.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::timeless;
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Ability, Act, Scripted, when};
use crate::support::server::{Request, Response};

#[test]
fn resolve_prints_name_tag_and_digest() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let registry = Registry::at(&server.url());
    let (one, two) = (image().seed(1).build(), index(vec![image().seed(2).build()]));
    registry.push("a", &one, &["latest"]);
    registry.push("team/b", &two, &["v1"]);
    let program = Program::new();
    let (first, second) = (format!("{}/a", server.address()), format!("{}/team/b:v1", server.address()));
    let run = program.run(&["resolve", &first, &second]).success();
    assert_eq!(run.stdout, format!("{first}:latest@{}\n{second}@{}\n", one.digest(), two.digest()));
    let quiet = program.run(&["resolve", "-q", &first]).success();
    assert_eq!(quiet.stdout, format!("{first}:latest@{}\n", one.digest()));
    let run = program.run(&["digest", "--short", &first]).success();
    assert_eq!(run.stdout, format!("{}\n", &one.digest()[7..19]));
    let run = program.run(&["resolve", "-o", "json", &second]).success();
    let expected = serde_json::json!({"images": [{
        "reference": second, "digest": two.digest(), "mediaType": two.manifest.media_type,
        "size": two.manifest.bytes.len(),
    }]});
    assert_eq!(run.json(), expected);
    // Upper case and the scheme of other tools are the same registry.
    let upper = first.replace("127.0.0.1", "LOCALHOST");
    program.run(&["resolve", &upper]).success();
    program.run(&["resolve", &format!("docker://{first}")]).success();
}

#[test]
fn what_is_missing_is_said_and_the_rest_resolved() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let image = image().seed(1).build();
    Registry::at(&server.url()).push("a", &image, &["v1"]);
    let program = Program::new();
    let there = format!("{}/a:v1", server.address());
    let gone = format!("{}/a:gone", server.address());
    insta::assert_snapshot!(program.run(&["resolve", &there, &gone]).shown(), @r"
    exit 7
    --- stdout
    127.0.0.1:PORT/a:v1@sha256:DIGEST
    --- stderr
    error: cannot resolve `127.0.0.1:PORT/a:gone`
      because: there is no image `127.0.0.1:PORT/a:gone`
    hint: see what is there: `tranship tags 127.0.0.1:PORT/a`
    ");
    program.run(&["resolve", &gone, &format!("{}/none", server.address())]).code(3);
    let cut = format!("{}/a@{}", server.address(), &image.digest()[..17]);
    insta::assert_snapshot!(program.run(&["resolve", &cut]).shown().replace(&image.digest()[7..17], "CUT"), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot resolve `127.0.0.1:PORT/a@sha256:DIGEST`
      because: `@sha256:DIGEST` is a truncated digest; only the local store can look one up, a registry needs the whole
    ");
    program.run(&["resolve", &format!("{}/a@{}", server.address(), image.digest())]).success();
}

#[test]
fn repositories_are_listed_page_by_page() {
    let server = Scripted::settings().page(2).start();
    for name in ["a", "b/c", "d", "e", "f"] {
        server.put(name, &image().build(), &["v1"]);
    }
    let program = Program::new();
    let run = program.run(&["repositories", &server.address()]).success();
    assert_eq!(run.lines(), ["a", "b/c", "d", "e", "f"]);
    server.forget_requests();
    let run = program.run(&["repositories", "--limit", "2", &server.address()]).success();
    assert_eq!((run.lines(), server.count("GET", "_catalog")), (vec!["a", "b/c"], 1));
    let run = program.run(&["repositories", "-o", "yaml", "--limit", "1", &server.address()]).success();
    assert_eq!(run.stdout, "repositories:\n- a\n");
}

#[test]
fn a_registry_without_a_catalogue_says_so() {
    let server = Scripted::settings().without(Ability::Catalog).start();
    insta::assert_snapshot!(timeless(&Program::new().run(&["repositories", &server.address()])), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot list the repositories of `127.0.0.1:PORT`
      because: 127.0.0.1:PORT does not show its repositories
      because: the registry does not have the list of repositories of 127.0.0.1:PORT: NOT_FOUND, not_found (HTTP 404)
    hint: many registries show the catalogue to administrators only, or have their own API for it
    ");
}

#[test]
fn several_are_asked_side_by_side_and_told_in_order() {
    let server = Scripted::start();
    let images: Vec<_> = (1..=9).map(|seed| image().seed(seed).build()).collect();
    let names: Vec<String> = (1..=9).map(|number| format!("{}/a:v{number}", server.address())).collect();
    for (number, image) in images.iter().enumerate() {
        server.put("a", image, &[&format!("v{}", number + 1)]);
    }
    // The first goes ahead alone; the second is answered when two more are asked for.
    let (asked, asking) = (Arc::new(Mutex::new(0)), Arc::new(Condvar::new()));
    let wait = move |request: &Request| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        asking.notify_all();
        if request.path().ends_with("/v2") {
            let patience = Duration::from_secs(20);
            let (asked, _) = asking.wait_timeout_while(asked, patience, |asked| *asked < 4).unwrap();
            return (*asked < 4).then(|| Response::new(404));
        }
        None
    };
    server.rule(when("HEAD", "/manifests/"), Act::answer_if(wait));
    let words: Vec<&str> = ["resolve"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let run = Program::new().run(&words).success();
    let expected: Vec<String> =
        names.iter().zip(&images).map(|(name, image)| format!("{name}@{}", image.digest())).collect();
    assert_eq!(run.lines(), expected);
}
