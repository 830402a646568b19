//! A place at the other end of a slow line, on a clock that the test moves: it hands out one blob of any size.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;

use super::support::{content, name, tag};
use crate::image::{Descriptor, Digest, MediaType, RawManifest, RepositoryName, Selector};
use crate::progress::{Progress, Silent};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Identity, ImageSource, Referrers, Result};
use crate::transfer::Source;
use crate::transfer::ranges::Room;
use crate::transfer::reading::Reading;

pub(super) const MIB: u64 = 1024 * 1024;
/// The bytes of a piece.
const PIECE: u64 = 64 * 1024;
/// How long a connection goes on by itself when nobody takes what comes.
const AHEAD: Duration = Duration::from_millis(5);
/// After so many bytes the content repeats; no multiple of anything else here.
const PERIOD: u64 = 1_000_003;

/// How the line behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Bytes in a second of one connection.
    pub(super) rate: u64,
    /// Whether connections share that rate.
    pub(super) is_shared: bool,
    /// What an answer takes.
    pub(super) latency: Duration,
    pub(super) local: bool,
}

/// 50 MB/s for each connection, 20 ms away.
pub(super) const EACH: Line =
    Line { rate: 50_000_000, is_shared: false, latency: Duration::from_millis(20), local: false };

/// What is done in place of what is right, by the number of the request, counted from 0.
type Fault = Box<dyn Fn(usize, ByteRange) -> Answer + Send + Sync>;

/// What a request gets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// What was asked for.
    Right,
    /// The whole from the first byte.
    Whole,
    /// What was asked for, cut after so many bytes.
    CutAfter(u64),
    /// An error.
    Refused(ErrorKind),
}

/// The place.
pub(super) struct Wire {
    identity: Identity,
    line: Line,
    pattern: Bytes,
    fault: Fault,
    asked: Mutex<Vec<ByteRange>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// When the line that all share is free again.
    free_at: Mutex<Option<Instant>>,
    open: AtomicUsize,
    most: AtomicUsize,
    sent: AtomicUsize,
}

impl Wire {
    pub(super) fn new(line: Line) -> Arc<Self> {
        Self::with(line, |_, _| Answer::Right)
    }

    pub(super) fn with(line: Line, fault: impl Fn(usize, ByteRange) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        let pattern = content(usize::try_from(PERIOD).unwrap(), 5);
        Arc::new(Self {
            identity: Identity { place: "far away".to_owned(), credential: None, local: line.local },
            line,
            pattern: [&pattern[..], &pattern[..]].concat().into(),
            fault: Box::new(fault),
            asked: Mutex::default(),
            state: Arc::default(),
        })
    }

    /// A reading of a blob of `size` bytes.
    pub(super) fn reading(self: &Arc<Self>, size: u64, from: u64, room: &Room) -> Reading {
        let blob = Descriptor::new(MediaType::new("application/x"), Digest::of(b"x"), size);
        let source = Source {
            registry: self.clone(),
            repository: name("a"),
            selector: Selector::Tag(tag("v1")),
            shown: "a".to_owned(),
        };
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        Reading::new(&source, &blob, from, &progress, Duration::from_millis(1), room)
    }

    /// Reads a blob of `size` bytes from `from` on and compares every byte.
    pub(super) async fn read(self: &Arc<Self>, size: u64, from: u64, room: &Room) -> Result<()> {
        let mut reading = self.reading(size, from, room);
        let mut position = from;
        while let Some(piece) = reading.next().await? {
            self.is_right(&mut position, &piece);
        }
        assert_eq!(position, size);
        Ok(())
    }

    /// Asserts that `piece` is what stands at `position`, and goes on behind it.
    #[track_caller]
    pub(super) fn is_right(&self, position: &mut u64, piece: &[u8]) {
        assert!(!piece.is_empty());
        for part in piece.chunks(usize::try_from(PIECE).unwrap()) {
            assert!(self.content(*position, part.len() as u64) == part, "wrong bytes at {position}");
            *position += part.len() as u64;
        }
    }

