//! Uploads that any server can go on with: their parts, their rest and their hash are in the bucket.
//!
//! An upload is one small object that says how far it is ([`State`]), and content on its way. Objects cannot grow, so
//! bytes are gathered and given as parts of an object that is not there before all are given ([`parts`]); what is too
//! little for a part when a request ends is staged as an object of its own, and is the begin of the next part.
//!
//! One request works on an upload at a time: it takes the turn by replacing the state, which only one can do, and
//! gives the turn back when it ends. While it works it says so every few seconds. A server that was killed does not;
//! then the next request sees the state unchanged for [`SILENCE`], by its own clock, and takes the turn from it, at the
//! last part that is known to have arrived. Should the other one live after all, its next word on the state is
//! refused, and it gives up. The digest of such an upload is made anew from the content before it is believed.

mod ending;
mod parts;
mod state;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::objects::{Put, Version};
use super::{Shared, layout, unused_word};
use crate::image::{Algorithm, Hasher, RepositoryName};
use crate::registry::{Error, ErrorKind, Result};

use parts::{Gathering, part_size};
pub(super) use state::State;
use state::{Part, Rest};

/// How long the state of an upload stays as it is before whoever has the turn is taken for dead.
const SILENCE: Duration = Duration::from_secs(10);
/// How often whoever has the turn says that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);
/// How long a request waits for the one before it, whose connection may have been cut.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at a state that somebody else may change.
const PAUSE: Duration = Duration::from_millis(250);

/// An upload that a request is at.
pub(super) struct Upload {
    shared: Arc<Shared>,
    word: String,
    state: State,
    version: Version,
    turn: Option<Turn>,
}

/// The turn of one request: what it has taken and not told in the state yet.
struct Turn {
    gathering: Gathering,
    /// Over everything that was taken.
    hasher: Hasher,
    spoke: Instant,
}

impl Upload {
    /// Begins an upload.
    pub(super) async fn begin(shared: &Arc<Shared>, repository: &RepositoryName, owner: &str) -> Result<Self> {
        let (word, state) = (unused_word()?, State::new(repository, owner));
        let version = match shared.objects.create(&layout::upload(&word), state.written()?).await? {
            Put::Done(version) => Some(version),
            // Nobody else has the word: a try whose answer was lost has been repeated, and met itself.
            Put::Refused => State::read(shared, &word).await?.map(|(_, version)| version),
        };
        let version = version.ok_or_else(|| Error::new(ErrorKind::Unavailable, "an upload could not be begun"))?;
        Ok(Self { shared: Arc::clone(shared), word, state, version, turn: None })
    }

