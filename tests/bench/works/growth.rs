//! Growth: what ten times as much of something costs.

use super::{KIB, MIB, figure};
use crate::results::{Bound, exponent};
use crate::support::docker_registry::DockerRegistry;
use crate::tasks::{Name, Task};
use crate::trial::{Bench, Errand};
use crate::warehouse;

/// The steepest that anything may grow.
const LINEAR: Bound = Bound::AtMost(1.05);

/// P17: CPU time over layers, tags, registries and bytes, without what it costs to start.
pub(super) fn growth(bench: &mut Bench) {
    bench.alone("P17", "--version", |_| Errand::plain(Task::Version));
    layers(bench);
    tags(bench);
    registries(bench);
    bytes(bench);
}

fn layers(bench: &mut Bench) {
    let counts = bench.size([62, 250, 1000], [2, 4, 8]);
    let works: Vec<(u64, String)> = counts.iter().map(|count| (*count, format!("pull {count} layers"))).collect();
    for (count, work) in &works {
        let source = DockerRegistry::open();
        warehouse::put(&source, "app", &["v0".to_owned()], &vec![4 * KIB; usize::try_from(*count).unwrap()]);
        bench.alone("P17", work, |_| Errand::plain(Task::Pull(Name::new(source.address(), "app", "v0"))));
    }
    fit(bench, "exponent over layers", &works);
}

fn tags(bench: &mut Bench) {
    let counts = bench.size([1000, 10_000, 100_000], [10, 100, 200]);
    let works: Vec<(u64, String)> = counts.iter().map(|count| (*count, format!("list {count} tags"))).collect();
    for (count, work) in &works {
        let source = DockerRegistry::open();
        warehouse::put(&source, "app", &[], &[KIB]);
        warehouse::name_tags(&source, "app", usize::try_from(*count).unwrap());
        bench.alone("P17", work, |_| Errand::plain(Task::Tags(Name::new(source.address(), "app", ""))));
    }
    fit(bench, "exponent over tags", &works);
}

fn registries(bench: &mut Bench) {
    let counts = bench.size([2, 8, 32], [1, 2, 4]);
    let works: Vec<(u64, String)> =
        counts.iter().map(|count| (*count, format!("copy to {count} registries"))).collect();
    let source = DockerRegistry::open();
    warehouse::put(&source, "app", &["v0".to_owned()], &[256 * KIB; 4]);
    for (count, work) in &works {
        bench.alone("P17", work, |_| {
            let held: Vec<DockerRegistry> = (0..*count).map(|_| DockerRegistry::open()).collect();
            let names = held.iter().map(|registry| Name::new(registry.address(), "app", "v0")).collect();
            let task = Task::Copy(Name::new(source.address(), "app", "v0"), names);
            Errand { held, ..Errand::plain(task) }
        });
    }
    fit(bench, "exponent over registries", &works);
}

fn bytes(bench: &mut Bench) {
    let sizes = bench.size([64 * MIB, 512 * MIB, 4096 * MIB], [MIB, 2 * MIB, 4 * MIB]);
    let works: Vec<(u64, String)> =
        sizes.iter().map(|size| (*size, format!("pull a layer of {} MiB", size / MIB))).collect();
    for (size, work) in &works {
        let source = DockerRegistry::open();
        warehouse::put(&source, "app", &["v0".to_owned()], &[*size]);
        bench.alone("P17", work, |_| Errand::plain(Task::Pull(Name::new(source.address(), "app", "v0"))));
    }
    fit(bench, "exponent over bytes", &works);
}

fn fit(bench: &mut Bench, what: &str, works: &[(u64, String)]) {
    let cpu = |work: &str| bench.results.own("P17", work).map(|row| row.cpu.as_secs_f64());
    let Some(base) = cpu("--version") else { return };
    let points: Vec<(f64, f64)> =
        works.iter().filter_map(|(amount, work)| Some((figure(*amount), cpu(work)? - base))).collect();
    bench.results.goal_of("P17", what, exponent(&points), LINEAR);
}
