//! Carries plans out: blobs side by side, then manifests wave by wave, the tag last.
//!
//! One engine serves all images of a command, so that they share the number of blobs that travel at once, and
//! what one of them brought is not brought again by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::passage::Passage;
use super::report::BlobTallies;
use super::{Destination, Error, ManifestStep, Options, Role, Source, TransferPlan, TransferReport};
use crate::image::Descriptor;
use crate::progress::{Arrival, BlobId, Event, Progress};
use crate::registry::{self, ErrorKind};

/// How many images of one command are worked on at once.
const IMAGES_AT_ONCE: usize = 4;

/// How an engine works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many blobs travel at once, over all images; at least one.
    pub concurrency: usize,
    /// The first pause before a stream that got nowhere is taken up again; each further one is twice as long.
    pub pause: Duration,
}

impl Default for Settings {
    /// Six blobs; a fifth of a second.
    fn default() -> Self {
        Self { concurrency: 6, pause: Duration::from_millis(200) }
    }
}

/// One image to be brought from one side to the other.
#[derive(Clone, Debug)]
pub struct Job {
    /// What is moved.
    pub source: Source,
    /// Where to.
    pub destination: Destination,
    /// How.
    pub options: Options,
}

/// Moves images. All transfers of one command go through one engine.
pub struct Engine {
    settings: Settings,
    progress: Arc<dyn Progress>,
    permits: Semaphore,
    ledger: Ledger,
    travels: AtomicU64,
}

impl Engine {
    /// An engine that has moved nothing yet.
    #[must_use]
    pub fn new(settings: Settings, progress: Arc<dyn Progress>) -> Self {
        let settings = Settings { concurrency: settings.concurrency.max(1), ..settings };
        let permits = Semaphore::new(settings.concurrency);
        Self { settings, progress, permits, ledger: Ledger::default(), travels: AtomicU64::new(0) }
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
        self.run(&TransferPlan::make(source, destination, options).await?).await
    }

    /// Carries out several transfers, some at once, and hands over what came of each in the order of `jobs`.
    /// One that fails stops no other.
    pub async fn copy_each(&self, jobs: &[Job], mut ended: impl FnMut(&Job, Result<TransferReport, Error>)) {
        // By number: over references the compiler cannot see that the whole can move between threads.
        let copy = |number: usize| async move { (number, self.copy_job(&jobs[number]).await) };
        let mut results = stream::iter(0..jobs.len()).map(copy).buffered(IMAGES_AT_ONCE);
        while let Some((number, result)) = results.next().await {
            ended(&jobs[number], result);
        }
    }

    async fn copy_job(&self, job: &Job) -> Result<TransferReport, Error> {
        self.copy(&job.source, &job.destination, &job.options).await
    }

    /// Carries out a plan. What it finds there is left as it is, and where it fails no tag has moved.
    ///
    /// # Errors
    /// A side failed for good, or content is not what its digest says.
    pub async fn run(&self, plan: &TransferPlan) -> Result<TransferReport, Error> {
        if plan.is_empty() {
            if plan.destination.tags.is_empty() {
                // To be kept for its digest is new, also for what is there.
                self.carry_out(plan).await?;
            }
            return Ok(TransferReport::of(plan, BlobTallies::default()));
        }
        match self.announced(plan).await {
            Err(error) if plan.held && error.place_kind() == Some(ErrorKind::MissingBlobs) => {
                // The destination has the manifest, but lost what it names.
                self.announced(&plan.whole().await?).await
            }
            ended => ended,
        }
    }

    async fn announced(&self, plan: &TransferPlan) -> Result<TransferReport, Error> {
        let title: Arc<str> = plan.destination.shown.as_str().into();
        let bytes = plan.blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
        self.progress.observe(&Event::Planned { title: title.clone(), blobs: plan.blobs.len(), bytes });
        let ended = self.carry_out(plan).await;
        self.progress.observe(&Event::Ended { title });
        ended.map(|blobs| TransferReport::of(plan, blobs))
    }

    async fn carry_out(&self, plan: &TransferPlan) -> Result<BlobTallies, Error> {
        let destination = &plan.destination;
        let session = destination.registry.begin_session(&destination.repository).await;
        let session = session.map_err(|error| destination.failed(error))?;
        let tallies = self.blobs(plan).await?;
        for wave in plan.manifests.chunk_by(|a, b| a.wave == b.wave) {
            let pushes = FuturesUnordered::new();
            for step in wave {
                pushes.push(self.manifest(plan, step));
            }
            pushes.try_collect::<()>().await?;
        }
        session.finish(&plan.digest, &destination.tags).await.map_err(|error| destination.failed(error))?;
        Ok(tallies)
    }

