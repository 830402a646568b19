//! What a transfer did, as plain data for whoever shows it.

use std::ops::AddAssign;

use serde::Serialize;

use super::delivery::Delivered;
use super::well::Reads;
use super::{Role, TransferPlan};
use crate::image::{Digest, MediaType, Tag};
use crate::progress::Arrival;

/// A number of blobs and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their bytes together, at most `u64::MAX`.
    pub bytes: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.count += more.count;
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

impl Tally {
    pub(super) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// How the blobs of a transfer came to be where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobTallies {
    /// They travelled.
    pub sent: Tally,
    /// The destination took them over from another repository of its own.
    pub mounted: Tally,
    /// They were there.
    pub present: Tally,
    /// They are foreign: their maker alone hands them out, and they stay there.
    pub skipped: Tally,
    /// Of those that travelled, those that were read from the source once more, because this destination fell
    /// farther behind the others than is put aside for it.
    pub second_reads: Tally,
}

impl BlobTallies {
    pub(super) fn count(&mut self, delivered: &Delivered, bytes: u64) {
        if delivered.reads == Reads::Again {
            self.second_reads.add(bytes);
        }
        match delivered.arrival {
            Arrival::Sent => self.sent.add(bytes),
            Arrival::Mounted => self.mounted.add(bytes),
            Arrival::Present => self.present.add(bytes),
            Arrival::Failed => {}
        }
    }
}

/// Something attached that the destination has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachedItem {
    /// Its digest.
    pub digest: Digest,
    /// What it is, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Whether it was there.
    pub present: bool,
}

/// What a transfer did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferReport {
    /// The source, as it was named.
    pub source: String,
    /// The destination, as it was named.
    pub destination: String,
    /// The tags that were asked for there.
    pub tags: Vec<Tag>,
    /// What the destination has now.
    pub digest: Digest,
    /// Its type, where it had to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The digest of the index that was narrowed to the wanted platforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowed_from: Option<Digest>,
    /// Whether nothing had to be done.
    pub unchanged: bool,
    /// The blobs.
    pub blobs: BlobTallies,
    /// How many manifests were put in place.
    pub manifests: usize,
    /// What refers to the image and came along.
    pub attached: Vec<AttachedItem>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl TransferReport {
    pub(super) fn of(plan: &TransferPlan, mut blobs: BlobTallies) -> Self {
        for foreign in &plan.foreign {
            blobs.skipped.add(foreign.size);
        }
        let again = blobs.second_reads.count;
        let fell_behind = (again > 0).then(|| {
            let shown = &plan.destination.shown;
            let blobs = if again == 1 { "blob was" } else { "blobs were" };
            format!("{shown} fell behind: {again} {blobs} read from the source a second time for it")
        });
        let came = plan.manifests.iter().filter(|step| step.role == Role::Attached).map(|step| AttachedItem {
            digest: step.manifest.digest().clone(),
            artifact_type: step.manifest.manifest().artifact_type().map(str::to_owned),
            present: false,
        });
        let there = plan.attached_present.iter().map(|found| AttachedItem {
            digest: found.digest.clone(),
            artifact_type: found.artifact_type.clone(),
            present: true,
        });
        Self {
            source: plan.source.shown.clone(),
            destination: plan.destination.shown.clone(),
            tags: plan.destination.tags.clone(),
            digest: plan.digest.clone(),
            media_type: plan.media_type.clone(),
            narrowed_from: plan.narrowed_from.clone(),
            unchanged: plan.is_empty(),
            blobs,
            manifests: plan.manifests.len(),
            attached: came.chain(there).collect(),
            warnings: plan.warnings.iter().cloned().chain(fell_behind).collect(),
        }
    }
}
