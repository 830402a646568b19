//! What a server does for its place by itself: collection, giving up abandoned uploads, reading everything again, and
//! the quota. Beside requests, and without any of them waiting.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::time::MissedTickBehavior;

use super::answer::{Code, Refusal};
use crate::registry::{Collected, Collection, Effect, Host, Purged, Result, RetentionRule, Scrubbed, Usage};

/// How long after the start the first collection waits at most: a server that is often begun anew collects too.
const FIRST: Duration = Duration::from_mins(1);
/// How often it is looked again how much there is, where the quota is used up.
const LOOK: Duration = Duration::from_secs(2);

/// What is done, and how often.
#[derive(Clone, Debug)]
pub struct UpkeepSettings {
    /// How often what nothing needs is collected.
    pub every: Duration,
    /// How long what a push put or found is kept for it.
    pub grace: Duration,
    /// What stays.
    pub rules: Vec<RetentionRule>,
    /// After which time an upload that nobody goes on with is given up.
    pub abandoned_after: Duration,
    /// How often everything is read and compared with its digests; never where there is no time.
    pub scrub_every: Option<Duration>,
    /// The most bytes that are kept; any number where there is none.
    pub quota: Option<u64>,
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_hours(1),
            grace: Collection::GRACE,
            rules: Vec::new(),
            abandoned_after: Duration::from_hours(7 * 24),
            scrub_every: None,
            quota: None,
        }
    }
}

/// What upkeep did since the server began.
#[derive(Clone, Debug, Default)]
pub struct UpkeepFigures {
    /// How often it collected.
    pub collections: u64,
    /// How often something of it failed.
    pub failures: u64,
    /// How long the last collection took.
    pub last_collection: Duration,
    /// The tags that went by a rule.
    pub tags: u64,
    /// The manifests that went.
    pub manifests: u64,
    /// The pieces of content that went.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The uploads that were given up.
    pub abandoned_uploads: u64,
    /// How often everything was read.
    pub scrubs: u64,
    /// What was found damaged.
    pub damaged: u64,
    /// What there was when it was last looked.
    pub usage: Usage,
    /// The most bytes that are kept.
    pub quota: Option<u64>,
}

/// The upkeep of a server's place.
pub struct Upkeep {
    host: Arc<dyn Host>,
    settings: UpkeepSettings,
    figures: Mutex<UpkeepFigures>,
    /// The bytes that are kept, as far as that is known: what was counted, and what came since.
    used: AtomicU64,
    counted: tokio::sync::Mutex<Option<Instant>>,
    /// One collection at a time.
    collecting: tokio::sync::Mutex<()>,
}

impl Upkeep {
    /// The upkeep of `host`.
    #[must_use]
    pub fn new(host: Arc<dyn Host>, settings: UpkeepSettings) -> Self {
        let figures = UpkeepFigures { quota: settings.quota, ..UpkeepFigures::default() };
        Self {
            host,
            settings,
            figures: Mutex::new(figures),
            used: AtomicU64::new(0),
            counted: tokio::sync::Mutex::default(),
            collecting: tokio::sync::Mutex::default(),
        }
    }

