//! A place in a bundle that leaves out what earlier bundles brought.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{Begun, Identity, ImageDestination, Intake, PushSession, Result, TagCondition, UploadState};

/// A place that has beforehand what `held` names.
pub(super) struct Beyond {
    inner: Arc<dyn ImageDestination>,
    held: BTreeSet<Digest>,
    /// What images need, whether it was held or not.
    asked: Mutex<BTreeSet<Digest>>,
}

impl Beyond {
    pub(super) fn new(inner: Arc<dyn ImageDestination>, held: BTreeSet<Digest>) -> Self {
        Self { inner, held, asked: Mutex::default() }
    }

    /// The blobs that were brought, or were there beforehand.
    pub(super) fn asked(&self) -> BTreeSet<Digest> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, blob: &Descriptor) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(blob.digest.clone());
    }
}

#[async_trait]
impl ImageDestination for Beyond {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    fn intake(&self) -> Intake {
        self.inner.intake()
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        self.inner.resolve(repository, selector).await
    }

    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        Ok(self.held.contains(&blob.digest) || self.inner.has_blob(repository, blob).await?)
    }

    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Begun> {
        self.note(blob);
        if self.held.contains(&blob.digest) {
            return Ok(Begun::Present);
        }
        self.inner.begin_blob(repository, blob, from, resume).await
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        self.inner.push_manifest(repository, manifest, tags, condition).await
    }

    async fn begin_session(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        self.inner.begin_session(repository).await
    }
}
