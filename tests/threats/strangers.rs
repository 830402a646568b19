//! What strangers can take up of a server: connections, uploads, time and room (S51).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::faults::disk::may_mount;
use crate::support::content::sha256;
use crate::support::eventually;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::served::Served;

/// Serves with a file of settings.
fn served(program: &Program, settings: &str) -> Served {
    std::fs::write(program.path("serve.yaml"), settings).unwrap();
    Served::with(program, &["--serve-config", &program.path("serve.yaml")])
}

fn metrics(registry: &Registry) -> String {
    String::from_utf8(registry.get("/metrics").body).unwrap()
}

/// How many files this process may have open.
fn files() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}

#[test]
fn s51_ten_thousand_half_open_connections_keep_nobody_out() {
    let program = Program::new();
    let served = Served::of(&program);
    let image = image().layers(&[2_000_000]).build();
    served.registry().push("a", &image, &["v1"]);
    // As many as this process may hold, where that is less.
    let many = 10_000.min(files() - 500);
    let mut held = Vec::new();
    let began = Instant::now();
    for number in 0..many {
        let mut stream = TcpStream::connect(served.address()).unwrap();
        // Some say nothing, some begin to say something.
        let said = ["", "GET /v2/ HT", "PRI * HT"][number % 3];
        // Whoever had to make room already hears nothing any more.
        let _ = stream.write_all(said.as_bytes());
        held.push(stream);
        if number % 2000 == 1999 {
            assert!(served.registry().holds("a", &image), "after {number}");
        }
    }
    assert!(served.registry().holds("a", &image), "after {:?}", began.elapsed());
    served.registry().push("b", &image, &["v1"]);
    let text = metrics(&served.registry());
    let open = text.lines().find_map(|line| line.strip_prefix("tranship_connections ")).unwrap();
    assert!(open.parse::<usize>().unwrap() <= 1100, "{open} of {many} are open");
    drop(held);
    let log = served.end("TERM");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn s51_whoever_says_nothing_more_is_not_waited_for() {
    let program = Program::new();
    let served = served(&program, "limits: {idle: 1s}\n");
    let registry = served.registry();
    let long = image().layers(&[40_000_000]).build();
    registry.push("a", &long, &["v1"]);
    let layer = long.all_blobs().into_iter().max_by_key(|blob| blob.bytes.len()).unwrap();
    // Who asks for much and reads nothing.
    let mut deaf = TcpStream::connect(served.address()).unwrap();
    let asked = format!("GET /v2/a/blobs/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", layer.digest);
    deaf.write_all(asked.as_bytes()).unwrap();
    // Who announces much and sends little.
    let place = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").unwrap().to_owned();
    let mut slow = TcpStream::connect(served.address()).unwrap();
    let head = format!("PATCH {place} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nbegun");
    slow.write_all(head.as_bytes()).unwrap();
    slow.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut answer = String::new();
    let _ = slow.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // What came of it is kept for whoever goes on.
    assert_eq!(registry.get(&place).header("range"), Some("0-4"));
    let given_up = "tranship_requests_total{method=\"GET\",route=\"blob\",status=\"200\"} 1";
    eventually("the answer that nobody reads is given up", || metrics(&registry).contains(given_up));
    drop(deaf);
}

#[test]
fn s51_uploads_without_end_have_one() {
    let program = Program::new();
    let served = served(&program, "limits: {uploads: 5, blob-size: 1MiB}\n");
    let registry = served.registry();
    let begin = || registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
    let places: Vec<String> = (0..5).map(|_| begin().header("location").unwrap().to_owned()).collect();
    let refused = begin();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
    assert!(String::from_utf8_lossy(&refused.body).contains("TOOMANYREQUESTS"), "{refused:?}");
    // Who has one can end it, and then another can begin.
    assert_eq!(registry.request("DELETE", &places[0], &[], b"").status, 204);
    let content = vec![7; 1 << 20];
    let target = format!("{}?digest={}", places[1], sha256(&content));
    assert_eq!(registry.request("PUT", &target, &[], &content).status, 201);
    assert_eq!((begin().status, begin().status, begin().status), (202, 202, 429));
    // A blob without end is given up.
    let piece = vec![0; 400_000];
    let answers: Vec<u16> = (0..4).map(|_| registry.request("PATCH", &places[2], &[], &piece).status).collect();
    assert_eq!(answers, [202, 202, 413, 404]);
    let whole = format!("/v2/a/blobs/uploads/?digest={}", sha256(&piece));
    registry.request("DELETE", &places[3], &[], b"");
    assert_eq!(registry.request("POST", &whole, &[], &piece).status, 201);
    let uploads = std::fs::read_dir(program.path("data/tranship/store/uploads")).unwrap().count();
    assert!(uploads <= 2 * 5, "{uploads} files are left");
}

#[test]
fn s51_a_full_disk_refuses_pushes_and_serves_what_it_has() {
    if !may_mount() {
        return;
    }
    let program = Program::new();
    let store = program.path("small");
    std::fs::create_dir(&store).unwrap();
    let inner = program.command(&["serve", "--listen", "127.0.0.1:0", "-q", "-v"]);
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "mount -t tmpfs -o size=6m tmpfs \"$TRANSHIP_STORE\" && exec \"$@\"", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(program.home()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TRANSHIP_STORE", &store);
    let served = Served::by(&mut command);
    let registry = served.registry();
    let (small, big) = (image().build(), image().layers(&[3_000_000]).build());
    registry.push("small", &small, &["v1"]);
    registry.push("big", &big, &["v1"]);
    let more = vec![1; 4_000_000];
    let target = format!("/v2/big/blobs/uploads/?digest={}", sha256(&more));
    for _ in 0..3 {
        let refused = registry.request("POST", &target, &[], &more);
        assert!(refused.status >= 500, "{refused:?}");
        assert!(registry.holds("small", &small) && registry.holds("big", &big));
        assert_eq!(registry.get("/healthz").status, 200);
    }
}
