//! `app`: specs of every kind, from the file to the digests, home, and back.

mod checking;
mod keeping;
mod listing;
mod pinning;
mod pulling;

use std::collections::BTreeMap;

use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::scripted::Scripted;

const TICKETS: &str = include_str!("../examples/applications/ticket-manager.yaml");
const SHOP: &str = include_str!("../examples/applications/shop.yaml");
const COMPOSE: &str = include_str!("../examples/applications/compose.yaml");

/// A registry with every image that a spec names, the spec with the registry's name in it, and the program.
struct Site {
    registry: Scripted,
    program: Program,
    text: String,
    /// The images, by `repository:tag`.
    images: BTreeMap<String, Image>,
}

impl Site {
    /// The spec is the file `app.yaml` of the program's home.
    fn of(spec: &str) -> Self {
        let (registry, program) = (Scripted::start(), Program::new());
        let text = spec.replace("registry.example.com", &registry.address());
        let site = Self { registry, program, text, images: BTreeMap::new() };
        site.write(&site.text);
        let names = site.program.run(&["app", "images", "-f", "app.yaml", "--no-resolve", "-q"]).success();
        let prefix = format!("{}/", site.registry.address());
        let names = names.lines().into_iter().map(|line| line.strip_prefix(&prefix).unwrap().to_owned());
        let images: BTreeMap<String, Image> = names.map(|name| (name, image().layers(&[100]).build())).collect();
        for (name, image) in &images {
            let (repository, tag) = name.split_once(':').unwrap();
            site.registry.put(repository, image, &[tag]);
        }
        Self { images, ..site }
    }

    fn write(&self, text: &str) {
        std::fs::write(self.program.home().join("app.yaml"), text).unwrap();
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.program.home().join("app.yaml")).unwrap()
    }

    /// `registry/repository:tag@digest`.
    fn pin(&self, name: &str) -> String {
        format!("{}/{name}@{}", self.registry.address(), self.images[name].digest())
    }

    /// Moves a tag to a new image.
    fn renew(&mut self, name: &str) {
        let (repository, tag) = name.split_once(':').unwrap();
        let renewed = image().layers(&[100]).build();
        self.registry.put(repository, &renewed, &[tag]);
        self.images.insert(name.to_owned(), renewed);
    }
}

/// A spec of one Compose service for each image.
fn compose<S: AsRef<str>>(images: &[S]) -> String {
    let services = images.iter().enumerate().map(|(n, image)| format!("  s{n}: {{image: '{}'}}\n", image.as_ref()));
    format!("services:\n{}", services.collect::<Vec<_>>().concat())
}
