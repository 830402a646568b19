//! Whether one blob is read in several ranges at once, and in how many.
//!
//! Some places give every connection a certain rate and no more; there a big blob comes sooner over several. Others
//! are as fast as they can be, or are not what is waited for: there nothing is to change. So a reading that mostly
//! waits for its source tries a second range; where both together are clearly faster it goes on to four, else
//! back to one for good. Nothing here reads: `reading` measures, asks, and does what is said.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const MIB: u64 = 1024 * 1024;

/// The bytes of one range: so few that they can be held until their turn, so many that asking for them does not count.
pub(super) const SEGMENT: u64 = 8 * MIB;
/// When so few bytes of a range are left, the next may be asked for, so that nothing waits for its beginning.
pub(super) const ALMOST_DONE: u64 = MIB;
/// How many ranges bring one blob at most.
const MOST: usize = 4;
/// How many segments all readings of an engine may hold: what [`MOST`] ranges bring, and one that is handed out.
const SEGMENTS: usize = MOST + 1;
/// What is left of a blob has to be as much as this, and to take as long, for several ranges to be worth it.
const MUCH: u64 = 64 * MIB;
const LONG: Duration = Duration::from_secs(2);
/// How long a sample is, and how many bytes it has at least, so that single pieces do not decide.
const SAMPLE: Duration = Duration::from_millis(125);
const SAMPLED: u64 = MIB;

/// What the readings of an engine share: memory for what comes before its turn, and what is known of places.
#[derive(Clone, Debug)]
pub(super) struct Room {
    segments: Arc<Semaphore>,
    without_ranges: Arc<Mutex<HashSet<String>>>,
}

impl Default for Room {
    /// All of it free.
    fn default() -> Self {
        Self { segments: Arc::new(Semaphore::new(SEGMENTS)), without_ranges: Arc::default() }
    }
}

impl Room {
    /// Sees to it that `held` is room for `lanes` ranges at once, or for as many of them as are better than what it
    /// was for. Where others have too much, nothing changes.
    pub(super) fn reserve(&self, held: &mut Option<OwnedSemaphorePermit>, lanes: usize) -> bool {
        let has = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let most = if lanes == MOST { SEGMENTS } else { lanes };
        let least = if has == 0 { most } else { has + 1 };
        let free = self.segments.available_permits();
        let more = most.saturating_sub(has).min(free);
        if has + more < least {
            return false;
        }
        let taken = u32::try_from(more).map(|more| Arc::clone(&self.segments).try_acquire_many_owned(more));
        let Ok(Ok(taken)) = taken else { return false };
        match held {
            Some(held) => held.merge(taken),
            None => *held = Some(taken),
        }
        true
    }

    /// Remembers that `place` answered a question for a part with another.
    pub(super) fn note_without_ranges(&self, place: &str) {
        self.without_ranges.lock().unwrap_or_else(PoisonError::into_inner).insert(place.to_owned());
    }

    /// Whether nothing is known against asking `place` for parts.
    pub(super) fn may_do_ranges(&self, place: &str) -> bool {
        !self.without_ranges.lock().unwrap_or_else(PoisonError::into_inner).contains(place)
    }
}

/// What a reading saw in a short time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) elapsed: Duration,
    /// How much of it went by waiting for the source.
    pub(super) waited: Duration,
    /// How many bytes came.
    pub(super) bytes: u64,
    /// How many bytes are still to come.
    pub(super) left: u64,
}

impl Sample {
    /// Whether it is long enough to tell something.
    pub(super) fn is_full(&self) -> bool {
        self.elapsed >= SAMPLE && self.bytes >= SAMPLED
    }

    /// Bytes in a second.
    fn rate(&self) -> u64 {
        let rate = u128::from(self.bytes) * 1000 / self.elapsed.as_millis().max(1);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// Whether it is mostly the source that is waited for.
    fn waits(&self) -> bool {
        self.waited * 10 >= self.elapsed * 7
    }

    /// Whether much is left, also in time.
    fn has_far_to_go(&self) -> bool {
        self.left >= MUCH && u128::from(self.left) >= u128::from(self.rate()) * LONG.as_millis() / 1000
    }
}

/// Decides from samples how many ranges are read at once.
#[derive(Debug)]
pub(super) struct Widening {
    lanes: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// One stream, and the rate of the last sample if its source was waited for.
    Watching(Option<u64>),
    /// More than before, when fewer brought so much; and the first sample since.
    Trying { fewer: usize, brought: u64, first: Option<u64> },
    /// For good.
    Settled,
}

impl Widening {
    /// Begins with one stream.
    pub(super) const fn new() -> Self {
        Self { lanes: 1, stage: Stage::Watching(None) }
    }

    /// How many ranges are to be read at once.
    pub(super) const fn lanes(&self) -> usize {
        self.lanes
    }

