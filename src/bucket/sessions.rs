//! Running pushes: while one runs, nothing that was young when it began is collected, however long it takes.
//!
//! A lease is an object that is written again every minute.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::facts::written;
use super::{Bucket, Shared, layout, unused_word};
use crate::image::{Digest, RepositoryName};
use crate::registry::{Keep, PushSession, Result};

/// How often a lease says that its push lives.
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);

/// The content of a lease.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    /// In seconds since 1970, by the clock of whoever holds it.
    begun: u64,
}

impl Bucket {
    /// Begins a push.
    ///
    /// # Errors
    /// The lease cannot be written.
    pub(super) async fn lease(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let (key, lease) = (layout::lease(&unused_word()?), written(&Lease { begun })?);
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
