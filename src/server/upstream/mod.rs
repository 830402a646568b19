//! Automatic pull: what is missing here is fetched from where it comes from, while the client waits, and kept.
//!
//! Where a repository comes from [`Upstreams`] says; this knows no client and no credential, and hands on to those
//! who ask neither headers nor words of an upstream. A tag that came so ([`Follower`]) is compared with its upstream
//! again after a time; where that is not to be had, what is here is served. What is pushed here is not followed.

mod flight;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::StatusCode;

use super::answer::{Code, Refusal};
use super::upkeep::Upkeep;
use crate::image::{Digest, RepositoryName, Selector, Tag};
use crate::registry::{Error, ErrorKind, Follower, ImageSource, Result};

pub(super) use flight::Flight;

/// How long an upstream that failed is not asked again for what is here.
const PAUSE: Duration = Duration::from_secs(10);

/// Where repositories come from.
#[async_trait]
pub trait Upstreams: Send + Sync {
    /// Where a repository comes from; `None` where it comes from nowhere.
    ///
    /// # Errors
    /// What is configured for the place cannot be used.
    async fn origin(&self, repository: &RepositoryName) -> Result<Option<Upstream>>;
}

/// A repository elsewhere.
#[derive(Clone)]
pub struct Upstream {
    /// The place.
    pub source: Arc<dyn ImageSource>,
    /// Its name there.
    pub repository: RepositoryName,
}

/// Who holds it brings one manifest.
type Turn = tokio::sync::Mutex<()>;

/// Automatic pull for one server.
pub struct AutomaticPull {
    host: Arc<dyn Follower>,
    upstreams: Box<dyn Upstreams>,
    /// How long a tag that was compared is not compared again.
    fresh: Duration,
    /// Where bytes wait for slow clients.
    spool: PathBuf,
    /// One at a time for each manifest.
    turns: Mutex<HashMap<(RepositoryName, Selector), Weak<Turn>>>,
    flights: Mutex<HashMap<(RepositoryName, Digest), Arc<Flight>>>,
    /// Which places failed, and when.
    failed: Mutex<HashMap<String, Instant>>,
}

impl AutomaticPull {
    /// Fetches what `host` lacks. A tag is compared with its upstream once it is older than `fresh`.
    #[must_use]
    pub fn new(host: Arc<dyn Follower>, upstreams: Box<dyn Upstreams>, fresh: Duration, spool: PathBuf) -> Self {
        let (turns, flights, failed) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { host, upstreams, fresh, spool, turns, flights, failed }
    }

