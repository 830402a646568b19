//! `secret`: named values in vaults. Values go in and are never shown.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::input::{self, CredentialFlags, InputError};
use super::vault::{self, warn_of_rules};
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::config::SecretBody;
use crate::credentials::{KeyName, SecretData, SecretName, SecretPath, VaultName};
use crate::output::{Page, Report};
use crate::session::Session;

/// What can be done with secrets.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  $ tranship secret set registry-credentials/example-registry --username bob\n  \
    Password:\n\n\
    Values are typed or come on standard input; no option takes one, and none is ever shown.")]
pub(crate) enum SecretCommand {
    /// Keep a secret in a vault
    #[command(
        after_help = "Examples:\n  $ tranship secret set registry-credentials/hub --username bob\n  Password:\n  \
        $ printf %s \"$TOKEN\" | tranship secret set registry-credentials/ghcr --token-stdin\n  \
        $ tranship secret set registry-credentials/hub password=- --merge < password.txt\n  \
        $ tranship secret set registry-credentials/deploy --data-stdin < secret.yaml"
    )]
    Set(SetArgs),
    /// List the secrets of a vault
    #[command(after_help = "Example:\n  $ tranship secret list registry-credentials")]
    List(ListArgs),
    /// Show the keys of a secret
    #[command(after_help = "Example:\n  $ tranship secret show registry-credentials/hub\n  password\n  username")]
    Show(PathArgs),
    /// Remove a secret
    #[command(after_help = "Example:\n  $ tranship secret delete registry-credentials/hub")]
    Delete(PathArgs),
}

/// Flags of `secret set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// The secret
    #[arg(value_name = "VAULT/SECRET")]
    path: SecretPath,

    /// Take the value of this key from standard input, of several a line each; on a terminal each is asked for
    #[arg(value_name = "KEY=-", conflicts_with_all = ["username", "token_stdin", "data_stdin"])]
    keys: Vec<String>,

    #[command(flatten)]
    credential: CredentialFlags,

    /// Read `data` and `base64-data` as YAML from standard input
    #[arg(long, conflicts_with_all = ["username", "token_stdin"])]
    data_stdin: bool,

    /// Keep the secret's other values
    #[arg(long)]
    merge: bool,
}

/// Flags of `secret list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The vault
    #[arg(value_name = "VAULT")]
    vault: VaultName,
}

/// A secret.
#[derive(Args, Debug)]
pub(crate) struct PathArgs {
    /// The secret
    #[arg(value_name = "VAULT/SECRET")]
    path: SecretPath,
}

/// Keeps, lists, shows or removes secrets.
///
/// # Errors
/// There is no such vault or secret, or the vault cannot be read or written.
pub(super) async fn run(command: SecretCommand, session: &Session) -> CommandResult {
    match command {
        SecretCommand::Set(args) => set(args, session).await,
        SecretCommand::List(ListArgs { vault }) => list(vault, session).await,
        SecretCommand::Show(PathArgs { path }) => {
            let doing = format!("show the secret `{path}`");
            let data = vault::named(&path.vault, session, &doing)?.get(&path.secret).await.map_err(cannot(&doing))?;
            let Some(data) = data else { return Err(vault::missing(&path, session, &doing).await) };
            Ok(Outcome::done(SecretReport::new(path, &data, Told::Keys)))
        }
        SecretCommand::Delete(PathArgs { path }) => delete(path, session).await,
    }
}

async fn set(args: SetArgs, session: &Session) -> CommandResult {
    let path = &args.path;
    let doing = format!("set the secret `{path}`");
    let vault = vault::named(&path.vault, session, &doing)?;
    let given = given(&args, session, &doing)?;
    let mut data = SecretData::default();
    if args.merge {
        data = vault.get(&path.secret).await.map_err(cannot(&doing))?.unwrap_or_default();
    }
    data.merge(given);
    if data.is_empty() {
        return Err(CommandError::usage(format!("cannot {doing}: it would hold nothing")));
    }
    vault.put(&path.secret, &data).await.map_err(cannot(&doing))?;
    Ok(Outcome::done(SecretReport::new(args.path, &data, Told::Set)))
}

