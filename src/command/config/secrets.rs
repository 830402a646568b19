//! The verbs for `strongbox vaults VAULT secrets [SECRET]`: what is in vaults, which the document does not hold.

use serde::Serialize;

use crate::command::document::DocumentReport;
use crate::command::{CommandError, cannot, input, vault};
use crate::config::{ConfigError, DocumentPath, Mode, SecretBody, Verb};
use crate::credentials::{KeyName, SecretData, SecretName, SecretPath, VaultName};
use crate::session::Session;

/// Creates, replaces, merges or deletes a secret. The vault is made where it is missing.
///
/// # Errors
/// The body is wrong, the secret is there or is not, or the vault cannot be read or written.
pub(super) async fn change(
    verb: Verb,
    vault: &VaultName,
    secret: Option<&SecretName>,
    mode: Mode,
    session: &Session,
) -> Result<(), CommandError> {
    if verb == Verb::Delete {
        let Some(secret) = secret else {
            let error = ConfigError::Verb { verb, path: DocumentPath::Secrets(vault.clone()).to_string() };
            return Err(CommandError::new(format!("cannot delete the secrets of the vault `{vault}`"), error)
                .with_hint("delete them one by one"));
        };
        return delete(&SecretPath { vault: vault.clone(), secret: secret.clone() }, mode, session).await;
    }
    let doing = format!("{verb} a secret in the vault `{vault}`");
    let body = SecretBody::parse(&input::text().map_err(cannot(&doing))?).map_err(cannot(&doing))?;
    for warning in &body.warnings {
        session.console().warn(&warning.to_string());
    }
    let path = SecretPath { vault: vault.clone(), secret: name(&body, secret, &doing)? };
    if body.values.is_empty() && verb != Verb::Merge {
        return Err(CommandError::usage(format!("cannot {doing}: `data` holds no value")));
    }
    put(verb, &path, body.values, mode, session).await
}

/// The secret's name, which stands in the path or in the body.
fn name(body: &SecretBody, in_path: Option<&SecretName>, doing: &str) -> Result<SecretName, CommandError> {
    match (in_path, &body.name) {
        (Some(path), Some(name)) if path != name => {
            Err(CommandError::usage(format!("cannot {doing}: `name` is not the one of the path, `{path}`")))
        }
        (Some(name), _) | (None, Some(name)) => Ok(name.clone()),
        (None, None) => Err(CommandError::usage(format!("cannot {doing}: `name` is missing"))),
    }
}

async fn put(
    verb: Verb,
    path: &SecretPath,
    given: SecretData,
    mode: Mode,
    session: &Session,
) -> Result<(), CommandError> {
    let doing = format!("{verb} the secret `{path}`");
    let known =
        session.config_for_change().map_err(cannot(&doing))?.vaults.iter().any(|vault| vault.name == path.vault);
    let vaults = session.vaults(None).map_err(cannot(&doing))?;
    let settings = session.config_file().ensure_vault(&path.vault, Mode::Validate).map_err(cannot(&doing))?;
    let mut vault = vaults.open(&settings);
    let there = vault.get(&path.secret).await.map_err(cannot(&doing))?;
    if verb == Verb::Create && there.is_some() {
        let what = format!("the secret `{path}`");
        return Err(CommandError::new(format!("cannot {doing}"), ConfigError::Exists { what }));
    }
    if mode == Mode::Validate {
        return Ok(());
    }
    if !known {
        // A vault that cannot work here is not made.
        vault.prepare().await.map_err(cannot(&doing))?;
        let settings = session.config_file().ensure_vault(&path.vault, Mode::Apply).map_err(cannot(&doing))?;
        vault = vaults.open(&settings);
    }
    let mut data = there.filter(|_| verb == Verb::Merge).unwrap_or_default();
    data.merge(given);
    vault.put(&path.secret, &data).await.map_err(cannot(&doing))
}

async fn delete(path: &SecretPath, mode: Mode, session: &Session) -> Result<(), CommandError> {
    let doing = format!("delete the secret `{path}`");
    let vault = vault::named(&path.vault, session, &doing)?;
    let there = match mode {
        Mode::Apply => vault.delete(&path.secret).await.map_err(cannot(&doing))?,
        Mode::Validate => vault.get(&path.secret).await.map_err(cannot(&doing))?.is_some(),
    };
    if there { Ok(()) } else { Err(vault::missing(path, session, &doing).await) }
}

/// A secret as it is shown: without its values.
#[derive(Serialize)]
struct Keys {
    name: SecretName,
    keys: Vec<KeyName>,
}

/// Shows every secret of a vault.
///
/// # Errors
/// There is no such vault, or it cannot be read.
pub(super) async fn show(name: &VaultName, session: &Session) -> Result<DocumentReport, CommandError> {
    let doing = format!("show the secrets of the vault `{name}`");
    let vault = vault::named(name, session, &doing)?;
    let mut shown = Vec::new();
    for secret in vault.list().await.map_err(cannot(&doing))? {
        // One that goes in this moment is gone.
        let Some(data) = vault.get(&secret).await.map_err(cannot(&doing))? else { continue };
        shown.push(Keys { name: secret, keys: data.keys().cloned().collect() });
    }
    let names = shown.iter().map(|secret| secret.name.to_string()).collect();
    DocumentReport::new(&shown, names).map_err(cannot(&doing))
}

/// Shows one secret.
///
/// # Errors
/// There is no such secret, or its vault cannot be read.
pub(super) async fn show_one(path: &SecretPath, session: &Session) -> Result<DocumentReport, CommandError> {
    let doing = format!("show the secret `{path}`");
    let keys = keys(path, session).await?;
    let names = keys.iter().map(ToString::to_string).collect();
    DocumentReport::new(&Keys { name: path.secret.clone(), keys }, names).map_err(cannot(&doing))
}

/// The names of a vault's secrets.
///
/// # Errors
/// There is no such vault, or it cannot be read.
pub(super) async fn names(name: &VaultName, session: &Session) -> Result<Vec<String>, CommandError> {
    let doing = format!("list the secrets of the vault `{name}`");
    let secrets = vault::named(name, session, &doing)?.list().await.map_err(cannot(&doing))?;
    Ok(secrets.iter().map(ToString::to_string).collect())
}

/// The keys of a secret.
///
/// # Errors
/// As [`show_one`].
pub(super) async fn keys(path: &SecretPath, session: &Session) -> Result<Vec<KeyName>, CommandError> {
    let doing = format!("list the keys of the secret `{path}`");
    let data = vault::named(&path.vault, session, &doing)?.get(&path.secret).await.map_err(cannot(&doing))?;
    let Some(data) = data else { return Err(vault::missing(path, session, &doing).await) };
    Ok(data.keys().cloned().collect())
}
