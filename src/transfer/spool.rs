//! Bytes that wait on disk for destinations which are behind, so that nobody waits for those.
//!
//! One file without a name for all blobs of an engine, in pages that are used again. What it holds at most is as much
//! as the largest blob. Nothing depends on it: where it is full, or its disk fails, bytes are read from the source
//! again by whoever needs them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::files::Scratch;

/// The unit in which the file is handed out: what is left free behind a small blob is less than this.
const PAGE: usize = 64 * 1024;
/// The bytes that may wait in memory, over all blobs that nobody takes from at the moment.
const WAITING: usize = 4 * 1024 * 1024;
/// In which units those are counted.
const UNIT: usize = 1024;

/// The disk space of an engine. Clones share it.
#[derive(Clone)]
pub(super) struct Spool(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    waiting: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scratch: Option<Arc<Scratch>>,
    /// How many pages there may be.
    limit: usize,
    /// How many there are.
    made: usize,
    free: Vec<usize>,
    /// Whether the disk failed; it is not tried again.
    failed: bool,
}

impl Spool {
    /// A spool that is made in `directory` when it is first needed.
    pub(super) fn new(directory: &Path) -> Self {
        let waiting = Arc::new(Semaphore::new(WAITING / UNIT));
        Self(Arc::new(Shared { directory: directory.to_owned(), waiting, state: Mutex::default() }))
    }

    /// Takes note that there is a blob of so many bytes.
    pub(super) fn fit(&self, bytes: u64) {
        let pages = usize::try_from(bytes.div_ceil(PAGE as u64)).unwrap_or(usize::MAX);
        let mut state = self.0.state();
        state.limit = state.limit.max(pages);
    }

    /// Leave to keep so many bytes in memory; `None` where others have it all.
    pub(super) fn seat(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0.waiting).try_acquire_many_owned(units).ok()
    }

    /// Puts bytes on disk; `None` where there is no room, or the disk fails.
    pub(super) async fn keep(&self, pieces: Vec<Bytes>) -> Option<Deposit> {
        let length = pieces.iter().map(Bytes::len).sum::<usize>();
        let pages = self.0.take(length.div_ceil(PAGE))?;
        let deposit = Deposit { pages, length, shared: Arc::clone(&self.0) };
        // The thread has the deposit, so that its pages are nobody else's while they are written, also where whoever
        // waits here is gone.
        tokio::task::spawn_blocking(move || deposit.write(&pieces.concat()).then_some(deposit)).await.ok()?
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every step, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, pages: usize) -> Option<Vec<usize>> {
        let mut state = self.state();
        let room = state.free.len() + state.limit.saturating_sub(state.made);
        if state.failed || pages > room {
            return None;
        }
        let from_free = pages.min(state.free.len());
        let at = state.free.len() - from_free;
        let mut taken = state.free.split_off(at);
        let more = pages - from_free;
        taken.extend(state.made..state.made + more);
        state.made += more;
        Some(taken)
    }

    fn scratch(&self) -> Option<Arc<Scratch>> {
        let mut state = self.state();
        if state.scratch.is_none() && !state.failed {
            match Scratch::create(&self.directory) {
                Ok(scratch) => state.scratch = Some(Arc::new(scratch)),
                Err(error) => {
                    tracing::debug!(%error, "destinations that fall behind read again");
                    state.failed = true;
                }
            }
        }
        state.scratch.clone()
    }
}

/// Consecutive bytes on disk; their room is free again when this is dropped.
pub(super) struct Deposit {
    pages: Vec<usize>,
    length: usize,
    shared: Arc<Shared>,
}

impl Deposit {
    /// The number of bytes.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// Reads the bytes back; `None` where the disk fails.
    pub(super) async fn read(self: Arc<Self>) -> Option<Bytes> {
        let read = move || {
            let scratch = self.shared.scratch()?;
            let mut bytes = vec![0; self.length];
            for (page, part) in self.pages.iter().zip(bytes.chunks_mut(PAGE)) {
                scratch.read_at((page * PAGE) as u64, part).ok()?;
            }
            Some(bytes.into())
        };
        tokio::task::spawn_blocking(read).await.ok()?
    }

    fn write(&self, bytes: &[u8]) -> bool {
        let Some(scratch) = self.shared.scratch() else { return false };
        for (page, part) in self.pages.iter().zip(bytes.chunks(PAGE)) {
            if let Err(error) = scratch.write_at((page * PAGE) as u64, part) {
                tracing::debug!(%error, "destinations that fall behind read again");
                self.shared.state().failed = true;
                return false;
            }
        }
        true
    }
}

impl Drop for Deposit {
    fn drop(&mut self) {
        self.shared.state().free.append(&mut self.pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(seed: u8, length: usize) -> Bytes {
        (seed..=250).cycle().take(length).collect::<Vec<u8>>().into()
    }

    #[tokio::test]
    async fn what_is_kept_comes_back_until_it_is_full_and_room_is_used_again() {
        let home = tempfile::tempdir().unwrap();
        let spool = Spool::new(home.path());
        assert!(spool.keep(vec![bytes(1, 1)]).await.is_none(), "no blob is known");
        spool.fit(5 * PAGE as u64);
        let first = Arc::new(spool.keep(vec![bytes(1, PAGE), bytes(2, 3), bytes(3, PAGE)]).await.unwrap());
        let second = Arc::new(spool.keep(vec![bytes(4, 2 * PAGE)]).await.unwrap());
        assert!(spool.keep(vec![bytes(5, 1)]).await.is_none(), "three pages and two");
        assert_eq!(Arc::clone(&first).read().await.unwrap(), [bytes(1, PAGE), bytes(2, 3), bytes(3, PAGE)].concat());
        drop(first);
        let third = Arc::new(spool.keep(vec![bytes(6, 2 * PAGE + 1)]).await.unwrap());
        assert_eq!(second.read().await.unwrap(), bytes(4, 2 * PAGE));
        assert_eq!(third.read().await.unwrap(), bytes(6, 2 * PAGE + 1));
        assert_eq!(spool.0.state().made, 5);
    }

    #[tokio::test]
    async fn without_a_disk_nothing_is_kept() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let spool = Spool::new(&home.path().join("file"));
        spool.fit(10);
        assert!(spool.keep(vec![bytes(1, 1)]).await.is_none());
        assert!(spool.0.state().failed);
    }

    #[tokio::test]
    async fn only_so_much_waits_in_memory() {
        let spool = Spool::new(Path::new("."));
        let seat = spool.seat(WAITING - UNIT).unwrap();
        assert!(spool.seat(UNIT + 1).is_none() && spool.seat(UNIT).is_some());
        drop(seat);
        assert!(spool.seat(WAITING).is_some());
    }
}