    fn content(&self, from: u64, length: u64) -> Bytes {
        let start = usize::try_from(from % PERIOD).unwrap();
        self.pattern.slice(start..start + usize::try_from(length).unwrap())
    }

    /// What was asked for so far.
    pub(super) fn asked(&self) -> Vec<ByteRange> {
        self.asked.lock().unwrap().clone()
    }

    /// How many requests were under way at once at most.
    pub(super) fn most_at_once(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// How many bytes were handed out.
    pub(super) fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst) as u64
    }
}

/// Counts an open request as long as it lives.
struct Guard(Arc<State>);

impl Guard {
    fn new(state: &Arc<State>) -> Self {
        let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
        state.most.fetch_max(open, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An answer under way.
struct Body {
    position: u64,
    end: u64,
    is_cut: bool,
    /// When the connection is free again.
    free_at: Instant,
    guard: Guard,
}

impl Body {
    /// Where the next piece begins, and how long it is, once it has come over the line.
    async fn next(&mut self, line: Line) -> Result<Option<(u64, u64)>> {
        let (from, length) = (self.position, PIECE.min(self.end - self.position));
        if length == 0 {
            let cut = || Err(Error::new(ErrorKind::Cut, "the body ended early"));
            return if self.is_cut { cut() } else { Ok(None) };
        }
        let takes = Duration::from_nanos(length * 1_000_000_000 / line.rate);
        // What lies ready on the way makes good for a clock of whole milliseconds.
        let now = Instant::now();
        let behind = |free_at: Instant| free_at.max(now.checked_sub(AHEAD).unwrap_or(now)) + takes;
        self.free_at = behind(self.free_at);
        if line.is_shared {
            let mut free_at = self.guard.0.free_at.lock().unwrap();
            self.free_at = behind(free_at.unwrap_or(now));
            *free_at = Some(self.free_at);
        }
        tokio::time::sleep_until(self.free_at).await;
        self.guard.0.sent.fetch_add(usize::try_from(length).unwrap(), Ordering::SeqCst);
        self.position += length;
        Ok(Some((from, length)))
    }
}

#[async_trait]
impl ImageSource for Wire {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn resolve(&self, _: &RepositoryName, _: &Selector) -> Result<Option<Descriptor>> {
        Ok(None)
    }

    async fn manifest(&self, _: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        Err(Error::new(ErrorKind::NotFound, format!("{selector} is not there")))
    }

    async fn blob(&self, _: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(range);
            asked.len() - 1
        };
        let guard = Guard::new(&self.state);
        tokio::time::sleep(self.line.latency).await;
        let wanted = range.to.unwrap_or(blob.size);
        let (start, end) = match (self.fault)(number, range) {
            Answer::Refused(kind) => return Err(Error::new(kind, "the part was refused")),
            Answer::Whole => (0, blob.size),
            Answer::Right => (range.from, wanted),
            Answer::CutAfter(bytes) => (range.from, wanted.min(range.from + bytes)),
        };
        let is_cut = end < wanted;
        let body = Body { position: start, end, is_cut, free_at: Instant::now(), guard };
        let (pattern, line) = (self.pattern.clone(), self.line);
        let pieces = stream::try_unfold(body, move |mut body| {
            let pattern = pattern.clone();
            async move {
                let Some((from, length)) = body.next(line).await? else { return Ok(None) };
                let at = usize::try_from(from % PERIOD).unwrap();
                let piece = pattern.slice(at..at + usize::try_from(length).unwrap());
                Ok(Some((piece, body)))
            }
        });
        Ok(BlobReader::new(start, pieces))
    }

    async fn referrers(&self, _: &RepositoryName, _: &Digest, _: Option<&str>) -> Result<Referrers> {
        Ok(Referrers::default())
    }
}
