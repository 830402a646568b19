//! A blob that is read once for all destinations of it, each of which takes the bytes at its own speed.
//!
//! A well has a keeper, the task that reads, compares with the digest and puts aside, and a cursor for each
//! destination that is being served. The keeper reads as long as the first of them is hungry. What slower ones still
//! need waits in a little memory, then in the spool; when that is full the last is put out and reads again by itself.
//! A destination that is expected and has not come yet is as one that stands at the first byte. The end, and so the
//! commit, is handed out after the judgement alone.
//!
//! * `pool` is the data under the lock, `keeper` the task, `demand` knows who may come and brings all to one well
//!
//! # Why nobody waits for ever
//!
//! * A cursor waits for its keeper alone, never for another cursor.
//! * A keeper waits for the source, for its disk, and for whoever is first of those that *take*, which is waiting for
//!   its own destination. All of these have time limits. It does not wait for those that are expected, or behind.
//! * Who takes has a permit of its destination already, and keeps it to the end. So a keeper, which may hold a turn at
//!   its source, never waits for a permit; where nobody takes, it lets its source go.

mod demand;
mod keeper;
mod pool;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Source;
use super::hashing::{Checkpoints, Hashing, Judging};
use super::ranges::Room;
use super::reading::Reading;
use super::spool::Spool;
use crate::image::Descriptor;
use crate::progress::{Event, Progress};
use crate::registry::{Error, ErrorKind, Identity, Result};
pub(super) use demand::{Comer, Demand, Reads, Wells};
use keeper::Keeper;
use pool::{Found, Pool};

/// What all wells of an engine have in common.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) progress: Arc<dyn Progress>,
    /// The first pause before a read that got nowhere is taken up again.
    pub(super) pause: Duration,
    /// How long whoever is first may take nothing before the source is read on without it.
    pub(super) patience: Duration,
    pub(super) spool: Spool,
    /// For what reads bring before its turn.
    pub(super) room: Room,
}

/// A shared read of one blob. The keeper ends with it.
pub(super) struct Well {
    supply: Supply,
    shared: Arc<Shared>,
    chain: Option<Checkpoints>,
    condemned: AtomicBool,
    keeper: JoinHandle<()>,
}

/// What is read, and how.
#[derive(Clone)]
struct Supply {
    source: Source,
    blob: Descriptor,
    means: Means,
}

/// What the keeper and the cursors share.
struct Shared {
    pool: Mutex<Pool>,
    /// Somebody came, moved or left.
    moved: Notify,
}

impl Shared {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        // Whole after every step, so a panic elsewhere spoils nothing.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that the keeper has to know.
    fn change<T>(&self, change: impl FnOnce(&mut Pool) -> T) -> T {
        let changed = change(&mut self.pool());
        self.moved.notify_one();
        changed
    }
}

impl Supply {
    fn read(&self, position: u64) -> Reading {
        let Means { progress, pause, room, .. } = &self.means;
        Reading::new(&self.source, &self.blob, position, progress, *pause, room)
    }
}

impl Well {
    /// Opens a well for `first`, which takes at once, and for `others`, which may come.
    fn open(supply: Supply, judging: Judging, first: &Identity, others: Vec<Identity>) -> Cursor {
        let position = judging.start();
        let mut pool = Pool::new(position);
        let (number, awake) = pool.admit(first.clone());
        for place in others {
            pool.expect(place);
        }
        let shared = Arc::new(Shared { pool: Mutex::new(pool), moved: Notify::new() });
        let hashing = Hashing::new(&supply.blob, &judging);
        let keeper = tokio::spawn(Keeper::new(supply.clone(), Arc::clone(&shared), hashing).keep());
        let chain = match judging {
            Judging::Here(checkpoints) => Some(checkpoints),
            Judging::Elsewhere(_) => None,
        };
        let well = Arc::new(Self { supply, shared, chain, condemned: AtomicBool::new(false), keeper });
        Cursor { well, number, position, awake }
    }

    /// Begins to serve a place that is expected here.
    fn take(self: &Arc<Self>, place: &Identity) -> Option<Cursor> {
        let (number, awake) = self.shared.change(|pool| pool.take(place))?;
        // Who is expected is expected from the first byte on.
        Some(Cursor { well: Arc::clone(self), number, position: 0, awake })
    }

    /// Takes note that what was read here was wrong, so that it is read once more, for everybody who needs it. Only
    /// the first to find it out says so, to the user and to the source.
    pub(super) fn condemn(&self, error: &impl std::fmt::Display) {
        if self.condemned.swap(true, Ordering::Relaxed) {
            return;
        }
        let Supply { source, blob, means } = &self.supply;
        let warning = format!("{error}; {} is read once more from the start", blob.digest);
        means.progress.observe(&Event::Warning(warning));
        let because = format!("{} came wrong from there", blob.digest);
        source.registry.distrust(&blob.digest, &Error::new(ErrorKind::Corrupt, because));
    }
}

impl Drop for Well {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// The place of one destination in a well.
pub(super) struct Cursor {
    well: Arc<Well>,
    number: u64,
    position: u64,
    awake: Arc<Notify>,
}

/// What a cursor comes to.
pub(super) enum Next {
    /// The next bytes, never empty.
    Piece(Bytes),
    /// All bytes were handed out, and they are right, as far as they are judged here.
    End,
    /// The destination fell too far behind the others, and has to read by itself from where it is.
    PutOut,
}

impl Cursor {
    /// The next bytes.
    ///
    /// # Errors
    /// `Corrupt` where they are not what the digest says; what the source met for good.
    pub(super) async fn next(&mut self) -> Result<Next> {
        loop {
            let found = self.well.shared.pool().look(self.number);
            let piece = match found {
                Found::Bytes(piece) => piece,
                Found::Deposit(deposit, skipped) => match deposit.read().await {
                    Some(bytes) => bytes.slice(skipped..),
                    None => return Ok(Next::PutOut),
                },
                Found::End(end) => return end.map(|()| Next::End),
                Found::PutOut => return Ok(Next::PutOut),
                Found::Nothing => {
                    self.awake.notified().await;
                    continue;
                }
            };
            self.position += piece.len() as u64;
            self.well.shared.change(|pool| pool.advance(self.number, self.position));
            return Ok(Next::Piece(piece));
        }
    }

    /// The first byte that was not handed out yet.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// The comparison that the bytes went through; `None` where the destination compares.
    pub(super) fn chain(&self) -> Option<&Checkpoints> {
        self.well.chain.as_ref()
    }

    pub(super) fn well(&self) -> &Arc<Well> {
        &self.well
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.well.shared.change(|pool| pool.leave(self.number));
    }
}
