//! A proxy that leads host names to servers of the test, so that registries can have names of their own; and one
//! that lets nobody through.

use std::collections::HashMap;
use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::http::Head;

/// How a proxy answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It lets everyone through, to where it knows the way.
    Willing,
    /// It answers every request with this status.
    Answers(u16),
    /// It ends the connection instead of answering.
    HangsUp,
}

/// A running proxy. It ends when it is dropped.
pub(crate) struct Tunnel {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    conduct: Conduct,
    stopped: AtomicBool,
    /// Where a `HOST:PORT` really is.
    ways: Mutex<HashMap<String, String>>,
    heads: Mutex<Vec<Head>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Tunnel {
    pub(crate) fn start() -> Self {
        Self::that(Conduct::Willing)
    }

    /// A proxy that answers in this way.
    pub(crate) fn that(conduct: Conduct) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            conduct,
            stopped: AtomicBool::new(false),
            ways: Mutex::default(),
            heads: Mutex::default(),
            open: Mutex::default(),
        });
        let tunnel = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // An end on either side is how a connection ends.
                    let _ = shared.serve(client);
                });
            }
        });
        tunnel
    }

    /// `http://HOST:PORT`, as proxies are named.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads connections to `place`, `HOST:PORT`, to the server at `address`.
    pub(crate) fn lead(&self, place: &str, address: &str) -> &Self {
        self.shared.ways.lock().unwrap().insert(place.to_owned(), address.to_owned());
        self
    }

    /// What was asked of the proxy itself: method, target and headers.
    pub(crate) fn heads(&self) -> Vec<Head> {
        self.shared.heads.lock().unwrap().clone()
    }

    /// The targets that were asked for, in order: `HOST:PORT`, or a whole URL where it was no tunnel.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.word(1).to_owned()).collect()
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        self.open.lock().unwrap().push(client.try_clone()?);
        // Unbuffered bytes behind the head belong to the tunnel; the client sends none before the answer.
        let mut from_client = BufReader::with_capacity(1, client.try_clone()?);
        while let Some(head) = Head::read(&mut from_client)? {
            self.heads.lock().unwrap().push(head.clone());
            match self.conduct {
                Conduct::HangsUp => return client.shutdown(Shutdown::Both),
                Conduct::Answers(status) => return refuse(&mut client, status),
                Conduct::Willing => {}
            }
            let target = head.word(1).strip_prefix("http://").unwrap_or(head.word(1));
            let (place, path) = target.split_once('/').unwrap_or((target, ""));
            let way = self.ways.lock().unwrap().get(place).cloned();
            let Some(way) = way else { return refuse(&mut client, 502) };
            let server = TcpStream::connect(way)?;
            server.set_nodelay(true)?;
            self.open.lock().unwrap().push(server.try_clone()?);
            if head.word(0) == "CONNECT" {
                return tunnel(client, server);
            }
            forward(&head, path, &mut from_client, &mut client, server)?;
        }
        Ok(())
    }
}

fn refuse(client: &mut TcpStream, status: u16) -> io::Result<()> {
    write!(client, "HTTP/1.1 {status} No Way\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    client.shutdown(Shutdown::Write)
}

/// Passes bytes on in both directions until one of the sides ends.
fn tunnel(mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        let copied = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
        copied
    });
    let copied = io::copy(&mut client, &mut server);
    let _ = server.shutdown(Shutdown::Both);
    let _ = back.join();
    copied.map(drop)
}

/// Passes one request on, as if to the server itself, and its answer back.
fn forward(
    head: &Head,
    path: &str,
    from_client: &mut BufReader<TcpStream>,
    client: &mut TcpStream,
    mut server: TcpStream,
) -> io::Result<()> {
    let mut from_server = BufReader::new(server.try_clone()?);
    let first_line = format!("{} /{path} HTTP/1.1", head.word(0));
    Head { first_line, ..head.clone() }.write(&mut server)?;
    head.request_framing().copy(from_client, &mut server)?;
    let Some(answer) = Head::read(&mut from_server)? else { return Ok(()) };
    answer.write(client)?;
    answer.answer_framing(head.word(0)).copy(&mut from_server, client)?;
    client.flush()
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that waits for connections, so that it sees the end.
        let _ = TcpStream::connect(&self.address);
    }
}