/// The values that the command was given.
fn given(args: &SetArgs, session: &Session, doing: &str) -> Result<SecretData, CommandError> {
    if args.data_stdin {
        let body = SecretBody::parse(&input::text().map_err(cannot(doing))?).map_err(cannot(doing))?;
        if body.name.as_ref().is_some_and(|name| *name != args.path.secret) {
            return Err(CommandError::usage(format!("cannot {doing}: `name` in its data is another")));
        }
        for warning in &body.warnings {
            session.console().warn(&warning.to_string());
        }
        return Ok(body.values);
    }
    if args.keys.is_empty() {
        return args.credential.read(session.console()).map_err(cannot(doing));
    }
    let keys = args.keys.iter().map(|word| key(word)).collect::<Result<Vec<_>, _>>()?;
    let mut data = SecretData::default();
    let mut set = |key: KeyName, value: &str| data.set(key, value);
    if input::is_terminal() {
        for key in keys {
            let value = input::ask_secret(session.console(), &format!("{key}:"), "value").map_err(cannot(doing))?;
            set(key, &value);
        }
    } else if let [key] = keys.as_slice() {
        set(key.clone(), &input::secret("value").map_err(cannot(doing))?);
    } else {
        let text = input::text().map_err(cannot(doing))?;
        let mut lines = text.lines();
        for key in keys {
            let line = lines.next().filter(|line| !line.is_empty()).ok_or(InputError::Empty("line for each key"));
            set(key, line.map_err(cannot(doing))?);
        }
    }
    Ok(data)
}

/// Reads `KEY=-`. A word that holds a value is refused without showing it.
fn key(word: &str) -> Result<KeyName, CommandError> {
    let wrong = |message: String| {
        CommandError::usage(message).with_hint("write KEY=- and give the value on standard input, or type it")
    };
    let Some((name, "-")) = word.split_once('=') else {
        return Err(wrong("values are not taken from the command line, where others can read them".to_owned()));
    };
    name.parse().map_err(|error: <KeyName as std::str::FromStr>::Err| wrong(error.to_string()))
}

async fn list(name: VaultName, session: &Session) -> CommandResult {
    let doing = format!("list the secrets of the vault `{name}`");
    let secrets = vault::named(&name, session, &doing)?.list().await.map_err(cannot(&doing))?;
    Ok(Outcome::done(SecretsReport { vault: name, secrets }))
}

async fn delete(path: SecretPath, session: &Session) -> CommandResult {
    let doing = format!("delete the secret `{path}`");
    if !vault::named(&path.vault, session, &doing)?.delete(&path.secret).await.map_err(cannot(&doing))? {
        return Err(vault::missing(&path, session, &doing).await);
    }
    let config = session.config().map_err(cannot(&doing))?;
    warn_of_rules(config, &format!("the secret `{path}`"), |rule| rule.path() == path, session);
    Ok(Outcome::done(SecretReport::new(path, &SecretData::default(), Told::Deleted)))
}

/// What a report tells about a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Keys,
    Set,
    Deleted,
}

/// A secret and its keys, never its values.
#[derive(Serialize)]
struct SecretReport {
    #[serde(flatten)]
    path: Names,
    keys: Vec<KeyName>,
    #[serde(skip)]
    told: Told,
}

/// The two names of a secret.
#[derive(Serialize)]
struct Names {
    vault: VaultName,
    secret: SecretName,
}

impl SecretReport {
    fn new(path: SecretPath, data: &SecretData, told: Told) -> Self {
        let path = Names { vault: path.vault, secret: path.secret };
        Self { path, keys: data.keys().cloned().collect(), told }
    }
}

impl Report for SecretReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Names { vault, secret } = &self.path;
        let keys = self.keys.iter().map(KeyName::as_str).collect::<Vec<_>>();
        match self.told {
            Told::Keys => keys.iter().try_for_each(|key| writeln!(page, "{key}")),
            Told::Set => writeln!(page, "set `{vault}/{secret}` ({})", keys.join(", ")),
            Told::Deleted => writeln!(page, "deleted `{vault}/{secret}`"),
        }
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        match self.told {
            Told::Keys => self.text(page),
            Told::Set | Told::Deleted => writeln!(page, "{}/{}", self.path.vault, self.path.secret),
        }
    }
}

#[derive(Serialize)]
struct SecretsReport {
    vault: VaultName,
    secrets: Vec<SecretName>,
}

impl Report for SecretsReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.secrets.iter().try_for_each(|secret| writeln!(page, "{secret}"))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.text(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_a_value_is_refused_and_not_repeated() {
        assert_eq!(key("password=-").unwrap().as_str(), "password");
        for word in ["password=canary", "canary", "=canary", "password=-canary"] {
            let error = key(word).unwrap_err().to_string();
            assert!(error.contains("command line") && !error.contains("canary"), "{error}");
        }
        assert!(key("a b=-").unwrap_err().to_string().contains("cannot stand in the key"));
    }
}
