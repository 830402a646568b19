//! Compares a blob with its digest while it is read, beside the thread that moves it where the blob is big.
//!
//! Judging is `registry::Verifier`'s; this only runs it, and keeps its earlier states: whoever has to take up a blob
//! in its midst begins behind one of them, so that all bytes of it go through one comparison from the first to the
//! last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::image::Descriptor;
use crate::registry::{Error, ErrorKind, Result, Verifier};

/// From which size on hashing is worth a thread of its own.
const BIG: u64 = 1024 * 1024;
/// How many pieces may wait for that thread, which has one in hand.
const WAITING: usize = 1;
/// How far apart the states are kept that can be gone back to.
const STRIDE: u64 = 4 * 1024 * 1024;

/// Who compares a blob with its digest, from which byte on.
pub(super) enum Judging {
    /// The one destination does, and wants the bytes from here on.
    Elsewhere(u64),
    /// We do, behind the last of these states.
    Here(Checkpoints),
}

impl Judging {
    /// The first byte that is needed.
    pub(super) fn start(&self) -> u64 {
        match self {
            Self::Elsewhere(start) => *start,
            Self::Here(checkpoints) => checkpoints.last().seen(),
        }
    }
}

/// The states that one comparison went through, the first of which has seen nothing. Clones share them.
#[derive(Clone)]
pub(super) struct Checkpoints(Arc<Trail>);

/// What the clones of checkpoints share.
struct Trail {
    states: Mutex<Vec<Verifier>>,
    /// There is one more.
    grown: Notify,
}

impl Checkpoints {
    /// Of a comparison that begins.
    pub(super) fn new(blob: &Descriptor) -> Self {
        Self::with(blob, Vec::new())
    }

    /// Of a comparison that went through these states, in their order.
    pub(super) fn with(blob: &Descriptor, mut states: Vec<Verifier>) -> Self {
        states.insert(0, Verifier::new(blob));
        Self::of(states)
    }

    fn of(states: Vec<Verifier>) -> Self {
        Self(Arc::new(Trail { states: Mutex::new(states), grown: Notify::new() }))
    }

    /// Of another comparison that goes on from the last state which has seen no more than `offset` bytes.
    pub(super) fn up_to(&self, offset: u64) -> Self {
        let states = self.states();
        // The first has seen nothing, so one is always left.
        let kept = states.partition_point(|state| state.seen() <= offset).max(1);
        Self::of(states[..kept].to_vec())
    }

    /// The states that have seen more than `after` bytes, and not more than `until`.
    pub(super) fn between(&self, after: u64, until: u64) -> Vec<Verifier> {
        self.states().iter().filter(|state| state.seen() > after && state.seen() <= until).cloned().collect()
    }

    /// Waits for the next state, from when this is called on.
    pub(super) fn growth(&self) -> Notified<'_> {
        self.0.grown.notified()
    }

    fn add(&self, state: &Verifier) {
        let mut states = self.states();
        if state.seen() >= states.last().map_or(0, Verifier::seen) + STRIDE {
            states.push(state.clone());
            drop(states);
            self.0.grown.notify_waiters();
        }
    }

    fn last(&self) -> Verifier {
        let states = self.states();
        states[states.len() - 1].clone()
    }

    fn states(&self) -> MutexGuard<'_, Vec<Verifier>> {
        // Whole after every step, so a panic elsewhere spoils nothing.
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running comparison of one blob with its digest.
pub(super) enum Hashing {
    /// The destination compares by itself.
    Elsewhere,
    /// On the thread that moves the bytes.
    Here(Box<Comparison>),
    /// On a thread of its own.
    Beside(mpsc::Sender<Order>),
}

/// What the hashing thread is told.
pub(super) enum Order {
    /// Take these bytes.
    Take(Bytes),
    /// Judge what came.
    Judge(oneshot::Sender<Result<()>>),
}

impl Hashing {
    /// Begins where `judging` says.
    pub(super) fn new(blob: &Descriptor, judging: &Judging) -> Self {
        let Judging::Here(checkpoints) = judging else { return Self::Elsewhere };
        let comparison = Comparison { current: checkpoints.last(), checkpoints: checkpoints.clone() };
        if blob.size - comparison.current.seen().min(blob.size) < BIG {
            return Self::Here(Box::new(comparison));
        }
        let (sender, orders) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || comparison.obey(orders));
        Self::Beside(sender)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `Corrupt` where there are more than were announced.
    pub(super) async fn take(&mut self, bytes: &Bytes) -> Result<()> {
        match self {
            Self::Elsewhere => Ok(()),
            Self::Here(comparison) => comparison.take(bytes),
            Self::Beside(orders) => orders.send(Order::Take(bytes.clone())).await.map_err(|_| stopped()),
        }
    }

