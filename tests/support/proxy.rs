//! An HTTP proxy: tunnels and forwards to where the test says that every name leads, and remembers what it saw.

use std::io::{BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::http::Head;

/// How a proxy behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It lets everyone through.
    Willing,
    /// It answers every request with this status.
    Answers(u16),
    /// It ends the connection instead of answering.
    HangsUp,
}

/// A running proxy. It ends when it is dropped.
pub(crate) struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// The server at which each name is found, `NAME:PORT` and `HOST:PORT`.
    names: Vec<(String, String)>,
    conduct: Conduct,
    stopped: AtomicBool,
    heads: Mutex<Vec<Head>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy that finds these names, `NAME:PORT`, at these servers, `HOST:PORT`.
    pub(crate) fn to(names: &[(&str, &str)]) -> Self {
        Self::start(names, Conduct::Willing)
    }

    /// A proxy that lets nobody through.
    pub(crate) fn that(conduct: Conduct) -> Self {
        Self::start(&[], conduct)
    }

    fn start(names: &[(&str, &str)], conduct: Conduct) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let names = names.iter().map(|(name, server)| ((*name).to_owned(), (*server).to_owned())).collect();
        let shared = Arc::new(Shared {
            names,
            conduct,
            stopped: AtomicBool::new(false),
            heads: Mutex::default(),
            open: Mutex::default(),
        });
        let proxy = Self { address, shared: Arc::clone(&shared) };
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
        proxy
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that the proxy itself got, each as `METHOD target`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.heads().iter().map(|head| format!("{} {}", head.word(0), head.word(1))).collect()
    }

    /// The heads of the requests that the proxy itself got.
    pub(crate) fn heads(&self) -> Vec<Head> {
        self.shared.heads.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        self.open.lock().unwrap().push(client.try_clone()?);
        let mut from_client = BufReader::new(client.try_clone()?);
        while let Some(head) = Head::read(&mut from_client)? {
            self.heads.lock().unwrap().push(head.clone());
            match self.conduct {
                Conduct::HangsUp => break,
                Conduct::Answers(status) => {
                    write!(client, "HTTP/1.1 {status} Scripted\r\nContent-Length: 0\r\n\r\n")?;
                    continue;
                }
                Conduct::Willing => {}
            }
            let target = head.word(1).strip_prefix("http://").unwrap_or(head.word(1));
            let (name, path) = target.split_once('/').unwrap_or((target, ""));
            let Some((_, server)) = self.names.iter().find(|(known, _)| known == name) else {
                client.write_all(b"HTTP/1.1 502 Unknown\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            };
            let server = TcpStream::connect(server)?;
            server.set_nodelay(true)?;
            self.open.lock().unwrap().push(server.try_clone()?);
            if head.word(0) == "CONNECT" {
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
                return tunnel(&client, &server);
            }
            forward(&head, path, &mut from_client, &mut client, &server)?;
        }
        client.shutdown(Shutdown::Both)
    }
}

/// Passes bytes on in both directions until one of the sides ends.
fn tunnel(client: &TcpStream, server: &TcpStream) -> std::io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    std::io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}

/// Passes one request on, as to the server itself.
fn forward(
    head: &Head,
    path: &str,
    from_client: &mut BufReader<TcpStream>,
    client: &mut TcpStream,
    server: &TcpStream,
) -> std::io::Result<()> {
    let (mut server, mut from_server) = (server.try_clone()?, BufReader::new(server.try_clone()?));
    let first_line = format!("{} /{path} HTTP/1.1", head.word(0));
    Head { first_line, ..head.clone() }.write(&mut server)?;
    head.request_framing().copy(from_client, &mut server)?;
    let Some(answer) = Head::read(&mut from_server)? else { return Ok(()) };
    answer.write(client)?;
    answer.answer_framing(head.word(0)).copy(&mut from_server, client)?;
    client.flush()
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(&self.address);
    }
}
