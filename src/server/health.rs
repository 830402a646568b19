//! `/healthz` and `/readyz`: whether the storage works.
//!
//! `/healthz` says whether it can be read, `/readyz` whether it can be written as well, so that a full disk takes
//! pushes elsewhere and leaves pulls here. They answer everybody, with a word that says nothing of what is kept;
//! why something does not work stands in the log. However many ask, the storage is looked at once a second.

use std::time::{Duration, Instant};

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tokio::sync::Mutex;

use super::Server;
use crate::registry::Working;

/// For how long a look is good.
const FRESH: Duration = Duration::from_secs(1);
/// How long the storage may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The last looks, at reading and at writing. Whoever comes meanwhile waits for the look that is being taken.
#[derive(Debug, Default)]
pub(super) struct Health([Mutex<Option<(Instant, bool)>>; 2]);

impl Server {
    /// The answer to whoever wants to know whether it works.
    pub(super) async fn health(&self, what: Working) -> Response {
        match (self.is_working(what).await, what) {
            (true, _) => "ok\n".into_response(),
            (false, Working::Reading) => {
                (StatusCode::SERVICE_UNAVAILABLE, "the storage cannot be read\n").into_response()
            }
            (false, Working::Writing) => {
                (StatusCode::SERVICE_UNAVAILABLE, "the storage cannot be written\n").into_response()
            }
        }
    }

    /// Whether the storage works.
    pub(super) async fn is_working(&self, what: Working) -> bool {
        let mut last = self.health.0[usize::from(what == Working::Writing)].lock().await;
        if let Some((_, works)) = last.filter(|(looked, _)| looked.elapsed() < FRESH) {
            return works;
        }
        let works = match tokio::time::timeout(PATIENCE, self.host.check(what)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, ?what, "the storage does not work");
                false
            }
            Err(_) => {
                tracing::error!(?what, "the storage does not answer");
                false
            }
        };
        *last = Some((Instant::now(), works));
        works
    }
}
