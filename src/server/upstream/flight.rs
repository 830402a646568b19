//! One blob on its way here from upstream, for any number of clients: each reads it as fast as it likes from what
//! has come, and nobody gets the end of it before the whole was compared with its digest.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;

use super::super::upkeep::Upkeep;
use super::Upstream;
use crate::files::Scratch;
use crate::image::{Descriptor, RepositoryName};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Follower, HostedUpload, Result};

/// How often in a row a blob may break off without a byte in between.
const TRIES: u32 = 5;
/// The most bytes that a client is handed at once.
const PIECE: u64 = 256 * 1024;
/// The bytes that are withheld until all of them are judged.
const LAST: u64 = 1;

/// A blob on its way.
pub(in crate::server) struct Flight {
    blob: Descriptor,
    scratch: Arc<Scratch>,
    state: watch::Sender<State>,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
struct State {
    came: u64,
    /// Whether it came well; `None` as long as that is not known.
    ended: Option<Result<()>>,
}

impl Flight {
    pub(super) fn new(blob: Descriptor, spool: &Path) -> Result<Self> {
        let scratch = Scratch::create(spool).map_err(unwritable)?;
        Ok(Self { blob, scratch: Arc::new(scratch), state: watch::Sender::new(State::default()) })
    }

    /// The blob that comes.
    pub(in crate::server) const fn blob(&self) -> &Descriptor {
        &self.blob
    }

    /// Waits until some of it came.
    ///
    /// # Errors
    /// None of it comes.
    pub(in crate::server) async fn begun(&self) -> Result<()> {
        let mut state = self.state.subscribe();
        let begun = state.wait_for(|state| state.came > 0 || state.ended.is_some()).await.map_err(|_| abandoned())?;
        begun.ended.clone().unwrap_or(Ok(()))
    }

    /// Waits until it is here.
    ///
    /// # Errors
    /// It did not come, or came wrong.
    pub(in crate::server) async fn landed(&self) -> Result<()> {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| state.ended.is_some()).await;
        ended.ok().and_then(|state| state.ended.clone()).unwrap_or_else(|| Err(abandoned()))
    }

    /// The bytes as they come. A wrong end is an error in place of the last of them.
    pub(in crate::server) fn reader(self: &Arc<Self>, range: ByteRange) -> BlobReader {
        let (flight, state) = (Arc::clone(self), self.state.subscribe());
        let to = range.to.unwrap_or(self.blob.size).min(self.blob.size);
        BlobReader::new(
            range.from,
            stream::try_unfold((flight, state, range.from), move |(flight, mut state, at)| async move {
                if at >= to {
                    return Ok(None);
                }
                let ready = flight.ready(&mut state, at).await?;
                let piece = flight.read(at, ready.min(to).min(at + PIECE)).await?;
                let next = at + piece.len() as u64;
                Ok(Some((piece, (flight, state, next))))
            }),
        )
    }

    /// Waits for bytes behind `at` that can be handed out, and says up to where they go.
    async fn ready(&self, state: &mut watch::Receiver<State>, at: u64) -> Result<u64> {
        let size = self.blob.size;
        let limit = |state: &State| match &state.ended {
            Some(Ok(())) => size,
            _ => state.came.min(size.saturating_sub(LAST)),
        };
        let ready = state.wait_for(|state| limit(state) > at || state.ended.is_some()).await;
        let ready = ready.map_err(|_| abandoned())?;
        match &ready.ended {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(limit(&ready)),
        }
    }

    async fn read(&self, from: u64, to: u64) -> Result<Bytes> {
        let scratch = Arc::clone(&self.scratch);
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(to - from).unwrap_or_default()];
            scratch.read_at(from, &mut piece).map(|()| Bytes::from(piece))
        });
        read.await.map_err(|_| abandoned())?.map_err(unreadable)
    }

    /// Brings it, and keeps it.
    pub(super) async fn fly(
        &self,
        host: &dyn Follower,
        upstream: &Upstream,
        repository: &RepositoryName,
        upkeep: &Upkeep,
    ) {
        let brought = self.bring(host, upstream, repository, upkeep).await;
        if let Err(error) = &brought {
            tracing::warn!(%repository, digest = %self.blob.digest, %error, "a blob did not come from upstream");
        }
        self.state.send_modify(|state| state.ended = Some(brought));
    }

    async fn bring(
        &self,
        host: &dyn Follower,
        upstream: &Upstream,
        repository: &RepositoryName,
        upkeep: &Upkeep,
    ) -> Result<()> {
        let full = |_| Error::new(ErrorKind::Denied, "the quota of this registry is used up");
        upkeep.make_room(self.blob.size).await.map_err(full)?;
        let mut upload = host.begin_upload(repository, "automatic pull").await?;
        match self.fill(&mut *upload, upstream).await {
            // That is where it is compared with its digest.
            Ok(()) => upload.commit(&self.blob.digest).await,
            Err(error) => {
                upload.cancel().await?;
                Err(error)
            }
        }
    }

    /// Reads all bytes, going on where it broke off.
    async fn fill(&self, upload: &mut dyn HostedUpload, upstream: &Upstream) -> Result<()> {
        let (mut came, mut tries) = (0, 0);
        loop {
            let before = came;
            match self.stretch(upload, upstream, &mut came).await {
                Ok(()) if came == self.blob.size => return Ok(()),
                Ok(()) => return Err(Error::new(ErrorKind::Corrupt, "a blob from upstream ended early")),
                Err(error) if error.is_transient() => {
                    tries = if came > before { 0 } else { tries + 1 };
                    if tries >= TRIES {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until the end, or until it breaks off.
    async fn stretch(&self, upload: &mut dyn HostedUpload, upstream: &Upstream, came: &mut u64) -> Result<()> {
        let mut reader = upstream.source.blob(&upstream.repository, &self.blob, ByteRange::from(*came)).await?;
        // Where the place does no ranges, it comes from its beginning again.
        let mut known = came.saturating_sub(reader.start());
        while let Some(mut piece) = reader.next().await? {
            let skipped = known.min(piece.len() as u64);
            known -= skipped;
            let piece = piece.split_off(usize::try_from(skipped).unwrap_or_default());
            if piece.is_empty() {
                continue;
            }
            if *came + piece.len() as u64 > self.blob.size {
                return Err(Error::new(ErrorKind::Corrupt, "a blob from upstream is longer than its manifest says"));
            }
            self.keep(*came, piece.clone()).await?;
            *came += piece.len() as u64;
            upload.write(piece).await?;
            self.state.send_modify(|state| state.came = *came);
        }
        Ok(())
    }

    async fn keep(&self, at: u64, piece: Bytes) -> Result<()> {
        let scratch = Arc::clone(&self.scratch);
        let written = tokio::task::spawn_blocking(move || scratch.write_at(at, &piece));
        let failed = |error| Error::new(ErrorKind::Storage, "a blob from upstream cannot be kept").caused_by(error);
        written.await.map_err(|_| abandoned())?.map_err(|error: std::io::Error| failed(error))
    }
}

fn abandoned() -> Error {
    Error::new(ErrorKind::Unavailable, "the way of a blob from upstream was abandoned")
}

fn unwritable(error: crate::files::FileError) -> Error {
    Error::new(ErrorKind::Storage, error.to_string()).caused_by(error.source)
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "a blob from upstream cannot be read back").caused_by(error)
}
