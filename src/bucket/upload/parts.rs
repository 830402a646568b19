//! Bytes that are gathered to parts, and the one part that is on its way while the next is gathered.

use std::sync::Arc;

use bytes::Bytes;
use object_store::PutPayload;
use tokio::task::JoinHandle;

use super::super::Shared;
use crate::image::HashState;
use crate::registry::{Error, ErrorKind, Result};

/// The least size of a part that is not the last (S3 API, "Multipart upload limits"); the others ask for less.
const LEAST_PART: usize = 5 * 1024 * 1024;
/// The most parts of an object.
const MOST_PARTS: usize = 10_000;
/// How many parts come before they get twice as big. Up to 10 GB all are alike, and 300 GB have room.
const DOUBLED_AFTER: usize = 2000;

/// What has landed: its name at the provider, its bytes, and the hash of everything up to its end.
pub(super) type Landed = (String, u64, HashState);

/// The size of the part that comes behind so many.
pub(super) const fn part_size(parts: usize) -> usize {
    LEAST_PART << (parts / DOUBLED_AFTER)
}

/// The bytes of the next part, and the part before it, which is on its way.
pub(super) struct Gathering {
    size: usize,
    pieces: Vec<Bytes>,
    gathered: usize,
    flight: Option<Flight>,
}

struct Flight {
    task: JoinHandle<Result<String>>,
    size: u64,
    hash: HashState,
}

impl Gathering {
    /// Nothing yet of a part of `size` bytes.
    pub(super) const fn new(size: usize) -> Self {
        Self { size, pieces: Vec::new(), gathered: 0, flight: None }
    }

    /// How many bytes the part can still take.
    pub(super) const fn room(&self) -> usize {
        self.size.saturating_sub(self.gathered)
    }

    /// How many bytes are here and not known to have arrived.
    pub(super) fn pending(&self) -> u64 {
        self.gathered as u64 + self.flight.as_ref().map_or(0, |flight| flight.size)
    }

    /// Adds bytes that there is room for.
    pub(super) fn add(&mut self, piece: Bytes) {
        self.gathered += piece.len();
        self.pieces.push(piece);
    }

    /// Sends the part off, as the one at `index`. The one before it has landed.
    pub(super) fn send(
        &mut self,
        shared: &Arc<Shared>,
        key: String,
        id: String,
        index: usize,
        hash: HashState,
    ) -> Result<()> {
        if index >= MOST_PARTS {
            let message = format!("an object has at most {MOST_PARTS} parts; a blob of this size cannot be kept there");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let (size, payload) = self.rest();
        let shared = Arc::clone(shared);
        let task = tokio::spawn(async move { shared.objects.put_part(&key, &id, index, payload).await });
        self.flight = Some(Flight { task, size, hash });
        self.size = part_size(index + 1);
        Ok(())
    }

    /// Whether the part that was on its way has arrived, and waits to be told.
    pub(super) fn has_landed(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.task.is_finished())
    }

    /// Waits for the part that is on its way.
    pub(super) async fn land(&mut self) -> Result<Option<Landed>> {
        let Some(Flight { task, size, hash }) = self.flight.take() else { return Ok(None) };
        let lost = |error| Error::new(ErrorKind::Storage, "a part was abandoned").caused_by(error);
        let id = task.await.map_err(lost)??;
        Ok(Some((id, size, hash)))
    }

    /// What was gathered and fills no part, with its length.
    pub(super) fn rest(&mut self) -> (u64, PutPayload) {
        let length = std::mem::take(&mut self.gathered) as u64;
        (length, std::mem::take(&mut self.pieces).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_parts_as_there_may_be_hold_the_biggest_blobs() {
        let most: usize = (0..MOST_PARTS).map(part_size).sum();
        assert_eq!(part_size(0), LEAST_PART);
        assert!(most > 300 << 30 && part_size(MOST_PARTS - 1) <= 128 << 20, "{most}");
    }
}
