//! Reading from the store, and listing what is in it.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use super::membership::{self, Repository};
use super::{Shared, Store};
use crate::image::{Descriptor, Digest, DigestPrefix, RawManifest, RepositoryName, Selector, StoreSelector, Tag};
use crate::registry::{
    BlobReader, ByteRange, Catalog, Error, ErrorKind, Identity, ImageSource, Referrers, ReferrersFrom, Remedy, Result,
};

/// The most names on one page of a list.
const PAGE: usize = 1000;
/// The most candidates that are named for a truncated digest.
const CANDIDATES: usize = 10;

impl Store {
    /// What a user's words for an image of the store pick; a truncated digest is completed.
    ///
    /// # Errors
    /// `NotFound` where no manifest begins so, `Conflict` with the candidates where several do.
    pub async fn select(&self, repository: &RepositoryName, selector: &StoreSelector) -> Result<Selector> {
        match selector {
            StoreSelector::Tag(tag) => Ok(Selector::Tag(tag.clone())),
            StoreSelector::Digest(digest, _) => Ok(Selector::Digest(digest.clone())),
            StoreSelector::Prefix(prefix) => {
                let (repository, prefix) = (repository.clone(), prefix.clone());
                self.with(move |shared| shared.complete(&repository, &prefix)).await.map(Selector::Digest)
            }
        }
    }
}

impl Shared {
    /// The one manifest of a repository whose digest begins with `prefix`.
    fn complete(&self, name: &RepositoryName, prefix: &DigestPrefix) -> Result<Digest> {
        let mut found = self.repository(name).manifests()?;
        found.retain(|digest| prefix.matches(digest));
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(self.missing(&format!("manifest {prefix}… in {name}"))),
            several => {
                let message = format!("{} manifests in {name} begin with {prefix}", several.len());
                let listed: Vec<String> = several.iter().take(CANDIDATES).map(ToString::to_string).collect();
                let remedy = Remedy::Other(format!("name one of them: {}", listed.join(", ")));
                Err(Error::new(ErrorKind::Conflict, message).at(&self.identity.place).with_remedy(remedy))
            }
        }
    }

    /// The manifest that a selector picks, as the repository describes it.
    pub(super) fn look_up(&self, name: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        let repository = self.repository(name);
        let found = match selector {
            Selector::Digest(digest) => repository.manifest(digest)?,
            Selector::Tag(tag) => match repository.tag(tag)? {
                Some(pointed) => repository.manifest(&pointed.digest)?,
                None => None,
            },
        };
        // What was set aside as damaged is not here until it comes again.
        match found {
            Some(manifest) if self.blobs.length(&manifest.digest)?.is_some() => Ok(Some(manifest)),
            _ => Ok(None),
        }
    }

    /// Reads and verifies a manifest.
    pub(super) fn read_manifest(&self, name: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        let found = self.look_up(name, selector)?;
        let descriptor = found.ok_or_else(|| self.missing(&format!("manifest `{selector}` in {name}")))?;
        let digest = &descriptor.digest;
        let bytes = self.blobs.document(digest)?;
        let bytes = bytes.ok_or_else(|| self.missing(&format!("content of the manifest {digest} in {name}")))?;
        RawManifest::parse(bytes, Some(&descriptor.media_type), digest.algorithm()).map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("the manifest {digest} in {name} cannot be used")).caused_by(error)
        })
    }

    /// The tags, or that the repository is not there.
    fn tags(&self, name: &RepositoryName) -> Result<Vec<Tag>> {
        let repository: Repository<'_> = self.repository(name);
        let tags = repository.tags()?;
        if tags.is_empty() && repository.manifests()?.is_empty() {
            return Err(self.missing(&format!("repository {name}")));
        }
        Ok(tags)
    }
}

#[async_trait]
impl ImageSource for Store {
    fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        let (repository, selector) = (repository.clone(), selector.clone());
        self.with(move |shared| shared.look_up(&repository, &selector)).await
    }

    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        let (repository, selector) = (repository.clone(), selector.clone());
        self.with(move |shared| shared.read_manifest(&repository, &selector)).await
    }

    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        let (name, digest) = (repository.clone(), blob.digest.clone());
        let belongs = self.with(move |shared| Ok(shared.repository(&name).has_blob(&digest))).await?;
        if !belongs {
            return Err(self.shared.missing(&format!("blob {} in {repository}", blob.digest)));
        }
        self.shared.blobs.open(blob, range).await
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers> {
        let (repository, subject) = (repository.clone(), subject.clone());
        let mut manifests = self.with(move |shared| shared.repository(&repository).referrers(&subject)).await?;
        manifests.retain(|found| artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted)));
        Ok(Referrers { manifests, from: ReferrersFrom::Api })
    }
}

impl Catalog for Store {
    fn tags<'a>(&'a self, repository: &'a RepositoryName) -> BoxStream<'a, Result<Vec<Tag>>> {
        let name = repository.clone();
        pages(self.with(move |shared| shared.tags(&name)))
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<RepositoryName>>> {
        pages(self.with(|shared| membership::repositories(&shared.root)))
    }
}

/// Hands out a list page by page once it is there.
fn pages<'a, T: Clone + Send + 'a>(
    all: impl Future<Output = Result<Vec<T>>> + Send + 'a,
) -> BoxStream<'a, Result<Vec<T>>> {
    let paged = |all: Result<Vec<T>>| match all {
        Ok(all) => all.chunks(PAGE).map(|page| Ok(page.to_vec())).collect(),
        Err(error) => vec![Err(error)],
    };
    stream::once(all).flat_map(move |all| stream::iter(paged(all))).boxed()
}
