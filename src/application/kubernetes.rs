//! Kubernetes manifests: every object that has containers, wherever in it they stand.
//!
//! Containers stand in lists of three names in the specification of a pod (Kubernetes API, `PodSpec`), which is at
//! another place in every kind of object, and in those that others define. So the lists are looked for, and not the
//! kinds: what holds an object that runs is found also in a `List`, a template or a custom resource.

use std::collections::HashSet;

use super::found::Found;
use crate::yaml::Node;

/// The lists whose members run an image.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// What no container is run from: labels and copies of the whole, and what was found to be so.
const PASSED_OVER: [&str; 2] = ["metadata", "status"];

/// Finds the images of an object.
pub(super) fn read(object: Node<'_>, found: &mut Found) {
    Walk { found, seen: HashSet::new() }.object(object, "?");
}

struct Walk<'a> {
    found: &'a mut Found,
    /// What was looked at: by way of aliases the same can stand in many places.
    seen: HashSet<usize>,
}

impl Walk<'_> {
    /// Looks at a part of the object `owner`. Collections are not deep, so neither is this.
    fn object(&mut self, part: Node<'_>, owner: &str) {
        if !self.seen.insert(part.number()) {
            return;
        }
        let named = name_of(part);
        let owner = named.as_deref().unwrap_or(owner);
        for item in part.items() {
            self.object(item, owner);
        }
        for (key, value) in part.entries() {
            if CONTAINERS.contains(&key) {
                self.containers(value, owner);
            }
            if key == "volumes" {
                self.volumes(value, owner);
            }
            if !PASSED_OVER.contains(&key) {
                self.object(value, owner);
            }
        }
    }

    fn containers(&mut self, list: Node<'_>, owner: &str) {
        for container in list.items().into_iter().filter(|container| container.is_mapping()) {
            let user = format!("{owner}, container {}", container.get_text("name").unwrap_or("?"));
            match container.get("image") {
                Some(image) => self.found.image(image, user),
                None => self.found.note(container, format!("{user}: there is no image")),
            }
        }
    }

    /// Volumes that are filled from an image.
    fn volumes(&mut self, list: Node<'_>, owner: &str) {
        for volume in list.items() {
            if let Some(image) = volume.get("image").and_then(|image| image.get("reference")) {
                self.found.image(image, format!("{owner}, volume {}", volume.get_text("name").unwrap_or("?")));
            }
        }
    }
}

/// `KIND/NAME`, where the part is an object of its own.
fn name_of(part: Node<'_>) -> Option<String> {
    let kind = part.get_text("kind")?;
    let metadata = part.get("metadata")?;
    let name = metadata.get_text("name").or_else(|| metadata.get_text("generateName"))?;
    Some(format!("{kind}/{name}"))
}
