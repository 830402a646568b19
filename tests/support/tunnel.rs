//! A proxy that leads host names to servers of the test, so that registries can have names of their own.

use std::collections::HashMap;
use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::http::Head;

/// A running proxy. It ends when it is dropped.
pub(crate) struct Tunnel {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    stopped: AtomicBool,
    /// Where a `HOST:PORT` really is.
    ways: Mutex<HashMap<String, String>>,
    heads: Mutex<Vec<Head>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Tunnel {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
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
        // Unbuffered bytes behind the head belong to the tunnel; the client sends none before the answer.
        let Some(head) = Head::read(&mut BufReader::with_capacity(1, client.try_clone()?))? else { return Ok(()) };
        let place = head.word(1).to_owned();
        let way = self.ways.lock().unwrap().get(&place).filter(|_| head.word(0) == "CONNECT").cloned();
        self.heads.lock().unwrap().push(head);
        let Some(way) = way else {
            return client.write_all(b"HTTP/1.1 502 No Way\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        };
        let mut server = TcpStream::connect(way)?;
        self.open.lock().unwrap().extend([client.try_clone()?, server.try_clone()?]);
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
