//! What upkeep may not take: the store's side of the rules of [`crate::registry::Maintenance`].
//!
//! The time of a content's file says when it was last put here or found here. Everything that tells a push that
//! content is here, and everything that makes a repository hold it, **passes the gate** and sets that time while it
//! does; collection **closes the gate** for each of its removals, and takes nothing whose time is not behind the cut
//! of its repository. So between the last look and the removal nothing can be renewed, and whatever is renewed
//! before is seen. The gate is files with locks of the system, so all this holds between processes, and a process
//! that dies lets go.
//!
//! A collection begins behind the closed gate: what passed before is seen by it as a whole, what passes later is
//! younger than it.
//!
//! The cut is the beginning of the collection less its grace. Where a session is open in the repository (its lease
//! is locked), the cut is not behind the session's beginning; where an upload is open, not behind the upload's
//! beginning less the grace. The races, one by one:
//!
//! * *A push finds a blob, its manifest comes later, collection runs in between.* Finding it set its time; it stays
//!   for the grace, or as long as the session lasts.
//! * *It is found after it was marked, and before it is removed.* The removal looks at the time once more behind the
//!   closed gate.
//! * *A manifest comes after the mark and names what was marked.* It passes the gate, so it comes before a removal
//!   and renews what it names and itself, or after it and is told what is missing. A manifest that was marked and
//!   was renewed since leads to all that it led to: that is followed again behind the closed gate.
//! * *A tag is set on a manifest that was marked.* That is a push of the manifest: as before.
//! * *Content is put in place before its repository holds it.* Both happen in one passage, so either both are seen, or
//!   the content is younger than the collection.
//! * *Two collections at once.* One closes the gate after the other; what is gone already is no error.
//! * *A push is killed.* Its lease is a lock and goes with it; times stay, so that it can go on within the grace.
//! * *Collection is killed.* Manifests go before what they name, so what is left is too much and goes the next time.

use std::io::ErrorKind::{NotADirectory, NotFound};
use std::time::{Duration, SystemTime};

use super::Shared;
use crate::blobs::{not_locked, storage};
use crate::files::{FileError, Lock, Passage};
use crate::image::{Digest, RepositoryName};
use crate::registry::Result;

impl Shared {
    /// Keeps collection away while content is said to be here, or comes to be held. Nothing is waited for inside
    /// but the disk.
    pub(super) fn hold(&self) -> Result<Passage> {
        self.gate.pass().map_err(not_locked)
    }

    /// Notes that content is needed now, and says whether it is here. Within a passage.
    pub(super) fn renew(&self, content: &Digest) -> Result<bool> {
        let path = self.blobs.path(content);
        match self.disk.touch(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == NotFound => Ok(false),
            Err(error) => Err(storage(FileError::new("write", path, error))),
        }
    }

    /// Renews what somebody is told to be here, if `is_here` still says so once collection is kept away.
    pub(super) fn renew_found(&self, content: &Digest, is_here: impl Fn() -> Result<bool>) -> Result<bool> {
        if !is_here()? {
            return Ok(false);
        }
        // Where nothing can be written, nobody collects either, and what is here can be handed out.
        let Ok(_passage) = self.hold() else { return Ok(true) };
        Ok(is_here()? && self.renew(content).unwrap_or(true))
    }

    /// Content of a repository that was last needed before this may go.
    pub(super) fn cut(&self, name: &RepositoryName, started: SystemTime, grace: Duration) -> Result<SystemTime> {
        let before = |time: SystemTime| time.checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut cut = before(started);
        for lease in self.leases_of(name) {
            // Of a lease without a time nothing is known, so everything is needed.
            let begun = lease.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            if Lock::is_held(&lease) {
                cut = cut.min(begun);
            }
        }
        for upload in self.uploads_to(name)? {
            if upload.is_busy || upload.modified >= before(started) {
                cut = cut.min(before(upload.begun));
            }
        }
        Ok(cut)
    }

    /// When content was last needed; `None` where it is not here.
    pub(super) fn needed_at(&self, content: &Digest) -> Result<Option<SystemTime>> {
        let path = self.blobs.path(content);
        match path.symlink_metadata().and_then(|metadata| metadata.modified()) {
            Ok(time) => Ok(Some(time)),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
            Err(error) => Err(storage(FileError::new("read", path, error))),
        }
    }
}
