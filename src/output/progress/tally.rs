//! The count of what has arrived, kept from events; bars, plain lines and JSON lines are drawn from it.

use std::collections::BTreeMap;

use crate::image::Digest;
use crate::progress::{Arrival, BlobId, Event};

/// What is known of all transfers that run now.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The transfers that are planned and not ended.
    pub(super) titles: Vec<String>,
    /// The blobs that may have to travel.
    pub(super) blobs: usize,
    /// Their bytes.
    pub(super) bytes: u64,
    /// The blobs that are there.
    pub(super) blobs_done: usize,
    /// The bytes that are there, of whole blobs and of parts.
    pub(super) bytes_done: u64,
    /// The bytes that travelled since the work began.
    pub(super) travelled: u64,
    /// The blobs on their way, oldest first.
    pub(super) under_way: BTreeMap<BlobId, Blob>,
}

/// A blob on its way.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// How many of its bytes are there.
    pub(super) position: u64,
}

impl Tally {
    /// Counts one event.
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::Planned { title, blobs, bytes } => {
                self.titles.push(title.to_string());
                self.blobs += blobs;
                self.bytes = self.bytes.saturating_add(*bytes);
            }
            Event::BlobStarted { id, digest, size, offset } => {
                let blob = Blob { digest: digest.clone(), size: *size, position: *offset };
                let before = self.under_way.insert(*id, blob).map_or(0, |blob| blob.position);
                self.bytes_done = self.bytes_done.saturating_sub(before).saturating_add(*offset);
            }
            Event::BlobAdvanced { id, bytes } => self.advance(*id, *bytes),
            Event::BlobFinished { id, size, how, .. } => self.finish(*id, *size, *how),
            Event::Ended { title } => self.end(title),
            Event::ManifestPushed { .. } | Event::Waiting { .. } | Event::Warning(_) => {}
        }
    }

    fn advance(&mut self, id: BlobId, bytes: u64) {
        if let Some(blob) = self.under_way.get_mut(&id) {
            blob.position = blob.position.saturating_add(bytes);
            self.bytes_done = self.bytes_done.saturating_add(bytes);
            self.travelled = self.travelled.saturating_add(bytes);
        }
    }

    fn finish(&mut self, id: BlobId, size: u64, how: Arrival) {
        let position = self.under_way.remove(&id).map_or(0, |blob| blob.position);
        self.bytes_done = self.bytes_done.saturating_sub(position);
        if how != Arrival::Failed {
            self.bytes_done = self.bytes_done.saturating_add(size);
            self.blobs_done += 1;
        }
    }

    /// When the last transfer ends, counting begins anew.
    fn end(&mut self, title: &str) {
        if let Some(at) = self.titles.iter().position(|known| known == title) {
            self.titles.remove(at);
        }
        if self.titles.is_empty() {
            *self = Self::default();
        }
    }

    /// The bytes of everything, never less than what is there already.
    pub(super) fn total(&self) -> u64 {
        self.bytes.max(self.bytes_done)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn planned(title: &str, blobs: usize, bytes: u64) -> Event {
        Event::Planned { title: title.into(), blobs, bytes }
    }

    pub(in super::super) fn started(id: u64, size: u64, offset: u64) -> Event {
        Event::BlobStarted { id: BlobId(id), digest: Digest::of(&id.to_le_bytes()), size, offset }
    }

    pub(in super::super) fn advanced(id: u64, bytes: u64) -> Event {
        Event::BlobAdvanced { id: BlobId(id), bytes }
    }

    pub(in super::super) fn finished(id: u64, size: u64, how: Arrival) -> Event {
        Event::BlobFinished { id: BlobId(id), digest: Digest::of(&id.to_le_bytes()), size, how }
    }

    fn tally(events: &[Event]) -> Tally {
        let mut tally = Tally::default();
        for event in events {
            tally.count(event);
        }
        tally
    }

    #[test]
    fn what_is_there_counts_whether_it_travelled_or_not() {
        let tally = tally(&[
            planned("a", 3, 300),
            finished(1, 100, Arrival::Present),
            started(2, 100, 40),
            advanced(2, 60),
            finished(2, 100, Arrival::Sent),
            started(3, 100, 0),
            advanced(3, 10),
        ]);
        assert_eq!((tally.blobs_done, tally.bytes_done, tally.travelled), (2, 210, 70));
        assert_eq!(tally.under_way.len(), 1);
    }

    #[test]
    fn what_begins_again_or_fails_is_taken_back() {
        let again = tally(&[planned("a", 1, 100), started(1, 100, 0), advanced(1, 70), started(1, 100, 50)]);
        assert_eq!(again.bytes_done, 50);
        let failed =
            tally(&[planned("a", 1, 100), started(1, 100, 0), advanced(1, 70), finished(1, 100, Arrival::Failed)]);
        assert_eq!((failed.bytes_done, failed.blobs_done), (0, 0));
    }

    #[test]
    fn counting_begins_anew_after_the_last_transfer() {
        let one_left = tally(&[planned("a", 1, 1), planned("b", 1, 2), Event::Ended { title: "a".into() }]);
        assert_eq!(one_left.bytes, 3);
        let none_left = tally(&[planned("a", 1, 1), Event::Ended { title: "a".into() }]);
        assert_eq!((none_left.bytes, none_left.titles.len()), (0, 0));
    }
}
