//! Reading from a bucket, and listing what is in it.

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::facts::AT_ONCE;
use super::layout::{self, Kind};
use super::{Bucket, Shared};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    BlobReader, ByteRange, Catalog, Error, ErrorKind, Identity, ImageSource, Referrers, ReferrersFrom, Result,
};

/// The most names on one page of a list.
const PAGE: usize = 1000;

impl Shared {
    /// The manifest that a selector picks, as the repository describes it, with its bytes.
    async fn look_up(&self, name: &RepositoryName, selector: &Selector) -> Result<Option<(Descriptor, bytes::Bytes)>> {
        match selector {
            Selector::Digest(digest) => self.manifest_bytes(name, digest).await,
            Selector::Tag(tag) => match self.tag(name, tag).await? {
                Some(pointed) => self.manifest_bytes(name, &pointed.digest).await,
                None => Ok(None),
            },
        }
    }

    /// Reads and verifies a manifest.
    pub(super) async fn read_manifest(&self, name: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        let found = self.look_up(name, selector).await?;
        let (descriptor, bytes) = found.ok_or_else(|| self.missing(&format!("manifest `{selector}` in {name}")))?;
        let digest = match selector {
            Selector::Digest(digest) => digest,
            Selector::Tag(_) => &descriptor.digest,
        };
        verified(name, digest, &descriptor, bytes)
    }

    /// The repository of this name, if it holds any of these facts, and the names below it.
    async fn look_into(&self, name: String, kinds: &[Kind]) -> Result<(Option<RepositoryName>, Vec<String>)> {
        let slash = if name.is_empty() { "" } else { "/" };
        let parts = self.objects.directories(&format!("{}{slash}{name}", layout::REPOSITORIES)).await?;
        let is_one = kinds.iter().any(|kind| parts.iter().any(|part| part == kind.word()));
        let below = parts.into_iter().filter(|part| !part.starts_with('_'));
        // A longer path than any name stands for none; this also bounds the walk.
        let below =
            below.map(|part| format!("{name}{slash}{part}")).filter(|name| name.parse::<RepositoryName>().is_ok());
        let below = below.collect();
        Ok((is_one.then(|| name.parse().ok()).flatten(), below))
    }

    /// Every repository that holds facts of these kinds, level by level.
    pub(super) fn repositories_with<'a>(&'a self, kinds: &'a [Kind]) -> BoxStream<'a, Result<Vec<RepositoryName>>> {
        stream::try_unfold(vec![String::new()], move |level| async move {
            if level.is_empty() {
                return Ok(None);
            }
            let looked = stream::iter(level).map(|name| self.look_into(name, kinds)).buffered(AT_ONCE);
            let (found, below): (Vec<_>, Vec<_>) = looked.try_collect::<Vec<_>>().await?.into_iter().unzip();
            let found: Vec<RepositoryName> = found.into_iter().flatten().collect();
            Ok::<_, Error>(Some((found, below.into_iter().flatten().collect())))
        })
        .boxed()
    }

    /// The tags of a repository, which has to be there, in the order of their characters.
    fn tags<'a>(&'a self, name: &'a RepositoryName) -> BoxStream<'a, Result<Vec<Tag>>> {
        let listed = self.objects.list(&layout::facts(name, Kind::Tags));
        let pages = listed.try_filter_map(|found| async move { Ok(layout::last(&found.key).parse::<Tag>().ok()) });
        let pages = pages.try_chunks(PAGE).map_err(|error| error.1);
        let is_there = stream::once(async move {
            if self.has_any(name, Kind::Tags).await? || self.has_any(name, Kind::Manifests).await? {
                return Ok(Vec::new());
            }
            Err(self.missing(&format!("repository {name}")))
        });
        is_there.try_filter(|page| std::future::ready(!page.is_empty())).chain(pages).boxed()
    }
}

/// The manifest that `bytes` are, if it has this digest.
pub(super) fn verified(
    name: &RepositoryName,
    digest: &Digest,
    descriptor: &Descriptor,
    bytes: bytes::Bytes,
) -> Result<RawManifest> {
    let unusable = || Error::new(ErrorKind::Corrupt, format!("the manifest {digest} in {name} cannot be used"));
    let manifest = RawManifest::parse(bytes, Some(&descriptor.media_type), digest.algorithm())
        .map_err(|error| unusable().caused_by(error))?;
    if manifest.digest() == digest { Ok(manifest) } else { Err(unusable()) }
}

#[async_trait]
impl ImageSource for Bucket {
    fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        Ok(self.shared.look_up(repository, selector).await?.map(|(descriptor, _)| descriptor))
    }

    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        self.shared.read_manifest(repository, selector).await
    }

    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        let key = layout::belongs(repository, &blob.digest);
        // Side by side, because each is a way there and back; nobody reads what does not belong here.
        let (belongs, opened) = tokio::join!(self.shared.objects.look(&key), self.shared.open_blob(blob, range));
        if belongs?.is_none() {
            return Err(self.shared.missing(&format!("blob {} in {repository}", blob.digest)));
        }
        opened
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers> {
        let mut manifests = self.shared.referrers(repository, subject).await?;
        manifests.retain(|found| artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted)));
        Ok(Referrers { manifests, from: ReferrersFrom::Api })
    }
}

impl Catalog for Bucket {
    fn tags<'a>(&'a self, repository: &'a RepositoryName) -> BoxStream<'a, Result<Vec<Tag>>> {
        self.shared.tags(repository)
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<RepositoryName>>> {
        self.shared.repositories_with(&[Kind::Manifests])
    }
}
