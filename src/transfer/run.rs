//! The engine: takes jobs, an image and where it is to be, and reports on every destination of each.
//!
//! One engine serves all images of a command, so that they share the number of blobs that travel at once, and
//! what one of them brought is not brought again by another. The way to one destination is a `track`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ledger::Ledger;
use super::ranges::Room;
use super::spool::Spool;
use super::track::Track;
use super::view::View;
use super::well::{Means, Wells};
use super::{Destination, Error, Journals, Options, Source, TransferPlan, TransferReport};
use crate::progress::{BlobId, Progress};
use crate::registry::{Identity, ImageDestination, Intake};

/// How an engine works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many blobs travel to one place at once, over all images; at least one.
    pub concurrency: usize,
    /// How many images of one command are worked on at once; at least one.
    pub images: usize,
    /// The first pause before a stream that got nowhere is taken up again; each further one is twice as long.
    pub pause: Duration,
    /// How long a destination may take nothing before its blob is read on without it, so that the source does not
    /// give us up for gone.
    pub patience: Duration,
}

impl Default for Settings {
    /// Six blobs; four images; a fifth of a second; five seconds.
    fn default() -> Self {
        Self { concurrency: 6, images: 4, pause: Duration::from_millis(200), patience: Duration::from_secs(5) }
    }
}

/// One image to be brought to some places.
#[derive(Clone, Debug)]
pub struct Job {
    /// What is moved.
    pub source: Source,
    /// Where to.
    pub destinations: Vec<Destination>,
    /// How.
    pub options: Options,
}

impl Job {
    /// The source for the whole job, which is asked everything once however many the destinations are.
    pub(super) fn view(&self) -> Source {
        View::of(&self.source)
    }
}

/// Moves images. All transfers of one command go through one engine.
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) ledger: Ledger,
    pub(super) wells: Wells,
    pub(super) journals: Option<Journals>,
    permits: Mutex<HashMap<Identity, Arc<Semaphore>>>,
    travels: AtomicU64,
}

impl Engine {
    /// An engine that has moved nothing yet. In the directory `spool` it puts aside what slow destinations need later.
    #[must_use]
    pub fn new(settings: Settings, spool: &Path, progress: Arc<dyn Progress>) -> Self {
        let settings = Settings { concurrency: settings.concurrency.max(1), ..settings };
        let Settings { pause, patience, .. } = settings;
        let spool = Spool::new(spool);
        let means = Means { progress: Arc::clone(&progress), pause, patience, spool, room: Room::default() };
        Self {
            settings,
            progress,
            ledger: Ledger::default(),
            wells: Wells::new(means),
            journals: None,
            permits: Mutex::default(),
            travels: AtomicU64::new(0),
        }
    }

    /// The engine with journals, so that the next run goes on in the midst of a blob where this one is killed.
    #[must_use]
    pub fn with_journals(self, journals: Journals) -> Self {
        Self { journals: Some(journals), ..self }
    }

    /// Plans a transfer and carries it out.
    ///
    /// # Errors
    /// As [`TransferPlan::make`] and [`Engine::run`].
    pub async fn copy(
        &self,
        source: &Source,
        destination: &Destination,
        options: &Options,
    ) -> Result<TransferReport, Error> {
        Track::new(self, source, destination).copy(options).await
    }

    /// Carries out a plan. What it finds there is left as it is, and where it fails no tag has moved.
    ///
    /// # Errors
    /// A side failed for good, or content is not what its digest says.
    pub async fn run(&self, plan: &TransferPlan) -> Result<TransferReport, Error> {
        Track::new(self, &plan.source, &plan.destination).run(plan).await
    }

    /// Carries out jobs, some at once, and hands over what came of each destination, in the order of `jobs` and of
    /// their destinations. One that fails stops no other, of the same job or of another.
    pub async fn copy_each(
        &self,
        jobs: &[Job],
        mut ended: impl FnMut(&Job, &Destination, Result<TransferReport, Error>),
    ) {
        // By number: over references the compiler cannot see that the whole can move between threads.
        let copy = |number: usize| async move { (number, self.copy_job(&jobs[number]).await) };
        let in_order = |destination: &Destination| destination.registry.intake() == Intake::InOrder;
        // What is written in order is written in the same order every time.
        let at_once =
            if jobs.iter().flat_map(|job| &job.destinations).any(in_order) { 1 } else { self.settings.images.max(1) };
        let mut results = stream::iter(0..jobs.len()).map(copy).buffered(at_once);
        while let Some((number, results)) = results.next().await {
            for (destination, result) in jobs[number].destinations.iter().zip(results) {
                ended(&jobs[number], destination, result);
            }
        }
    }

    /// Brings one image to all its destinations at once, in their order; none waits for another.
    ///
    /// Each has an error of its own, as [`Engine::copy`].
    pub async fn copy_job(&self, job: &Job) -> Vec<Result<TransferReport, Error>> {
        let source = job.view();
        let track = |destination| Track::new(self, &source, destination);
        // All are known before the first begins, so that it reads for all.
        let tracks: Vec<Track<'_>> = job.destinations.iter().map(track).collect();
        join_all(tracks.into_iter().map(|track| track.copy(&job.options))).await
    }

    /// How many blobs may travel to a place at once.
    pub(super) fn at_once(&self, place: &dyn ImageDestination) -> usize {
        match place.intake() {
            Intake::SideBySide => self.settings.concurrency,
            Intake::InOrder => 1,
        }
    }

    /// Waits until one more blob may travel to `place`.
    pub(super) async fn permit(&self, place: &dyn ImageDestination) -> Option<OwnedSemaphorePermit> {
        let permits = {
            let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Arc::new(Semaphore::new(self.at_once(place)));
            Arc::clone(permits.entry(place.identity().clone()).or_insert_with(fresh))
        };
        // Nothing closes the semaphore.
        permits.acquire_owned().await.ok()
    }

    /// A number for one travel of one blob.
    pub(super) fn number_travel(&self) -> BlobId {
        BlobId(self.travels.fetch_add(1, Ordering::Relaxed))
    }
}
