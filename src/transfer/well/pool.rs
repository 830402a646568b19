//! What of a blob was read and is still needed, where it is, and how far everybody is who needs it.
//!
//! Plain data under one lock: nothing here waits, reads or writes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::registry::{Identity, Result};
use crate::transfer::spool::Deposit;

/// How many bytes are read ahead of whoever is first, and what more the last piece brings; it lets both sides work at
/// once. In bytes, because every blob under way has as much in memory, and pieces can be long.
const AHEAD: u64 = 256 * 1024;
/// How many bytes go to disk at once. As many may be in memory behind whoever is first.
const BATCH: usize = 512 * 1024;

/// The bytes of one read, and who needs them.
pub(super) struct Pool {
    /// Without gaps up to `front`.
    pieces: VecDeque<Piece>,
    start: u64,
    front: u64,
    slots: Vec<Slot>,
    taken: u64,
    /// How the read ended; `Ok` only where the content was judged, or is judged elsewhere.
    end: Option<Result<()>>,
}

/// Consecutive bytes.
struct Piece {
    from: u64,
    kept: Kept,
}

enum Kept {
    Memory(Bytes),
    Disk(Arc<Deposit>),
}

/// A destination's claim to the bytes.
struct Slot {
    place: Identity,
    /// The byte that it needs next.
    position: u64,
    hold: Hold,
}

enum Hold {
    /// It may come yet.
    Expected,
    /// It is being served, under this number.
    Taken(u64, Arc<Notify>),
    /// It was being served, and fell too far behind.
    Out(u64, Arc<Notify>),
    /// It did not come before the room ran out.
    Missed,
}

impl Hold {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Taken(number, _) | Self::Out(number, _) => Some(*number),
            Self::Expected | Self::Missed => None,
        }
    }
}

/// What is to be done for those who need bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody needs any.
    Deserted,
    /// Somebody may, and nobody takes any now.
    Idle,
    /// Whoever is first, at this byte, has little before it.
    Hungry(u64),
    /// Whoever is first, at this byte, has enough before it.
    Fed(u64),
    /// Everything was read.
    Done,
}

/// What there is for somebody.
pub(super) enum Found {
    Bytes(Bytes),
    /// The bytes are on disk, and the wanted ones begin so many behind its first.
    Deposit(Arc<Deposit>, usize),
    End(Result<()>),
    PutOut,
    Nothing,
}

impl Piece {
    fn length(&self) -> usize {
        match &self.kept {
            Kept::Memory(bytes) => bytes.len(),
            Kept::Disk(deposit) => deposit.length(),
        }
    }

    fn end(&self) -> u64 {
        self.from + self.length() as u64
    }

    fn memory(&self) -> Option<&Bytes> {
        match &self.kept {
            Kept::Memory(bytes) => Some(bytes),
            Kept::Disk(_) => None,
        }
    }
}

impl Pool {
    /// Of a read from `start` on that nobody needs yet.
    pub(super) fn new(start: u64) -> Self {
        Self { pieces: VecDeque::new(), start, front: start, slots: Vec::new(), taken: 0, end: None }
    }

    /// Expects a place.
    pub(super) fn expect(&mut self, place: Identity) {
        self.slots.push(Slot { place, position: self.start, hold: Hold::Expected });
    }

    /// Begins to serve a place that is expected; hands out its number, and what tells it to look.
    pub(super) fn take(&mut self, place: &Identity) -> Option<(u64, Arc<Notify>)> {
        let expected = |slot: &&mut Slot| matches!(slot.hold, Hold::Expected) && slot.place == *place;
        let slot = self.slots.iter_mut().find(expected)?;
        self.taken += 1;
        let awake = Arc::new(Notify::new());
        slot.hold = Hold::Taken(self.taken, Arc::clone(&awake));
        Some((self.taken, awake))
    }

    /// Begins to serve a place that is the first to come.
    pub(super) fn admit(&mut self, place: Identity) -> (u64, Arc<Notify>) {
        self.taken += 1;
        let awake = Arc::new(Notify::new());
        let hold = Hold::Taken(self.taken, Arc::clone(&awake));
        self.slots.push(Slot { place, position: self.start, hold });
        (self.taken, awake)
    }

