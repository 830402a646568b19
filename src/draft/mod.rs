//! Images that are being made: new documents and blobs over what is somewhere already.
//!
//! A draft is a place of the contract like any other, to be read from: what is new is in memory or in files of this
//! computer, everything else stays where it was until a transfer takes it along. So making an image is a copy whose
//! source is a draft. Nothing here decides what an image is to consist of; commands do.

mod change;
mod config;
mod family;
mod pack;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;

pub use change::{Change, ChangeError, command};
pub use config::{ConfigDraft, ConfigDraftError, Step};
pub use family::{Family, Parts, index_of, manifest_of, packed_with};
pub use pack::{Digesting, PackError, Packed, digest_of, pack};

use crate::files::Scratch;
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Identity, ImageSource, Referrers, Result};
use crate::transfer::{Destination, Source};

/// How much of a file is read at once.
const PIECE: u64 = 512 * 1024;

/// An image that is being made.
pub struct Draft {
    identity: Identity,
    base: Option<Source>,
    manifests: HashMap<Digest, RawManifest>,
    blobs: HashMap<Digest, Blob>,
    root: Option<Digest>,
}

/// Where a blob of a draft is.
#[derive(Clone)]
pub enum Blob {
    /// In memory.
    Bytes(Bytes),
    /// In a file without a name, which has so many bytes.
    Scratch(Arc<Scratch>, u64),
    /// In a file of the user.
    File(PathBuf),
    /// At another place.
    Elsewhere(Source),
}

impl Draft {
    /// A draft of nothing.
    #[must_use]
    pub fn new() -> Self {
        let identity = Identity { place: "what is being made".to_owned(), credential: None, local: true };
        Self { identity, base: None, manifests: HashMap::new(), blobs: HashMap::new(), root: None }
    }

    /// A draft over an image: what the draft itself does not have is there.
    #[must_use]
    pub fn over(base: &Source) -> Self {
        Self { base: Some(base.clone()), ..Self::new() }
    }

    /// Adds a blob.
    pub fn add_blob(&mut self, digest: Digest, blob: Blob) {
        self.blobs.insert(digest, blob);
    }

    /// Adds a manifest; the last one is the image.
    pub fn add_manifest(&mut self, manifest: RawManifest) {
        self.root = Some(manifest.digest().clone());
        self.manifests.insert(manifest.digest().clone(), manifest);
    }

    /// The draft as something to copy to a destination.
    ///
    /// Where the base is in another repository of the same registry, the draft goes by that one's identity, so that
    /// blobs are mounted from there.
    ///
    #[must_use]
    pub fn into_source(mut self, destination: &Destination, shown: &str) -> Source {
        let mut repository = destination.repository.clone();
        if let Some(base) = &self.base {
            let identity = base.registry.identity();
            self.identity.local = identity.local;
            if identity == destination.registry.identity() && base.repository != destination.repository {
                self.identity = identity.clone();
                repository = base.repository.clone();
            }
        }
        let selector = match &self.root {
            Some(root) => Selector::Digest(root.clone()),
            None => Selector::Digest(Digest::of(b"")),
        };
        Source { registry: Arc::new(self), repository, selector, shown: shown.to_owned() }
    }

    fn absent(&self, what: &dyn std::fmt::Display) -> Error {
        Error::new(ErrorKind::NotFound, format!("{what} is not part of it")).at(&self.identity.place)
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl ImageSource for Draft {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        match self.manifest(repository, selector).await {
            Ok(manifest) => Ok(Some(manifest.descriptor())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn manifest(&self, _: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        let digest = match (selector, &self.root) {
            (Selector::Digest(digest), _) | (Selector::Tag(_), Some(digest)) => digest,
            (Selector::Tag(tag), None) => return Err(self.absent(tag)),
        };
        match (self.manifests.get(digest), &self.base) {
            (Some(manifest), _) => Ok(manifest.clone()),
            (None, Some(base)) => base.registry.manifest(&base.repository, &Selector::Digest(digest.clone())).await,
            (None, None) => Err(self.absent(digest)),
        }
    }

    async fn blob(&self, _: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        match (self.blobs.get(&blob.digest), &self.base) {
            (Some(Blob::Bytes(bytes)), _) => {
                let from = usize::try_from(range.from).unwrap_or(usize::MAX).min(bytes.len());
                Ok(BlobReader::of(range.from, bytes.slice(from..)))
            }
            (Some(Blob::Scratch(scratch, length)), _) => Ok(read_scratch(Arc::clone(scratch), *length, range.from)),
            (Some(Blob::File(path)), _) => read_file(path.clone(), range.from).await,
            (Some(Blob::Elsewhere(source)), _) | (None, Some(source)) => {
                source.registry.blob(&source.repository, blob, range).await
            }
            (None, None) => Err(self.absent(&blob.digest)),
        }
    }

    async fn referrers(&self, _: &RepositoryName, _: &Digest, _: Option<&str>) -> Result<Referrers> {
        Ok(Referrers::default())
    }
}

fn storage(error: &io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("what is being made cannot be read: {error}"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| storage(&error))
}

fn read_scratch(scratch: Arc<Scratch>, length: u64, from: u64) -> BlobReader {
    let pieces = stream::try_unfold((scratch, from), move |(scratch, position)| async move {
        let count = length.saturating_sub(position).min(PIECE);
        if count == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; usize::try_from(count).unwrap_or_default()];
        let (scratch, piece) = blocking(move || {
            scratch.read_at(position, &mut piece)?;
            Ok((scratch, piece))
        })
        .await?;
        Ok(Some((Bytes::from(piece), (scratch, position + count))))
    });
    BlobReader::new(from, pieces)
}

async fn read_file(path: PathBuf, from: u64) -> Result<BlobReader> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let file = blocking(move || {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(file)
    })
    .await?;
    let pieces = stream::try_unfold(file, |mut file| async move {
        let (piece, file) = blocking(move || {
            let mut piece = Vec::new();
            file.by_ref().take(PIECE).read_to_end(&mut piece)?;
            Ok((piece, file))
        })
        .await?;
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
    });
    Ok(BlobReader::new(from, pieces))
}
