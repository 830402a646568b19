//! All journals of a user together: what they are about, and that they do not become too many.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::page::Page;
use super::{Journals, Key, MAX_BYTES};
use crate::files::{self, FileError, KeptFile};
use crate::image::Digest;

/// How many are kept; the oldest go.
const MOST: usize = 100;
/// How many bytes all of them may have.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// How long one is kept. Registries forget uploads after about as long.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// A transfer that did not come to its end, and what is kept of it for the next run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptTransfer {
    /// The source, as it was named.
    pub source: String,
    /// The destination, as it was named.
    pub destination: String,
    /// The digest of the image.
    pub digest: Digest,
    /// How many bytes of it are under way to the destination and need not be read again, as far as is known here.
    pub bytes: u64,
    /// When it last got on.
    pub modified: Timestamp,
    /// Whether a process is at it now.
    pub in_use: bool,
}

impl Journals {
    /// The transfers that are kept, those that got on last at the end. Blocks the thread.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn list(&self) -> Result<Vec<KeptTransfer>, FileError> {
        Ok(KeptFile::list(&self.directory)?.iter().filter_map(describe).collect())
    }

    /// Removes what no process uses and is at least so old, and says what that was. Blocks the thread.
    ///
    /// # Errors
    /// The directory cannot be listed, or a file not be removed.
    pub fn clean(&self, older_than: Duration) -> Result<Vec<KeptTransfer>, FileError> {
        KeptFile::clean(&*self.disk, &self.directory, older_than, describe)
    }

    /// Makes room for one more: removes what is too old, and of too many the oldest.
    pub(super) fn tidy(&self) {
        let files = KeptFile::list(&self.directory).unwrap_or_default();
        let mut surplus = (files.len() + 1).saturating_sub(MOST);
        let mut bytes: u64 = files.iter().map(|file| file.length).sum();
        for file in files {
            let goes = file.age() > LONGEST || surplus > 0 || bytes > MOST_BYTES;
            // One that stays, because a process is at it or the disk fails, is met again the next time.
            if goes && file.remove(&*self.disk).is_ok_and(|gone| gone) {
                surplus = surplus.saturating_sub(1);
                bytes -= file.length;
            }
        }
    }
}

/// What a journal says; `None` where it cannot be understood.
fn describe(file: &KeptFile) -> Option<KeptTransfer> {
    let page = Page::of_file(&files::read_regular(&file.path, MAX_BYTES).ok()??)?;
    let modified = Timestamp::try_from(file.modified).ok()?;
    let bytes = page.bytes();
    let Key { source, destination, digest } = page.key;
    Some(KeptTransfer { source, destination, digest, bytes, modified, in_use: file.is_claimed() })
}
