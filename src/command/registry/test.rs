//! `registry test`: what a registry says about itself, and about us.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::command::flags::RegistryFlags;
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::credentials::{Chosen, SecretPath};
use crate::failure::FailureKind;
use crate::image::{RegistryAddress, RepositoryName};
use crate::output::{Page, Report, Shown};
use crate::registry::{Findings, Probe as _};
use crate::session::Session;

/// Flags of `registry test`.
#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// The registry, configured or not
    #[arg(value_name = "ADDRESS")]
    address: RegistryAddress,

    /// Ask for the rights in this repository too
    #[arg(long, value_name = "NAME")]
    repository: Option<RepositoryName>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Asks the registry, with the credential that commands would use.
///
/// # Errors
/// The credential cannot be read, or nobody answers.
pub(super) async fn run(args: TestArgs, session: &Session) -> CommandResult {
    let TestArgs { address, repository, registry } = args;
    let doing = format!("test the registry `{address}`");
    let access = registry.access();
    let entry = session.entry(&address, &access).map_err(cannot(&doing))?;
    let chosen = session.chosen(&entry, repository.as_ref(), &access).await.map_err(cannot(&doing))?;
    let client = session.client_with(&address, chosen.clone(), &access).map_err(cannot(&doing))?;
    let findings = client.probe(repository.as_ref()).await.map_err(cannot(&doing))?;
    let failure = refusal(&address, repository.as_ref(), &chosen, &findings);
    Ok(Outcome {
        failed: failure.as_ref().map(|_| FailureKind::Denied),
        failures: failure.into_iter().collect(),
        report: Some(Box::new(TestReport {
            registry: address,
            reachable: true,
            credential: Credential { name: chosen.name, why: chosen.why },
            repository,
            findings,
        })),
    })
}

/// The error for a credential that the registry did not take, or that may do nothing.
fn refusal(
    address: &RegistryAddress,
    repository: Option<&RepositoryName>,
    chosen: &Chosen,
    findings: &Findings,
) -> Option<CommandError> {
    let reason = findings.refusal.as_deref().unwrap_or("it gave no reason").escape_debug();
    let message = match (findings.accepted, repository, &chosen.name) {
        (false, _, None) => format!("the registry `{address}` wants a credential, and there is none: {reason}"),
        (false, _, Some(name)) => format!("the registry `{address}` does not take the credential `{name}`: {reason}"),
        (true, Some(repository), _) if findings.rights.is_empty() => {
            format!("the registry `{address}` gives no rights in `{repository}`: {reason}")
        }
        (true, ..) => return None,
    };
    let secret = chosen.name.as_ref().and_then(|name| name.parse::<SecretPath>().ok());
    let hint = match secret {
        Some(path) => format!("set another: `tranship secret set {path}`"),
        None => format!("log in: `tranship login {address}`"),
    };
    Some(CommandError::plain(FailureKind::Denied, message).with_hint(hint))
}

/// What was found out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TestReport {
    registry: RegistryAddress,
    reachable: bool,
    credential: Credential,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<RepositoryName>,
    #[serde(flatten)]
    findings: Findings,
}

/// Which credential was used.
#[derive(Serialize)]
struct Credential {
    name: Option<String>,
    why: String,
}

impl Report for TestReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Self { registry, credential, repository, findings, .. } = self;
        let mut field = |name: &str, value: &str| writeln!(page, "{:<16}{}", format!("{name}:"), Shown(value));
        field("Registry", &registry.to_string())?;
        field("Reachable", &format!("yes, at {}", findings.url))?;
        field("TLS", &findings.tls)?;
        let realm = findings.token_realm.as_ref().map(|realm| format!(", tokens from {realm}")).unwrap_or_default();
        field("Authentication", &format!("{}{realm}", findings.authentication))?;
        let name = credential.name.as_deref().unwrap_or("none");
        field("Credential", &format!("{name}, because {}", credential.why))?;
        field("Accepted", if findings.accepted { "yes" } else { "no" })?;
        if let Some(reason) = &findings.refusal {
            field("Refused", reason)?;
        }
        if let Some(repository) = repository {
            let rights = if findings.rights.is_empty() { "none".to_owned() } else { findings.rights.join(", ") };
            field("Rights", &format!("{rights} in {repository}"))?;
        }
        if let Some(limit) = &findings.rate_limit {
            let left = findings.rate_remaining.as_ref().map(|left| format!(", {left} left")).unwrap_or_default();
            field("Rate limit", &format!("{limit}{left}"))?;
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", if self.findings.accepted { "accepted" } else { "refused" })
    }
}
