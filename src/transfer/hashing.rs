//! Compares a blob with its digest while it passes, beside the thread that moves it where the blob is big.
//!
//! Judging is `registry::Verifier`'s; this only runs it, and keeps its earlier states so that a stretch that has
//! to be sent again is also hashed again, and the two never differ.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::image::Descriptor;
use crate::registry::{Error, ErrorKind, Result, Verifier};

/// From which size on hashing is worth a thread of its own.
const BIG: u64 = 1024 * 1024;
/// How many pieces may wait for that thread.
const WAITING: usize = 4;
/// How far apart the states are kept that can be gone back to.
const STRIDE: u64 = 4 * 1024 * 1024;

/// A running comparison of one blob with its digest.
pub(super) enum Hashing {
    /// The destination compares by itself.
    Elsewhere,
    /// On the thread that moves the bytes.
    Here(Box<Checkpoints>),
    /// On a thread of its own.
    Beside(mpsc::Sender<Order>),
}

/// What the hashing thread is told.
pub(super) enum Order {
    /// Take these bytes.
    Take(Bytes),
    /// Go back to at most this offset, and say where that is.
    Rewind(u64, oneshot::Sender<u64>),
    /// Judge what came.
    Judge(oneshot::Sender<Result<()>>),
}

impl Hashing {
    /// Begins with nothing seen; `elsewhere` where the destination compares by itself, so that nothing is hashed twice.
    pub(super) fn new(blob: &Descriptor, elsewhere: bool) -> Self {
        if elsewhere {
            return Self::Elsewhere;
        }
        let checkpoints = Checkpoints::new(blob);
        if blob.size < BIG {
            return Self::Here(Box::new(checkpoints));
        }
        let (sender, orders) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || checkpoints.obey(orders));
        Self::Beside(sender)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `Corrupt` where there are more than were announced.
    pub(super) async fn take(&mut self, bytes: &Bytes) -> Result<()> {
        match self {
            Self::Elsewhere => Ok(()),
            Self::Here(checkpoints) => checkpoints.take(bytes),
            Self::Beside(orders) => orders.send(Order::Take(bytes.clone())).await.map_err(|_| stopped()),
        }
    }

    /// Goes back so that not more than `offset` bytes have been seen, and says how many have.
    ///
    /// # Errors
    /// The hashing thread is gone.
    pub(super) async fn rewind(&mut self, offset: u64) -> Result<u64> {
        match self {
            Self::Elsewhere => Ok(offset),
            Self::Here(checkpoints) => Ok(checkpoints.rewind(offset)),
            Self::Beside(orders) => ask(orders, |answer| Order::Rewind(offset, answer)).await,
        }
    }

    /// Judges what has been seen; where the destination compares by itself, that judges later.
    ///
    /// # Errors
    /// `Corrupt` where it is not the announced content.
    pub(super) async fn judge(&mut self) -> Result<()> {
        match self {
            Self::Elsewhere => Ok(()),
            Self::Here(checkpoints) => checkpoints.judge(),
            Self::Beside(orders) => ask(orders, Order::Judge).await?,
        }
    }
}

async fn ask<T>(orders: &mpsc::Sender<Order>, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T> {
    let (sender, answer) = oneshot::channel();
    orders.send(order(sender)).await.map_err(|_| stopped())?;
    answer.await.map_err(|_| stopped())
}

fn stopped() -> Error {
    Error::new(ErrorKind::Storage, "the thread that hashes has stopped")
}

/// A verifier and the earlier states of it that can be gone back to.
pub(super) struct Checkpoints {
    current: Verifier,
    kept: Vec<Verifier>,
}

impl Checkpoints {
    fn new(blob: &Descriptor) -> Self {
        let current = Verifier::new(blob);
        Self { kept: vec![current.clone()], current }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.current.update(bytes)?;
        let last = self.kept.last().map_or(0, Verifier::seen);
        if self.current.seen() >= last + STRIDE {
            self.kept.push(self.current.clone());
        }
        Ok(())
    }

    fn rewind(&mut self, offset: u64) -> u64 {
        if self.current.seen() > offset {
            // The first state has seen nothing, so one is always left.
            self.kept.truncate(self.kept.partition_point(|state| state.seen() <= offset).max(1));
            self.current.clone_from(&self.kept[self.kept.len() - 1]);
        }
        self.current.seen()
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
                Order::Rewind(offset, answer) => drop(answer.send(self.rewind(offset))),
                Order::Judge(answer) => drop(answer.send(failed.take().map_or_else(|| self.judge(), Err))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::MediaType;

    async fn goes_back(size: usize) {
        let content: Vec<u8> = (0..=250).cycle().take(size).collect();
        let content = Bytes::from(content);
        let mut hashing = Hashing::new(&Descriptor::of(MediaType::oci_config(), &content), false);
        let wrong = Bytes::from(vec![7; size - size / 2]);
        for piece in [content.slice(..size / 2), wrong] {
            for start in (0..piece.len()).step_by(65_536) {
                hashing.take(&piece.slice(start..piece.len().min(start + 65_536))).await.unwrap();
            }
        }
        assert_eq!(hashing.judge().await.expect_err("wrong bytes").kind(), ErrorKind::Corrupt);
        let at = hashing.rewind(size as u64 / 2).await.unwrap();
        assert!(at <= size as u64 / 2 && size as u64 / 2 - at < STRIDE + 65_536, "{at}");
        hashing.take(&content.slice(usize::try_from(at).unwrap()..)).await.unwrap();
        hashing.judge().await.unwrap();
    }

    #[tokio::test]
    async fn a_stretch_can_be_hashed_again() {
        goes_back(1000).await;
        goes_back(20 * 1024 * 1024 + 3).await;
    }
}
