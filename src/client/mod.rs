//! A registry over HTTP, behind the contract of `registry` (OCI distribution-spec 1.1).
//!
//! `pull`, `listing` and `referrers` read; `push`, `begin`, `upload` and `manifests` write; `remove` removes; `probe`
//! asks a registry about itself. Below them `exchange` has one request answered, `auth` shows who we are, and `learnt`
//! remembers what a registry can do. What is copied is decided elsewhere; what may be contacted, in `outbound`.
//! One [`Client`] stands for one registry under one credential; `session` makes them.

mod answer;
mod auth;
mod begin;
mod exchange;
mod home;
mod kept;
mod learnt;
mod limits;
mod listing;
mod manifests;
mod mirrored;
mod probe;
mod pull;
mod push;
mod reach;
mod referrers;
mod remove;
mod scout;
mod state_file;
mod token_request;
mod tokens;
mod turns;
mod upload;
mod vanguard;

#[cfg(test)]
mod tests;

pub use kept::forget_tokens;
pub use mirrored::Mirrored;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::RemoteRegistry;
use crate::credentials::Chosen;
use crate::outbound::{Pace, Retries, Timeouts};
use crate::progress::Progress;
use crate::registry::{Identity, Result};
use crate::wire::Scope;
use exchange::Exchange;

/// Everything that a client is made of.
pub struct ClientSettings {
    /// The registry as configured, with what the command line says already applied.
    pub registry: RemoteRegistry,
    /// As whom it is used.
    pub chosen: Chosen,
    /// The directory for what the next run can use: tokens, and what was learnt. Without it nothing is kept.
    pub state: Option<PathBuf>,
    /// Whether tokens are kept there.
    pub keep_tokens: bool,
    /// The `certs.d` folders of docker and podman.
    pub certificate_folders: Vec<PathBuf>,
    /// How long is waited for others.
    pub timeouts: Timeouts,
    /// How often requests are repeated.
    pub retries: Retries,
    /// The slow-down after "too many requests", shared by all clients of the process.
    pub pace: Arc<Pace>,
    /// Who is told of waits and warnings.
    pub progress: Arc<dyn Progress>,
}

/// One registry under one credential. Clones share everything.
#[derive(Clone)]
pub struct Client {
    identity: Arc<Identity>,
    exchange: Arc<Exchange>,
    push: Arc<push::PushState>,
}

impl Client {
    /// Makes a client. No connection is made before something is asked.
    ///
    /// # Errors
    /// A certificate, a key or a header of the configuration cannot be used.
    pub fn new(settings: ClientSettings) -> Result<Self> {
        let identity = Identity {
            place: settings.registry.address.to_string(),
            credential: settings.chosen.name.clone(),
            local: false,
        };
        let exchange = Exchange::new(settings)?;
        Ok(Self { identity: Arc::new(identity), exchange: Arc::new(exchange), push: Arc::default() })
    }

    /// Takes note of what a plan will need, so that one token does for all of it. Costs no request.
    pub fn will(&self, scopes: impl IntoIterator<Item = Scope>) {
        self.exchange.auth().will(scopes);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("identity", &self.identity).finish_non_exhaustive()
    }
}
