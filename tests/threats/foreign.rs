//! Layers that a manifest says to fetch from somewhere else.

use serde_json::json;

use super::{program_of, run_once, stranger, was_left_alone};
use crate::support::content::sha256;
use crate::support::images::{Content, Image, image};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;

const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

/// An image one layer of which is somewhere else, by these URLs and with this type.
fn with_layer_at(media_type: &str, urls: &[&str]) -> Image {
    let mut image = image().build();
    let mut document = image.document();
    let content = b"somewhere else".to_vec();
    let layer = json!({"mediaType": media_type, "digest": sha256(&content), "size": content.len(), "urls": urls});
    document["layers"].as_array_mut().unwrap().push(layer);
    image.manifest = Content::new(&image.manifest.media_type, document.to_string());
    image
}

#[test]
fn s01_foreign_layers_are_not_fetched_and_nobody_is_asked_for_them() {
    for challenge in ["Basic realm=\"evil\"", "Bearer realm=\"http://127.0.0.2/token\",service=\"evil\""] {
        let (registry, evil) = (Scripted::settings().basic("bob", super::CANARY).start(), stranger());
        evil.rule(when("*", ""), Act::respond(Response::new(401).header("WWW-Authenticate", challenge)));
        let image = with_layer_at(FOREIGN, &[&format!("{}/layer", evil.url())]);
        registry.put("app", &image, &["v1"]);
        let program = program_of(&[&registry.address()]);
        let source = format!("{}/app:v1", registry.address());
        let copied = program.run(&["copy", &source, &format!("oci:{}:app", program.path("layout"))]).success();
        assert!(copied.stdout.contains("1 blob left out"), "{}", copied.shown());
        let shown = program.run(&["inspect", &source]).success();
        assert!(shown.stdout.contains(&sha256(b"somewhere else")), "{}", shown.shown());
        was_left_alone(&evil);
    }
}

#[test]
fn s01_urls_are_no_way_round_for_a_layer_that_the_registry_lacks() {
    let (registry, evil) = (Scripted::start(), stranger());
    let ordinary = "application/vnd.oci.image.layer.v1.tar+gzip";
    let image = with_layer_at(ordinary, &[&format!("{}/layer", evil.url())]);
    registry.put("app", &image, &["v1"]);
    let program = program_of(&[]);
    let layout = format!("oci:{}:app", program.path("layout"));
    run_once(&program, &["copy", &format!("{}/app:v1", registry.address()), &layout]).code(3).says("BLOB_UNKNOWN");
    was_left_alone(&evil);
}

#[test]
fn s02_urls_that_lead_inward_are_not_followed() {
    let (registry, inside) = (Scripted::start(), Scripted::start());
    let urls = [
        &format!("{}/latest/meta-data", inside.url()),
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://127.0.0.1/x",
        "\u{1b}]52;c;x\u{7}",
    ];
    let image = with_layer_at(FOREIGN, &urls);
    registry.put("app", &image, &["v1"]);
    let program = program_of(&[]);
    let source = format!("{}/app:v1", registry.address());
    program.run(&["copy", &source, &format!("oci:{}:app", program.path("layout"))]).success();
    program.run(&["pull", &source]).success();
    was_left_alone(&inside);
}
