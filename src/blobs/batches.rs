//! Bytes that are gathered and handed to a thread, so that whoever brings them need not wait for the disk.

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::lost;
use crate::registry::{Error, ErrorKind, Result};

/// The bytes that are gathered before a thread takes them: so many that handing them over does not count, so few that
/// many blobs can be under way.
pub(super) const BATCH: usize = 256 * 1024;

/// What takes bytes where waiting holds up nothing else.
pub trait Sink: Send + 'static {
    /// Takes the next bytes. Blocks the thread.
    ///
    /// # Errors
    /// `Storage`, and what the content is judged by.
    fn take(&mut self, batch: &[Bytes]) -> Result<()>;
}

/// A sink, with the bytes that it has not taken yet.
pub struct Batches<T> {
    stage: Stage<T>,
    pending: Vec<Bytes>,
    pending_bytes: usize,
}

/// Who has the sink.
enum Stage<T> {
    /// Nobody.
    Idle(Box<T>),
    /// A thread, which takes bytes.
    Busy(JoinHandle<Result<Box<T>>>),
    /// Nobody any more, because something failed, or because it was handed back.
    Over,
}

impl<T: Sink> Batches<T> {
    /// A sink that has taken nothing.
    #[must_use]
    pub const fn new(sink: Box<T>) -> Self {
        Self { stage: Stage::Idle(sink), pending: Vec::new(), pending_bytes: 0 }
    }

    /// Takes a piece; a thread has at most one batch while the next one is gathered.
    ///
    /// # Errors
    /// An earlier batch was not taken.
    pub async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.pending_bytes += piece.len();
        self.pending.push(piece);
        if self.pending_bytes < BATCH {
            return Ok(());
        }
        let mut sink = self.settle().await?;
        let batch = self.take_pending();
        self.stage = Stage::Busy(tokio::task::spawn_blocking(move || {
            sink.take(&batch)?;
            Ok(sink)
        }));
        Ok(())
    }

    /// Hands the sink back, and what it has yet to take.
    ///
    /// # Errors
    /// An earlier batch was not taken.
    pub async fn end(&mut self) -> Result<(Box<T>, Vec<Bytes>)> {
        Ok((self.settle().await?, self.take_pending()))
    }

    fn take_pending(&mut self) -> Vec<Bytes> {
        self.pending_bytes = 0;
        std::mem::take(&mut self.pending)
    }

    /// Waits until no thread has the sink, and takes it.
    async fn settle(&mut self) -> Result<Box<T>> {
        if let Stage::Busy(running) = &mut self.stage {
            let settled = running.await;
            self.stage = Stage::Over;
            return settled.map_err(lost)?;
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Idle(sink) => Ok(sink),
            Stage::Busy(_) | Stage::Over => {
                Err(Error::new(ErrorKind::Storage, "an earlier part of the content was not written"))
            }
        }
    }
}
