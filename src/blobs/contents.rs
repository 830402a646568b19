//! The content of a layout as files, for upkeep: what is there, whether it is whole, and its end.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::{BlobDirectory, storage};
use crate::files::{self, FileError, KeptFile};
use crate::image::{Algorithm, Digest};
use crate::registry::Result;

/// The directory for content that is not what its name says.
const ASIDE: &str = "damaged";

/// A file of content.
#[derive(Clone, Debug)]
pub struct Content {
    /// What it goes by.
    pub digest: Digest,
    /// Its bytes.
    pub length: u64,
    /// Its time.
    pub modified: SystemTime,
}

/// What came of reading content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is not there.
    Absent,
    /// It is what its name says.
    Whole,
    /// It is something else.
    Damaged,
}

impl BlobDirectory {
    /// Everything that is there. Files whose names are no digests are passed over.
    ///
    /// # Errors
    /// `Storage`.
    pub fn contents(&self) -> Result<Vec<Content>> {
        let mut found = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let directory = self.root.join("blobs").join(algorithm.word());
            for file in KeptFile::list(&directory).map_err(storage)? {
                if let Ok(digest) = format!("{}:{}", algorithm.word(), file.name()).parse() {
                    found.push(Content { digest, length: file.length, modified: file.modified });
                }
            }
        }
        Ok(found)
    }

    /// The lengths of what is on its way.
    ///
    /// # Errors
    /// `Storage`.
    pub fn uploads(&self) -> Result<Vec<u64>> {
        let files = KeptFile::list(&self.root.join("uploads")).map_err(storage)?;
        Ok(files.iter().filter(|file| !has_ending(&file.path, "json")).map(|file| file.length).collect())
    }

    /// Moves content to a place of its own, where it is kept for whoever wants to look into it.
    ///
    /// # Errors
    /// `Storage`.
    pub fn set_aside(&self, digest: &Digest) -> Result<()> {
        let (from, aside) = (self.path(digest), self.root.join(ASIDE));
        files::create_directories(&*self.disk, &aside).map_err(storage)?;
        let to = aside.join(format!("{}-{}", digest.algorithm().word(), digest.hex()));
        self.disk.rename(&from, &to).map_err(|error| storage(FileError::new("move", &from, error)))?;
        self.sync(digest)
    }

    /// Removes content, and says whether it was there. Not made durable: what comes back goes the next time.
    ///
    /// # Errors
    /// `Storage`.
    pub fn remove(&self, digest: &Digest) -> Result<bool> {
        let path = self.path(digest);
        match self.disk.remove(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(storage(FileError::new("remove", path, error))),
        }
    }
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found == ending)
}
