//! What is asked of one registry at most: blobs read at once, bytes in a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config;

/// How far ahead of its time a body may be.
const BURST: Duration = Duration::from_millis(100);

/// The limits of one registry.
///
/// Only reads of blobs are counted: who holds one never waits for another, whereas an upload that waited for its
/// turn while its source is open could wait for itself.
#[derive(Debug)]
pub(super) struct Limits {
    reads: Option<Arc<Semaphore>>,
    bandwidth: Option<Bandwidth>,
}

impl Limits {
    pub(super) fn new(limits: config::Limits) -> Self {
        let bandwidth = limits.bandwidth.filter(|rate| *rate > 0);
        Self {
            reads: limits.concurrency.map(|reads| Arc::new(Semaphore::new(reads.max(1)))),
            bandwidth: bandwidth.map(|rate| Bandwidth { rate, free_at: Mutex::new(Instant::now()) }),
        }
    }

    /// Waits until one more blob may be read.
    pub(super) async fn read(&self) -> Option<OwnedSemaphorePermit> {
        // Nothing closes the semaphore.
        Arc::clone(self.reads.as_ref()?).acquire_owned().await.ok()
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
        let limits = Limits::new(config::Limits { concurrency: Some(1), bandwidth: Some(1_000_000) });
        let start = Instant::now();
        for _ in 0..4 {
            limits.pass(100_000).await;
        }
        assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
        let one = limits.read().await;
        assert!(tokio::time::timeout(Duration::from_millis(20), limits.read()).await.is_err());
        drop(one);
        assert!(limits.read().await.is_some());
    }
}
