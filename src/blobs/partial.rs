//! Blobs that did not come to their end: what of them waits in `uploads/` for the next process.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{BlobDirectory, storage};
use crate::files::KeptFile;
use crate::image::Digest;
use crate::registry::Result;

/// The beginning of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialBlob {
    /// The digest that the whole is to have.
    pub digest: Digest,
    /// How many bytes are there.
    pub bytes: u64,
    /// When the last of them came.
    pub modified: Timestamp,
    /// Whether a process writes it now.
    pub in_use: bool,
}

impl BlobDirectory {
    /// The blobs that did not come to their end, those that were written last at the end. Blocks the thread.
    ///
    /// # Errors
    /// `Storage`.
    pub fn partial_blobs(&self) -> Result<Vec<PartialBlob>> {
        let files = KeptFile::list(&self.root.join("uploads")).map_err(storage)?;
        Ok(files.iter().filter_map(describe).collect())
    }

    /// Removes those that no process writes and that are at least so old, and says what that was. Blocks the thread.
    ///
    /// # Errors
    /// `Storage`.
    pub fn clean_partial_blobs(&self, older_than: Duration) -> Result<Vec<PartialBlob>> {
        KeptFile::clean(&*self.disk, &self.root.join("uploads"), older_than, describe).map_err(storage)
    }
}

fn describe(file: &KeptFile) -> Option<PartialBlob> {
    // A second file of the same blob has one word more.
    let name = file.name().split('.').next()?;
    let digest = name.replacen('-', ":", 1).parse().ok()?;
    let modified = Timestamp::try_from(file.modified).ok()?;
    Some(PartialBlob { digest, bytes: file.length, modified, in_use: file.is_claimed() })
}
