//! Progress as bars on a terminal: one for each of a few blobs, and a line for the whole below them.
//!
//! What is done leaves nothing behind, so that only results and warnings stay on the screen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::{Blob, Tally};
use crate::output::escape::escape;
use crate::output::lock;
use crate::output::message::Messages;
use crate::progress::{BlobId, Event, Progress};

/// The most blobs that have a bar at one time.
const MAX_BARS: usize = 6;
/// A line of 75 columns: name, bar, bytes of bytes, rate, time left.
const BAR: &str = "{prefix:12} [{bar:18}] {bytes:>11}/{total_bytes:11} {bytes_per_sec:>12} {eta:>4}";
/// How often what is not moving is drawn anew, so that its rate falls.
const TICK: Duration = Duration::from_millis(500);

/// Shows progress as bars.
pub(in crate::output) struct Bars {
    messages: Arc<Messages>,
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    blobs: BTreeMap<BlobId, ProgressBar>,
    whole: Option<ProgressBar>,
    wait: Option<ProgressBar>,
    finished: bool,
}

impl Bars {
    pub(in crate::output) fn new(messages: Arc<Messages>, screen: MultiProgress) -> Self {
        Self { messages, screen, state: Mutex::default() }
    }

    /// Takes all bars off the screen for good, whatever is still going on: what an error or an interruption
    /// says then stands on clean lines.
    pub(in crate::output) fn finish(&self) {
        let mut state = lock(&self.state);
        state.finished = true;
        self.clear(&mut state);
    }

    fn clear(&self, state: &mut State) {
        for bar in std::mem::take(&mut state.blobs).into_values().chain(state.whole.take()).chain(state.wait.take()) {
            self.remove(&bar);
        }
    }

    fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.screen.remove(bar);
    }

    fn draw(&self, state: &mut State, event: &Event) {
        match event {
            Event::Planned { .. } => {
                let whole = state.whole.get_or_insert_with(|| self.whole());
                whole.set_length(state.tally.total());
            }
            Event::BlobStarted { id, .. } => {
                if let (Some(bar), Some(blob)) = (state.blobs.get(id), state.tally.under_way.get(id)) {
                    bar.set_position(blob.position);
                }
            }
            Event::BlobAdvanced { id, bytes } => {
                if let Some(bar) = state.blobs.get(id) {
                    bar.inc(*bytes);
                }
            }
            Event::BlobFinished { id, .. } => {
                if let Some(bar) = state.blobs.remove(id) {
                    self.remove(&bar);
                }
            }
            Event::Ended { .. } if state.tally.titles.is_empty() => return self.clear(state),
            _ => {}
        }
        self.give_bars(state);
        if let Some(whole) = &state.whole {
            whole.set_length(state.tally.total());
            whole.set_position(state.tally.bytes_done);
            whole.set_prefix(format!("{}/{} blobs", state.tally.blobs_done, state.tally.blobs));
        }
        self.show_wait(state, event);
    }

    /// Keeps a line below the whole from the moment a request waits until something moves again.
    fn show_wait(&self, state: &mut State, event: &Event) {
        if let (Event::Waiting { place, pause, because }, Some(whole)) = (event, &state.whole) {
            let wait = state.wait.get_or_insert_with(|| {
                self.screen.insert_after(whole, ProgressBar::hidden().with_style(style("{wide_msg}")))
            });
            wait.set_message(escape(&super::waiting(place, *pause, because)).into_owned());
        } else if let Some(wait) = state.wait.take() {
            self.remove(&wait);
        }
    }

    /// Gives bars to the oldest blobs that have none, as long as there is room.
    fn give_bars(&self, state: &mut State) {
        let Some(whole) = &state.whole else { return };
        for (id, blob) in &state.tally.under_way {
            if state.blobs.len() >= MAX_BARS {
                break;
            }
            state.blobs.entry(*id).or_insert_with(|| self.blob(blob, whole));
        }
    }

    fn blob(&self, blob: &Blob, whole: &ProgressBar) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(blob.size), ProgressDrawTarget::hidden())
            .with_style(style(BAR))
            .with_prefix(blob.digest.short().to_owned())
            .with_position(blob.position);
        let bar = self.screen.insert_before(whole, bar);
        bar.reset_eta();
        bar.tick();
        bar
    }

    fn whole(&self) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden()).with_style(style(BAR));
        let bar = self.screen.add(bar);
        bar.enable_steady_tick(TICK);
        bar
    }
}

impl Progress for Bars {
    fn observe(&self, event: &Event) {
        if let Event::Warning(text) = event {
            return self.messages.warn(text);
        }
        let mut state = lock(&self.state);
        if state.finished {
            return;
        }
        state.tally.count(event);
        self.draw(&mut state, event);
        if state.whole.is_none() {
            drop(state);
            super::say_wait(&self.messages, event);
        }
    }
}

