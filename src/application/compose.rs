//! Compose files: `services.NAME.image`, also where it comes from an extension (`x-…`) by way of an alias or a merge.

use super::found::Found;
use crate::yaml::Node;

/// Finds the images of a Compose file.
pub(super) fn read(file: Node<'_>, found: &mut Found) {
    if let Some(include) = file.get("include") {
        found.note(
            include,
            "other files are included, and not looked at: name them too, or `docker compose config | … -f -`",
        );
    }
    for (name, service) in file.get("services").map(Node::entries).unwrap_or_default() {
        read_service(name, service, found);
    }
}

fn read_service(name: &str, service: Node<'_>, found: &mut Found) {
    match (service.get("image"), service.get("build"), service.get("extends")) {
        (Some(image), ..) => found.image(image, format!("service {name}")),
        (None, Some(build), _) => {
            found.note(build, format!("service {name} is built where it runs, and names no image"));
        }
        (None, None, Some(extends)) => read_extension(name, extends, found),
        (None, None, None) => found.note(service, format!("service {name} names no image")),
    }
    for volume in service.get("volumes").map(Node::items).unwrap_or_default() {
        if let (Some("image"), Some(source)) = (volume.get_text("type"), volume.get("source")) {
            found.image(source, format!("service {name}, volume {}", volume.get_text("target").unwrap_or("?")));
        }
    }
}

/// What a service extends stands in this file, and is read there, or in another.
fn read_extension(name: &str, extends: Node<'_>, found: &mut Found) {
    if let Some(file) = extends.get_text("file") {
        let file = file.escape_debug();
        found.note(extends, format!("service {name} has its image from {file}, which is not looked at: name it too"));
    }
}
