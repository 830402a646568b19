//! Flags that several commands share, each written once.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{CommandError, cannot};
use crate::config::TlsMode;
use crate::credentials::SecretPath;
use crate::image::{Attached, Platform, RegistryAddress};
use crate::session::{Access, Session};

/// How the registries named in a command are spoken to.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Registry options")]
pub(super) struct RegistryFlags {
    /// How to treat TLS of the registries named in this command
    #[arg(long, value_name = "MODE", value_parser = tls_mode())]
    pub(super) tls: Option<TlsMode>,

    /// Use this secret for the registries named in this command
    #[arg(long, value_name = "VAULT/SECRET", conflicts_with = "anonymous")]
    pub(super) secret: Option<SecretPath>,

    /// Use no credential, whatever is configured
    #[arg(long)]
    pub(super) anonymous: bool,

    /// Read docker or podman credentials from this file
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE", hide_env_values = true)]
    pub(super) authfile: Option<PathBuf>,
}

impl RegistryFlags {
    /// How the registries are to be accessed.
    #[must_use]
    pub(super) fn access(&self) -> Access {
        Access {
            tls: self.tls,
            secret: self.secret.clone(),
            anonymous: self.anonymous,
            authfile: self.authfile.clone(),
        }
    }
}

/// What differs between the two sides of a copy.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Registry options")]
pub(super) struct SideFlags {
    /// How to treat TLS of the source's registry
    #[arg(long, value_name = "MODE", value_parser = tls_mode())]
    pub(super) src_tls: Option<TlsMode>,

    /// How to treat TLS of the destinations' registries
    #[arg(long, value_name = "MODE", value_parser = tls_mode())]
    pub(super) dest_tls: Option<TlsMode>,

    /// Use this secret for the source's registry
    #[arg(long, value_name = "VAULT/SECRET")]
    pub(super) src_secret: Option<SecretPath>,

    /// Use this secret for the destinations' registries
    #[arg(long, value_name = "VAULT/SECRET")]
    pub(super) dest_secret: Option<SecretPath>,
}

impl SideFlags {
    /// How the source is to be accessed: its own flags before those of both sides.
    #[must_use]
    pub(super) fn source(&self, both: &RegistryFlags) -> Access {
        narrowed(both.access(), self.src_tls, self.src_secret.as_ref())
    }

    /// How the destinations are to be accessed.
    #[must_use]
    pub(super) fn destination(&self, both: &RegistryFlags) -> Access {
        narrowed(both.access(), self.dest_tls, self.dest_secret.as_ref())
    }
}

fn narrowed(mut access: Access, tls: Option<TlsMode>, secret: Option<&SecretPath>) -> Access {
    access.tls = tls.or(access.tls);
    if let Some(secret) = secret {
        access.secret = Some(secret.clone());
        access.anonymous = false;
    }
    access
}

/// What of an image is moved.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ContentFlags {
    /// Move these platforms alone, e.g. linux/arm64 (repeatable; the digest changes)
    #[arg(long = "platform", value_name = "PLATFORM")]
    pub(super) platforms: Vec<Platform>,

    /// Move every platform, whatever the settings say
    #[arg(long, conflicts_with = "platforms")]
    pub(super) all_platforms: bool,

    /// Which signatures, SBOMs and attestations come along
    #[arg(long, value_name = "WHICH", value_parser = attached())]
    pub(super) attached: Option<Attached>,
}

/// Reads a TLS mode, and offers the words in help and completion.
pub(super) fn tls_mode() -> impl TypedValueParser<Value = TlsMode> {
    PossibleValuesParser::new(TlsMode::ALL.map(TlsMode::word)).try_map(|word| word.parse::<TlsMode>())
}

/// Reads what comes along, and offers the words in help and completion.
fn attached() -> impl TypedValueParser<Value = Attached> {
    PossibleValuesParser::new(Attached::ALL.map(Attached::word)).try_map(|word| word.parse::<Attached>())
}

/// Refuses a word that is a registry's address by its form, and that no reference would take for one.
///
/// # Errors
/// It is such a word, or the configuration cannot be read.
pub(super) fn check_reached(registry: &RegistryAddress, session: &Session, doing: &str) -> Result<(), CommandError> {
    if session.is_reached_by_name(registry).map_err(cannot(doing))? {
        return Ok(());
    }
    let message = format!(
        "cannot {doing}: no registry `{registry}` is configured, and by itself the word is a repository's name"
    );
    Err(CommandError::usage(message)
        .with_hint(format!("if it is a registry, name its port, `{registry}:443`"))
        .with_hint(format!("or configure it: `tranship registry add {registry}`")))
}

/// Reads `90s`, `10m`, `1h30m`; a bare number is seconds.
///
/// # Errors
/// It is no time, or none at all.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{}` is not a time such as 90s, 10m or 1h30m", text.escape_debug());
    let text = if text.bytes().all(|byte| byte.is_ascii_digit()) { format!("{text}s") } else { text.to_owned() };
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        for text in ["", "0s", "-5s", "soon", "5 parsecs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
