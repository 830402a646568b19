//! Avassa applications: `services[].containers[].image`.

use super::found::Found;
use crate::yaml::Node;

/// The lists of a service whose members run an image.
const LISTS: [&str; 2] = ["init-containers", "containers"];

/// Finds the images of an application.
pub(super) fn read(application: Node<'_>, found: &mut Found) {
    for service in application.get("services").map(Node::items).unwrap_or_default() {
        let name = service.get_text("name").unwrap_or("?");
        let lists = LISTS.into_iter().filter_map(|list| service.get(list));
        for container in lists.flat_map(Node::items) {
            let user = format!("service {name}, container {}", container.get_text("name").unwrap_or("?"));
            match container.get("image") {
                Some(image) => found.image(image, user),
                None => found.note(container, format!("{user}: there is no image")),
            }
        }
    }
}
