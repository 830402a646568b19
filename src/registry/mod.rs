//! The contract: what can be done with a place that keeps images, whatever it is.
//!
//! The HTTP client, the local store, layouts and the memory store implement these traits; `transfer` and the
//! commands use them and know no implementation. Nothing here does I/O itself.
//!
//! Rules that every implementation keeps and every caller may rely on:
//!
//! * manifest bytes are kept and handed out exactly; what is asked for by digest is verified before it is returned;
//! * blob bytes are **not** verified by the reader that [`ImageSource::blob`] returns: whoever stores them or
//!   reports them verifies them ([`Verifier`]);
//! * [`BlobUpload::commit`] makes a blob visible only if it has the digest and size that were announced;
//! * what a method acknowledged is durable.

mod body;
mod error;
mod host;
mod judge;
mod maintenance;
mod retention;
#[cfg(test)]
mod tests;
mod verifier;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};

pub use body::{BlobReader, ByteRange, read_verified};
pub use error::{Error, ErrorCode, ErrorKind, Remedy};
pub use host::{Follower, Host, HostedUpload, Working};
pub use judge::{Inventory, Links, ManifestFact, TagFact, Verdict, judge, reach};
pub use maintenance::{
    Collected, Collection, Effect, GoneManifest, GoneTag, KeptImage, Maintenance, Purged, Scrubbed, Untagged, Usage,
};
pub use retention::{RepositoryPattern, RetentionRule};
pub use verifier::{Checkpoint, Verifier};

/// The result of everything that can be asked of a place.
pub type Result<T> = std::result::Result<T, Error>;

/// Which place this is, and as whom it is used.
///
/// Two sides with equal identities are the same registry under the same credential, so blobs can be mounted
/// between their repositories.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// How the place is shown: `registry.example.com:5000`, `store`, `oci:DIR`.
    pub place: String,
    /// The name of the credential (never its value); `None` for anonymous or where there is no such thing.
    pub credential: Option<String>,
    /// Whether the place is on this computer's disk, so that no request is spent on it.
    pub local: bool,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// A place that images can be read from.
#[async_trait]
pub trait ImageSource: Send + Sync {
    /// Which place, and as whom.
    fn identity(&self) -> &Identity;

    /// Looks up a manifest without reading it: its type, digest and size, or `None` where it is not there.
    ///
    /// # Errors
    /// `Denied`, `Unreachable` and their like; a missing manifest or repository is `Ok(None)`.
    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>>;

    /// Reads a manifest; by tag that is one request.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` where the bytes are not those of the digest that was asked for, or contradict themselves.
    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest>;

    /// Opens a blob from `range.from` on. [`BlobReader::start`] says where the bytes really begin: at 0 where
    /// the place does not do ranges.
    ///
    /// # Errors
    /// `NotFound`, and whatever opening can meet; reading meets more.
    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader>;

    /// Is told that a blob that was opened here came wrong, or comes no further, before it is opened once more. A
    /// place that has it from several others turns away from the one that it came from.
    fn distrust(&self, _blob: &Digest, _because: &Error) {}

    /// Lists what refers to `subject`, of one artifact type where one is given. Nothing is an empty list.
    ///
    /// # Errors
    /// As [`ImageSource::resolve`].
    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers>;
}

/// What refers to a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referrers {
    /// Descriptors of the referring manifests.
    pub manifests: Vec<Descriptor>,
    /// Where the list came from.
    pub from: ReferrersFrom,
}

/// Where a list of referrers came from (distribution-spec 1.1, "Listing Referrers").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferrersFrom {
    /// The referrers API.
    #[default]
    Api,
    /// The fallback tag `sha256-<hex>`, because the registry has no such API.
    FallbackTag,
}

/// A place that images can be written to.
#[async_trait]
pub trait ImageDestination: Send + Sync {
    /// Which place, and as whom.
    fn identity(&self) -> &Identity;

    /// How many blobs it takes at a time.
    fn intake(&self) -> Intake {
        Intake::SideBySide
    }

    /// As [`ImageSource::resolve`]: is it there already?
    ///
    /// # Errors
    /// As [`ImageSource::resolve`].
    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>>;

    /// Looks whether a blob is there, and changes nothing: for `--dry-run`.
    ///
    /// # Errors
    /// As [`ImageSource::resolve`].
    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool>;

    /// Finds out whether a blob has to travel, and if so opens the way: by HEAD, mount or upload, as the place
    /// likes it best. `from` is a repository of the same place that is believed to have the blob; `resume` the
    /// state of an earlier upload of it.
    ///
    /// # Errors
    /// `Denied`, `Unreachable`, `Unsupported` (read-only); a refused mount or a lost session is no error.
    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Begun>;

    /// Puts a manifest in place, under its digest and under every one of `tags`, and has it listed among the
    /// referrers of its subject. The tags move last.
    ///
    /// # Errors
    /// `MissingBlobs` where the place lacks content that the manifest names; `Conflict` where `condition` does not hold.
    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()>;

