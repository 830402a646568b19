//! A server on threads, which answers as its handler says, byte by byte if need be.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http::{Framing, Head, form, header};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as they stood in the request line.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The body, or as much of it as was read.
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a query parameter, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        form(query).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// `METHOD target`, for comparing lists of requests.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// An answer, and how it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delivery: Delivery,
}

/// How an answer goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As it should.
    Whole,
    /// As chunks, without a length.
    Chunked,
    /// Head and so many bytes of the body, then an orderly end.
    CutAfter(usize),
    /// Head and so many bytes of the body, then a reset.
    ResetAfter(usize),
    /// Head and so many bytes of the body, then nothing more on an open connection.
    StallAfter(usize),
    /// The body in pieces of so many bytes with pauses.
    Drip(usize, Duration),
    /// No head, an orderly end.
    HangUp,
    /// No head, a reset.
    Reset,
    /// No head, nothing at all on an open connection.
    Silence,
    /// Exactly these bytes, then an orderly end.
    Raw(Vec<u8>),
    /// The body, and so many bytes of this letter behind it, as chunks where no header says a length.
    Flood(u8, u64),
    /// The head, and so many bytes more of a header that does not end.
    LongHead(u64),
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delivery: Delivery::Whole }
    }

    /// An answer with a JSON body.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status).header("Content-Type", "application/json").body(body.to_string())
    }

    /// An error as the distribution specification writes it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::json(status, &serde_json::json!({"errors": [{"code": code, "message": code.to_lowercase()}]}))
    }

    /// Sets a header, in place of one of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without_header(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn deliver(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }
}

/// How a request's body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Whole,
    /// So many bytes, then the connection is reset.
    ResetAfter(usize),
    /// So many bytes, then the answer is given, and the connection ends.
    AnswerAfter(usize),
}

/// What decides about requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// How the body is read, decided by the head alone.
    fn reading(&self, _head: &Request) -> Reading {
        Reading::Whole
    }

    /// The answer.
    fn answer(&self, request: Request) -> Response;

    /// A request whose body ended early, by [`Reading::ResetAfter`] or by the client's doing.
    fn broken(&self, _request: Request) {}
}

/// A running server. It ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    handler: Arc<dyn Handler>,
    tls: Option<Arc<ServerConfig>>,
    stopped: AtomicBool,
    connections: AtomicUsize,
    flooded: AtomicU64,
    /// The bytes of bodies that were written.
    sent: AtomicU64,
    /// How many long bodies are on their way, and how many were at most.
    long: AtomicUsize,
    most_long: AtomicUsize,
    received: AtomicU64,
    /// The open connections by number, to end them with the server.
    open: Mutex<HashMap<usize, TcpStream>>,
}

