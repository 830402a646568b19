//! Sites: `site`, `distribute`, and who holds what.

mod configuring;
mod distributing;
mod pruning;
mod status;

use crate::support::images::Image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;

/// Registries that are sites of these names, a registry with images, and the program.
struct Sites {
    origin: Scripted,
    registries: Vec<Scripted>,
    program: Program,
}

impl Sites {
    fn of(names: &[&str]) -> Self {
        let registries: Vec<Scripted> = names.iter().map(|_| Scripted::start()).collect();
        let program = Program::new();
        program.configure(&configuration(names.iter().copied().zip(registries.iter().map(Scripted::address))));
        Self { origin: Scripted::start(), registries, program }
    }

    /// Puts an image where it comes from; its name there.
    fn put(&self, name: &str, image: &Image) -> String {
        let (repository, tag) = name.split_once(':').unwrap();
        self.origin.put(repository, image, &[tag]);
        format!("{}/{name}", self.origin.address())
    }

    /// The name that a repository of the origin has at sites.
    fn there(&self, repository: &str) -> String {
        format!("{}/{repository}", self.origin.address().replace(':', "_"))
    }
}

/// The sites as the configuration lists them; sites of one name are one.
fn configuration<'a>(registries: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut sites: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, address) in registries {
        match sites.iter_mut().find(|(known, _)| *known == name) {
            Some((_, addresses)) => addresses.push(address),
            None => sites.push((name, vec![address])),
        }
    }
    let lines = sites.iter().map(|(name, addresses)| format!("- {{name: {name}, registries: {addresses:?}}}\n"));
    format!("sites:\n{}", lines.collect::<Vec<_>>().concat())
}

/// A spec of one Compose service for each image.
fn compose<S: AsRef<str>>(images: &[S]) -> String {
    let services = images.iter().enumerate().map(|(n, image)| format!("  s{n}: {{image: '{}'}}\n", image.as_ref()));
    format!("services:\n{}", services.collect::<Vec<_>>().concat())
}
