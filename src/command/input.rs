//! What commands are given apart from their words: documents on standard input, and secrets, which never stand on
//! a command line.

use std::io::{self, IsTerminal as _, Read as _};

use clap::Args;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::credentials::SecretData;
use crate::failure::{Failure, FailureKind};
use crate::output::{Console, PromptError};
use crate::yaml;

/// Whether a person sits at the terminal.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Reads all of standard input.
///
/// # Errors
/// It cannot be read, is longer than 4 MiB, or is not UTF-8.
pub(super) fn text() -> Result<Zeroizing<String>, InputError> {
    let mut text = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(yaml::MAX_BYTES as u64 + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length > yaml::MAX_BYTES => Err(InputError::Long),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(InputError::NotText),
        Err(error) => Err(InputError::Read(error)),
    }
}

/// Reads a secret from standard input: all of it, without the line end behind it. `what` names it in errors.
///
/// # Errors
/// As [`text`], and where there is none.
pub(super) fn secret(what: &'static str) -> Result<Zeroizing<String>, InputError> {
    let text = text()?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() { Err(InputError::Empty(what)) } else { Ok(Zeroizing::new(secret.to_owned())) }
}

/// Asks for a secret on the terminal. `what` names it in errors.
///
/// # Errors
/// Nobody is there to be asked, or answers nothing.
pub(super) fn ask_secret(
    console: &Console,
    question: &str,
    what: &'static str,
) -> Result<Zeroizing<String>, InputError> {
    match console.prompt_secret(question)?.expose_secret() {
        "" => Err(InputError::Empty(what)),
        answer => Ok(Zeroizing::new(answer.to_owned())),
    }
}

/// How a credential is given. No option takes a password: others on this computer can read command lines.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct CredentialFlags {
    /// The user name
    #[arg(short, long, value_name = "USER")]
    pub(super) username: Option<String>,

    /// Read the password from standard input
    #[arg(long, requires = "username", conflicts_with = "token_stdin")]
    pub(super) password_stdin: bool,

    /// Read a token from standard input
    #[arg(long)]
    pub(super) token_stdin: bool,
}

impl CredentialFlags {
    /// Reads the credential as the flags say; what they leave open is asked for.
    ///
    /// # Errors
    /// Standard input holds none, or nobody is there to be asked.
    pub(super) fn read(&self, console: &Console) -> Result<SecretData, InputError> {
        if self.token_stdin {
            return Ok(SecretData::of_token(&secret("token")?, self.username.as_deref()));
        }
        let username = match &self.username {
            Some(username) => username.clone(),
            None if !is_terminal() => return Err(InputError::NoUser),
            None => console.prompt("User name:")?,
        };
        if username.is_empty() {
            return Err(InputError::Empty("user name"));
        }
        let password =
            if self.password_stdin { secret("password")? } else { ask_secret(console, "Password:", "password")? };
        Ok(SecretData::of_user(&username, &password))
    }
}

/// Why a command did not get what it needs.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// Standard input failed.
    #[error("standard input cannot be read")]
    Read(#[source] io::Error),
    /// More than any document.
    #[error("standard input holds more than {} MiB", yaml::MAX_BYTES >> 20)]
    Long,
    /// No UTF-8.
    #[error("standard input is not text (UTF-8)")]
    NotText,
    /// Nothing where a value is needed.
    #[error("there is no {0}: nothing was given")]
    Empty(&'static str),
    /// Nobody says who the user is.
    #[error("there is no user name, and standard input is not a terminal to ask for one")]
    NoUser,
    /// A question was not answered.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

impl Failure for InputError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Read(_) => FailureKind::Failed,
            Self::Long | Self::NotText | Self::Empty(_) | Self::NoUser => FailureKind::Usage,
            Self::Prompt(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Prompt(error) => error.hints(),
            Self::NoUser => {
                vec!["name the user: `--username USER --password-stdin`; or give a token: `--token-stdin`".to_owned()]
            }
            Self::Read(_) | Self::Long | Self::NotText | Self::Empty(_) => Vec::new(),
        }
    }
}
