//! An OCI image layout directory, `oci:DIR[:NAME|@DIGEST]` (image-spec image-layout.md).
//!
//! The name of an image is any text. It is compared with what `index.json` says, and is never part of a path.
//! Tags that a copy uses for what is attached (`sha256-HEX…`) keep their own names beside the image's.

mod pull;
mod push;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::blobs::{self, BlobDirectory, Entry, Index, blocking, read_index, storage};
use crate::files::{self, Disk, LocalDisk};
use crate::image::{Algorithm, Descriptor, Digest, LayoutSelector, RawManifest, Selector, Tag};
use crate::registry::{Error, ErrorKind, Identity, Remedy, Result};

/// The most names of a layout that a message lists.
const SHOWN: usize = 10;

/// One image of a layout directory, to read or to write. Clones are the same.
#[derive(Clone)]
pub struct Layout {
    shared: Arc<Shared>,
}

struct Shared {
    root: Box<Path>,
    disk: Arc<dyn Disk>,
    blobs: BlobDirectory,
    identity: Identity,
    image: Image,
}

/// Which image this is about: what every tag means here that is not of an attached thing.
enum Image {
    /// One that is there.
    Source(LayoutSelector),
    /// One that is to be, under this name or none.
    Destination(Option<String>),
}

impl Layout {
    /// Opens an image of a layout to read it.
    ///
    /// # Errors
    /// `NotFound` where there is no layout or no such image, `Conflict` where several images could be meant,
    /// `Corrupt` where `index.json` cannot be understood, `Storage`.
    pub async fn open_source(directory: &Path, selector: &LayoutSelector) -> Result<Self> {
        let layout = Self::new(directory, Arc::new(LocalDisk), Image::Source(selector.clone()));
        layout
            .with(|shared| {
                blobs::check(&shared.root)?;
                shared.image()?.map(|_| ()).ok_or_else(|| shared.no_image())
            })
            .await?;
        Ok(layout)
    }

    /// Opens a layout to write an image into it, under the name that `selector` holds. The directory is made at
    /// the first write where it is missing.
    ///
    /// # Errors
    /// `Conflict` where the directory holds something else, `Rejected` where a digest stands for the name,
    /// `Storage`.
    pub async fn create_destination(directory: &Path, selector: &LayoutSelector, disk: Arc<dyn Disk>) -> Result<Self> {
        let name = match selector {
            LayoutSelector::Only => None,
            LayoutSelector::Name(name) => Some(name.clone()),
            LayoutSelector::Digest(digest) => {
                let message = format!("an image is written to a layout under a name, not under the digest {digest}");
                return Err(Error::new(ErrorKind::Rejected, message));
            }
        };
        let layout = Self::new(directory, disk, Image::Destination(name));
        layout.with(Shared::check_destination).await?;
        Ok(layout)
    }

    fn new(directory: &Path, disk: Arc<dyn Disk>, image: Image) -> Self {
        let place = format!("oci:{}", directory.display());
        let shared = Shared {
            root: directory.into(),
            blobs: BlobDirectory::new(directory, Arc::clone(&disk)),
            disk,
            identity: Identity { place, credential: None, local: true },
            image,
        };
        Self { shared: Arc::new(shared) }
    }

    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> Result<T> + Send + 'static) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        blocking(move || work(&shared)).await
    }
}

