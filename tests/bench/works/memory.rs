//! Memory: whatever the size of the layers, and for each further stream.

use super::{GIB, MIB, figure, shown};
use crate::results::Bound;
use crate::support::docker_registry::DockerRegistry;
use crate::tasks::{Name, Task};
use crate::trial::{Bench, Errand};
use crate::warehouse;

/// P8: the peak of pulls and copies.
pub(super) fn memory(bench: &mut Bench) {
    let sizes = bench.size([MIB, 64 * MIB, GIB, 4 * GIB], [MIB, 2 * MIB, 4 * MIB, 8 * MIB]);
    let peaks: Vec<f64> = sizes.iter().flat_map(|size| one_layer(bench, *size)).collect();
    let most = peaks.iter().copied().fold(0.0, f64::max);
    bench.results.goal("P8", "MiB at most, one layer of any size", most, Bound::AtMost(24.0));
    if let [first_pull, first_copy, .., last_pull, last_copy] = peaks[..] {
        let gibs = figure(sizes[3] - sizes[0]) / figure(GIB);
        let slope = ((last_pull - first_pull) / gibs).max((last_copy - first_copy) / gibs);
        bench.results.goal("P8", "MiB more for each GiB of the layer", slope, Bound::AtMost(0.5));
    }
    let layers = [bench.size(32 * MIB, MIB); 24];
    let [usual, twice] = [6, 12].map(|streams| many_layers(bench, &layers, streams));
    let most = usual.into_iter().flatten().fold(0.0, f64::max);
    bench.results.goal("P8", "MiB at most, 6 blobs at once", most, Bound::AtMost(24.0));
    for (work, (usual, twice)) in ["pull", "copy"].into_iter().zip(usual.into_iter().zip(twice)) {
        let (Some(usual), Some(twice)) = (usual, twice) else { continue };
        let what = format!("MiB for each further stream, {work}");
        bench.results.goal("P8", what, (twice - usual) / 6.0, Bound::AtMost(1.5));
    }
}

/// The peaks in MiB of a pull and a copy of one layer.
fn one_layer(bench: &mut Bench, size: u64) -> Vec<f64> {
    peaks(bench, &[size], "", &format!("1 × {}", shown(size))).into_iter().flatten().collect()
}

fn many_layers(bench: &mut Bench, layers: &[u64], streams: usize) -> [Option<f64>; 2] {
    let configuration = format!("settings:\n  concurrency: {streams}\n");
    let what = format!("{} × {}, {streams} at once", layers.len(), shown(layers[0]));
    peaks(bench, layers, &configuration, &what)
}

fn peaks(bench: &mut Bench, layers: &[u64], configuration: &str, what: &str) -> [Option<f64>; 2] {
    let source = DockerRegistry::open();
    warehouse::put(&source, "app", &["v0".to_owned()], layers);
    let name = Name::new(source.address(), "app", "v0");
    let configured = |task| Errand { configuration: configuration.to_owned(), ..Errand::plain(task) };
    let (pull, copy) = (format!("pull {what}"), format!("copy {what}"));
    bench.alone("P8", &pull, |_| configured(Task::Pull(name.clone())));
    bench.alone("P8", &copy, |_| {
        let destination = DockerRegistry::open();
        let to = Name::new(destination.address(), "app", "v0");
        configured(Task::Copy(name.clone(), vec![to])).holding(destination)
    });
    [pull, copy].map(|work| bench.results.own("P8", &work).map(|row| figure(row.peak) / figure(MIB)))
}
