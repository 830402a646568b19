//! The long run: many clients at one `tranship serve` whose collection never rests, and a server that is killed again
//! and again. `tests/soak` starts it; it is no part of the tests that every change runs.
//!
//! ```sh
//! tests/soak [--minutes N] [--clients N] [--kills N]
//! ```
//!
//! First every client pushes, pulls and removes images of its own, of layers that all of them share, while what
//! nothing needs is collected every second: an answer that a client would take for an error ends the run. Then the
//! server is killed (`kill -9`) in the midst of pushes; after each start everything that it had acknowledged has to
//! be there, byte for byte.

#![allow(clippy::unwrap_used, reason = "a run that cannot set itself up has failed")]
#![allow(clippy::print_stdout, reason = "the results are for whoever runs it")]

#[allow(dead_code, unused_macros, reason = "the tests' harness, of which this needs a part")]
#[path = "../support/mod.rs"]
#[macro_use]
mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use support::content::noise;
use support::images::{Content, Image, image};
use support::program::Program;
use support::push::Registry;
use support::served::Served;

/// How long content that nothing names is kept for pushes: longer than a push takes on a busy machine.
const GRACE: &str = "20s";
/// How many layers there are that all clients share.
const LAYERS: u64 = 40;
/// How many images of a client are there at the same time.
const KEPT: u64 = 3;

/// Works at one server for long.
#[derive(Debug, Parser)]
struct Options {
    /// How long clients push, pull and remove
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How many clients
    #[arg(long, default_value_t = 64)]
    clients: u64,
    /// How often the server is killed
    #[arg(long, default_value_t = 50)]
    kills: u64,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let program = Program::new();
    if options.minutes > 0 {
        crowd(&program, &options);
    }
    if options.kills > 0 {
        kills(&program, &options);
    }
}

/// What the clients did.
#[derive(Default)]
struct Tally {
    pushes: AtomicU64,
    spared: AtomicU64,
    pulls: AtomicU64,
    removals: AtomicU64,
}

fn serve(program: &Program) -> Served {
    Served::with(program, &["--upkeep-every", "1s", "--upkeep-grace", GRACE])
}

/// An image of a shared layer, and one that only this client has.
fn made(client: u64, number: u64) -> Image {
    let mut image = image().layers(&[2000]).build();
    let seed = (client * 7 + number * 13) % LAYERS;
    let bytes = noise(seed, 20_000 + usize::try_from(seed).unwrap() * 1000);
    let shared = Content::new("application/vnd.oci.image.layer.v1.tar", bytes);
    let mut document = image.document();
    document["layers"].as_array_mut().unwrap().push(shared.descriptor());
    image.manifest = Content::new(&image.manifest.media_type, serde_json::to_vec(&document).unwrap());
    image.blobs.push(shared);
    image
}

/// Pushes as clients do: what is there already is not sent.
fn push(registry: &Registry, repository: &str, image: &Image, tag: &str, tally: &Tally) {
    for blob in image.all_blobs() {
        let there = registry.request("HEAD", &format!("/v2/{repository}/blobs/{}", blob.digest), &[], b"");
        match there.status {
            200 => drop(tally.spared.fetch_add(1, Ordering::Relaxed)),
            404 => registry.push_blob(repository, blob),
            other => panic!("HEAD of a blob is answered with {other}"),
        }
    }
    registry.push_manifest(repository, &image.manifest, tag);
    tally.pushes.fetch_add(1, Ordering::Relaxed);
}

fn crowd(program: &Program, options: &Options) {
    let served = serve(program);
    let (tally, until) = (Tally::default(), Instant::now() + Duration::from_secs(options.minutes * 60));
    println!("{} clients push, pull and remove for {} min", options.clients, options.minutes);
    std::thread::scope(|scope| {
        for client in 0..options.clients {
            let (registry, tally) = (served.registry(), &tally);
            scope.spawn(move || {
                let repository = format!("team{}/app{client}", client % 5);
                let mut kept: Vec<(u64, Image)> = Vec::new();
                for number in 0.. {
                    if Instant::now() >= until {
                        break;
                    }
                    let image = made(client, number);
                    push(&registry, &repository, &image, &format!("v{number}"), tally);
                    kept.push((number, image));
                    for (number, image) in &kept {
                        assert!(registry.holds(&repository, image), "{repository}:v{number} is not whole");
                        tally.pulls.fetch_add(1, Ordering::Relaxed);
                    }
                    if kept.len() as u64 > KEPT {
                        let (_, oldest) = kept.remove(0);
                        let gone = format!("/v2/{repository}/manifests/{}", oldest.digest());
                        assert_eq!(registry.request("DELETE", &gone, &[], b"").status, 202);
                        tally.removals.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    println!(
        "no error in {} pushes ({} blobs found there), {} pulls of whole images, {} removals",
        count(&tally.pushes),
        count(&tally.spared),
        count(&tally.pulls),
        count(&tally.removals)
    );
    served.end("TERM");
    let pruned = program.run(&["prune", "-o", "json"]).success().json();
    println!("after the last collection {} bytes were left for `prune`", pruned["bytes"]);
}

fn kills(program: &Program, options: &Options) {
    println!("the server is killed {} times", options.kills);
    let (mut images, mut blobs) = (Vec::new(), Vec::new());
    for round in 0..options.kills {
        let served = serve(program);
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let registry = served.registry();
                std::thread::spawn(move || acknowledged(&registry, round, client))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(150 + 53 * (round % 17)));
        served.end("KILL");
        for client in clients {
            let (pushed, sent) = client.join().unwrap();
            images.extend(pushed);
            blobs.push(sent);
        }
        let served = serve(program);
        for (repository, image) in images.iter().rev().take(50) {
            assert!(served.registry().holds(repository, image), "{repository} is not whole after kill {round}");
        }
        // What was sent lately has no manifest yet, and is there all the same.
        for (repository, blob) in blobs.drain(..).flatten() {
            let found: Vec<u8> = served.registry().get(&format!("/v2/{repository}/blobs/{}", blob.digest)).body;
            assert_eq!(found, blob.bytes, "a blob of {repository} after kill {round}");
        }
    }
    let served = serve(program);
    for (repository, image) in &images {
        assert!(served.registry().holds(repository, image), "{repository} is not whole at the end");
    }
    println!("{} kills: {} acknowledged images are there and whole", options.kills, images.len());
}

/// What came of a client's pushes until the server was gone: images, and the blobs of the one in the midst.
type Acknowledged = (Vec<(String, Image)>, Vec<(String, Content)>);

fn acknowledged(registry: &Registry, round: u64, client: u64) -> Acknowledged {
    let repository = format!("killed/app{client}");
    let mut images = Vec::new();
    for number in 0.. {
        let image = made(client + round, number);
        let mut sent = Vec::new();
        for blob in image.all_blobs() {
            let target = format!("/v2/{repository}/blobs/uploads/?digest={}", blob.digest);
            match registry.try_request("POST", &target, &[], &blob.bytes) {
                Ok(answer) if answer.status == 201 => sent.push((repository.clone(), blob.clone())),
                _ => return (images, sent),
            }
        }
        let target = format!("/v2/{repository}/manifests/r{round}n{number}");
        let headers = [("Content-Type", image.manifest.media_type.as_str())];
        match registry.try_request("PUT", &target, &headers, &image.manifest.bytes) {
            Ok(answer) if answer.status == 201 => images.push((repository.clone(), image)),
            _ => return (images, sent),
        }
    }
    unreachable!("numbers do not end")
}
