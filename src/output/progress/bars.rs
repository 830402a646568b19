//! Progress as bars on a terminal: one for each of a few blobs, and a line for the whole below them.
//!
//! What is done leaves nothing behind, so that only results and warnings stay on the screen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::tally::{Blob, Tally};
use crate::output::escape::escape;
use crate::output::lock;
use crate::output::message::Messages;
use crate::progress::{BlobId, Event, Progress};

/// The most blobs that have a bar at one time.
const MAX_BARS: usize = 6;
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
}

impl Bars {
    pub(in crate::output) fn new(messages: Arc<Messages>, screen: MultiProgress) -> Self {
        Self { messages, screen, state: Mutex::default() }
    }

    /// Takes all bars off the screen; what comes after an error or an interruption stands on clean lines.
    fn clear(&self, state: &mut State) {
        for bar in std::mem::take(&mut state.blobs).into_values().chain(state.whole.take()) {
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
            if let Event::Waiting { place, pause, because } = event {
                whole.set_message(escape(&super::waiting(place, *pause, because)).into_owned());
            } else {
                whole.set_message(String::new());
            }
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
        let bar = ProgressBar::with_draw_target(Some(blob.size), indicatif::ProgressDrawTarget::hidden())
            .with_style(style("{prefix:12} [{bar:24}] {bytes:>10} of {total_bytes:>10} {bytes_per_sec:>13} {eta:>4}"))
            .with_prefix(blob.digest.short().to_owned())
            .with_position(blob.position);
        let bar = self.screen.insert_before(whole, bar);
        bar.reset_eta();
        bar
    }

    fn whole(&self) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(0), indicatif::ProgressDrawTarget::hidden()).with_style(style(
            "{prefix:12} [{bar:24}] {bytes:>10} of {total_bytes:>10} {bytes_per_sec:>13} {eta:>4} {msg}",
        ));
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
        state.tally.count(event);
        self.draw(&mut state, event);
    }
}

/// A bar of plain characters, which every terminal has.
fn style(template: &str) -> ProgressStyle {
    // The templates stand above and are tested; the default serves where one were wrong.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}
