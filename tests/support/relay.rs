//! A relay in front of a real server (plain HTTP): counts the requests and bytes that go through, and makes them
//! wait.

use std::io::{BufReader, Read as _, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::http::Head;

/// A running relay. It ends when it is dropped.
pub(crate) struct Relay {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    wait: Duration,
    /// The next request with this method and a longer body goes through for so many bytes, then both sides are cut.
    cut: Mutex<Option<(String, u64)>>,
    stopped: AtomicBool,
    connections: AtomicUsize,
    lines: Mutex<Vec<String>>,
    uploaded: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// Relays to the server at `upstream`, `HOST:PORT`.
    pub(crate) fn to(upstream: &str) -> Self {
        Self::slow(upstream, Duration::ZERO)
    }

    /// Relays to the server at `upstream`, each request after a pause, as over a long line.
    pub(crate) fn slow(upstream: &str, wait: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            wait,
            cut: Mutex::new(None),
            stopped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            lines: Mutex::new(Vec::new()),
            uploaded: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
        });
        let relay = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // An end on either side is how a connection ends.
                    let _ = shared.relay(client);
                });
            }
        });
        relay
    }

    /// Cuts the next request with this method and a longer body after so many bytes of it.
    pub(crate) fn cut(&self, method: &str, after: u64) {
        *self.shared.cut.lock().unwrap() = Some((method.to_owned(), after));
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Every request so far as `METHOD target`, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    /// How many requests have this method and hold `fragment` in their target.
    pub(crate) fn count(&self, method: &str, fragment: &str) -> usize {
        let fits = |line: &&String| {
            let (found, target) = line.split_once(' ').unwrap_or_default();
            found == method && target.contains(fragment)
        };
        self.lines().iter().filter(fits).count()
    }

    /// The bytes of all request bodies so far.
    pub(crate) fn uploaded(&self) -> u64 {
        self.shared.uploaded.load(Ordering::SeqCst)
    }

    /// Forgets the requests so far.
    pub(crate) fn forget(&self) {
        self.shared.lines.lock().unwrap().clear();
        self.shared.uploaded.store(0, Ordering::SeqCst);
    }

    /// How many connections have come in.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn relay(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut server = TcpStream::connect(&self.upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        self.open.lock().unwrap().extend([client.try_clone()?, server.try_clone()?]);
        let mut from_client = BufReader::new(client.try_clone()?);
        let mut from_server = BufReader::new(server.try_clone()?);
        while let Some(request) = Head::read(&mut from_client)? {
            let method = request.word(0).to_owned();
            self.lines.lock().unwrap().push(format!("{method} {}", request.word(1)));
            std::thread::sleep(self.wait);
            request.write(&mut server)?;
            let cut =
                self.cut.lock().unwrap().take_if(|(cut, after)| *cut == method && request.length() > Some(*after));
            if let Some((_, after)) = cut {
                std::io::copy(&mut (&mut from_client).take(after), &mut server)?;
                break;
            }
            let mut counted = Counted { server: &mut server, bytes: &self.uploaded };
            request.request_framing().copy(&mut from_client, &mut counted)?;
            let Some(answer) = Head::read(&mut from_server)? else { break };
            answer.write(&mut client)?;
            answer.answer_framing(&method).copy(&mut from_server, &mut client)?;
            client.flush()?;
        }
        client.shutdown(Shutdown::Both)?;
        server.shutdown(Shutdown::Both)
    }
}

/// Counts what is written.
struct Counted<'a> {
    server: &'a mut TcpStream,
    bytes: &'a AtomicU64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.server.write(bytes)?;
        self.bytes.fetch_add(written as u64, Ordering::SeqCst);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.server.flush()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(&self.address);
    }
}