    /// Whether a place was expected and came too late; it is told once.
    pub(super) fn has_missed(&mut self, place: &Identity) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| !(matches!(slot.hold, Hold::Missed) && slot.place == *place));
        self.slots.len() < before
    }

    /// Whether a place gets its bytes here.
    pub(super) fn serves(&self, place: &Identity) -> bool {
        let serves = |slot: &Slot| matches!(slot.hold, Hold::Expected | Hold::Taken(..)) && slot.place == *place;
        !matches!(self.end, Some(Err(_))) && self.slots.iter().any(serves)
    }

    /// Expects only those places any more.
    pub(super) fn expect_only(&mut self, wanted: impl Fn(&Identity) -> bool) {
        let stays = |slot: &Slot| !matches!(slot.hold, Hold::Expected | Hold::Missed) || wanted(&slot.place);
        self.slots.retain(stays);
        self.trim();
    }

    /// Whether anybody has anything to do with this read.
    pub(super) fn is_needed(&self) -> bool {
        !self.slots.is_empty()
    }

    /// What there is for whoever has this number.
    pub(super) fn look(&self, number: u64) -> Found {
        let Some(slot) = self.slots.iter().find(|slot| slot.hold.number() == Some(number)) else {
            return Found::PutOut;
        };
        if matches!(slot.hold, Hold::Out(..)) {
            return Found::PutOut;
        }
        if let Some(Err(error)) = &self.end {
            return Found::End(Err(error.clone()));
        }
        let at = self.pieces.partition_point(|piece| piece.end() <= slot.position);
        match self.pieces.get(at) {
            Some(piece) => {
                let skipped = usize::try_from(slot.position - piece.from).unwrap_or(usize::MAX);
                match &piece.kept {
                    Kept::Memory(bytes) => Found::Bytes(bytes.slice(skipped..)),
                    Kept::Disk(deposit) => Found::Deposit(Arc::clone(deposit), skipped),
                }
            }
            None => self.end.clone().map_or(Found::Nothing, Found::End),
        }
    }

    /// Takes note that whoever has this number needs the byte at `position` next.
    pub(super) fn advance(&mut self, number: u64, position: u64) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.hold.number() == Some(number)) {
            slot.position = position;
            self.trim();
        }
    }

    /// Serves whoever has this number no longer.
    pub(super) fn leave(&mut self, number: u64) {
        self.slots.retain(|slot| slot.hold.number() != Some(number));
        self.trim();
    }

    pub(super) fn front(&self) -> u64 {
        self.front
    }

    pub(super) fn standing(&self) -> Standing {
        let of = |slot: &Slot| match slot.hold {
            Hold::Expected => Some(None),
            Hold::Taken(..) => Some(Some(slot.position)),
            Hold::Out(..) | Hold::Missed => None,
        };
        match self.slots.iter().filter_map(of).max() {
            None => Standing::Deserted,
            Some(None) => Standing::Idle,
            Some(Some(_)) if self.end.is_some() => Standing::Done,
            Some(Some(first)) => {
                if self.front - first < AHEAD {
                    Standing::Hungry(first)
                } else {
                    Standing::Fed(first)
                }
            }
        }
    }

    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: Bytes) {
        let from = self.front;
        self.front += bytes.len() as u64;
        self.pieces.push_back(Piece { from, kept: Kept::Memory(bytes) });
        self.trim();
        self.wake();
    }

    /// Takes note that the read ended, and how; once. A bad end is for everybody, also for those who come later.
    pub(super) fn finish(&mut self, end: Result<()>) {
        if self.end.is_some() {
            return;
        }
        if end.is_err() {
            self.pieces.clear();
        }
        self.end = Some(end);
        self.wake();
    }

    /// How many bytes are in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.pieces.iter().filter_map(Piece::memory).map(Bytes::len).sum()
    }

    /// The first bytes in memory that end before byte `limit`, to be put on disk, and where they begin.
    pub(super) fn batch(&self, limit: u64, least: Least) -> Option<(u64, Vec<Bytes>)> {
        let movable = |piece: &&Piece| piece.end() <= limit && piece.memory().is_some();
        let bytes = self.pieces.iter().filter(movable).map(Piece::length).sum::<usize>();
        if bytes == 0 || bytes < BATCH && least == Least::Full {
            return None;
        }
        // What is on disk lies before what is in memory.
        let first = self.pieces.iter().position(|piece| piece.memory().is_some())?;
        let from = self.pieces[first].from;
        let (mut batch, mut room) = (Vec::new(), BATCH);
        for piece in self.pieces.iter().skip(first).take_while(movable) {
            let Some(bytes) = piece.memory() else { break };
            batch.push(bytes.slice(..bytes.len().min(room)));
            room -= bytes.len().min(room);
            if room == 0 {
                break;
            }
        }
        Some((from, batch))
    }

    /// Puts `deposit`, which begins at byte `from`, in place of the bytes that it was made of.
    pub(super) fn put_aside(&mut self, from: u64, deposit: Deposit) {
        let to = from + deposit.length() as u64;
        let first = self.pieces.partition_point(|piece| piece.end() <= from);
        // Meanwhile some of them may have been given to everybody, but from the first that is left on all are there.
        while let Some(piece) = self.pieces.get_mut(first).filter(|piece| piece.from < to) {
            let over = piece.end().saturating_sub(to);
            match &mut piece.kept {
                Kept::Memory(bytes) if over > 0 => {
                    let rest = bytes.split_off(usize::try_from(to - piece.from).unwrap_or(bytes.len()));
                    *bytes = rest;
                    piece.from = to;
                    break;
                }
                Kept::Memory(_) | Kept::Disk(_) => drop(self.pieces.remove(first)),
            }
        }
        self.pieces.insert(first, Piece { from, kept: Kept::Disk(Arc::new(deposit)) });
        self.trim();
    }

    /// Lets go of whoever is farthest behind `first`; `false` where nobody is.
    pub(super) fn put_out_behind(&mut self, first: u64) -> bool {
        let behind = |slot: &&mut Slot| matches!(slot.hold, Hold::Expected | Hold::Taken(..)) && slot.position < first;
        let Some(slot) = self.slots.iter_mut().filter(behind).min_by_key(|slot| slot.position) else { return false };
        slot.hold = match std::mem::replace(&mut slot.hold, Hold::Missed) {
            Hold::Taken(number, awake) => {
                awake.notify_one();
                Hold::Out(number, awake)
            }
            _ => Hold::Missed,
        };
        self.trim();
        true
    }

    /// Drops what nobody needs.
    fn trim(&mut self) {
        let needs = |slot: &Slot| matches!(slot.hold, Hold::Expected | Hold::Taken(..));
        let first = self.slots.iter().filter(|slot| needs(slot)).map(|slot| slot.position).min();
        let first = first.unwrap_or(self.front);
        while self.pieces.front().is_some_and(|piece| piece.end() <= first) {
            self.pieces.pop_front();
        }
    }

    fn wake(&self) {
        for slot in &self.slots {
            if let Hold::Taken(_, awake) | Hold::Out(_, awake) = &slot.hold {
                awake.notify_one();
            }
        }
    }
}

/// How much is worth being put on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Least {
    /// A full batch.
    Full,
    /// Whatever there is.
    Any,
}
