//! Web hooks with the secret that their bodies are signed with.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::{Session, SessionError};
use crate::config::WebhookEntry;
use crate::credentials::SecretPath;
use crate::files;
use crate::outbound::{Certificates, Retries, Timeouts, TlsSettings, Webhook, WebhookSettings};
use crate::progress::Silent;

/// How often it is tried to tell a webhook: with the pauses between that is a few minutes.
const TRIES: u32 = 10;
/// The longest file that holds a secret.
const MAX_SECRET: u64 = 64 * 1024;
/// The keys of a secret in a vault that bodies are signed with, the first that is there.
const KEYS: [&str; 2] = ["token", "password"];

impl Session {
    /// The webhook of an entry of `webhooks`.
    ///
    /// # Errors
    /// Its secret cannot be read or is empty, or its URL cannot be posted to.
    pub async fn webhook(&self, entry: &WebhookEntry) -> Result<Webhook, SessionError> {
        let secret = match (&entry.secret, &entry.secret_file) {
            (Some(path), _) => Some(self.signing_secret(path).await?),
            (None, Some(file)) => Some(secret_in(file)?),
            (None, None) => None,
        };
        self.webhook_at(entry.url.clone(), secret)
    }

    /// The webhook at a URL, whose bodies are signed with a secret.
    ///
    /// # Errors
    /// The URL cannot be posted to.
    pub fn webhook_at(&self, url: Url, secret: Option<SecretString>) -> Result<Webhook, SessionError> {
        let retries = Retries { tries: TRIES, ..Retries::default() };
        Ok(Webhook::new(WebhookSettings {
            url,
            secret,
            tls: TlsSettings::new(Certificates::Verified),
            timeouts: Timeouts::default(),
            retries,
            pace: Arc::clone(&self.pace),
            progress: Arc::new(Silent),
        })?)
    }

    /// What a vault holds to sign with.
    ///
    /// # Errors
    /// The vault cannot be read, or has nothing that can be signed with.
    pub async fn signing_secret(&self, path: &SecretPath) -> Result<SecretString, SessionError> {
        let data = self.vaults(None)?.named(&path.vault)?.get(&path.secret).await?;
        let found = data.as_ref().and_then(|data| KEYS.iter().find_map(|key| data.text(key).ok().flatten()));
        match found.filter(|secret| !secret.expose().is_empty()) {
            Some(secret) => Ok(SecretString::from(secret.expose())),
            None => Err(SessionError::NothingToSignWith(path.to_string())),
        }
    }
}

/// What a file holds to sign with, without the line end behind it.
fn secret_in(file: &Path) -> Result<SecretString, SessionError> {
    let nothing = || SessionError::NothingToSignWith(file.display().to_string());
    let bytes = files::read_following_links(file, MAX_SECRET)?.ok_or_else(nothing)?;
    let text = String::from_utf8(bytes).map_err(|_| nothing())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(nothing()) } else { Ok(SecretString::from(text)) }
}
