//! The store's twin in memory: the same contract, nothing on disk, gone with the process.
//!
//! Tests of whatever moves images use it, and so can a server that need not remember. It keeps what the
//! contract promises and adds nothing: one set of blobs, and per repository what belongs to it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, BlobReader, BlobUpload, ByteRange, Catalog, Error, ErrorKind, Identity, ImageDestination, ImageSource,
    NoSession, PushSession, Referrers, ReferrersFrom, Remover, Result, TagCondition, UploadState, Verifier,
};

/// The most names on one page of a list.
const PAGE: usize = 100;

/// Images in memory. Clones share what they hold.
#[derive(Clone, Debug)]
pub struct Memory {
    identity: Identity,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    blobs: HashMap<Digest, Bytes>,
    repositories: BTreeMap<RepositoryName, Repository>,
    uploads: HashMap<String, Partial>,
    sessions: u64,
}

/// What belongs to one repository; a blob is visible only where it belongs.
#[derive(Debug, Default)]
struct Repository {
    blobs: HashSet<Digest>,
    manifests: BTreeMap<Digest, RawManifest>,
    tags: BTreeMap<Tag, Digest>,
}

/// The beginning of a blob, kept until its upload is committed or aborted.
#[derive(Debug)]
struct Partial {
    repository: RepositoryName,
    digest: Digest,
    bytes: BytesMut,
}

impl Memory {
    /// An empty store that goes by `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity, state: Arc::default() }
    }

    /// Drops a blob from a repository though manifests may name it, as upkeep does that runs beside a push.
    pub fn lose_blob(&self, repository: &RepositoryName, blob: &Digest) {
        if let Some(held) = self.state().repositories.get_mut(repository) {
            held.blobs.remove(blob);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn missing(&self, what: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no {what}")).at(&self.identity.place)
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn find(&self, repository: &RepositoryName, selector: &Selector) -> Option<&RawManifest> {
        let repository = self.repositories.get(repository)?;
        let digest = match selector {
            Selector::Tag(tag) => repository.tags.get(tag)?,
            Selector::Digest(digest) => digest,
        };
        repository.manifests.get(digest)
    }

    fn has(&self, repository: &RepositoryName, blob: &Digest) -> bool {
        self.repositories.get(repository).is_some_and(|repository| repository.blobs.contains(blob))
    }

    /// Takes up the upload that `resume` names where it is one of this blob, else begins one.
    fn upload(&mut self, repository: &RepositoryName, blob: &Digest, resume: Option<&UploadState>) -> String {
        let kept = resume
            .and_then(|resume| self.uploads.get_key_value(&resume.session))
            .filter(|(_, partial)| partial.repository == *repository && partial.digest == *blob);
        if let Some((session, _)) = kept {
            return session.clone();
        }
        self.sessions += 1;
        let session = self.sessions.to_string();
        let partial = Partial { repository: repository.clone(), digest: blob.clone(), bytes: BytesMut::new() };
        self.uploads.insert(session.clone(), partial);
        session
    }
}

impl Repository {
    /// What `manifest` names and this repository lacks; foreign layers are nobody's to have.
    fn lacks(&self, manifest: &RawManifest) -> Vec<Digest> {
        let view = manifest.manifest();
        let blobs = view.blobs().filter(|blob| !blob.is_foreign() && !self.blobs.contains(&blob.digest));
        let held =
            |child: &Descriptor| self.manifests.contains_key(&child.digest) || self.blobs.contains(&child.digest);
        let children = view.children().iter().filter(|child| !held(child));
        blobs.chain(children).map(|content| content.digest.clone()).collect()
    }
}

#[async_trait]
impl ImageSource for Memory {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        Ok(self.state().find(repository, selector).map(RawManifest::descriptor))
    }

    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        let found = self.state().find(repository, selector).cloned();
        found.ok_or_else(|| self.missing(&format!("manifest `{selector}` in {repository}")))
    }

    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        let state = self.state();
        let found = state.blobs.get(&blob.digest).filter(|_| state.has(repository, &blob.digest));
        let whole = found.ok_or_else(|| self.missing(&format!("blob {} in {repository}", blob.digest)))?;
        let end = |offset: u64| usize::try_from(offset).map_or(whole.len(), |offset| offset.min(whole.len()));
        let from = end(range.from);
        let to = range.to.map_or(whole.len(), end).max(from);
        Ok(BlobReader::of(from as u64, whole.slice(from..to)))
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers> {
        let state = self.state();
        let held = state.repositories.get(repository).into_iter().flat_map(|repository| repository.manifests.values());
        let refers = |manifest: &&RawManifest| {
            manifest.manifest().subject().is_some_and(|found| found.digest == *subject)
                && artifact_type.is_none_or(|wanted| manifest.manifest().artifact_type() == Some(wanted))
        };
        let describe = |manifest: &RawManifest| {
            let annotations = manifest.manifest().annotations().clone();
            Descriptor { annotations, ..manifest.descriptor() }
        };
        Ok(Referrers { manifests: held.filter(refers).map(describe).collect(), from: ReferrersFrom::Api })
    }
}

