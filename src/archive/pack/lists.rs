//! The `manifest.json` of an archive, by which `docker load`, podman and skopeo find images in it (moby
//! `image/tarexport`).

use std::collections::HashMap;

use serde::Serialize;

use crate::archive::packed::blob_name;
use crate::image::{Descriptor, Digest, ImageManifest, ImageReference, Manifest, Naming, Platform, RawManifest};
use crate::registry::{Error, ErrorKind, Remedy, Result};

/// An image and the names that it goes by.
pub(super) struct Image {
    digest: Digest,
    names: Vec<String>,
}

/// One entry of the list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    /// `null` where there is none, as docker writes it.
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Takes note of an image, or of one more name of it.
pub(super) fn add(images: &mut Vec<Image>, digest: &Digest, name: Option<&str>) {
    let names = name.map(str::to_owned);
    match images.iter_mut().find(|image| image.digest == *digest) {
        Some(image) => image.names.extend(names),
        None => images.push(Image { digest: digest.clone(), names: names.into_iter().collect() }),
    }
}

/// Whether a name is a full reference, so that containerd can take it for the image's.
pub(super) fn is_full(name: &str) -> bool {
    ImageReference::parse(name, &Naming::default()).is_ok()
}

/// The text of the list.
///
/// # Errors
/// `Unsupported` where something is no container image.
pub(super) fn for_docker(images: &[Image], manifests: &HashMap<Digest, RawManifest>) -> Result<Vec<u8>> {
    let mut items = Vec::new();
    for image in images {
        let Some(found) = manifests.get(&image.digest).and_then(|root| runnable(root, manifests)) else {
            let message = format!("{} is no container image, which is all that docker's form holds", image.digest);
            let remedy = "an archive of the other form takes it: `oci-archive:FILE`".to_owned();
            return Err(Error::new(ErrorKind::Unsupported, message).with_remedy(Remedy::Other(remedy)));
        };
        items.push(Item {
            config: blob_name(&found.config.digest),
            repo_tags: (!image.names.is_empty()).then(|| image.names.clone()),
            layers: found.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
        });
    }
    let unwritable = |error| Error::new(ErrorKind::Storage, "manifest.json cannot be written").caused_by(error);
    serde_json::to_vec(&items).map_err(unwritable)
}

/// The image that docker would run: of an index the one for this computer, else the first.
fn runnable<'m>(root: &'m RawManifest, manifests: &'m HashMap<Digest, RawManifest>) -> Option<&'m ImageManifest> {
    let image = |manifest: &'m RawManifest| match manifest.manifest() {
        Manifest::Image(image) if image.config.media_type.is_image_config() => Some(image),
        Manifest::Image(_) | Manifest::Index(_) => None,
    };
    let Manifest::Index(index) = root.manifest() else { return image(root) };
    let known = |child: &Descriptor| child.platform.as_ref().is_none_or(|platform| !platform.is_unknown());
    let here = Platform::of_this_machine();
    let mut children: Vec<&Descriptor> = index.manifests.iter().filter(|child| known(child)).collect();
    children.sort_by_key(|child| {
        !child.platform.as_ref().zip(here.as_ref()).is_some_and(|(offered, here)| here.accepts(offered))
    });
    children.into_iter().find_map(|child| manifests.get(&child.digest).and_then(image))
}
