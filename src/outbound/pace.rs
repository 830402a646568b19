//! The slow-down that all requests of the process to one host share once it said that there were too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The gap between requests that the first "too many" brings.
const FIRST_GAP: Duration = Duration::from_millis(50);
/// The longest gap.
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// A gap below this is none.
const SHORTEST_GAP: Duration = Duration::from_millis(5);

/// When requests may start, by host. One for the whole process, shared by every client.
#[derive(Debug, Default)]
pub struct Pace {
    slow: Mutex<HashMap<String, Slow>>,
    /// How often a limit was hit.
    hits: Mutex<HashMap<String, u64>>,
}

/// How often the limit of one host was hit, as far as the process knows.
#[derive(Clone, Debug)]
pub struct TooMany {
    pace: Arc<Pace>,
    host: String,
}

impl TooMany {
    pub(super) const fn of(pace: Arc<Pace>, host: String) -> Self {
        Self { pace, host }
    }

    /// How often until now. Several answers that arrive together are one limit that was hit.
    #[must_use]
    pub fn count(&self) -> u64 {
        let hits = self.pace.hits.lock().unwrap_or_else(PoisonError::into_inner);
        hits.get(&self.host).copied().unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
struct Slow {
    next: Instant,
    gap: Duration,
}

impl Pace {
    /// Waits until a request to `host` may start. Costs nothing where no limit was hit.
    pub(super) async fn turn(&self, host: &str) {
        let next = self.change(|hosts| {
            let slow = hosts.get_mut(host)?;
            let turn = slow.next.max(Instant::now());
            slow.next = turn + slow.gap;
            Some(turn)
        });
        if let Some(next) = next {
            tokio::time::sleep_until(next.into()).await;
        }
    }

    /// Nobody asks `host` anything for `pause`, and from then on more slowly.
    pub(super) fn slow_down(&self, host: &str, pause: Duration) {
        let now = Instant::now();
        let is_new = self.change(|hosts| {
            let is_first = !hosts.contains_key(host);
            let slow = hosts.entry(host.to_owned()).or_insert(Slow { next: now, gap: FIRST_GAP / 2 });
            // Several answers that arrive together are one limit that was hit, not several.
            let is_longer = slow.next < now + pause;
            if is_longer || is_first {
                slow.next = now + pause;
                slow.gap = (slow.gap * 2).min(LONGEST_GAP);
            }
            is_longer || is_first
        });
        if is_new {
            *self.hits.lock().unwrap_or_else(PoisonError::into_inner).entry(host.to_owned()).or_default() += 1;
        }
    }

    /// `host` took a request: the gap shrinks.
    pub(super) fn ease(&self, host: &str) {
        self.change(|hosts| {
            if let Some(slow) = hosts.get_mut(host) {
                slow.gap = slow.gap * 7 / 8;
                if slow.gap < SHORTEST_GAP && slow.next <= Instant::now() {
                    hosts.remove(host);
                }
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<String, Slow>) -> T) -> T {
        // The map is whole after every step, so a panic elsewhere spoils nothing.
        change(&mut self.slow.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_limit_holds_back_every_request_to_that_host_alone() {
        let pace = Arc::<Pace>::default();
        let hits = ["a", "b"].map(|host| TooMany::of(Arc::clone(&pace), host.to_owned()));
        let start = Instant::now();
        pace.turn("a").await;
        pace.slow_down("a", Duration::from_millis(120));
        pace.slow_down("a", Duration::from_millis(100));
        pace.turn("b").await;
        assert!(start.elapsed() < Duration::from_millis(100));
        pace.turn("a").await;
        assert!(start.elapsed() >= Duration::from_millis(115));
        pace.turn("a").await;
        assert!(start.elapsed() >= Duration::from_millis(165), "the second comes a gap later");
        tokio::time::sleep(Duration::from_millis(60)).await;
        for _ in 0..100 {
            pace.ease("a");
        }
        assert!(pace.slow.lock().unwrap().is_empty());
        assert_eq!(hits.map(|hits| hits.count()), [1, 0]);
    }
}
