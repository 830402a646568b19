//! A relay in front of a real server (plain HTTP): counts the requests and bytes that go through, makes them wait,
//! and cuts them.

use std::io::{BufReader, Read as _, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::http::Head;

/// The first byte of a TLS connection (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// How long a line a relay is, and how narrow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    /// How long a new connection takes.
    pub(crate) connecting: Duration,
    /// How long each request takes to get through.
    pub(crate) wait: Duration,
    /// How many bytes of a body a connection passes on in a second.
    pub(crate) rate: Option<u64>,
}

/// A running relay. It ends when it is dropped.
pub(crate) struct Relay {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    line: Line,
    /// The next request with this method and a longer body goes through for so many bytes, then both sides are cut.
    cut: Mutex<Option<(String, u64)>>,
    /// So many of the next answers with a longer body go through for so many bytes, then both sides are cut.
    cut_answers: Mutex<(usize, u64)>,
    stopped: AtomicBool,
    connections: AtomicUsize,
    lines: Mutex<Vec<String>>,
    uploaded: AtomicU64,
    downloaded: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// Relays to the server at `upstream`, `HOST:PORT`.
    pub(crate) fn to(upstream: &str) -> Self {
        Self::slow(upstream, Duration::ZERO)
    }

    /// Relays to the server at `upstream`, each request after a pause, as over a long line.
    pub(crate) fn slow(upstream: &str, wait: Duration) -> Self {
        Self::over(upstream, Line { wait, ..Line::default() })
    }

    /// Relays to the server at `upstream` over such a line.
    pub(crate) fn over(upstream: &str, line: Line) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            line,
            cut: Mutex::new(None),
            cut_answers: Mutex::new((0, 0)),
            stopped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            lines: Mutex::new(Vec::new()),
            uploaded: AtomicU64::new(0),
            downloaded: AtomicU64::new(0),
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

    /// Cuts so many of the next answers with a longer body after so many bytes of it.
    pub(crate) fn cut_answers(&self, times: usize, after: u64) {
        *self.shared.cut_answers.lock().unwrap() = (times, after);
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

    /// The bytes of all bodies of answers so far.
    pub(crate) fn downloaded(&self) -> u64 {
        self.shared.downloaded.load(Ordering::SeqCst)
    }

    /// Forgets the requests and bytes so far.
    pub(crate) fn forget(&self) {
        self.shared.lines.lock().unwrap().clear();
        self.shared.downloaded.store(0, Ordering::SeqCst);
        self.shared.uploaded.store(0, Ordering::SeqCst);
    }

    /// How many connections have come in.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn relay(&self, mut client: TcpStream) -> std::io::Result<()> {
        std::thread::sleep(self.line.connecting);
        let mut first = [0];
        if client.peek(&mut first)? == 1 && first[0] == TLS_HANDSHAKE {
            // Nothing else would ever come, and the client would wait for an answer.
            return client.shutdown(Shutdown::Both);
        }
        let mut server = TcpStream::connect(&self.upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        self.open.lock().unwrap().extend([client.try_clone()?, server.try_clone()?]);
        let mut from_client = BufReader::new(client.try_clone()?);
        let mut from_server = BufReader::new(server.try_clone()?);
        while self.exchange(&mut from_client, &mut from_server, &mut client, &mut server)? {}
        client.shutdown(Shutdown::Both)?;
        server.shutdown(Shutdown::Both)
    }

    /// Passes on one request and its answer; whether more may come.
    fn exchange(
        &self,
        from_client: &mut BufReader<TcpStream>,
        from_server: &mut BufReader<TcpStream>,
        client: &mut TcpStream,
        server: &mut TcpStream,
    ) -> std::io::Result<bool> {
        let Some(request) = Head::read(from_client)? else { return Ok(false) };
        let method = request.word(0).to_owned();
        self.lines.lock().unwrap().push(format!("{method} {}", request.word(1)));
        std::thread::sleep(self.line.wait);
        request.write(server)?;
        let cut = self.cut.lock().unwrap().take_if(|(cut, after)| *cut == method && request.length() > Some(*after));
        let mut passage = Passage::new(server, &self.uploaded, self.line.rate);
        if let Some((_, after)) = cut {
            std::io::copy(&mut from_client.take(after), &mut passage)?;
            return Ok(false);
        }
        request.request_framing().copy(from_client, &mut passage)?;
        let Some(answer) = Head::read(from_server)? else { return Ok(false) };
        answer.write(client)?;
        let mut passage = Passage::new(client, &self.downloaded, self.line.rate);
        if let Some(after) = self.cut_of(&method, &answer) {
            std::io::copy(&mut from_server.take(after), &mut passage)?;
            return Ok(false);
        }
        answer.answer_framing(&method).copy(from_server, &mut passage)?;
        client.flush()?;
        Ok(true)
    }

    /// After how many bytes this answer is cut.
    fn cut_of(&self, method: &str, answer: &Head) -> Option<u64> {
        let mut cuts = self.cut_answers.lock().unwrap();
        let (times, after) = *cuts;
        if method == "HEAD" || times == 0 || answer.length() <= Some(after) {
            return None;
        }
        cuts.0 -= 1;
        Some(after)
    }
}

/// Passes on the bytes of one body: counts them, and holds them to the rate.
struct Passage<'a> {
    to: &'a mut TcpStream,
    count: &'a AtomicU64,
    rate: Option<u64>,
    begun: Instant,
    passed: u64,
}

impl<'a> Passage<'a> {
    fn new(to: &'a mut TcpStream, count: &'a AtomicU64, rate: Option<u64>) -> Self {
        Self { to, count, rate, begun: Instant::now(), passed: 0 }
    }
}

impl Write for Passage<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Before they go, so that whoever gets the last of them finds them counted.
        self.count.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        self.to.write_all(bytes)?;
        self.passed += bytes.len() as u64;
        if let Some(rate) = self.rate {
            let due = self.begun + Duration::from_micros(self.passed.saturating_mul(1_000_000) / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
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
