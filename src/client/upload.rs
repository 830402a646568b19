//! The way of one blob to a registry: whole in one request, in chunks where it has to be, or with the request that
//! would open the upload (distribution-spec 1.1, "Pushing Blobs").

mod chunks;
mod parcel;
mod session;
mod single;
mod stream;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{scout, turns};
use crate::registry::{BlobUpload, Result, UploadState};
use chunks::Chunks;
pub(super) use parcel::Parcel;
pub(super) use session::Session;
pub(super) use single::LONGEST as LONGEST_SINGLE;
use stream::Stream;

/// A blob up to this size is collected and sent in one request that can be repeated.
const SMALL: u64 = 1024 * 1024;

/// An upload on its way.
pub(super) struct Upload {
    parcel: Parcel,
    way: Way,
    /// How many bytes of the blob were taken from the caller, those of an earlier run included.
    taken: u64,
    /// Held while the others wait for what becomes of it.
    ahead: Option<scout::Turn>,
    /// Its turn among those that are written to the registry.
    turn: Option<turns::Turn>,
    /// Room for the chunks that are held until the registry has them.
    _room: Option<OwnedSemaphorePermit>,
}

enum Way {
    /// All at once, with the request that opens the upload; the pieces wait for that.
    Single(Vec<Bytes>),
    /// In pieces that are at hand until the registry has them.
    Chunks(Session, Chunks),
    /// One request that takes what comes; opened with the first bytes.
    Stream(Session, Option<Stream>),
}

impl Upload {
    /// An upload that was opened.
    pub(super) fn new(session: Session) -> Self {
        let left = session.blob().size.saturating_sub(session.offset());
        let (parcel, taken) = (session.parcel().clone(), session.offset());
        let way = match session.longest_body() {
            _ if left <= SMALL => Way::Chunks(session, Chunks::new(SMALL)),
            Some(longest) => Way::Chunks(session, Chunks::new(longest)),
            None => Way::Stream(session, None),
        };
        Self { parcel, way, taken, ahead: None, turn: None, _room: None }
    }

    /// An upload that is opened by its blob, of [`LONGEST_SINGLE`] bytes at most.
    pub(super) const fn single(parcel: Parcel) -> Self {
        Self { parcel, way: Way::Single(Vec::new()), taken: 0, ahead: None, turn: None, _room: None }
    }

    /// Lets it go ahead of the others.
    pub(super) fn ahead(self, turn: scout::Turn) -> Self {
        Self { ahead: Some(turn), ..self }
    }

    /// Keeps its turn until it is committed or dropped, and waits for room for what it will hold.
    pub(super) async fn in_turn(self, turn: turns::Turn) -> Self {
        let holds = match &self.way {
            Way::Chunks(session, chunks) => chunks.chunk(session).min(session.blob().size),
            Way::Single(_) | Way::Stream(..) => 0,
        };
        // Small ones are so many at most as there are turns, and need not wait.
        let room = if holds > SMALL { self.parcel.exchange.limits.hold(holds).await } else { None };
        Self { turn: Some(turn), _room: room, ..self }
    }

    const fn session(&self) -> Option<&Session> {
        match &self.way {
            Way::Single(_) => None,
            Way::Chunks(session, _) | Way::Stream(session, _) => Some(session),
        }
    }
}

#[async_trait]
impl BlobUpload for Upload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.taken += chunk.len() as u64;
        if self.taken > self.parcel.blob.size {
            return self.parcel.check_length(self.taken);
        }
        self.parcel.pass(chunk.len()).await;
        match &mut self.way {
            Way::Single(pieces) => {
                pieces.push(chunk);
                Ok(())
            }
            Way::Chunks(session, chunks) => chunks.write(session, chunk).await,
            Way::Stream(session, stream) => {
                stream.get_or_insert_with(|| Stream::open(session.clone())).write(chunk).await
            }
        }
    }

    fn offset(&self) -> u64 {
        self.session().map_or(0, Session::offset)
    }

    fn state(&self) -> Option<UploadState> {
        self.session()?.state()
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { parcel, way, taken, ahead, turn, _room } = *self;
        parcel.check_length(taken)?;
        let done = match way {
            Way::Single(pieces) => single::send(parcel.clone(), pieces).await,
            Way::Chunks(mut session, chunks) => chunks.finish(&mut session).await,
            Way::Stream(_, Some(stream)) => stream.finish().await,
            Way::Stream(mut session, None) => Chunks::new(SMALL).finish(&mut session).await,
        };
        match done {
            // The answer was lost, not necessarily the blob.
            Err(error) if error.is_transient() && parcel.is_there().await => {}
            other => other?,
        }
        if let Some(turn) = turn {
            turn.end_well();
        }
        if let Some(turn) = ahead {
            turn.arrived(parcel.repository, parcel.blob.digest);
        }
        Ok(())
    }

    async fn abort(self: Box<Self>) {
        let session = match self.way {
            Way::Single(_) => return,
            Way::Chunks(session, _) => session,
            Way::Stream(session, stream) => {
                drop(stream);
                session
            }
        };
        session.cancel().await;
    }
}