impl Shared {
    fn error(&self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, message).at(&self.identity.place)
    }

    fn check_destination(&self) -> Result<()> {
        if self.root.join("oci-layout").exists() {
            return blobs::check(&self.root);
        }
        if files::is_vacant(&self.root, &["blobs", "index.json", "uploads"]).map_err(storage)? {
            return Ok(());
        }
        let message = format!("{} is no OCI image layout, and is not empty", self.root.display());
        Err(self.error(ErrorKind::Conflict, message))
    }

    /// The manifest that a selector picks. A digest may be that of any manifest in the layout, listed or not.
    fn look_up(&self, selector: &Selector) -> Result<Option<Descriptor>> {
        match selector {
            Selector::Tag(tag) if is_of_attached(tag) => {
                let index = self.index()?;
                Ok(index.entries().iter().find(|entry| entry.goes_by(tag.as_str())).map(bare))
            }
            Selector::Tag(_) => self.image(),
            Selector::Digest(digest) => self.by_digest(&self.index()?, digest),
        }
    }

    /// The image that this is about.
    fn image(&self) -> Result<Option<Descriptor>> {
        let index = self.index()?;
        match &self.image {
            Image::Source(LayoutSelector::Only) => self.only(&index).map(Some),
            Image::Source(LayoutSelector::Digest(digest)) => self.by_digest(&index, digest),
            Image::Source(LayoutSelector::Name(name)) | Image::Destination(Some(name)) => {
                let found: Vec<&Entry> = index.entries().iter().filter(|entry| entry.goes_by(name)).collect();
                match one_of(&found) {
                    None if !found.is_empty() => {
                        let what = format!("{} images of the name `{}`", found.len(), name.escape_debug());
                        Err(self.several(&what, &found))
                    }
                    one => Ok(one),
                }
            }
            Image::Destination(None) => {
                Ok(index.entries().iter().find(|entry| entry.name().is_none() && self.is_image(entry)).map(bare))
            }
        }
    }

    /// The one image of the layout: the only entry, or the only image beside attached things, or the only one with a name.
    fn only(&self, index: &Index) -> Result<Descriptor> {
        let all: Vec<&Entry> = index.entries().iter().collect();
        if all.is_empty() {
            return Err(self.error(ErrorKind::NotFound, format!("{} holds no image", self.root.display())));
        }
        if let Some(one) = one_of(&all) {
            return Ok(one);
        }
        let images: Vec<&Entry> = all.into_iter().filter(|entry| self.is_image(entry)).collect();
        let named: Vec<&Entry> = images.iter().copied().filter(|entry| entry.name().is_some()).collect();
        one_of(&images)
            .or_else(|| one_of(&named))
            .ok_or_else(|| self.several(&format!("{} images", images.len()), &images))
    }

    /// Whether an entry is an image of its own, and not attached to another.
    fn is_image(&self, entry: &Entry) -> bool {
        let attached = entry.name().is_some_and(|name| name.parse().is_ok_and(|tag| is_of_attached(&tag)));
        !attached && self.read(entry.descriptor()).is_ok_and(|manifest| manifest.manifest().subject().is_none())
    }

    fn by_digest(&self, index: &Index, digest: &Digest) -> Result<Option<Descriptor>> {
        if let Some(entry) = index.of(digest).next() {
            return Ok(Some(bare(entry)));
        }
        let Some(bytes) = self.blobs.document(digest)? else { return Ok(None) };
        // Any blob may have been asked for; one that is no manifest is none that is there.
        Ok(RawManifest::parse(bytes, None, digest.algorithm()).ok().map(|manifest| manifest.descriptor()))
    }

    /// Reads and verifies a manifest.
    fn read(&self, described: &Descriptor) -> Result<RawManifest> {
        let digest = &described.digest;
        let bytes = self.blobs.document(digest)?.ok_or_else(|| {
            self.error(ErrorKind::NotFound, format!("{} lacks the manifest {digest}", self.root.display()))
        })?;
        if bytes.len() as u64 != described.size {
            let message = format!("the manifest {digest} has {} bytes, not {}", bytes.len(), described.size);
            return Err(self.error(ErrorKind::Corrupt, message));
        }
        RawManifest::parse(bytes, Some(&described.media_type), digest.algorithm()).map_err(|error| {
            self.error(ErrorKind::Corrupt, format!("the manifest {digest} cannot be used")).caused_by(error)
        })
    }

    /// What `index.json` says; nothing where a destination is not made yet.
    fn index(&self) -> Result<Index> {
        match (read_index(&self.root), &self.image) {
            (Err(error), Image::Destination(_)) if error.kind() == ErrorKind::NotFound => Ok(Index::default()),
            (read, _) => read,
        }
    }

    fn several(&self, what: &str, found: &[&Entry]) -> Error {
        let message = format!("{} holds {what}, and which of them is meant is not said", self.root.display());
        self.error(ErrorKind::Conflict, message).with_remedy(self.choices(found))
    }

    fn no_image(&self) -> Error {
        let wanted = match &self.image {
            Image::Source(LayoutSelector::Name(name)) | Image::Destination(Some(name)) => {
                format!("image `{}`", name.escape_debug())
            }
            Image::Source(LayoutSelector::Digest(digest)) => format!("manifest {digest}"),
            Image::Source(LayoutSelector::Only) | Image::Destination(None) => "image without a name".to_owned(),
        };
        let error = self.error(ErrorKind::NotFound, format!("{} holds no {wanted}", self.root.display()));
        match self.index() {
            Ok(index) if !index.entries().is_empty() => {
                let images: Vec<&Entry> = index.entries().iter().filter(|entry| self.is_image(entry)).collect();
                error.with_remedy(self.choices(&images))
            }
            _ => error,
        }
    }

    /// Says how the images that are there are named.
    fn choices(&self, found: &[&Entry]) -> Remedy {
        let root = self.root.display();
        let written = |entry: &&Entry| match entry.name() {
            Some(name) => format!("`oci:{root}:{}`", name.escape_debug()),
            None => format!("`oci:{root}@{}`", entry.descriptor().digest),
        };
        let names: BTreeSet<String> = found.iter().map(written).collect();
        let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
        let shown: Vec<String> = names.into_iter().take(SHOWN).collect();
        Remedy::Other(format!("it holds {}{more}", shown.join(", ")))
    }
}

/// Whether a tag is one of those under which things are attached to an image: `sha256-HEX`, `sha256-HEX.sig`, ….
fn is_of_attached(tag: &Tag) -> bool {
    [Algorithm::Sha256, Algorithm::Sha512].into_iter().any(|algorithm| {
        let hex = tag.as_str().strip_prefix(algorithm.word()).and_then(|rest| rest.strip_prefix('-'));
        hex.and_then(|hex| hex.split('.').next()).is_some_and(|hex| {
            // A tag is too short for a whole SHA-512, which is cut then.
            hex.len() >= 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    })
}

/// The one manifest that all of these entries name.
fn one_of(entries: &[&Entry]) -> Option<Descriptor> {
    let (first, others) = entries.split_first()?;
    let same = |other: &&Entry| other.descriptor().digest == first.descriptor().digest;
    others.iter().all(same).then(|| bare(first))
}

/// The manifest of an entry without the notes on it.
fn bare(entry: &Entry) -> Descriptor {
    let descriptor = entry.descriptor();
    Descriptor::new(descriptor.media_type.clone(), descriptor.digest.clone(), descriptor.size)
}

#[cfg(test)]
mod tests;
