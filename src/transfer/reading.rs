//! A blob as it comes from its source, from some byte on to its end, taken up again where it is cut.
//!
//! The one place that resumes reads. Nothing is judged here but the length: bytes are compared with the digest by
//! whoever takes them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Source;
use super::tries::{Tries, wait};
use crate::image::Descriptor;
use crate::progress::Progress;
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Result};

/// A blob that is being read.
pub(super) struct Reading {
    source: Source,
    blob: Descriptor,
    position: u64,
    open: Option<Open>,
    tries: Tries,
    progress: Arc<dyn Progress>,
}

/// An open stream of it.
struct Open {
    reader: BlobReader,
    /// How many of the bytes that come next were handed out already.
    known: u64,
}

impl Reading {
    /// Reads `blob` from `position` on; nothing is asked before the first [`Reading::next`]. The first pause before
    /// a stream that got nowhere is taken up again is `pause`.
    pub(super) fn new(
        source: &Source,
        blob: &Descriptor,
        position: u64,
        progress: &Arc<dyn Progress>,
        pause: Duration,
    ) -> Self {
        let (source, blob, progress) = (source.clone(), blob.clone(), Arc::clone(progress));
        Self { source, blob, position, open: None, tries: Tries::new(pause), progress }
    }

    /// The next bytes, never empty; `None` once as many came as were announced and the stream ended.
    ///
    /// # Errors
    /// `Corrupt` where more come than were announced; what the source meets for good, or meets too often without
    /// getting on.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.step().await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(piece) => return Ok(piece),
                // What goes wrong behind the last byte is no harm.
                Err(error) if self.position == self.blob.size && error.kind() != ErrorKind::Corrupt => return Ok(None),
                Err(error) => self.recover(error).await?,
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>> {
        let open = match &mut self.open {
            Some(open) => open,
            None if self.position == self.blob.size => return Ok(None),
            None => {
                let reader = self.open().await?;
                let known = self.position - reader.start();
                self.open.insert(Open { reader, known })
            }
        };
        let Some(mut piece) = open.reader.next().await? else { return Ok(None) };
        skip(&mut piece, &mut open.known);
        if piece.len() as u64 > self.blob.size - self.position {
            let (digest, size) = (&self.blob.digest, self.blob.size);
            let message = format!("the content of {digest} is longer than the {size} bytes that were announced");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        self.position += piece.len() as u64;
        Ok(Some(piece))
    }

    /// Makes ready to go on after a failure, or hands it back.
    async fn recover(&mut self, error: Error) -> Result<()> {
        // Where it was not even opened, whoever sent the request tried it often enough.
        if self.open.take().is_none() || !error.is_worth_another_try() {
            return Err(error);
        }
        let Some(pause) = self.tries.again(self.position) else { return Err(error) };
        if !pause.is_zero() {
            self.source.registry.distrust(&self.blob.digest, &error);
        }
        wait(&*self.progress, &self.source.registry.identity().place, pause, &error).await;
        Ok(())
    }

    /// Opens the blob at the position or before. By `&mut`, because what is shared between threads would have to be `Sync`.
    async fn open(&mut self) -> Result<BlobReader> {
        let open = |range| self.source.registry.blob(&self.source.repository, &self.blob, range);
        let reader = open(ByteRange::from(self.position)).await?;
        if reader.start() <= self.position {
            return Ok(reader);
        }
        // Another part than was asked for is never spliced in.
        let whole = open(ByteRange::ALL).await?;
        if whole.start() <= self.position {
            return Ok(whole);
        }
        let (digest, position, start) = (&self.blob.digest, self.position, whole.start());
        let message = format!("asked for {digest} from byte {position}, it came from byte {start}");
        Err(Error::new(ErrorKind::Nonsense, message).at(&self.source.registry.identity().place))
    }
}

/// Drops from `piece` what of the first `known` bytes it holds.
pub(super) fn skip(piece: &mut Bytes, known: &mut u64) {
    let held = usize::try_from(*known).map_or(piece.len(), |known| known.min(piece.len()));
    drop(piece.split_to(held));
    *known -= held as u64;
}
