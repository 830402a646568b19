//! Images on this computer: the local home, and its twin in memory.
//!
//! The store is a directory that other tools read as an OCI image layout. Truth is small files, one per fact, each
//! written atomically, so that several processes work side by side and a push costs the same however much is
//! there ([`layout`] says where they stand, [`membership`] what they mean). `index.json` is derived from them for
//! the other tools. A blob is kept once, and is visible only in the repositories where it belongs.
//!
//! Nothing here knows registries or the network. `session` opens the store; everything else sees the contract.

mod collect;
mod follow;
mod host;
mod images;
mod layout;
mod maintenance;
mod membership;
mod memory;
mod protection;
mod pull;
mod push;
mod remove;
mod sessions;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::blobs::PartialBlob;
use crate::blobs::{self, BlobDirectory, blocking, storage};
use crate::files::{Disk, Gate};
use crate::image::{RepositoryName, Selector};
use crate::registry::{Error, ErrorKind, Identity, Result};

pub use crate::registry::{KeptImage, Untagged};
pub use host::ServedStore;
pub use memory::Memory;

use membership::Repository;

/// The local store. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What the clones of a store, its uploads and its sessions have in common.
struct Shared {
    root: Box<Path>,
    disk: Arc<dyn Disk>,
    blobs: BlobDirectory,
    /// Between those that say that content is here and those that remove it.
    gate: Gate,
    identity: Identity,
    /// What was changed by this process and is not in `index.json` yet.
    touched: Mutex<BTreeSet<Touched>>,
    /// The sessions of this process; while there are none, every change is written to `index.json` at once.
    sessions: AtomicUsize,
}

/// A name in `index.json` that may have changed: a tag, or a manifest that is kept for its own sake.
type Touched = (RepositoryName, Selector);

impl Store {
    /// Opens the store in `directory`. Nothing is written before the first push.
    ///
    /// # Errors
    /// `Unsupported` where a newer tranship made it, `Conflict` where the directory holds something else,
    /// `Storage` where it cannot be read.
    pub fn open(directory: &Path, disk: Arc<dyn Disk>) -> Result<Self> {
        layout::check(directory)?;
        let identity = Identity { place: "store".to_owned(), credential: None, local: true };
        let shared = Shared {
            root: directory.into(),
            blobs: BlobDirectory::new(directory, Arc::clone(&disk)),
            gate: layout::gate(directory),
            disk,
            identity,
            touched: Mutex::default(),
            sessions: AtomicUsize::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs work on the facts where it holds up nothing else.
    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> Result<T> + Send + 'static) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        blocking(move || work(&shared)).await
    }
}

impl Shared {
    /// Makes what every store has, where it is missing.
    fn prepare(&self) -> Result<()> {
        layout::mark(&*self.disk, &self.root)?;
        blobs::prepare(&*self.disk, &self.root)
    }

    fn repository(&self, name: &RepositoryName) -> Repository<'_> {
        Repository::new(&self.root, &*self.disk, name)
    }

    fn touch(&self, repository: &RepositoryName, selector: Selector) {
        held(&self.touched).insert((repository.clone(), selector));
    }

    fn missing(&self, what: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("the store has no {what}")).at(&self.identity.place)
    }
}

/// What a lock guards; no panic leaves a set half changed.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