#[async_trait]
impl ImageDestination for Memory {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        ImageSource::resolve(self, repository, selector).await
    }

    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        Ok(self.state().has(repository, &blob.digest))
    }

    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Begun> {
        let mut state = self.state();
        if state.has(repository, &blob.digest) {
            return Ok(Begun::Present);
        }
        if from.is_some_and(|from| state.has(from, &blob.digest)) {
            state.repositories.entry(repository.clone()).or_default().blobs.insert(blob.digest.clone());
            return Ok(Begun::Mounted);
        }
        let session = state.upload(repository, &blob.digest, resume);
        let offset = state.uploads.get(&session).map_or(0, |partial| partial.bytes.len() as u64);
        let place = self.identity.place.clone();
        Ok(Begun::Upload(Box::new(Upload { place, state: self.state.clone(), blob: blob.clone(), session, offset })))
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        let mut state = self.state();
        let held = state.repositories.entry(repository.clone()).or_default();
        let missing = held.lacks(manifest);
        if !missing.is_empty() {
            let message = format!("{repository} lacks content that the manifest {} names", manifest.digest());
            return Err(Error::new(ErrorKind::MissingBlobs, message).at(&self.identity.place).with_missing(missing));
        }
        if let (TagCondition::Absent, Some(tag)) = (condition, tags.iter().find(|tag| held.tags.contains_key(tag))) {
            let message = format!("the tag {tag} exists in {repository}");
            return Err(Error::new(ErrorKind::Conflict, message).at(&self.identity.place));
        }
        held.manifests.insert(manifest.digest().clone(), manifest.clone());
        held.tags.extend(tags.iter().map(|tag| (tag.clone(), manifest.digest().clone())));
        Ok(())
    }

    async fn begin_session(&self, _: &RepositoryName) -> Result<Box<dyn PushSession>> {
        Ok(Box::new(NoSession))
    }
}

/// A blob on its way into memory.
struct Upload {
    place: String,
    state: Arc<Mutex<State>>,
    blob: Descriptor,
    session: String,
    offset: u64,
}

impl Upload {
    fn gone(&self) -> Error {
        Error::new(ErrorKind::Gone, format!("the upload {} is gone", self.session)).at(&self.place)
    }
}

#[async_trait]
impl BlobUpload for Upload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        let mut state = locked(&self.state);
        let partial = state.uploads.get_mut(&self.session).ok_or_else(|| self.gone())?;
        partial.bytes.extend_from_slice(&chunk);
        self.offset = partial.bytes.len() as u64;
        Ok(())
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn verifies(&self) -> bool {
        true
    }

    fn state(&self) -> Option<UploadState> {
        Some(UploadState { session: self.session.clone(), offset: self.offset })
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let mut state = locked(&self.state);
        let partial = state.uploads.remove(&self.session).ok_or_else(|| self.gone())?;
        let mut verifier = Verifier::new(&self.blob);
        verifier.update(&partial.bytes)?;
        verifier.finish()?;
        state.blobs.insert(self.blob.digest.clone(), partial.bytes.freeze());
        state.repositories.entry(partial.repository).or_default().blobs.insert(partial.digest);
        Ok(())
    }

    async fn abort(self: Box<Self>) {
        locked(&self.state).uploads.remove(&self.session);
    }
}

#[async_trait]
impl Catalog for Memory {
    fn tags<'a>(&'a self, repository: &'a RepositoryName) -> BoxStream<'a, Result<Vec<Tag>>> {
        let found = self.state().repositories.get(repository).map(|found| found.tags.keys().cloned().collect());
        pages(found.ok_or_else(|| self.missing(&format!("repository {repository}"))))
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<RepositoryName>>> {
        pages(Ok(self.state().repositories.keys().cloned().collect()))
    }
}

fn pages<T: Clone + Send + 'static>(all: Result<Vec<T>>) -> BoxStream<'static, Result<Vec<T>>> {
    match all {
        Ok(all) => stream::iter(all.chunks(PAGE).map(|page| Ok(page.to_vec())).collect::<Vec<_>>()).boxed(),
        Err(error) => stream::iter([Err(error)]).boxed(),
    }
}

#[async_trait]
impl Remover for Memory {
    async fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<()> {
        let removed = self.state().repositories.get_mut(repository).and_then(|found| found.tags.remove(tag));
        removed.map(drop).ok_or_else(|| self.missing(&format!("tag `{tag}` in {repository}")))
    }

