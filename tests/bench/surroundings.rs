//! What the benchmark stands on: where its files are, what machine this is, and when it is to stop.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::tools::Tool;

/// Where files are in memory on Linux.
const MEMORY: &str = "/dev/shm";

/// A directory for everything, which goes when it is dropped: in memory where so many KiB are free there.
pub(crate) fn room(kib: u64) -> TempDir {
    let memory = Path::new(MEMORY);
    if free(memory).is_some_and(|free| free >= kib)
        && let Ok(directory) = tempfile::Builder::new().prefix("tranship-bench-").tempdir_in(memory)
    {
        return directory;
    }
    tempfile::Builder::new().prefix("tranship-bench-").tempdir().unwrap()
}

fn free(directory: &Path) -> Option<u64> {
    let output = Command::new("df").args(["-k", "--output=avail"]).arg(directory).output().ok()?;
    String::from_utf8_lossy(&output.stdout).split_whitespace().last()?.parse().ok()
}

/// A flag that is raised when the benchmark is told to end; the run that is under way ends first.
pub(crate) fn stop_on_signals() -> Arc<AtomicBool> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            let mut interrupt = signal(SignalKind::interrupt()).unwrap();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            flag.store(true, Ordering::SeqCst);
        });
    });
    stopped
}

/// The date, the versions, the machine.
pub(crate) fn facts(tools: &[Tool], runs: u16, room: &Path) -> Vec<(&'static str, String)> {
    let versions: Vec<String> = tools.iter().map(ToString::to_string).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let processor = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let processor = processor.map_or("unknown", |(_, name)| name);
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    vec![
        ("date", jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()),
        ("tools", format!("{}, against {}", versions.join(", "), registry_version())),
        ("runs", format!("medians of {runs} runs in turn")),
        ("machine", format!("{cores} cores, {processor}, Linux {kernel}, load {load} at the start")),
        ("files", if room.starts_with(MEMORY) { "in memory" } else { "on disk" }.to_owned()),
        ("SHA-256 of one core", format!("{:.2} s for a GiB", hash_time())),
    ]
}

fn registry_version() -> String {
    let output = Command::new("docker-registry").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    format!("docker-registry {}", version.unwrap_or_default())
}

/// What hashing a GiB takes at least, extrapolated from 64 MiB.
fn hash_time() -> f64 {
    let piece = vec![7; 1 << 20];
    let begun = Instant::now();
    let mut hash = Sha256::new();
    for _ in 0..64 {
        hash.update(&piece);
    }
    std::hint::black_box(hash.finalize());
    begun.elapsed().as_secs_f64() * 16.0
}
