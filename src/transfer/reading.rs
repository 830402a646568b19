//! A blob as it comes from its source, in order, from some byte on to its end.
//!
//! Usually that is one stream. Where `ranges` says that several help, the blob comes in ranges side by side: the
//! first of them is handed out as it comes, the others are held in memory until their turn. Whatever goes wrong with
//! one of those ends the matter: what came until there is used, and the rest is one stream again. Nothing is
//! judged here but the length: bytes are compared with the digest by whoever takes them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::ranges::{Room, SEGMENT, Sample, Widening};
use super::stretch::Origin;
use super::{Settings, Source};
use crate::image::Descriptor;
use crate::progress::Progress;
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Result};

/// Reads a blob for somebody who is no destination: where it is cut off the reading goes on, as in a transfer. What
/// comes is not verified.
#[must_use]
pub fn read(source: &Source, blob: &Descriptor, progress: &Arc<dyn Progress>) -> BlobReader {
    let Settings { pause, .. } = Settings::default();
    let reading = Reading::new(source, blob, 0, progress, pause, &Room::default());
    let pieces =
        stream::try_unfold(reading, |mut reading| async { Ok(reading.next().await?.map(|piece| (piece, reading))) });
    BlobReader::new(0, pieces)
}

/// A blob that is being read.
pub(super) struct Reading {
    origin: Origin,
    /// The parts under way, in the blob's order and without gaps. While a second one is being tried, the first still
    /// goes on to the end of the blob, so that it loses nothing where the second does not come.
    lanes: VecDeque<Lane>,
    /// The byte behind the last of them.
    ahead: u64,
    widening: Widening,
    gauge: Gauge,
    /// Whether each of the ranges that are wanted at once has brought something.
    all_began: bool,
    /// How long the last part took from its question to its first byte.
    opening: Duration,
    /// Room for the segments that are held.
    room: Option<OwnedSemaphorePermit>,
}

/// One part under way.
struct Lane {
    /// `None` once all of it has come.
    stream: Option<BoxStream<'static, Result<Bytes>>>,
    /// What came and is not handed out yet.
    held: VecDeque<Bytes>,
    asked: Instant,
    start: u64,
    /// The byte behind the last that came.
    position: u64,
    /// The byte behind the last that is wanted, and that behind the last that the stream would bring.
    end: u64,
    last: u64,
    /// Whether it is a stream to the end of the blob that can do without ranges.
    is_plain: bool,
}

/// Measures what comes, and who waits for whom.
struct Gauge {
    since: Instant,
    waited: Duration,
    bytes: u64,
}

impl Reading {
    /// Reads `blob` from `position` on; nothing is asked before the first [`Reading::next`]. The first pause before
    /// a stream that got nowhere is taken up again is `pause`; `room` is the engine's for what comes before its turn.
    pub(super) fn new(
        source: &Source,
        blob: &Descriptor,
        position: u64,
        progress: &Arc<dyn Progress>,
        pause: Duration,
        room: &Room,
    ) -> Self {
        let (source, blob, progress, room) = (source.clone(), blob.clone(), Arc::clone(progress), room.clone());
        let mut widening = Widening::new();
        if source.registry.identity().local {
            widening.settle(1);
        }
        let origin = Origin { source, blob, progress, pause, room };
        Self {
            origin,
            lanes: VecDeque::new(),
            ahead: position,
            widening,
            gauge: Gauge::new(),
            all_began: false,
            opening: Duration::ZERO,
            room: None,
        }
    }

