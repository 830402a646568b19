//! A part of a blob as one stream: taken up again where it is cut, until its end or until it gets nowhere.
//!
//! The one place that resumes reads. `reading` says which part, and puts parts together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use super::Source;
use super::ranges::Room;
use super::tries::{Tries, wait};
use crate::image::Descriptor;
use crate::progress::Progress;
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Result};

/// What is read, and how its troubles are taken.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) source: Source,
    pub(super) blob: Descriptor,
    pub(super) progress: Arc<dyn Progress>,
    /// The first pause before a stream that got nowhere is taken up again.
    pub(super) pause: Duration,
    /// Remembers which places do no ranges.
    pub(super) room: Room,
}

/// A part of a blob that is being read.
struct Stretch {
    origin: Origin,
    range: ByteRange,
    position: u64,
    open: Option<Open>,
    tries: Tries,
}

/// An open stream of it.
struct Open {
    reader: BlobReader,
    /// How many of the bytes that come next were handed out already.
    known: u64,
}

impl Origin {
    /// The bytes of `range`, in pieces that are never empty; nothing is asked before the first is wanted.
    ///
    /// A range with an end is taken exactly or not at all: a place that answers with another part does
    /// `Unsupported`. One without is read from wherever the place begins. What comes behind the last byte of the
    /// blob is `Corrupt`, what the range leaves out is not looked at; else the errors are those that the source
    /// meets for good, or meets too often without getting on.
    pub(super) fn stream(&self, range: ByteRange) -> BoxStream<'static, Result<Bytes>> {
        let tries = Tries::reached(range.from, self.pause);
        let stretch = Stretch { origin: self.clone(), range, position: range.from, open: None, tries };
        let next = |mut stretch: Stretch| async move { Ok(stretch.next().await?.map(|piece| (piece, stretch))) };
        stream::try_unfold(stretch, next).boxed()
    }

    fn place(&self) -> &str {
        &self.source.registry.identity().place
    }
}

impl Stretch {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let size = self.origin.blob.size;
        loop {
            match self.step().await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(piece) => return Ok(piece),
                // What goes wrong behind the last byte is no harm.
                Err(error) if self.position == size && error.kind() != ErrorKind::Corrupt => return Ok(None),
                Err(error) => self.recover(error).await?,
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>> {
        let size = self.origin.blob.size;
        let end = self.range.to.unwrap_or(size);
        let open = match &mut self.open {
            // Behind the end of the blob nothing may come; what is behind another end is no matter.
            Some(open) if self.position < end || end == size => open,
            None if self.position < end => {
                let reader = self.open().await?;
                let known = self.position - reader.start();
                self.open.insert(Open { reader, known })
            }
            _ => return Ok(None),
        };
        let Some(mut piece) = open.reader.next().await? else {
            if self.position == end {
                return Ok(None);
            }
            let came = format!("ended after {} of {size} bytes", self.position);
            return Err(self.wrong(&came));
        };
        skip(&mut piece, &mut open.known);
        let wanted = end - self.position;
        if piece.len() as u64 > wanted {
            if end == size {
                return Err(self.wrong(&format!("is longer than the {size} bytes that were announced")));
            }
            piece.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        }
        self.position += piece.len() as u64;
        Ok(Some(piece))
    }

    fn wrong(&self, how: &str) -> Error {
        Error::new(ErrorKind::Corrupt, format!("the content of {} {how}", self.origin.blob.digest))
    }

    /// Makes ready to go on after a failure, or hands it back.
    async fn recover(&mut self, error: Error) -> Result<()> {
        // Where it was not even opened, whoever sent the request tried it often enough.
        if self.open.take().is_none() || !error.is_worth_another_try() {
            return Err(error);
        }
        let Some(pause) = self.tries.again(self.position) else { return Err(error) };
        if !pause.is_zero() {
            self.origin.source.registry.distrust(&self.origin.blob.digest, &error);
        }
        wait(&*self.origin.progress, self.origin.place(), pause, &error).await;
        Ok(())
    }

    /// Opens the part at the position or before. By `&mut`, because what is shared between threads would have to be `Sync`.
    async fn open(&mut self) -> Result<BlobReader> {
        let Origin { source, blob, room, .. } = &self.origin;
        let position = self.position;
        let open = |range| source.registry.blob(&source.repository, blob, range);
        let reader = open(ByteRange { from: position, ..self.range }).await?;
        if reader.start() == position {
            return Ok(reader);
        }
        room.note_without_ranges(self.origin.place());
        if self.range.to.is_some() {
            let message = format!("asked for {} from byte {position}, it came from another", blob.digest);
            return Err(Error::new(ErrorKind::Unsupported, message).at(self.origin.place()));
        }
        if reader.start() < position {
            return Ok(reader);
        }
        // Another part than was asked for is never spliced in.
        let whole = open(ByteRange::ALL).await?;
        if whole.start() <= position {
            return Ok(whole);
        }
        let message = format!("asked for {} from byte {position}, it came from byte {}", blob.digest, whole.start());
        Err(Error::new(ErrorKind::Nonsense, message).at(self.origin.place()))
    }
}

/// Drops from `piece` what of the first `known` bytes it holds.
pub(super) fn skip(piece: &mut Bytes, known: &mut u64) {
    let held = usize::try_from(*known).map_or(piece.len(), |known| known.min(piece.len()));
    drop(piece.split_to(held));
    *known -= held as u64;
}
