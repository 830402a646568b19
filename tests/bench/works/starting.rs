//! Starting up: what there is to pay before any work is done.

use std::time::Duration;

use super::{KIB, MIB, Trusted, figure};
use crate::results::Bound;
use crate::support::docker_registry::DockerRegistry;
use crate::tasks::{Name, Task, Transport};
use crate::trial::{Bench, Errand};
use crate::warehouse;

/// P7: the version, and a tag's digest.
pub(super) fn start_up(bench: &mut Bench) {
    let times = bench.size(20, 2);
    bench.race("P7", "--version", times, |_| Errand::plain(Task::Version));
    let row = bench.results.own("P7", "--version").cloned();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let wall = row.as_ref().map(|row| milliseconds(row.wall));
    bench.results.goal_of("P7", "milliseconds for --version", wall, Bound::AtMost(3.0));
    let peak = row.map(|row| figure(row.peak) / figure(MIB));
    bench.results.goal_of("P7", "MiB for --version", peak, Bound::AtMost(8.0));

    let trusted = Trusted::new();
    resolve(bench, "resolve", &DockerRegistry::open(), &Transport::Plain);
    resolve(bench, "resolve over TLS", &trusted.registry(), &trusted.transport());
}

fn resolve(bench: &mut Bench, work: &str, server: &DockerRegistry, transport: &Transport) {
    warehouse::put(server, "app", &["v0".to_owned()], &[4 * KIB]);
    let name = Name::new(server.address(), "app", "v0");
    bench.race("P7", work, bench.size(20, 2), |_| Errand {
        transport: transport.clone(),
        ..Errand::plain(Task::Resolve(name.clone()))
    });
    let wall = bench.results.against_best("P7", work, |row| row.wall);
    bench.results.goal_of("P7", format!("wall time of the best peer, {work}"), wall, Bound::AtMost(0.5));
}
