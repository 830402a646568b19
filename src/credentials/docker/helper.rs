//! Docker's credential helpers: programs named `docker-credential-NAME` that are asked for one server's credential.
//!
//! The name comes from a file, so it is checked and never goes through a shell; the server's name goes to the
//! program's standard input; what it answers, and for how long it is waited for, is bounded. It does not get to see
//! what tranship's own variables hold.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::super::{Credential, Secret, Variables};
use crate::image::RegistryAddress;

/// The most that a helper may answer, in bytes. Tokens of some clouds have several thousand.
const MAX_ANSWER: u64 = 64 * 1024;
/// The most that is shown of what a failing helper says, in characters.
const MAX_SHOWN: usize = 200;
/// The key under which Docker Hub's credential is kept, as the docker client writes it.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";
/// How a helper says that it has nothing for a server, as its protocol has it.
const NOT_FOUND: &str = "credentials not found";

/// The name of a helper: `[A-Za-z0-9_.-]+`, not beginning with `-`.
pub(super) fn program(helper: &str) -> Result<String, HelperError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if helper.is_empty() || helper.starts_with('-') || !helper.chars().all(good) {
        return Err(HelperError::Name(helper.to_owned()));
    }
    Ok(format!("docker-credential-{helper}"))
}

/// Asks a helper for a registry's credential; `None` where it has none.
pub(super) async fn ask(
    program: &str,
    registry: &RegistryAddress,
    variables: &Variables,
    patience: Duration,
) -> Result<Option<Credential>, HelperError> {
    let failed = |reason| HelperError::Failed { program: program.to_owned(), reason };
    let server = if registry.is_docker_hub() { DOCKER_HUB_SERVER.to_owned() } else { registry.to_string() };
    let answer = async {
        let child = command(program, variables).spawn()?;
        talk(child, &server).await
    };
    let answer = tokio::time::timeout(patience, answer).await;
    let (status, said) = answer
        .map_err(|_| HelperError::Silent { program: program.to_owned(), waited: patience })?
        .map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        if said.trim_start().starts_with(NOT_FOUND) {
            return Ok(None);
        }
        return Err(failed(excuse(status, &said)));
    }
    // What the parser says could show a part of the secret.
    let answer: Answer =
        serde_json::from_slice(&said).map_err(|_| failed("its answer is not what helpers answer".to_owned()))?;
    let Answer { username, secret } = answer;
    let nothing = username.is_empty() && secret.as_ref().is_none_or(|secret| secret.expose().is_empty());
    Ok(secret.filter(|_| !nothing).map(|secret| Credential::of_user(username, secret)))
}

fn command(program: &str, variables: &Variables) -> Command {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    for name in variables.names("TRANSHIP_") {
        command.env_remove(name);
    }
    if let Some(path) = variables.get("PATH") {
        command.env("PATH", path);
    }
    command
}

async fn talk(mut child: Child, server: &str) -> io::Result<(ExitStatus, Zeroizing<Vec<u8>>)> {
    if let Some(mut input) = child.stdin.take() {
        // One that answers without reading is no failure.
        match input.write_all(format!("{server}\n").as_bytes()).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    let mut said = Zeroizing::new(Vec::new());
    if let Some(output) = child.stdout.take() {
        output.take(MAX_ANSWER + 1).read_to_end(&mut said).await?;
    }
    if u64::try_from(said.len()).is_ok_and(|length| length > MAX_ANSWER) {
        return Err(io::Error::other(format!("it answered more than {MAX_ANSWER} bytes")));
    }
    Ok((child.wait().await?, said))
}

/// What is shown of a failure. A helper that prints JSON and then fails may have printed the secret.
fn excuse(status: ExitStatus, said: &str) -> String {
    let line = said.trim().lines().next().unwrap_or_default();
    if line.is_empty() || said.contains('{') {
        return format!("it ended with {status}");
    }
    let shown: String = line.chars().take(MAX_SHOWN).collect();
    format!("it ended with {status} and said `{}`", shown.escape_debug())
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret")]
    secret: Option<Secret>,
}

/// Why a helper gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelperError {
    /// No program's name.
    #[error("`{}` cannot name a credential helper (letters, digits, `_`, `.` and `-`)", .0.escape_debug())]
    Name(String),
    /// It could not be run, or failed.
    #[error("the credential helper `{program}` failed: {reason}")]
    Failed {
        /// The program.
        program: String,
        /// What happened.
        reason: String,
    },
    /// It did not answer.
    #[error("the credential helper `{program}` did not answer within {} s", waited.as_secs())]
    Silent {
        /// The program.
        program: String,
        /// How long was waited.
        waited: Duration,
    },
}
