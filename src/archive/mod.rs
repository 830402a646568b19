//! Images in files that are handed from one to another: the OCI image layout directory, archives of it and of
//! docker's own form, and skopeo's plain directory.
//!
//! Each form implements the contract for one image, whose name is bound when it is opened; repositories mean
//! nothing here. Nothing here knows registries or the network. `session` opens archives.
//!
//! * `shelf` is what all forms are when they are read, `selection` picks one image of a shelf
//! * `layout` and `directory` are directories, `packed` reads tars, `pack` writes them, `tar` knows their headers

mod directory;
mod layout;
mod pack;
mod packed;
mod selection;
mod shelf;
mod tar;

pub use directory::PlainDirectory;
pub use layout::Layout;
pub use pack::{Ending, Pack, PackedImage};
pub use packed::{Archive, Listed};
pub use selection::Selection;

use crate::image::{Descriptor, Digest, LayoutSelector, RawManifest};
use crate::registry::{Error, ErrorKind, Result};

/// The name that an image is written under, where `selector` says one; `what` names the place.
///
/// # Errors
/// `Rejected` where it says a digest or a number.
fn name_to_write(selector: &LayoutSelector, what: &str) -> Result<Option<String>> {
    match selector {
        LayoutSelector::Only => Ok(None),
        LayoutSelector::Name(name) => Ok(Some(name.clone())),
        LayoutSelector::Digest(digest) => {
            let message = format!("an image is written to {what} under a name, not under the digest {digest}");
            Err(Error::new(ErrorKind::Rejected, message))
        }
        LayoutSelector::Number(number) => {
            let message = format!("an image is written to {what} under a name, not under the number {number}");
            Err(Error::new(ErrorKind::Rejected, message))
        }
    }
}

/// Sees to it that a place, which is shown as `shown`, has everything that a manifest names; foreign layers are
/// nobody's to have.
///
/// # Errors
/// `MissingBlobs`, and what `has` meets.
fn require_content(manifest: &RawManifest, shown: &str, has: impl Fn(&Descriptor) -> Result<bool>) -> Result<()> {
    let view = manifest.manifest();
    let mut missing: Vec<Digest> = Vec::new();
    for content in view.blobs().filter(|blob| !blob.is_foreign()).chain(view.children()) {
        if !has(content)? {
            missing.push(content.digest.clone());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("{shown} lacks content that the manifest {} names", manifest.digest());
    Err(Error::new(ErrorKind::MissingBlobs, message).with_missing(missing))
}
