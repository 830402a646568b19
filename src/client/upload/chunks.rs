//! A blob in pieces that are at hand until the registry has them: small blobs, and those that some place on the way
//! does not take in one body.

use std::collections::VecDeque;

use bytes::Bytes;

use super::session::{Sent, Session};
use crate::outbound::RequestBody;
use crate::registry::{ErrorKind, Result};

/// The shortest chunk that is tried.
const SHORTEST: u64 = 64 * 1024;
/// How often the same bytes are sent.
const TRIES: u32 = 6;

/// The bytes that the registry does not have yet.
pub(super) struct Chunks {
    /// How many bytes one request carries at most.
    longest: u64,
    waiting: VecDeque<Bytes>,
    length: u64,
}

impl Chunks {
    pub(super) const fn new(longest: u64) -> Self {
        Self { longest, waiting: VecDeque::new(), length: 0 }
    }

    /// Takes the next bytes, and sends a chunk when more than that are at hand: the last ones go with the closing request.
    pub(super) async fn write(&mut self, session: &mut Session, bytes: Bytes) -> Result<()> {
        self.length += bytes.len() as u64;
        self.waiting.push_back(bytes);
        while self.length > self.chunk(session) {
            self.send(session).await?;
        }
        Ok(())
    }

    /// Sends what is left and closes the upload.
    pub(super) async fn finish(mut self, session: &mut Session) -> Result<()> {
        for _ in 0..TRIES {
            while self.length > self.chunk(session) {
                self.send(session).await?;
            }
            let body = RequestBody::Whole(self.waiting.iter().cloned().collect());
            match session.close(body, self.length).await? {
                Sent::Taken => return Ok(()),
                Sent::TooLong => self.shorten(session, self.length).await?,
                Sent::OutOfStep => self.back_in_step(session, self.length).await?,
                // Bytes go in chunks alone here, and the closing request carries none.
                Sent::NotThisWay if self.length > 0 => {
                    while self.length > 0 {
                        self.send(session).await?;
                    }
                }
                Sent::NotThisWay => return Err(self.no_way(session)),
            }
        }
        Err(self.no_way(session))
    }

    /// Sends one chunk.
    async fn send(&mut self, session: &mut Session) -> Result<()> {
        for _ in 0..TRIES {
            let length = self.chunk(session).min(self.length);
            let body = RequestBody::Whole(self.first(length));
            let before = session.offset();
            match session.patch(body, length).await {
                Ok(Sent::Taken) => {
                    self.forget(session.offset() - before);
                    return Ok(());
                }
                Ok(Sent::TooLong) => self.shorten(session, length).await?,
                Ok(Sent::OutOfStep) => self.back_in_step(session, length).await?,
                Ok(Sent::NotThisWay) => {
                    session.learn_longest_body(None).await;
                    session.streamed(true);
                    let message = format!("{} has to be sent whole, from its beginning", session.what());
                    return Err(session.error(ErrorKind::Gone, message));
                }
                // Whether the bytes arrived is for the registry to say.
                Err(error) if error.is_worth_another_try() && error.kind() != ErrorKind::Gone => {
                    self.back_in_step(session, 0).await?;
                }
                Err(error) => return Err(error),
            }
            if session.offset() > before {
                return Ok(());
            }
        }
        Err(self.no_way(session))
    }

    /// How many bytes the next request carries.
    pub(super) fn chunk(&self, session: &Session) -> u64 {
        self.longest.max(session.shortest_chunk())
    }

    /// Half as much in one request, from now on and next time.
    async fn shorten(&mut self, session: &Session, refused: u64) -> Result<()> {
        let half = refused.min(self.longest) / 2;
        if half < SHORTEST.max(session.shortest_chunk()) {
            return Err(self.no_way(session));
        }
        self.longest = half;
        session.learn_longest_body(Some(half)).await;
        Ok(())
    }

    /// Asks the registry what it has, and goes on behind that. `refused` is the length of a body that was called
    /// out of range: where the registry is where we thought, that means too long.
    async fn back_in_step(&mut self, session: &mut Session, refused: u64) -> Result<()> {
        let before = session.offset();
        let gone = || session_gone(before);
        if !session.ask().await? {
            return Err(session.error(ErrorKind::Gone, format!("{} {}", session.what(), gone())));
        }
        match session.offset().checked_sub(before) {
            Some(0) if refused > 0 => self.shorten(session, refused).await,
            Some(arrived) if arrived <= self.length => {
                self.forget(arrived);
                Ok(())
            }
            _ => Err(session.error(ErrorKind::Gone, format!("{} {}", session.what(), gone()))),
        }
    }

    /// The first bytes that wait.
    fn first(&self, mut length: u64) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        for piece in &self.waiting {
            if length == 0 {
                break;
            }
            let taken = usize::try_from(length).map_or(piece.len(), |length| length.min(piece.len()));
            pieces.push(piece.slice(..taken));
            length -= taken as u64;
        }
        pieces
    }

    /// Lets go of bytes that have arrived.
    fn forget(&mut self, mut arrived: u64) {
        self.length = self.length.saturating_sub(arrived);
        while let Some(piece) = self.waiting.front_mut() {
            let taken = usize::try_from(arrived).map_or(piece.len(), |arrived| arrived.min(piece.len()));
            arrived -= taken as u64;
            if taken < piece.len() {
                let _ = piece.split_to(taken);
                return;
            }
            self.waiting.pop_front();
        }
    }

    fn no_way(&self, session: &Session) -> crate::registry::Error {
        let message = format!("{} is taken neither whole nor in chunks of {} bytes", session.what(), self.longest);
        session.error(ErrorKind::Rejected, message)
    }
}

fn session_gone(offset: u64) -> String {
    format!("has to be sent again from its beginning: the registry lost its place at byte {offset}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_held_until_they_arrived() {
        let mut chunks = Chunks::new(4);
        for piece in [&b"abc"[..], b"defg", b"h"] {
            chunks.waiting.push_back(Bytes::copy_from_slice(piece));
            chunks.length += piece.len() as u64;
        }
        assert_eq!(chunks.first(5).concat(), b"abcde");
        assert_eq!(chunks.first(100).concat(), b"abcdefgh");
        chunks.forget(4);
        assert_eq!((chunks.first(100).concat(), chunks.length), (b"efgh".to_vec(), 4));
        chunks.forget(4);
        assert!(chunks.waiting.is_empty());
    }
}
