//! What is measured, by the number that each figure has in the table of targets.

mod fan;
mod growth;
mod lines;
mod memory;
mod moving;
mod starting;
mod surviving;

use tempfile::TempDir;

use super::tasks::Transport;
use super::trial::Bench;
use crate::support::certificates::Authority;
use crate::support::docker_registry::DockerRegistry;

/// Does a work, and leaves what it took with the results.
type Work = fn(&mut Bench);

/// The works: the number, what it is about, and the work itself.
pub(crate) const WORKS: [(&str, &str, Work); 15] = [
    ("P1", "pull of one big layer", moving::pull_one_layer),
    ("P2", "pull of eight big layers", moving::pull_eight_layers),
    ("P3", "copy of one big layer", moving::copy_one_layer),
    ("P4", "the same over TLS", moving::copy_over_tls),
    ("P5", "many small layers", moving::many_small_layers),
    ("P6", "many tags that have not changed", moving::unchanged_tags),
    ("P7", "start-up", starting::start_up),
    ("P8", "memory", memory::memory),
    ("P11", "a blob that is cut again and again", surviving::cuts),
    ("P12", "a run that is killed", surviving::kill),
    ("P13", "a source that is slow in each connection", lines::slow_connections),
    ("P14", "registries far away", lines::far_away),
    ("P15", "several destinations", fan::several_destinations),
    ("P17", "growth", growth::growth),
    ("P18", "a destination that does not answer", fan::dead_destination),
];

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// An authority that the tools are told to trust.
struct Trusted {
    authority: Authority,
    directory: TempDir,
}

impl Trusted {
    fn new() -> Self {
        let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
        std::fs::write(directory.path().join("authority.pem"), authority.pem()).unwrap();
        Self { authority, directory }
    }

    /// A registry with a certificate of the authority.
    fn registry(&self) -> DockerRegistry {
        DockerRegistry::secure(&self.authority)
    }

    fn transport(&self) -> Transport {
        Transport::Tls(self.directory.path().join("authority.pem"))
    }
}

/// Bytes in words.
fn shown(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= GIB => format!("{} GiB", bytes / GIB),
        bytes if bytes >= MIB => format!("{} MiB", bytes / MIB),
        bytes => format!("{} KiB", bytes / KIB),
    }
}

/// A count or a number of bytes as a figure.
#[expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]
fn figure(number: u64) -> f64 {
    number as f64
}
