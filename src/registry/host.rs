//! What a place does beyond the contract so that a server can hand it out to strangers.
//!
//! An upload from outside has no digest before it ends, belongs to a repository and to whoever began it, and may
//! come in pieces, each by a request of its own. And what is there already is shown only where it belongs: a blob
//! of another repository is as one that is missing, unless a mount names that repository.

use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Maintenance, Registry, Result};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Tag};

/// Which part of a place's work is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Working {
    /// That what is there can be read.
    Reading,
    /// That more can be written.
    Writing,
}

/// A place that can be handed out as a registry, and kept in order.
#[async_trait]
pub trait Host: Registry + Maintenance {
    /// Sees whether the place works, in little time; what it writes for that it removes.
    ///
    /// # Errors
    /// Why it does not.
    async fn check(&self, what: Working) -> Result<()>;

    /// The size of a blob that belongs to a repository; `None` where it does not.
    ///
    /// # Errors
    /// `Storage`.
    async fn blob_size(&self, repository: &RepositoryName, blob: &Digest) -> Result<Option<u64>>;

    /// Makes a blob of `from` belong to `repository` too, and says whether it did: not where `from` lacks it.
    ///
    /// # Errors
    /// `Storage`.
    async fn mount_blob(&self, repository: &RepositoryName, blob: &Digest, from: &RepositoryName) -> Result<bool>;

    /// Takes a blob out of a repository. Its bytes stay as long as something else may need them.
    ///
    /// # Errors
    /// `NotFound`; `Storage`.
    async fn remove_blob(&self, repository: &RepositoryName, blob: &Digest) -> Result<()>;

    /// Begins an upload to `repository` for `owner`, which is how the server calls whoever asked.
    ///
    /// # Errors
    /// `Storage`.
    async fn begin_upload(&self, repository: &RepositoryName, owner: &str) -> Result<Box<dyn HostedUpload>>;

    /// Takes an upload up again; `None` where there is none of this name in this repository for this owner.
    ///
    /// # Errors
    /// `Conflict` where another request is at it; `Storage`.
    async fn reopen_upload(
        &self,
        repository: &RepositoryName,
        owner: &str,
        name: &str,
    ) -> Result<Option<Box<dyn HostedUpload>>>;
}

/// A place that keeps what automatic pull brings, and knows which tags follow an upstream. A tag that is pushed here,
/// and one that is removed, follows none.
#[async_trait]
pub trait Follower: Host {
    /// Keeps a manifest from upstream, though what it names may not be here yet; `tag` follows its upstream from now on.
    ///
    /// # Errors
    /// `Storage`.
    async fn adopt(&self, repository: &RepositoryName, manifest: &RawManifest, tag: Option<&Tag>) -> Result<()>;

    /// When a tag that follows its upstream was last compared with it; `None` of one that follows none.
    ///
    /// # Errors
    /// `Storage`.
    async fn followed(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<SystemTime>>;

    /// Notes that a tag that follows its upstream was compared with it now.
    ///
    /// # Errors
    /// `Storage`.
    async fn confirm(&self, repository: &RepositoryName, tag: &Tag) -> Result<()>;

    /// What some manifest of a repository says of a blob; `None` where none names it.
    ///
    /// # Errors
    /// `Storage`.
    async fn described(&self, repository: &RepositoryName, blob: &Digest) -> Result<Option<Descriptor>>;
}

/// An upload whose digest is not known before it ends. Dropped, it keeps what was written.
#[async_trait]
pub trait HostedUpload: Send {
    /// What it goes by: letters, digits and `-`, at least 128 bits of them by chance.
    fn name(&self) -> &str;

    /// How many bytes were taken.
    fn offset(&self) -> u64;

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `Storage`.
    async fn write(&mut self, piece: Bytes) -> Result<()>;

    /// Lets it rest until the next request takes it up. What was written is counted from then on.
    ///
    /// # Errors
    /// `Storage`.
    async fn rest(self: Box<Self>) -> Result<()>;

    /// Makes the content a blob of the repository, durably, if it has this digest.
    ///
    /// # Errors
    /// `Corrupt` where it has another one; the upload is gone then. `Storage`.
    async fn commit(self: Box<Self>, digest: &Digest) -> Result<()>;

    /// Gives it up.
    ///
    /// # Errors
    /// `Storage`.
    async fn cancel(self: Box<Self>) -> Result<()>;
}
