//! `copy` between registries: what arrives, what is picked, what travels, from and to which places, and how it
//! fails.

mod attached;
mod choices;
mod content;
mod destinations;
mod economy;
mod failing;
mod places;
mod shown;
mod system;

use crate::support::docker_registry::DockerRegistry;
use crate::support::images::Image;
use crate::support::program::Program;
use crate::support::push::Registry;

/// Two open registries and the program.
struct Pair {
    from: DockerRegistry,
    to: DockerRegistry,
    program: Program,
}

impl Pair {
    fn start() -> Self {
        Self { from: DockerRegistry::open(), to: DockerRegistry::open(), program: Program::new() }
    }

    /// An image of the registry that is copied from.
    fn source(&self, name: &str) -> String {
        format!("{}/{name}", self.from.address())
    }

    /// An image of the registry that is copied to.
    fn destination(&self, name: &str) -> String {
        format!("{}/{name}", self.to.address())
    }

    /// Puts an image where it is copied from.
    fn put(&self, repository: &str, image: &Image, tags: &[&str]) {
        Registry::at(&self.from.url()).push(repository, image, tags);
    }

    /// The registry that was copied to, looked at without the program.
    fn arrived(&self) -> Registry {
        Registry::at(&self.to.url())
    }
}

/// The digest that a tag points at.
fn tagged(registry: &Registry, repository: &str, tag: &str) -> Option<String> {
    registry.manifest(repository, tag).map(|manifest| manifest.digest)
}
