//! How often a cut stream is taken up again: as long as it gets on, else a few times.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::progress::{Event, Progress};
use crate::registry::Error;

/// How often work that gets nowhere is begun, the first time included.
const WITHOUT_PROGRESS: usize = 6;
/// How many bytes count as getting on. Less would let a place that hands out single bytes be asked forever.
const PROGRESS: u64 = 64 * 1024;

/// What is left of the patience with one stream.
pub(super) struct Tries {
    builder: ExponentialBuilder,
    pauses: ExponentialBackoff,
    reached: u64,
}

impl Tries {
    /// A fresh count; the first pause is about `pause`, each further one twice as long.
    pub(super) fn new(pause: Duration) -> Self {
        Self::reached(0, pause)
    }

    /// The same for a stream that begins at `reached`, so that only what lies behind counts as getting on.
    pub(super) fn reached(reached: u64, pause: Duration) -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(pause)
            .with_factor(2.0)
            .with_max_times(WITHOUT_PROGRESS - 1)
            .with_jitter();
        Self { builder, pauses: builder.build(), reached }
    }

    /// How long to wait before the stream, which was cut at `reached`, is taken up again; `None` where it has
    /// been tried often enough.
    pub(super) fn again(&mut self, reached: u64) -> Option<Duration> {
        if reached >= self.reached + PROGRESS {
            self.reached = reached;
            self.pauses = self.builder.build();
            return Some(Duration::ZERO);
        }
        self.pauses.next()
    }
}

/// Waits before something at `place` is tried again, and says so.
pub(super) async fn wait(progress: &dyn Progress, place: &str, pause: Duration, error: &Error) {
    if !pause.is_zero() {
        let (place, because) = (place.to_owned(), error.to_string());
        progress.observe(&Event::Waiting { place, pause, because });
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_renews_the_patience_and_standing_still_ends_it() {
        let mut tries = Tries::new(Duration::from_millis(1));
        for step in 1..100 {
            assert_eq!(tries.again(step * PROGRESS), Some(Duration::ZERO));
            assert!(tries.again(step * PROGRESS + 1).is_some_and(|pause| !pause.is_zero()));
        }
        let left = std::iter::from_fn(|| tries.again(99 * PROGRESS + 2)).count();
        assert_eq!(left, WITHOUT_PROGRESS - 2, "one of the pauses was spent in the last round");
        let mut late = Tries::reached(10 * PROGRESS, Duration::from_millis(1));
        let left = std::iter::from_fn(|| late.again(10 * PROGRESS + 1)).count();
        assert_eq!(left, WITHOUT_PROGRESS - 1, "what lies before its beginning is no progress");
    }
}
