//! What triggers of streams do outside of them: a process is started, a URL is told.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::process::Command;

use super::Session;
use crate::credentials::{KeyName, SecretPath, Variables};
use crate::failure::{Failure, FailureKind};
use crate::files::{FileError, LocalDisk};
use crate::outbound::{Certificates, Retries, Timeouts, TlsSettings, Webhook, WebhookSettings};
use crate::streams::{Actor, Firing, Schedule};

/// Variables of the environment that hold secrets begin so.
const SECRET_VARIABLES: [&str; 2] = ["TRANSHIP_SECRET_", "TRANSHIP_VAULT_PASSPHRASE"];

/// What triggers do outside of the streams.
pub struct Actions<'a> {
    session: &'a Session,
}

impl Session {
    /// What triggers do outside of the streams.
    #[must_use]
    pub const fn actions(&self) -> Actions<'_> {
        Actions { session: self }
    }

    /// When tags of streams were looked up last.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule::new(&self.places.state, Arc::new(LocalDisk))
    }

    /// The variables of the environment that hold secrets, which no command of a trigger gets to see.
    #[must_use]
    pub fn hidden_variables(&self) -> Vec<OsString> {
        let variables = Variables::of_process();
        SECRET_VARIABLES.iter().flat_map(|prefix| variables.names(prefix)).map(OsString::from).collect()
    }

    /// The value of a secret that is one: its `token`, or its only value.
    async fn single_value(&self, path: &str) -> Result<SecretString, Box<dyn Failure>> {
        let path: SecretPath = path.parse().map_err(|error| unusable(path, &error))?;
        let vault = self.vaults(None).map_err(boxed)?.named(&path.vault).map_err(boxed)?;
        let data = vault.get(&path.secret).await.map_err(boxed)?;
        let data = data.ok_or_else(|| unusable(&path, &"there is no such secret"))?;
        let keys: Vec<&str> = data.keys().map(KeyName::as_str).collect();
        let key = match keys.as_slice() {
            [only] => only,
            keys if keys.contains(&"token") => "token",
            _ => {
                return Err(unusable(&path, &"it has several values, and none is its `token`"));
            }
        };
        let value = data.text(key).map_err(|error| unusable(&path, &error))?;
        let value = value.ok_or_else(|| unusable(&path, &"it holds no text"))?;
        Ok(SecretString::from(value.expose().to_owned()))
    }
}

#[async_trait]
impl Actor for Actions<'_> {
    async fn launch(&self, firing: &Firing) -> Result<(), Box<dyn Failure>> {
        let failed = |error| boxed(FileError::new("start", "the process of the trigger", error));
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        let (tag, generation) = (firing.change.tag.as_str(), firing.change.generation.to_string());
        command.args(["stream", "fire", firing.stream.as_str(), firing.trigger.as_str(), tag, &generation]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C is meant for this process: what a trigger has begun goes on to its end.
        #[cfg(unix)]
        command.process_group(0);
        // How it ended stands in the ledger.
        command.status().await.map(drop).map_err(failed)
    }

    async fn post(&self, url: &str, secret: Option<&str>, firing: &Firing) -> Result<(), Box<dyn Failure>> {
        let secret = match secret {
            Some(path) => Some(self.session.single_value(path).await?),
            None => None,
        };
        let options = &self.session.options;
        let mut timeouts = Timeouts::default();
        if let Some(silence) = options.timeout {
            timeouts = Timeouts { connect: timeouts.connect.min(silence), idle: silence };
        }
        let mut retries = Retries::default();
        if let Some(again) = options.retries {
            retries.tries = again + 1;
        }
        let settings = WebhookSettings {
            url: url.parse().map_err(|error| unusable("the URL", &error))?,
            secret,
            tls: TlsSettings::new(Certificates::Verified),
            timeouts,
            retries,
            pace: Arc::clone(&self.session.pace),
            progress: self.session.console.progress(),
        };
        Webhook::new(settings).map_err(boxed)?.post(firing).await.map_err(boxed)
    }
}

fn boxed(failure: impl Failure) -> Box<dyn Failure> {
    Box::new(failure)
}

fn unusable(what: &(impl std::fmt::Display + ?Sized), why: &dyn std::fmt::Display) -> Box<dyn Failure> {
    boxed(Unusable(format!("`{what}` cannot be used: {why}")))
}

/// What a trigger names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

impl Failure for Unusable {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }
}