    /// Whether samples still decide something.
    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Settled)
    }

    /// Stays with `lanes`.
    pub(super) const fn settle(&mut self, lanes: usize) {
        (self.lanes, self.stage) = (lanes, Stage::Settled);
    }

    /// Takes a sample, in which as many ranges as were wanted brought bytes all the time. `more` is asked for room
    /// for so many; where there is none, nothing changes.
    pub(super) fn judge(&mut self, sample: &Sample, mut more: impl FnMut(usize) -> bool) {
        let rate = sample.rate();
        match self.stage {
            Stage::Watching(_) if !sample.waits() || !sample.has_far_to_go() => self.stage = Stage::Watching(None),
            // A stream that still grows faster by itself shows what it can do later.
            Stage::Watching(Some(before)) if !is_clearly_more(rate, before) && more(2) => self.widen(2, rate),
            Stage::Watching(_) => self.stage = Stage::Watching(Some(rate)),
            Stage::Trying { ref mut first, .. } if first.is_none() => *first = Some(rate),
            Stage::Trying { fewer, brought, first } => {
                let now = first.map_or(rate, |first| first.midpoint(rate));
                match is_clearly_more(now, brought) {
                    true if self.lanes < MOST && more(MOST) => self.widen(MOST, now),
                    true => self.settle(self.lanes),
                    false => self.settle(fewer),
                }
            }
            Stage::Settled => {}
        }
    }

    const fn widen(&mut self, lanes: usize, brought: u64) {
        self.stage = Stage::Trying { fewer: self.lanes, brought, first: None };
        self.lanes = lanes;
    }
}

/// Whether a rate is above another by more than chance.
fn is_clearly_more(rate: u64, than: u64) -> bool {
    u128::from(rate) * 10 >= u128::from(than) * 13
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `widening` says after samples of so many MiB each, all of them spent waiting, with a lot still to come.
    fn lanes(widening: &mut Widening, mebibytes: &[u64]) -> Vec<usize> {
        let after = |mebibytes: &u64| {
            widening.judge(&sample(*mebibytes), |_| true);
            widening.lanes()
        };
        mebibytes.iter().map(after).collect()
    }

    fn sample(mebibytes: u64) -> Sample {
        Sample { elapsed: SAMPLE, waited: SAMPLE, bytes: mebibytes * MIB, left: 1 << 40 }
    }

    #[test]
    fn where_connections_add_up_there_are_four() {
        assert_eq!(lanes(&mut Widening::new(), &[5, 5, 10, 10, 20, 20, 20, 3]), [1, 2, 2, 4, 4, 4, 4, 4]);
        assert_eq!(lanes(&mut Widening::new(), &[5, 5, 6, 8, 9, 10]), [1, 2, 2, 4, 4, 4], "by the mean of two");
    }

    #[test]
    fn where_they_share_it_goes_back_to_one_for_good() {
        let mut widening = Widening::new();
        assert_eq!(lanes(&mut widening, &[5, 5, 5, 6, 5, 5, 20, 20]), [1, 2, 2, 1, 1, 1, 1, 1]);
        assert!(!widening.is_open());
        assert_eq!(lanes(&mut Widening::new(), &[5, 5, 8, 8, 8, 9, 9]), [1, 2, 2, 4, 4, 2, 2], "two were worth it");
    }

    #[test]
    fn a_stream_that_grows_by_itself_is_left_alone() {
        assert_eq!(lanes(&mut Widening::new(), &[1, 2, 4, 8, 12, 13, 26, 26]), [1, 1, 1, 1, 1, 2, 2, 4]);
    }

    #[test]
    fn what_does_not_wait_or_is_soon_done_stays_one_stream() {
        let slow = Sample { elapsed: SAMPLE, waited: SAMPLE, bytes: 2 * MIB, left: 1 << 40 };
        let others = [
            Sample { waited: SAMPLE / 2, ..slow },
            Sample { left: MUCH - 1, ..slow },
            // 512 MiB in a second.
            Sample { bytes: 64 * MIB, left: 900 * MIB, ..slow },
        ];
        for other in others {
            let mut widening = Widening::new();
            for sample in [other, other, slow, other, slow, other, other] {
                widening.judge(&sample, |_| true);
                assert_eq!(widening.lanes(), 1, "{other:?}");
            }
            widening.judge(&slow, |_| true);
            widening.judge(&slow, |_| true);
            assert_eq!(widening.lanes(), 2, "it looked all the time");
        }
    }

    #[test]
    fn without_room_nothing_changes_until_there_is_some() {
        let mut widening = Widening::new();
        for _ in 0..4 {
            widening.judge(&sample(5), |_| false);
            assert_eq!(widening.lanes(), 1);
        }
        assert_eq!(lanes(&mut widening, &[5]), [2]);
        widening.judge(&sample(10), |_| false);
        widening.judge(&sample(10), |_| false);
        assert_eq!((widening.lanes(), widening.is_open()), (2, false), "two are better than one");
    }

    #[test]
    fn the_room_is_for_all_readings_together() {
        let room = Room::default();
        let has = |held: &Option<OwnedSemaphorePermit>| held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let (mut first, mut second) = (None, None);
        assert!(room.reserve(&mut first, 2) && room.reserve(&mut first, MOST));
        assert_eq!(has(&first), SEGMENTS);
        assert!(!room.reserve(&mut second, 2));
        first = None;
        assert!(room.reserve(&mut second, 2) && room.reserve(&mut first, 2));
        assert!(room.reserve(&mut second, MOST), "one is better than none");
        assert!(!room.reserve(&mut first, MOST));
        assert_eq!((has(&first), has(&second)), (2, 3));
    }

    #[test]
    fn samples_have_time_and_bytes() {
        assert!(sample(1).is_full());
        assert!(!Sample { elapsed: SAMPLE / 2, ..sample(9) }.is_full());
        assert!(!Sample { bytes: MIB - 1, ..sample(9) }.is_full());
    }
}
