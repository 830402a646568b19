//! One blob brought to one destination: begun, written, committed; taken up again where it was cut.
//!
//! This is the one place that resumes uploads; reads are resumed by `reading`, and shared by `well`. Requests are
//! tried again by whoever sends them; here it is only uploads that break off, and they go on from the offset that
//! the destination names. The bytes from there on are read again, behind a state of the same comparison, so that
//! what is committed went through one comparison from the first byte to the last.

use std::sync::Arc;

use bytes::Bytes;

use super::hashing::{Checkpoints, Judging};
use super::stretch::skip;
use super::tries::{Tries, wait};
use super::well::{Comer, Cursor, Next, Reads, Well};
use super::{Destination, Engine, Error, Source};
use crate::image::{Descriptor, RepositoryName};
use crate::progress::{Arrival, BlobId, Event};
use crate::registry::{self, Begun, BlobUpload, ErrorKind, UploadState, Verifier};

/// One blob to be brought to one destination.
pub(super) struct Delivery<'a> {
    pub(super) engine: &'a Engine,
    pub(super) source: &'a Source,
    pub(super) destination: &'a Destination,
    pub(super) blob: &'a Descriptor,
    pub(super) id: BlobId,
    /// Who remembers for a later run.
    pub(super) record: Option<&'a dyn Record>,
}

/// Remembers what a later run needs to go on with a blob in its midst.
pub(super) trait Record: Send + Sync {
    /// Where an earlier run left a blob.
    fn left(&self, blob: &Descriptor) -> Left;

    /// An upload was begun, goes on, or moved.
    fn began(&self, blob: &Descriptor, upload: &UploadState);

    /// The upload was given all bytes that this state of the comparison has seen.
    fn passed(&self, blob: &Descriptor, state: &Verifier);

    /// Nothing of the blob is to be gone on with: it has arrived, or what was sent of it is of no use.
    fn over(&self, blob: &Descriptor);
}

/// Where an earlier run left a blob. A hint, of which nothing is believed unchecked.
#[derive(Default)]
pub(super) struct Left {
    /// The upload that it began.
    pub(super) upload: Option<UploadState>,
    /// States of the comparison that the bytes of that upload went through, in their order.
    pub(super) states: Vec<Verifier>,
}

/// A blob that is where it was to be.
pub(super) struct Delivered {
    pub(super) arrival: Arrival,
    /// Whether the source had to be read again, because the destination fell behind others.
    pub(super) reads: Reads,
}

/// Why a blob did not arrive.
struct Broken {
    error: Error,
    /// What it was read from.
    well: Option<Arc<Well>>,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self { error, well: None }
    }
}

/// What kept an upload from its end.
enum Trouble {
    /// Reading failed for good.
    Source(registry::Error),
    /// Writing failed; the upload may know how far it came.
    Destination(registry::Error),
}

