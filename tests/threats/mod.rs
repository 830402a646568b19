//! What hostile registries, images, files and surroundings get: the numbered threats of `tests/tables/threats.md`.
//!
//! The registry that the user named stands on 127.0.0.1; the place where it would like things to go stands on
//! 127.0.0.2 or goes by another name, and records what it gets. A secret is known by its text: wherever that turns
//! up but at its own registry, a test fails.

mod archives;
mod artifacts;
mod bombs;
mod bounds;
mod bytes;
mod credentials;
mod documents;
mod foreign;
mod kept;
mod layers;
mod layouts;
mod lists;
mod names;
mod realms;
mod redirects;
mod shown;
mod strangers;
mod transport;
mod uploads;
mod upstream;
mod verbose;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::certificates::Authority;
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Request, Response};
use crate::support::token_server::Tokens;
use crate::support::tunnel::Tunnel;

/// The user whose password is at stake.
const USER: &str = "bob";
/// The password, and a text that stands nowhere else.
const CANARY: &str = "cAnArY-4f1d";

/// A second origin that takes everything down.
fn stranger() -> Scripted {
    Scripted::settings().ip("127.0.0.2").start()
}

/// The program of a user who has the password for these registries, in a file as docker keeps it.
fn program_of(registries: &[&str]) -> Program {
    let program = Program::new();
    let auth = STANDARD.encode(format!("{USER}:{CANARY}"));
    let entries = registries.iter().map(|registry| ((*registry).to_owned(), serde_json::json!({"auth": auth})));
    let file = serde_json::json!({"auths": entries.collect::<serde_json::Map<_, _>>()});
    std::fs::create_dir_all(program.home().join(".docker")).unwrap();
    std::fs::write(program.home().join(".docker/config.json"), file.to_string()).unwrap();
    program
}

/// How a token server knows the user.
fn users() -> Tokens {
    Tokens { users: [(USER.to_owned(), CANARY.to_owned())].into(), ..Tokens::default() }
}

/// The authority that the tests' registries are signed by, in a file of the program's home.
fn trust_file(program: &Program, authority: &Authority) -> String {
    let path = program.path("authority.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    path
}

/// Has every connection of the program go through a tunnel.
fn through(program: &mut Program, tunnel: &Tunnel) {
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"] {
        program.set(name, &tunnel.url());
    }
}

/// Whether a request shows who the user is, or anything else that is the user's alone.
fn tells_on_us(request: &Request) -> bool {
    let secrets = [CANARY.to_owned(), STANDARD.encode(format!("{USER}:{CANARY}"))];
    let shows = |text: &str| secrets.iter().any(|secret| text.contains(secret.as_str()));
    request.headers.iter().any(|(name, value)| {
        ["authorization", "cookie", "proxy-authorization", "referer"].contains(&name.to_ascii_lowercase().as_str())
            || shows(value)
    }) || shows(&request.target)
        || shows(&String::from_utf8_lossy(&request.body))
}

/// Asserts that a server was told nothing of ours, whatever was asked of it.
#[track_caller]
fn was_told_nothing(stranger: &Scripted) {
    for request in stranger.requests() {
        assert!(!tells_on_us(&request), "{request:#?}");
    }
}

/// Asserts that nobody even connected.
#[track_caller]
fn was_left_alone(stranger: &Scripted) {
    assert_eq!(stranger.connections(), 0, "{:#?}", stranger.requests());
}

/// Flags for a run that is not to try again what fails.
const ONCE: [&str; 2] = ["--retries", "0"];

/// Runs without trying again.
fn run_once(program: &Program, arguments: &[&str]) -> Output {
    program.run(&[&ONCE[..], arguments].concat())
}

/// Has a registry ask for a token of `realm`, and take any.
fn wants_token_of(registry: &Scripted, realm: &str) {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"registry.test\"");
    let judge = move |request: &Request, response: Response| match request.header("authorization") {
        Some(shown) if shown.starts_with("Bearer ") => response,
        _ => Response::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &challenge),
    };
    registry.rule(when("*", "/v2/"), Act::change(judge));
}
