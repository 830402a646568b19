//! `vault`: named places for secrets.

use std::io::{self, Write};
use std::sync::Arc;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CommandError, CommandResult, Outcome, cannot};
use crate::config::{Config, ConfigError};
use crate::credentials::{Backend, CredentialRule, SecretName, SecretPath, Vault, VaultName, VaultSettings};
use crate::failure::{FailureKind, did_you_mean};
use crate::image::RegistryAddress;
use crate::output::{Confirmation, Page, Report, Table};
use crate::session::{Session, SessionError};

/// What can be done with vaults.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  $ tranship vault create registry-credentials\n  \
    $ tranship secret set registry-credentials/example-registry")]
pub(crate) enum VaultCommand {
    /// Make a vault
    #[command(after_help = "Examples:\n  $ tranship vault create registry-credentials\n  \
        $ tranship vault create ci --backend environment\n\n\
        An encrypted file is opened with TRANSHIP_VAULT_PASSPHRASE, with the key file that\n\
        TRANSHIP_VAULT_KEY_FILE names, or with what is typed. In the environment the password of the\n\
        secret `hub` in the vault `ci` is TRANSHIP_SECRET_CI_HUB_PASSWORD.")]
    Create(CreateArgs),
    /// List the vaults
    #[command(after_help = "Example:\n  $ tranship vault list")]
    List,
    /// Remove a vault and what is in it
    #[command(after_help = "Example:\n  $ tranship vault delete registry-credentials")]
    Delete(DeleteArgs),
}

/// Flags of `vault create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Its name: lower-case letters, digits and `-`
    #[arg(value_name = "NAME")]
    name: VaultName,

    /// What keeps its secrets [default: settings.vault-backend]
    #[arg(long, value_name = "BACKEND", value_parser = backend())]
    backend: Option<Backend>,
}

/// Flags of `vault delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The vault
    #[arg(value_name = "VAULT")]
    name: VaultName,

    /// Do not ask, even where secrets go with it
    #[arg(short, long, visible_alias = "force")]
    yes: bool,
}

fn backend() -> impl TypedValueParser<Value = Backend> {
    let offered = Backend::ALL.map(|backend| {
        PossibleValue::new(backend.as_str()).help(match backend {
            Backend::Keychain => "the keychain of the system",
            Backend::File => "an encrypted file",
            Backend::Environment => "environment variables; read only",
            Backend::Docker => "the files and helpers of docker and podman; read only",
        })
    });
    PossibleValuesParser::new(offered).try_map(|word| word.parse::<Backend>())
}

/// Makes, lists or removes vaults.
///
/// # Errors
/// The vault is there or is not, or cannot work here.
pub(super) async fn run(command: VaultCommand, session: &Session) -> CommandResult {
    match command {
        VaultCommand::Create(args) => create(args, session).await,
        VaultCommand::List => {
            let doing = "list the vaults";
            let vaults = session.vaults(None).map_err(cannot(doing))?.all().map_err(cannot(doing))?;
            Ok(Outcome::done(VaultsReport { vaults }))
        }
        VaultCommand::Delete(DeleteArgs { name, yes }) => {
            let consent = if yes { Consent::Given } else { Consent::Asked };
            Ok(Outcome::done(remove(&name, consent, session).await?))
        }
    }
}

async fn create(args: CreateArgs, session: &Session) -> CommandResult {
    let CreateArgs { name, backend } = args;
    let doing = format!("create the vault `{name}`");
    let config = session.config_for_change().map_err(cannot(&doing))?;
    let settings = VaultSettings { name, backend: backend.unwrap_or(config.settings.vault_backend) };
    if let Some(there) = config.vaults.iter().find(|vault| vault.name == settings.name) {
        return Err(exists(there, backend));
    }
    // One that cannot work here is not made.
    let vaults = session.vaults(None).map_err(cannot(&doing))?;
    vaults.open(&settings).prepare().await.map_err(cannot(&doing))?;
    match session.config_file().add_vault(&settings) {
        Err(ConfigError::Exists { .. }) => Err(exists(&settings, backend)),
        other => other.map_err(cannot(&doing)),
    }?;
    Ok(Outcome::done(CreateReport(settings)))
}

fn exists(there: &VaultSettings, wanted: Option<Backend>) -> CommandError {
    let VaultSettings { name, backend } = there;
    let error =
        CommandError::plain(FailureKind::Failed, format!("cannot create the vault `{name}`: it is there already"));
    match wanted.filter(|wanted| wanted != backend) {
        Some(wanted) => error.with_hint(format!(
            "it is of the {backend} kind; to keep its secrets elsewhere from now on: \
             `echo 'backend: {wanted}' | tranship config merge strongbox vaults {name}`"
        )),
        None => error.with_hint(format!("see what is in it: `tranship secret list {name}`")),
    }
}

/// Whether secrets may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// The user said so in advance.
    Given,
    /// The user is asked where there are any.
    Asked,
}

