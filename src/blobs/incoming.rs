//! Content on its way whose digest is told only at its end, and which comes in pieces over several requests.
//!
//! `uploads/incoming-NAME` holds the bytes; `uploads/incoming-NAME.json` says whose they are, and is the lock of
//! whoever is at them. How far the hash has come is remembered by the process; another one hashes the file again.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::batches::{BATCH, Batches, Sink};
use super::{BlobDirectory, blocking, not_locked, storage};
use crate::files::{self, Access, DiskFile, FileError, KeptFile, Lock, LockError, Sharing};
use crate::image::{Algorithm, Digest, Hasher};
use crate::registry::{Error, ErrorKind, Result};

/// The longest note that is read.
const MAX_NOTE: u64 = 64 * 1024;
/// How long a request waits for the one before it, whose connection may have been cut.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many resting uploads are remembered with their hash.
const MAX_RESTING: usize = 4096;

/// How far the hashes of resting uploads have come, by their names.
#[derive(Default)]
pub(super) struct Resting(Mutex<HashMap<String, Hashed>>);

/// A hash over the first bytes of a file.
struct Hashed {
    length: u64,
    hasher: Hasher,
}

impl Resting {
    fn put(&self, name: &str, hashed: Hashed) {
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is not remembered is hashed again.
        if resting.len() < MAX_RESTING {
            resting.insert(name.to_owned(), hashed);
        }
    }

    fn take(&self, name: &str) -> Option<Hashed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }
}

/// An upload that is being worked on. Methods block the thread.
pub struct Incoming {
    directory: BlobDirectory,
    name: String,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    hashed: Hashed,
    lock: Lock,
}

impl BlobDirectory {
    /// Begins an upload, with a note about whose it is.
    ///
    /// # Errors
    /// `Storage`.
    pub fn begin_incoming(&self, note: &[u8]) -> Result<Incoming> {
        let word = || files::unused_word().map_err(|error| storage(FileError::new("write", &*self.root, error)));
        let name = word()? + &word()?;
        files::write_atomically(&*self.disk, &self.note(&name), note, Access::Private).map_err(storage)?;
        let lock = self.lock_incoming(&name)?;
        let path = self.content(&name);
        let file = self.disk.create_new(&path, Access::Shared);
        let file = file.map_err(|error| storage(FileError::new("write", &path, error)))?;
        let hashed = Hashed { length: 0, hasher: Hasher::new(Algorithm::Sha256) };
        Ok(Incoming { directory: self.clone(), name, path, file, hashed, lock })
    }

    /// Takes up an upload; `None` where there is none of this name, or its note is not for `owner`.
    ///
    /// # Errors
    /// `Conflict` where another request is at it; `Storage`.
    pub fn reopen_incoming(&self, name: &str, is_ours: impl FnOnce(&[u8]) -> bool) -> Result<Option<Incoming>> {
        if !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let note = files::read_regular(&self.note(name), MAX_NOTE).map_err(storage)?;
        if !note.is_some_and(|note| is_ours(&note)) {
            return Ok(None);
        }
        let lock = self.lock_incoming(name)?;
        let path = self.content(name);
        // It may have come to its end while the lock was waited for.
        let Some((mut content, length)) = files::open_regular(&path).map_err(storage)? else {
            lock.remove();
            return Ok(None);
        };
        let hashed = match self.resting.take(name).filter(|hashed| hashed.length == length) {
            Some(hashed) => hashed,
            None => {
                hash(&mut content, Algorithm::Sha256).map_err(|error| storage(FileError::new("read", &path, error)))?
            }
        };
        let file = self.disk.append(&path, Access::Shared);
        let file = file.map_err(|error| storage(FileError::new("write", &path, error)))?;
        Ok(Some(Incoming { directory: self.clone(), name: name.to_owned(), path, file, hashed, lock }))
    }

    fn lock_incoming(&self, name: &str) -> Result<Lock> {
        match Lock::take(&self.note(name), Sharing::Exclusive, PATIENCE) {
            Err(LockError::Held { .. }) => Err(Error::new(ErrorKind::Conflict, "another request is at this upload")),
            lock => lock.map_err(not_locked),
        }
    }

    fn content(&self, name: &str) -> PathBuf {
        self.root.join("uploads").join(format!("incoming-{name}"))
    }

    fn note(&self, name: &str) -> PathBuf {
        self.root.join("uploads").join(format!("incoming-{name}.json"))
    }
}

/// An upload that did not come to its end yet.
#[derive(Clone, Debug)]
pub struct RestingUpload {
    /// The note about whose it is.
    pub note: Vec<u8>,
    /// When it was begun.
    pub begun: SystemTime,
    /// When the last of it came.
    pub modified: SystemTime,
    /// Whether a request is at it.
    pub is_busy: bool,
}

impl BlobDirectory {
    /// The uploads that did not come to their end yet.
    ///
    /// # Errors
    /// `Storage`.
    pub fn incoming(&self) -> Result<Vec<RestingUpload>> {
        let mut found = Vec::new();
        for (_, file) in self.notes()? {
            let Ok(Some(note)) = files::read_regular(&file.path, MAX_NOTE) else { continue };
            let content = file.path.with_extension("").metadata().and_then(|metadata| metadata.modified());
            let modified = content.unwrap_or(file.modified).max(file.modified);
            found.push(RestingUpload { note, begun: file.modified, modified, is_busy: Lock::is_held(&file.path) });
        }
        Ok(found)
    }

