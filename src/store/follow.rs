//! What automatic pull brings, and which tags follow an upstream.

use std::time::SystemTime;

use async_trait::async_trait;

use super::{Shared, Store};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{Follower, Result, TagCondition};

#[async_trait]
impl Follower for Store {
    async fn adopt(&self, repository: &RepositoryName, manifest: &RawManifest, tag: Option<&Tag>) -> Result<()> {
        let (repository, manifest, tag) = (repository.clone(), manifest.clone(), tag.cloned());
        self.with(move |shared| {
            shared.prepare()?;
            shared.settled(|| {
                let _passage = shared.hold()?;
                shared.renew_content(&manifest)?;
                shared.put_manifest(&repository, &manifest, tag.as_slice(), TagCondition::Always)?;
                tag.iter().try_for_each(|tag| shared.repository(&repository).set_followed(tag))
            })
        })
        .await
    }

    async fn followed(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<SystemTime>> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.with(move |shared| Ok(shared.repository(&repository).followed(&tag))).await
    }

    async fn confirm(&self, repository: &RepositoryName, tag: &Tag) -> Result<()> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.with(move |shared| shared.repository(&repository).confirm_followed(&tag)).await
    }

    async fn described(&self, repository: &RepositoryName, blob: &Digest) -> Result<Option<Descriptor>> {
        let (repository, blob) = (repository.clone(), blob.clone());
        self.with(move |shared| shared.described(&repository, &blob)).await
    }
}

impl Shared {
    fn described(&self, name: &RepositoryName, blob: &Digest) -> Result<Option<Descriptor>> {
        for digest in self.repository(name).manifests()? {
            // One that cannot be read says nothing of anything.
            let Ok(manifest) = self.read_manifest(name, &Selector::Digest(digest)) else { continue };
            if let Some(found) = manifest.manifest().blobs().find(|named| named.digest == *blob) {
                return Ok(Some(found.clone()));
            }
        }
        Ok(None)
    }
}
