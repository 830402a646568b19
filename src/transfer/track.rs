//! The way of one image to one destination: blobs side by side, then manifests wave by wave, the tag last.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OnceCell;

use super::delivery::{Delivered, Delivery, Record};
use super::journal::{Journal, Key, WORTH_KEEPING};
use super::report::BlobTallies;
use super::tries::{Tries, wait};
use super::well::{Demand, Reads};
use super::{Destination, Engine, Error, ManifestStep, Options, Role, Source, TransferPlan, TransferReport};
use crate::image::{Descriptor, Digest};
use crate::progress::{Arrival, BlobId, Event};
use crate::registry::{self, ErrorKind, Keep};

/// The way to one destination.
pub(super) struct Track<'a> {
    engine: &'a Engine,
    source: &'a Source,
    destination: &'a Destination,
    demand: Demand<'a>,
    journal: OnceCell<Option<Journal>>,
}

impl<'a> Track<'a> {
    /// From now on blobs of the source are kept for this destination, until it is known which it needs.
    pub(super) fn new(engine: &'a Engine, source: &'a Source, destination: &'a Destination) -> Self {
        Self { engine, source, destination, demand: engine.wells.expect(source, destination), journal: OnceCell::new() }
    }

    /// Plans the transfer and carries it out.
    ///
    /// # Errors
    /// As [`Engine::copy`].
    pub(super) async fn copy(self, options: &Options) -> Result<TransferReport, Error> {
        self.run(&TransferPlan::make(self.source, self.destination, options).await?).await
    }

