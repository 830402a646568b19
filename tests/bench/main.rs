//! The benchmark: tranship, and whichever of its peers are installed, at the same work on this machine.
//!
//! ```sh
//! cargo bench --bench transfer -- --peers [--only P1,P3] [--runs N] [--quick]
//! ```
//!
//! It starts docker-registry instances, with their files in memory where there is room, makes the images, lets the
//! tools work in turn, each run from a clean state, and prints medians. What is measured, and what it is to be,
//! stands in `works`. Requests and bytes are counted in runs of their own, through relays. It ends by itself and
//! leaves nothing but its results: `results.json` and `results.svg`.
//!
//! As part of `cargo test` it runs a few works with small sizes, to see that all of it works.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot set itself up has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the results are for whoever runs it")]

#[allow(dead_code, unused_macros, reason = "the tests' harness, of which this needs a part")]
#[path = "../support/mod.rs"]
#[macro_use]
mod support;

mod picture;
mod results;
mod stopwatch;
mod surroundings;
mod table;
mod tasks;
mod tools;
mod trial;
mod warehouse;
mod works;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use results::Results;
use tools::Tool;
use trial::Bench;
use works::WORKS;

/// The memory that all files together need at a time, in KiB: for figures, and to see that it works.
const ROOM: [u64; 2] = [10 << 20, 1 << 20];

/// What `cargo test` sees to.
const SMOKE: [&str; 5] = ["--quick", "--runs=1", "--only=P5,P7,P11", "--peers", "--bench"];

/// Measures tranship beside its peers.
#[derive(Debug, Parser)]
struct Options {
    /// Measure the peers on PATH too
    #[arg(long)]
    peers: bool,
    /// Only these works, by number
    #[arg(long, value_delimiter = ',', value_name = "P1,P2")]
    only: Vec<String>,
    /// How often each work is done by each tool
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: u16,
    /// Small sizes, to see that it works
    #[arg(long)]
    quick: bool,
    /// Measure this program instead of the one that was built with the benchmark
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_tranship"))]
    tranship: PathBuf,
    /// Where the results are written
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/bench"))]
    out: PathBuf,
    /// What cargo says
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == stopwatch::WORD) {
        return stopwatch::run(&words[1..]);
    }
    if !words.iter().any(|word| word == "--bench") {
        return smoke(&words);
    }
    let options = Options::parse();
    match measure(&options) {
        Ok((results, facts)) => publish(&results, &facts, &options),
        Err(code) => code,
    }
}

/// Sees whether it works; `words` are what `cargo test` was told to tell tests.
fn smoke(words: &[String]) -> ExitCode {
    let others_are_meant = words.iter().any(|word| !word.starts_with('-'));
    if others_are_meant || !support::parts::present(&["docker-registry", "skopeo"]) {
        return ExitCode::SUCCESS;
    }
    let options = Options::parse_from(["transfer"].into_iter().chain(SMOKE));
    match measure(&options) {
        Ok((results, _)) if results.gaps.is_empty() => {
            println!("the benchmark works: {} rows, {} targets", results.rows.len(), results.goals.len());
            ExitCode::SUCCESS
        }
        Ok((results, facts)) => {
            println!("{}", table::text(&results, &facts));
            ExitCode::FAILURE
        }
        Err(code) => code,
    }
}

/// What is known of the surroundings, by name.
type Facts = Vec<(&'static str, String)>;

/// Does the works that are wanted.
fn measure(options: &Options) -> Result<(Results, Facts), ExitCode> {
    let unknown = options.only.iter().find(|word| !WORKS.iter().any(|(id, ..)| id.eq_ignore_ascii_case(word)));
    if let Some(word) = unknown {
        eprintln!("there is no work {word}; there are {}", WORKS.map(|(id, ..)| id).join(", "));
        return Err(ExitCode::from(2));
    }
    if !support::parts::is_installed("docker-registry") {
        eprintln!("install docker-registry: apt-get install -y --no-install-recommends docker-registry");
        return Err(ExitCode::FAILURE);
    }
    let Some(own) = Tool::tranship(options.tranship.clone()) else {
        eprintln!("{} cannot be run", options.tranship.display());
        return Err(ExitCode::from(2));
    };
    let peers = if options.peers { Tool::peers() } else { Vec::new() };
    let tools: Vec<Tool> = [own].into_iter().chain(peers).collect();
    let room = surroundings::room(ROOM[usize::from(options.quick)]);
    tempfile::env::override_temp_dir(room.path()).unwrap();
    let facts = surroundings::facts(&tools, options.runs, room.path());
    let stopped = surroundings::stop_on_signals();
    let mut bench =
        Bench { tools, runs: options.runs.into(), quick: options.quick, results: Results::default(), stopped };
    for (id, what, work) in WORKS {
        let wanted = options.only.is_empty() || options.only.iter().any(|word| id.eq_ignore_ascii_case(word));
        if wanted && !bench.is_stopped() {
            eprintln!("{id}: {what}");
            work(&mut bench);
        }
    }
    if bench.is_stopped() { Err(ExitCode::from(130)) } else { Ok((bench.results, facts)) }
}

/// Prints the results and writes them to files.
fn publish(results: &Results, facts: &[(&str, String)], options: &Options) -> ExitCode {
    println!("{}", table::text(results, facts));
    std::fs::create_dir_all(&options.out).unwrap();
    let document = format!("{:#}\n", results.document(facts));
    std::fs::write(options.out.join("results.json"), document).unwrap();
    let caption: Vec<&str> = facts.iter().take(3).map(|(_, value)| value.as_str()).collect();
    let picture = picture::svg(results, &format!("{}. Shorter is better.", caption.join(" · ")));
    std::fs::write(options.out.join("results.svg"), picture).unwrap();
    println!("written: {}", options.out.display());
    ExitCode::SUCCESS
}