impl Server {
    /// Starts on a free port of `ip`.
    pub(crate) fn start(ip: &str, tls: Option<Arc<ServerConfig>>, handler: Arc<dyn Handler>) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler,
            tls,
            stopped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            flooded: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            long: AtomicUsize::new(0),
            most_long: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            open: Mutex::new(HashMap::new()),
        });
        let server = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                    shared.open.lock().unwrap().insert(number, stream.try_clone().unwrap());
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || shared.serve(stream, number));
                }
            }
        });
        server
    }

    /// `IP:PORT`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// `http://IP:PORT` or `https://IP:PORT`.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// How many connections have come in.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// How many bytes of requests' bodies have come in, also of those that are under way.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.load(Ordering::SeqCst)
    }

    /// How many bytes of floods were taken, by the other side or by what lies between.
    pub(crate) fn flooded(&self) -> u64 {
        self.shared.flooded.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies were sent, floods left out.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// How many bodies of at least a mebibyte were on their way at once at most.
    pub(crate) fn most_long_bodies(&self) -> usize {
        self.shared.most_long.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for (_, stream) in self.shared.open.lock().unwrap().drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that waits for connections, so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

/// A connection, with or without TLS.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// What becomes of the connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// It takes another.
    GoesOn,
    /// An orderly end.
    Ended,
    /// A reset.
    Reset,
}

impl Shared {
    fn serve(&self, tcp: TcpStream, number: usize) {
        let control = tcp.try_clone().unwrap();
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                Box::new(StreamOwned::new(connection, tcp))
            }
        };
        let mut stream = BufReader::new(stream);
        let after = loop {
            match self.exchange(&mut stream, number) {
                Ok(After::GoesOn) => {}
                Ok(other) => break other,
                Err(_) => break After::Ended,
            }
        };
        let _ = stream.get_mut().flush();
        self.open.lock().unwrap().remove(&number);
        if after == After::Reset {
            // The socket is closed with the last of its handles, and this makes the end a reset.
            let _ = SockRef::from(&control).set_linger(Some(Duration::ZERO));
        } else {
            end(&control);
        }
    }

    fn exchange(&self, stream: &mut BufReader<Box<dyn Stream>>, number: usize) -> io::Result<After> {
        let Some(head) = Head::read(stream)? else { return Ok(After::Ended) };
        let framing = head.request_framing();
        let mut request = Request {
            method: head.word(0).to_owned(),
            target: head.word(1).to_owned(),
            headers: head.headers,
            body: Vec::new(),
            connection: number,
        };
        if request.header("expect").is_some() {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let reading = self.handler.reading(&request);
        let limit = match reading {
            Reading::Whole => usize::MAX,
            Reading::ResetAfter(limit) | Reading::AnswerAfter(limit) => limit,
        };
        let body = &mut request.body;
        let read = framing.read(stream, |piece| {
            self.received.fetch_add(piece.len() as u64, Ordering::SeqCst);
            body.extend_from_slice(&piece[..piece.len().min(limit - body.len())]);
            body.len() < limit
        });
        if read.is_err() || (request.body.len() >= limit && matches!(reading, Reading::ResetAfter(_))) {
            self.handler.broken(request);
            return Ok(After::Reset);
        }
        let left_over = request.body.len() >= limit;
        let method = request.method.clone();
        let response = self.handler.answer(request);
        let after = self.send(stream.get_mut(), &method, &response)?;
        Ok(if left_over { After::Ended } else { after })
    }

    fn send(&self, stream: &mut Box<dyn Stream>, method: &str, response: &Response) -> io::Result<After> {
        match &response.delivery {
            Delivery::HangUp => return Ok(After::Ended),
            Delivery::Reset => return Ok(After::Reset),
            Delivery::Silence => return Ok(self.wait_for_end()),
            Delivery::Raw(bytes) => {
                stream.write_all(bytes)?;
                return Ok(After::Ended);
            }
            _ => {}
        }
        let head = head_of(response);
        if let Delivery::LongHead(length) = response.delivery {
            write!(stream, "{}\r\nX-Long: ", head.first_line)?;
            self.flood(stream, b'x', length, Framing::UntilClose)?;
            return Ok(After::Ended);
        }
        let framing = head.answer_framing(method);
        head.write(stream)?;
        let body = if framing == Framing::Length(0) { &[][..] } else { &response.body[..] };
        let is_long = body.len() >= 1024 * 1024;
        if is_long {
            let long = self.long.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_long.fetch_max(long, Ordering::SeqCst);
        }
        let delivered = self.deliver(stream, response, body, framing);
        if is_long {
            self.long.fetch_sub(1, Ordering::SeqCst);
        }
        if let Some(after) = delivered? {
            return Ok(after);
        }
        stream.flush()?;
        let closes = header(&response.headers, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        Ok(if closes { After::Ended } else { After::GoesOn })
    }

    /// Sends the body; what becomes of the connection where that is decided by it.
    fn deliver(
        &self,
        stream: &mut Box<dyn Stream>,
        response: &Response,
        body: &[u8],
        framing: Framing,
    ) -> io::Result<Option<After>> {
        let first = |length: usize| &body[..length.min(body.len())];
        match response.delivery {
            Delivery::Chunked if framing == Framing::Chunked => Framing::Length(body.len() as u64)
                .read(&mut io::Cursor::new(body), |piece| write_chunk(stream, piece).is_ok())
                .and_then(|()| stream.write_all(b"0\r\n\r\n"))?,
            Delivery::Flood(letter, length) if framing != Framing::Length(0) => {
                if framing == Framing::Chunked {
                    write_chunk(stream, body)?;
                } else {
                    self.put(stream, body)?;
                }
                self.flood(stream, letter, length, framing)?;
            }
            Delivery::CutAfter(length) => {
                self.put(stream, first(length))?;
                return Ok(Some(After::Ended));
            }
            Delivery::ResetAfter(length) => {
                self.put(stream, first(length))?;
                stream.flush()?;
                // What was written has to arrive before the reset, which would overtake it.
                std::thread::sleep(Duration::from_millis(30));
                return Ok(Some(After::Reset));
            }
            Delivery::StallAfter(length) => {
                self.put(stream, first(length))?;
                stream.flush()?;
                return Ok(Some(self.wait_for_end()));
            }
            Delivery::Drip(size, pause) => {
                for piece in body.chunks(size) {
                    self.put(stream, piece)?;
                    stream.flush()?;
                    std::thread::sleep(pause);
                }
            }
            _ => self.put(stream, body)?,
        }
        Ok(None)
    }

    /// Writes bytes of a body and counts them.
    fn put(&self, stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(64 * 1024) {
            stream.write_all(piece)?;
            self.sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Sends `length` bytes that are all the same, without having them.
    fn flood(&self, stream: &mut impl Write, letter: u8, length: u64, framing: Framing) -> io::Result<()> {
        let piece = vec![letter; 64 * 1024];
        let mut left = length;
        while left > 0 && !self.stopped.load(Ordering::SeqCst) {
            let now = &piece[..usize::try_from(left).unwrap_or(usize::MAX).min(piece.len())];
            match framing {
                Framing::Chunked => write_chunk(stream, now)?,
                Framing::Length(_) | Framing::UntilClose => stream.write_all(now)?,
            }
            left -= now.len() as u64;
            self.flooded.fetch_add(now.len() as u64, Ordering::SeqCst);
        }
        if framing == Framing::Chunked { stream.write_all(b"0\r\n\r\n") } else { Ok(()) }
    }

    /// Holds the connection open, saying nothing, until the server ends.
    fn wait_for_end(&self) -> After {
        while !self.stopped.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        After::Ended
    }
}

fn write_chunk(stream: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    if piece.is_empty() {
        // An empty chunk is the end.
        return Ok(());
    }
    write!(stream, "{:x}\r\n", piece.len())?;
    stream.write_all(piece)?;
    stream.write_all(b"\r\n")
}

fn head_of(response: &Response) -> Head {
    let mut headers = response.headers.clone();
    let says_length = header(&headers, "content-length").is_some();
    let unmeasured = matches!(response.delivery, Delivery::Flood(..)) && !says_length;
    if response.delivery == Delivery::Chunked || unmeasured {
        headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
    } else if response.status != 204 && !says_length {
        headers.push(("Content-Length".to_owned(), response.body.len().to_string()));
    }
    Head { first_line: format!("HTTP/1.1 {} Scripted", response.status), headers }
}

/// Ends a connection in order: what the client still sends is read, because unread bytes would make it a reset.
fn end(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let mut stream = stream;
    let mut rest = [0; 4096];
    for _ in 0..1000 {
        if !matches!(stream.read(&mut rest), Ok(1..)) {
            return;
        }
    }
}
