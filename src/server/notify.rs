//! Notifications: webhooks are told what was pushed and removed, in the words of distribution's notifications, so
//! that what listens to other registries understands them.
//!
//! Nothing waits for a webhook: events go into a queue with a bound, and one worker per webhook posts them in order,
//! several at once where several wait. What a full queue or a webhook that does not answer loses is counted and
//! logged. The queue is memory: what waits when the server ends is lost, which is logged too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header;
use http::request::Parts;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::access::Principal;
use super::metrics::Metrics;
use crate::files;
use crate::image::{Digest, MediaType, RawManifest, RepositoryName, Selector, Tag};
use crate::outbound::Webhook;

/// The most events that wait for one webhook.
const QUEUE: usize = 10_000;
/// The most events that are posted at once.
const BATCH: usize = 50;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Event {
    id: String,
    timestamp: Timestamp,
    action: Action,
    target: Target,
    request: Asked,
    actor: Actor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Action {
    Push,
    Delete,
}

/// What it happened to.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    repository: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<MediaType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// The request that made it happen.
#[derive(Clone, Debug, Serialize)]
struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    addr: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    useragent: Option<String>,
}

/// Who made it happen; without a name where nobody said who they are.
#[derive(Clone, Debug, Serialize)]
struct Actor {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    events: &'a [Event],
}

/// The queues of all webhooks.
#[derive(Clone, Default)]
pub(super) struct Notifier {
    queues: Arc<Vec<mpsc::Sender<Event>>>,
    waiting: Arc<AtomicUsize>,
}

impl Notifier {
    /// Begins to tell webhooks of what will happen. Runs within the runtime.
    pub(super) fn of(hooks: Vec<Webhook>, metrics: &Arc<Metrics>) -> Self {
        let waiting = Arc::<AtomicUsize>::default();
        let begin = |hook| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            tokio::spawn(tell(hook, receiver, Arc::clone(&waiting), Arc::clone(metrics)));
            sender
        };
        Self { queues: Arc::new(hooks.into_iter().map(begin).collect()), waiting }
    }

    /// How many events wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Tells of a manifest that came, once for each tag.
    pub(super) fn pushed(&self, by: &Sender<'_>, repository: &RepositoryName, manifest: &RawManifest, tags: &[Tag]) {
        if self.queues.is_empty() {
            return;
        }
        let target = Target {
            repository: repository.to_string(),
            tag: None,
            digest: Some(manifest.digest().clone()),
            media_type: Some(manifest.media_type().clone()),
            size: Some(manifest.bytes().len() as u64),
        };
        if tags.is_empty() {
            self.queue(by, Action::Push, &target);
        } else {
            for tag in tags {
                self.queue(by, Action::Push, &Target { tag: Some(tag.clone()), ..target.clone() });
            }
        }
    }

    /// Tells of a tag or a manifest that was removed.
    pub(super) fn removed(&self, by: &Sender<'_>, repository: &RepositoryName, selector: &Selector) {
        let (tag, digest) = match selector {
            Selector::Tag(tag) => (Some(tag.clone()), None),
            Selector::Digest(digest) => (None, Some(digest.clone())),
        };
        let target = Target { repository: repository.to_string(), tag, digest, ..Target::default() };
        self.queue(by, Action::Delete, &target);
    }

    fn queue(&self, by: &Sender<'_>, action: Action, target: &Target) {
        for queue in self.queues.iter() {
            let event = Event {
                // One without a name is better than none.
                id: files::unused_word().unwrap_or_default(),
                timestamp: Timestamp::now(),
                action,
                target: target.clone(),
                request: by.asked(),
                actor: Actor { name: by.principal.owner().to_owned() },
            };
            self.waiting.fetch_add(1, Ordering::Relaxed);
            if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) = queue.try_send(event) {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                by.metrics.lost.inc();
                tracing::warn!(repository = target.repository, "a notification is lost: {QUEUE} wait already");
            }
        }
    }

    /// Says what was not told any more, when the server ends.
    pub(super) fn farewell(&self) -> Farewell {
        Farewell(Arc::clone(&self.waiting))
    }
}

/// Says, when it is dropped, how many notifications are lost.
pub(super) struct Farewell(Arc<AtomicUsize>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let waiting = self.0.load(Ordering::Relaxed);
        if waiting > 0 {
            tracing::warn!("{waiting} notifications are lost, because the server ends");
        }
    }
}

/// Who made something happen, and by which request.
pub(super) struct Sender<'a> {
    pub(super) principal: &'a Principal,
    pub(super) parts: &'a Parts,
    pub(super) metrics: &'a Metrics,
}

impl Sender<'_> {
    fn asked(&self) -> Asked {
        let word = |name| Some(self.parts.headers.get(name)?.to_str().ok()?.chars().take(300).collect());
        let info = self.parts.extensions.get::<axum::extract::ConnectInfo<SocketAddr>>();
        Asked {
            addr: info.map(|info| info.0),
            host: word(header::HOST),
            method: self.parts.method.to_string(),
            useragent: word(header::USER_AGENT),
        }
    }
}

/// Posts what comes, in order, until nobody can send any more.
async fn tell(hook: Webhook, mut receiver: mpsc::Receiver<Event>, waiting: Arc<AtomicUsize>, metrics: Arc<Metrics>) {
    let mut events = Vec::new();
    while receiver.recv_many(&mut events, BATCH).await > 0 {
        let count = events.len();
        match hook.post(&Envelope { events: &events }).await {
            Ok(()) => {
                metrics.told.inc_by(count as u64);
            }
            Err(error) => {
                metrics.lost.inc_by(count as u64);
                tracing::warn!(%error, "{} is not told of {count} events", hook.place());
            }
        }
        waiting.fetch_sub(count, Ordering::Relaxed);
        events.clear();
    }
}
