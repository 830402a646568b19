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
/// When so few bytes of a range are left, the next may be asked for at least, so that nothing waits for its beginning.
const ALMOST_DONE: u64 = MIB;
/// The longest that the opening of a range is taken to last.
const OPENING: Duration = Duration::from_millis(500);
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
    /// All the room that is left for the segments of one blob; `None` where others have too much of it.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        let free = u32::try_from(self.segments.available_permits()).ok().filter(|free| *free >= 2)?;
        Arc::clone(&self.segments).try_acquire_many_owned(free).ok()
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
    /// What one stream brought in a second when a second was asked for.
    alone: u64,
    /// How often the second came too late.
    late: u32,
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
        Self { lanes: 1, stage: Stage::Watching(None), alone: 0, late: 0 }
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

    /// Hears that the second range had brought nothing when the first stream reached it: it is tried once more from
    /// farther ahead, and not for ever.
    pub(super) const fn came_late(&mut self) {
        self.late += 1;
        self.lanes = 1;
        self.stage = if self.late < 3 { Stage::Watching(None) } else { Stage::Settled };
    }

    /// How far ahead of the first stream the second range begins, where one takes so long to open: both are to be
    /// under way for a segment.
    pub(super) fn distance(&self, opening: Duration) -> u64 {
        SEGMENT + self.brought_in(opening) * 3 / 2 * (1 << self.late)
    }

    /// How many bytes of a range may be left when the next is asked for, where one takes so long to open.
    pub(super) fn margin(&self, opening: Duration) -> u64 {
        self.brought_in(opening).clamp(ALMOST_DONE, SEGMENT / 2)
    }

    /// What one stream brings in the meantime.
    fn brought_in(&self, opening: Duration) -> u64 {
        let bytes = u128::from(self.alone) * opening.min(OPENING).as_millis() / 1000;
        u64::try_from(bytes).unwrap_or(u64::MAX >> 8)
    }

    /// Takes a sample, in which as many ranges as were wanted brought bytes all the time. For the second there has to
    /// be `room`; where there is none, nothing changes.
    pub(super) fn judge(&mut self, sample: &Sample, room: impl FnOnce() -> bool) {
        let rate = sample.rate();
        match self.stage {
            Stage::Watching(_) if !sample.waits() || !sample.has_far_to_go() => self.stage = Stage::Watching(None),
            // A stream that still grows faster by itself shows what it can do later.
            Stage::Watching(Some(before)) if !is_clearly_more(rate, before) && room() => {
                self.alone = rate;
                self.widen(2, rate);
            }
            Stage::Watching(_) => self.stage = Stage::Watching(Some(rate)),
            Stage::Trying { ref mut first, .. } if first.is_none() => *first = Some(rate),
            Stage::Trying { fewer, brought, first } => {
                let now = first.map_or(rate, |first| first.midpoint(rate));
                match is_clearly_more(now, brought) {
                    true if self.lanes < MOST => self.widen(MOST, now),
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
            widening.judge(&sample(*mebibytes), || true);
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
                widening.judge(&sample, || true);
                assert_eq!(widening.lanes(), 1, "{other:?}");
            }
            widening.judge(&slow, || true);
            widening.judge(&slow, || true);
            assert_eq!(widening.lanes(), 2, "it looked all the time");
        }
    }

    #[test]
    fn without_room_nothing_changes_until_there_is_some() {
        let mut widening = Widening::new();
        for _ in 0..4 {
            widening.judge(&sample(5), || false);
            assert_eq!(widening.lanes(), 1);
        }
        assert_eq!(lanes(&mut widening, &[5]), [2]);
    }

    #[test]
    fn the_room_is_for_all_readings_together() {
        let room = Room::default();
        let first = room.take().unwrap();
        assert_eq!(first.num_permits(), SEGMENTS);
        assert!(room.take().is_none());
        drop(first);
        let _four = Arc::clone(&room.segments).try_acquire_many_owned(4).unwrap();
        assert!(room.take().is_none(), "one segment alone is no use");
    }

    #[test]
    fn a_second_that_comes_late_is_tried_from_farther_ahead_three_times_in_all() {
        let mut widening = Widening::new();
        let mut distance = 0;
        for _ in 0..3 {
            assert_eq!(lanes(&mut widening, &[5, 5]), [1, 2]);
            let opening = Duration::from_millis(200);
            assert!(widening.distance(opening) > distance);
            distance = widening.distance(opening);
            // 40 MiB in a second, of which a fifth is 8 MiB.
            assert_eq!(widening.margin(opening), SEGMENT / 2);
            assert_eq!(widening.margin(Duration::from_millis(50)), 2 * MIB);
            widening.came_late();
            assert_eq!(widening.lanes(), 1);
        }
        assert_eq!(distance, SEGMENT + 8 * MIB * 3 / 2 * 4);
        assert_eq!(lanes(&mut widening, &[5, 5, 5]), [1, 1, 1]);
    }

    #[test]
    fn samples_have_time_and_bytes() {
        assert!(sample(1).is_full());
        assert!(!Sample { elapsed: SAMPLE / 2, ..sample(9) }.is_full());
        assert!(!Sample { bytes: MIB - 1, ..sample(9) }.is_full());
    }
}
