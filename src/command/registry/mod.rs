//! `registry`: the remote registries that the configuration knows.

mod entry;
mod test;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::document::DocumentReport;
use super::vault::warn_of_missing;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::config::{Config, ConfigError, DocumentPath, RemoteRegistry};
use crate::failure::FailureKind;
use crate::image::RegistryAddress;
use crate::output::{Page, Report, Table};
use crate::session::Session;
use crate::yaml::{Mapping, Value};

use entry::{Entry, EntryFlags, EntryKey};

/// What can be done with remote registries.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "Example:\n  $ tranship registry add registry.example.com:6000 --ca-cert-file ca.pem \\\n      \
    --credential '*=registry-credentials/example-registry'\n  $ tranship registry test registry.example.com:6000"
)]
pub(crate) enum RegistryCommand {
    /// Add a remote registry
    #[command(after_help = "Examples:\n  $ tranship registry add docker.io --mirror mirror.internal:5000\n  \
        $ tranship registry add registry.example.com:6000 --ca-cert-file ca.pem \\\n      \
        --credential '*=registry-credentials/example-registry' \\\n      \
        --credential team-a=registry-credentials/team-a")]
    Add(AddArgs),
    /// Change what is given of a remote registry; one that is not configured is added
    #[command(after_help = "Credentials and headers are added to those that are there, or take the place of one with \
        the same\nname; other lists are put in the place of what is there.\n\n\
        Examples:\n  $ tranship registry set registry.example.com:6000 --bandwidth 50MiB/s\n  \
        $ tranship registry set registry.example.com:6000 --unset mirrors --unset tls")]
    Set(SetArgs),
    /// List the remote registries
    #[command(after_help = "Example:\n  $ tranship registry list")]
    List,
    /// Show what is configured for a remote registry
    #[command(after_help = "Example:\n  $ tranship registry show registry.example.com:6000")]
    Show(AddressArgs),
    /// Remove a remote registry from the configuration
    #[command(after_help = "Example:\n  $ tranship registry remove registry.example.com:6000")]
    Remove(AddressArgs),
    /// Ask a registry whether it answers, how, and what the credential may do there
    #[command(after_help = "Examples:\n  $ tranship registry test docker.io\n  \
        $ tranship registry test registry.example.com:6000 --repository team-a/app\n\n\
        Exit codes: 0 the credential was taken, 4 it was refused, 5 nobody answers.")]
    Test(test::TestArgs),
}

/// Flags of `registry add`.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Its HOST[:PORT], as it stands in references
    #[arg(value_name = "ADDRESS")]
    address: RegistryAddress,

    #[command(flatten)]
    entry: EntryFlags,
}

/// Flags of `registry set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// Its HOST[:PORT], as it stands in references
    #[arg(value_name = "ADDRESS")]
    address: RegistryAddress,

    #[command(flatten)]
    entry: EntryFlags,

    /// Take this key away first (repeatable)
    #[arg(long, value_name = "KEY", value_enum)]
    unset: Vec<EntryKey>,
}

/// A remote registry.
#[derive(Args, Debug)]
pub(crate) struct AddressArgs {
    /// Its HOST[:PORT], as it stands in references
    #[arg(value_name = "ADDRESS")]
    address: RegistryAddress,
}

/// Configures or tests remote registries.
///
/// # Errors
/// The registry is there or is not, what is given is wrong, or the registry does not answer.
pub(super) async fn run(command: RegistryCommand, session: &Session) -> CommandResult {
    match command {
        RegistryCommand::Add(args) => add(args, session),
        RegistryCommand::Set(args) => set(args, session),
        RegistryCommand::List => {
            let doing = "list the remote registries";
            let entries = session.config_file().show(&DocumentPath::RemoteRegistries).map_err(cannot(doing))?;
            let config = session.config().map_err(cannot(doing))?;
            Ok(Outcome::done(ListReport::new(entries, config)))
        }
        RegistryCommand::Show(AddressArgs { address }) => {
            let doing = format!("show the remote registry `{address}`");
            shown(&address, session, &doing).map(Outcome::done)
        }
        RegistryCommand::Remove(AddressArgs { address }) => {
            let doing = format!("remove the remote registry `{address}`");
            session.config_file().remove_registry(&address).map_err(cannot(doing))?;
            Ok(Outcome::done(Removed { address }))
        }
        RegistryCommand::Test(args) => test::run(args, session).await,
    }
}

