//! Nothing travels twice.

use super::{Pair, tagged};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::relay::Relay;

#[test]
fn within_a_registry_blobs_are_mounted() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let relay = Relay::to(server.address());
    let image = image().layers(&[400_000, 100_000]).build();
    let registry = Registry::at(&server.url());
    registry.push("team/app", &image, &["v1"]);
    let [source, destination] = ["team/app:v1", "mirror/app:v1"].map(|name| format!("{}/{name}", relay.address()));
    let run = Program::new().run(&["copy", "-o", "json", &source, &destination]).success();
    assert_eq!(run.json()["images"][0]["blobs"]["mounted"]["count"], 3);
    assert_eq!(relay.uploaded(), image.manifest.bytes.len() as u64, "no blob's bytes went up: {:?}", relay.lines());
    assert_eq!(relay.count("GET", "/blobs/"), 0, "nor down");
    assert_eq!(relay.count("POST", "mount=sha256"), 3);
    assert!(registry.holds("mirror/app", &image));
}

#[test]
fn within_a_repository_a_tag_is_all_that_moves() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let relay = Relay::to(server.address());
    let image = image().build();
    let registry = Registry::at(&server.url());
    registry.push("a", &image, &["v1"]);
    let [source, destination] = ["a:v1", "a:v2"].map(|name| format!("{}/{name}", relay.address()));
    Program::new().run(&["copy", "-q", &source, &destination]).success();
    assert_eq!(tagged(&registry, "a", "v2").as_deref(), Some(image.digest()));
    assert_eq!(relay.count("POST", ""), 0);
    assert_eq!(relay.count("PUT", "/v2/a/manifests/v2"), 1);
    assert_eq!(relay.count("GET", "/blobs/") + relay.count("HEAD", "/blobs/"), 0);
}

#[test]
fn what_is_there_is_not_sent_again() {
    needs!("docker-registry");
    let pair = Pair::start();
    let (reading, writing) = (Relay::to(pair.from.address()), Relay::to(pair.to.address()));
    let seed = 42;
    let first = image().seed(seed).layers(&[100_000, 5000]).build();
    // Another image on the same first layer.
    let second = image().seed(seed).layers(&[100_000]).label("version", "2").build();
    pair.put("a", &first, &["v1"]);
    pair.put("a", &second, &["v2"]);
    let copy = |tag: &str| {
        reading.forget();
        writing.forget();
        let (source, destination) =
            (format!("{}/a:{tag}", reading.address()), format!("{}/b:{tag}", writing.address()));
        pair.program.run(&["copy", "--attached", "none", &source, &destination]).success()
    };
    assert!(copy("v1").stdout.contains("(3 blobs sent, "));
    let run = copy("v2");
    assert!(run.stdout.contains("(1 blob sent, ") && run.stdout.contains("; 1 blob there, "), "{}", run.stdout);
    let config = second.blobs[0].bytes.len() + second.manifest.bytes.len();
    assert_eq!(writing.uploaded(), config as u64);
    assert_eq!(reading.count("GET", "/blobs/"), 1);

    assert!(copy("v2").stdout.contains("(unchanged)"));
    assert_eq!((reading.lines().len(), writing.lines().len()), (1, 1), "{:?} {:?}", reading.lines(), writing.lines());
}

#[test]
fn equal_layers_of_several_images_go_once() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let relay = Relay::to(server.address());
    let registry = Registry::at(&server.url());
    let images =
        ["one", "two", "three"].map(|label| image().seed(7).layers(&[200_000, 300_000]).label("name", label).build());
    for (name, image) in ["one", "two", "three"].iter().zip(&images) {
        registry.push(&format!("apps/{name}"), image, &["v1"]);
    }
    let names = ["one", "two", "three"].map(|name| format!("{}/apps/{name}:v1", relay.address()));
    let words: Vec<&str> = ["pull", "-o", "json"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let run = Program::new().run(&words).success();
    // Two layers once, and three configs.
    assert_eq!(relay.count("GET", "/blobs/"), 5, "{:?}", relay.lines());
    let sent: u64 =
        run.json()["images"].as_array().unwrap().iter().map(|i| i["blobs"]["sent"]["count"].as_u64().unwrap()).sum();
    assert_eq!(sent, 5);
}
