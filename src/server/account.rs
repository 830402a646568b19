//! The account of every request: what it was, what came of it, how long it took and how many bytes went each way.
//!
//! It is closed when the last byte of the answer went out or the client was gone, and then written to the access
//! log and added to the metrics. It holds no query, no header but the client's name for itself, and no secret.

use std::future::Future as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use http::{Method, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Sleep;

use super::Server;
use super::connections::Busy;
use super::metrics::Ended;

/// As much of a path or a client's name is kept.
const MAX_WORD: usize = 300;

/// One line of the access log.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// `access`, which tells it from other lines.
    pub r#type: &'static str,
    /// When the request came.
    pub time: Timestamp,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<SocketAddr>,
    /// The name that was shown; empty where there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The method.
    pub method: String,
    /// The path, still percent-encoded, without the query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// How many bytes of the request's body came.
    pub received: u64,
    /// How many bytes of the answer's body went out.
    pub sent: u64,
    /// From the head of the request to the end of the answer.
    pub milliseconds: u64,
    /// Whether the client was gone before the end of the answer.
    pub cut: bool,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub agent: String,
}

/// Who keeps the access log.
pub trait AccessLog: Send + Sync {
    /// Takes a line.
    fn record(&self, record: &Record);
}

/// What is found out on the way to an answer.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// The kind of route, for the metrics.
    pub(super) route: OnceLock<&'static str>,
    /// Who asked.
    pub(super) user: OnceLock<String>,
}

/// A request whose answer is on its way. Dropped, it is closed.
pub(super) struct Account {
    server: Arc<Server>,
    pub(super) noted: Arc<Noted>,
    method: Method,
    record: Record,
    began: Instant,
    received: Arc<AtomicU64>,
    /// The length of the answer's body, where it was announced.
    length: Option<u64>,
    _busy: Option<Busy>,
}

impl Account {
    /// Opens the account of a request.
    pub(super) fn open(server: &Arc<Server>, request: &Request) -> Self {
        let client = peer(request);
        let agent = request.headers().get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let record = Record {
            r#type: "access",
            time: Timestamp::now(),
            client,
            user: String::new(),
            method: cut(request.method().as_str()),
            path: cut(request.uri().path()),
            status: 0,
            received: 0,
            sent: 0,
            milliseconds: 0,
            cut: true,
            agent: agent.map(|agent| cut(&agent)).unwrap_or_default(),
        };
        Self {
            server: Arc::clone(server),
            noted: Arc::default(),
            method: request.method().clone(),
            record,
            began: Instant::now(),
            received: Arc::default(),
            length: None,
            _busy: client.and_then(|client| server.connections.busy(client)),
        }
    }

    /// The same request, whose body is counted and ends with an error when nothing comes for too long.
    pub(super) fn watch(&self, request: Request) -> Request {
        let (received, idle) = (Arc::clone(&self.received), self.server.connections.idle());
        request.map(|body| {
            if body.is_end_stream() {
                return body;
            }
            let clock = Box::pin(tokio::time::sleep(idle));
            Body::from_stream(Watched { inner: body.into_data_stream(), received, idle, clock })
        })
    }

    /// The same answer; with the end of its body the account is closed.
    pub(super) fn close_with(mut self, response: Response) -> Response {
        self.record.status = response.status().as_u16();
        let length = response.headers().get(header::CONTENT_LENGTH);
        self.length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        response.map(|body| {
            if body.size_hint().exact() == Some(0) {
                self.record.cut = false;
                drop(self);
                return body;
            }
            Body::from_stream(Counted { inner: body.into_data_stream(), account: self })
        })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let record = &mut self.record;
        // Who was told the length asks for no end behind the last byte.
        record.cut &= self.length != Some(record.sent);
        record.received = self.received.load(Ordering::Relaxed);
        record.milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        record.user = self.noted.user.get().map(|name| cut(name)).unwrap_or_default();
        let line = format!("{} {}", record.method, record.path);
        tracing::info!(target: "tranship::access", status = record.status, "{}", line.escape_debug());
        // Who goes before there is an answer gets none; that is what proxies call it.
        let status = StatusCode::from_u16(record.status).ok().or_else(|| StatusCode::from_u16(499).ok());
        self.server.metrics.count(&Ended {
            method: &self.method,
            route: self.noted.route.get().copied().unwrap_or("other"),
            status: status.unwrap_or_default(),
            seconds: took.as_secs_f64(),
            received: record.received,
            sent: record.sent,
        });
        if let Some(log) = &self.server.log {
            log.record(record);
        }
    }
}

/// Where a request came from.
pub(super) fn peer(request: &Request) -> Option<SocketAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer)
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_WORD).collect()
}

/// The body of an answer.
struct Counted {
    inner: BodyDataStream,
    account: Account,
}

impl Stream for Counted {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(piece))) => self.account.record.sent += piece.len() as u64,
            Poll::Ready(None) => self.account.record.cut = false,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }
}

/// The body of a request.
struct Watched {
    inner: BodyDataStream,
    received: Arc<AtomicU64>,
    idle: Duration,
    clock: Pin<Box<Sleep>>,
}

impl Stream for Watched {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(context);
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            self.received.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        if polled.is_ready() {
            let next = tokio::time::Instant::now() + self.idle;
            self.clock.as_mut().reset(next);
        } else if self.clock.as_mut().poll(context).is_ready() {
            let silent = std::io::Error::new(std::io::ErrorKind::TimedOut, "nothing came for too long");
            return Poll::Ready(Some(Err(axum::Error::new(silent))));
        }
        polled
    }
}
