//! Writing to a bucket: blobs, then manifests, then tags.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::facts::{AT_ONCE, Written};
use super::upload::Upload;
use super::{Bucket, Shared, layout};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, BlobUpload, Error, ErrorKind, Identity, ImageDestination, ImageSource, PushSession, Result, TagCondition,
    UploadState,
};

/// How uploads of our own program are called, which no user of a server can be: names hold no `/`.
const OWNER: &str = "tranship/push";

#[async_trait]
impl ImageDestination for Bucket {
    fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        ImageSource::resolve(self, repository, selector).await
    }

    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        Ok(self.shared.belongs(repository, &blob.digest).await? == Some(blob.size))
    }

    /// Takes a blob over from any repository of the bucket, as the local store does.
    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        _from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Begun> {
        if self.has_blob(repository, blob).await? {
            return Ok(Begun::Present);
        }
        if self.shared.adopt(repository, &blob.digest).await? == Some(blob.size) {
            return Ok(Begun::Mounted);
        }
        let resumed = match resume {
            Some(state) => Upload::reopen(&self.shared, repository, OWNER, &state.session).await?,
            None => None,
        };
        let upload = match resumed {
            Some(upload) => upload,
            None => Upload::begin(&self.shared, repository, OWNER).await?,
        };
        Ok(Begun::Upload(Box::new(Announced { blob: blob.clone(), upload })))
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        self.shared.require_content(repository, manifest).await?;
        self.shared.put_manifest(repository, manifest, tags, condition).await
    }

    async fn begin_session(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        self.lease(repository).await
    }
}

impl Shared {
    /// Sees to it that everything a manifest names is in its repository and stays; foreign layers are nobody's to have.
    async fn require_content(&self, name: &RepositoryName, manifest: &RawManifest) -> Result<()> {
        let (mut blobs, mut children) = (Vec::new(), Vec::new());
        for blob in manifest.manifest().blobs().filter(|blob| !blob.is_foreign()) {
            blobs.push(self.lacks_blob(name, blob));
        }
        for child in manifest.manifest().children() {
            children.push(self.lacks_child(name, child));
        }
        let mut missing: Vec<Option<Digest>> = stream::iter(blobs).buffered(AT_ONCE).try_collect().await?;
        missing.extend(stream::iter(children).buffered(AT_ONCE).try_collect::<Vec<_>>().await?);
        let missing: Vec<Digest> = missing.into_iter().flatten().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("{name} lacks content that the manifest {} names", manifest.digest());
        Err(Error::new(ErrorKind::MissingBlobs, message).at(&self.identity.place).with_missing(missing))
    }

    /// The digest of a blob, where the repository lacks it.
    async fn lacks_blob(&self, name: &RepositoryName, blob: &Descriptor) -> Result<Option<Digest>> {
        let there = self.belongs(name, &blob.digest).await? == Some(blob.size);
        Ok((!there).then(|| blob.digest.clone()))
    }

    /// The digest of a child of an index, where the repository lacks it: as a manifest, and as a blob.
    async fn lacks_child(&self, name: &RepositoryName, child: &Descriptor) -> Result<Option<Digest>> {
        let digest = &child.digest;
        let there = self.rely_on(&layout::manifest(name, digest)).await?.is_some()
            || self.belongs(name, digest).await?.is_some();
        Ok((!there).then(|| digest.clone()))
    }

    async fn put_manifest(
        &self,
        name: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        let exists = |tag: &Tag| {
            Error::new(ErrorKind::Conflict, format!("the tag {tag} exists in {name}")).at(&self.identity.place)
        };
        if condition == TagCondition::Absent {
            for tag in tags {
                if self.tag(name, tag).await?.is_some() {
                    return Err(exists(tag));
                }
            }
        }
        let descriptor = manifest.descriptor();
        self.add_manifest(name, manifest).await?;
        if let Some(subject) = manifest.manifest().subject() {
            let annotations = manifest.manifest().annotations().clone();
            self.add_referrer(name, &subject.digest, &Descriptor { annotations, ..descriptor.clone() }).await?;
        }
        for (place, tag) in tags.iter().enumerate() {
            match condition {
                TagCondition::Always => self.set_tag(name, tag, &descriptor).await?,
                TagCondition::Absent => {
                    if self.make_tag(name, tag, &descriptor).await? == Written::Before {
                        // Another push was faster. What this one made of several goes again.
                        for made in tags.iter().take(place) {
                            self.objects.remove(&layout::tag(name, made)).await?;
                        }
                        return Err(exists(tag));
                    }
                }
            }
        }
        Ok(())
    }
}

/// A blob on its way whose digest and size were announced.
struct Announced {
    blob: Descriptor,
    upload: Upload,
}

#[async_trait]
impl BlobUpload for Announced {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.upload.take(chunk).await
    }

    fn offset(&self) -> u64 {
        self.upload.length()
    }

    fn verifies(&self) -> bool {
        true
    }

    fn state(&self) -> Option<UploadState> {
        Some(UploadState { session: self.upload.word().to_owned(), offset: self.upload.length() })
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { blob, upload } = *self;
        if upload.length() != blob.size {
            let message = format!(
                "the content of {} has {} bytes, not the {} that were announced",
                blob.digest,
                upload.length(),
                blob.size
            );
            upload.give_up().await?;
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        upload.end(&blob.digest).await
    }

    async fn abort(self: Box<Self>) {
        // What stays is purged as an abandoned upload.
        let _ = self.upload.give_up().await;
    }
}