    async fn remove_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        let mut state = self.state();
        let held = state.repositories.get_mut(repository).filter(|held| held.manifests.contains_key(digest));
        let held = held.ok_or_else(|| self.missing(&format!("manifest `{digest}` in {repository}")))?;
        held.manifests.remove(digest);
        held.tags.retain(|_, found| found != digest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Algorithm, MediaType};

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    fn memory() -> Memory {
        Memory::new(Identity { place: "memory".to_owned(), credential: None, local: true })
    }

    fn manifest(blob: &Descriptor) -> RawManifest {
        let entry = serde_json::to_string(blob).unwrap();
        let text = format!(r#"{{"schemaVersion":2,"config":{entry},"layers":[]}}"#);
        RawManifest::parse(text.into(), Some(&MediaType::oci_manifest()), Algorithm::Sha256).unwrap()
    }

    async fn upload(
        memory: &Memory,
        repository: &str,
        blob: &Descriptor,
        resume: Option<&UploadState>,
    ) -> Box<dyn BlobUpload> {
        match memory.begin_blob(&name(repository), blob, None, resume).await.unwrap() {
            Begun::Upload(upload) => upload,
            Begun::Present | Begun::Mounted => panic!("it is there already"),
        }
    }

    #[tokio::test]
    async fn an_upload_goes_on_where_it_was_dropped_and_takes_only_the_announced_content() {
        let memory = memory();
        let blob = Descriptor::of(MediaType::oci_config(), b"content");
        let mut first = upload(&memory, "a", &blob, None).await;
        first.write(Bytes::from_static(b"con")).await.unwrap();
        let kept = first.state().unwrap();
        drop(first);
        let mut second = upload(&memory, "a", &blob, Some(&kept)).await;
        assert_eq!(second.offset(), 3);
        second.write(Bytes::from_static(b"tent")).await.unwrap();
        second.commit().await.unwrap();
        assert!(memory.has_blob(&name("a"), &blob).await.unwrap());
        assert!(!memory.has_blob(&name("b"), &blob).await.unwrap(), "it belongs to one repository");

        let mut wrong = upload(&memory, "b", &blob, Some(&kept)).await;
        assert_eq!(wrong.offset(), 0, "a session of another repository is not taken up");
        wrong.write(Bytes::from_static(b"CONTENT")).await.unwrap();
        assert_eq!(wrong.commit().await.expect_err("wrong bytes").kind(), ErrorKind::Corrupt);
        assert!(!memory.has_blob(&name("b"), &blob).await.unwrap());
    }

    #[tokio::test]
    async fn a_manifest_needs_its_content_and_a_condition_guards_its_tags() {
        let memory = memory();
        let blob = Descriptor::of(MediaType::oci_config(), b"{}");
        let (manifest, tag) = (manifest(&blob), Tag::latest());
        let push =
            async |condition| memory.push_manifest(&name("a"), &manifest, std::slice::from_ref(&tag), condition).await;
        let error = push(TagCondition::Always).await.expect_err("the blob is missing");
        assert_eq!((error.kind(), error.missing()), (ErrorKind::MissingBlobs, &[blob.digest.clone()][..]));

        let mut content = upload(&memory, "a", &blob, None).await;
        content.write(Bytes::from_static(b"{}")).await.unwrap();
        content.commit().await.unwrap();
        push(TagCondition::Absent).await.unwrap();
        assert_eq!(push(TagCondition::Absent).await.expect_err("the tag is there").kind(), ErrorKind::Conflict);
        let begun = memory.begin_blob(&name("b"), &blob, Some(&name("a")), None).await.unwrap();
        assert!(matches!(begun, Begun::Mounted));

        memory.remove_tag(&name("a"), &tag).await.unwrap();
        let by_tag = ImageSource::resolve(&memory, &name("a"), &Selector::Tag(tag.clone())).await.unwrap();
        assert_eq!(by_tag, None);
        let by_digest = Selector::Digest(manifest.digest().clone());
        assert_eq!(memory.manifest(&name("a"), &by_digest).await.unwrap().bytes(), manifest.bytes());
        memory.remove_manifest(&name("a"), manifest.digest()).await.unwrap();
        assert_eq!(memory.manifest(&name("a"), &by_digest).await.expect_err("gone").kind(), ErrorKind::NotFound);
    }
}
