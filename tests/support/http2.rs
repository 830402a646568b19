//! HTTP/2 over TLS in front of a scripted registry, whose streams and connections end as told.
//!
//! What comes over HTTP/1.1 goes through as it is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificates::Identity;
use super::scripted::Scripted;

/// What becomes of the streams and connections of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing but what is right.
    Well,
    /// Every stream is reset with this reason, and nothing is answered.
    Reset(Reason),
    /// Every connection takes one request, and goes away once that is answered.
    GoAwayAfterOne,
    /// Every connection goes away with this reason in place of its first answer.
    GoAway(Reason),
}

/// The server. It ends when it is dropped.
pub(crate) struct Http2 {
    address: SocketAddr,
    seen: Arc<Seen>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Seen {
    streams: Mutex<Vec<String>>,
    old_connections: AtomicUsize,
}

impl Http2 {
    pub(crate) fn before(registry: &Scripted, identity: &Identity, ending: Ending) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut config = (*identity.server_config(None)).clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Seen>::default());
        let front = Front { registry: registry.address(), ending, seen: Arc::clone(&seen) };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (front, acceptor) = (front.clone(), acceptor.clone());
                tokio::spawn(async move {
                    // Whoever speaks no TLS is shown out by the handshake.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        front.serve(stream).await;
                    }
                });
            }
        });
        Self { address, seen, _runtime: runtime }
    }

    /// `IP:PORT`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// What was asked over HTTP/2, as `METHOD target`.
    pub(crate) fn streams(&self) -> Vec<String> {
        self.seen.streams.lock().unwrap().clone()
    }

    /// How many connections spoke HTTP/1.1.
    pub(crate) fn old_connections(&self) -> usize {
        self.seen.old_connections.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
struct Front {
    registry: String,
    ending: Ending,
    seen: Arc<Seen>,
}

impl Front {
    async fn serve(self, mut stream: TlsStream<TcpStream>) {
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            self.seen.old_connections.fetch_add(1, Ordering::SeqCst);
            let mut registry = TcpStream::connect(&self.registry).await.unwrap();
            // An end in the midst is the business of the two sides.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut registry).await;
            return;
        }
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let line = format!("{} {}", request.method(), request.uri().path());
            self.seen.streams.lock().unwrap().push(line);
            match self.ending {
                Ending::Reset(reason) => respond.send_reset(reason),
                Ending::GoAway(reason) => connection.abrupt_shutdown(reason),
                Ending::Well | Ending::GoAwayAfterOne => {
                    tokio::spawn(self.clone().answer(request, respond));
                }
            }
            if self.ending == Ending::GoAwayAfterOne {
                connection.graceful_shutdown();
            }
        }
    }

    /// Has the registry answer.
    async fn answer(self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Option<()> {
        let (head, mut body) = request.into_parts();
        let mut bytes = Vec::new();
        while let Some(piece) = body.data().await.transpose().ok()? {
            bytes.extend_from_slice(&piece);
            body.flow_control().release_capacity(piece.len()).ok()?;
        }
        let url = format!("http://{}{}", self.registry, head.uri.path_and_query()?);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().ok()?;
        let answer = client.request(head.method, url).headers(head.headers).body(bytes).send().await.ok()?;
        let mut response = Response::new(());
        *response.status_mut() = answer.status();
        response.headers_mut().clone_from(answer.headers());
        let body = answer.bytes().await.ok()?;
        let mut stream = respond.send_response(response, body.is_empty()).ok()?;
        if body.is_empty() { Some(()) } else { stream.send_data(body, true).ok() }
    }
}
