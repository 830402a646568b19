//! The programs that are measured.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use super::tasks::{Task, Transport};
use crate::support::program::Program;

/// A program that moves images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tranship,
    Skopeo,
    Crane,
    Regctl,
    Oras,
}

/// A program that is here.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) kind: Kind,
    path: PathBuf,
    version: String,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.version)
    }
}

impl Kind {
    const PEERS: [Self; 4] = [Self::Skopeo, Self::Crane, Self::Regctl, Self::Oras];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Tranship => "tranship",
            Self::Skopeo => "skopeo",
            Self::Crane => "crane",
            Self::Regctl => "regctl",
            Self::Oras => "oras",
        }
    }

    /// Whether it compares what it copies with its digest. oras leaves that to the registry.
    pub(crate) const fn hashes(self) -> bool {
        !matches!(self, Self::Oras)
    }
}

impl Tool {
    /// The program of this project, at `path`.
    pub(crate) fn tranship(path: PathBuf) -> Option<Self> {
        Self::at(Kind::Tranship, path)
    }

    /// The peers that are on PATH.
    pub(crate) fn peers() -> Vec<Self> {
        let directories: Vec<PathBuf> =
            std::env::var_os("PATH").iter().flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>()).collect();
        let find = |kind: Kind| {
            let candidates = directories.iter().map(|directory| directory.join(kind.word()));
            Self::at(kind, candidates.into_iter().find(|path| path.is_file())?)
        };
        Kind::PEERS.into_iter().filter_map(find).collect()
    }

    fn at(kind: Kind, path: PathBuf) -> Option<Self> {
        let word = if matches!(kind, Kind::Tranship | Kind::Skopeo) { "--version" } else { "version" };
        let output = Command::new(&path).arg(word).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split_whitespace().map(|word| word.trim_start_matches('v').trim_end_matches(','));
        let numbered = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
        let version = version.into_iter().find(numbered).unwrap_or_default().to_owned();
        Some(Self { kind, path, version })
    }

    /// Prepares `program`'s home for the transport.
    pub(crate) fn prepare(&self, program: &mut Program, transport: &Transport, task: &Task) {
        // As root it would keep what it learns of blobs for the whole machine, and mount from there.
        program.set("_CONTAINERS_ROOTLESS_UID", "65534");
        let Transport::Tls(authority) = transport else { return };
        program.set("SSL_CERT_FILE", &authority.to_string_lossy());
        if self.kind == Kind::Tranship {
            let entry = |address: &str| format!("- address: '{address}'\n  ca-cert-file: {}\n", authority.display());
            let entries: String = task.addresses().into_iter().map(entry).collect();
            program.configure(&format!("remote-registries:\n{entries}"));
        }
    }

    /// The command line for a task; `directory` is where a layout may be made.
    pub(crate) fn command(&self, task: &Task, transport: &Transport, directory: &str) -> Vec<String> {
        let plain = *transport == Transport::Plain;
        [vec![self.path.to_string_lossy().into_owned()], task.words(self.kind, plain, directory)].concat()
    }
}
