//! What long work says while it goes on: one event type, one trait to observe it.
//!
//! Work is done by `transfer` and below; bars, plain lines and JSON lines are listeners in `output`.
//! Events say facts; a listener decides what of them is shown, and how often.

use std::sync::Arc;
use std::time::Duration;

use crate::image::Digest;

/// Observes work as it goes on. Called from any thread, also while it does I/O, so it must not block.
pub trait Progress: Send + Sync {
    /// Takes note of one event.
    fn observe(&self, event: &Event);
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A transfer knows what it will move; bars can be made.
    Planned {
        /// What is moved, as the user named it.
        title: Arc<str>,
        /// The number of blobs that may have to travel.
        blobs: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// A blob begins to travel, or goes on after an interruption.
    BlobStarted {
        /// Which travel this is; the same in every event of it.
        id: BlobId,
        /// The blob.
        digest: Digest,
        /// Its bytes.
        size: u64,
        /// How many of them are there already.
        offset: u64,
    },
    /// More bytes of a blob arrived.
    BlobAdvanced {
        /// Which travel.
        id: BlobId,
        /// How many bytes since the last such event.
        bytes: u64,
    },
    /// A blob has arrived, or need not travel.
    BlobFinished {
        /// Which travel.
        id: BlobId,
        /// The blob.
        digest: Digest,
        /// Its bytes.
        size: u64,
        /// How it came to be there.
        how: Arrival,
    },
    /// A manifest or index is in place.
    ManifestPushed {
        /// Its digest.
        digest: Digest,
    },
    /// A transfer ended, well or not; its bars can go.
    Ended {
        /// What was moved, as in [`Event::Planned`].
        title: Arc<str>,
    },
    /// A request will be sent again after a pause.
    Waiting {
        /// Who is waited for.
        place: String,
        /// How long.
        pause: Duration,
        /// Why, in a few words.
        because: String,
    },
    /// Something that the user should know, though the work goes on.
    Warning(String),
}

/// Numbers one travel of one blob within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub u64);

/// How a blob came to be at its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// Its bytes travelled.
    Sent,
    /// It was there.
    Present,
    /// The registry took it over from another repository of its own.
    Mounted,
    /// It did not arrive.
    Failed,
}

/// Observes nothing: for quiet work and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn observe(&self, _: &Event) {}
}