fn add(args: AddArgs, session: &Session) -> CommandResult {
    let AddArgs { address, entry } = args;
    let doing = format!("add the remote registry `{address}`");
    let entry = entry.checked(&doing)?;
    add_entry(&address, entry, session, &doing)
}

fn add_entry(address: &RegistryAddress, entry: Entry, session: &Session, doing: &str) -> CommandResult {
    let mut registry = RemoteRegistry::unconfigured(address.clone());
    entry.apply(&mut registry);
    match session.config_file().add_registry(&registry) {
        Err(ConfigError::Exists { .. }) => {
            Err(CommandError::plain(FailureKind::Failed, format!("cannot {doing}: it is there already"))
                .with_hint(format!("change it: `tranship registry set {address} …`")))
        }
        other => other.map_err(cannot(doing)),
    }?;
    warn_of_missing(Some(address), session).map_err(cannot(doing))?;
    shown(address, session, doing).map(Outcome::done)
}

fn set(args: SetArgs, session: &Session) -> CommandResult {
    let SetArgs { address, entry, unset } = args;
    let doing = format!("change the remote registry `{address}`");
    let entry = entry.checked(&doing)?;
    let is_new = session.config_file().load_for_change().map_err(cannot(&doing))?.registry(&address).is_none();
    if is_new && unset.is_empty() {
        let added = add_entry(&address, entry, session, &doing)?;
        session.console().hint(&format!("`{address}` was not configured, and is now"));
        return Ok(added);
    }
    let change = |registry: &mut RemoteRegistry| {
        for key in &unset {
            key.unset(registry);
        }
        entry.apply(registry);
    };
    match session.config_file().set_registry(&address, change) {
        Err(error @ ConfigError::Missing { .. }) => Err(CommandError::new(format!("cannot {doing}"), error)
            .with_hint(format!("add it: `tranship registry add {address} …`"))),
        other => other.map_err(cannot(&doing)),
    }?;
    warn_of_missing(Some(&address), session).map_err(cannot(&doing))?;
    shown(&address, session, &doing).map(Outcome::done)
}

fn shown(address: &RegistryAddress, session: &Session, doing: &str) -> Result<DocumentReport, CommandError> {
    let path = DocumentPath::RemoteRegistry(address.clone());
    let entry = session.config_file().show(&path).map_err(cannot(doing))?;
    DocumentReport::new(&entry, vec![address.to_string()]).map_err(cannot(doing))
}

/// A registry that is configured no more.
#[derive(Serialize)]
struct Removed {
    address: RegistryAddress,
}

impl Report for Removed {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "removed the remote registry `{}`", self.address)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.address)
    }
}

/// All entries: as they stand in the file, and their columns.
struct ListReport {
    entries: Value,
    rows: Vec<[String; 5]>,
}

impl ListReport {
    fn new(entries: Value, config: &Config) -> Self {
        fn words<T: ToString>(items: &[T]) -> String {
            items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
        }
        let row = |registry: &RemoteRegistry| {
            let secrets: Vec<_> =
                registry.credentials.iter().map(|rule| format!("{}={}", rule.repository, rule.path())).collect();
            let contacted = registry.override_address.as_ref().unwrap_or(&registry.address);
            [
                registry.address.to_string(),
                contacted.contact(),
                registry.tls.to_string(),
                words(&registry.mirrors),
                secrets.join(","),
            ]
        };
        Self { entries, rows: config.remote_registries.iter().map(row).collect() }
    }
}

impl Serialize for ListReport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Mapping::from_iter([("remote-registries".into(), self.entries.clone())]).serialize(serializer)
    }
}

impl Report for ListReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new(["registry", "contacted", "tls", "mirrors", "credentials"]);
        for row in &self.rows {
            table.row(row);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.rows.iter().try_for_each(|[address, ..]| writeln!(page, "{address}"))
    }
}
