//! What one job sees of its source: every answer is asked for once, and then stands.
//!
//! Several destinations ask the same of one source, at the same time or one after the other. Here the first question
//! is put and the others wait for its answer. What a tag was first found to be it stays for the whole job, so that
//! all destinations get one digest however the tag moves meanwhile. Blobs pass through; `well` shares those.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::Source;
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{BlobReader, ByteRange, Error, Identity, ImageSource, Referrers, Result};

/// A source as one job sees it.
pub(super) struct View {
    source: Arc<dyn ImageSource>,
    tags: Mutex<HashMap<(RepositoryName, Tag), SharedSighting>>,
    resolved: Answers<(RepositoryName, Digest), Option<Descriptor>>,
    manifests: Answers<(RepositoryName, Digest), RawManifest>,
    referrers: Answers<(RepositoryName, Digest, Option<String>), Referrers>,
}

/// What is known of a tag. Locked while somebody asks about it, so that it is looked up or read, and not both.
#[derive(Default)]
struct Sighting {
    /// What it points at, or that it does not exist.
    found: Option<Result<Option<Descriptor>>>,
    /// Why it could not be read.
    unreadable: Option<Error>,
}

type SharedSighting = Arc<tokio::sync::Mutex<Sighting>>;

impl View {
    /// The same image, seen as one job sees it.
    pub(super) fn of(source: &Source) -> Source {
        let view = Self {
            source: Arc::clone(&source.registry),
            tags: Mutex::default(),
            resolved: Answers::default(),
            manifests: Answers::default(),
            referrers: Answers::default(),
        };
        Source { registry: Arc::new(view), ..source.clone() }
    }

    async fn sighting(&self, repository: &RepositoryName, tag: &Tag) -> tokio::sync::OwnedMutexGuard<Sighting> {
        let key = (repository.clone(), tag.clone());
        let sighting = {
            let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tags.entry(key).or_default())
        };
        sighting.lock_owned().await
    }

    async fn read_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<RawManifest> {
        let mut sighting = self.sighting(repository, tag).await;
        if let Some(Ok(Some(found))) = &sighting.found {
            // It may point elsewhere by now.
            let digest = found.digest.clone();
            drop(sighting);
            return self.read_digest(repository, &digest).await;
        }
        if let Some(error) = &sighting.unreadable {
            return Err(error.clone());
        }
        match self.source.manifest(repository, &Selector::Tag(tag.clone())).await {
            Ok(manifest) => {
                sighting.found = Some(Ok(Some(manifest.descriptor())));
                self.manifests.learn((repository.clone(), manifest.digest().clone()), &manifest);
                Ok(manifest)
            }
            Err(error) => {
                sighting.unreadable = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn read_digest(&self, repository: &RepositoryName, digest: &Digest) -> Result<RawManifest> {
        let selector = Selector::Digest(digest.clone());
        let ask = self.source.manifest(repository, &selector);
        self.manifests.get((repository.clone(), digest.clone()), ask).await
    }
}

#[async_trait]
impl ImageSource for View {
    fn identity(&self) -> &Identity {
        self.source.identity()
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        match selector {
            Selector::Tag(tag) => {
                let mut sighting = self.sighting(repository, tag).await;
                if let Some(found) = &sighting.found {
                    return found.clone();
                }
                let found = self.source.resolve(repository, selector).await;
                sighting.found = Some(found.clone());
                found
            }
            Selector::Digest(digest) => {
                let key = (repository.clone(), digest.clone());
                self.resolved.get(key, self.source.resolve(repository, selector)).await
            }
        }
    }

    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        match selector {
            Selector::Tag(tag) => self.read_tag(repository, tag).await,
            Selector::Digest(digest) => self.read_digest(repository, digest).await,
        }
    }

    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        self.source.blob(repository, blob, range).await
    }

    fn distrust(&self, blob: &Digest, because: &Error) {
        self.source.distrust(blob, because);
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers> {
        let key = (repository.clone(), subject.clone(), artifact_type.map(str::to_owned));
        self.referrers.get(key, self.source.referrers(repository, subject, artifact_type)).await
    }
}

/// Answers by question. Failures are kept too: whoever was asked tried often enough, and would for every destination.
struct Answers<K, T>(Mutex<HashMap<K, Arc<OnceCell<Result<T>>>>>);

impl<K, T> Default for Answers<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, T: Clone> Answers<K, T> {
    /// The answer to `key`: the known one, or what comes of `ask`, which is put once. Where who asked first gives up,
    /// the next asks.
    async fn get(&self, key: K, ask: impl Future<Output = Result<T>>) -> Result<T> {
        let cell = self.cell(key);
        cell.get_or_init(|| ask).await.clone()
    }

    /// Takes note of an answer that came to another question. Where that is being asked, its own answer is the same.
    fn learn(&self, key: K, answer: &T) {
        let _ = self.cell(key).set(Ok(answer.clone()));
    }

    fn cell(&self, key: K) -> Arc<OnceCell<Result<T>>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}
