//! An OCI image layout directory, `oci:DIR[:NAME|@DIGEST]` (image-spec image-layout.md).
//!
//! The name of an image is any text. It is compared with what `index.json` says, and is never part of a path.
//! Tags that a copy uses for what is attached (`sha256-HEX…`) keep their own names beside the image's.

mod push;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::selection::{Image, Selection};
use super::shelf::Shelf;
use crate::blobs::{self, BlobDirectory, Index, blocking, read_index, storage};
use crate::files::{self, Disk, LocalDisk};
use crate::image::{Descriptor, Digest, LayoutSelector};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Identity, Result};

/// A layout directory that an image is written into. Clones are the same.
#[derive(Clone)]
pub struct Layout {
    shared: Arc<Shared>,
}

struct Shared {
    place: Arc<Directory>,
    disk: Arc<dyn Disk>,
    /// The name that the image is written under.
    name: Option<String>,
    image: Selection,
}

/// The directory itself.
struct Directory {
    root: Box<Path>,
    blobs: BlobDirectory,
    identity: Identity,
}

impl Layout {
    /// Opens an image of a layout to read it.
    ///
    /// # Errors
    /// `NotFound` where there is no layout or no such image, `Conflict` where several images could be meant,
    /// `Corrupt` where `index.json` cannot be understood, `Storage`.
    pub async fn open_source(directory: &Path, selector: &LayoutSelector) -> Result<Selection> {
        let place = Arc::new(Directory::new(directory, Arc::new(LocalDisk)));
        let checked = Arc::clone(&place);
        blocking(move || blobs::check(&checked.root)).await?;
        Selection::open(place, selector.clone()).await
    }

    /// Opens a layout to write an image into it, under the name that `selector` holds. The directory is made at
    /// the first write where it is missing.
    ///
    /// # Errors
    /// `Conflict` where the directory holds something else, `Rejected` where a digest or a number stands for the
    /// name, `Storage`.
    pub async fn create_destination(directory: &Path, selector: &LayoutSelector, disk: Arc<dyn Disk>) -> Result<Self> {
        let name = super::name_to_write(selector, "a layout")?;
        let place = Arc::new(Directory::new(directory, Arc::clone(&disk)));
        let image = Selection::new(Arc::clone(&place) as Arc<dyn Shelf>, Image::Destination(name.clone()));
        let layout = Self { shared: Arc::new(Shared { place, disk, name, image }) };
        layout.with(|shared| shared.place.check_destination()).await?;
        Ok(layout)
    }

    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> Result<T> + Send + 'static) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        blocking(move || work(&shared)).await
    }
}

impl Directory {
    fn new(root: &Path, disk: Arc<dyn Disk>) -> Self {
        let place = format!("oci:{}", root.display());
        Self {
            root: root.into(),
            blobs: BlobDirectory::new(root, disk),
            identity: Identity { place, credential: None, local: true },
        }
    }

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
}

#[async_trait]
impl Shelf for Directory {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn shown(&self) -> String {
        self.root.display().to_string()
    }

    fn index(&self) -> Result<Arc<Index>> {
        read_index(&self.root).map(Arc::new)
    }

    fn document(&self, digest: &Digest) -> Result<Option<Bytes>> {
        self.blobs.document(digest)
    }

    async fn open(&self, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        self.blobs.open(blob, range).await
    }
}

#[cfg(test)]
mod tests;
