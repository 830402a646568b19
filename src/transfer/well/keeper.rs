//! The task of a well: reads as long as somebody is hungry, and puts aside what others need later.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::pool::{Least, Standing};
use super::{Shared, Supply};
use crate::registry::{Error, ErrorKind, Result};
use crate::transfer::hashing::Hashing;
use crate::transfer::reading::Reading;

/// Reads for a well, until nobody needs it any more.
pub(super) struct Keeper {
    supply: Supply,
    shared: Arc<Shared>,
    hashing: Hashing,
    /// The open read, as long as somebody takes.
    reading: Option<Reading>,
    /// Where whoever is first stands, and since when it has taken nothing.
    still: Option<(u64, Instant)>,
    /// Leave to keep what nobody takes in memory.
    seat: Option<OwnedSemaphorePermit>,
}

/// Whether there was room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Enough,
    None,
}

impl Keeper {
    pub(super) fn new(supply: Supply, shared: Arc<Shared>, hashing: Hashing) -> Self {
        Self { supply, shared, hashing, reading: None, still: None, seat: None }
    }

    pub(super) async fn keep(mut self) {
        loop {
            let standing = self.shared.pool().standing();
            match standing {
                Standing::Deserted => return,
                Standing::Idle => self.rest().await,
                Standing::Done => {
                    self.reading = None;
                    self.shared.moved.notified().await;
                }
                Standing::Hungry(first) => {
                    self.read().await;
                    self.make_room(first).await;
                }
                Standing::Fed(first) => self.wait_for(first).await,
            }
        }
    }

    /// Reads and passes on one piece, or the end.
    async fn read(&mut self) {
        self.seat = None;
        match self.draw().await {
            Ok(true) => {}
            Ok(false) => self.shared.pool().finish(Ok(())),
            Err(error) => self.shared.pool().finish(Err(error)),
        }
    }

    async fn draw(&mut self) -> Result<bool> {
        let (supply, shared) = (&self.supply, &self.shared);
        let reading = self.reading.get_or_insert_with(|| supply.read(shared.pool().front()));
        match reading.next().await? {
            Some(piece) => {
                self.hashing.take(&piece).await?;
                self.shared.pool().push(piece);
                Ok(true)
            }
            None => self.hashing.judge().await.map(|()| false),
        }
    }

    /// Puts on disk what only those behind `first` need, or lets go of the last of them.
    async fn make_room(&mut self, first: u64) {
        while let Some(room) = self.put_aside(first, Least::Full).await {
            if room == Space::None && !self.shared.pool().put_out_behind(first) {
                return;
            }
        }
    }

    /// Puts one batch on disk; `None` where there is nothing to be put there. By `&mut`, as `Reading` asks for.
    async fn put_aside(&mut self, limit: u64, least: Least) -> Option<Space> {
        let (from, batch) = self.shared.pool().batch(limit, least)?;
        let Some(deposit) = self.supply.means.spool.keep(batch).await else { return Some(Space::None) };
        self.shared.pool().put_aside(from, deposit);
        Some(Space::Enough)
    }

    /// Waits for whoever is first to get on. Where it does not for long, the source is read on without it, as far as
    /// there is room, so that it does not take us for gone.
    async fn wait_for(&mut self, first: u64) {
        let since = match self.still {
            Some((position, since)) if position == first => since,
            _ => self.still.insert((first, Instant::now())).1,
        };
        if timeout_at(since + self.supply.means.patience, self.shared.moved.notified()).await.is_ok() {
            return;
        }
        loop {
            match self.put_aside(u64::MAX, Least::Full).await {
                Some(Space::Enough) => {}
                Some(Space::None) => return self.shared.moved.notified().await,
                None => return self.read().await,
            }
        }
    }

    /// Lets the source go until somebody comes, and makes what waits for that harmless.
    async fn rest(&mut self) {
        self.reading = None;
        if self.seat.is_none() {
            let waiting = self.shared.pool().in_memory();
            self.seat = self.supply.means.spool.seat(waiting);
        }
        while self.seat.is_none() {
            match self.put_aside(u64::MAX, Least::Any).await {
                Some(Space::Enough) => {}
                Some(Space::None) => {
                    while self.shared.pool().put_out_behind(u64::MAX) {}
                    return;
                }
                None => break,
            }
        }
        self.shared.moved.notified().await;
        if self.shared.pool().standing() != Standing::Idle {
            self.seat = None;
        }
    }
}

impl Drop for Keeper {
    /// Nobody is left waiting, however this ended.
    fn drop(&mut self) {
        let stopped = Error::new(ErrorKind::Storage, "the reading of a blob has stopped");
        self.shared.pool().finish(Err(stopped));
    }
}
