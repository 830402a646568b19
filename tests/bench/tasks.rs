//! The work that is measured, and how each tool is told to do it.

use std::fmt;
use std::path::PathBuf;

use super::tools::Kind;

/// An image in a registry.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// `HOST:PORT`.
    pub(crate) address: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
}

/// How connections are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    /// TLS, by an authority whose certificate is in this file.
    Tls(PathBuf),
}

/// What a tool is to do.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    Version,
    Resolve(Name),
    /// To tranship's store; the others write a layout, which is theirs.
    Pull(Name),
    /// To one place; tranship takes several in one run.
    Copy(Name, Vec<Name>),
    /// All tags of a repository.
    Tags(Name),
    /// All tags of a repository, to be the same at another; of those that can do it.
    Sync(Name, Name),
}

impl Name {
    pub(crate) fn new(address: &str, repository: &str, tag: &str) -> Self {
        Self { address: address.to_owned(), repository: repository.to_owned(), tag: tag.to_owned() }
    }

    /// `HOST:PORT/REPOSITORY`.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.address, self.repository)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.place(), self.tag)
    }
}

impl Task {
    /// What follows the program's name on the command line. Over TLS the authority comes by the surroundings.
    pub(crate) fn words(&self, kind: Kind, plain: bool, directory: &str) -> Vec<String> {
        match kind {
            Kind::Tranship => tranship(self, plain),
            Kind::Skopeo => skopeo(self, plain, directory),
            Kind::Crane => crane(self, directory),
            Kind::Regctl => regctl(self, plain, directory),
            Kind::Oras => oras(self, plain, directory),
        }
    }

    pub(crate) fn addresses(&self) -> Vec<&str> {
        let names: Vec<&Name> = match self {
            Self::Version => Vec::new(),
            Self::Resolve(name) | Self::Pull(name) | Self::Tags(name) => vec![name],
            Self::Copy(source, destinations) => [source].into_iter().chain(destinations).collect(),
            Self::Sync(source, destination) => vec![source, destination],
        };
        let mut addresses: Vec<&str> = names.into_iter().map(|name| name.address.as_str()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn tranship(task: &Task, plain: bool) -> Vec<String> {
    // The others bring nothing that refers to an image, so it is not asked for.
    let mut command = match task {
        Task::Version => return words(&["--version"]),
        Task::Resolve(name) => words(&["resolve", &name.to_string()]),
        Task::Tags(name) => words(&["tags", &name.place()]),
        Task::Pull(name) => words(&["pull", &name.to_string(), "--attached", "none"]),
        Task::Sync(source, destination) => {
            words(&["sync", "--attached", "none", &source.place(), &destination.place()])
        }
        Task::Copy(source, destinations) => {
            let copy = words(&["copy", "--attached", "none", &source.to_string()]);
            copy.into_iter().chain(destinations.iter().map(Name::to_string)).collect()
        }
    };
    if plain {
        command.extend(words(&["--tls", "plain-http"]));
    }
    command
}

fn skopeo(task: &Task, plain: bool, directory: &str) -> Vec<String> {
    let remote = |name: &Name| format!("docker://{name}");
    let verify = format!("--tls-verify={}", !plain);
    let (from, to) = (format!("--src-tls-verify={}", !plain), format!("--dest-tls-verify={}", !plain));
    match task {
        Task::Version => words(&["--version"]),
        Task::Resolve(name) => words(&["inspect", "--no-tags", "--format", "{{.Digest}}", &verify, &remote(name)]),
        Task::Tags(name) => words(&["list-tags", &verify, &format!("docker://{}", name.place())]),
        Task::Pull(name) => {
            words(&["copy", "--preserve-digests", &from, &remote(name), &format!("oci:{directory}:{}", name.tag)])
        }
        Task::Sync(source, destination) => {
            let ends = [source.place(), destination.place()];
            words(&["sync", "--src", "docker", "--dest", "docker", &from, &to, &ends[0], &ends[1]])
        }
        Task::Copy(source, destinations) => {
            let destination = remote(&destinations[0]);
            words(&["copy", "--preserve-digests", &from, &to, &remote(source), &destination])
        }
    }
}

fn crane(task: &Task, directory: &str) -> Vec<String> {
    // It speaks plain HTTP to loopback addresses by itself.
    match task {
        Task::Version => words(&["version"]),
        Task::Resolve(name) => words(&["digest", &name.to_string()]),
        Task::Tags(name) => words(&["ls", &name.place()]),
        Task::Pull(name) => words(&["pull", "--format", "oci", &name.to_string(), directory]),
        Task::Copy(source, destinations) => words(&["copy", &source.to_string(), &destinations[0].to_string()]),
        Task::Sync(source, destination) => words(&["copy", "--all-tags", &source.place(), &destination.place()]),
    }
}

fn regctl(task: &Task, plain: bool, directory: &str) -> Vec<String> {
    let host = |address: &str| words(&["--host", &format!("reg={address},tls=disabled")]);
    let hosts = if plain { task.addresses().into_iter().flat_map(host).collect() } else { Vec::new() };
    let work = match task {
        Task::Version => words(&["version"]),
        Task::Resolve(name) => words(&["image", "digest", &name.to_string()]),
        Task::Tags(name) => words(&["tag", "ls", &name.place()]),
        Task::Pull(name) => words(&["image", "copy", &name.to_string(), &format!("ocidir://{directory}:{}", name.tag)]),
        Task::Copy(source, destinations) => {
            words(&["image", "copy", &source.to_string(), &destinations[0].to_string()])
        }
        Task::Sync(..) => unreachable!("regctl does nothing to all tags of a repository"),
    };
    [hosts, work].concat()
}

fn oras(task: &Task, plain: bool, directory: &str) -> Vec<String> {
    let plain = |flag: &'static str| words(if plain { std::slice::from_ref(&flag) } else { &[] }.to_vec().as_slice());
    match task {
        Task::Version => words(&["version"]),
        Task::Resolve(name) => [words(&["resolve"]), plain("--plain-http"), words(&[&name.to_string()])].concat(),
        Task::Tags(name) => [words(&["repo", "tags"]), plain("--plain-http"), words(&[&name.place()])].concat(),
        Task::Pull(name) => {
            let layout = format!("{directory}:{}", name.tag);
            let ends = words(&[&name.to_string(), "--to-oci-layout", &layout]);
            [words(&["copy"]), plain("--from-plain-http"), ends].concat()
        }
        Task::Copy(source, destinations) => {
            let ends = words(&[&source.to_string(), &destinations[0].to_string()]);
            [words(&["copy"]), plain("--from-plain-http"), plain("--to-plain-http"), ends].concat()
        }
        Task::Sync(..) => unreachable!("oras does nothing to all tags of a repository"),
    }
}
