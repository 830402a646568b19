//! Reading an image of a layout.

use async_trait::async_trait;

use super::{Image, Layout, Shared};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector};
use crate::registry::{
    BlobReader, ByteRange, Error, ErrorKind, Identity, ImageSource, Referrers, ReferrersFrom, Result,
};

#[async_trait]
impl ImageSource for Layout {
    fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    async fn resolve(&self, _: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        let selector = selector.clone();
        self.with(move |shared| shared.look_up(&selector)).await
    }

    async fn manifest(&self, _: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        let selector = selector.clone();
        self.with(move |shared| match shared.look_up(&selector)? {
            Some(found) => shared.read(&found),
            None => Err(shared.no_manifest(&selector)),
        })
        .await
    }

    async fn blob(&self, _: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        self.shared.blobs.open(blob, range).await
    }

    /// A layout has no list of referrers, so every entry is looked into.
    async fn referrers(&self, _: &RepositoryName, subject: &Digest, artifact_type: Option<&str>) -> Result<Referrers> {
        let subject = subject.clone();
        let mut manifests = self.with(move |shared| shared.referrers_of(&subject)).await?;
        manifests.retain(|found| artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted)));
        Ok(Referrers { manifests, from: ReferrersFrom::Api })
    }
}

impl Shared {
    fn no_manifest(&self, selector: &Selector) -> Error {
        if let (Selector::Tag(_), Image::Source(_)) = (selector, &self.image) {
            return self.no_image();
        }
        self.error(ErrorKind::NotFound, format!("{} holds no manifest `{selector}`", self.root.display()))
    }

    fn referrers_of(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let mut found: Vec<Descriptor> = Vec::new();
        for entry in self.index()?.entries() {
            // What cannot be read is not known to refer to anything; whoever reads it by name hears why.
            let Ok(manifest) = self.read(entry.descriptor()) else { continue };
            let refers = manifest.manifest().subject().is_some_and(|own| own.digest == *subject);
            if refers && found.iter().all(|known| known.digest != *manifest.digest()) {
                let annotations = manifest.manifest().annotations().clone();
                found.push(Descriptor { annotations, ..manifest.descriptor() });
            }
        }
        Ok(found)
    }
}
