//! Durable local state: atomic writes, locks, and where things are kept on each platform.
//!
//! Everything that tranship keeps (configuration, vault file, kept tokens, store, journal) is written through
//! [`Disk`], so that a test can make the Nth call fail. Nothing here knows what it keeps. The configuration,
//! the credentials, the client's memory, the store and archives use it.

mod atomic;
mod disk;
#[cfg(test)]
mod faulty;
#[cfg(test)]
mod forgetful;
mod gate;
mod held;
mod kept;
mod lock;
mod places;
mod read;
mod replacement;
mod scratch;

pub use atomic::{Access, create_directories, unused_word, write_atomically};
pub use disk::{Disk, DiskFile, LocalDisk};
#[cfg(test)]
pub(crate) use faulty::{Failing, FaultyDisk};
#[cfg(test)]
pub(crate) use forgetful::ForgetfulDisk;
pub use gate::{Closed, Gate, Passage};
pub use kept::KeptFile;
pub use lock::{Claim, Lock, LockError, Sharing};
pub use places::{Places, PlacesError};
pub use read::{is_vacant, open_regular, read_following_links, read_regular};
pub use replacement::Replacement;
pub use scratch::Scratch;

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, FailureKind};

/// A file operation that failed, with the path that it was about.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct FileError {
    /// What was tried: `write`, `read`, `lock`, …
    pub doing: &'static str,
    /// The path.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// Says what was tried on which path.
    #[must_use]
    pub fn new(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { doing, path: path.into(), source }
    }

    /// Something was to be read, and there is no such file.
    #[must_use]
    pub fn absent(doing: &'static str, path: impl Into<PathBuf>) -> Self {
        Self::new(doing, path, io::Error::new(io::ErrorKind::NotFound, "there is no such file"))
    }

    /// For `map_err`: says what was tried on which path.
    pub fn of(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { doing, path, source }
    }

    /// Whether the file system is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl Failure for FileError {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                vec![format!("free some space for {}", self.path.display())]
            }
            io::ErrorKind::PermissionDenied => {
                vec![format!("check who owns {} and who may write there", self.path.display())]
            }
            _ => Vec::new(),
        }
    }
}