    /// What it did.
    #[must_use]
    pub fn figures(&self) -> UpkeepFigures {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does it, until it is dropped.
    pub async fn run(&self) -> Infallible {
        self.count().await;
        let every = self.settings.every;
        let mut collections = tokio::time::interval_at((Instant::now() + every.min(FIRST)).into(), every);
        collections.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let scrub_every = self.settings.scrub_every.unwrap_or(Duration::from_hours(24));
        let mut scrubs = tokio::time::interval_at((Instant::now() + scrub_every).into(), scrub_every);
        scrubs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = collections.tick() => self.round().await,
                _ = scrubs.tick(), if self.settings.scrub_every.is_some() => self.scrub().await,
            }
        }
    }

    async fn round(&self) {
        let purged = self.host.purge_uploads(self.settings.abandoned_after).await;
        let _ = self.note("abandoned uploads cannot be given up", purged, |figures, purged: &Purged| {
            figures.abandoned_uploads += purged.uploads;
        });
        let (rules, grace) = (self.settings.rules.clone(), self.settings.grace);
        // What fails is told there.
        let _ = self.collect(Collection { rules, used: [].into(), grace, effect: Effect::Done }).await;
        self.count().await;
    }

    /// Collects; what a push put or found is kept for it as long as upkeep itself keeps it.
    ///
    /// # Errors
    /// As [`crate::registry::Maintenance::collect`].
    pub(super) async fn collect(&self, collection: Collection) -> Result<Collected> {
        let grace = collection.grace.max(self.settings.grace);
        let collection = Collection { grace, ..collection };
        let _one = self.collecting.lock().await;
        let begun = Instant::now();
        let collected = self.host.collect(&collection).await;
        if collection.effect == Effect::Told {
            return collected;
        }
        self.note("what nothing needs cannot be collected", collected, |figures, collected: &Collected| {
            figures.collections += 1;
            figures.last_collection = begun.elapsed();
            figures.tags += collected.tags.len() as u64;
            figures.manifests += collected.manifests.len() as u64;
            figures.blobs += collected.blobs;
            figures.bytes += collected.bytes;
            for repository in &collected.unreadable {
                tracing::warn!(%repository, "a manifest cannot be read, so no blob of its repository goes");
            }
            let (manifests, tags) = (collected.manifests.len(), collected.tags.len());
            tracing::debug!(tags, manifests, blobs = collected.blobs, bytes = collected.bytes, "collected");
        })
    }

    async fn scrub(&self) {
        let scrubbed = self.host.scrub().await;
        let _ = self.note("not everything can be read", scrubbed, |figures, scrubbed: &Scrubbed| {
            figures.scrubs += 1;
            figures.damaged += scrubbed.damaged.len() as u64;
            for digest in &scrubbed.damaged {
                tracing::error!(%digest, "content was damaged, and is set aside");
            }
        });
    }

    /// Counts what there is.
    async fn count(&self) {
        let mut counted = self.counted.lock().await;
        let usage = self.host.usage().await;
        let _ = self.note("it cannot be counted how much there is", usage, |figures, usage: &Usage| {
            self.used.store(usage.bytes(), Ordering::Relaxed);
            figures.usage = *usage;
        });
        *counted = Some(Instant::now());
    }

    /// Takes note of how something went.
    fn note<T>(&self, failed: &str, done: Result<T>, well: impl FnOnce(&mut UpkeepFigures, &T)) -> Result<T> {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        match &done {
            Ok(done) => well(&mut figures, done),
            Err(error) => {
                figures.failures += 1;
                tracing::error!(%error, "{failed}");
            }
        }
        done
    }

    /// Makes room for so many bytes more.
    ///
    /// # Errors
    /// 403 where the quota is used up, in words for whoever pushes (as Harbor answers).
    pub(super) async fn make_room(&self, bytes: u64) -> std::result::Result<(), Refusal> {
        let Some(quota) = self.settings.quota else { return Ok(()) };
        if self.take(bytes, quota) {
            return Ok(());
        }
        // What was removed since it was counted is not known yet.
        let since = *self.counted.lock().await;
        if since.is_none_or(|since| since.elapsed() >= LOOK) {
            self.count().await;
            if self.take(bytes, quota) {
                return Ok(());
            }
        }
        let message = format!(
            "the quota of this registry is used up: it keeps at most {}",
            bytesize::ByteSize::b(quota).display().iec()
        );
        Err(Refusal::new(StatusCode::FORBIDDEN, Code::Denied, message))
    }

    fn take(&self, bytes: u64, quota: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= quota);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Gives back room that was taken for what did not come to stay.
    pub(super) fn give_back(&self, bytes: u64) {
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used.saturating_sub(bytes)));
    }
}
