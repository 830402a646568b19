//! Writing: the contract's methods, and what all pushes through one client know of the repositories.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::Method;
use tokio::sync::OnceCell;

use super::begin::Beginning;
use super::exchange::{Call, Exchange, push};
use super::pull::Forbidden;
use super::scout::Scouts;
use super::{Client, manifests};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::outbound::Response;
use crate::registry::{Begun, Identity, ImageDestination, NoSession, PushSession, Result, TagCondition, UploadState};
use crate::wire::Route;

/// What pushes through one client share.
#[derive(Debug, Default)]
pub(super) struct PushState {
    /// Held while a fallback list of referrers is changed.
    pub(super) fallback: tokio::sync::Mutex<()>,
    /// Repositories from which nothing can be mounted: not with our rights, or not at all.
    unmountable: Mutex<HashSet<RepositoryName>>,
    /// Repositories in which a tag was found missing.
    fresh: Mutex<HashMap<RepositoryName, Arc<Fresh>>>,
    /// Who finds out whether a mount from the same repository tells what is there.
    pub(super) scouts: Scouts,
    /// Whether a blob is on its way to find out if the request that opens an upload may bring it.
    asks_by_blob: AtomicBool,
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
    pub(super) fn is_unmountable(&self, from: &RepositoryName) -> bool {
        self.unmountable.lock().unwrap_or_else(PoisonError::into_inner).contains(from)
    }

    pub(super) fn refuses_mounts(&self, from: &RepositoryName) {
        self.unmountable.lock().unwrap_or_else(PoisonError::into_inner).insert(from.clone());
    }

    /// A repository that has a manifest is not.
    fn has_manifest(&self, repository: &RepositoryName) {
        let known = Fresh { unknown: OnceCell::from(false), begun: Mutex::default() };
        self.with_fresh(|fresh| fresh.insert(repository.clone(), Arc::new(known)));
    }

    /// Whether a blob cannot be there because its repository is not: one request, once a repository, and only
    /// where that is likely.
    pub(super) async fn is_fresh_for(&self, exchange: &Exchange, repository: &RepositoryName, blob: &Digest) -> bool {
        let Some(fresh) = self.with_fresh(|fresh| fresh.get(repository).cloned()) else { return false };
        *fresh.unknown.get_or_init(|| exchange.knows_not(repository)).await && fresh.begins(blob)
    }

    /// The same, as far as it is known without asking.
    pub(super) fn known_fresh_for(&self, repository: &RepositoryName, blob: &Digest) -> bool {
        let Some(fresh) = self.with_fresh(|fresh| fresh.get(repository).cloned()) else { return false };
        fresh.unknown.get() == Some(&true) && fresh.begins(blob)
    }

    /// Whether nobody asked yet if the request that opens an upload may bring the blob; the caller does.
    pub(super) fn is_first_to_ask_by_blob(&self) -> bool {
        !self.asks_by_blob.swap(true, Ordering::Relaxed)
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
        // Before anything is opened, and kept as long as the upload is.
        let turn = self.exchange.limits.write().await;
        Ok(match self.begin(repository, blob, from, resume).await? {
            Beginning::Present => Begun::Present,
            Beginning::Mounted => Begun::Mounted,
            Beginning::Upload(upload) => Begun::Upload(Box::new(upload.in_turn(turn).await)),
        })
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
        let response = self.look_for_blob(repository, blob).await?;
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

    /// Looks for a blob, whatever the answer.
    pub(super) async fn look_for_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Response> {
        let route = Route::Blob { repository: repository.clone(), digest: blob.digest.clone() };
        self.call(Call::new(Method::HEAD, &route, push(repository))).await
    }
}
