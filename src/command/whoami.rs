//! `whoami`: which credential is used for a registry or a repository, and why. Asks no registry.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::flags::{RegistryFlags, check_reached};
use super::{CommandResult, Outcome, cannot};
use crate::credentials::{Chosen, Credential};
use crate::image::{ImageReference, ReferenceError, RegistryAddress, RepositoryName};
use crate::output::{Page, Report, Shown};
use crate::session::{Session, SessionError};

/// Flags of `whoami`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship whoami docker.io\n  \
    $ tranship whoami registry.example.com:6000/team-a/app\n\n\
    `tranship registry test` asks the registry what it makes of the credential.")]
pub(crate) struct WhoamiArgs {
    /// The registry, or a repository of it
    #[arg(value_name = "REGISTRY")]
    place: String,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Chooses the credential as every command does.
///
/// # Errors
/// The credential that is configured cannot be read.
pub(super) async fn run(args: WhoamiArgs, session: &Session) -> CommandResult {
    let doing = format!("say who you are at `{}`", args.place.escape_debug());
    let (registry, repository) = place(&args.place, session).map_err(cannot(&doing))?;
    if repository.is_none() {
        check_reached(&registry, session, &doing)?;
    }
    let access = args.registry.access();
    let entry = session.entry(&registry, &access).map_err(cannot(&doing))?;
    let chosen = session.chosen(&entry, repository.as_ref(), &access).await.map_err(cannot(&doing))?;
    Ok(Outcome::done(WhoamiReport::new(registry, repository, chosen)))
}

fn place(text: &str, session: &Session) -> Result<(RegistryAddress, Option<RepositoryName>), SessionError> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if !text.contains('/') {
        return Ok((text.parse().map_err(ReferenceError::from)?, None));
    }
    let (registry, repository) = ImageReference::parse_repository(text, &session.config()?.naming())?;
    Ok((registry, Some(repository)))
}

/// A credential by its name, never by its value.
#[derive(Serialize)]
struct WhoamiReport {
    registry: RegistryAddress,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<RepositoryName>,
    /// What it is called; none where there is none.
    credential: Option<String>,
    /// `none`, `password`, `identity-token` or `registry-token`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    why: String,
}

impl WhoamiReport {
    fn new(registry: RegistryAddress, repository: Option<RepositoryName>, chosen: Chosen) -> Self {
        let kind = match &chosen.credential {
            Credential::Anonymous => "none",
            Credential::Password { .. } => "password",
            Credential::IdentityToken(_) => "identity-token",
            Credential::RegistryToken(_) => "registry-token",
        };
        let username = chosen.credential.username().map(str::to_owned);
        Self { registry, repository, credential: chosen.name, kind, username, why: chosen.why }
    }
}

impl Report for WhoamiReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match (&self.username, self.kind) {
            (Some(username), _) => write!(page, "{}", Shown(username))?,
            (None, "none") => write!(page, "anonymous")?,
            (None, kind) => write!(page, "whom the {} says", kind.replace('-', " "))?,
        }
        match &self.credential {
            Some(name) => writeln!(page, ", by the credential `{}`, because {}", Shown(name), Shown(&self.why)),
            None => writeln!(page, ", because {}", Shown(&self.why)),
        }
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        match &self.username {
            Some(username) => writeln!(page, "{}", Shown(username)),
            None => writeln!(page, "{}", if self.kind == "none" { "anonymous" } else { self.kind }),
        }
    }
}
