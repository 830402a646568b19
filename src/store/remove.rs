//! Removing tags and manifests from the store. Their content stays until nothing names it and `prune` runs.

use async_trait::async_trait;

use super::membership::Repository;
use super::{Shared, Store};
use crate::image::{Digest, RepositoryName, Selector, Tag};
use crate::registry::{Remover, Result};

#[async_trait]
impl Remover for Store {
    async fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<()> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.with(move |shared| shared.remove_tag(&repository, &tag)).await
    }

    async fn remove_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.with(move |shared| shared.remove_manifest(&repository, &digest)).await
    }
}

impl Shared {
    fn remove_tag(&self, name: &RepositoryName, tag: &Tag) -> Result<()> {
        let repository = self.repository(name);
        if repository.tag(tag)?.is_none() {
            return Err(self.missing(&format!("tag `{tag}` in {name}")));
        }
        self.settled(|| {
            let _lock = repository.lock()?;
            self.take_tag(name, &repository, tag)
        })
    }

    fn remove_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<()> {
        let repository = self.repository(name);
        if repository.manifest(digest)?.is_none() {
            return Err(self.missing(&format!("manifest {digest} in {name}")));
        }
        self.settled(|| self.take_manifest(name, &repository, digest))
    }

    /// Removes a manifest, every tag that points at it, and its place among what refers to its subject.
    fn take_manifest(&self, name: &RepositoryName, repository: &Repository<'_>, digest: &Digest) -> Result<()> {
        let by_digest = Selector::Digest(digest.clone());
        let _lock = repository.lock()?;
        // What points at the manifest goes first, so that nothing ever points at what is not there.
        for tag in repository.tags()? {
            if repository.tag(&tag)?.is_some_and(|found| found.digest == *digest) {
                self.take_tag(name, repository, &tag)?;
            }
        }
        let unnamed = repository.remove_named(digest);
        self.touch(name, by_digest.clone());
        unnamed?;
        // A manifest whose content is damaged is removed all the same; its subject is not known then.
        if let Ok(manifest) = self.read_manifest(name, &by_digest)
            && let Some(subject) = manifest.manifest().subject()
        {
            repository.remove_referrer(&subject.digest, digest)?;
        }
        repository.remove_manifest(digest).map(drop)
    }

    /// Removes a tag, and notes it once it is gone, also where its removal may not be durable.
    pub(super) fn take_tag(&self, name: &RepositoryName, repository: &Repository<'_>, tag: &Tag) -> Result<()> {
        let removed = repository.remove_tag(tag);
        self.touch(name, Selector::Tag(tag.clone()));
        removed.map(drop)
    }
}