    /// Gives up the uploads that nobody has gone on with for `idle`, and says how many that were and their bytes.
    ///
    /// # Errors
    /// `Storage`.
    pub fn purge_incoming(&self, idle: Duration) -> Result<(u64, u64)> {
        let mut purged = (0, 0);
        for (name, note) in self.notes()? {
            let content = self.content(&name);
            let is_idle = |path: &Path| {
                let modified = path.metadata().and_then(|metadata| metadata.modified());
                modified.is_ok_and(|modified| modified.elapsed().unwrap_or_default() >= idle)
            };
            if note.age() < idle || content.exists() && !is_idle(&content) {
                continue;
            }
            let Ok(lock) = Lock::take(&note.path, Sharing::Exclusive, Duration::ZERO) else { continue };
            // A request may have been at it in the meantime.
            if !content.exists() || is_idle(&content) {
                purged = (purged.0 + 1, purged.1 + content.metadata().map_or(0, |metadata| metadata.len()));
                self.resting.take(&name);
                let _ = self.disk.remove(&content);
                lock.remove();
            }
        }
        Ok(purged)
    }

    /// The notes of uploads, with the names of these.
    fn notes(&self) -> Result<Vec<(String, KeptFile)>> {
        let files = KeptFile::list(&self.root.join("uploads")).map_err(storage)?;
        let named = |file: KeptFile| {
            let name = file.name().strip_prefix("incoming-")?.strip_suffix(".json")?.to_owned();
            Some((name, file))
        };
        Ok(files.into_iter().filter_map(named).collect())
    }
}

impl Incoming {
    /// What it goes by: 32 hex digits.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.hashed.length
    }

    /// Lets it rest until it is taken up again.
    pub fn rest(self) {
        self.directory.resting.put(&self.name, self.hashed);
    }

    /// Makes the content a blob, durably, if it has this digest. Its end either way. What `hold` hands over before
    /// the blob gets its name is handed on to whoever is to hold it on.
    ///
    /// # Errors
    /// `Corrupt` where it has another digest; `Storage`; those of `hold`.
    pub fn commit<T>(mut self, digest: &Digest, hold: impl FnOnce() -> Result<T>) -> Result<T> {
        let found = self.digest(digest.algorithm());
        let placed = found.and_then(|found| {
            if found != *digest {
                let message = format!("the content has the digest {found}, not {digest}");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            self.place(digest, hold)
        });
        self.end();
        placed
    }

    /// Gives it up.
    pub fn cancel(self) {
        self.end();
    }

    fn digest(&self, algorithm: Algorithm) -> Result<Digest> {
        if algorithm == Algorithm::Sha256 {
            return Ok(self.hashed.hasher.clone().finish());
        }
        let failed = |error| storage(FileError::new("read", &self.path, error));
        let Some((mut content, _)) = files::open_regular(&self.path).map_err(storage)? else {
            return Err(Error::new(ErrorKind::Gone, "the upload is gone"));
        };
        Ok(hash(&mut content, algorithm).map_err(failed)?.hasher.finish())
    }

    fn place<T>(&mut self, digest: &Digest, hold: impl FnOnce() -> Result<T>) -> Result<T> {
        let target = self.directory.path(digest);
        let disk = Arc::clone(&self.directory.disk);
        let failed = |error| storage(FileError::new("write", &target, error));
        let there = || Ok(self.directory.length(digest)? == Some(self.hashed.length));
        // What is there already need not be written; a sync takes long, so it comes before anybody is held up.
        let spared = there()?;
        if !spared {
            self.file.sync().map_err(|error| storage(FileError::new("write", &self.path, error)))?;
        }
        let parent = target.parent().unwrap_or(&target);
        files::create_directories(&*disk, parent).map_err(storage)?;
        let passage = hold()?;
        if !(spared && there()?) {
            if spared {
                // It was collected in the meantime.
                self.file.sync().map_err(|error| storage(FileError::new("write", &self.path, error)))?;
            }
            disk.rename(&self.path, &target).map_err(failed)?;
        }
        disk.touch(&target).map_err(failed)?;
        disk.sync_directory(parent).map_err(failed)?;
        Ok(passage)
    }

    /// Removes what is left of it; what stays is collected as an abandoned upload.
    fn end(self) {
        let _ = self.directory.disk.remove(&self.path);
        self.lock.remove();
    }
}

/// An upload whose bytes a thread writes while more come.
pub struct Inflow(Batches<Incoming>);

impl Inflow {
    /// The upload, of which nobody else has hold.
    #[must_use]
    pub fn new(incoming: Incoming) -> Self {
        Self(Batches::new(Box::new(incoming)))
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `Storage`, also of bytes that were taken before.
    pub async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.0.write(piece).await
    }

    /// Waits until everything is written, and hands the upload back.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn end(&mut self) -> Result<Incoming> {
        let (mut incoming, batch) = self.0.end().await?;
        blocking(move || {
            incoming.take(&batch)?;
            Ok(*incoming)
        })
        .await
    }
}

impl Sink for Incoming {
    fn take(&mut self, batch: &[Bytes]) -> Result<()> {
        for piece in batch {
            self.hashed.hasher.update(piece);
            self.hashed.length += piece.len() as u64;
            if let Err(error) = self.file.write(piece) {
                // Nobody knows what of it was written, and a disk that is full needs the room.
                let _ = self.directory.disk.remove(&self.path);
                let _ = self.directory.disk.remove(&self.directory.note(&self.name));
                return Err(storage(FileError::new("write", &self.path, error)));
            }
        }
        Ok(())
    }
}

/// Hashes what is left of a file.
fn hash(content: &mut std::fs::File, algorithm: Algorithm) -> std::io::Result<Hashed> {
    let mut hashed = Hashed { length: 0, hasher: Hasher::new(algorithm) };
    let mut piece = vec![0; BATCH];
    loop {
        let read = content.read(&mut piece)?;
        if read == 0 {
            return Ok(hashed);
        }
        hashed.hasher.update(&piece[..read]);
        hashed.length += read as u64;
    }
}
