//! One image in a plain directory, `dir:DIR`, as skopeo writes it (containers/image `directory`).
//!
//! `manifest.json` is the manifest, each blob a file that is named by the hex of its digest, and each further manifest
//! `HEX.manifest.json`. What refers to the image lies among those. There is no place for the names of tags.

mod push;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::selection::{Image, Selection};
use super::shelf::Shelf;
use crate::blobs::{BlobDirectory, Index, blocking, storage};
use crate::files::{self, Disk, FileError, LocalDisk};
use crate::image::{Algorithm, Descriptor, Digest, MAX_MANIFEST_BYTES, RawManifest};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Identity, Result};

/// The file that says what the directory is.
const VERSION: &str = "version";
/// How its text begins.
const VERSION_BEGINS: &str = "Directory Transport Version: 1.";
/// How a manifest is called that is not the image's own.
const MANIFEST_ENDS: &str = ".manifest.json";
/// The image's own manifest.
const MANIFEST: &str = "manifest.json";
/// The most manifests that are looked for beside it.
const MAX_MANIFESTS: usize = 10_000;

/// A plain directory that an image is written into. Clones are the same.
#[derive(Clone)]
pub struct PlainDirectory {
    shared: Arc<Shared>,
}

struct Shared {
    place: Arc<Plain>,
    disk: Arc<dyn Disk>,
    image: Selection,
    /// The files that this image needs.
    needed: Mutex<HashSet<String>>,
}

/// The directory itself.
struct Plain {
    root: Box<Path>,
    blobs: BlobDirectory,
    identity: Identity,
}

impl PlainDirectory {
    /// Opens the image of a directory to read it.
    ///
    /// # Errors
    /// `NotFound` where there is none, `Corrupt` where its manifest cannot be understood, `Storage`.
    pub async fn open_source(directory: &Path) -> Result<Selection> {
        let place = Arc::new(Plain::new(directory, Arc::new(LocalDisk)));
        let selection = Selection::new(Arc::clone(&place) as Arc<dyn Shelf>, Image::First);
        blocking(move || place.index().map(drop)).await?;
        Ok(selection)
    }

    /// Opens a directory to write an image into it, in place of what is there. It is made at the first write where it
    /// is missing.
    ///
    /// # Errors
    /// `Conflict` where it holds something else, `Storage`.
    pub async fn create_destination(directory: &Path, disk: Arc<dyn Disk>) -> Result<Self> {
        let place = Arc::new(Plain::new(directory, Arc::clone(&disk)));
        let checked = Arc::clone(&place);
        blocking(move || checked.check_destination()).await?;
        let image = Selection::new(Arc::clone(&place) as Arc<dyn Shelf>, Image::First);
        Ok(Self { shared: Arc::new(Shared { place, disk, image, needed: Mutex::default() }) })
    }

    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> Result<T> + Send + 'static) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        blocking(move || work(&shared)).await
    }
}

impl Plain {
    fn new(root: &Path, disk: Arc<dyn Disk>) -> Self {
        let place = format!("dir:{}", root.display());
        Self {
            root: root.into(),
            blobs: BlobDirectory::flat(root, disk),
            identity: Identity { place, credential: None, local: true },
        }
    }

    fn error(&self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, message).at(&self.identity.place)
    }

    fn check_destination(&self) -> Result<()> {
        let version = files::read_regular(&self.root.join(VERSION), 256).map_err(storage)?;
        let ours = version.is_some_and(|text| text.starts_with(VERSION_BEGINS.as_bytes()));
        if ours || files::is_vacant(&self.root, &["uploads"]).map_err(storage)? {
            return Ok(());
        }
        let message =
            format!("{} is no directory of an image as skopeo writes it, and is not empty", self.root.display());
        Err(self.error(ErrorKind::Conflict, message))
    }

    /// Reads a manifest from a file; `None` where there is none.
    fn manifest_in(&self, file: &str) -> Result<Option<RawManifest>> {
        let path = self.root.join(file);
        let Some(bytes) = files::read_regular(&path, MAX_MANIFEST_BYTES as u64).map_err(storage)? else {
            return Ok(None);
        };
        RawManifest::parse(bytes.into(), None, Algorithm::Sha256).map(Some).map_err(|error| {
            self.error(ErrorKind::Corrupt, format!("{} cannot be used", path.display())).caused_by(error)
        })
    }

    /// The digests of the manifests that lie beside the image's own, in order.
    fn others(&self) -> Result<Vec<String>> {
        let entries = self.root.read_dir().map_err(|error| storage(FileError::new("list", &*self.root, error)))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<String> = names.filter(|name| name.ends_with(MANIFEST_ENDS)).take(MAX_MANIFESTS).collect();
        found.sort();
        Ok(found)
    }
}

#[async_trait]
impl Shelf for Plain {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn shown(&self) -> String {
        self.root.display().to_string()
    }

    /// The image, and what refers to something.
    fn index(&self) -> Result<Arc<Index>> {
        let Some(image) = self.manifest_in(MANIFEST)? else {
            let message = format!("{} holds no image as skopeo writes it: there is no {MANIFEST}", self.root.display());
            return Err(self.error(ErrorKind::NotFound, message));
        };
        let mut index = Index::default();
        index.put(None, &image.descriptor())?;
        for name in self.others()? {
            // What cannot be read is not known to refer to anything; whoever reads it by name hears why.
            let Ok(Some(other)) = self.manifest_in(&name) else { continue };
            if other.manifest().subject().is_some() {
                index.put(None, &other.descriptor())?;
            }
        }
        Ok(Arc::new(index))
    }

    fn document(&self, digest: &Digest) -> Result<Option<Bytes>> {
        for file in [MANIFEST.to_owned(), other_name(digest)] {
            let read = files::read_regular(&self.root.join(file), MAX_MANIFEST_BYTES as u64).map_err(storage)?;
            if let Some(bytes) = read
                && digest.algorithm().digest(&bytes) == *digest
            {
                return Ok(Some(bytes.into()));
            }
        }
        self.blobs.document(digest)
    }

    async fn open(&self, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        self.blobs.open(blob, range).await
    }
}

/// The file of a manifest that is not the image's own.
fn other_name(digest: &Digest) -> String {
    format!("{}{MANIFEST_ENDS}", digest.hex())
}
