//! A destination that gives what it overwrites another name first.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::BackupName;
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, Error, ErrorKind, Identity, ImageDestination, Intake, PushSession, Registry, Result, TagCondition,
    UploadState,
};

/// A place that is written to as before, but for tags that move: what they pointed at keeps a name.
///
/// It is looked up when the tag is about to move, so that what came there meanwhile is kept too.
pub(super) struct Keeping {
    inner: Arc<dyn Registry>,
    name: BackupName,
    now: Timestamp,
    kept: Mutex<Vec<Kept>>,
}

/// A tag that moved, and the name of what it pointed at.
struct Kept {
    moved: Tag,
    backup: Tag,
}

impl Keeping {
    /// The place, with names after `name`.
    pub(super) fn new(inner: Arc<dyn Registry>, name: BackupName, now: Timestamp) -> Self {
        Self { inner, name, now, kept: Mutex::default() }
    }

    /// The name that was given to what `tag` pointed at, where it moved; told once.
    pub(super) fn take(&self, tag: &Tag) -> Option<Tag> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|kept| kept.moved == *tag)?;
        Some(kept.swap_remove(place).backup)
    }

    /// The name that what `tag` points at would keep when the tag moves to `digest`; changes nothing.
    ///
    /// # Errors
    /// As [`ImageDestination::resolve`].
    pub(super) async fn foresee(&self, repository: &RepositoryName, tag: &Tag, digest: &Digest) -> Result<Option<Tag>> {
        Ok(self.free_name(repository, tag, digest).await?.map(|(_, backup, _)| backup))
    }

    /// What `tag` points at, where that is not `digest`, the name for it, and whether it has that name already.
    async fn free_name(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<Option<(Digest, Tag, Standing)>> {
        let found = ImageDestination::resolve(&*self.inner, repository, &Selector::Tag(tag.clone())).await?;
        let old = found.map(|old| old.digest).filter(|old| old != digest);
        let Some(old) = old else { return Ok(None) };
        for name in self.name.names(tag, &old, self.now) {
            let failed = |what: String| Error::new(ErrorKind::Conflict, what).at(&*self.inner_identity().place);
            let backup = name.map_err(|error| failed(format!("what `{tag}` points at cannot keep a name: {error}")))?;
            let there = ImageDestination::resolve(&*self.inner, repository, &Selector::Tag(backup.clone())).await?;
            match there {
                None => return Ok(Some((old, backup, Standing::Free))),
                Some(there) if there.digest == old => {
                    return Ok(Some((old, backup, Standing::There)));
                }
                Some(_) => {}
            }
        }
        let what = format!("every name for what `{tag}` points at is taken; use `{{time}}` or `{{digest}}` in it");
        Err(Error::new(ErrorKind::Conflict, what).at(&*self.inner_identity().place))
    }

    fn inner_identity(&self) -> &Identity {
        ImageDestination::identity(&*self.inner)
    }

    async fn keep(&self, repository: &RepositoryName, tag: &Tag, digest: &Digest) -> Result<()> {
        let Some((old, backup, standing)) = self.free_name(repository, tag, digest).await? else { return Ok(()) };
        if standing == Standing::Free {
            let manifest = self.inner.manifest(repository, &Selector::Digest(old)).await?;
            let tags = std::slice::from_ref(&backup);
            self.inner.push_manifest(repository, &manifest, tags, TagCondition::Always).await?;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(Kept { moved: tag.clone(), backup });
        Ok(())
    }
}

/// Whether a name is to be given or was given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Free,
    There,
}

#[async_trait]
impl ImageDestination for Keeping {
    fn identity(&self) -> &Identity {
        self.inner_identity()
    }

    fn intake(&self) -> Intake {
        self.inner.intake()
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        ImageDestination::resolve(&*self.inner, repository, selector).await
    }

    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        self.inner.has_blob(repository, blob).await
    }

    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Begun> {
        self.inner.begin_blob(repository, blob, from, resume).await
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        for tag in tags {
            self.keep(repository, tag, manifest.digest()).await?;
        }
        self.inner.push_manifest(repository, manifest, tags, condition).await
    }

    async fn begin_session(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        self.inner.begin_session(repository).await
    }
}
