//! Running pushes: while one runs, nothing that was young when it began is collected, however long it takes.
//!
//! A lease is an object that is written again every minute. One that was not for [`EXPIRY`], by the bucket's own
//! clock, is that of a push that did not come to its end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::facts::{AT_ONCE, written};
use super::{Bucket, Shared, layout, unused_word};
use crate::image::{Digest, RepositoryName};
use crate::registry::{Keep, PushSession, Result};

/// How often a lease says that its push lives.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_mins(1);
/// How long it counts after that.
pub(super) const EXPIRY: Duration = Duration::from_mins(15);

/// The content of a lease.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    repository: RepositoryName,
    /// In seconds since 1970, by the clock of whoever holds it.
    begun: u64,
}

impl Bucket {
    /// Begins a push.
    ///
    /// # Errors
    /// The lease cannot be written.
    pub(super) async fn lease(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        let (key, lease) =
            (layout::lease(&unused_word()?), written(&Lease { repository: repository.clone(), begun: seconds_now() })?);
        self.shared.objects.write(&key, lease.clone()).await?;
        let (ends, ended) = oneshot::channel();
        tokio::spawn(hold(Arc::clone(&self.shared), key, lease, ended));
        Ok(Box::new(Session { shared: Arc::clone(&self.shared), repository: repository.clone(), _ends: ends }))
    }
}

/// Keeps a lease alive until its session is dropped, and removes it then.
async fn hold(shared: Arc<Shared>, key: String, lease: Bytes, mut ended: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut ended => break,
            () = tokio::time::sleep(SIGN_OF_LIFE) => {
                if let Err(error) = shared.objects.write(&key, lease.clone()).await {
                    tracing::warn!(%error, "the lease of a push could not be renewed");
                }
            }
        }
    }
    // One that stays expires.
    let _ = shared.objects.remove(&key).await;
}

/// A running push.
struct Session {
    shared: Arc<Shared>,
    repository: RepositoryName,
    _ends: oneshot::Sender<()>,
}

#[async_trait]
impl PushSession for Session {
    async fn finish(self: Box<Self>, image: &Digest, keep: Keep) -> Result<()> {
        if keep == Keep::ForItsDigest {
            self.shared.keep(&layout::named(&self.repository, image), Bytes::from_static(b"{}")).await?;
        }
        Ok(())
    }
}

impl Shared {
    /// When the pushes that run now began, and to where; leases that have expired are removed. `now` is the bucket's
    /// time.
    pub(super) async fn running_pushes(&self, now: SystemTime) -> Result<Vec<(RepositoryName, SystemTime)>> {
        let leases = self.objects.list(layout::LEASES).map_ok(|lease| async move {
            if now.duration_since(lease.modified).is_ok_and(|silence| silence > EXPIRY) {
                self.objects.remove(&lease.key).await?;
                return Ok(None);
            }
            self.fact::<Lease>(&lease.key).await
        });
        let leases: Vec<Option<Lease>> = leases.try_buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(leases.into_iter().flatten().map(|lease| (lease.repository, time_of(lease.begun))).collect())
    }
}

/// The time in seconds since 1970.
pub(super) fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The time that so many seconds since 1970 are.
pub(super) fn time_of(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}