    /// The next bytes, never empty; `None` once as many came as were announced and the stream ended.
    ///
    /// # Errors
    /// `Corrupt` where more come than were announced, or fewer; what the source meets for good, or meets too often
    /// without getting on.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let asked = Instant::now();
        let piece = std::future::poll_fn(|context| self.poll(context)).await;
        self.gauge.waited += asked.elapsed();
        self.measure();
        piece
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            self.ask();
            let mut came = false;
            for number in 0..self.lanes.len() {
                match self.lanes[number].poll(context) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(bytes)) => {
                        came = true;
                        self.gauge.bytes += bytes;
                        let lane = &self.lanes[number];
                        if bytes > 0 && lane.position - lane.start == bytes {
                            self.opening = lane.asked.elapsed();
                        }
                    }
                    Poll::Ready(Err(error)) => {
                        came = true;
                        self.narrow(number, error)?;
                        break;
                    }
                }
            }
            self.join();
            match self.lanes.front_mut() {
                None => return Poll::Ready(Ok(None)),
                Some(front) => match front.held.pop_front() {
                    Some(piece) => return Poll::Ready(Ok(Some(piece))),
                    None if front.stream.is_none() => drop(self.lanes.pop_front()),
                    None if came => {}
                    None => return Poll::Pending,
                },
            }
        }
    }

    /// Asks for as much as is to be under way.
    fn ask(&mut self) {
        if self.widening.lanes() == 1 {
            return self.ask_for_all();
        }
        let size = self.origin.blob.size;
        if let [only] = self.lanes.make_contiguous()
            && only.is_plain
            && only.end == size
        {
            let start = only.position + self.widening.distance(self.opening);
            if start >= size {
                return self.widening.settle(1);
            }
            self.lanes.push_back(Lane::segment(&self.origin, start));
        }
        while self.ahead < size && self.lanes.len() < self.segments() && self.busy() < self.widening.lanes() {
            let segment = Lane::segment(&self.origin, self.ahead);
            self.ahead = segment.end;
            self.lanes.push_back(segment);
        }
    }

    /// Asks for the rest in one stream, once all that was asked for before has been handed out.
    fn ask_for_all(&mut self) {
        if self.lanes.iter().all(|lane| lane.is_plain) {
            self.room = None;
        }
        if self.lanes.is_empty() && self.ahead < self.origin.blob.size {
            self.lanes.push_back(Lane::plain(&self.origin, self.ahead));
            self.ahead = self.origin.blob.size;
        }
    }

    /// How many segments there is room for.
    fn segments(&self) -> usize {
        self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// How many parts have more to bring than what comes while the next is opened.
    fn busy(&self) -> usize {
        let margin = self.widening.margin(self.opening);
        self.lanes.iter().filter(|lane| lane.end - lane.position > margin).count()
    }

    /// Lets the second range take over where it begins, once something came of it.
    fn join(&mut self) {
        let [front, second, ..] = self.lanes.make_contiguous() else { return };
        if front.end <= second.start {
            return;
        }
        if front.position >= second.start {
            self.lanes.truncate(1);
            self.widening.came_late();
        } else if second.has_begun() {
            front.end = second.start;
            self.ahead = second.end;
        }
    }

    /// Goes back to one stream behind what came before a part failed, or fails with the first.
    fn narrow(&mut self, number: usize, error: Error) -> Result<()> {
        let lane = &mut self.lanes[number];
        if number == 0 && (lane.is_plain || error.kind() != ErrorKind::Unsupported) {
            return Err(error);
        }
        let start = lane.start;
        (lane.stream, lane.end) = (None, lane.position);
        if number > 0 && self.lanes[number - 1].end > start {
            self.stay_with_one(number);
        } else {
            self.ahead = self.lanes[number].end;
            self.stay_with_one(number + 1);
        }
        Ok(())
    }

    fn stay_with_one(&mut self, kept: usize) {
        self.lanes.truncate(kept);
        self.widening.settle(1);
    }

    /// Takes a sample where there is something left to decide.
    fn measure(&mut self) {
        if !self.widening.is_open() {
            return;
        }
        let wanted = self.widening.lanes().min(self.segments().max(1));
        if self.lanes.iter().filter(|lane| lane.has_begun()).count() >= wanted {
            self.all_began = true;
        }
        let is_held_up = self.lanes.len() >= self.segments().max(2) && self.busy() < wanted;
        if !self.all_began || is_held_up {
            // Where some have not begun, or hold all that they may, nothing can be said of all together.
            self.gauge = Gauge::new();
            return;
        }
        let left = self.lanes.front().map_or(0, |front| self.origin.blob.size - front.position);
        let sample = self.gauge.sample(left);
        if !sample.is_full() {
            return;
        }
        self.gauge = Gauge::new();
        let (room, held) = (&self.origin.room, &mut self.room);
        let place = &self.origin.source.registry.identity().place;
        let before = self.widening.lanes();
        self.widening.judge(&sample, || {
            *held = room.may_do_ranges(place).then(|| room.take()).flatten();
            held.is_some()
        });
        self.all_began &= self.widening.lanes() == before;
    }
}

impl Lane {
    /// Everything from `start` on, even where it comes from an earlier byte.
    fn plain(origin: &Origin, start: u64) -> Self {
        Self::new(origin, ByteRange::from(start), start, true)
    }

    /// The segment that begins at `start`, and nothing else.
    fn segment(origin: &Origin, start: u64) -> Self {
        let end = origin.blob.size.min(start + SEGMENT);
        Self::new(origin, ByteRange { from: start, to: Some(end) }, start, false)
    }

    fn new(origin: &Origin, range: ByteRange, start: u64, is_plain: bool) -> Self {
        let end = range.to.unwrap_or(origin.blob.size);
        let stream = Some(origin.stream(range));
        let asked = Instant::now();
        Self { stream, held: VecDeque::new(), asked, start, position: start, end, last: end, is_plain }
    }

    /// Takes the next piece that comes, and says how long it is.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<u64>> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        let Some(mut piece) = ready!(stream.poll_next_unpin(context)).transpose()? else {
            self.stream = None;
            return Poll::Ready(Ok(0));
        };
        piece.truncate(usize::try_from(self.end - self.position).unwrap_or(usize::MAX));
        let bytes = piece.len() as u64;
        self.position += bytes;
        self.held.push_back(piece);
        if self.position == self.end && self.end < self.last {
            self.stream = None;
        }
        Poll::Ready(Ok(bytes))
    }

    fn has_begun(&self) -> bool {
        self.position > self.start
    }
}

impl Gauge {
    fn new() -> Self {
        Self { since: Instant::now(), waited: Duration::ZERO, bytes: 0 }
    }

    fn sample(&self, left: u64) -> Sample {
        Sample { elapsed: self.since.elapsed(), waited: self.waited, bytes: self.bytes, left }
    }
}
