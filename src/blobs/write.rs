//! Writing a blob file: bytes go to `uploads/`, are hashed on the way, and get their name when they are whole.
//!
//! There is one such file per digest, and whoever writes it has claimed it. So what an interrupted process
//! left is gone on with by the next one, and of two processes that want the same blob at the same time one waits.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use super::batches::{BATCH, Batches, Sink};
use super::{BlobDirectory, blocking, not_locked, storage};
use crate::files::{self, Access, Claim, Disk, DiskFile, FileError, LockError};
use crate::image::Descriptor;
use crate::registry::{BlobUpload, Error, ErrorKind, Result, UploadState, Verifier};

/// How often a file that another process writes is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long a file that another process writes may not grow before it is no longer waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of beginning a blob.
pub enum BlobBegun {
    /// It is there, whole and verified: another process, or an earlier one, had all of its bytes.
    Present,
    /// Its bytes are wanted, from its offset on.
    Write(Box<BlobWrite>),
}

/// A blob on its way into a [`BlobDirectory`]. Dropped without a commit, it leaves what was written.
pub struct BlobWrite {
    target: PathBuf,
    session: String,
    offset: u64,
    batches: Batches<Partial>,
}

impl BlobDirectory {
    /// Begins to write a blob, going on with what is there of it.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn begin(&self, blob: &Descriptor) -> Result<BlobBegun> {
        let session = format!("{}-{}", blob.digest.algorithm().word(), blob.digest.hex());
        let mut seen = (0, Instant::now());
        loop {
            match self.attempt(blob, &session).await? {
                Attempt::Present => return Ok(BlobBegun::Present),
                Attempt::Begun(partial) => return Ok(BlobBegun::Write(Box::new(self.write_of(partial, session)))),
                Attempt::Held(length) if length != seen.0 => seen = (length, Instant::now()),
                Attempt::Held(_) if seen.1.elapsed() > PATIENCE => return self.begin_beside(&session, blob).await,
                Attempt::Held(_) => {}
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Begins a blob once more, while another process holds its file and does not get on.
    async fn begin_beside(&self, session: &str, blob: &Descriptor) -> Result<BlobBegun> {
        let word = files::unused_word().map_err(|error| storage(FileError::new("write", &*self.root, error)))?;
        let session = format!("{session}.{word}");
        match self.attempt(blob, &session).await? {
            Attempt::Begun(partial) => Ok(BlobBegun::Write(Box::new(self.write_of(partial, session)))),
            Attempt::Present => Ok(BlobBegun::Present),
            Attempt::Held(_) => Err(Error::new(ErrorKind::Storage, format!("another process has {session}"))),
        }
    }

    async fn attempt(&self, blob: &Descriptor, name: &str) -> Result<Attempt> {
        let (directory, blob, name) = (self.clone(), blob.clone(), name.to_owned());
        blocking(move || directory.try_begin(&blob, &name)).await
    }

    fn write_of(&self, partial: Box<Partial>, session: String) -> BlobWrite {
        let offset = partial.verifier.seen();
        let target = self.path(&partial.blob.digest);
        BlobWrite { target, session, offset, batches: Batches::new(partial) }
    }

    fn try_begin(&self, blob: &Descriptor, name: &str) -> Result<Attempt> {
        let path = self.root.join("uploads").join(name);
        loop {
            if self.has(blob)? {
                return Ok(Attempt::Present);
            }
            let Some(claim) = self.claim(&path)? else {
                return Ok(Attempt::Held(path.metadata().map_or(0, |metadata| metadata.len())));
            };
            // While the lock was waited for, its last holder may have finished.
            if self.has(blob)? {
                self.discard(&path);
                return Ok(Attempt::Present);
            }
            let verifier = self.hash_again(&path, blob)?;
            let whole = verifier.seen() == blob.size;
            let append = self.disk.append(&path, Access::Shared);
            let file = append.map_err(|error| storage(FileError::new("write", &path, error)))?;
            let partial = Partial {
                path: path.clone(),
                blob: blob.clone(),
                file,
                verifier,
                disk: Arc::clone(&self.disk),
                _claim: claim,
            };
            if !whole {
                return Ok(Attempt::Begun(Box::new(partial)));
            }
            match partial.finish(&[], &self.path(&blob.digest), || Ok(())) {
                Ok(()) => return Ok(Attempt::Present),
                // What was left was not this blob, and is removed now.
                Err(error) if error.kind() == ErrorKind::Corrupt && blob.size > 0 && !path.exists() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The right to write the file of an upload; `None` where another has it.
    fn claim(&self, path: &Path) -> Result<Option<Claim>> {
        let uploads = path.parent().unwrap_or(&self.root);
        loop {
            files::create_directories(&*self.disk, uploads).map_err(storage)?;
            match Claim::on(path) {
                // Another process is done here and has removed the empty directory.
                Err(LockError::File(error)) if error.source.kind() == io::ErrorKind::NotFound && !uploads.exists() => {}
                claimed => return claimed.map_err(not_locked),
            }
        }
    }

    /// Hashes what an earlier process left of a blob; where that cannot be its beginning, it is removed.
    fn hash_again(&self, path: &Path, blob: &Descriptor) -> Result<Verifier> {
        let mut verifier = Verifier::new(blob);
        let Some((mut file, length)) = files::open_regular(path).map_err(storage)? else { return Ok(verifier) };
        if length > blob.size {
            self.disk.remove(path).map_err(|error| storage(FileError::new("remove", path, error)))?;
            return Ok(verifier);
        }
        let mut piece = vec![0; usize::try_from(length).unwrap_or(BATCH).min(BATCH)];
        while verifier.seen() < length {
            let read = file.read(&mut piece).map_err(|error| storage(FileError::new("read", path, error)))?;
            if read == 0 {
                break;
            }
            verifier.update(&piece[..read])?;
        }
        Ok(verifier)
    }

    fn discard(&self, path: &Path) {
        // It is empty or of no more use; the next who begins this blob meets it and does the same.
        let _ = self.disk.remove(path);
    }
}

/// What came of one try to begin.
enum Attempt {
    Present,
    Begun(Box<Partial>),
    /// Another holds the file, which is that long.
    Held(u64),
}

impl BlobWrite {
    /// Commits; what `hold` hands over before the blob gets its name is handed on to whoever is to hold it on.
    ///
    /// # Errors
    /// As [`BlobUpload::commit`], and those of `hold`.
    pub async fn commit_holding<T: Send + 'static>(
        mut self: Box<Self>,
        hold: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (partial, batch) = self.batches.end().await?;
        blocking(move || partial.finish(&batch, &self.target, hold)).await
    }
}

#[async_trait]
impl BlobUpload for BlobWrite {
    /// The bytes are hashed and written on another thread while more can be taken.
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.offset += chunk.len() as u64;
        self.batches.write(chunk).await
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn verifies(&self) -> bool {
        true
    }

    /// The file is found again by the digest alone, so the words of it are for people.
    fn state(&self) -> Option<UploadState> {
        Some(UploadState { session: self.session.clone(), offset: self.offset })
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.commit_holding(|| Ok(())).await
    }

    async fn abort(mut self: Box<Self>) {
        if let Ok((partial, _)) = self.batches.end().await {
            let removed = blocking(move || {
                partial.discard();
                Ok(())
            });
            let _ = removed.await;
        }
    }
}

/// A file in `uploads/` that holds the beginning of a blob, and what was hashed of it.
struct Partial {
    path: PathBuf,
    blob: Descriptor,
    file: Box<dyn DiskFile>,
    verifier: Verifier,
    disk: Arc<dyn Disk>,
    _claim: Claim,
}

impl Sink for Partial {
    fn take(&mut self, batch: &[Bytes]) -> Result<()> {
        for chunk in batch {
            if let Err(error) = self.verifier.update(chunk) {
                self.discard();
                return Err(error);
            }
            self.file.write(chunk).map_err(|error| storage(FileError::new("write", &self.path, error)))?;
        }
        Ok(())
    }
}

impl Partial {
    /// Makes the file the blob, durably. `hold` is called when all but its name is done.
    fn finish<T>(mut self, batch: &[Bytes], target: &Path, hold: impl FnOnce() -> Result<T>) -> Result<T> {
        self.take(batch)?;
        if let Err(error) = self.verifier.clone().finish() {
            // Shorter is cut and can be gone on with; anything else never becomes this blob.
            if self.verifier.seen() == self.blob.size {
                self.discard();
            }
            return Err(error);
        }
        if let Err(error) = self.file.sync() {
            // After a failed sync nobody knows what the disk holds, and a second sync may wrongly succeed.
            self.discard();
            return Err(storage(FileError::new("write", &self.path, error)));
        }
        let failed = |error| storage(FileError::new("write", target, error));
        let directory = target.parent().unwrap_or(target);
        files::create_directories(&*self.disk, directory).map_err(storage)?;
        let passage = hold()?;
        self.disk.rename(&self.path, target).map_err(failed)?;
        self.disk.touch(target).map_err(failed)?;
        self.disk.sync_directory(directory).map_err(failed)?;
        Ok(passage)
    }

    fn discard(&self) {
        // The content is judged already; a file that stays is met and judged again by the next who begins.
        let _ = self.disk.remove(&self.path);
    }
}
