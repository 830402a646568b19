//! What is moved again after connections were cut, and after the program was killed.

use std::time::{Duration, Instant};

use super::{KIB, MIB, figure};
use crate::results::Bound;
use crate::support::docker_registry::DockerRegistry;
use crate::support::program::Program;
use crate::support::relay::{Line, Relay};
use crate::tasks::{Name, Task, Transport};
use crate::trial::{Bench, Errand};
use crate::warehouse::{self, Stored};

/// How often a blob is cut.
const CUTS: usize = 5;

/// P11: bytes of the source beyond the size of the blob.
pub(super) fn cuts(bench: &mut Bench) {
    let size = bench.size(64 * MIB, 4 * MIB);
    let source = DockerRegistry::open();
    let stored = warehouse::put(&source, "app", &["v0".to_owned()], &[size]);
    for work in ["pull", "copy"] {
        let relay = Relay::to(source.address());
        relay.cut_answers(CUTS, size / 8);
        let from = Name::new(relay.address(), "app", "v0");
        let destination = DockerRegistry::open();
        let task = match work {
            "pull" => Task::Pull(from),
            _ => Task::Copy(from, vec![Name::new(destination.address(), "app", "v0")]),
        };
        if let Err(error) = Errand::plain(task).run(&bench.tools[0], 1) {
            bench.results.gaps.push(format!("P11 {work}: {error}"));
        } else {
            let again = beyond(&relay, stored) / figure(KIB) / figure(CUTS as u64);
            let what = format!("KiB again for each of {CUTS} cuts, {work}");
            bench.results.goal("P11", what, again, Bound::AtMost(64.0));
        }
    }
}

/// How many bytes more came through than the image has. Manifests are among them.
fn beyond(relay: &Relay, stored: Stored) -> f64 {
    figure(relay.downloaded()) - figure(stored.size)
}

/// P12: bytes of the source beyond the size of the image, when a run was killed at nine tenths.
pub(super) fn kill(bench: &mut Bench) {
    let one = [bench.size(256 * MIB, 8 * MIB)];
    let many = [bench.size(16 * MIB, MIB); 16];
    let works: [(&str, &[u64], Bound); 4] = [
        ("pull of one layer", &one, Bound::AtMost(8.0)),
        ("pull of 16 layers", &many, Bound::AtMost(8.0)),
        // docker-registry forgets an upload whose connection ends, so what was under way goes again.
        ("copy of one layer", &one, Bound::None),
        ("copy of 16 layers", &many, Bound::None),
    ];
    for (work, layers, bound) in works {
        if bench.is_stopped() {
            return;
        }
        match killed(bench, work, layers) {
            Ok(again) => bench.results.goal("P12", format!("MiB again, {work}"), again / figure(MIB), bound),
            Err(error) => bench.results.gaps.push(format!("P12 {work}: {error}")),
        }
    }
}

fn killed(bench: &Bench, work: &str, layers: &[u64]) -> Result<f64, String> {
    let (source, destination) = (DockerRegistry::open(), DockerRegistry::open());
    let stored = warehouse::put(&source, "app", &["v0".to_owned()], layers);
    // Slow enough to be killed in time.
    let rate = Some(stored.size / layers.len() as u64);
    let relay = Relay::over(source.address(), Line { rate, ..Line::default() });
    let from = Name::new(relay.address(), "app", "v0");
    let task = match work.split_once(' ') {
        Some(("pull", _)) => Task::Pull(from),
        _ => Task::Copy(from, vec![Name::new(destination.address(), "app", "v0")]),
    };
    let program = Program::new();
    let command = bench.tools[0].command(&task, &Transport::Plain, "");
    let words: Vec<&str> = command[1..].iter().map(String::as_str).collect();
    let running = program.invoke_other(&command[0], &words).start();
    let until = Instant::now() + Duration::from_secs(30);
    while relay.downloaded() < stored.size / 10 * 9 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    running.signal_if_running("KILL");
    if running.finish().code.is_some() {
        return Err("it was done before it was killed".to_owned());
    }
    let output = program.invoke_other(&command[0], &words).run();
    if output.code == Some(0) { Ok(beyond(&relay, stored)) } else { Err(output.stderr) }
}
