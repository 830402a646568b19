//! Home: `pull`, `push`, `images`, and the store that other tools read.

mod naming;
mod pulling;
mod pushing;
mod registry;
mod surviving;

use crate::listing::timeless;
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::Image;
use crate::support::program::{Output, Program};
use crate::support::push::Registry;

/// The store of a program's home.
fn store(program: &Program) -> String {
    program.path("data/tranship/store")
}

/// The name in the store of a repository of `server`.
fn name(server: &DockerRegistry, repository: &str) -> String {
    at_home(server.address(), repository)
}

fn at_home(address: &str, repository: &str) -> String {
    format!("{}/{repository}", address.replace(':', "_"))
}

/// An open registry with an image under `a:v1`.
fn with(image: &Image) -> DockerRegistry {
    let server = DockerRegistry::open();
    Registry::at(&server.url()).push("a", image, &["v1"]);
    server
}

/// What `images -q` lists.
fn listed(program: &Program) -> Vec<String> {
    program.run(&["images", "-q"]).success().lines().into_iter().map(str::to_owned).collect()
}

/// Output without what the clock and the port make of it.
fn shown(output: &Output, server: &DockerRegistry) -> String {
    let (_, port) = server.address().split_once(':').unwrap();
    timeless(output).replace(port, "PORT")
}
