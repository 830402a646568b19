//! One image on its way into an archive.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;

use super::{Ending, Pack, State, lists};
use crate::archive::packed::blob_name;
use crate::archive::selection::is_of_attached;
use crate::blobs::{Batches, Sink, blocking};
use crate::image::{ArchiveForm, Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, BlobUpload, Error, ErrorKind, Identity, ImageDestination, Intake, Keep, PushSession, Result, TagCondition,
    UploadState,
};

/// A place for one image in an archive that is being written; every tag means it, but for those of attached things.
#[derive(Clone)]
pub struct PackedImage {
    pack: Pack,
    name: Option<String>,
    ending: Ending,
}

impl PackedImage {
    pub(super) const fn new(pack: Pack, name: Option<String>, ending: Ending) -> Self {
        Self { pack, name, ending }
    }
}

#[async_trait]
impl ImageDestination for PackedImage {
    fn identity(&self) -> &Identity {
        &self.pack.shared.identity
    }

    fn intake(&self) -> Intake {
        Intake::InOrder
    }

    /// The archive is new, so no tag points anywhere.
    async fn resolve(&self, _: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        let Selector::Digest(digest) = selector else { return Ok(None) };
        Ok(self.pack.shared.state.lock().await.manifest(digest))
    }

    async fn has_blob(&self, _: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        Ok(self.pack.shared.state.lock().await.has(blob))
    }

    /// Waits until no other blob is being written.
    async fn begin_blob(
        &self,
        _: &RepositoryName,
        blob: &Descriptor,
        _from: Option<&RepositoryName>,
        _resume: Option<&UploadState>,
    ) -> Result<Begun> {
        let mut state = std::sync::Arc::clone(&self.pack.shared.state).lock_owned().await;
        if state.has(blob) {
            return Ok(Begun::Present);
        }
        let (name, begun) = (blob_name(&blob.digest), blob.clone());
        let member = blocking(move || {
            state.tar()?.begin(&name, begun.size)?;
            Ok(Member { state, blob: begun })
        });
        let batches = Batches::new(Box::new(member.await.map_err(|error| error.at(&self.identity().place))?));
        Ok(Begun::Upload(Box::new(MemberUpload { batches, offset: 0, place: self.identity().place.clone() })))
    }

    async fn push_manifest(
        &self,
        _: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        if condition == TagCondition::Absent && self.pack.shared.replaces && !tags.is_empty() {
            let message = "there is a file of that name".to_owned();
            return Err(Error::new(ErrorKind::Conflict, message).at(&self.identity().place));
        }
        let (manifest, attached) = (manifest.clone(), attached_names(tags));
        self.pack
            .with(move |state| {
                state.put_manifest(&manifest)?;
                let described = manifest.descriptor();
                for name in &attached {
                    state.index.put(Some(name), &described)?;
                }
                if attached.is_empty() && manifest.manifest().subject().is_some() {
                    state.index.put(None, &described)?;
                }
                Ok(())
            })
            .await
    }

    async fn begin_session(&self, _: &RepositoryName) -> Result<Box<dyn PushSession>> {
        Ok(Box::new(Session { image: self.clone() }))
    }
}

/// The tags that are names of their own in the archive.
fn attached_names(tags: &[Tag]) -> Vec<String> {
    tags.iter().filter(|tag| is_of_attached(tag)).map(ToString::to_string).collect()
}

/// A push into an archive. Nobody else is at it, so it leases nothing.
struct Session {
    image: PackedImage,
}

#[async_trait]
impl PushSession for Session {
    /// Lists the image.
    async fn finish(self: Box<Self>, image: &Digest, _: Keep) -> Result<()> {
        let PackedImage { pack, name, ending } = self.image;
        let (image, form) = (image.clone(), pack.shared.form);
        pack.with(move |state| state.list(&image, name.as_deref(), form)).await?;
        match ending {
            Ending::WithImage => pack.finish().await,
            Ending::WhenTold => Ok(()),
        }
    }
}

impl State {
    /// Lists an image under its name.
    fn list(&mut self, image: &Digest, name: Option<&str>, form: ArchiveForm) -> Result<()> {
        let lacks = || Error::new(ErrorKind::MissingBlobs, format!("the archive lacks the manifest {image}"));
        let described = self.manifests.get(image).ok_or_else(lacks)?.descriptor();
        match name {
            Some(name) if form == ArchiveForm::Docker || lists::is_full(name) => {
                self.index.put_reference(name, &described)?;
            }
            name => self.index.put(name, &described)?,
        }
        lists::add(&mut self.images, image, name);
        Ok(())
    }
}

/// The member that a blob is written into; nobody else writes meanwhile.
struct Member {
    state: OwnedMutexGuard<State>,
    blob: Descriptor,
}

impl Sink for Member {
    fn take(&mut self, batch: &[Bytes]) -> Result<()> {
        let tar = self.state.tar()?;
        batch.iter().try_for_each(|piece| tar.content(piece))
    }
}

impl Member {
    fn finish(mut self, batch: &[Bytes]) -> Result<()> {
        self.take(batch)?;
        self.state.tar()?.end()?;
        let Descriptor { digest, size, .. } = self.blob;
        self.state.blobs.insert(digest, size);
        Ok(())
    }
}

/// A blob on its way. Whoever sends it compares it with its digest, while it is written here.
struct MemberUpload {
    batches: Batches<Member>,
    offset: u64,
    place: String,
}

#[async_trait]
impl BlobUpload for MemberUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.offset += chunk.len() as u64;
        self.batches.write(chunk).await.map_err(|error| error.at(&self.place))
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn state(&self) -> Option<UploadState> {
        None
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        let ended = async {
            let (member, batch) = self.batches.end().await?;
            blocking(move || member.finish(&batch)).await
        };
        ended.await.map_err(|error| error.at(&self.place))
    }

    /// The next member begins in its place.
    async fn abort(self: Box<Self>) {}
}
