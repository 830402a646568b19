//! A plan as it is shown by a dry run: what would travel, what not, and how much it is together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::graph::AT_ONCE;
use super::{Destination, Error, Job, Role, Tally, TransferPlan};
use crate::image::{Descriptor, Digest, MediaType, RepositoryName, Tag};
use crate::registry::Identity;

/// What would become of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// Its bytes would travel.
    Send,
    /// The registry would be asked to take it over from another of its repositories.
    Mount,
    /// It is there, or is not for us to move.
    Skip,
}

impl Fate {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Mount => "mount",
            Self::Skip => "skip",
        }
    }
}

/// A blob of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobLine {
    /// Its digest.
    pub digest: Digest,
    /// Its type.
    pub media_type: MediaType,
    /// Its bytes.
    pub size: u64,
    /// What would become of it.
    pub action: Fate,
    /// The repository that it would be mounted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<RepositoryName>,
    /// Whether its maker alone hands it out.
    pub foreign: bool,
}

/// A manifest of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestLine {
    /// Its digest.
    pub digest: Digest,
    /// Its type.
    pub media_type: MediaType,
    /// Its bytes.
    pub size: u64,
    /// Why it is part of the transfer.
    pub role: Role,
    /// The tags that it would get.
    pub tags: Vec<Tag>,
}

/// Sums over a plan's blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// What would travel.
    pub send: Tally,
    /// What would be mounted.
    pub mount: Tally,
    /// What would not move.
    pub skip: Tally,
}

/// A plan to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outline {
    /// The source, as it was named.
    pub source: String,
    /// The destination, as it was named.
    pub destination: String,
    /// What the destination would have.
    pub digest: Digest,
    /// The digest of the index that would be narrowed to the wanted platforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowed_from: Option<Digest>,
    /// Whether nothing is to be done.
    pub unchanged: bool,
    /// The blobs, in the order in which they would go.
    pub blobs: Vec<BlobLine>,
    /// The manifests, in the order in which they would be put in place.
    pub manifests: Vec<ManifestLine>,
    /// The sums.
    pub totals: Totals,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Totals {
    fn of(blobs: &[BlobLine]) -> Self {
        let mut totals = Self::default();
        for blob in blobs {
            match blob.action {
                Fate::Send => totals.send.add(blob.size),
                Fate::Mount => totals.mount.add(blob.size),
                Fate::Skip => totals.skip.add(blob.size),
            }
        }
        totals
    }
}

/// What several plans would bring where, so that what they share is counted once.
#[derive(Debug, Default)]
pub struct Brought(Mutex<HashMap<(Identity, Digest), RepositoryName>>);

impl Job {
    /// Describes what a run would do at every destination, in their order, and does nothing.
    ///
    /// Each has an error of its own, as [`TransferPlan::make`] and [`TransferPlan::outline`].
    pub async fn outlines(&self) -> Vec<Result<Outline, Error>> {
        self.outlines_beside(&Brought::default()).await
    }

    /// The same beside the plans of other jobs: what one of those brings, this one does not send.
    pub async fn outlines_beside(&self, brought: &Brought) -> Vec<Result<Outline, Error>> {
        let source = self.view();
        let outline = async |destination| {
            let plan = TransferPlan::make(&source, destination, &self.options).await?;
            plan.outline().await
        };
        let mut outlines = join_all(self.destinations.iter().map(outline)).await;
        for (destination, outline) in self.destinations.iter().zip(&mut outlines) {
            if let Ok(outline) = outline {
                outline.share(destination, brought);
            }
        }
        outlines
    }
}

impl Outline {
    /// Leaves out what is sent to the same place for an earlier destination, and adds what is sent for this one.
    fn share(&mut self, destination: &Destination, brought: &Brought) {
        let mut brought = brought.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = destination.registry.identity();
        for blob in self.blobs.iter_mut().filter(|blob| blob.action == Fate::Send) {
            match brought.entry((place.clone(), blob.digest.clone())) {
                Entry::Vacant(entry) => drop(entry.insert(destination.repository.clone())),
                Entry::Occupied(entry) if *entry.get() == destination.repository => blob.action = Fate::Skip,
                Entry::Occupied(entry) => (blob.action, blob.from) = (Fate::Mount, Some(entry.get().clone())),
            }
        }
        self.totals = Totals::of(&self.blobs);
    }
}

impl TransferPlan {
    /// Asks the destination which of the blobs it has, and describes what a run would do.
    ///
    /// # Errors
    /// The destination fails.
    pub async fn outline(&self) -> Result<Outline, Error> {
        let lines = stream::iter(0..self.blobs.len()).map(|number| self.line(&self.blobs[number])).buffered(AT_ONCE);
        let mut blobs: Vec<BlobLine> = lines.try_collect().await?;
        blobs.extend(self.foreign.iter().map(|blob| BlobLine { foreign: true, ..line(blob, Fate::Skip, None) }));
        let totals = Totals::of(&blobs);
        let manifests = self.manifests.iter().map(|step| ManifestLine {
            digest: step.manifest.digest().clone(),
            media_type: step.manifest.media_type().clone(),
            size: step.manifest.bytes().len() as u64,
            role: step.role,
            tags: step.tags.clone(),
        });
        Ok(Outline {
            source: self.source.shown.clone(),
            destination: self.destination.shown.clone(),
            digest: self.digest.clone(),
            narrowed_from: self.narrowed_from.clone(),
            unchanged: self.is_empty(),
            blobs,
            manifests: manifests.collect(),
            totals,
            warnings: self.warnings.clone(),
        })
    }

    async fn line(&self, blob: &Descriptor) -> Result<BlobLine, Error> {
        let there = self.destination.registry.has_blob(&self.destination.repository, blob).await;
        Ok(match (there.map_err(|error| self.destination.failed(error))?, self.mount_from()) {
            (true, _) => line(blob, Fate::Skip, None),
            (false, Some(from)) => line(blob, Fate::Mount, Some(from.clone())),
            (false, None) => line(blob, Fate::Send, None),
        })
    }
}

fn line(blob: &Descriptor, action: Fate, from: Option<RepositoryName>) -> BlobLine {
    let (digest, media_type) = (blob.digest.clone(), blob.media_type.clone());
    BlobLine { digest, media_type, size: blob.size, action, from, foreign: false }
}
