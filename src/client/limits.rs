//! What is asked of one registry at most, and held for it: blobs read and written at once, bytes of chunks, bytes in a
//! second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::turns::{Complaints, Turn, Turns};
use crate::config;

/// How many blobs are read or written at once where nothing is configured: what is at work sets the limit then.
const MOST: usize = 64;
/// How much of all blobs that go in chunks is held at once, in KiB: as much as the longest chunk that is sent.
const ROOM: u32 = 64 * 1024;
/// How far ahead of its time a body may be.
const BURST: Duration = Duration::from_millis(100);

/// The limits of one registry.
///
/// Reads and writes are counted apart, and who writes takes his turn before he begins to read. So a read waits for
/// reads alone, of which each one under way comes to its end without another; and a write waits for writes alone, of
/// which each one under way may wait for a read, or for room for its chunks. Nobody can wait for himself, nor two for
/// each other.
#[derive(Debug)]
pub(super) struct Limits {
    reads: Turns,
    writes: Turns,
    /// Room for chunks, in KiB.
    chunks: Arc<Semaphore>,
    bandwidth: Option<Bandwidth>,
}

impl Limits {
    /// `too_many` counts how often the registry said that it is asked too much.
    pub(super) fn new(limits: config::Limits, too_many: Complaints) -> Self {
        let bandwidth = limits.bandwidth.filter(|rate| *rate > 0);
        let most = limits.concurrency.unwrap_or(MOST);
        Self {
            reads: Turns::new(most, too_many.clone()),
            writes: Turns::new(most, too_many),
            chunks: Arc::new(Semaphore::new(ROOM as usize)),
            bandwidth: bandwidth.map(|rate| Bandwidth { rate, free_at: Mutex::new(Instant::now()) }),
        }
    }

    /// Waits until one more blob may be read.
    pub(super) async fn read(&self) -> Turn {
        self.reads.take().await
    }

    /// Waits until one more blob may be written.
    pub(super) async fn write(&self) -> Turn {
        self.writes.take().await
    }

    /// Waits until so many bytes more may be held until the registry has them.
    pub(super) async fn hold(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(ROOM).min(ROOM);
        // Nothing closes the semaphore.
        Arc::clone(&self.chunks).acquire_many_owned(wanted).await.ok()
    }

    /// Waits until so many bytes more may pass.
    pub(super) async fn pass(&self, bytes: usize) {
        if let Some(bandwidth) = &self.bandwidth {
            bandwidth.pass(bytes).await;
        }
    }
}

#[derive(Debug)]
struct Bandwidth {
    /// Bytes in a second.
    rate: u64,
    free_at: Mutex<Instant>,
}

impl Bandwidth {
    async fn pass(&self, bytes: usize) {
        let nanoseconds = (bytes as u128 * 1_000_000_000) / u128::from(self.rate);
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let free_at = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            *free_at = (*free_at).max(Instant::now()) + takes;
            *free_at
        };
        tokio::time::sleep_until(free_at.checked_sub(BURST).unwrap_or(free_at)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_take_their_time() {
        let limits = config::Limits { concurrency: Some(1), bandwidth: Some(1_000_000) };
        let limits = Limits::new(limits, Arc::new(|| 0));
        let start = Instant::now();
        for _ in 0..4 {
            limits.pass(100_000).await;
        }
        assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
        let one = limits.read().await;
        assert!(tokio::time::timeout(Duration::from_millis(20), limits.read()).await.is_err());
        let written = tokio::time::timeout(Duration::from_secs(5), limits.write()).await;
        assert!(written.is_ok(), "reads and writes are counted apart");
        drop(one);
        limits.read().await.end_well();
    }
}
