//! The way of one blob to a registry: whole in one request, or in chunks where it has to be
//! (distribution-spec 1.1, "Pushing Blobs").

mod chunks;
mod session;
mod stream;

use async_trait::async_trait;
use bytes::Bytes;

use crate::registry::{BlobUpload, ErrorKind, Result, UploadState};
use chunks::Chunks;
pub(super) use session::Session;
use stream::Stream;

/// A blob up to this size is collected and sent in one request that can be repeated.
const SMALL: u64 = 1024 * 1024;

/// An upload on its way.
pub(super) struct Upload {
    session: Session,
    way: Way,
    /// How many bytes of the blob were taken from the caller, those of an earlier run included.
    taken: u64,
}

enum Way {
    /// In pieces that are at hand until the registry has them.
    Chunks(Chunks),
    /// One request that takes what comes; opened with the first bytes.
    Stream(Option<Stream>),
}

impl Upload {
    pub(super) fn new(session: Session) -> Self {
        let left = session.blob().size.saturating_sub(session.offset());
        let way = match session.longest_body() {
            _ if left <= SMALL => Way::Chunks(Chunks::new(SMALL)),
            Some(longest) => Way::Chunks(Chunks::new(longest)),
            None => Way::Stream(None),
        };
        Self { taken: session.offset(), session, way }
    }

    fn check_length(&self) -> Result<()> {
        let size = self.session.blob().size;
        if self.taken == size {
            return Ok(());
        }
        let message = format!("{} bytes were given for {}, not {size}", self.taken, self.session.what());
        Err(self.session.error(ErrorKind::Corrupt, message))
    }
}

#[async_trait]
impl BlobUpload for Upload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.taken += chunk.len() as u64;
        if self.taken > self.session.blob().size {
            return self.check_length();
        }
        self.session.pass(chunk.len()).await;
        match &mut self.way {
            Way::Chunks(chunks) => chunks.write(&mut self.session, chunk).await,
            Way::Stream(stream) => stream.get_or_insert_with(|| Stream::open(self.session.clone())).write(chunk).await,
        }
    }

    fn offset(&self) -> u64 {
        self.session.offset()
    }

    fn state(&self) -> Option<UploadState> {
        self.session.state()
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.check_length()?;
        let Self { mut session, way, .. } = *self;
        let done = match way {
            Way::Chunks(chunks) => chunks.finish(&mut session).await,
            Way::Stream(Some(stream)) => stream.finish().await,
            Way::Stream(None) => Chunks::new(SMALL).finish(&mut session).await,
        };
        match done {
            // The answer was lost, not necessarily the blob.
            Err(error) if error.is_transient() && session.is_there().await => Ok(()),
            other => other,
        }
    }

    async fn abort(self: Box<Self>) {
        drop(self.way);
        self.session.cancel().await;
    }
}