    /// Carries out a plan. What it finds there is left as it is, and where it fails no tag has moved.
    ///
    /// # Errors
    /// A side failed for good, or content is not what its digest says.
    pub(super) async fn run(&self, plan: &TransferPlan) -> Result<TransferReport, Error> {
        if plan.is_empty() {
            if plan.destination.keep() == Keep::ForItsDigest {
                // That may be new, also for what is there.
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
        self.engine.progress.observe(&Event::Planned { title: title.clone(), blobs: plan.blobs.len(), bytes });
        let ended = self.carry_out(plan).await;
        self.engine.progress.observe(&Event::Ended { title });
        ended.map(|blobs| TransferReport::of(plan, blobs))
    }

    async fn carry_out(&self, plan: &TransferPlan) -> Result<BlobTallies, Error> {
        let destination = &plan.destination;
        self.demand.decide(&plan.blobs);
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
        session.finish(&plan.digest, destination.keep()).await.map_err(|error| destination.failed(error))?;
        if let Some(Some(journal)) = self.journal.get() {
            journal.finish();
        }
        Ok(tallies)
    }

    /// The journal of the transfer, where a blob is worth a line in it. What is on this computer keeps the beginning
    /// of a blob by itself.
    async fn journal(&self, plan: &TransferPlan, blob: &Descriptor) -> Option<&Journal> {
        let journals = self.engine.journals.as_ref()?;
        if plan.destination.registry.identity().local || blob.size < WORTH_KEEPING {
            return None;
        }
        let (source, destination) = (plan.source.shown.clone(), plan.destination.shown.clone());
        let key = Key { source, destination, digest: plan.digest.clone() };
        self.journal.get_or_init(|| journals.open(key)).await.as_ref()
    }

    /// Brings all blobs there, the biggest first.
    async fn blobs(&self, plan: &TransferPlan) -> Result<BlobTallies, Error> {
        let mut waiting = plan.blobs.iter();
        let mut travelling = FuturesUnordered::new();
        let mut tallies = BlobTallies::default();
        let at_once = self.engine.at_once(&*plan.destination.registry);
        loop {
            while travelling.len() < at_once
                && let Some(blob) = waiting.next()
            {
                travelling.push(self.blob(plan, blob));
            }
            let Some((delivered, size)) = travelling.try_next().await? else { return Ok(tallies) };
            tallies.count(&delivered, size);
        }
    }

    /// Brings one blob there, unless this run did so before.
    async fn blob(&self, plan: &TransferPlan, blob: &Descriptor) -> Result<(Delivered, u64), Error> {
        let id = self.engine.number_travel();
        let delivered = self.bring(plan, blob, id).await;
        self.demand.settle(&blob.digest);
        let how = delivered.as_ref().map_or(Arrival::Failed, |delivered| delivered.arrival);
        let (digest, size) = (blob.digest.clone(), blob.size);
        self.engine.progress.observe(&Event::BlobFinished { id, digest, size, how });
        delivered.map(|delivered| (delivered, size))
    }

    async fn bring(&self, plan: &TransferPlan, blob: &Descriptor, id: BlobId) -> Result<Delivered, Error> {
        let destination = &plan.destination;
        let mut homes = self.engine.ledger.homes(destination.registry.identity(), &blob.digest).await;
        if homes.contains(&destination.repository) {
            return Ok(Delivered { arrival: Arrival::Present, reads: Reads::Once });
        }
        let _permit = self.engine.permit(&*destination.registry).await;
        let from = homes.first().or(plan.mount_from());
        let record = self.journal(plan, blob).await.map(|journal| journal as &dyn Record);
        let delivery = Delivery { engine: self.engine, source: &plan.source, destination, blob, id, record };
        let delivered = delivery.travel(from).await?;
        homes.push(destination.repository.clone());
        Ok(delivered)
    }

    /// Puts one manifest in place; where the destination lost content meanwhile, that is sent again, once. Some only
    /// see after a while what they took, so what was sent again is waited for.
    async fn manifest(&self, plan: &TransferPlan, step: &ManifestStep) -> Result<(), Error> {
        let mut tries = Tries::new(self.engine.settings.pause);
        let mut sent_again = HashSet::new();
        loop {
            let error = match self.push(plan, step).await {
                Err(error) if error.kind() == ErrorKind::MissingBlobs && !(plan.held && step.role == Role::Root) => {
                    error
                }
                ended => return ended.map_err(|error| plan.destination.failed(error)),
            };
            let Some(pause) = tries.again(0) else { return Err(plan.destination.failed(error)) };
            if !self.heal(plan, step, &error, &mut sent_again).await? {
                let place = &plan.destination.registry.identity().place;
                wait(&*self.engine.progress, place, pause, &error).await;
            }
        }
    }

    async fn push(&self, plan: &TransferPlan, step: &ManifestStep) -> registry::Result<()> {
        let destination = &plan.destination;
        let _permit = self.engine.permit(&*destination.registry).await;
        let (repository, condition) = (&destination.repository, plan.condition(step));
        destination.registry.push_manifest(repository, &step.manifest, &step.tags, condition).await?;
        self.engine.progress.observe(&Event::ManifestPushed { digest: step.manifest.digest().clone() });
        Ok(())
    }

    /// Sends again what the destination says that it lacks of `step`, everything where it names nothing, but for what
    /// was `sent_again` before. Whether there was something.
    async fn heal(
        &self,
        plan: &TransferPlan,
        step: &ManifestStep,
        error: &registry::Error,
        sent_again: &mut HashSet<Digest>,
    ) -> Result<bool, Error> {
        let mut lacks = |content: &Descriptor| {
            (error.missing().is_empty() || error.missing().contains(&content.digest))
                && sent_again.insert(content.digest.clone())
        };
        let view = step.manifest.manifest();
        let blobs: Vec<&Descriptor> = view.blobs().filter(|blob| !blob.is_foreign() && lacks(blob)).collect();
        for blob in &blobs {
            let homes = self.engine.ledger.homes(plan.destination.registry.identity(), &blob.digest);
            homes.await.retain(|home| *home != plan.destination.repository);
            self.blob(plan, blob).await?;
        }
        let named: Vec<&Descriptor> = view.children().iter().filter(|child| lacks(child)).collect();
        let is_named = |step: &&ManifestStep| named.iter().any(|child| child.digest == *step.manifest.digest());
        for step in plan.manifests.iter().filter(is_named) {
            self.push(plan, step).await.map_err(|error| plan.destination.failed(error))?;
        }
        Ok(!(blobs.is_empty() && named.is_empty()))
    }
}