impl Delivery<'_> {
    /// Brings the blob there; `from` is a repository of the destination that is believed to have it.
    ///
    /// Wrong content is read once more from the start, because it may have been damaged on the way.
    ///
    /// # Errors
    /// A side failed for good; `Corrupt` where wrong content came twice. Then nothing was committed.
    pub(super) async fn travel(&self, from: Option<&RepositoryName>) -> Result<Delivered, Error> {
        let left = self.record.map(|record| record.left(self.blob)).unwrap_or_default();
        let ended = match self.attempt(from, left).await {
            Err(Broken { error, well }) if error.place_kind() == Some(ErrorKind::Corrupt) => {
                if let Some(well) = well {
                    well.condemn(&error);
                }
                self.forget();
                self.attempt(None, Left::default()).await
            }
            ended => ended,
        };
        if ended.is_ok() {
            self.forget();
        }
        ended.map_err(|broken| broken.error)
    }

    fn forget(&self) {
        if let Some(record) = self.record {
            record.over(self.blob);
        }
    }

    async fn attempt(&self, mut from: Option<&RepositoryName>, left: Left) -> Result<Delivered, Broken> {
        let mut tries = Tries::new(self.engine.settings.pause);
        let mut reads = Reads::Once;
        let mut chain = Some(Checkpoints::with(self.blob, left.states));
        let mut resume = left.upload;
        let mut begun = false;
        loop {
            let (registry, repository) = (&self.destination.registry, &self.destination.repository);
            let opened = registry.begin_blob(repository, self.blob, from.take(), resume.as_ref()).await;
            let mut upload = match opened.map_err(|error| self.destination.failed(error))? {
                // An upload whose last answer was lost turns out to have arrived.
                Begun::Present if begun => return Ok(Delivered { arrival: Arrival::Sent, reads }),
                Begun::Present => return Ok(Delivered { arrival: Arrival::Present, reads }),
                Begun::Mounted => return Ok(Delivered { arrival: Arrival::Mounted, reads }),
                Begun::Upload(upload) => upload,
            };
            begun = true;
            let mut cursor = self.begin_reading(&*upload, chain.as_ref(), &mut reads);
            let filled = self.fill(&mut *upload, &mut cursor, &mut reads).await;
            chain = cursor.chain().cloned();
            let well = Arc::clone(cursor.well());
            // Others need not wait for what comes now.
            drop(cursor);
            let (kept, reached) = (upload.state(), upload.offset());
            let ended = match filled {
                Ok(()) => match self.commit(upload).await {
                    Ok(ended) => ended,
                    Err(error) => return Err(Broken { error, well: Some(well) }),
                },
                Err(Trouble::Source(error)) => {
                    return Err(Broken { error: self.give_up(upload, error).await, well: Some(well) });
                }
                Err(Trouble::Destination(error)) => Some(error),
            };
            let Some(error) = ended else { return Ok(Delivered { arrival: Arrival::Sent, reads }) };
            let gone = error.kind() == ErrorKind::Gone;
            resume = kept.filter(|_| !gone);
            // What is lost does not count as getting on, or it could be lost forever, a little later each time.
            match tries.again(if gone { 0 } else { reached }).filter(|_| error.is_worth_another_try()) {
                Some(pause) => {
                    let place = &self.destination.registry.identity().place;
                    wait(&*self.engine.progress, place, pause, &error).await;
                }
                None => return Err(Broken { error: self.destination.failed(error), well: Some(well) }),
            }
        }
    }

    /// Begins to read what the upload needs: with all others who need the blob, unless it needs less than all of it.
    fn begin_reading(&self, upload: &dyn BlobUpload, chain: Option<&Checkpoints>, reads: &mut Reads) -> Cursor {
        let comer = self.comer(upload);
        let judging = self.judging(upload, upload.offset(), chain);
        if judging.start() > 0 {
            return self.engine.wells.read_alone(&comer, judging);
        }
        let (cursor, again) = self.engine.wells.join(&comer);
        if again == Reads::Again {
            *reads = Reads::Again;
        }
        cursor
    }

    fn comer<'c>(&'c self, upload: &dyn BlobUpload) -> Comer<'c> {
        let place = self.destination.registry.identity();
        Comer { source: self.source, blob: self.blob, place, verifies: upload.verifies() }
    }

    /// How bytes from `offset` on are judged that go on with those of `chain`.
    fn judging(&self, upload: &dyn BlobUpload, offset: u64, chain: Option<&Checkpoints>) -> Judging {
        match chain {
            _ if upload.verifies() => Judging::Elsewhere(offset),
            Some(chain) => Judging::Here(chain.up_to(offset)),
            None => Judging::Here(Checkpoints::new(self.blob)),
        }
    }

    /// Writes what comes until the upload has everything, or one side fails.
    async fn fill(&self, upload: &mut dyn BlobUpload, cursor: &mut Cursor, reads: &mut Reads) -> Result<(), Trouble> {
        let offset = upload.offset();
        let (digest, size) = (self.blob.digest.clone(), self.blob.size);
        self.engine.progress.observe(&Event::BlobStarted { id: self.id, digest, size, offset });
        let mut noted = String::new();
        self.note(upload, &mut noted);
        let mut known = offset.saturating_sub(cursor.position());
        let mut told = cursor.position();
        // One piece is withheld: the last bytes go out behind the judgement alone, because a place that compares
        // nothing would take wrong content for the blob as soon as it had all of it.
        let mut withheld = Bytes::new();
        loop {
            let position = cursor.position();
            let written = position - withheld.len() as u64;
            let next = self.next(cursor, written, &mut told).await.map_err(Trouble::Source)?;
            let piece = std::mem::take(&mut withheld);
            let reached = upload.offset();
            self.write(upload, piece, &mut known).await.map_err(Trouble::Destination)?;
            // An upload in chunks may move with each of them.
            if upload.offset() != reached {
                self.note(upload, &mut noted);
            }
            self.tell(cursor, position, &mut told);
            match next {
                Next::End => return Ok(()),
                Next::Piece(piece) => withheld = piece,
                Next::PutOut => {
                    *reads = Reads::Again;
                    let judging = self.judging(upload, position, cursor.chain());
                    known += position - judging.start();
                    *cursor = self.engine.wells.read_alone(&self.comer(upload), judging);
                }
            }
        }
    }

    /// Waits for the next bytes, and tells meanwhile which of those that were written the comparison catches up with:
    /// where nothing more comes, a later run goes on from there.
    async fn next(&self, cursor: &mut Cursor, written: u64, told: &mut u64) -> registry::Result<Next> {
        let Some(chain) = cursor.chain().filter(|_| self.record.is_some()).cloned() else {
            return cursor.next().await;
        };
        loop {
            let growth = chain.growth();
            self.tell(cursor, written, told);
            tokio::select! {
                biased;
                next = cursor.next() => return next,
                () = growth => {}
            }
        }
    }

    /// Writes a piece, but for the first `known` bytes, which the destination has.
    async fn write(&self, upload: &mut dyn BlobUpload, mut piece: Bytes, known: &mut u64) -> registry::Result<()> {
        skip(&mut piece, known);
        let bytes = piece.len() as u64;
        if bytes > 0 {
            upload.write(piece).await?;
            self.engine.progress.observe(&Event::BlobAdvanced { id: self.id, bytes });
        }
        Ok(())
    }

    /// Tells where the upload goes on, where that is elsewhere than what was noted last.
    fn note(&self, upload: &dyn BlobUpload, noted: &mut String) {
        if let (Some(record), Some(state)) = (self.record, upload.state())
            && state.session != *noted
        {
            record.began(self.blob, &state);
            *noted = state.session;
        }
    }

    /// Tells the states of the comparison that what was written has passed since the one that was told last. The
    /// comparison may be a little behind the bytes: [`Self::next`] tells what it was behind with.
    fn tell(&self, cursor: &Cursor, written: u64, told: &mut u64) {
        if let (Some(record), Some(chain)) = (self.record, cursor.chain()) {
            for state in chain.between(*told, written) {
                record.passed(self.blob, &state);
                *told = state.seen();
            }
        }
    }

    /// Makes visible what was written, which is judged by now; a failure of the destination may be gone on from.
    async fn commit(&self, upload: Box<dyn BlobUpload>) -> Result<Option<registry::Error>, Error> {
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
}
