//! Moving images: big layers and small ones, pulled and copied, in the clear and over TLS.

use super::{GIB, KIB, MIB, Trusted, figure, shown};
use crate::results::{Bound, Row};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::relay::Relay;
use crate::support::scripted::Scripted;
use crate::tasks::{Name, Task, Transport};
use crate::trial::{Bench, Errand, Mode};
use crate::warehouse;

const REPOSITORY: &str = "team/app";

/// P1: one layer to the store.
pub(super) fn pull_one_layer(bench: &mut Bench) {
    let layers = [bench.size(GIB, 32 * MIB)];
    pull(bench, "P1", &layers, 0.6);
    let work = pull_of(&layers);
    let cpu = bench.results.own("P1", &work).map(|row| cpu_per_gib(row, layers[0]));
    bench.results.goal_of("P1", "CPU seconds for a GiB", cpu, Bound::AtMost(1.2));
}

/// P2: eight layers at once to the store.
pub(super) fn pull_eight_layers(bench: &mut Bench) {
    let layers = [bench.size(128 * MIB, 4 * MIB); 8];
    pull(bench, "P2", &layers, 0.75);
}

fn pull(bench: &mut Bench, id: &'static str, layers: &[u64], of_best: f64) {
    let work = pull_of(layers);
    let source = DockerRegistry::open();
    warehouse::put(&source, REPOSITORY, &tags(1), layers);
    bench.race(id, &work, 1, |mode| {
        let (address, relays) = door(&source, mode);
        Errand { relays, ..Errand::plain(Task::Pull(Name::new(&address, REPOSITORY, "v0"))) }
    });
    let wall = bench.results.against_best(id, &work, |row| row.wall);
    bench.results.goal_of(id, format!("wall time of the best peer, {work}"), wall, Bound::AtMost(of_best));
}

fn pull_of(layers: &[u64]) -> String {
    format!("pull {} × {}", layers.len(), shown(layers[0]))
}

fn copy_of(layers: &[u64]) -> String {
    format!("copy {} × {}", layers.len(), shown(layers[0]))
}

/// P3: from registry to registry.
pub(super) fn copy_one_layer(bench: &mut Bench) {
    let layers = [bench.size(GIB, 32 * MIB)];
    copy(bench, "P3", &layers, &DockerRegistry::open, &Transport::Plain);
    let work = copy_of(&layers);
    let cpu = bench.results.own("P3", &work).map(|row| cpu_per_gib(row, layers[0]));
    bench.results.goal_of("P3", "CPU seconds for a GiB", cpu, Bound::AtMost(0.9));
    let best = bench.results.against_best("P3", &work, |row| row.cpu);
    bench.results.goal_of("P3", "CPU of the best peer that hashes", best, Bound::AtMost(0.7));
}

/// P4: from registry to registry, both with TLS.
pub(super) fn copy_over_tls(bench: &mut Bench) {
    let layers = [bench.size(GIB, 32 * MIB)];
    let trusted = Trusted::new();
    copy(bench, "P4", &layers, &|| trusted.registry(), &trusted.transport());
    let work = copy_of(&layers);
    let cpu = bench.results.own("P4", &work).map(|row| cpu_per_gib(row, layers[0]));
    bench.results.goal_of("P4", "CPU seconds for a GiB", cpu, Bound::AtMost(1.2));
    let best = bench.results.against_best("P4", &work, |row| row.cpu);
    bench.results.goal_of("P4", "CPU of the best peer that hashes", best, Bound::AtMost(0.95));
}

fn copy(
    bench: &mut Bench,
    id: &'static str,
    layers: &[u64],
    start: &dyn Fn() -> DockerRegistry,
    transport: &Transport,
) {
    let source = start();
    warehouse::put(&source, REPOSITORY, &tags(1), layers);
    bench.race(id, &copy_of(layers), 1, |mode| {
        let destination = start();
        // Relays do not speak TLS.
        let mode = if *transport == Transport::Plain { mode } else { Mode::Timed };
        let ((from, mut relays), (to, counting)) = (door(&source, mode), door(&destination, mode));
        relays.extend(counting);
        let task = Task::Copy(Name::new(&from, REPOSITORY, "v0"), vec![Name::new(&to, REPOSITORY, "v0")]);
        Errand { relays, transport: transport.clone(), ..Errand::plain(task) }.holding(destination)
    });
}

/// P5: what each layer costs beside its bytes.
pub(super) fn many_small_layers(bench: &mut Bench) {
    let layers = vec![4 * KIB; bench.size(100, 10)];
    pull(bench, "P5", &layers, 0.6);
    copy(bench, "P5", &layers, &DockerRegistry::open, &Transport::Plain);
    let work = copy_of(&layers);
    let wall = bench.results.against_best("P5", &work, |row| row.wall);
    bench.results.goal_of("P5", format!("wall time of the best peer, {work}"), wall, Bound::AtMost(0.8));
}

/// P6: a repository whose tags are all there already, between registries that answer at once.
pub(super) fn unchanged_tags(bench: &mut Bench) {
    let count: usize = bench.size(1000, 20);
    let work = format!("sync of {count} unchanged tags");
    let (source, destination) = (Scripted::settings().page(count).start(), Scripted::start());
    let image = image().build();
    let tags = tags(count);
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    for registry in [&source, &destination] {
        registry.put(REPOSITORY, &image, &names);
    }
    bench.alone("P6", &work, |mode| {
        if mode == Mode::Timed {
            source.forget_requests();
            destination.forget_requests();
        }
        let [from, to] = [&source, &destination].map(|registry| Name::new(&registry.address(), REPOSITORY, ""));
        Errand::plain(Task::Sync(from, to))
    });
    let requests = source.requests().len() + destination.requests().len();
    let Some(row) = bench.results.rows.last_mut().filter(|row| row.id == "P6") else { return };
    row.requests = Some(requests);
    let (cpu, wall, count) = (row.cpu.as_secs_f64(), row.wall.as_secs_f64(), figure(count as u64));
    bench.results.goal("P6", "CPU milliseconds for a tag", cpu * 1e3 / count, Bound::AtMost(0.5));
    bench.results.goal("P6", "tags in a second", count / wall, Bound::AtLeast(3000.0));
    bench.results.goal(
        "P6",
        "requests for a tag, without the list",
        figure(requests as u64 - 1) / count,
        Bound::AtMost(2.0),
    );
}

/// Where a registry is spoken to, and the relay that stands there.
fn door(registry: &DockerRegistry, mode: Mode) -> (String, Vec<Relay>) {
    match mode {
        Mode::Timed => (registry.address().to_owned(), Vec::new()),
        Mode::Counted => {
            let relay = Relay::to(registry.address());
            (relay.address().to_owned(), vec![relay])
        }
    }
}

/// `v0`, `v1` and so on.
fn tags(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("v{number}")).collect()
}

fn cpu_per_gib(row: &Row, bytes: u64) -> f64 {
    row.cpu.as_secs_f64() / (figure(bytes) / figure(GIB))
}
