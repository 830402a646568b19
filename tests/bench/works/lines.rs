//! Lines that are narrow or long: what is won by several connections, and by few questions that wait for another.

use std::time::Duration;

use super::{KIB, MIB, figure};
use crate::results::Bound;
use crate::support::docker_registry::DockerRegistry;
use crate::support::relay::{Line, Relay};
use crate::tasks::{Name, Task};
use crate::trial::{Bench, Errand};
use crate::warehouse;

/// What one connection of a narrow source gives in a second.
const NARROW: u64 = 50_000_000;
const NEAR: Duration = Duration::from_millis(20);
const FAR: Duration = Duration::from_millis(50);

/// P13: one big layer from a source that limits each connection.
pub(super) fn slow_connections(bench: &mut Bench) {
    let size = bench.size(512 * MIB, 16 * MIB);
    let work = format!("pull {} MiB, 50 MB/s in each connection", size / MIB);
    let source = DockerRegistry::open();
    let stored = warehouse::put(&source, "app", &["v0".to_owned()], &[size]);
    bench.race("P13", &work, 1, |_| {
        let line = Line { connecting: NEAR, wait: NEAR, rate: Some(NARROW) };
        let relay = Relay::over(source.address(), line);
        let name = Name::new(relay.address(), "app", "v0");
        Errand { relays: vec![relay], ..Errand::plain(Task::Pull(name)) }
    });
    let Some(row) = bench.results.own("P13", &work).cloned() else { return };
    let one_stream = figure(stored.size) / figure(NARROW);
    bench.results.goal("P13", "times one stream", one_stream / row.wall.as_secs_f64(), Bound::AtLeast(3.5));
    bench.results.goal("P13", "MiB at most", figure(row.peak) / figure(MIB), Bound::AtMost(64.0));
}

/// P14: a small image between registries that are far away.
pub(super) fn far_away(bench: &mut Bench) {
    let work = "copy 10 × 4 KiB, 50 ms away";
    let source = DockerRegistry::open();
    warehouse::put(&source, "app", &["v0".to_owned()], &[4 * KIB; 10]);
    bench.race("P14", work, 1, |_| {
        let line = Line { connecting: FAR, wait: FAR, rate: None };
        let destination = DockerRegistry::open();
        let relays = [&source, &destination].map(|registry| Relay::over(registry.address(), line));
        let [from, to] = [&relays[0], &relays[1]].map(|relay| Name::new(relay.address(), "app", "v0"));
        Errand { relays: relays.into(), ..Errand::plain(Task::Copy(from, vec![to])) }.holding(destination)
    });
    let wall = bench.results.against_best("P14", work, |row| row.wall);
    bench.results.goal_of("P14", "wall time of the best peer", wall, Bound::AtMost(0.6));
    let trips = bench.results.own("P14", work).map(|row| row.wall.as_secs_f64() / FAR.as_secs_f64());
    bench.results.goal_of(
        "P14",
        "round trips that wait for another, new connections included",
        trips,
        Bound::AtMost(5.0),
    );
}
