//! Progress as a plain line every few seconds, for logs of CI systems and for pipes.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::tally::Tally;
use crate::output::lock;
use crate::output::message::Messages;
use crate::output::quantity;
use crate::progress::{Event, Progress};

/// How much time lies between two lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// How often it is looked whether a line is due, though nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// What is said of work that is over soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output) enum Short {
    /// Nothing: lines were not asked for.
    Silent,
    /// Its beginning and its end, as of all work.
    Said,
}

/// Shows progress as plain lines.
pub(in crate::output) struct Plain {
    shared: Arc<Shared>,
}

struct Shared {
    messages: Arc<Messages>,
    short: Short,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    /// When the transfers that run were planned.
    began: Vec<(Arc<str>, Instant)>,
    /// When something happened last.
    moved: Option<Instant>,
    last: Option<Line>,
    /// Whether a thread looks after work at which nothing happens.
    is_watched: bool,
}

/// The line that was shown last.
struct Line {
    at: Instant,
    travelled: u64,
}

impl Plain {
    pub(in crate::output) fn new(messages: Arc<Messages>, short: Short) -> Self {
        Self { shared: Arc::new(Shared { messages, short, state: Mutex::default() }) }
    }

    fn observe_at(&self, event: &Event, now: Instant) {
        let Shared { messages, short, state } = &*self.shared;
        if let Event::Warning(text) = event {
            messages.warn(text);
        }
        super::say_wait(messages, event);
        // Written without the lock: standard error may be a pipe that nobody empties.
        let (edge, line) = {
            let mut state = lock(state);
            let edge = state.edge(event, now).filter(|_| *short == Short::Said);
            (edge, state.take(event, now))
        };
        for line in edge.iter().chain(&line) {
            messages.progress(line);
        }
    }
}

impl Progress for Plain {
    fn observe(&self, event: &Event) {
        self.observe_at(event, Instant::now());
        if matches!(event, Event::Planned { .. }) && lock(&self.shared.state).begin_watch() {
            let shared = Arc::downgrade(&self.shared);
            // Without the thread there are lines where something happens.
            let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(move || watch(&shared));
        }
    }
}

/// Says lines while nothing happens, until the work is over.
fn watch(shared: &Weak<Shared>) {
    loop {
        std::thread::sleep(TICK);
        let Some(shared) = shared.upgrade() else { return };
        let line = {
            let mut state = lock(&shared.state);
            if state.tally.titles.is_empty() {
                state.is_watched = false;
                return;
            }
            state.tick(Instant::now())
        };
        if let Some(line) = line {
            shared.messages.progress(&line);
        }
    }
}

impl State {
    /// Whether a watch has to begin; from now on there is one.
    fn begin_watch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_watched, true)
    }

    /// The line for the beginning or the end of a transfer.
    fn edge(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Planned { title, blobs, bytes } => {
                self.began.push((Arc::clone(title), now));
                let blobs_word = if *blobs == 1 { "blob" } else { "blobs" };
                Some(format!("{title}: begins, {blobs} {blobs_word}, {}", quantity::size(*bytes)))
            }
            Event::Ended { title } => {
                let at = self.began.iter().position(|(known, _)| known == title)?;
                let (_, began) = self.began.remove(at);
                Some(format!("{title}: ended after {}", quantity::duration(now - began)))
            }
            _ => None,
        }
    }

    /// Counts the event and makes a line where it is time for one.
    fn take(&mut self, event: &Event, now: Instant) -> Option<String> {
        self.tally.count(event);
        self.moved = Some(now);
        if self.tally.titles.is_empty() {
            *self = Self { is_watched: self.is_watched, ..Self::default() };
            return None;
        }
        if self.tally.bytes_done >= self.tally.total() { None } else { self.due(now) }
    }

    /// Makes a line where it is time for one, and nothing happens.
    fn tick(&mut self, now: Instant) -> Option<String> {
        self.moved.filter(|moved| now - *moved >= INTERVAL).and_then(|_| self.due(now))
    }

    fn due(&mut self, now: Instant) -> Option<String> {
        let began = self.began.first().map_or(now, |(_, began)| *began);
        let due = self.last.as_ref().map_or(began + PATIENCE, |line| line.at + INTERVAL);
        if now < due {
            return None;
        }
        let (since, before) = self.last.as_ref().map_or((began, 0), |line| (line.at, line.travelled));
        let mut text = self.line(now - since, self.tally.travelled.saturating_sub(before));
        if let Some(still) = self.moved.map(|moved| now - moved).filter(|still| *still >= INTERVAL) {
            // Writing to a string cannot fail.
            let _ = write!(text, ", nothing for {}", quantity::duration(still));
        }
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
    use crate::output::tests::Shared as Written;

    const MIB: u64 = 1 << 20;

    fn plain(short: Short) -> (Plain, Written) {
        let out = Written::default();
        let messages = Messages::new(Box::new(out.clone()), Form::Text, Colors::Off);
        (Plain::new(Arc::new(messages), short), out)
    }

    /// Shows events that come at these milliseconds.
    fn told(short: Short, events: &[(u64, Event)]) -> String {
        let (plain, out) = plain(short);
        let start = Instant::now();
        for (millis, event) in events {
            plain.observe_at(event, start + Duration::from_millis(*millis));
        }
        out.text()
    }

    fn shown(events: &[(u64, Event)]) -> String {
        told(Short::Silent, events)
    }

    #[test]
    fn short_work_is_silent_unless_lines_were_asked_for() {
        let events = [
            (0, planned("a", 1, MIB)),
            (10, started(1, MIB, 0)),
            (1900, advanced(1, MIB)),
            (1950, Event::Ended { title: "a".into() }),
        ];
        assert_eq!(shown(&events), "");
        assert_eq!(told(Short::Said, &events), "a: begins, 1 blob, 1.0 MiB\na: ended after 1.9 s\n");
    }

    #[test]
    fn work_at_which_nothing_happens_says_so() {
        let (plain, _) = plain(Short::Silent);
        let start = Instant::now();
        plain.observe_at(&planned("a", 1, 100 * MIB), start);
        plain.observe_at(&started(1, 100 * MIB, 0), start);
        plain.observe_at(&advanced(1, 20 * MIB), start + Duration::from_secs(1));
        let after = |seconds| lock(&plain.shared.state).tick(start + Duration::from_secs(seconds));
        assert_eq!(after(5), None);
        assert_eq!(
            after(6).unwrap(),
            "a: 20.0 MiB of 100.0 MiB, 0 of 1 blobs, 3.3 MiB/s, 25 s left, nothing for 5.0 s"
        );
        assert_eq!(after(10), None);
        assert_eq!(after(11).unwrap(), "a: 20.0 MiB of 100.0 MiB, 0 of 1 blobs, nothing for 10 s");
    }

    #[test]
    fn the_watch_ends_with_the_work() {
        let (plain, _) = plain(Short::Silent);
        plain.observe(&planned("a", 1, MIB));
        assert!(!lock(&plain.shared.state).begin_watch());
        plain.observe(&Event::Ended { title: "a".into() });
        watch(&Arc::downgrade(&plain.shared));
        assert!(lock(&plain.shared.state).begin_watch());
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
