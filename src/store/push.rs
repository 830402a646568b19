//! Writing to the store: blobs, then manifests, then tags.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Shared, Store};
use crate::blobs::{BlobBegun, BlobWrite};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, BlobUpload, Error, ErrorKind, Identity, ImageDestination, PushSession, Result, TagCondition, UploadState,
};

/// Where a blob is when a push asks for it.
enum Found {
    /// In the repository.
    Here,
    /// In the store, and it belongs to the repository now.
    TakenOver,
    /// Nowhere.
    Nowhere,
}

#[async_trait]
impl ImageDestination for Store {
    fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        let (repository, selector) = (repository.clone(), selector.clone());
        self.with(move |shared| shared.find_manifest(&repository, &selector)).await
    }

    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        let (repository, blob) = (repository.clone(), blob.clone());
        self.with(move |shared| shared.has_blob(&repository, &blob)).await
    }

    /// Takes a blob over from any repository of the store, whether or not `from` names one: whoever pushes here
    /// is the user whose store it is. What an earlier upload left is found without `resume`.
    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        _from: Option<&RepositoryName>,
        _resume: Option<&UploadState>,
    ) -> Result<Begun> {
        loop {
            let (name, wanted) = (repository.clone(), blob.clone());
            match self.with(move |shared| shared.find_blob(&name, &wanted)).await? {
                Found::Here => return Ok(Begun::Present),
                Found::TakenOver => return Ok(Begun::Mounted),
                Found::Nowhere => {}
            }
            // Where another process brought it in the meantime, or an earlier one all but its name, it is found now.
            if let BlobBegun::Write(write) = self.shared.blobs.begin(blob).await? {
                let (store, repository, digest) = (self.clone(), repository.clone(), blob.digest.clone());
                return Ok(Begun::Upload(Box::new(StoreUpload { store, repository, digest, write })));
            }
        }
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        let (repository, manifest, tags) = (repository.clone(), manifest.clone(), tags.to_vec());
        self.with(move |shared| {
            shared.prepare()?;
            // Before anything is written; and once more where collection is kept away.
            shared.require_content(&repository, &manifest)?;
            shared.settled(|| {
                let _passage = shared.hold()?;
                shared.require_content(&repository, &manifest)?;
                shared.renew_content(&manifest)?;
                shared.put_manifest(&repository, &manifest, &tags, condition)
            })
        })
        .await
    }

    async fn begin_session(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        self.lease(repository).await
    }
}

impl Shared {
    fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        Ok(self.repository(repository).has_blob(&blob.digest) && self.blobs.has(blob)?)
    }

    fn find_manifest(&self, name: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        let Some(found) = self.look_up(name, selector)? else { return Ok(None) };
        // What has a tag stays for that.
        if matches!(selector, Selector::Tag(_)) {
            return Ok(Some(found));
        }
        let is_here = || Ok(self.repository(name).manifest(&found.digest)?.is_some());
        Ok(self.renew_found(&found.digest, is_here)?.then_some(found))
    }

    fn find_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Found> {
        self.prepare()?;
        let _passage = self.hold()?;
        if !self.blobs.has(blob)? || !self.renew(&blob.digest)? {
            return Ok(Found::Nowhere);
        }
        if self.repository(repository).has_blob(&blob.digest) {
            return Ok(Found::Here);
        }
        self.take_over(repository, &blob.digest)?;
        Ok(Found::TakenOver)
    }

    /// Notes that all that a manifest names is needed now. Within a passage.
    pub(super) fn renew_content(&self, manifest: &RawManifest) -> Result<()> {
        let document = manifest.manifest();
        document.blobs().chain(document.children()).try_for_each(|named| self.renew(&named.digest).map(drop))
    }

    /// Makes a blob that is in the store belong to a repository. Within a passage.
    pub(super) fn take_over(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        // Whoever put it there may not have lived to make its name durable.
        self.blobs.sync(digest)?;
        self.repository(repository).add_blob(digest)
    }

    pub(super) fn put_manifest(
        &self,
        name: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        let repository = self.repository(name);
        let _lock = repository.lock()?;
        if condition == TagCondition::Absent {
            for tag in tags {
                if repository.tag(tag)?.is_some() {
                    let message = format!("the tag {tag} exists in {name}");
                    return Err(Error::new(ErrorKind::Conflict, message).at(&self.identity.place));
                }
            }
        }
        let descriptor = manifest.descriptor();
        self.blobs.put_document(manifest.digest(), manifest.bytes())?;
        self.renew(manifest.digest())?;
        repository.add_manifest(&descriptor)?;
        if let Some(subject) = manifest.manifest().subject() {
            let annotations = manifest.manifest().annotations().clone();
            repository.add_referrer(&subject.digest, &Descriptor { annotations, ..descriptor.clone() })?;
        }
        for tag in tags {
            let moved = repository.set_tag(tag, &descriptor);
            // Also where it failed, which may have been after the tag had moved; and not before, because a push of
            // this process that ends in between takes the note with it.
            self.touch(name, Selector::Tag(tag.clone()));
            moved?;
        }
        Ok(())
    }

    /// Sees to it that everything a manifest names is in its repository; foreign layers are nobody's to have.
    fn require_content(&self, name: &RepositoryName, manifest: &RawManifest) -> Result<()> {
        let repository = self.repository(name);
        let mut missing = Vec::new();
        for blob in manifest.manifest().blobs().filter(|blob| !blob.is_foreign()) {
            if !self.has_blob(name, blob)? {
                missing.push(blob.digest.clone());
            }
        }
        for child in manifest.manifest().children() {
            if repository.manifest(&child.digest)?.is_none() && !repository.has_blob(&child.digest) {
                missing.push(child.digest.clone());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("{name} lacks content that the manifest {} names", manifest.digest());
        Err(Error::new(ErrorKind::MissingBlobs, message).at(&self.identity.place).with_missing(missing))
    }
}

/// A blob on its way into a repository of the store.
struct StoreUpload {
    store: Store,
    repository: RepositoryName,
    digest: Digest,
    write: Box<BlobWrite>,
}

#[async_trait]
impl BlobUpload for StoreUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.write.write(chunk).await
    }

    fn offset(&self) -> u64 {
        self.write.offset()
    }

    fn verifies(&self) -> bool {
        self.write.verifies()
    }

    fn state(&self) -> Option<UploadState> {
        self.write.state()
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { store, repository, digest, write } = *self;
        let shared = Arc::clone(&store.shared);
        let passage = write.commit_holding(move || shared.hold()).await?;
        store
            .with(move |shared| {
                let _passage = passage;
                shared.repository(&repository).add_blob(&digest)
            })
            .await
    }

    async fn abort(self: Box<Self>) {
        self.write.abort().await;
    }
}
