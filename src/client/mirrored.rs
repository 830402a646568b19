//! A registry whose content is asked of its mirrors first.
//!
//! What has a constant name can come from anywhere: manifests and blobs by digest are asked of the mirrors, in
//! their order, and of the registry last. What a tag points at only the registry knows; a mirror is asked where
//! the registry cannot be reached, and the user is told. A mirror is a client of its own, with the TLS and the
//! credential of its own entry. One that fails is not asked again in this run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::image::{Descriptor, Digest, RawManifest, RegistryPath, RepositoryName, Selector};
use crate::progress::{Event, Progress};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Identity, ImageSource, Referrers, Result};

/// A registry with its mirrors.
pub struct Mirrored {
    origin: Arc<dyn ImageSource>,
    mirrors: Vec<Mirror>,
    progress: Arc<dyn Progress>,
    /// Which mirror each blob was last opened at.
    opened: Mutex<HashMap<Digest, usize>>,
}

/// One mirror, and the path that it puts before every repository.
struct Mirror {
    path: RegistryPath,
    source: Arc<dyn ImageSource>,
    benched: AtomicBool,
}

impl Mirrored {
    /// `origin` with these mirrors, tried in this order.
    #[must_use]
    pub fn new(
        origin: Arc<dyn ImageSource>,
        mirrors: Vec<(RegistryPath, Arc<dyn ImageSource>)>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let mirror = |(path, source)| Mirror { path, source, benched: AtomicBool::new(false) };
        Self { origin, mirrors: mirrors.into_iter().map(mirror).collect(), progress, opened: Mutex::default() }
    }

    /// The mirrors that have not failed, with the name that `repository` has there.
    fn at_work<'a>(
        &'a self,
        repository: &'a RepositoryName,
    ) -> impl Iterator<Item = (usize, &'a Mirror, RepositoryName)> {
        let mirrors = self.mirrors.iter().enumerate().filter(|(_, mirror)| !mirror.benched.load(Ordering::Relaxed));
        mirrors.filter_map(|(number, mirror)| Some((number, mirror, mirror.path.repository(repository).ok()?)))
    }

    /// Takes a mirror out of the run, and says so. One that merely lacks something goes on.
    fn bench(&self, mirror: &Mirror, error: &Error) {
        if error.kind() != ErrorKind::NotFound && !mirror.benched.swap(true, Ordering::Relaxed) {
            self.warn(format!("the mirror {} is left out from now on: {error}", mirror.path));
        }
    }

    fn warn(&self, text: String) {
        self.progress.observe(&Event::Warning(text));
    }

    async fn manifest_of_mirrors(&self, repository: &RepositoryName, selector: &Selector) -> Option<RawManifest> {
        for (_, mirror, name) in self.at_work(repository) {
            match mirror.source.manifest(&name, selector).await {
                Ok(manifest) => return Some(manifest),
                Err(error) => self.bench(mirror, &error),
            }
        }
        None
    }

    async fn resolved_by_mirrors(&self, repository: &RepositoryName, selector: &Selector) -> Option<Descriptor> {
        for (_, mirror, name) in self.at_work(repository) {
            match mirror.source.resolve(&name, selector).await {
                Ok(Some(found)) => return Some(found),
                Ok(None) => {}
                Err(error) => self.bench(mirror, &error),
            }
        }
        None
    }

    /// Says that a tag is a mirror's word, because its registry is out of reach.
    fn second_hand(&self, selector: &Selector, error: &Error) {
        let origin = &self.origin.identity().place;
        self.warn(format!("{origin} cannot be reached ({error}); `{selector}` is what a mirror has under that tag"));
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        // Whole after every step, so a panic elsewhere spoils nothing.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the registry itself could not be asked.
fn out_of_reach(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::TimedOut | ErrorKind::Unavailable)
}

#[async_trait]
impl ImageSource for Mirrored {
    fn identity(&self) -> &Identity {
        self.origin.identity()
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        if matches!(selector, Selector::Digest(_))
            && let Some(found) = self.resolved_by_mirrors(repository, selector).await
        {
            return Ok(Some(found));
        }
        match self.origin.resolve(repository, selector).await {
            Err(error) if out_of_reach(&error) && matches!(selector, Selector::Tag(_)) => {
                let found = self.resolved_by_mirrors(repository, selector).await;
                let Some(found) = found else { return Err(error) };
                self.second_hand(selector, &error);
                Ok(Some(found))
            }
            answer => answer,
        }
    }

    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        if matches!(selector, Selector::Digest(_))
            && let Some(manifest) = self.manifest_of_mirrors(repository, selector).await
        {
            return Ok(manifest);
        }
        match self.origin.manifest(repository, selector).await {
            Err(error) if out_of_reach(&error) && matches!(selector, Selector::Tag(_)) => {
                let manifest = self.manifest_of_mirrors(repository, selector).await;
                let Some(manifest) = manifest else { return Err(error) };
                self.second_hand(selector, &error);
                Ok(manifest)
            }
            answer => answer,
        }
    }

    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        for (number, mirror, name) in self.at_work(repository) {
            match mirror.source.blob(&name, blob, range).await {
                Ok(reader) => {
                    self.opened().insert(blob.digest.clone(), number);
                    return Ok(reader);
                }
                Err(error) => self.bench(mirror, &error),
            }
        }
        self.opened().remove(&blob.digest);
        self.origin.blob(repository, blob, range).await
    }

    fn distrust(&self, blob: &Digest, because: &Error) {
        let mirror = self.opened().remove(blob).and_then(|number| self.mirrors.get(number));
        if let Some(mirror) = mirror {
            self.bench(mirror, because);
        }
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers> {
        self.origin.referrers(repository, subject, artifact_type).await
    }
}
