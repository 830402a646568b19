//! What real registries do, and what the program makes of it: one test for every way that was seen somewhere.
//!
//! The numbers in the names are those of `tests/tables/quirks.md`. Each test gives a scripted registry one such
//! way, or takes docker-registry where the way is its own, and runs the real program against it.

mod authentication;
mod deletion;
mod limits;
mod listing;
mod manifests;
mod mounts;
mod referrers;
mod uploads;

use base64::Engine as _;

use crate::support::images::{Image, image};
use crate::support::program::{Output, Program};
use crate::support::scripted::Scripted;

/// `IP:PORT/NAME`.
pub(super) fn at(registry: &Scripted, name: &str) -> String {
    format!("{}/{name}", registry.address())
}

/// A registry that holds one small image as `NAME:v1`.
pub(super) fn holding(name: &str) -> (Scripted, Image) {
    let registry = Scripted::start();
    let image = image().build();
    registry.put(name, &image, &["v1"]);
    (registry, image)
}

/// Copies an image without what refers to it.
pub(super) fn copy(program: &Program, source: &str, destination: &str) -> Output {
    program.run(&["copy", "--attached", "none", source, destination])
}

/// A home in which docker has logged in to `registry`.
pub(super) fn logged_in(registry: &str, user: &str, password: &str) -> Program {
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    with_docker_entry(registry, &serde_json::json!({"auth": both}))
}

/// A home in which docker keeps `entry` for `registry`.
pub(super) fn with_docker_entry(registry: &str, entry: &serde_json::Value) -> Program {
    let mut program = Program::new();
    let file = program.path("auth.json");
    std::fs::write(&file, serde_json::json!({"auths": {registry: entry}}).to_string()).unwrap();
    program.set("REGISTRY_AUTH_FILE", &file);
    program
}

/// Lets the name of a service in the world stand for a scripted registry.
pub(super) fn known_as(program: &Program, name: &str, registry: &Scripted) {
    program.configure(&format!(
        "remote-registries:\n- address: {name}\n  override-address: {}\n  tls: plain-http\n",
        registry.address()
    ));
}
