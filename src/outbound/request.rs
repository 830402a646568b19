//! What is sent: a permit, a method, headers, and a body that can be sent again or not.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::time::Instant;

use super::{Permit, Replay};

/// The biggest piece in which bytes at hand are given to a connection, so that progress can be seen.
const PIECE: usize = 128 * 1024;

/// A request on its way to a place that the policy allows.
#[derive(Debug)]
pub struct Request {
    pub(super) method: Method,
    pub(super) permit: Permit,
    pub(super) headers: HeaderMap,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) body: RequestBody,
    pub(super) replay: Replay,
    pub(super) traffic: Traffic,
    pub(super) patience: u32,
    pub(super) collect: Option<usize>,
    pub(super) redirects: Redirects,
}

/// What becomes of an answer that leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// It is followed, as far as the policy allows.
    Followed,
    /// It is what the caller gets.
    Returned,
}

/// What sort of connection suits a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Small, and one of many: HTTP/2 where it is offered.
    Small,
    /// Many bytes: an HTTP/1.1 connection of its own, which costs less per byte.
    Bulk,
}

impl Request {
    /// A request without a body, that can be repeated freely.
    #[must_use]
    pub fn new(method: Method, permit: Permit) -> Self {
        Self {
            method,
            permit,
            headers: HeaderMap::new(),
            authorization: None,
            body: RequestBody::Empty,
            replay: Replay::Freely,
            traffic: Traffic::Small,
            patience: 1,
            collect: None,
            redirects: Redirects::Followed,
        }
    }

    /// Adds a header. It goes to the first place and, `Accept` and `Range` excepted, to no other origin.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sends a credential, which goes to the place of the permit and nowhere else.
    #[must_use]
    pub fn authorization(mut self, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.authorization = Some(value);
        self
    }

    /// Sends a body.
    #[must_use]
    pub fn body(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }

    /// Says how it may be repeated.
    #[must_use]
    pub const fn replay(mut self, replay: Replay) -> Self {
        self.replay = replay;
        self
    }

    /// Has it sent but once to whoever does not answer, however it may be repeated otherwise.
    #[must_use]
    pub fn only_if_answered(mut self) -> Self {
        if self.replay != Replay::Never {
            self.replay = Replay::Answered;
        }
        self
    }

    /// Has its answer waited for so many times longer than usual, because the other side has work to do for it.
    #[must_use]
    pub const fn patience(mut self, times: u32) -> Self {
        self.patience = times;
        self
    }

    /// Has the body of a good answer read at once, `at_most` so many bytes: one that breaks off is then as none.
    #[must_use]
    pub const fn collected(mut self, at_most: usize) -> Self {
        self.collect = Some(at_most);
        self
    }

    /// Says what becomes of an answer that leads elsewhere.
    #[must_use]
    pub const fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Says what sort of connection suits it.
    #[must_use]
    pub const fn traffic(mut self, traffic: Traffic) -> Self {
        self.traffic = traffic;
        self
    }
}

/// The body of a request.
pub enum RequestBody {
    /// None.
    Empty,
    /// Bytes at hand, in pieces; can be sent again.
    Whole(Vec<Bytes>),
    /// Exactly `length` bytes that come from elsewhere; can be sent once.
    Stream {
        /// How many bytes will come.
        length: u64,
        /// The bytes. An error ends the request.
        bytes: BoxStream<'static, std::io::Result<Bytes>>,
    },
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Whole(pieces) => write!(f, "Whole({} bytes)", total(pieces)),
            Self::Stream { length, .. } => write!(f, "Stream({length} bytes)"),
        }
    }
}

fn total(pieces: &[Bytes]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}

impl RequestBody {
    /// The same body for another request; `None` where it can be sent only once.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Whole(pieces) => Some(Self::Whole(pieces.clone())),
            Self::Stream { .. } => None,
        }
    }

    /// Whether it can be sent only once.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream { .. })
    }

    /// The body for one try, its length, and what watches it on its way. A stream is gone after the first.
    pub(super) fn take(&mut self, flow: &Flow) -> (Option<reqwest::Body>, Option<u64>) {
        match self {
            Self::Empty => (None, None),
            Self::Whole(pieces) => {
                let length = total(pieces);
                let pieces: Vec<Bytes> = pieces.iter().flat_map(|piece| split(piece.clone())).collect();
                if let [] | [_] = pieces.as_slice() {
                    return (Some(pieces.into_iter().next().unwrap_or_default().into()), Some(length));
                }
                let stream = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
                (Some(reqwest::Body::wrap_stream(flow.watch(stream))), Some(length))
            }
            Self::Stream { length, bytes } => {
                let length = *length;
                let bytes = std::mem::replace(bytes, Box::pin(futures_util::stream::empty()));
                (Some(reqwest::Body::wrap_stream(flow.watch(bytes))), Some(length))
            }
        }
    }
}

fn split(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| bytes.split_to(bytes.len().min(PIECE))))
}

/// Watches a body being sent, to tell a silent server from one that waits for us.
#[derive(Clone, Debug)]
pub(super) struct Flow(Arc<FlowState>);

#[derive(Debug)]
struct FlowState {
    moved: Mutex<Instant>,
    /// Whether the connection wants bytes and we have none: then it is not the server that is silent.
    starved: AtomicBool,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self(Arc::new(FlowState { moved: Mutex::new(Instant::now()), starved: AtomicBool::new(false) }))
    }

    fn watch<S: Stream<Item = std::io::Result<Bytes>> + Send + Unpin + 'static>(&self, inner: S) -> Watched<S> {
        Watched { inner, flow: self.clone() }
    }

    fn moved(&self) -> Instant {
        *self.0.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        *self.0.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Ends when the other side took and said nothing for `idle`.
    pub(super) async fn silent_for(&self, idle: Duration) {
        loop {
            tokio::time::sleep_until(self.moved() + idle).await;
            if self.0.starved.load(Ordering::Relaxed) {
                self.touch();
            } else if self.moved().elapsed() >= idle {
                return;
            }
        }
    }
}

struct Watched<S> {
    inner: S,
    flow: Flow,
}

impl<S: Stream<Item = std::io::Result<Bytes>> + Unpin> Stream for Watched<S> {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(context);
        self.flow.0.starved.store(polled.is_pending(), Ordering::Relaxed);
        self.flow.touch();
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_waits_for_us_is_no_silence() {
        let flow = Flow::new();
        let idle = Duration::from_millis(30);
        let mut starving = flow.watch(futures_util::stream::pending());
        let polled = futures_util::future::poll_fn(|context| Poll::Ready(Pin::new(&mut starving).poll_next(context)));
        assert!(polled.await.is_pending());
        let silent = tokio::time::timeout(idle * 4, flow.silent_for(idle)).await;
        assert!(silent.is_err(), "the source was slow, not the server");
        let mut full = flow.watch(futures_util::stream::iter([Ok(Bytes::from_static(b"x"))]));
        assert!(futures_util::StreamExt::next(&mut full).await.is_some());
        assert!(tokio::time::timeout(idle * 8, flow.silent_for(idle)).await.is_ok());
    }

    #[test]
    fn bytes_at_hand_can_be_sent_again_and_streams_cannot() {
        let mut whole = RequestBody::Whole(vec![Bytes::from(vec![1; PIECE * 2 + 1]), Bytes::from_static(b"x")]);
        for _ in 0..2 {
            assert_eq!(whole.take(&Flow::new()).1, Some(PIECE as u64 * 2 + 2));
        }
        assert!(!whole.is_stream());
        assert_eq!(split(Bytes::from(vec![0; PIECE + 1])).count(), 2);
    }
}
