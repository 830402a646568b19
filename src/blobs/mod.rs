//! Content on this computer's disk, as an OCI image layout keeps it (image-spec image-layout.md): files that are
//! named by their digest, and the `index.json` that names images among them.
//!
//! The one place where blob files are read and written. The store and the archives in directories use it; what belongs to
//! which repository is the store's business, which image is meant is the archive's.

mod batches;
mod contents;
mod incoming;
mod index;
mod partial;
mod read;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::failure::Failure;
use crate::files::{self, Disk, FileError, LockError};
use crate::image::{Descriptor, Digest, MAX_MANIFEST_BYTES};
use crate::registry::{Error, ErrorKind, Remedy, Result};

pub use batches::{Batches, Sink};
pub use contents::{Content, Judged};
pub use incoming::{Incoming, Inflow, RestingUpload};
pub use index::{
    CONTAINERD_NAME, Entry, Index, LAYOUT_VERSION, MAX_INDEX_BYTES, MAX_MARKER_BYTES, REF_NAME, check, check_marker,
    prepare, read_index, update_index,
};
pub use partial::PartialBlob;
pub use read::read_ahead;
pub use write::{BlobBegun, BlobWrite};

/// The directory `blobs` of a layout, and `uploads` beside it for what is on its way there.
///
/// Methods block the thread unless they are async.
#[derive(Clone)]
pub struct BlobDirectory {
    root: Arc<Path>,
    names: Names,
    disk: Arc<dyn Disk>,
    resting: Arc<incoming::Resting>,
}

/// How the files of blobs are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// `blobs/ALGORITHM/HEX`, as in a layout.
    Layout,
    /// `HEX`, as in a plain directory.
    Flat,
}

impl BlobDirectory {
    /// The blobs of the layout at `root`, whether or not anything is there yet.
    #[must_use]
    pub fn new(root: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { root: root.into(), names: Names::Layout, disk, resting: Arc::default() }
    }

    /// The blobs that lie in `root` itself, each named by the hex of its digest.
    #[must_use]
    pub fn flat(root: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { names: Names::Flat, ..Self::new(root, disk) }
    }

    /// The file of a blob. A digest is safe in a path, because its type holds nothing else than hex.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        match self.names {
            Names::Layout => self.root.join("blobs").join(digest.algorithm().word()).join(digest.hex()),
            Names::Flat => self.root.join(digest.hex()),
        }
    }

    /// Whether a file of the right length has the blob's name. Whether its content is right is not looked at.
    ///
    /// # Errors
    /// `Storage` where something else than a file has the name, or it cannot be opened.
    pub fn has(&self, blob: &Descriptor) -> Result<bool> {
        Ok(self.length(&blob.digest)? == Some(blob.size))
    }

    /// The length of the file that has the blob's name; `None` where there is none.
    ///
    /// # Errors
    /// `Storage` where something else than a file has the name, or it cannot be opened.
    pub fn length(&self, digest: &Digest) -> Result<Option<u64>> {
        let opened = files::open_regular(&self.path(digest)).map_err(storage)?;
        Ok(opened.map(|(_, length)| length))
    }

    /// Reads a blob of at most [`MAX_MANIFEST_BYTES`] whole and verifies it; `None` where it is not there.
    ///
    /// # Errors
    /// `Corrupt` where the content has another digest; `Storage` where it cannot be read.
    pub fn document(&self, digest: &Digest) -> Result<Option<Bytes>> {
        let path = self.path(digest);
        let Some(bytes) = files::read_regular(&path, MAX_MANIFEST_BYTES as u64).map_err(storage)? else {
            return Ok(None);
        };
        let found = digest.algorithm().digest(&bytes);
        if found == *digest {
            return Ok(Some(bytes.into()));
        }
        let message = format!("digest mismatch: {} holds {found}", path.display());
        Err(Error::new(ErrorKind::Corrupt, message))
    }

    /// Keeps a small blob. `digest` is the one of `bytes`.
    ///
    /// # Errors
    /// `Storage`.
    pub fn put_document(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        // What is damaged is replaced, as what is missing.
        if matches!(self.document(digest), Ok(Some(_))) {
            return self.sync(digest);
        }
        files::write_atomically(&*self.disk, &self.path(digest), bytes, files::Access::Shared).map_err(storage)
    }

    /// Makes sure that the name of a blob that is there is durable, whoever put it there.
    ///
    /// # Errors
    /// `Storage`.
    pub fn sync(&self, digest: &Digest) -> Result<()> {
        let path = self.path(digest);
        let directory = path.parent().unwrap_or(&self.root);
        self.disk.sync_directory(directory).map_err(|error| storage(FileError::new("sync", directory, error)))
    }
}

/// Runs work that waits for the disk where it holds up nothing else.
///
/// # Errors
/// Those of `work`.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

fn lost(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Storage, "work on the disk was abandoned").caused_by(error)
}

/// The contract's error for a file operation that failed: `Corrupt` where a link, a pipe or too long a file stands
/// in the place of content, else `Storage`.
#[must_use]
pub fn storage(error: FileError) -> Error {
    let kind = match error.source.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge if error.doing == "read" => ErrorKind::Corrupt,
        _ => ErrorKind::Storage,
    };
    let mut failed = Error::new(kind, error.to_string());
    for hint in error.hints() {
        failed = failed.with_remedy(Remedy::Other(hint));
    }
    failed.caused_by(error.source)
}

/// The contract's error for a lock that was not taken.
#[must_use]
pub fn not_locked(error: LockError) -> Error {
    match error {
        LockError::File(error) => storage(error),
        LockError::Held { .. } => {
            let mut failed = Error::new(ErrorKind::Storage, error.to_string());
            for hint in error.hints() {
                failed = failed.with_remedy(Remedy::Other(hint));
            }
            failed
        }
    }
}

#[cfg(test)]
mod tests;