/// A bar of plain characters, which every terminal has.
fn style(template: &str) -> ProgressStyle {
    // The templates stand above and are tested; the default serves where one were wrong.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use indicatif::{InMemoryTerm, TermLike};

    use super::super::tally::tests::{advanced, finished, planned, started};
    use super::*;
    use crate::output::message::{Colors, Form};
    use crate::progress::Arrival;

    const MIB: u64 = 1 << 20;

    /// A terminal in memory, with a writer for messages.
    #[derive(Clone, Debug)]
    struct Terminal(InMemoryTerm);

    impl Terminal {
        fn shows(&self) -> String {
            self.0.contents().lines().map(str::trim_end).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
        }
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            String::from_utf8_lossy(bytes).lines().try_for_each(|line| self.0.write_line(line))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bars() -> (Bars, Terminal) {
        let terminal = Terminal(InMemoryTerm::new(20, 80));
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.0.clone()), 255);
        let screen = MultiProgress::with_draw_target(target);
        let messages =
            Messages::new(Box::new(terminal.clone()), Form::Text, Colors::Off).with_bars(Some(screen.clone()));
        (Bars::new(Arc::new(messages), screen), terminal)
    }

    fn observe(bars: &Bars, events: impl IntoIterator<Item = Event>) {
        for event in events {
            // Drawing is limited to so many a second.
            std::thread::sleep(Duration::from_millis(10));
            bars.observe(&event);
        }
    }

    #[test]
    fn each_blob_has_a_bar_above_that_of_the_whole() {
        let (bars, terminal) = bars();
        let half = 5 * MIB;
        observe(
            &bars,
            [planned("a", 3, 30 * MIB), finished(1, 10 * MIB, Arrival::Present), started(2, 10 * MIB, half)],
        );
        observe(&bars, [started(3, 10 * MIB, 0), advanced(3, half)]);
        let screen = terminal.shows();
        let lines: Vec<&str> = screen.lines().collect();
        assert_eq!(lines.len(), 3, "{screen}");
        let bar = "[=========>        ]    5.00 MiB/10.00 MiB";
        assert!(lines[0].contains(bar) && lines[1].contains(bar), "{screen}");
        assert!(lines[2].starts_with("1/3 blobs    [============>     ]   20.00 MiB/30.00 MiB"), "{screen}");
    }

    #[test]
    fn nothing_stands_there_after_the_end() {
        let (bars, terminal) = bars();
        observe(&bars, [planned("a", 2, MIB), started(1, MIB, 0)]);
        bars.finish();
        observe(&bars, [advanced(1, 10), started(2, MIB, 0), planned("b", 1, 1)]);
        assert_eq!(terminal.shows(), "");
    }

    #[test]
    fn there_is_room_for_some_and_the_next_one_moves_up() {
        let (bars, terminal) = bars();
        observe(&bars, [planned("a", 9, 9 * MIB)]);
        observe(&bars, (1..=9).map(|id| started(id, MIB, 0)));
        assert_eq!(terminal.shows().lines().count(), MAX_BARS + 1);
        let seventh = crate::image::Digest::of(&7_u64.to_le_bytes());
        assert!(!terminal.shows().contains(seventh.short()));
        observe(&bars, [finished(1, MIB, Arrival::Sent)]);
        let screen = terminal.shows();
        assert!(screen.lines().count() == MAX_BARS + 1 && screen.contains(seventh.short()), "{screen}");
    }

    #[test]
    fn what_is_done_leaves_nothing_but_warnings() {
        let (bars, terminal) = bars();
        observe(&bars, [planned("a", 1, MIB), started(1, MIB, 0), Event::Warning("watch\u{1b}[2J".to_owned())]);
        let screen = terminal.shows();
        assert!(screen.starts_with("warning: watch\\u{1b}[2J\n") && screen.lines().count() == 3, "{screen}");
        observe(&bars, [finished(1, MIB, Arrival::Failed), Event::Ended { title: "a".into() }]);
        assert_eq!(terminal.shows(), "warning: watch\\u{1b}[2J");
    }

    #[test]
    fn a_wait_stands_below_the_whole_until_something_moves() {
        let (bars, terminal) = bars();
        let because = "too many\nrequests".to_owned();
        let wait = Event::Waiting { place: "ghcr.io".to_owned(), pause: Duration::from_secs(30), because };
        observe(&bars, [planned("a", 1, MIB), started(1, MIB, 0), wait]);
        assert!(terminal.shows().ends_with(r"waiting 30 s for ghcr.io: too many\nrequests"), "{}", terminal.shows());
        observe(&bars, [advanced(1, 10)]);
        assert!(!terminal.shows().contains("waiting"));
    }
}
