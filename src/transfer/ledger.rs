//! What a run knows to be where, so that nothing travels twice: a blob that several images share goes once, and
//! into a further repository of the same place it is mounted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::image::{Digest, RepositoryName};
use crate::registry::Identity;

/// The repositories of one place that a blob was put into, or found in, by this run.
pub(super) type Homes = Vec<RepositoryName>;

/// Where blobs are by the doings of this run. A hint: who finds it wrong forgets it.
#[derive(Default)]
pub(super) struct Ledger {
    entries: Mutex<HashMap<(Identity, Digest), Entry>>,
}

type Entry = Arc<tokio::sync::Mutex<Homes>>;

impl Ledger {
    /// The homes of `blob` at `place`, for one user at a time: who holds them is about to bring the blob there,
    /// and others wait for it rather than send it too.
    pub(super) async fn homes(&self, place: &Identity, blob: &Digest) -> OwnedMutexGuard<Homes> {
        let key = (place.clone(), blob.clone());
        let entry = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.entry(key).or_default().clone()
        };
        entry.lock_owned().await
    }
}