    /// Begins a push: until the session is dropped, upkeep of the place removes nothing that it put there or found there.
    ///
    /// # Errors
    /// The lease cannot be written.
    async fn begin_session(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>>;
}

/// How many blobs a place takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Several.
    SideBySide,
    /// One after the other, because it is written in order: the next waits until one is committed or given up.
    InOrder,
}

/// A lease on what a push needs; ends when it is finished or dropped.
#[async_trait]
pub trait PushSession: Send + Sync {
    /// Ends the push of `image`, the manifest that all of it was for. A place that derives something from what it
    /// holds (the `index.json` of a layout) brings it up to date. What came by its digest a place with upkeep keeps
    /// for that, also where it was there before, and also when its tags move.
    ///
    /// Dropped without this, everything that was acknowledged stays; what is derived follows at the next push.
    ///
    /// # Errors
    /// `Storage` where that cannot be written.
    async fn finish(self: Box<Self>, image: &Digest, keep: Keep) -> Result<()>;
}

/// For what an image is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// As long as tags point at it.
    ForItsTags,
    /// For its digest, with tags or without.
    ForItsDigest,
}

/// The session of a place whose upkeep is not ours.
#[derive(Clone, Copy, Debug)]
pub struct NoSession;

#[async_trait]
impl PushSession for NoSession {
    async fn finish(self: Box<Self>, _: &Digest, _: Keep) -> Result<()> {
        Ok(())
    }
}

/// Under which condition tags are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagCondition {
    /// Whatever they point at now.
    Always,
    /// Only where the tag does not exist (`--no-clobber`).
    Absent,
}

/// How a blob comes to be at a destination.
pub enum Begun {
    /// It is there.
    Present,
    /// The place took it over from another repository of its own.
    Mounted,
    /// Its bytes are wanted, from [`BlobUpload::offset`] on.
    Upload(Box<dyn BlobUpload>),
}

/// The way of one blob into a destination. Dropped without [`BlobUpload::commit`], it keeps what can be resumed.
#[async_trait]
pub trait BlobUpload: Send {
    /// Takes the next bytes, in order. The bytes are shared, so that several uploads copy none.
    ///
    /// # Errors
    /// `Cut` or `Unreachable` where the upload can be asked to go on; `Gone` where it has to begin again.
    async fn write(&mut self, chunk: Bytes) -> Result<()>;

    /// The number of bytes that are known to have arrived.
    fn offset(&self) -> u64;

    /// Whether [`BlobUpload::commit`] compares the content with the descriptor on this computer, so that the
    /// caller need not hash the same bytes too. Else the caller does, before it calls commit.
    fn verifies(&self) -> bool {
        false
    }

    /// What another process needs to go on, where that is possible.
    fn state(&self) -> Option<UploadState>;

    /// Makes the blob visible, if digest and size are what was announced.
    ///
    /// # Errors
    /// `Corrupt` where they are not.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Gives it up and removes what was sent, as far as the place allows.
    async fn abort(self: Box<Self>);
}

/// Where an upload stands, in a form that outlives the process. A hint: the place is asked before it is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadState {
    /// The session, in the words of the place that gave it.
    pub session: String,
    /// How many bytes had arrived.
    pub offset: u64,
}

/// A place whose repositories and tags can be listed.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The tags of a repository, page by page, in the place's order; each tag once. Fetches as it is polled.
    ///
    /// Items are errors of kind `NotFound` (no such repository), or where pages do not end or lead elsewhere.
    fn tags<'a>(&'a self, repository: &'a RepositoryName) -> BoxStream<'a, Result<Vec<Tag>>>;

    /// The repositories, page by page.
    ///
    /// Items are errors of kind `Unsupported` where the place has no catalogue.
    fn repositories(&self) -> BoxStream<'_, Result<Vec<RepositoryName>>>;
}

/// A place that things can be removed from.
#[async_trait]
pub trait Remover: Send + Sync {
    /// Removes one tag and leaves the manifest.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` where the place cannot remove a single tag or nothing at all.
    async fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<()>;

    /// Removes a manifest and every tag that points at it.
    ///
    /// # Errors
    /// As [`Remover::remove_tag`].
    async fn remove_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<()>;
}

/// A place that can do everything: a registry, or the local store.
pub trait Registry: ImageSource + ImageDestination + Catalog + Remover {}

impl<T: ImageSource + ImageDestination + Catalog + Remover> Registry for T {}

/// A place that can be asked about itself.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Asks whether the place answers, how it wants to be spoken to, and what this credential may do.
    ///
    /// # Errors
    /// None that a [`Findings`] can hold: only what keeps from asking at all.
    async fn probe(&self, repository: Option<&RepositoryName>) -> Result<Findings>;
}

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The URL that was asked.
    pub url: String,
    /// The TLS protocol and how the certificate was judged, or `plain HTTP`.
    pub tls: String,
    /// How it wants clients to show who they are: `none`, `basic`, `bearer`.
    pub authentication: String,
    /// Where it sends clients for a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_realm: Option<String>,
    /// Whether it took the credential.
    pub accepted: bool,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// What may be done in the repository that was asked about: `pull`, `push`; empty where none was.
    pub rights: Vec<String>,
    /// The requests allowed in a period, as the registry says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<String>,
    /// What of it is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_remaining: Option<String>,
}
