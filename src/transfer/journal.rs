//! What an interrupted transfer leaves for the next run: per blob the upload session at the destination, and how far
//! and with which hash its content was read.
//!
//! One file per source, destination and digest, in lines of JSON that are only ever added, for its owner alone.
//! Whoever writes it has claimed it; another process with the same transfer works without. It is made with the first
//! line, and removed when the transfer is done. **All of it is hints**: the destination is asked before a session is
//! gone on with, and content whose hash comes out wrong travels again from its beginning. So no write is synced, a
//! line that cannot be read is passed over, and a disk that fails ends the journal and nothing else.
//!
//! A `track` opens one, a `delivery` fills it; the command `transfers` lists and removes them. What is kept of all of them is bounded in number,
//! bytes and age (`kept`).

mod kept;
mod page;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::delivery::{Left, Record};
use crate::files::{self, Access, Claim, Disk, DiskFile, FileError};
use crate::image::{Descriptor, Digest};
use crate::registry::{UploadState, Verifier};
pub use kept::KeptTransfer;
use page::{Line, Page};

/// The smallest blob that is worth a line: of a smaller one little more is lost than what may be lost anyway.
pub(super) const WORTH_KEEPING: u64 = 8 * 1024 * 1024;
/// How long a journal may grow before it is written anew with what of it still counts.
const COMPACT: u64 = 2 * 1024 * 1024;
/// The longest journal that is read.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Which transfer a journal is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    /// The source, as it is shown.
    pub(super) source: String,
    /// The destination, as it is shown.
    pub(super) destination: String,
    /// The digest of the image.
    pub(super) digest: Digest,
}

impl Key {
    fn file(&self) -> String {
        let words = format!("{}\n{}\n{}", self.source, self.destination, self.digest);
        format!("{}.jsonl", Digest::of(words.as_bytes()).hex())
    }
}

/// The directory of all journals of a user.
#[derive(Clone)]
pub struct Journals {
    directory: Arc<Path>,
    disk: Arc<dyn Disk>,
}

impl Journals {
    /// The journals in `directory`, whether or not it is there yet.
    #[must_use]
    pub fn new(directory: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { directory: directory.into(), disk }
    }

    /// The journal of a transfer, with what an earlier run left in it; `None` where it cannot be opened.
    pub(super) async fn open(&self, key: Key) -> Option<Journal> {
        let journals = self.clone();
        tokio::task::spawn_blocking(move || journals.take_up(key)).await.ok()
    }

    fn take_up(&self, key: Key) -> Journal {
        let path = self.directory.join(key.file());
        let mut inner = Inner { journals: self.clone(), path, page: Page::new(key), way: Way::Unmade };
        if inner.path.exists() {
            inner.take_up();
        }
        Journal(Mutex::new(inner))
    }
}

/// The journal of one transfer. Methods block the thread for the time of a short write.
pub(super) struct Journal(Mutex<Inner>);

struct Inner {
    journals: Journals,
    path: PathBuf,
    page: Page,
    way: Way,
}

/// How the journal is kept.
enum Way {
    /// It has no line yet.
    Unmade,
    /// In a file of so many bytes; it is written anew when it is longer than the second number.
    Made { file: Box<dyn DiskFile>, length: u64, at_most: u64, _claim: Claim },
    /// Not: another process has it, or the disk failed.
    Without,
}

impl Journal {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the journal of a transfer that is done; nothing is noted any more.
    pub(super) fn finish(&self) {
        let mut inner = self.inner();
        if let Way::Made { file, _claim, .. } = std::mem::replace(&mut inner.way, Way::Without) {
            drop(file);
            // What stays is found to be of no use by the next run, or is too old one day.
            let _ = inner.journals.disk.remove(&inner.path);
        }
    }
}

impl Record for Journal {
    fn left(&self, blob: &Descriptor) -> Left {
        self.inner().page.left_of(blob)
    }

    fn began(&self, blob: &Descriptor, upload: &UploadState) {
        self.inner().note(Line::Upload { blob: blob.digest.clone(), size: blob.size, upload: upload.clone() });
    }

    /// Only of a blob whose upload was noted.
    fn passed(&self, _: &Descriptor, state: &Verifier) {
        self.inner().note(Line::Read(state.checkpoint()));
    }

    fn over(&self, blob: &Descriptor) {
        self.inner().note(Line::Over(blob.digest.clone()));
    }
}

impl Inner {
    /// Adds a line, if it says something new.
    fn note(&mut self, line: Line) {
        let Some(line) = self.page.add(line) else { return };
        if matches!(self.way, Way::Unmade) {
            self.make();
            return;
        }
        let text = line.text();
        let Way::Made { file, length, at_most, .. } = &mut self.way else { return };
        *length += text.len() as u64;
        if *length > *at_most {
            self.compact();
        } else if let Err(error) = file.write(text.as_bytes()) {
            self.stop(&FileError::new("write", &*self.path, error));
        }
    }

    /// Goes on with the file that an earlier run left.
    fn take_up(&mut self) {
        let Some(claim) = self.claim() else { return };
        match files::read_regular(&self.path, MAX_BYTES) {
            Ok(bytes) => self.page.read(&bytes.unwrap_or_default()),
            // It is made anew below, without what it said.
            Err(error) => tracing::debug!(%error, "an unreadable journal is begun anew"),
        }
        self.write_anew(claim);
    }

    fn make(&mut self) {
        let Some(claim) = self.claim() else { return };
        self.journals.tidy();
        // Where another process made one since this one looked, these lines begin behind its last.
        let text = format!("\n{}", self.page.text());
        let made = self.journals.disk.append(&self.path, Access::Private).and_then(|mut file| {
            file.write(text.as_bytes())?;
            Ok(file)
        });
        match made {
            Ok(file) => self.way = Way::Made { file, length: text.len() as u64, at_most: COMPACT, _claim: claim },
            Err(error) => self.stop(&FileError::new("write", &*self.path, error)),
        }
    }

    fn compact(&mut self) {
        if let Way::Made { _claim: claim, .. } = std::mem::replace(&mut self.way, Way::Without) {
            self.write_anew(claim);
        }
    }

    fn claim(&mut self) -> Option<Claim> {
        match Claim::on(&self.path) {
            Ok(Some(claim)) => return Some(claim),
            Ok(None) => tracing::debug!(journal = %self.path.display(), "another process has it"),
            Err(error) => tracing::debug!(%error, "no journal is kept"),
        }
        self.way = Way::Without;
        None
    }

    /// Writes the page as a file that ends with a whole line, and goes on behind it.
    fn write_anew(&mut self, claim: Claim) {
        let (disk, text) = (&*self.journals.disk, self.page.text());
        let opened = files::write_atomically(disk, &self.path, text.as_bytes(), Access::Private)
            .and_then(|()| disk.append(&self.path, Access::Private).map_err(FileError::of("write", &self.path)));
        match opened {
            Ok(file) => {
                let length = text.len() as u64;
                self.way = Way::Made { file, length, at_most: COMPACT.max(2 * length), _claim: claim };
            }
            Err(error) => self.stop(&error),
        }
    }

    fn stop(&mut self, error: &FileError) {
        tracing::debug!(%error, "the journal ends here");
        self.way = Way::Without;
    }
}

#[cfg(test)]
mod tests;
