//! Who needs which blob of which source, known before it is asked for, so that all of them share one read.
//!
//! A track that is being planned may need everything. Once it is planned it needs its blobs, each until it is
//! settled. One well serves a place once: who comes later to the same place finds there what came first.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Cursor, Means, Supply, Well};
use crate::image::{Descriptor, Digest, RepositoryName};
use crate::registry::Identity;
use crate::transfer::hashing::{Checkpoints, Judging};
use crate::transfer::{Destination, Source};

/// The wells of an engine, and who may come to them.
pub(in crate::transfer) struct Wells {
    means: Means,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    demands: HashMap<u64, Needs>,
    numbers: u64,
    wells: HashMap<Key, Vec<Arc<Well>>>,
}

/// Which blob of which repository of which source.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    place: Identity,
    repository: RepositoryName,
    blob: Digest,
}

/// What one track needs.
struct Needs {
    source: Identity,
    repository: RepositoryName,
    place: Identity,
    /// The blobs; `None` while it may be any.
    blobs: Option<HashSet<Digest>>,
}

impl Needs {
    fn is_of(&self, key: &Key) -> bool {
        let any = |blobs: &HashSet<Digest>| blobs.contains(&key.blob);
        self.source == key.place && self.repository == key.repository && self.blobs.as_ref().is_none_or(any)
    }
}

/// A destination that needs a blob now.
pub(in crate::transfer) struct Comer<'a> {
    pub(in crate::transfer) source: &'a Source,
    pub(in crate::transfer) blob: &'a Descriptor,
    pub(in crate::transfer) place: &'a Identity,
    /// Whether it compares the bytes by itself.
    pub(in crate::transfer) verifies: bool,
}

/// Whether bytes had to be read again for a destination that fell behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transfer) enum Reads {
    Once,
    Again,
}

impl Comer<'_> {
    fn key(&self) -> Key {
        Key {
            place: self.source.registry.identity().clone(),
            repository: self.source.repository.clone(),
            blob: self.blob.digest.clone(),
        }
    }

    fn supply(&self, means: &Means) -> Supply {
        Supply { source: self.source.clone(), blob: self.blob.clone(), means: means.clone() }
    }
}

impl Wells {
    pub(in crate::transfer) fn new(means: Means) -> Self {
        Self { means, state: Mutex::default() }
    }

    /// Expects a track from `source` to `destination`, which may need any blob until it has decided.
    pub(in crate::transfer) fn expect(&self, source: &Source, destination: &Destination) -> Demand<'_> {
        let needs = Needs {
            source: source.registry.identity().clone(),
            repository: source.repository.clone(),
            place: destination.registry.identity().clone(),
            blobs: None,
        };
        let mut state = self.state();
        state.numbers += 1;
        let number = state.numbers;
        state.demands.insert(number, needs);
        Demand { wells: self, number }
    }

    /// Serves a destination from the first byte on: out of the well where it is expected, else of a new one, which
    /// expects everybody who needs the blob and has no other.
    pub(in crate::transfer) fn join(&self, comer: &Comer<'_>) -> (Cursor, Reads) {
        let key = comer.key();
        let mut state = self.state();
        let State { demands, wells, .. } = &mut *state;
        let wells = wells.entry(key.clone()).or_default();
        // The oldest first: who comes to a read that failed is told so, and tries it again with the others.
        if let Some(cursor) = wells.iter().find_map(|well| well.take(comer.place)) {
            return (cursor, Reads::Once);
        }
        let missed = wells.iter().any(|well| well.shared.pool().has_missed(comer.place));
        let served =
            |place: &Identity| place == comer.place || wells.iter().any(|well| well.shared.pool().serves(place));
        let needs = demands.values().filter(|needs| needs.is_of(&key) && !served(&needs.place));
        let others: HashSet<Identity> = needs.map(|needs| needs.place.clone()).collect();
        let judging = if others.is_empty() && comer.verifies {
            Judging::Elsewhere(0)
        } else {
            Judging::Here(Checkpoints::new(comer.blob))
        };
        let cursor = Well::open(comer.supply(&self.means), judging, comer.place, others.into_iter().collect());
        wells.push(Arc::clone(cursor.well()));
        (cursor, if missed { Reads::Again } else { Reads::Once })
    }

    /// Serves a destination by a read of its own from where `judging` begins.
    pub(in crate::transfer) fn read_alone(&self, comer: &Comer<'_>, judging: Judging) -> Cursor {
        let key = comer.key();
        for well in self.state().wells.get(&key).into_iter().flatten() {
            well.shared.change(|pool| pool.expect_only(|place| place != comer.place));
        }
        Well::open(comer.supply(&self.means), judging, comer.place, Vec::new())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every step, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops claims that nobody has any more, and the wells that nobody has a claim to.
    fn tidy(&mut self) {
        let demands = &self.demands;
        self.wells.retain(|key, wells| {
            let wanted = |place: &Identity| demands.values().any(|needs| needs.place == *place && needs.is_of(key));
            wells.retain(|well| {
                well.shared.change(|pool| {
                    pool.expect_only(wanted);
                    pool.is_needed()
                })
            });
            !wells.is_empty()
        });
    }
}

/// What one track needs; nothing any more when it is dropped.
pub(in crate::transfer) struct Demand<'a> {
    wells: &'a Wells,
    number: u64,
}

impl Demand<'_> {
    /// It will be these blobs.
    pub(in crate::transfer) fn decide(&self, blobs: &[Descriptor]) {
        if let Some(largest) = blobs.iter().map(|blob| blob.size).max() {
            self.wells.means.spool.fit(largest);
        }
        self.change(|needs| needs.blobs = Some(blobs.iter().map(|blob| blob.digest.clone()).collect()));
    }

    /// That blob is there now, or will not come.
    pub(in crate::transfer) fn settle(&self, blob: &Digest) {
        self.change(|needs| {
            if let Some(blobs) = &mut needs.blobs {
                blobs.remove(blob);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Needs)) {
        let mut state = self.wells.state();
        if let Some(needs) = state.demands.get_mut(&self.number) {
            change(needs);
        }
        state.tidy();
    }
}

impl Drop for Demand<'_> {
    fn drop(&mut self) {
        let mut state = self.wells.state();
        state.demands.remove(&self.number);
        state.tidy();
    }
}