    /// Brings all blobs there, the biggest first.
    async fn blobs(&self, plan: &TransferPlan) -> Result<BlobTallies, Error> {
        let mut waiting = plan.blobs.iter();
        let mut travelling = FuturesUnordered::new();
        let mut tallies = BlobTallies::default();
        loop {
            while travelling.len() < self.settings.concurrency
                && let Some(blob) = waiting.next()
            {
                travelling.push(self.blob(plan, blob));
            }
            let Some((arrival, size)) = travelling.try_next().await? else { return Ok(tallies) };
            tallies.count(arrival, size);
        }
    }

    /// Brings one blob there, unless this run did so before.
    async fn blob(&self, plan: &TransferPlan, blob: &Descriptor) -> Result<(Arrival, u64), Error> {
        let id = BlobId(self.travels.fetch_add(1, Ordering::Relaxed));
        let arrived = self.bring(plan, blob, id).await;
        let how = arrived.as_ref().map_or(Arrival::Failed, |arrival| *arrival);
        let (digest, size) = (blob.digest.clone(), blob.size);
        self.progress.observe(&Event::BlobFinished { id, digest, size, how });
        arrived.map(|arrival| (arrival, size))
    }

    async fn bring(&self, plan: &TransferPlan, blob: &Descriptor, id: BlobId) -> Result<Arrival, Error> {
        let destination = &plan.destination;
        let mut homes = self.ledger.homes(destination.registry.identity(), &blob.digest).await;
        if homes.contains(&destination.repository) {
            return Ok(Arrival::Present);
        }
        // The semaphore lives as long as the engine and is never closed.
        let _permit = self.permits.acquire().await;
        let from = homes.first().or(plan.mount_from());
        let arrival = self.passage(plan, blob, id).travel(from).await?;
        homes.push(destination.repository.clone());
        Ok(arrival)
    }

    fn passage<'a>(&'a self, plan: &'a TransferPlan, blob: &'a Descriptor, id: BlobId) -> Passage<'a> {
        Passage {
            source: &plan.source,
            destination: &plan.destination,
            blob,
            id,
            progress: &self.progress,
            pause: self.settings.pause,
        }
    }

    /// Puts one manifest in place; where the destination lost content meanwhile, that is sent again, once.
    async fn manifest(&self, plan: &TransferPlan, step: &ManifestStep) -> Result<(), Error> {
        match self.push(plan, step).await {
            Err(error) if error.kind() == ErrorKind::MissingBlobs && !(plan.held && step.role == Role::Root) => {
                self.heal(plan, step, &error).await?;
                self.push(plan, step).await.map_err(|error| plan.destination.failed(error))
            }
            ended => ended.map_err(|error| plan.destination.failed(error)),
        }
    }

    async fn push(&self, plan: &TransferPlan, step: &ManifestStep) -> registry::Result<()> {
        let _permit = self.permits.acquire().await;
        let destination = &plan.destination;
        let (repository, condition) = (&destination.repository, plan.condition(step));
        destination.registry.push_manifest(repository, &step.manifest, &step.tags, condition).await?;
        self.progress.observe(&Event::ManifestPushed { digest: step.manifest.digest().clone() });
        Ok(())
    }

    /// Sends again what the destination says that it lacks of `step`; everything where it names nothing.
    async fn heal(&self, plan: &TransferPlan, step: &ManifestStep, error: &registry::Error) -> Result<(), Error> {
        let lacks = |content: &Descriptor| error.missing().is_empty() || error.missing().contains(&content.digest);
        let view = step.manifest.manifest();
        let blobs: Vec<&Descriptor> = view.blobs().filter(|blob| lacks(blob) && !blob.is_foreign()).collect();
        for blob in blobs {
            let homes = self.ledger.homes(plan.destination.registry.identity(), &blob.digest);
            homes.await.retain(|home| *home != plan.destination.repository);
            self.blob(plan, blob).await?;
        }
        let named = |step: &&ManifestStep| {
            view.children().iter().any(|child| child.digest == *step.manifest.digest() && lacks(child))
        };
        let children: Vec<&ManifestStep> = plan.manifests.iter().filter(named).collect();
        for step in children {
            self.push(plan, step).await.map_err(|error| plan.destination.failed(error))?;
        }
        Ok(())
    }
}
