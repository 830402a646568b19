//! `login`: a credential that the registry took, kept for the next commands.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::flags::{check_reached, tls_mode};
use super::input::CredentialFlags;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::config::{RemoteRegistry, TlsMode};
use crate::credentials::{Chosen, Credential, RepositoryPattern, VaultError, VaultName, VaultSettings, Vaults};
use crate::failure::FailureKind;
use crate::image::RegistryAddress;
use crate::output::{Page, Report, Shown};
use crate::registry::{Findings, Probe as _};
use crate::session::{Access, Session};

/// Flags of `login`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship login registry.example.com --username bob\n  Password:\n  \
    $ printf %s \"$TOKEN\" | tranship login ghcr.io --token-stdin\n  \
    $ tranship login registry.example.com --username bob --password-stdin \\\n      \
    --vault registry-credentials < password.txt\n\n\
    The credential is tried before it is kept. It is kept in the vault `login`, which is where\n\
    settings.vault-backend says (the keychain of the system where nothing else is set), or in the\n\
    vault that --vault names.")]
pub(crate) struct LoginArgs {
    /// The registry
    #[arg(value_name = "REGISTRY")]
    registry: RegistryAddress,

    #[command(flatten)]
    credential: CredentialFlags,

    /// Keep it in this vault
    #[arg(long, value_name = "VAULT")]
    vault: Option<VaultName>,

    /// How to treat the registry's TLS
    #[arg(long, value_name = "MODE", value_parser = tls_mode())]
    tls: Option<TlsMode>,
}

/// Tries the credential, and keeps it.
///
/// # Errors
/// The registry does not take it or does not answer, or it cannot be kept.
pub(super) async fn run(args: LoginArgs, session: &Session) -> CommandResult {
    let registry = args.registry;
    let doing = format!("log in to `{registry}`");
    check_reached(&registry, session, &doing)?;
    let vaults = session.vaults(None).map_err(cannot(&doing))?;
    usable(&vaults, args.vault.as_ref()).await.map_err(cannot(&doing))?;
    let data = args.credential.read(session.console()).map_err(cannot(&doing))?;
    let credential = data.credential().map_err(cannot(&doing))?;

    let access = Access { tls: args.tls, ..Access::default() };
    let entry = session.entry(&registry, &access).map_err(cannot(&doing))?;
    let findings = try_out(&registry, &credential, &access, session).await?;
    if findings.authentication == "none" {
        session.console().warn(&format!("`{registry}` asks nobody who they are, so the credential was not checked"));
    }
    let vault = vaults.log_in(&registry, &credential, args.vault.as_ref()).await.map_err(cannot(&doing))?;
    warn_of_rules(&entry, session);
    let username = credential.username().map(str::to_owned);
    Ok(Outcome::done(LoginReport { registry, username, vault }))
}

/// Refuses a vault that cannot be written before anything is asked.
async fn usable(vaults: &Vaults, name: Option<&VaultName>) -> Result<(), VaultError> {
    let settings = vaults.for_log_in(name)?;
    if !settings.backend.is_written() {
        return Err(VaultError::ReadOnly { vault: settings.name, backend: settings.backend });
    }
    vaults.open(&settings).prepare().await
}

async fn try_out(
    registry: &RegistryAddress,
    credential: &Credential,
    access: &Access,
    session: &Session,
) -> Result<Findings, CommandError> {
    let doing = format!("log in to `{registry}`");
    let chosen = Chosen {
        credential: credential.clone(),
        name: Some("login".to_owned()),
        why: "it is tried before it is kept".to_owned(),
    };
    let client = session.client_with(registry, chosen, access).map_err(cannot(&doing))?;
    let findings = client.probe(None).await.map_err(cannot(&doing))?;
    if findings.accepted {
        if let Some(doubt) = &findings.refusal {
            session.console().warn(&doubt.escape_debug().to_string());
        }
        return Ok(findings);
    }
    let whose = match credential.username() {
        Some(username) => format!("the credential of `{}`", username.escape_debug()),
        None => "the token".to_owned(),
    };
    let reason = findings.refusal.as_deref().unwrap_or("it gave no reason").escape_debug();
    Err(CommandError::plain(FailureKind::Denied, format!("cannot {doing}: it does not take {whose}: {reason}"))
        .with_hint("check the user name and the password; nothing was kept"))
}

/// Says which rules of the configuration go before what was kept.
fn warn_of_rules(entry: &RemoteRegistry, session: &Session) {
    for rule in &entry.credentials {
        let repositories = match &rule.repository {
            RepositoryPattern::All => "all repositories".to_owned(),
            RepositoryPattern::Prefix(prefix) => format!("`{prefix}`"),
        };
        let (registry, path) = (&entry.address, rule.path());
        let warning =
            format!("for {repositories} the rule of {registry} names `{path}`, which goes before this log-in");
        session.console().warn(&warning);
    }
}

#[derive(Serialize)]
struct LoginReport {
    registry: RegistryAddress,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    vault: VaultSettings,
}

impl Report for LoginReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let user = self.username.as_ref().map(|name| format!(" as `{}`", Shown(name))).unwrap_or_default();
        let VaultSettings { name, backend } = &self.vault;
        writeln!(page, "logged in to {}{user}; kept in the vault `{name}` ({backend})", self.registry)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.registry)
    }
}
