//! Connections: how many are open, who has been silent for too long, and who goes when there are too many.
//!
//! Whoever holds a connection without asking for anything is the first to go: when one more comes than is allowed,
//! the one that has waited longest makes room. So thousands of connections on which nothing is said keep nobody
//! out, and a request that is being answered is never broken off for another.

use std::collections::HashMap;
use std::future::{Future as _, Ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::Address;
use axum_server::accept::Accept;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a client may take to say what it wants.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How many connections are open at once where nothing is said.
const MOST: usize = 1000;
/// How long a client may be silent in the midst of something where nothing is said.
const IDLE: Duration = Duration::from_mins(1);

/// What comes in.
type Incoming = <SocketAddr as Address>::Stream;

/// The connections of a server. Clones are the same.
#[derive(Clone)]
pub(super) struct Connections {
    most: usize,
    idle: Duration,
    open: Arc<Mutex<HashMap<SocketAddr, Arc<State>>>>,
}

/// What is known of a connection.
struct State {
    /// How many requests on it are being answered.
    busy: AtomicUsize,
    /// When something came on it.
    heard: Mutex<Instant>,
    /// Whether it has to make room.
    ends: AtomicBool,
    reader: AtomicWaker,
}

impl State {
    fn heard(&self) -> MutexGuard<'_, Instant> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self { most: MOST, idle: IDLE, open: Arc::default() }
    }
}

/// Has the system allow as many open files as it would, and says how many that are. A connection that cannot even be
/// taken makes nobody else go.
#[cfg(unix)]
fn open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where there is no highest limit, this is enough.
    let highest = limit.maximum.unwrap_or(65_536).min(65_536);
    let raised = Rlimit { current: Some(highest.max(limit.current.unwrap_or(highest))), maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { raised.current } else { limit.current };
    current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

#[cfg(not(unix))]
const fn open_files() -> usize {
    usize::MAX
}

impl Connections {
    /// The same with other limits, where they are given; as many files as connections stay free for what is served.
    pub(super) fn limited(self, most: Option<usize>, idle: Option<Duration>) -> Self {
        let most = most.unwrap_or(self.most).min(open_files() / 2);
        Self { most, idle: idle.unwrap_or(self.idle), ..self }
    }

    /// How long a client may be silent in the midst of something.
    pub(super) const fn idle(&self) -> Duration {
        self.idle
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open().len()
    }

    /// Marks a connection as one on which a request is being answered, for as long as the mark is kept.
    pub(super) fn busy(&self, peer: SocketAddr) -> Option<Busy> {
        let state = Arc::clone(self.open().get(&peer)?);
        state.busy.fetch_add(1, Ordering::Relaxed);
        Some(Busy(state))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<State>>> {
        // Entries are added and removed whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more in, for which another may have to go; `None` where all are at work.
    fn admit(&self, peer: SocketAddr) -> Option<Arc<State>> {
        let mut open = self.open();
        if open.len() >= self.most {
            let waiting = open.values().filter(|state| !state.is_busy() && !state.ends.load(Ordering::Relaxed));
            let longest = waiting.min_by_key(|state| *state.heard())?;
            longest.ends.store(true, Ordering::Relaxed);
            longest.reader.wake();
        }
        let state = Arc::new(State {
            busy: AtomicUsize::new(0),
            heard: Mutex::new(Instant::now()),
            ends: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        });
        open.insert(peer, Arc::clone(&state));
        Some(state)
    }
}

/// The mark of a request that is being answered.
pub(super) struct Busy(Arc<State>);

impl Drop for Busy {
    fn drop(&mut self) {
        // The silence begins with the end of the answer.
        *self.0.heard() = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> Accept<Incoming, S> for Connections {
    type Stream = Guarded;
    type Service = S;
    type Future = Ready<io::Result<(Guarded, S)>>;

    fn accept(&self, stream: Incoming, service: S) -> Self::Future {
        let guarded = stream.peer_addr().and_then(|peer| {
            // Answers are small or come in pieces; none is to wait for the next.
            stream.set_nodelay(true)?;
            let state = self.admit(peer).ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            let limits = [HEAD_LIMIT, self.idle].map(|limit| Box::pin(tokio::time::sleep(limit)));
            let [reading, writing] = limits;
            Ok(Guarded { connections: self.clone(), peer, state, inner: stream, reading, writing, stuck: false })
        });
        std::future::ready(guarded.map(|guarded| (guarded, service)))
    }
}

/// A connection that ends when it has to make room, or when the other side is silent for too long.
pub(super) struct Guarded {
    connections: Connections,
    peer: SocketAddr,
    state: Arc<State>,
    inner: Incoming,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    /// Whether the other side takes nothing now.
    stuck: bool,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        // The same peer may have come again before this end of it was noticed.
        if open.get(&self.peer).is_some_and(|state| Arc::ptr_eq(state, &self.state)) {
            open.remove(&self.peer);
        }
    }
}

impl Guarded {
    /// Waits for what was asked for to be possible, but not for ever.
    fn patience<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stuck = false;
            return polled;
        }
        if !self.stuck {
            self.stuck = true;
            self.writing.as_mut().reset(Instant::now() + self.connections.idle);
        }
        if self.writing.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    /// Whether nothing came for too long while nothing is being answered.
    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        while self.reading.as_mut().poll(context).is_ready() {
            let (end, now) = (*self.state.heard() + HEAD_LIMIT, Instant::now());
            let is_busy = self.state.is_busy();
            if end <= now && !is_busy {
                return true;
            }
            self.reading.as_mut().reset(if is_busy { now + HEAD_LIMIT } else { end });
        }
        false
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.state.reader.register(context.waker());
        if self.state.ends.load(Ordering::Relaxed) && !self.state.is_busy() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let polled = Pin::new(&mut self.inner).poll_read(context, into);
        if polled.is_ready() {
            *self.state.heard() = Instant::now();
        } else if self.is_silent(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.patience(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.patience(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_longest_makes_room_and_whoever_works_stays() {
        let connections = Connections::default().limited(Some(2), None);
        let first = connections.admit(peer(1)).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = connections.admit(peer(2)).unwrap();
        let ends = |state: &State| state.ends.load(Ordering::Relaxed);
        let working = connections.busy(peer(1)).unwrap();
        let third = connections.admit(peer(3)).unwrap();
        assert!(!ends(&first) && ends(&second) && !ends(&third));
        let _also = connections.busy(peer(3)).unwrap();
        assert!(connections.admit(peer(4)).is_none(), "all are at work");
        drop(working);
        assert!(connections.admit(peer(4)).is_some() && ends(&first));
    }
}
