//! Writing: finds out by the fewest requests whether a blob has to travel, and opens its way.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::Method;
use tokio::sync::OnceCell;

use super::exchange::{Call, Exchange, pull, push};
use super::pull::Forbidden;
use super::upload::{Session, Upload};
use super::{Client, manifests};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::outbound::{Replay, Response};
use crate::registry::{
    Begun, ErrorKind, Identity, ImageDestination, NoSession, PushSession, Result, TagCondition, UploadState,
};
use crate::wire::{Mount, Route};

/// What pushes through one client share.
#[derive(Debug, Default)]
pub(super) struct PushState {
    /// Held while a fallback list of referrers is changed.
    pub(super) fallback: tokio::sync::Mutex<()>,
    /// Repositories from which nothing can be mounted: not with our rights, or not at all.
    unmountable: Mutex<HashSet<RepositoryName>>,
    /// Repositories in which a tag was found missing.
    fresh: Mutex<HashMap<RepositoryName, Arc<Fresh>>>,
}

/// A repository that may not exist yet: then none of its blobs need be asked for.
#[derive(Debug, Default)]
struct Fresh {
    /// Whether it does not exist, once that was asked.
    unknown: OnceCell<bool>,
    /// The blobs that we began to send there, which may be there by now.
    begun: Mutex<HashSet<Digest>>,
}

impl PushState {
    /// A repository in which a tag is missing may be new.
    fn may_be_fresh(&self, repository: &RepositoryName) {
        self.with_fresh(|fresh| {
            fresh.entry(repository.clone()).or_default();
        });
    }

    /// Whether a mount from there was refused before; a refusal costs requests and tokens, and is not asked for twice.
    fn is_unmountable(&self, from: &RepositoryName) -> bool {
        self.unmountable.lock().unwrap_or_else(PoisonError::into_inner).contains(from)
    }

    fn refuses_mounts(&self, from: &RepositoryName) {
        self.unmountable.lock().unwrap_or_else(PoisonError::into_inner).insert(from.clone());
    }

    /// A repository that has a manifest is not.
    fn has_manifest(&self, repository: &RepositoryName) {
        let known = Fresh { unknown: OnceCell::from(false), begun: Mutex::default() };
        self.with_fresh(|fresh| fresh.insert(repository.clone(), Arc::new(known)));
    }

    /// Whether a blob cannot be there because its repository is not: one request, once a repository, and only
    /// where that is likely.
    async fn is_fresh_for(&self, exchange: &Exchange, repository: &RepositoryName, blob: &Digest) -> bool {
        let Some(fresh) = self.with_fresh(|fresh| fresh.get(repository).cloned()) else { return false };
        *fresh.unknown.get_or_init(|| exchange.knows_not(repository)).await && fresh.begins(blob)
    }

    /// The same, as far as it is known without asking.
    fn known_fresh_for(&self, repository: &RepositoryName, blob: &Digest) -> bool {
        let Some(fresh) = self.with_fresh(|fresh| fresh.get(repository).cloned()) else { return false };
        fresh.unknown.get() == Some(&true) && fresh.begins(blob)
    }

    fn with_fresh<T>(&self, work: impl FnOnce(&mut HashMap<RepositoryName, Arc<Fresh>>) -> T) -> T {
        work(&mut self.fresh.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Fresh {
    /// Whether the blob is begun for the first time.
    fn begins(&self, blob: &Digest) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(blob.clone())
    }
}

#[async_trait]
impl ImageDestination for Client {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        let found = self.exchange.resolve(repository, selector, push(repository), Forbidden::IsAbsent).await?;
        if found.is_none() {
            self.push.may_be_fresh(repository);
        }
        Ok(found)
    }

    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        self.exchange.has_blob(repository, blob).await
    }

    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Begun> {
        if let Some(state) = resume
            && let Some(session) = Session::resume(&self.exchange, repository, blob, state).await?
        {
            return Ok(begun(session));
        }
        match from.filter(|from| *from != repository && !self.push.is_unmountable(from)) {
            Some(from) => self.mount(repository, blob, from).await,
            None => self.begin_unmounted(repository, blob).await,
        }
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        manifests::push_manifest(&self.exchange, &self.push, repository, manifest, tags, condition).await?;
        self.push.has_manifest(repository);
        Ok(())
    }

    async fn begin_session(&self, _: &RepositoryName) -> Result<Box<dyn PushSession>> {
        Ok(Box::new(NoSession))
    }
}

/// What a request to mount came to.
enum Mounted {
    /// The blob is in the repository.
    Yes,
    /// It is not; this upload is open for it.
    No(Box<Session>),
    /// The registry does not want to hear of mounts.
    Refused,
}

