//! Names, addresses and proxies that lead nowhere.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::disk::may_mount;
use crate::support::images::image;
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Delivery, Response};

/// Runs the program where `/etc/hosts` and `/etc/resolv.conf` are others, for it alone.
fn run_where(hosts: &str, resolv: &str, words: &[&str]) -> Output {
    let program = Program::new();
    std::fs::write(program.home().join("hosts"), hosts).unwrap();
    std::fs::write(program.home().join("resolv"), resolv).unwrap();
    let script = "mount --bind hosts /etc/hosts && mount --bind resolv /etc/resolv.conf && exec \"$T\" \"$@\"";
    let words = [&["-m", "sh", "-c", script, "sh"], words].concat();
    program.invoke_other("unshare", &words).env("T", env!("CARGO_BIN_EXE_tranship")).run()
}

/// A registry with an image; its port, and what the image's digest is.
fn registry(ip: &'static str) -> (Scripted, u16, String) {
    let registry = Scripted::settings().ip(ip).start();
    let image = image().build();
    registry.put("a", &image, &["v1"]);
    let port = registry.address().rsplit_once(':').unwrap().1.parse().unwrap();
    (registry, port, image.digest().to_owned())
}

/// An address where connections are neither taken nor refused, as long as it lives.
struct BlackHole(#[expect(dead_code, reason = "it holds the sockets")] Vec<Socket>);

impl BlackHole {
    fn at(address: &str, port: u16) -> Self {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let mut sockets = vec![listener];
        // Who waits to be taken fills the queue; after that nobody is answered.
        for _ in 0..4 {
            let client = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&address.into());
            sockets.push(client);
        }
        Self(sockets)
    }
}

#[test]
fn f43_a_name_that_is_not_known_is_an_error_that_names_it() {
    let output = Program::new().run(&["resolve", "--retries", "0", "registry.invalid/a:v1"]).code(5);
    output.says("cannot connect to https://registry.invalid");
}

#[test]
fn f43_an_address_where_nobody_listens_is_passed_over_for_the_next() {
    if !may_mount() {
        return;
    }
    for (good, dead) in [("127.0.0.1", "127.0.0.9"), ("127.0.0.9", "127.0.0.1"), ("127.0.0.1", "::1")] {
        let (_registry, port, digest) = registry(good);
        let hosts = format!("{dead} two.test\n{good} two.test\n");
        let words = ["resolve", "-q", "--tls", "plain-http", &format!("two.test:{port}/a:v1")];
        let output = run_where(&hosts, "", &words).success();
        assert!(output.stdout.contains(&digest), "{dead}: {}", output.shown());
    }
}

#[test]
fn f43_an_address_that_never_answers_is_passed_over_for_the_next() {
    if !may_mount() {
        return;
    }
    for (good, hole) in [("127.0.0.1", "::1"), ("127.0.0.9", "127.0.0.1"), ("127.0.0.1", "127.0.0.9")] {
        let (registry, port, digest) = registry(good);
        let _hole = BlackHole::at(hole, port);
        let hosts = format!("{hole} two.test\n{good} two.test\n");
        let words = ["resolve", "-q", "--tls", "plain-http", &format!("two.test:{port}/a:v1")];
        let output = run_where(&hosts, "", &words).success();
        assert!(output.stdout.contains(&digest), "{hole}: {}", output.shown());
        assert_eq!(registry.lines().len(), 1, "{hole}: nothing was asked twice");
    }
}

/// Answers questions for names with 127.0.0.1, each after a pause, until one comes that is none.
fn slow_names(socket: &UdpSocket, pause: Duration) {
    let mut question = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut question) {
        if length == 0 {
            return;
        }
        std::thread::sleep(pause);
        // The name ends with an empty label; behind it stands the type, of which 1 is A (RFC 1035, 4.1.2).
        let end = 12 + question[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
        let is_a = question[end - 3] == 1;
        let mut answer = question[..end].to_vec();
        answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
        if is_a {
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
        }
        let _ = socket.send_to(&answer, client);
    }
}

#[test]
fn f43_a_slow_name_server_is_waited_for() {
    let Ok(socket) = UdpSocket::bind(("127.0.0.77", 53)) else { return };
    if !may_mount() {
        return;
    }
    let (_registry, port, digest) = registry("127.0.0.1");
    let name_server = socket.local_addr().unwrap();
    let server = std::thread::spawn(move || slow_names(&socket, Duration::from_secs(2)));
    let resolv = "nameserver 127.0.0.77\noptions timeout:20 attempts:1\n";
    let begun = Instant::now();
    let words = ["resolve", "-q", "--tls", "plain-http", &format!("slow.test:{port}/a:v1")];
    let output = run_where("", resolv, &words);
    UdpSocket::bind(("127.0.0.1", 0)).unwrap().send_to(&[], name_server).unwrap();
    assert!(output.success().stdout.contains(&digest));
    assert!(begun.elapsed() >= Duration::from_secs(2), "it was this server that answered");
    server.join().unwrap();
}

#[test]
fn f44_a_proxy_that_does_not_let_us_through_is_named() {
    let refusals = [Response::new(407), Response::new(502), Response::new(1).deliver(Delivery::HangUp)];
    for refusal in refusals {
        let proxy = Scripted::start();
        proxy.rule(when("CONNECT", ""), Act::respond(refusal));
        let program = Program::new();
        let run = program.invoke(&["resolve", "--retries", "0", "registry.example.com/a:v1"]);
        let run = run.env("HTTPS_PROXY", &format!("http://user:canary-proxy@{}", proxy.address()));
        run.run().code(5).says(&format!("proxy http://{}", proxy.address())).keeps_quiet_about("canary-proxy");
        assert_eq!(proxy.lines(), ["CONNECT registry.example.com:443"]);
    }
}
