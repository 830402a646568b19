//! `logout`: forgets what `login` kept, and the tokens that were got with it.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::{CommandResult, Outcome, cannot};
use crate::credentials::VaultSettings;
use crate::image::RegistryAddress;
use crate::output::{Page, Report};
use crate::session::{Access, Session};

/// Flags of `logout`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  $ tranship logout registry.example.com")]
pub(crate) struct LogoutArgs {
    /// The registry
    #[arg(value_name = "REGISTRY")]
    registry: RegistryAddress,
}

/// Removes the credential from its vault, and every kept token of the registry.
///
/// # Errors
/// The vault or the tokens cannot be written.
pub(super) async fn run(args: LogoutArgs, session: &Session) -> CommandResult {
    let registry = args.registry;
    let doing = format!("log out of `{registry}`");
    // The tokens first: they work without the credential.
    let tokens = session.forget_tokens(&registry).map_err(cannot(&doing))?;
    let vaults = session.vaults(None).map_err(cannot(&doing))?;
    let vault = vaults.log_out(&registry).await.map_err(cannot(&doing))?;
    let entry = session.entry(&registry, &Access::default()).map_err(cannot(&doing))?;
    for rule in &entry.credentials {
        let (repository, path) = (&rule.repository, rule.path());
        session.console().warn(&format!("the configuration of {registry} still names `{path}` for `{repository}`"));
    }
    Ok(Outcome::done(LogoutReport { registry, vault, tokens }))
}

#[derive(Serialize)]
struct LogoutReport {
    registry: RegistryAddress,
    /// Where the credential was; none where nobody was logged in.
    vault: Option<VaultSettings>,
    /// How many kept tokens were dropped.
    tokens: usize,
}

impl Report for LogoutReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match &self.vault {
            Some(vault) => write!(page, "logged out of {}; removed from the vault `{}`", self.registry, vault.name)?,
            None => write!(page, "nobody was logged in to {}", self.registry)?,
        }
        match self.tokens {
            0 => writeln!(page),
            1 => writeln!(page, ", 1 kept token dropped"),
            count => writeln!(page, ", {count} kept tokens dropped"),
        }
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.registry)
    }
}
