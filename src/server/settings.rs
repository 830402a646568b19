//! Everything that a [`Server`] is made of.

use std::sync::Arc;

use super::account::AccessLog;
use super::connections::Connections;
use super::immutable::Immutable;
use super::metrics::Metrics;
use super::notify::Notifier;
use super::uploads::Uploads;
use super::{Access, AutomaticPull, Health, Names, Server, Upkeep, UpkeepSettings};
use crate::config::{ServingLimits, TagPattern};
use crate::outbound::Webhook;
use crate::registry::Host;

/// Everything that a [`Server`] is made of.
pub struct ServerSettings {
    /// What is served.
    pub host: Arc<dyn Host>,
    /// Who is let in.
    pub access: Access,
    /// Tags that stay where they are once they are made.
    pub immutable_tags: Vec<TagPattern>,
    /// Whether anything can be removed.
    pub deletes: Deletes,
    /// Whether there is a page for people.
    pub web: Web,
    /// Who keeps the access log.
    pub log: Option<Arc<dyn AccessLog>>,
    /// Who is told of pushes and deletions.
    pub webhooks: Vec<Webhook>,
    /// What strangers can take up at most.
    pub limits: ServingLimits,
    /// How the place is kept in order.
    pub upkeep: UpkeepSettings,
    /// What fetches what is missing.
    pub automatic_pull: Option<AutomaticPull>,
}

/// Whether anything can be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    /// By whoever may.
    #[default]
    Allowed,
    /// By nobody, and by no way.
    Off,
}

/// Whether there is a page for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Web {
    /// At `/`.
    #[default]
    On,
    /// Nowhere.
    Off,
}

impl Server {
    /// A server by these settings. Runs within the runtime, on which it tells webhooks.
    #[must_use]
    pub fn new(settings: ServerSettings) -> Self {
        let ServerSettings {
            host,
            access,
            immutable_tags,
            deletes,
            web,
            log,
            webhooks,
            limits,
            upkeep,
            automatic_pull,
        } = settings;
        let metrics = Arc::new(Metrics::new());
        Self {
            upkeep: Arc::new(Upkeep::new(Arc::clone(&host), upkeep)),
            automatic_pull: automatic_pull.map(Arc::new),
            host,
            access,
            names: Names::Any,
            immutable: Immutable::new(immutable_tags),
            deletes,
            web,
            log,
            connections: Connections::default().limited(limits.connections, limits.idle),
            uploads: Arc::new(Uploads::new(limits.uploads, limits.blob_size)),
            notifier: Notifier::of(webhooks, &metrics),
            metrics,
            health: Health::default(),
        }
    }
}