    /// Takes an upload up again; `None` where there is none of this name in this repository for this owner.
    pub(super) async fn reopen(
        shared: &Arc<Shared>,
        repository: &RepositoryName,
        owner: &str,
        word: &str,
    ) -> Result<Option<Self>> {
        if !layout::is_word(word) {
            return Ok(None);
        }
        let begun = Instant::now();
        let mut seen: Option<(Version, Instant)> = None;
        loop {
            let found = State::read(shared, word).await?.filter(|(state, _)| state.is_of(repository, owner));
            let Some((mut state, version)) = found else { return Ok(None) };
            let silent = seen.as_ref().is_some_and(|(last, since)| *last == version && since.elapsed() > SILENCE);
            if silent {
                state.doubtful = true;
            }
            if silent || state.turn.is_none() {
                return Ok(Some(Self {
                    shared: Arc::clone(shared),
                    word: word.to_owned(),
                    state,
                    version,
                    turn: None,
                }));
            }
            if begun.elapsed() > PATIENCE {
                return Err(at_it());
            }
            if seen.as_ref().is_none_or(|(last, _)| *last != version) {
                seen = Some((version, Instant::now()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What it goes by.
    pub(super) fn word(&self) -> &str {
        &self.word
    }

    /// How many bytes were taken.
    pub(super) fn length(&self) -> u64 {
        let taken = self.turn.as_ref().map(|turn| self.state.arrived() + turn.gathering.pending());
        taken.unwrap_or(self.state.length())
    }

    /// Takes the next bytes.
    pub(super) async fn take(&mut self, piece: Bytes) -> Result<()> {
        self.take_turn().await?;
        self.gather(piece).await?;
        let Some(turn) = &self.turn else { return Ok(()) };
        if turn.gathering.has_landed() {
            self.land().await
        } else if turn.spoke.elapsed() > SIGN_OF_LIFE {
            self.tell().await
        } else {
            Ok(())
        }
    }

    /// Lets it rest until the next request takes it up, maybe at another server.
    pub(super) async fn let_rest(mut self) -> Result<()> {
        let Some(turn) = self.turn.take() else { return Ok(()) };
        let Turn { mut gathering, hasher, .. } = turn;
        let replaced = self.state.rest.take();
        if let Some(part) = gathering.land().await? {
            self.arrive(part);
        }
        let (length, bytes) = gathering.rest();
        if length > 0 {
            let step = self.state.step + 1;
            self.shared.objects.write(&layout::rest(&self.word, step), bytes).await?;
            self.state.rest = Some(Rest { step, length });
        }
        self.state.hash = hasher.state();
        self.state.turn = None;
        self.tell().await?;
        if let Some(rest) = replaced {
            self.shared.objects.remove(&layout::rest(&self.word, rest.step)).await?;
        }
        Ok(())
    }

    /// Gets hold of the upload, where that was not done, and of the rest that was staged.
    async fn take_turn(&mut self) -> Result<()> {
        if self.turn.is_some() {
            return Ok(());
        }
        self.state.turn = Some(unused_word()?);
        self.tell().await?;
        let hasher = Hasher::resume(Algorithm::Sha256, &self.state.hash).ok_or_else(|| self.unusable())?;
        let mut gathering = Gathering::new(part_size(self.state.parts.len()));
        if let Some(rest) = &self.state.rest {
            let key = layout::rest(&self.word, rest.step);
            let found = self.shared.objects.read(&key, rest.length).await?;
            let bytes =
                found.filter(|found| found.bytes.len() as u64 == rest.length).ok_or_else(|| self.unusable())?.bytes;
            // The hash in the state is over the rest too.
            gathering.add(bytes);
        }
        self.turn = Some(Turn { gathering, hasher, spoke: Instant::now() });
        Ok(())
    }

    /// Adds bytes to the part that is gathered, and sends it off whenever it is full.
    async fn gather(&mut self, mut piece: Bytes) -> Result<()> {
        while !piece.is_empty() {
            let Some(turn) = &mut self.turn else { return Err(at_it()) };
            let taken = piece.split_to(piece.len().min(turn.gathering.room()));
            turn.hasher.update(&taken);
            turn.gathering.add(taken);
            if turn.gathering.room() == 0 {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// Sends off the part that is full, once the one before it has arrived.
    async fn send_part(&mut self) -> Result<()> {
        self.land().await?;
        let key = layout::content(&self.word);
        if self.state.parts_under.is_none() {
            self.state.parts_under = Some(self.shared.objects.begin_parts(&key).await?);
            self.tell().await?;
        }
        let (Some(id), Some(turn)) = (&self.state.parts_under, &mut self.turn) else { return Err(at_it()) };
        turn.gathering.send(&self.shared, key, id.clone(), self.state.parts.len(), turn.hasher.state())
    }

    /// Waits until the part that was sent off has arrived, and tells it.
    async fn land(&mut self) -> Result<()> {
        let Some(turn) = &mut self.turn else { return Ok(()) };
        let Some(part) = turn.gathering.land().await? else { return Ok(()) };
        let replaced = self.state.rest.clone();
        self.arrive(part);
        self.tell().await?;
        if let Some(rest) = replaced {
            self.shared.objects.remove(&layout::rest(&self.word, rest.step)).await?;
        }
        Ok(())
    }

    /// Notes a part that has arrived; the rest that was staged is the begin of the first one.
    fn arrive(&mut self, (id, size, hash): parts::Landed) {
        self.state.parts.push(Part { id, size });
        self.state.hash = hash;
        self.state.rest = None;
    }

    /// Replaces the state, if it is still the one that this request knows.
    async fn tell(&mut self) -> Result<()> {
        self.state.step += 1;
        let key = layout::upload(&self.word);
        match self.shared.objects.update(&key, self.state.written()?, &self.version).await? {
            Put::Done(version) => self.version = version,
            // A try whose answer was lost has been repeated, and met itself.
            Put::Refused => match State::read(&self.shared, &self.word).await? {
                Some((state, version)) if state == self.state => self.version = version,
                Some(_) => return Err(at_it()),
                None => return Err(Error::new(ErrorKind::Gone, "the upload is gone")),
            },
        }
        if let Some(turn) = &mut self.turn {
            turn.spoke = Instant::now();
        }
        Ok(())
    }

    fn unusable(&self) -> Error {
        let message = format!("the upload {} in {} cannot be gone on with", self.word, self.shared.objects.shown());
        Error::new(ErrorKind::Gone, message)
    }
}

fn at_it() -> Error {
    Error::new(ErrorKind::Conflict, "another request is at this upload")
}

impl Shared {
    /// Removes what there is of an upload but its content; the state last, so that what stays can be found.
    pub(super) async fn clear_upload(&self, word: &str, state: &State) -> Result<()> {
        if let Some(id) = &state.parts_under {
            self.objects.drop_parts(&layout::content(word), id).await?;
        }
        if let Some(rest) = &state.rest {
            self.objects.remove(&layout::rest(word, rest.step)).await?;
        }
        self.objects.remove(&layout::upload(word)).await
    }
}
