//! Several destinations of one copy, reported one by one.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Pair, tagged};
use crate::support::docker_registry::DockerRegistry;
use crate::support::eventually;
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::relay::Relay;
use crate::support::scripted::{Act, Scripted, when};

#[test]
fn every_destination_gets_the_image() {
    needs!("docker-registry");
    let pair = Pair::start();
    let third = DockerRegistry::open();
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let destinations = [pair.destination("b:v1"), pair.destination("c/d:v2"), format!("{}/e:v3", third.address())];
    let source = pair.source("a:v1");
    let words = [vec!["copy", "-q", &source], destinations.iter().map(String::as_str).collect()];
    let run = pair.program.run(&words.concat()).success();
    assert_eq!(run.lines(), [image.digest(); 3]);
    let third = Registry::at(&third.url());
    for (registry, repository, tag) in
        [(&pair.arrived(), "b", "v1"), (&pair.arrived(), "c/d", "v2"), (&third, "e", "v3")]
    {
        assert_eq!(tagged(registry, repository, tag).as_deref(), Some(image.digest()), "{repository}");
        assert!(registry.holds(repository, &image));
    }
}

#[test]
fn one_that_fails_stops_no_other() {
    needs!("docker-registry");
    let pair = Pair::start();
    let closed = DockerRegistry::mirror_of(&pair.from.url());
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let bad = format!("{}/b:v1", closed.address());
    let run = pair.program.run(&["copy", "-o", "json", &pair.source("a:v1"), &bad, &pair.destination("b:v1")]);
    let run = run.code(7);
    assert_eq!(run.json()["images"].as_array().unwrap().len(), 1);
    assert_eq!(run.json()["images"][0]["destination"], pair.destination("b:v1"));
    let errors: Vec<serde_json::Value> = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(errors.len(), 1, "{}", run.stderr);
    assert!(errors[0]["message"].as_str().unwrap().contains(&bad));
    assert!(pair.arrived().holds("b", &image));
}

#[test]
fn where_all_fail_alike_the_exit_code_says_how() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let (source, one, two) = (pair.source("a:none"), pair.destination("b:v1"), pair.destination("c:v1"));
    pair.program.run(&["copy", &source, &one, &two]).code(3).says(&one).says(&two);
    // Names that cannot be, and an image that is not there: two ways.
    let wrong = pair.destination("UPPER:v1");
    pair.program.run(&["copy", &source, &one, &wrong]).code(7);
    pair.program.run(&["copy", &source, &wrong]).code(2).says("`U` cannot stand in the repository part `UPPER`");
}

#[test]
fn several_destinations_in_one_registry_are_sent_each_blob_once() {
    needs!("docker-registry");
    let pair = Pair::start();
    let relay = Relay::to(pair.to.address());
    let image = image().layers(&[300_000, 200_000]).build();
    pair.put("a", &image, &["v1"]);
    let bytes: usize = image.blobs.iter().map(|blob| blob.bytes.len()).sum();
    let [one, two] = ["b:v1", "c:v1"].map(|name| format!("{}/{name}", relay.address()));
    pair.program.run(&["copy", "--attached", "none", &pair.source("a:v1"), &one, &two]).success();
    assert!(pair.arrived().holds("b", &image) && pair.arrived().holds("c", &image));
    let manifests = 2 * image.manifest.bytes.len();
    assert_eq!(relay.uploaded(), (bytes + manifests) as u64);
}

#[test]
fn the_source_tells_its_manifests_once() {
    let from = Scripted::start();
    let registries = [Scripted::start(), Scripted::start(), Scripted::start()];
    let image = index(vec![image().build(), image().architecture("arm64").build()]);
    from.put("a", &image, &["v1"]);
    // One that has the image already, and so asks for no more than its digest.
    registries[2].put("b", &image, &["v1"]);
    let names: Vec<String> = registries.iter().map(|registry| format!("{}/b:v1", registry.address())).collect();
    let source = format!("{}/a:v1", from.address());
    let words = [vec!["copy", "--attached", "none", &source], names.iter().map(String::as_str).collect()];
    Program::new().run(&words.concat()).success();
    assert_eq!(from.count("GET", "/manifests/"), 3, "the index and two children: {:?}", from.lines());
    assert!(from.count("HEAD", "/manifests/") <= 1, "{:?}", from.lines());
    assert!(registries.iter().all(|registry| registry.holds("b", &image)));
}

