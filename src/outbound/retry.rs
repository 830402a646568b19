//! The one place that decides whether a request is sent again, and when.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::{OutboundError, Response};
use crate::wire;

/// How often and how patiently requests are repeated.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How often a request is sent at most, the first time included.
    pub tries: u32,
    /// The first pause; each next one is twice as long, with chance added so that clients do not march in step.
    pub first_pause: Duration,
    /// The longest wait that a server's `Retry-After` is granted.
    pub patience: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tries: 6, first_pause: Duration::from_millis(500), patience: Duration::from_mins(2) }
    }
}

/// The longest pause that we choose ourselves.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How much longer than after other failures we pause when a limit was hit without saying for how long.
const LIMIT_FACTOR: u32 = 4;

impl Retries {
    /// The pauses between the tries.
    pub(super) fn pauses(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_factor(2.0)
            .with_max_times(usize::try_from(self.tries.saturating_sub(1)).unwrap_or(usize::MAX))
            .with_jitter()
            .build()
    }
}

/// How a request may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// As often as need be: doing it twice is as doing it once.
    Freely,
    /// Only where it certainly did nothing: the caller finds out what became of one whose answer was lost.
    UnlessHeard,
    /// Only after an answer that asks for it: who does not answer may speak another protocol.
    Answered,
    /// Only after "too many requests": the caller has another way where it fails.
    Never,
}

/// What one try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is what the caller gets.
    Final,
    /// Try again after our own pause.
    Again,
    /// Too many requests: try again after so long, or a longer pause of our own.
    Limited(Option<Duration>),
}

/// Judges one try.
pub(super) fn judge(outcome: &Result<Response, OutboundError>, replay: Replay) -> Verdict {
    match outcome {
        Ok(response) => {
            let wait = || wait_of(response.status(), response.headers());
            judge_status(response.status(), replay, wait)
        }
        Err(error) => judge_error(error, replay),
    }
}

/// How long an answer says to wait. Who is told that nothing is left of a period waits for that to pass.
fn wait_of(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let limit = || wire::rate_limit(headers);
    wire::retry_after(headers, Timestamp::now())
        .or_else(|| limit().window().filter(|_| status == StatusCode::TOO_MANY_REQUESTS && limit().is_used_up()))
}

fn judge_status(status: StatusCode, replay: Replay, wait: impl FnOnce() -> Option<Duration>) -> Verdict {
    match status.as_u16() {
        429 => Verdict::Limited(wait()),
        503 if replay != Replay::Never => wait().map_or(Verdict::Again, |wait| Verdict::Limited(Some(wait))),
        // 499 and 522 come from proxies that lost one of the sides.
        408 | 500 | 502 | 504 | 499 | 522 if replay != Replay::Never => Verdict::Again,
        _ => Verdict::Final,
    }
}

fn judge_error(error: &OutboundError, replay: Replay) -> Verdict {
    if replay.allows(error) { Verdict::Again } else { Verdict::Final }
}

impl Replay {
    /// Whether a request that failed in this way is repeated.
    #[must_use]
    pub const fn allows(self, error: &OutboundError) -> bool {
        match self {
            Self::Freely => error.is_transient(),
            Self::UnlessHeard => error.is_transient() && !error.may_have_arrived(),
            Self::Answered | Self::Never => false,
        }
    }
}

/// The pause after a limit was hit: the server's, else ours, longer than after other failures.
pub(super) fn limited_pause(servers: Option<Duration>, ours: Duration) -> Duration {
    servers.unwrap_or_else(|| (ours * LIMIT_FACTOR).min(LONGEST_PAUSE * 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::{Flaw, Origin};

    #[test]
    fn statuses_are_judged() {
        for status in [408, 500, 502, 503, 504, 499, 522] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge_status(status, Replay::Freely, || None), Verdict::Again, "{status}");
            assert_eq!(judge_status(status, Replay::UnlessHeard, || None), Verdict::Again, "{status}");
            assert_eq!(judge_status(status, Replay::Never, || None), Verdict::Final, "{status}");
        }
        for status in [200, 201, 202, 204, 206, 307, 400, 401, 403, 404, 405, 409, 413, 416, 501] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge_status(status, Replay::Freely, || None), Verdict::Final, "{status}");
        }
        let wait = Duration::from_secs(7);
        for replay in [Replay::Freely, Replay::Never] {
            let verdict = judge_status(StatusCode::TOO_MANY_REQUESTS, replay, || Some(wait));
            assert_eq!(verdict, Verdict::Limited(Some(wait)));
        }
    }

    // Quirk 57.
    #[test]
    fn what_is_used_up_comes_back_with_the_next_period() {
        let headers = |remaining: &'static str| {
            let values = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", remaining)];
            let values = values.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            HeaderMap::from_iter(values)
        };
        let wait = |status, headers: &HeaderMap| wait_of(StatusCode::from_u16(status).unwrap(), headers);
        assert_eq!(wait(429, &headers("0;w=21600")), Some(Duration::from_hours(6)));
        assert_eq!(wait(429, &headers("7;w=21600")), None);
        assert_eq!(wait(503, &headers("0;w=21600")), None);
        let mut told = headers("0");
        told.insert("retry-after", "3".parse().unwrap());
        assert_eq!(wait(429, &told), Some(Duration::from_secs(3)));
    }

    #[test]
    fn lost_answers_are_repeated_only_where_that_is_harmless() {
        let origin = Origin::of(&"https://a.example".parse().unwrap()).unwrap();
        let broken = OutboundError::Broken { origin: origin.clone(), reason: String::new() };
        let connect = OutboundError::Connect { origin: origin.clone(), reason: String::new() };
        let untrusted = OutboundError::Untrusted { origin, flaw: Flaw::Issuer };
        assert_eq!(judge_error(&broken, Replay::Freely), Verdict::Again);
        assert_eq!(judge_error(&broken, Replay::UnlessHeard), Verdict::Final);
        assert_eq!(judge_error(&connect, Replay::UnlessHeard), Verdict::Again);
        assert_eq!(judge_error(&connect, Replay::Never), Verdict::Final);
        assert_eq!(judge_error(&untrusted, Replay::Freely), Verdict::Final);
    }

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<Duration> = Retries::default().pauses().collect();
        assert_eq!(pauses.len(), 5);
        assert!(pauses.iter().sum::<Duration>() < Duration::from_mins(1), "{pauses:?}");
        assert!(pauses[4] > pauses[0]);
    }
}