impl Client {
    /// Has the registry take the blob over from another repository; its refusal is the upload.
    async fn mount(&self, repository: &RepositoryName, blob: &Descriptor, from: &RepositoryName) -> Result<Begun> {
        match self.try_mount(repository, blob, from).await? {
            Mounted::Yes => Ok(Begun::Mounted),
            Mounted::No(session) => Ok(begun(*session)),
            Mounted::Refused => {
                self.push.refuses_mounts(from);
                self.begin_by_head(repository, blob).await
            }
        }
    }

    /// Finds out whether the blob is there, and opens an upload where it is not.
    ///
    /// A mount from the repository itself does both in one request, in places that answer it by what they have.
    /// Where it is not known whether this is such a place, HEAD tells what a refusal meant, which costs no more
    /// than asking by HEAD in the first place.
    async fn begin_unmounted(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Begun> {
        let tells = self.exchange.learnt.hints().tells_by_mount;
        if self.push.known_fresh_for(repository, &blob.digest) {
            return Ok(begun(Session::open(&self.exchange, repository, blob).await?));
        }
        if tells == Some(false) {
            return self.begin_by_head(repository, blob).await;
        }
        let session = match self.try_mount(repository, blob, repository).await? {
            Mounted::Yes => {
                self.exchange.learnt.learn(|hints| hints.tells_by_mount = Some(true)).await;
                return Ok(Begun::Present);
            }
            Mounted::Refused => {
                self.exchange.learnt.learn(|hints| hints.tells_by_mount = Some(false)).await;
                return self.begin_by_head(repository, blob).await;
            }
            Mounted::No(session) => *session,
        };
        let is_absent = tells == Some(true)
            || self.push.is_fresh_for(&self.exchange, repository, &blob.digest).await
            || !self.exchange.has_blob(repository, blob).await?;
        if is_absent {
            return Ok(begun(session));
        }
        self.exchange.learnt.learn(|hints| hints.tells_by_mount = Some(false)).await;
        session.cancel().await;
        Ok(Begun::Present)
    }

    async fn begin_by_head(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Begun> {
        let is_fresh = self.push.is_fresh_for(&self.exchange, repository, &blob.digest).await;
        if !is_fresh && self.exchange.has_blob(repository, blob).await? {
            return Ok(Begun::Present);
        }
        Ok(begun(Session::open(&self.exchange, repository, blob).await?))
    }

    async fn try_mount(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: &RepositoryName,
    ) -> Result<Mounted> {
        let mount = Mount { digest: blob.digest.clone(), from: from.clone() };
        let route = Route::StartUpload { repository: repository.clone(), mount: Some(mount), digest: None };
        let mut scopes = push(repository);
        if from != repository {
            scopes.extend(pull(from));
        }
        let answered = self.exchange.call(Call::new(Method::POST, &route, scopes).replay(Replay::Never)).await;
        let response: Response = match answered {
            Ok(response) => response,
            // No right to read there, or a connection lost over it: the blob can still travel.
            Err(error) if error.kind() == ErrorKind::Denied || error.is_transient() => return Ok(Mounted::Refused),
            Err(error) => return Err(error),
        };
        match response.status().as_u16() {
            201 => Ok(Mounted::Yes),
            202 => Ok(Mounted::No(Box::new(Session::opened(&self.exchange, repository, blob, &response).await?))),
            _ => Ok(Mounted::Refused),
        }
    }
}

fn begun(session: Session) -> Begun {
    Begun::Upload(Box::new(Upload::new(session)))
}

impl Exchange {
    /// Whether the registry says that it does not know the repository.
    pub(super) async fn knows_not(&self, repository: &RepositoryName) -> bool {
        let route = Route::Tags { repository: repository.clone(), n: Some(1), last: None };
        let call = Call::new(Method::GET, &route, push(repository)).accept("application/json");
        match self.call(call).await {
            Ok(response) if response.status() == http::StatusCode::NOT_FOUND => {
                let error = self.refused("the tags", response).await;
                error.code().is_some_and(|code| code.as_str() == "NAME_UNKNOWN")
            }
            _ => false,
        }
    }

    /// Looks whether a blob is in a repository.
    pub(super) async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        let route = Route::Blob { repository: repository.clone(), digest: blob.digest.clone() };
        let response = self.call(Call::new(Method::HEAD, &route, push(repository))).await?;
        match response.status().as_u16() {
            200 => Ok(true),
            // 403 where something is missing, and places without HEAD: the upload will tell.
            400 | 403 | 404 | 405 | 410 | 501 => Ok(false),
            _ => {
                let what = format!("the question for the blob {} of {}", blob.digest, self.shown(repository));
                Err(self.refused(&what, response).await)
            }
        }
    }
}
