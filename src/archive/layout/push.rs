//! Writing an image into a layout: blobs and manifests as files, the name of the image last, in `index.json`.

use async_trait::async_trait;

use super::{Layout, Shared};
use crate::archive::require_content;
use crate::archive::selection::is_of_attached;
use crate::blobs::{self, BlobBegun, Entry, Index, update_index};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, ErrorKind, Identity, ImageDestination, ImageSource, Keep, PushSession, Result, TagCondition, UploadState,
};

#[async_trait]
impl ImageDestination for Layout {
    fn identity(&self) -> &Identity {
        &self.shared.place.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        self.shared.image.resolve(repository, selector).await
    }

    async fn has_blob(&self, _: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        let blob = blob.clone();
        self.with(move |shared| shared.place.blobs.has(&blob)).await
    }

    /// A blob that is there is verified before it is called present, because anyone may have put it there.
    async fn begin_blob(
        &self,
        _: &RepositoryName,
        blob: &Descriptor,
        _from: Option<&RepositoryName>,
        _resume: Option<&UploadState>,
    ) -> Result<Begun> {
        let wanted = blob.clone();
        let present = self
            .with(move |shared| {
                blobs::prepare(&*shared.disk, &shared.place.root)?;
                shared.place.blobs.verify(&wanted)
            })
            .await?;
        if present {
            return Ok(Begun::Present);
        }
        Ok(match self.shared.place.blobs.begin(blob).await? {
            BlobBegun::Present => Begun::Present,
            BlobBegun::Write(write) => Begun::Upload(write),
        })
    }

    async fn push_manifest(
        &self,
        _: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        let (manifest, tags) = (manifest.clone(), tags.to_vec());
        self.with(move |shared| shared.put_manifest(&manifest, &tags, condition)).await
    }

    async fn begin_session(&self, _: &RepositoryName) -> Result<Box<dyn PushSession>> {
        Ok(Box::new(Session { layout: self.clone() }))
    }
}

/// A push into a layout. Nothing removes from one, so it leases nothing.
struct Session {
    layout: Layout,
}

#[async_trait]
impl PushSession for Session {
    async fn finish(self: Box<Self>, image: &Digest, _: Keep) -> Result<()> {
        let image = image.clone();
        self.layout.with(move |shared| shared.finish(&image)).await
    }
}

impl Shared {
    fn put_manifest(&self, manifest: &RawManifest, tags: &[Tag], condition: TagCondition) -> Result<()> {
        blobs::prepare(&*self.disk, &self.place.root)?;
        let shown = self.place.root.display().to_string();
        require_content(manifest, &shown, |content| self.place.blobs.has(content))
            .map_err(|error| error.at(&self.place.identity.place))?;
        self.place.blobs.put_document(manifest.digest(), manifest.bytes())?;
        let attached = manifest.manifest().subject().is_some();
        if tags.is_empty() && !attached {
            return Ok(());
        }
        let descriptor = manifest.descriptor();
        update_index(&*self.disk, &self.place.root, |index| {
            let mut index = index?;
            for tag in tags {
                let name = if is_of_attached(tag) { Some(tag.as_str()) } else { self.name.as_deref() };
                self.put(&mut index, name, &descriptor, condition)?;
            }
            if tags.is_empty() {
                index.put(None, &descriptor)?;
            }
            Ok(index)
        })
    }

    /// Names a manifest, in place of what had the name.
    fn put(&self, index: &mut Index, name: Option<&str>, manifest: &Descriptor, condition: TagCondition) -> Result<()> {
        let has_it = |entry: &Entry| entry.name() == name && (name.is_some() || self.image.view().is_image(entry));
        if condition == TagCondition::Absent && index.entries().iter().any(has_it) {
            let message = match name {
                Some(name) => format!("{} holds an image `{}`", self.place.root.display(), name.escape_debug()),
                None => format!("{} holds an image without a name", self.place.root.display()),
            };
            return Err(self.place.error(ErrorKind::Conflict, message));
        }
        if name.is_none() {
            index.retain(|entry| !has_it(entry));
        }
        index.put(name, manifest)
    }

    /// Ends the push of `image`: an image that came without a tag gets its name now.
    fn finish(&self, image: &Digest) -> Result<()> {
        let view = self.image.view();
        let found = view.by_digest(image)?;
        let named = view.image()?.is_some_and(|found| found.digest == *image);
        if let (Some(found), false) = (found, named) {
            update_index(&*self.disk, &self.place.root, |index| {
                let mut index = index?;
                self.put(&mut index, self.name.as_deref(), &found, TagCondition::Always)?;
                Ok(index)
            })?;
        }
        // Where it is not empty, it holds what another push or the next one goes on with.
        let _ = std::fs::remove_dir(self.place.root.join("uploads"));
        Ok(())
    }
}
