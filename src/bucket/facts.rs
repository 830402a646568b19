//! The facts of one repository: which manifests and blobs belong to it, what its tags point at, what refers to what.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::layout::{self, Kind};
use super::objects::Put;
use super::{MAX_FACT_BYTES, Shared, unused_word};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Tag};
use crate::registry::{Error, ErrorKind, Result};

/// How many facts are read at once.
pub(super) const AT_ONCE: usize = 16;

/// The content of a tag.
#[derive(Debug, Serialize, Deserialize)]
struct Pointer {
    #[serde(flatten)]
    manifest: Descriptor,
    /// Who wrote it, so that whoever did knows it for theirs also where the answer was lost.
    #[serde(default)]
    by: String,
}

/// The content of the fact that a blob belongs to a repository.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Belonging {
    pub(super) size: u64,
}

/// Whether a fact was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It was.
    Now,
    /// It was there.
    Before,
}

impl Shared {
    /// What a tag points at.
    pub(super) async fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Descriptor>> {
        let found = self.fact::<Pointer>(&layout::tag(repository, tag)).await?;
        Ok(found.map(|pointer| pointer.manifest))
    }

    /// Moves a tag, whatever it points at.
    pub(super) async fn set_tag(&self, repository: &RepositoryName, tag: &Tag, manifest: &Descriptor) -> Result<()> {
        let before = self.tag(repository, tag).await?;
        let pointer = Pointer { manifest: manifest.clone(), by: String::new() };
        self.put_fact(&layout::tag(repository, tag), written(&pointer)?).await?;
        match before.filter(|before| before.digest != manifest.digest) {
            Some(left) => self.leave(repository, &left.digest).await,
            None => Ok(()),
        }
    }

    /// Removes a tag, and says whether it was there.
    pub(super) async fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool> {
        let Some(left) = self.tag(repository, tag).await? else { return Ok(false) };
        self.objects.remove(&layout::tag(repository, tag)).await?;
        self.leave(repository, &left.digest).await?;
        Ok(true)
    }

    /// Notes that a manifest has lost a tag now: how long it has been without is counted from then on.
    async fn leave(&self, repository: &RepositoryName, manifest: &Digest) -> Result<()> {
        self.touch(&layout::manifest(repository, manifest)).await
    }

    /// Makes a tag that is not there. Of several who do so at once one is told `Now`.
    pub(super) async fn make_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        manifest: &Descriptor,
    ) -> Result<Written> {
        let (key, by) = (layout::tag(repository, tag), unused_word()?);
        let pointer = Pointer { manifest: manifest.clone(), by: by.clone() };
        if self.objects.create(&key, written(&pointer)?).await? != Put::Refused {
            return Ok(Written::Now);
        }
        // A try whose answer was lost has been repeated, and met itself.
        let there = self.fact::<Pointer>(&key).await?;
        Ok(if there.is_some_and(|there| there.by == by) { Written::Now } else { Written::Before })
    }

    /// A manifest that belongs to a repository, with its bytes as they are there.
    pub(super) async fn manifest_bytes(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<(Descriptor, Bytes)>> {
        let key = layout::manifest(repository, digest);
        let Some(found) = self.objects.read(&key, MAX_FACT_BYTES).await? else { return Ok(None) };
        self.split(&key, &found.bytes).map(Some)
    }

    /// The descriptor and the bytes that the object of a manifest holds.
    pub(super) fn split(&self, key: &str, object: &Bytes) -> Result<(Descriptor, Bytes)> {
        let end = object.iter().position(|byte| *byte == b'\n').unwrap_or(object.len());
        let descriptor = self.understood(key, object.get(..end).unwrap_or_default())?;
        Ok((descriptor, object.slice((end + 1).min(object.len())..)))
    }

    /// Puts a manifest into a repository.
    pub(super) async fn add_manifest(&self, repository: &RepositoryName, manifest: &RawManifest) -> Result<()> {
        let descriptor = written(&manifest.descriptor())?;
        let mut object = BytesMut::with_capacity(descriptor.len() + 1 + manifest.bytes().len());
        object.put(descriptor);
        object.put_u8(b'\n');
        object.put(manifest.bytes().clone());
        self.keep(&layout::manifest(repository, manifest.digest()), object.freeze()).await
    }

    /// The size of a blob that belongs to a repository; a push may rely on it.
    pub(super) async fn belongs(&self, repository: &RepositoryName, blob: &Digest) -> Result<Option<u64>> {
        let key = layout::belongs(repository, blob);
        let Some(found) = self.rely_on(&key).await? else { return Ok(None) };
        Ok(Some(self.understood::<Belonging>(&key, &found)?.size))
    }

    /// Makes a blob belong to a repository. A push relies on its content already.
    pub(super) async fn add_blob(&self, repository: &RepositoryName, blob: &Digest, size: u64) -> Result<()> {
        self.keep(&layout::belongs(repository, blob), written(&Belonging { size })?).await
    }

    /// What refers to `subject`, in the order of their digests.
    pub(super) async fn referrers(&self, repository: &RepositoryName, subject: &Digest) -> Result<Vec<Descriptor>> {
        let listed = self.objects.list(&layout::referrers(repository, subject));
        let read = listed.map_ok(|found| async move { self.fact::<Descriptor>(&found.key).await });
        let found: Vec<Option<Descriptor>> = read.try_buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Lists a manifest among those that refer to `subject`.
    pub(super) async fn add_referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Descriptor,
    ) -> Result<()> {
        self.objects.write(&layout::referrer(repository, subject, &referrer.digest), written(referrer)?).await.map(drop)
    }

    /// The tags of a repository that point at a manifest.
    pub(super) async fn tags_of(&self, repository: &RepositoryName, manifest: &Digest) -> Result<Vec<Tag>> {
        let tags = self.objects.list(&layout::facts(repository, Kind::Tags));
        let tags = tags.try_filter_map(|found| async move { Ok(layout::last(&found.key).parse::<Tag>().ok()) });
        let looked = tags.map_ok(|tag| async move {
            let pointed = self.tag(repository, &tag).await?;
            Ok::<_, Error>(pointed.filter(|pointed| pointed.digest == *manifest).map(|_| tag))
        });
        looked.try_buffered(AT_ONCE).try_filter_map(|tag| async move { Ok(tag) }).try_collect().await
    }

    /// Whether anything of a kind is in a repository.
    pub(super) async fn has_any(&self, repository: &RepositoryName, kind: Kind) -> Result<bool> {
        Ok(self.objects.list(&layout::facts(repository, kind)).try_next().await?.is_some())
    }

    /// Removes a fact, and says whether it was there.
    pub(super) async fn remove_fact(&self, key: &str) -> Result<bool> {
        let there = self.objects.look(key).await?.is_some();
        if there {
            self.objects.remove(key).await?;
        }
        Ok(there)
    }

    /// Reads a fact.
    pub(super) async fn fact<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(found) = self.objects.read(key, MAX_FACT_BYTES).await? else { return Ok(None) };
        self.understood(key, &found.bytes).map(Some)
    }

    /// What the bytes of an object say.
    pub(super) fn understood<T: DeserializeOwned>(&self, key: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| {
            let message = format!("{key} in {} cannot be understood", self.objects.shown());
            Error::new(ErrorKind::Corrupt, message).caused_by(error)
        })
    }
}

/// A fact as an object.
pub(super) fn written(fact: &impl Serialize) -> Result<Bytes> {
    let bytes = serde_json::to_vec(fact);
    bytes.map(Bytes::from).map_err(|error| Error::new(ErrorKind::Storage, "a fact cannot be written").caused_by(error))
}
