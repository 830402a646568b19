//! How long work shows itself: bars, plain lines, JSON lines, or nothing.
//!
//! Three listeners to the one event type of `crate::progress`, chosen by the console from `--progress` and from
//! what standard error is. Warnings among the events are shown by each of them.

mod bars;
mod lines;
mod plain;
mod tally;

pub(super) use bars::Bars;
pub(super) use lines::Lines;
pub(super) use plain::{Plain, Short};

use std::sync::Arc;
use std::time::Duration;

use super::message::Messages;
use super::quantity;
use crate::progress::{Event, Progress};

/// Shows warnings alone: for work whose progress nobody wants to see.
pub(super) struct WarningsOnly(pub(super) Arc<Messages>);

impl Progress for WarningsOnly {
    fn observe(&self, event: &Event) {
        if let Event::Warning(text) = event {
            self.0.warn(text);
        }
    }
}

/// How long work is silent: what is over by then needs no line.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says on a line of its own that a request waits, where the wait is long.
fn say_wait(messages: &Messages, event: &Event) {
    if let Event::Waiting { place, pause, because } = event
        && *pause >= PATIENCE
    {
        messages.progress(&waiting(place, *pause, because));
    }
}

/// What is said while a request waits to be sent again.
fn waiting(place: &str, pause: Duration, because: &str) -> String {
    format!("waiting {} for {place}: {because}", quantity::duration(pause))
}
