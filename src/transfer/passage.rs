//! One blob on its way: read, compared with its digest, written, committed; taken up again where it was cut.
//!
//! This is the one place that resumes. Requests are tried again by whoever sends them; here it is only streams
//! that break off, and each side goes on from what it is known to have: the source from the byte behind the last
//! that was read, the destination from the offset that it names.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::hashing::Hashing;
use super::ranges::Room;
use super::reading::Reading;
use super::stretch::skip;
use super::tries::{Tries, wait};
use super::{Destination, Error, Source};
use crate::image::{Descriptor, RepositoryName};
use crate::progress::{Arrival, BlobId, Event, Progress};
use crate::registry::{self, Begun, BlobUpload, ErrorKind};

/// How many pieces may have been read and not yet written; it lets both sides work at once.
const AHEAD: usize = 4;

/// One blob to be brought from one side to the other.
pub(super) struct Passage<'a> {
    pub(super) source: &'a Source,
    pub(super) destination: &'a Destination,
    pub(super) blob: &'a Descriptor,
    pub(super) id: BlobId,
    pub(super) progress: &'a Arc<dyn Progress>,
    /// The first pause before a stream that got nowhere is taken up again.
    pub(super) pause: Duration,
    /// For what is read before its turn.
    pub(super) room: &'a Room,
}

/// What kept a stream from its end.
enum Trouble {
    /// Reading failed for good.
    Source(registry::Error),
    /// Writing failed; the upload may know how far it came.
    Destination(registry::Error),
}

impl Passage<'_> {
    /// Brings the blob there; `from` is a repository of the destination that is believed to have it.
    ///
    /// Wrong content is read once more from the start, because it may have been damaged on the way.
    ///
    /// # Errors
    /// A side failed for good; `Corrupt` where wrong content came twice. Then nothing was committed.
    pub(super) async fn travel(&self, from: Option<&RepositoryName>) -> Result<Arrival, Error> {
        match self.attempt(from).await {
            Err(error) if error.place_kind() == Some(ErrorKind::Corrupt) => {
                let warning = format!("{error}; {} is read once more from the start", self.blob.digest);
                self.progress.observe(&Event::Warning(warning));
                let because = format!("{} came wrong from there", self.blob.digest);
                self.source.registry.distrust(&self.blob.digest, &registry::Error::new(ErrorKind::Corrupt, because));
                self.attempt(None).await
            }
            ended => ended,
        }
    }

    async fn attempt(&self, mut from: Option<&RepositoryName>) -> Result<Arrival, Error> {
        let mut tries = Tries::new(self.pause);
        let mut hashing = None;
        let mut resume = None;
        loop {
            let (registry, repository) = (&self.destination.registry, &self.destination.repository);
            let begun = registry.begin_blob(repository, self.blob, from.take(), resume.as_ref()).await;
            let mut upload = match begun.map_err(|error| self.destination.failed(error))? {
                // An upload whose last answer was lost turns out to have arrived.
                Begun::Present if hashing.is_some() => return Ok(Arrival::Sent),
                Begun::Present => return Ok(Arrival::Present),
                Begun::Mounted => return Ok(Arrival::Mounted),
                Begun::Upload(upload) => upload,
            };
            let hashing = hashing.get_or_insert_with(|| Hashing::new(self.blob, upload.verifies()));
            let filled = self.fill(&mut *upload, hashing).await;
            let (kept, reached) = (upload.state(), upload.offset());
            let ended = match filled {
                Ok(()) => self.commit(upload, hashing).await?,
                Err(Trouble::Source(error)) => return Err(self.give_up(upload, error).await),
                Err(Trouble::Destination(error)) => Some(error),
            };
            let Some(error) = ended else { return Ok(Arrival::Sent) };
            let gone = error.kind() == ErrorKind::Gone;
            resume = kept.filter(|_| !gone);
            // What is lost does not count as getting on, or it could be lost forever, a little later each time.
            match tries.again(if gone { 0 } else { reached }).filter(|_| error.is_worth_another_try()) {
                Some(pause) => {
                    let place = &self.destination.registry.identity().place;
                    wait(&**self.progress, place, pause, &error).await;
                }
                None => return Err(self.destination.failed(error)),
            }
        }
    }

    /// Judges what was written and makes it visible; a failure of the destination may be gone on from.
    async fn commit(
        &self,
        upload: Box<dyn BlobUpload>,
        hashing: &mut Hashing,
    ) -> Result<Option<registry::Error>, Error> {
        if let Err(error) = hashing.judge().await {
            return Err(self.give_up(upload, error).await);
        }
        let verifies = upload.verifies();
        match upload.commit().await {
            Ok(()) => Ok(None),
            // It compared on this computer what it was given: the source gave it.
            Err(error) if verifies && error.kind() == ErrorKind::Corrupt => Err(self.source.failed(error)),
            Err(error) => Ok(Some(error)),
        }
    }

    async fn give_up(&self, upload: Box<dyn BlobUpload>, error: registry::Error) -> Error {
        if error.kind() == ErrorKind::Corrupt {
            upload.abort().await;
        }
        self.source.failed(error)
    }

    /// Reads and writes at once until the upload has everything, or one side fails.
    async fn fill(&self, upload: &mut dyn BlobUpload, hashing: &mut Hashing) -> Result<(), Trouble> {
        let offset = upload.offset();
        let (digest, size) = (self.blob.digest.clone(), self.blob.size);
        self.progress.observe(&Event::BlobStarted { id: self.id, digest, size, offset });
        let start = hashing.rewind(offset).await.map_err(Trouble::Source)?;
        let (sender, pieces) = mpsc::channel(AHEAD);
        let read = async { self.read(start, sender, hashing).await.map_err(Trouble::Source) };
        let write = async { self.write(upload, pieces, offset - start).await.map_err(Trouble::Destination) };
        tokio::try_join!(read, write).map(drop)
    }

    /// Hands out the blob from `position` on, hashed.
    async fn read(&self, position: u64, pieces: mpsc::Sender<Bytes>, hashing: &mut Hashing) -> registry::Result<()> {
        let mut reading = Reading::new(self.source, self.blob, position, self.progress, self.pause, self.room);
        while let Some(piece) = reading.next().await? {
            hashing.take(&piece).await?;
            if pieces.send(piece).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Writes what comes, but for the first `known` bytes, which the destination has.
    async fn write(
        &self,
        upload: &mut dyn BlobUpload,
        mut pieces: mpsc::Receiver<Bytes>,
        mut known: u64,
    ) -> registry::Result<()> {
        while let Some(mut piece) = pieces.recv().await {
            skip(&mut piece, &mut known);
            let bytes = piece.len() as u64;
            if bytes > 0 {
                upload.write(piece).await?;
                self.progress.observe(&Event::BlobAdvanced { id: self.id, bytes });
            }
        }
        Ok(())
    }
}
