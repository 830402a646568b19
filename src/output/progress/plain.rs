//! Progress as a plain line every few seconds, for logs of CI systems and for pipes.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::tally::Tally;
use crate::output::lock;
use crate::output::message::Messages;
use crate::output::quantity;
use crate::progress::{Event, Progress};

/// How much time lies between two lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows progress as plain lines.
pub(in crate::output) struct Plain {
    messages: Arc<Messages>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    /// When the first of the transfers that run was planned.
    began: Option<Instant>,
    last: Option<Line>,
}

/// The line that was shown last.
struct Line {
    at: Instant,
    travelled: u64,
}

impl Plain {
    pub(in crate::output) fn new(messages: Arc<Messages>) -> Self {
        Self { messages, state: Mutex::default() }
    }

    fn observe_at(&self, event: &Event, now: Instant) {
        if let Event::Warning(text) = event {
            self.messages.warn(text);
        }
        super::say_wait(&self.messages, event);
        // Written without the lock: standard error may be a pipe that nobody empties.
        let line = lock(&self.state).take(event, now);
        if let Some(line) = line {
            self.messages.progress(&line);
        }
    }
}

impl Progress for Plain {
    fn observe(&self, event: &Event) {
        self.observe_at(event, Instant::now());
    }
}

impl State {
    /// Counts the event and makes a line where it is time for one.
    fn take(&mut self, event: &Event, now: Instant) -> Option<String> {
        self.tally.count(event);
        if self.tally.titles.is_empty() {
            *self = Self::default();
            return None;
        }
        let began = *self.began.get_or_insert(now);
        let due = self.last.as_ref().map_or(began + PATIENCE, |line| line.at + INTERVAL);
        if now < due || self.tally.bytes_done >= self.tally.total() {
            return None;
        }
        let (since, before) = self.last.as_ref().map_or((began, 0), |line| (line.at, line.travelled));
        let text = self.line(now - since, self.tally.travelled.saturating_sub(before));
        self.last = Some(Line { at: now, travelled: self.tally.travelled });
        Some(text)
    }

    /// The line, where `travelled` bytes went in the time `since` the last one.
    fn line(&self, since: Duration, travelled: u64) -> String {
        let tally = &self.tally;
        let title = match tally.titles.as_slice() {
            [one] => one.clone(),
            several => format!("{} transfers", several.len()),
        };
        let mut line = format!(
            "{title}: {} of {}, {} of {} blobs",
            quantity::size(tally.bytes_done),
            quantity::size(tally.total()),
            tally.blobs_done,
            tally.blobs.max(tally.blobs_done)
        );
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = travelled.saturating_mul(1000) / millis;
        if rate > 0 {
            let left = Duration::from_secs((tally.total() - tally.bytes_done).div_ceil(rate));
            // Writing to a string cannot fail.
            let _ = write!(line, ", {}/s, {} left", quantity::size(rate), quantity::duration(left));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::{advanced, planned, started};
    use super::*;
    use crate::output::message::{Colors, Form};
    use crate::output::tests::Shared;

    const MIB: u64 = 1 << 20;

    /// Shows events that come at these milliseconds.
    fn shown(events: &[(u64, Event)]) -> String {
        let out = Shared::default();
        let plain = Plain::new(Arc::new(Messages::new(Box::new(out.clone()), Form::Text, Colors::Off)));
        let start = Instant::now();
        for (millis, event) in events {
            plain.observe_at(event, start + Duration::from_millis(*millis));
        }
        out.text()
    }

    #[test]
    fn short_work_is_silent() {
        let events = [
            (0, planned("a", 1, MIB)),
            (10, started(1, MIB, 0)),
            (1900, advanced(1, MIB)),
            (1950, Event::Ended { title: "a".into() }),
        ];
        assert_eq!(shown(&events), "");
    }

    #[test]
    fn long_work_says_a_line_every_few_seconds() {
        let events = [
            (0, planned("a:1 to b", 2, 100 * MIB)),
            (0, started(1, 90 * MIB, 0)),
            (1000, advanced(1, 10 * MIB)),
            (2000, advanced(1, 10 * MIB)),
            (3000, advanced(1, 10 * MIB)),
            (7000, advanced(1, 20 * MIB)),
            (7500, advanced(1, MIB)),
        ];
        assert_eq!(
            shown(&events),
            "a:1 to b: 20.0 MiB of 100.0 MiB, 0 of 2 blobs, 10.0 MiB/s, 8.0 s left\n\
             a:1 to b: 50.0 MiB of 100.0 MiB, 0 of 2 blobs, 6.0 MiB/s, 9.0 s left\n"
        );
    }

    #[test]
    fn a_long_wait_is_said_at_once() {
        let wait = |seconds| Event::Waiting {
            place: "ghcr.io".to_owned(),
            pause: Duration::from_secs(seconds),
            because: "too many requests".to_owned(),
        };
        assert_eq!(shown(&[(0, wait(1)), (0, wait(30))]), "waiting 30 s for ghcr.io: too many requests\n");
    }
}
