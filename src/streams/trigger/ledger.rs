//! The ledger of a stream: its triggers and how far they have come, in a file of its own.
//!
//! It is not in the stream's file: that comes from elsewhere at times, and what a stranger wrote must not run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::model::{TriggerName, Triggers};
use crate::files::{Access, Claim, Disk, FileError, Lock, LockError, Sharing, read_following_links, write_atomically};
use crate::image::StreamName;
use crate::streams::error::StreamError;
use crate::yaml;

/// How long another process may be at the ledger: it only reads and writes it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked whether a claim is free.
const PAUSE: Duration = Duration::from_millis(50);

/// The ledgers of all streams. Holds nothing but where they are.
#[derive(Clone)]
pub struct Ledger {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Ledger {
    /// The ledgers whose files are in `directory`, which need not exist.
    #[must_use]
    pub fn new(directory: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { directory: directory.to_owned(), disk }
    }

    /// The triggers of a stream; none where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or is none.
    pub fn read(&self, stream: &StreamName) -> Result<Triggers, StreamError> {
        let path = self.path(stream);
        let Some(bytes) = read_following_links(&path, yaml::MAX_BYTES as u64)? else {
            return Ok(Triggers::default());
        };
        serde_yaml::from_slice(&bytes).map_err(|error| {
            let wrong = std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string());
            FileError::new("read", &path, wrong).into()
        })
    }

    /// Changes the triggers of a stream: under a lock, on what the file says now, written whole or not at all.
    ///
    /// # Errors
    /// `change` fails, or the file cannot be written.
    pub fn edit<T>(
        &self,
        stream: &StreamName,
        change: impl FnOnce(&mut Triggers) -> Result<T, StreamError>,
    ) -> Result<T, StreamError> {
        let _lock = self.lock(stream)?;
        let before = self.read(stream)?;
        let mut after = before.clone();
        let answer = change(&mut after)?;
        if after != before {
            let path = self.path(stream);
            let wrong = |error: serde_yaml::Error| FileError::new("write", &path, std::io::Error::other(error));
            let text = serde_yaml::to_string(&after).map_err(wrong)?;
            write_atomically(&*self.disk, &path, text.as_bytes(), Access::Private)?;
        }
        Ok(answer)
    }

    /// Removes what is kept of a stream's triggers.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, stream: &StreamName) -> Result<(), StreamError> {
        let path = self.path(stream);
        if !path.exists() {
            return Ok(());
        }
        let lock = self.lock(stream)?;
        for trigger in self.read(stream).unwrap_or_default().triggers {
            // What a command said is of no use without it.
            let _ = self.disk.remove(&self.log(stream, &trigger.name));
        }
        self.disk.remove(&path).map_err(FileError::of("remove", &path))?;
        self.disk.sync_directory(&self.directory).map_err(FileError::of("remove", &path))?;
        lock.remove();
        Ok(())
    }

    /// Removes a trigger. One that acts just now does so to its end.
    ///
    /// # Errors
    /// It is not there, or the file cannot be written.
    pub fn remove_trigger(&self, stream: &StreamName, trigger: &TriggerName) -> Result<(), StreamError> {
        self.edit(stream, |triggers| {
            triggers.named(trigger).ok_or_else(|| no_trigger(stream, trigger))?;
            triggers.triggers.retain(|known| known.name != *trigger);
            Ok(())
        })?;
        // What its command said is of no use without it.
        let _ = self.disk.remove(&self.log(stream, trigger));
        Ok(())
    }

    /// Has a trigger act once more on the change that it acted on last.
    ///
    /// # Errors
    /// It is not there, has not acted yet, or the file cannot be written.
    pub fn unsettle(&self, stream: &StreamName, trigger: &TriggerName) -> Result<(), StreamError> {
        self.edit(stream, |triggers| {
            let found = triggers.triggers.iter_mut().find(|known| known.name == *trigger);
            let found = found.ok_or_else(|| no_trigger(stream, trigger))?;
            let last = found.last.take();
            let last =
                last.ok_or_else(|| StreamError::refused(format!("the trigger `{trigger}` has not acted yet")))?;
            found.settled.insert(last.tag, last.generation - 1);
            Ok(())
        })
    }

    /// The sole right to act for a trigger, as soon as nobody else has it. Blocks the thread.
    ///
    /// # Errors
    /// Another has it for longer than `patience`.
    pub fn claim(&self, stream: &StreamName, trigger: &TriggerName, patience: Duration) -> Result<Claim, LockError> {
        let path = self.directory.join(format!("{stream}.{trigger}"));
        let until = std::time::Instant::now() + patience;
        loop {
            match Claim::on(&path)? {
                Some(claim) => return Ok(claim),
                None if std::time::Instant::now() >= until => {
                    return Err(LockError::Held { path, waited: patience });
                }
                None => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Where what the command of a trigger says is written.
    #[must_use]
    pub fn log(&self, stream: &StreamName, trigger: &TriggerName) -> PathBuf {
        self.directory.join(format!("{stream}.{trigger}.log"))
    }

    fn path(&self, stream: &StreamName) -> PathBuf {
        self.directory.join(format!("{stream}.yaml"))
    }

    fn lock(&self, stream: &StreamName) -> Result<Lock, LockError> {
        Lock::take(&self.directory.join(format!(".{stream}.lock")), Sharing::Exclusive, PATIENCE)
    }
}

fn no_trigger(stream: &StreamName, trigger: &TriggerName) -> StreamError {
    StreamError::NoTrigger { stream: stream.clone(), trigger: trigger.clone() }
}