    /// Judges what has been seen; where the destination compares by itself, that judges later.
    ///
    /// # Errors
    /// `Corrupt` where it is not the announced content.
    pub(super) async fn judge(&mut self) -> Result<()> {
        match self {
            Self::Elsewhere => Ok(()),
            Self::Here(comparison) => comparison.judge(),
            Self::Beside(orders) => {
                let (sender, verdict) = oneshot::channel();
                orders.send(Order::Judge(sender)).await.map_err(|_| stopped())?;
                verdict.await.map_err(|_| stopped())?
            }
        }
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Storage, "the thread that hashes has stopped")
}

/// A verifier that leaves its earlier states behind.
pub(super) struct Comparison {
    current: Verifier,
    checkpoints: Checkpoints,
}

impl Comparison {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.current.update(bytes)?;
        self.checkpoints.add(&self.current);
        Ok(())
    }

    fn judge(&self) -> Result<()> {
        self.current.clone().finish()
    }

    /// The work of the hashing thread; ends when nobody can give it orders any more.
    fn obey(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut failed = None;
        while let Some(order) = orders.blocking_recv() {
            match order {
                Order::Take(bytes) if failed.is_none() => failed = self.take(&bytes).err(),
                Order::Take(_) => {}
                Order::Judge(verdict) => drop(verdict.send(failed.take().map_or_else(|| self.judge(), Err))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::MediaType;

    async fn hash(hashing: &mut Hashing, bytes: &Bytes) {
        for start in (0..bytes.len()).step_by(65_536) {
            hashing.take(&bytes.slice(start..bytes.len().min(start + 65_536))).await.unwrap();
        }
    }

    async fn goes_on(size: usize) {
        let content: Vec<u8> = (0..=250).cycle().take(size).collect();
        let content = Bytes::from(content);
        let blob = Descriptor::of(MediaType::oci_config(), &content);
        let checkpoints = Checkpoints::new(&blob);
        let mut hashing = Hashing::new(&blob, &Judging::Here(checkpoints.clone()));
        hash(&mut hashing, &content.slice(..size / 2)).await;
        hash(&mut hashing, &Bytes::from(vec![7; size - size / 2])).await;
        assert_eq!(hashing.judge().await.expect_err("wrong bytes").kind(), ErrorKind::Corrupt);

        let earlier = Judging::Here(checkpoints.up_to(size as u64 / 2));
        let at = earlier.start();
        assert!(at <= size as u64 / 2 && size as u64 / 2 - at < STRIDE + 65_536, "{at}");
        let mut hashing = Hashing::new(&blob, &earlier);
        hash(&mut hashing, &content.slice(usize::try_from(at).unwrap()..)).await;
        hashing.judge().await.unwrap();
    }

    #[tokio::test]
    async fn a_comparison_goes_on_from_what_it_had_seen() {
        goes_on(1000).await;
        goes_on(20 * 1024 * 1024 + 3).await;
    }

    #[tokio::test]
    async fn who_waits_for_a_state_is_woken_also_by_one_that_came_before_it_slept() {
        let content = vec![1; 2 * 4 * 1024 * 1024];
        let blob = Descriptor::of(MediaType::oci_config(), &content);
        let checkpoints = Checkpoints::new(&blob);
        let mut comparison = Comparison { current: checkpoints.last(), checkpoints: checkpoints.clone() };
        let growth = checkpoints.growth();
        comparison.take(&content[..4 * 1024 * 1024]).unwrap();
        growth.await;
        assert_eq!(checkpoints.between(0, u64::MAX).len(), 1);
    }

    #[test]
    fn states_are_handed_out_by_what_they_have_seen() {
        let content = vec![1; 12 * 1024 * 1024];
        let blob = Descriptor::of(MediaType::oci_config(), &content);
        let checkpoints = Checkpoints::new(&blob);
        let mut comparison = Comparison { current: checkpoints.last(), checkpoints: checkpoints.clone() };
        for piece in content.chunks(1024 * 1024) {
            comparison.take(piece).unwrap();
        }
        let seen = |states: Vec<Verifier>| states.iter().map(|state| state.seen() / STRIDE).collect::<Vec<_>>();
        assert_eq!(seen(checkpoints.between(0, u64::MAX)), [1, 2, 3]);
        assert_eq!(seen(checkpoints.between(STRIDE, 3 * STRIDE - 1)), [2]);
        assert_eq!(checkpoints.up_to(3 * STRIDE - 1).last().seen(), 2 * STRIDE);
        assert_eq!(checkpoints.up_to(0).last().seen(), 0);
        let later = Checkpoints::with(&blob, checkpoints.between(0, u64::MAX));
        assert_eq!(later.up_to(STRIDE).last().seen(), STRIDE);
    }
}
