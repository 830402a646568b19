//! Upkeep of a place that keeps images itself: what it holds, what of that goes, and whether it is whole.
//!
//! The store and the bucket implement [`Maintenance`]; `serve` runs it by itself, `prune` and `images` on request.
//!
//! # What upkeep may take
//!
//! It runs beside pushes and pulls, of this process and of others, and none of them may notice. A place keeps these
//! rules however it is made:
//!
//! 1. What a tag, a name by digest, an image that stays, or a subject that stays leads to, stays ([`super::judge`]).
//! 2. What a push **put** here or **found** here stays for [`Collection::grace`] after that, in whatever repository,
//!    whether or not anything names it yet: the manifest that will may be on its way. So everything that tells a
//!    push that content is here (`begin_blob`, a mount, `blob_size`, `resolve` of a destination) renews the content
//!    before it answers, and so does everything that makes a repository hold it (a commit, a manifest). Quay
//!    (#6318) and distribution (#3254) looked at what manifests name alone, and took blobs between the answer "it
//!    is there" and the manifest that relied on it.
//! 3. A [`super::PushSession`] protects all that was put or found in its repository since it began, however long ago
//!    that is, and ends with the process that holds it. An upload protects what came within the grace before it
//!    began.
//! 4. Renewal and the last look before a removal exclude each other: a place has either a lock that both take, or a
//!    removal under the condition that nothing was renewed. A mark that was right a moment ago is no licence.
//! 5. A manifest goes before what it names, and a fact that a repository holds content goes before the content. So
//!    whoever dies in between leaves too much behind, never too little.
//! 6. What cannot be read says nothing about what it needs: as long as a manifest that stays cannot be read, no blob
//!    of its repository goes.
//! 7. A push that was killed leaves no lease behind; what it brought goes when the grace is over.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Result, RetentionRule};
use crate::image::{Digest, MediaType, RepositoryName, Tag};

/// A place that keeps images itself and can be kept in order.
#[async_trait]
pub trait Maintenance: Send + Sync {
    /// How much there is. Looks at lengths alone.
    ///
    /// # Errors
    /// `Storage`.
    async fn usage(&self) -> Result<Usage>;

    /// The images, by repository, then tag, then digest.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` where a fact cannot be understood.
    async fn images(&self, untagged: Untagged) -> Result<Vec<KeptImage>>;

    /// Removes what nothing needs, while pushes and pulls go on.
    ///
    /// # Errors
    /// `Storage`; what was removed before stays removed.
    async fn collect(&self, collection: &Collection) -> Result<Collected>;

    /// Reads everything and compares it with its digests. What is damaged is set aside, so that it is as what is
    /// missing: it is not handed out any more, and the next push brings it again.
    ///
    /// # Errors
    /// `Storage`.
    async fn scrub(&self) -> Result<Scrubbed>;

    /// Gives up uploads that nobody has gone on with for `idle`.
    ///
    /// # Errors
    /// `Storage`.
    async fn purge_uploads(&self, idle: Duration) -> Result<Purged>;
}

/// What is to be collected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Collection {
    /// Which images go; of several rules the first that fits a repository. Where none does, every manifest stays.
    pub rules: Vec<RetentionRule>,
    /// Images that stay whatever the rules say, with the tags that point at them, in whatever repository.
    #[serde(default)]
    pub used: BTreeSet<Digest>,
    /// How long what a push put or found is kept for it. Nothing is nothing: only sessions protect then.
    pub grace: Duration,
    /// Whether it is done, or told alone.
    #[serde(default)]
    pub effect: Effect,
}

impl Collection {
    /// How long what a push put or found is kept for it where nothing else is said: longer than any push takes.
    pub const GRACE: Duration = Duration::from_hours(24);
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It is done.
    #[default]
    Done,
    /// It is told what would be done.
    Told,
}

/// What was collected, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// The tags that went by a rule.
    pub tags: Vec<GoneTag>,
    /// The manifests that nothing named.
    pub manifests: Vec<GoneManifest>,
    /// How many pieces of content went: layers, configs, manifests.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes that nothing names and that stay for now, because a push may need them.
    pub spared_bytes: u64,
    /// Repositories where blobs stayed, because a manifest there cannot be read.
    pub unreadable: Vec<RepositoryName>,
}

/// A tag that went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoneTag {
    /// Where it was.
    pub repository: RepositoryName,
    /// Its name.
    pub tag: Tag,
    /// What it pointed at.
    pub digest: Digest,
}

/// A manifest that went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoneManifest {
    /// Where it was.
    pub repository: RepositoryName,
    /// Its digest.
    pub digest: Digest,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// How many pieces of content: layers, configs, manifests.
    pub blobs: u64,
    /// Their bytes, each counted once however many repositories hold it.
    pub blob_bytes: u64,
    /// How many uploads did not come to their end yet.
    pub uploads: u64,
    /// Their bytes.
    pub upload_bytes: u64,
}

impl Usage {
    /// The bytes of everything.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.blob_bytes.saturating_add(self.upload_bytes)
    }
}

/// What a reading of everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scrubbed {
    /// How many pieces of content were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What had another digest than its name, and was set aside.
    pub damaged: Vec<Digest>,
    /// What could not be read, and stays where it is.
    pub unreadable: Vec<Digest>,
}

/// Uploads that were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Purged {
    /// How many.
    pub uploads: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Whether manifests that nothing names are listed too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untagged {
    /// Only what has a tag, or was pulled by its digest.
    Hidden,
    /// All that is no part of another image and attached to none.
    Shown,
}

/// One image; one with several tags is listed once per tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptImage {
    /// Its name here.
    pub repository: RepositoryName,
    /// Its tag, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The type of its manifest.
    pub media_type: MediaType,
    /// The bytes of everything that it names and that is here, each counted once: manifests, configs, layers.
    pub size: u64,
    /// The part of them that other images here need too: it would stay if this one went.
    pub shared: u64,
    /// When it was built, as its config says; of an index, the first config that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it came here under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Timestamp>,
}