#[test]
fn a_dry_run_counts_for_every_destination() {
    let (from, to, other) = (Scripted::start(), Scripted::start(), Scripted::start());
    let image = image().layers(&[2000, 700]).build();
    from.put("a", &image, &["v1"]);
    other.put_blob("b", &image.blobs[1]);
    let [source, first, second, third] =
        [(&from, "a"), (&to, "b"), (&to, "c"), (&other, "b")].map(|(at, name)| format!("{}/{name}:v1", at.address()));
    let words = ["copy", "--attached", "none", "--dry-run", "-o", "json", &source, &first, &second, &third];
    let document = Program::new().run(&words).success().json();
    let bytes: usize = image.blobs.iter().map(|blob| blob.bytes.len()).sum();
    let known = image.blobs[1].bytes.len();
    let totals = |n: usize| {
        let plan = &document["images"][n];
        let told = ["send", "mount", "skip"].map(|fate| plan["totals"][fate]["bytes"].as_u64().unwrap());
        let listed = ["send", "mount", "skip"].map(|fate| {
            let blobs = plan["blobs"].as_array().unwrap().iter().filter(|blob| blob["action"] == fate);
            blobs.map(|blob| blob["size"].as_u64().unwrap()).sum::<u64>()
        });
        assert_eq!(told, listed, "{plan}");
        told
    };
    assert_eq!(totals(0), [bytes as u64, 0, 0]);
    assert_eq!(totals(1), [0, bytes as u64, 0], "{document}");
    assert_eq!(totals(2), [(bytes - known) as u64, 0, known as u64]);
    assert_eq!(document["images"][1]["blobs"][0]["from"], "b");
    let written = |line: &String| !line.starts_with("HEAD") && !line.starts_with("GET");
    assert!(!to.lines().iter().chain(&other.lines()).any(written), "{:?}", to.lines());
}

#[test]
fn four_destinations_cost_the_source_its_bytes_once() {
    needs!("docker-registry");
    let from = DockerRegistry::open();
    let relay = Relay::to(from.address());
    let registries: Vec<DockerRegistry> = (0..3).map(|_| DockerRegistry::open()).collect();
    let image = image().layers(&[3_000_000, 200_000, 9000]).build();
    Registry::at(&from.url()).push("a", &image, &["v1"]);
    let mut names: Vec<String> = registries.iter().map(|registry| format!("{}/b:v1", registry.address())).collect();
    names.push("store:b:v1".to_owned());
    let source = format!("{}/a:v1", relay.address());
    let program = Program::new();
    let words = [vec!["copy", "-o", "json", "--attached", "none", &source], names.iter().map(String::as_str).collect()];
    let run = program.run(&words.concat()).success();
    let bytes: usize = image.blobs.iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(relay.downloaded(), (bytes + image.manifest.bytes.len()) as u64, "{:?}", relay.lines());
    for number in 0..4 {
        let blobs = &run.json()["images"][number]["blobs"];
        assert_eq!((&blobs["sent"]["bytes"], &blobs["secondReads"]["count"]), (&bytes.into(), &0.into()), "{blobs}");
    }
    assert!(registries.iter().all(|registry| Registry::at(&registry.url()).holds("b", &image)));
    program.run(&["copy", "store:b:v1", "oci:there"]).success();
}

#[test]
fn neither_a_dead_nor_a_slow_destination_holds_the_others_up() {
    let from = Scripted::start();
    let (slow, fast) = (Scripted::start(), [Scripted::start(), Scripted::start()]);
    // It takes connections, and never says a word.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = image().layers(&[3_000_000, 1_000_000, 40_000]).build();
    from.put("a", &image, &["v1"]);
    let released = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&released);
    slow.rule(
        when("PUT", "/blobs/uploads/"),
        Act::answer_if(move |_| {
            while !gate.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            None
        }),
    );
    let there = [&fast[0].address(), &dead.local_addr().unwrap().to_string(), &slow.address(), &fast[1].address()]
        .map(|address| format!("{address}/b:v1"));
    let source = format!("{}/a:v1", from.address());
    let flags = ["copy", "--attached", "none", "--timeout", "4", "--retries", "0", &source];
    let words = [&flags[..], &there.each_ref().map(String::as_str)[..]].concat();
    let program = Program::new();
    let running = program.invoke(&words).start();
    eventually("the fast ones are done", || fast.iter().all(|fast| fast.tag("b", "v1").is_some()));
    assert_eq!(slow.tag("b", "v1"), None, "{:?}", slow.lines());
    released.store(true, Ordering::SeqCst);
    let run = running.finish();
    assert_eq!(run.code, Some(7), "{}", run.shown());
    assert!(run.stderr.contains(&there[1]) && !run.stderr.contains(&there[2]), "{}", run.shown());
    assert!(fast.iter().chain([&slow]).all(|registry| registry.holds("b", &image)));
    let blobs = from.count("GET", "/blobs/");
    assert_eq!(blobs, image.blobs.len(), "each once: {:?}", from.lines());
}
