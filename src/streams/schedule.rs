//! What is looked up again and again: which tags are due, and how many may be asked in a minute.
//!
//! When a tag was looked up last is no part of the stream, which need not change for that. It is kept beside the state
//! of other runs; lost, everything is due.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::error::StreamError;
use super::import::Wanted;
use super::model::View;
use crate::files::{Access, Disk, Lock, Sharing, read_regular, write_atomically};
use crate::image::{StreamName, Tag};

/// How often a scheduled tag is looked up where nobody says, as in OpenShift.
pub const INTERVAL: Duration = Duration::from_mins(15);
/// How many tags are looked up in a minute where nobody says, as in OpenShift.
pub const PER_MINUTE: usize = 60;
/// The minute.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// How long another process may be at the file.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// When the tags of each stream were looked up last.
type Looks = BTreeMap<StreamName, BTreeMap<Tag, Timestamp>>;

/// When tags were looked up last. Holds nothing but where that is kept.
#[derive(Clone)]
pub struct Schedule {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

/// How often, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// How long a tag is left alone after it was looked up.
    pub interval: Duration,
    /// How many tags are looked up in a minute.
    pub per_minute: usize,
}

impl Schedule {
    /// The schedule in the directory of states.
    #[must_use]
    pub fn new(state: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { path: state.join("streams.json"), disk }
    }

    /// When each tag was looked up last.
    fn read(&self) -> Looks {
        // What cannot be read says nothing: everything is due.
        let bytes = read_regular(&self.path, MAX_BYTES).ok().flatten().unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The scheduled tags of a stream with the time at which each is due, those that are due longest first.
    #[must_use]
    pub fn of(&self, view: &View, rhythm: Rhythm) -> Vec<(Timestamp, Wanted)> {
        let looks = self.read();
        let looks = looks.get(&view.metadata.name);
        let interval = SignedDuration::try_from(rhythm.interval).unwrap_or(SignedDuration::MAX);
        let due = |tag: &Tag| match looks.and_then(|looks| looks.get(tag)) {
            Some(last) => last.checked_add(interval).unwrap_or(Timestamp::MAX),
            None => Timestamp::MIN,
        };
        let scheduled = view.spec.tags.iter().filter(|reference| reference.import_policy.scheduled);
        let mut tags: Vec<(Timestamp, Wanted)> =
            scheduled.filter_map(Wanted::of).map(|wanted| (due(&wanted.tag), wanted)).collect();
        tags.sort_by_key(|(due, _)| *due);
        tags
    }

    /// Notes that tags of a stream were looked up.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(
        &self,
        name: &StreamName,
        tags: &[Tag],
        view: Option<&View>,
        now: Timestamp,
    ) -> Result<(), StreamError> {
        let lock = self.path.with_file_name(".streams.json.lock");
        let _lock = Lock::take(&lock, Sharing::Exclusive, PATIENCE)?;
        let mut looks = self.read();
        let of_stream = looks.entry(name.clone()).or_default();
        of_stream.extend(tags.iter().map(|tag| (tag.clone(), now)));
        if let Some(view) = view {
            of_stream.retain(|tag, _| view.reference(tag).is_some());
        }
        looks.retain(|_, tags| !tags.is_empty());
        let bytes = serde_json::to_vec(&looks).unwrap_or_default();
        Ok(write_atomically(&*self.disk, &self.path, &bytes, Access::Shared)?)
    }

    /// When tags were looked up in the last minute, by whatever process.
    #[must_use]
    pub fn turns(&self, per_minute: usize) -> Turns {
        let now = Timestamp::now();
        let looks = self.read();
        let mut recent: Vec<Timestamp> = looks.values().flat_map(BTreeMap::values).copied().collect();
        recent.retain(|time| now.duration_since(*time) < WINDOW && *time <= now);
        recent.sort();
        Turns { recent: recent.into(), per_minute: per_minute.max(1) }
    }
}

/// Whose turn it is: so many in any minute.
#[derive(Clone, Debug)]
pub struct Turns {
    recent: VecDeque<Timestamp>,
    per_minute: usize,
}

impl Turns {
    /// How many may go now, at most `wanted`; they are taken to go. Where none may, how long to wait.
    ///
    /// # Errors
    /// None may go before that time is over.
    pub fn take(&mut self, wanted: usize, now: Timestamp) -> Result<usize, Duration> {
        while self.recent.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            self.recent.pop_front();
        }
        let free = self.per_minute.saturating_sub(self.recent.len());
        if free == 0 {
            let first = self.recent.front().copied().unwrap_or(now);
            let left = WINDOW - now.duration_since(first);
            return Err(Duration::try_from(left).unwrap_or_default().max(Duration::from_millis(1)));
        }
        let taken = free.min(wanted);
        self.recent.extend(std::iter::repeat_n(now, taken));
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_go_in_any_minute() {
        let start: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
        let mut turns = Turns { recent: VecDeque::new(), per_minute: 3 };
        assert_eq!(turns.take(2, at(0)), Ok(2));
        assert_eq!(turns.take(5, at(10)), Ok(1));
        assert_eq!(turns.take(1, at(20)), Err(Duration::from_secs(40)));
        assert_eq!(turns.take(5, at(60)), Ok(2));
        assert_eq!(turns.take(5, at(61)), Err(Duration::from_secs(9)));
        assert_eq!(turns.take(5, at(70)), Ok(1));
    }
}