    /// Sees to it that a manifest is here, if its upstream has it, and that a tag points where it does there.
    ///
    /// # Errors
    /// It is not here, and its upstream fails.
    pub(super) async fn bring_manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<()> {
        if self.is_settled(repository, selector).await? {
            return Ok(());
        }
        let Some(upstream) = self.upstreams.origin(repository).await? else { return Ok(()) };
        let turn = self.turn(repository, selector);
        let _turn = turn.lock().await;
        if self.is_settled(repository, selector).await? {
            return Ok(());
        }
        let here = ImageSource::resolve(&*self.host, repository, selector).await?;
        let Some(here) = here else { return self.fetch(&upstream, repository, selector).await };
        let Selector::Tag(tag) = selector else { return Ok(()) };
        if self.failed_lately(&upstream) {
            return Ok(());
        }
        match self.compare(&upstream, repository, tag, &here.digest).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Storage => Err(error),
            Err(error) => {
                tracing::warn!(%repository, %tag, %error, "the upstream does not tell, so what is here is served");
                self.note_failed(&upstream);
                Ok(())
            }
        }
    }

    /// Whether nothing has to be asked.
    async fn is_settled(&self, repository: &RepositoryName, selector: &Selector) -> Result<bool> {
        if ImageSource::resolve(&*self.host, repository, selector).await?.is_none() {
            return Ok(false);
        }
        let Selector::Tag(tag) = selector else { return Ok(true) };
        let compared = self.host.followed(repository, tag).await?;
        Ok(compared.is_none_or(|compared| compared.elapsed().unwrap_or_default() < self.fresh))
    }

    /// Brings a manifest that is not here; that its upstream has none is no error.
    async fn fetch(&self, upstream: &Upstream, repository: &RepositoryName, selector: &Selector) -> Result<()> {
        match upstream.source.manifest(&upstream.repository, selector).await {
            Ok(manifest) => {
                let tag = match selector {
                    Selector::Tag(tag) => Some(tag),
                    Selector::Digest(_) => None,
                };
                self.host.adopt(repository, &manifest, tag).await
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Moves a tag to where it points upstream.
    async fn compare(&self, upstream: &Upstream, repository: &RepositoryName, tag: &Tag, here: &Digest) -> Result<()> {
        let selector = Selector::Tag(tag.clone());
        let there = upstream.source.resolve(&upstream.repository, &selector).await?;
        match there {
            Some(there) if there.digest != *here => {
                let by_digest = Selector::Digest(there.digest);
                let manifest = upstream.source.manifest(&upstream.repository, &by_digest).await?;
                self.host.adopt(repository, &manifest, Some(tag)).await
            }
            // What is gone there stays here.
            _ => self.host.confirm(repository, tag).await,
        }
    }

    /// The flight that brings a blob, where it is not here and has an upstream.
    ///
    /// # Errors
    /// Its upstream cannot be used.
    pub(super) async fn bring_blob(
        self: &Arc<Self>,
        repository: &RepositoryName,
        digest: &Digest,
        upkeep: &Arc<Upkeep>,
    ) -> Result<Option<Arc<Flight>>> {
        if self.host.blob_size(repository, digest).await?.is_some() {
            return Ok(None);
        }
        // Only what a manifest names, so that nobody has anything else fetched. Also how long it is stands there.
        let Some(blob) = self.host.described(repository, digest).await? else { return Ok(None) };
        let Some(upstream) = self.upstreams.origin(repository).await? else { return Ok(None) };
        let key = (repository.clone(), digest.clone());
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            return Ok(Some(Arc::clone(flight)));
        }
        let flight = Arc::new(Flight::new(blob, &self.spool)?);
        flights.insert(key.clone(), Arc::clone(&flight));
        let (pull, flying, upkeep) = (Arc::clone(self), Arc::clone(&flight), Arc::clone(upkeep));
        // It goes on when whoever asked first is gone.
        tokio::spawn(async move {
            flying.fly(&*pull.host, &upstream, &key.0, &upkeep).await;
            pull.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        });
        Ok(Some(flight))
    }

    fn turn(&self, repository: &RepositoryName, selector: &Selector) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (repository.clone(), selector.clone());
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }

    fn failed_lately(&self, upstream: &Upstream) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(&upstream.source.identity().place).is_some_and(|when| when.elapsed() < PAUSE)
    }

    fn note_failed(&self, upstream: &Upstream) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.insert(upstream.source.identity().place.clone(), Instant::now());
    }
}

/// What those who ask here may know of the failure of an upstream.
pub(super) fn passed_on(error: &Error) -> Refusal {
    let (status, code, message) = match error.kind() {
        ErrorKind::Denied | ErrorKind::Policy | ErrorKind::Settings => {
            (StatusCode::FORBIDDEN, Code::Denied, "the upstream does not let this registry have it")
        }
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, Code::BlobUnknown, "the upstream does not have it any more"),
        ErrorKind::RateLimited => {
            (StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests, "the upstream is asked too much; try again later")
        }
        ErrorKind::TimedOut => (StatusCode::GATEWAY_TIMEOUT, Code::Unknown, "the upstream does not answer in time"),
        _ => (StatusCode::BAD_GATEWAY, Code::Unknown, "the upstream does not hand it out now"),
    };
    tracing::warn!(%error, "an upstream failed");
    Refusal::new(status, code, message)
}
