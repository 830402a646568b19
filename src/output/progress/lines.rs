//! Progress as JSON lines, for programs that watch (`--progress json`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::output::lock;
use crate::output::message::Messages;
use crate::progress::{Arrival, BlobId, Event, Progress};

/// How much time lies between two lines that say that one blob advanced.
const INTERVAL: Duration = Duration::from_millis(500);

/// Shows events as JSON lines, each with its `type`.
pub(in crate::output) struct Lines {
    messages: Arc<Messages>,
    advancing: Mutex<BTreeMap<BlobId, Advance>>,
}

/// How far a blob is, and when that was last said.
struct Advance {
    position: u64,
    said: Instant,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Line<'a> {
    Planned { title: &'a str, blobs: usize, bytes: u64 },
    BlobStarted { id: u64, digest: String, size: u64, position: u64 },
    BlobAdvanced { id: u64, position: u64 },
    BlobFinished { id: u64, digest: String, size: u64, how: &'static str },
    ManifestPushed { digest: String },
    Ended { title: &'a str },
    Waiting { place: &'a str, seconds: f64, because: &'a str },
}

impl Lines {
    pub(in crate::output) fn new(messages: Arc<Messages>) -> Self {
        Self { messages, advancing: Mutex::default() }
    }

    fn observe_at(&self, event: &Event, now: Instant) {
        let line = match event {
            Event::Warning(text) => return self.messages.warn(text),
            Event::Planned { title, blobs, bytes } => Line::Planned { title, blobs: *blobs, bytes: *bytes },
            Event::BlobStarted { id, digest, size, offset } => {
                lock(&self.advancing).insert(*id, Advance { position: *offset, said: now });
                Line::BlobStarted { id: id.0, digest: digest.to_string(), size: *size, position: *offset }
            }
            Event::BlobAdvanced { id, bytes } => match self.advance(*id, *bytes, now) {
                Some(position) => Line::BlobAdvanced { id: id.0, position },
                None => return,
            },
            Event::BlobFinished { id, digest, size, how } => {
                lock(&self.advancing).remove(id);
                Line::BlobFinished { id: id.0, digest: digest.to_string(), size: *size, how: word(*how) }
            }
            Event::ManifestPushed { digest } => Line::ManifestPushed { digest: digest.to_string() },
            Event::Ended { title } => Line::Ended { title },
            Event::Waiting { place, pause, because } => Line::Waiting { place, seconds: pause.as_secs_f64(), because },
        };
        self.messages.object(&line);
    }

    /// Notes the bytes; the new position where it is time to say it.
    fn advance(&self, id: BlobId, bytes: u64, now: Instant) -> Option<u64> {
        let mut advancing = lock(&self.advancing);
        let advance = advancing.get_mut(&id)?;
        advance.position = advance.position.saturating_add(bytes);
        if now.duration_since(advance.said) < INTERVAL {
            return None;
        }
        advance.said = now;
        Some(advance.position)
    }
}

impl Progress for Lines {
    fn observe(&self, event: &Event) {
        self.observe_at(event, Instant::now());
    }
}

fn word(how: Arrival) -> &'static str {
    match how {
        Arrival::Sent => "sent",
        Arrival::Present => "present",
        Arrival::Mounted => "mounted",
        Arrival::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::{advanced, finished, planned, started};
    use super::*;
    use crate::output::message::{Colors, Form};
    use crate::output::tests::Shared;

    #[test]
    fn every_event_is_a_line_with_a_type_and_bytes_are_said_now_and_then() {
        let out = Shared::default();
        let lines = Lines::new(Arc::new(Messages::new(Box::new(out.clone()), Form::Json, Colors::Off)));
        let start = Instant::now();
        let events = [
            (0, planned("a\u{1b}", 1, 100)),
            (0, started(1, 100, 10)),
            (100, advanced(1, 20)),
            (600, advanced(1, 20)),
            (700, advanced(1, 50)),
            (800, finished(1, 100, Arrival::Sent)),
            (800, advanced(1, 5)),
            (800, Event::Warning("careful".to_owned())),
            (900, Event::Ended { title: "a\u{1b}".into() }),
        ];
        for (millis, event) in events {
            lines.observe_at(&event, start + Duration::from_millis(millis));
        }
        let digest = crate::image::Digest::of(&1_u64.to_le_bytes());
        let expected = [
            r#"{"type":"planned","title":"a\u001b","blobs":1,"bytes":100}"#.to_owned(),
            format!(r#"{{"type":"blobStarted","id":1,"digest":"{digest}","size":100,"position":10}}"#),
            r#"{"type":"blobAdvanced","id":1,"position":50}"#.to_owned(),
            format!(r#"{{"type":"blobFinished","id":1,"digest":"{digest}","size":100,"how":"sent"}}"#),
            r#"{"type":"warning","message":"careful"}"#.to_owned(),
            r#"{"type":"ended","title":"a\u001b"}"#.to_owned(),
        ];
        assert_eq!(out.text().lines().collect::<Vec<_>>(), expected);
    }
}
