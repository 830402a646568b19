//! Removing tags and manifests. Their content stays until nothing names it and is collected.

use async_trait::async_trait;

use super::{Bucket, Shared, layout};
use crate::image::{Digest, RepositoryName, Selector, Tag};
use crate::registry::{Remover, Result};

#[async_trait]
impl Remover for Bucket {
    async fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<()> {
        let removed = self.shared.remove_tag(repository, tag).await?;
        if removed { Ok(()) } else { Err(self.shared.missing(&format!("tag `{tag}` in {repository}"))) }
    }

    async fn remove_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        if self.shared.objects.look(&layout::manifest(repository, digest)).await?.is_none() {
            return Err(self.shared.missing(&format!("manifest {digest} in {repository}")));
        }
        self.shared.take_out(repository, digest).await
    }
}

impl Shared {
    /// Removes a manifest, every tag that points at it, and its place among what refers to its subject.
    pub(super) async fn take_out(&self, name: &RepositoryName, digest: &Digest) -> Result<()> {
        // What points at the manifest goes first, so that nothing ever points at what is not there.
        for tag in self.tags_of(name, digest).await? {
            self.objects.remove(&layout::tag(name, &tag)).await?;
        }
        self.objects.remove(&layout::named(name, digest)).await?;
        // A manifest whose content is damaged is removed all the same; its subject is not known then.
        if let Ok(manifest) = self.read_manifest(name, &Selector::Digest(digest.clone())).await
            && let Some(subject) = manifest.manifest().subject()
        {
            self.objects.remove(&layout::referrer(name, &subject.digest, digest)).await?;
        }
        self.objects.remove(&layout::manifest(name, digest)).await
    }
}
