//! What the shell offers behind the words that are typed: registries, vaults, secrets, tags.
//!
//! The name that an argument's value has in the help (`IMAGE`, `REGISTRY`, …) says what is offered for it, so
//! a command needs nothing but the right name. Whatever goes wrong here offers nothing and says nothing: a
//! completion must not disturb a half-typed line.

mod path;

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::time::Duration;

use clap::CommandFactory;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, ValueCompleter};
use futures_util::StreamExt;

use super::args::Cli;
use crate::output::{Console, ConsoleOptions, Streams};
use crate::session::{Access, Session, SessionOptions};

/// How long a key press may take when a registry or a vault is asked.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The most tags that are offered.
const MOST_TAGS: usize = 500;

/// The definition of the command line with completions.
pub(super) fn program() -> clap::Command {
    offer(Cli::command())
}

fn offer(command: clap::Command) -> clap::Command {
    let pushes = command.get_name() == "push";
    let command = command.mut_args(|arg| {
        let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        match name.as_deref().and_then(Offer::by_value_name) {
            // What is pushed is in the store.
            Some(Offer::Images) if pushes && arg.get_id() == "image" => arg.add(ArgValueCompleter::new(Offer::Kept)),
            Some(offer) => arg.add(ArgValueCompleter::new(offer)),
            None => arg,
        }
    });
    command.mut_subcommands(offer)
}

/// What can be offered for a value.
#[derive(Clone, Copy, Debug)]
enum Offer {
    /// Configured registries, and the tags of a repository that is typed out.
    Images,
    /// The images of the store.
    Kept,
    /// Configured registries.
    Registries,
    /// The sites.
    Sites,
    /// Sites and configured registries.
    Places,
    /// The names of vaults.
    Vaults,
    /// `VAULT/SECRET`.
    Secrets,
    /// The words of a path into the configuration.
    Path,
}

impl Offer {
    fn by_value_name(name: &str) -> Option<Self> {
        match name {
            "IMAGE" | "SRC" | "DST" | "REPOSITORY" => Some(Self::Images),
            "REGISTRY" | "ADDRESS" => Some(Self::Registries),
            "SITE" => Some(Self::Sites),
            "REGISTRY|SITE" => Some(Self::Places),
            "VAULT" => Some(Self::Vaults),
            "VAULT/SECRET" => Some(Self::Secrets),
            "PATH" => Some(Self::Path),
            _ => None,
        }
    }
}

impl ValueCompleter for Offer {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let Some(current) = current.to_str() else { return Vec::new() };
        let words = match self {
            Self::Images => in_time(images(current)),
            Self::Kept => in_time(kept()),
            Self::Registries => registries(),
            Self::Sites => sites(),
            Self::Places => [sites(), registries()].concat(),
            Self::Vaults => vaults(),
            Self::Secrets => in_time(secrets()),
            Self::Path => path::words(),
        };
        let fits = words.into_iter().filter(|word| word.starts_with(current));
        fits.map(CompletionCandidate::new).collect()
    }
}

/// A session that shows nothing and asks nobody, not even for the passphrase of a vault.
fn session() -> Option<Session> {
    let options = SessionOptions { config_file: None, timeout: Some(PATIENCE), retries: Some(0), keep_tokens: true };
    let console = Console::on(Streams::plain(Box::new(io::sink()), Box::new(io::sink())), ConsoleOptions::default());
    Session::open(options, console).ok()
}

fn in_time(work: impl Future<Output = Option<Vec<String>>>) -> Vec<String> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let words = runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await });
    runtime.shutdown_background();
    words.ok().flatten().unwrap_or_default()
}

fn registries() -> Vec<String> {
    let known = session().and_then(|session| {
        let registries = &session.config().ok()?.remote_registries;
        Some(registries.iter().map(|registry| registry.address.to_string()).collect())
    });
    known.unwrap_or_default()
}

fn sites() -> Vec<String> {
    let known = session().and_then(|session| {
        let sites = &session.config().ok()?.sites;
        Some(sites.iter().map(|site| site.name.to_string()).collect())
    });
    known.unwrap_or_default()
}

fn vaults() -> Vec<String> {
    let known = session().and_then(|session| {
        let vaults = session.vaults(None).ok()?.all().ok()?;
        Some(vaults.iter().map(|vault| vault.name.to_string()).collect())
    });
    known.unwrap_or_default()
}

async fn secrets() -> Option<Vec<String>> {
    let session = session()?;
    let mut words = Vec::new();
    let vaults = session.vaults(None).ok()?;
    for vault in &vaults.all().ok()? {
        let Ok(secrets) = vaults.open(vault).list().await else { continue };
        words.extend(secrets.iter().map(|secret| format!("{}/{secret}", vault.name)));
    }
    Some(words)
}

async fn kept() -> Option<Vec<String>> {
    session()?.kept_names().await.ok()
}

async fn images(current: &str) -> Option<Vec<String>> {
    let tag_begins =
        current.rfind(':').filter(|colon| current[..*colon].contains('/') && !current[*colon..].contains('/'));
    let Some(colon) = tag_begins else {
        return Some(registries().into_iter().map(|registry| format!("{registry}/")).collect());
    };
    let repository = &current[..colon];
    let session = session()?;
    let (registry, name) = session.repository(repository, &Access::default()).await.ok()?;
    let mut words = Vec::new();
    let mut pages = registry.tags(&name);
    while let Some(Ok(page)) = pages.next().await {
        words.extend(page.iter().map(|tag| format!("{repository}:{tag}")));
        if words.len() >= MOST_TAGS {
            break;
        }
    }
    Some(words)
}
