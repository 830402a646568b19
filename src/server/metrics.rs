//! `/metrics`: what the server did, in numbers (the text of `OpenMetrics`, as Prometheus reads it).
//!
//! The numbers name methods, kinds of routes and statuses, and no repository and no user. They are shown to whoever
//! may read every repository: with `--anonymous pull` to everybody, else to users with their password.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::Server;

/// The labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    route: &'static str,
    status: u32,
}

/// The label of a duration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

/// What is counted of the upkeep, in the order of [`Server::metrics`].
const UPKEEP: [(&str, &str); 7] = [
    ("collections", "How often what nothing needs was collected"),
    ("upkeep_failures", "How often something of the upkeep failed"),
    ("collected_manifests", "Manifests that were collected"),
    ("collected_blobs", "Pieces of content that were collected"),
    ("collected_bytes", "Bytes of the content that was collected"),
    ("abandoned_uploads", "Uploads that were given up"),
    ("damaged_blobs", "Pieces of content that were found damaged"),
];

/// What is counted.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<RouteLabel, Histogram>,
    received: Counter,
    sent: Counter,
    connections: Gauge,
    uploads: Gauge,
    /// Notifications that were taken.
    pub(super) told: Counter,
    /// Notifications that nobody will hear of.
    pub(super) lost: Counter,
    /// Notifications that are on their way.
    waiting: Gauge<i64>,
    storage: Gauge<i64, std::sync::atomic::AtomicI64>,
    upkeep: [Counter; UPKEEP.len()],
    kept: Gauge,
}

/// A request that came to its end.
pub(super) struct Ended<'a> {
    pub(super) method: &'a Method,
    pub(super) route: &'static str,
    pub(super) status: StatusCode,
    pub(super) seconds: f64,
    pub(super) received: u64,
    pub(super) sent: u64,
}

fn histogram() -> Histogram {
    // From a millisecond to about four minutes.
    Histogram::new(exponential_buckets(0.001, 4.0, 10))
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("tranship");
        let requests = Family::<Labels, Counter>::default();
        let durations = Family::<RouteLabel, Histogram>::new_with_constructor(histogram);
        let [received, sent, told, lost] = std::array::from_fn(|_| Counter::<u64, AtomicU64>::default());
        let [connections, uploads, waiting, storage, kept] = std::array::from_fn(|_| Gauge::default());
        let upkeep: [Counter; UPKEEP.len()] = std::array::from_fn(|_| Counter::default());
        registry.register("requests", "Requests that were answered", requests.clone());
        registry.register_with_unit("request", "How long requests took", Unit::Seconds, durations.clone());
        registry.register_with_unit("received", "Bytes of bodies that came", Unit::Bytes, received.clone());
        registry.register_with_unit("sent", "Bytes of bodies that were sent", Unit::Bytes, sent.clone());
        registry.register("connections", "Connections that are open", connections.clone());
        registry.register("uploads", "Uploads that wait for more", uploads.clone());
        registry.register("notifications_delivered", "Notifications that a webhook took", told.clone());
        registry.register("notifications_lost", "Notifications that no webhook will hear of", lost.clone());
        registry.register("notifications_waiting", "Notifications on their way", waiting.clone());
        registry.register("storage_up", "Whether the storage could be read when it was looked at", storage.clone());
        for ((name, help), counter) in UPKEEP.iter().zip(&upkeep) {
            registry.register(*name, *help, counter.clone());
        }
        registry.register_with_unit("kept", "What is kept, when it was last looked", Unit::Bytes, kept.clone());
        Self {
            registry,
            requests,
            durations,
            received,
            sent,
            connections,
            uploads,
            told,
            lost,
            waiting,
            storage,
            upkeep,
            kept,
        }
    }

    /// Counts a request.
    pub(super) fn count(&self, ended: &Ended<'_>) {
        let labels = Labels { method: method(ended.method), route: ended.route, status: ended.status.as_u16().into() };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&RouteLabel { route: ended.route }).observe(ended.seconds);
        self.received.inc_by(ended.received);
        self.sent.inc_by(ended.sent);
    }
}

/// The word for a method; those that nobody knows have one together, so that no client makes new ones.
fn method(method: &Method) -> &'static str {
    const KNOWN: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    const WORDS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    KNOWN.iter().position(|known| known == method).map_or("other", |index| WORDS[index])
}

impl Server {
    /// The numbers as they are now.
    pub(super) async fn metrics(&self) -> Response {
        let metrics = &self.metrics;
        metrics.connections.set(number(self.connections.count()));
        metrics.uploads.set(number(self.uploads.count()));
        metrics.waiting.set(number(self.notifier.waiting()));
        metrics.storage.set(i64::from(self.is_working(crate::registry::Working::Reading).await));
        let done = self.upkeep.figures();
        let counts = [
            done.collections,
            done.failures,
            done.manifests,
            done.blobs,
            done.bytes,
            done.abandoned_uploads,
            done.damaged,
        ];
        for (counter, count) in metrics.upkeep.iter().zip(counts) {
            counter.inner().store(count, Ordering::Relaxed);
        }
        metrics.kept.set(i64::try_from(done.usage.bytes()).unwrap_or(i64::MAX));
        let mut text = String::new();
        if encode(&mut text, &metrics.registry).is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let mut response = Response::new(Body::from(text));
        let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