/// Removes a vault with its secrets.
///
/// # Errors
/// There is none, it cannot be read or written, or the user does not agree.
pub(super) async fn remove(
    name: &VaultName,
    consent: Consent,
    session: &Session,
) -> Result<DeleteReport, CommandError> {
    let doing = format!("delete the vault `{name}`");
    let config = session.config().map_err(cannot(&doing))?;
    let vaults = session.vaults(None).map_err(cannot(&doing))?;
    let settings = vaults.settings(name).map_err(cannot(&doing))?;
    let mut secrets = Vec::new();
    if settings.backend.is_written() {
        let vault = vaults.open(&settings);
        secrets = match (vault.list().await, consent) {
            // A vault whose passphrase is lost can still be given up.
            (Err(_), Consent::Given) => Vec::new(),
            (listed, _) => listed.map_err(cannot(&doing))?,
        };
        if consent == Consent::Asked && !secrets.is_empty() {
            confirm(name, &secrets, session)?;
        }
        vault.clear().await.map_err(cannot(&doing))?;
    }
    if config.vaults.iter().any(|vault| vault.name == *name) {
        session.config_file().remove_vault(name).map_err(cannot(&doing))?;
    }
    warn_of_rules(config, &format!("the vault `{name}`"), |rule| rule.vault == *name, session);
    Ok(DeleteReport { vault: settings, secrets })
}

fn confirm(name: &VaultName, secrets: &[SecretName], session: &Session) -> Result<(), CommandError> {
    let names = secrets.iter().map(SecretName::as_str).collect::<Vec<_>>().join(", ");
    let question = format!("Delete the vault `{name}`, and the secrets in it ({names})?");
    match session.console().confirm(&question).map_err(cannot("ask"))? {
        Confirmation::Yes => Ok(()),
        Confirmation::No => Err(CommandError::plain(FailureKind::Failed, "nothing was deleted")),
        Confirmation::NoTerminal => {
            Err(CommandError::usage(format!("cannot delete the vault `{name}`: there are secrets in it ({names})"))
                .with_hint(format!("`tranship vault delete {name} --yes` deletes them too")))
        }
    }
}

/// Opens the vault of this name.
///
/// # Errors
/// There is none.
pub(super) fn named(name: &VaultName, session: &Session, doing: &str) -> Result<Arc<dyn Vault>, CommandError> {
    session.vaults(None).map_err(cannot(doing))?.named(name).map_err(cannot(doing))
}

/// The error for a secret that is not there.
pub(super) async fn missing(path: &SecretPath, session: &Session, doing: &str) -> CommandError {
    let meant = match session.vaults(None) {
        Ok(vaults) => vaults.meant(path).await,
        Err(_) => None,
    };
    CommandError::plain(FailureKind::NotFound, format!("cannot {doing}: there is none{}", did_you_mean(meant)))
        .with_hint(format!("see which there are: `tranship secret list {}`", path.vault))
}

/// Warns of credential rules that name vaults which are not there; of one registry, or of all.
///
/// # Errors
/// The configuration cannot be read.
pub(super) fn warn_of_missing(registry: Option<&RegistryAddress>, session: &Session) -> Result<(), SessionError> {
    for (entry, rule) in session.config()?.rules_without_vault() {
        if registry.is_none_or(|registry| entry.address == *registry) {
            let (address, repository, vault) = (&entry.address, &rule.repository, &rule.vault);
            session.console().warn(&format!(
                "the rule of {address} for `{repository}` names the vault `{vault}`, which is not there yet; \
                 make it: `tranship vault create {vault}`"
            ));
        }
    }
    Ok(())
}

/// Warns of credential rules that name what is gone.
pub(super) fn warn_of_rules(config: &Config, gone: &str, names: impl Fn(&CredentialRule) -> bool, session: &Session) {
    for registry in &config.remote_registries {
        for rule in registry.credentials.iter().filter(|rule| names(rule)) {
            let (address, repository) = (&registry.address, &rule.repository);
            session.console().warn(&format!("the rule of {address} for `{repository}` still names {gone}"));
        }
    }
}

#[derive(Serialize)]
struct CreateReport(VaultSettings);

impl Report for CreateReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "created the vault `{}` ({})", self.0.name, self.0.backend)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.0.name)
    }
}

#[derive(Serialize)]
struct VaultsReport {
    vaults: Vec<VaultSettings>,
}

impl Report for VaultsReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new(["vault", "backend"]);
        for vault in &self.vaults {
            table.row([vault.name.as_str(), vault.backend.as_str()]);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.vaults.iter().try_for_each(|vault| writeln!(page, "{}", vault.name))
    }
}

/// A vault that is gone.
#[derive(Serialize)]
pub(super) struct DeleteReport {
    #[serde(flatten)]
    vault: VaultSettings,
    secrets: Vec<SecretName>,
}

impl Report for DeleteReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match self.secrets.len() {
            0 => writeln!(page, "deleted the vault `{}`", self.vault.name),
            1 => writeln!(page, "deleted the vault `{}` with 1 secret", self.vault.name),
            count => writeln!(page, "deleted the vault `{}` with {count} secrets", self.vault.name),
        }
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.vault.name)
    }
}
