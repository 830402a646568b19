//! Where the passphrase of an encrypted vault file comes from.

use std::io;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::vault::Prompt;
use super::super::{Variables, VaultName};
use crate::failure::{Failure, FailureKind};
use crate::files::{FileError, read_following_links};

/// The largest key file, in bytes.
const MAX_KEY_FILE: u64 = 1 << 20;

/// The environment, the key file, or a person.
pub(in super::super) struct Passphrases {
    variables: Variables,
    prompt: Arc<dyn Prompt>,
}

type Passphrase = Zeroizing<Vec<u8>>;

impl Passphrases {
    pub(in super::super) fn new(variables: Variables, prompt: Arc<dyn Prompt>) -> Self {
        Self { variables, prompt }
    }

    /// The passphrase of a vault that exists.
    pub(super) fn recall(&self, vault: &VaultName) -> Result<Passphrase, PassphraseError> {
        match self.given()? {
            Some(passphrase) => Ok(passphrase),
            None => self.ask(vault, &format!("passphrase of the vault `{vault}`: ")),
        }
    }

    /// The passphrase of a vault that is made; a person types it twice.
    pub(super) fn choose(&self, vault: &VaultName) -> Result<Passphrase, PassphraseError> {
        if let Some(passphrase) = self.given()? {
            return Ok(passphrase);
        }
        let first = self.ask(vault, &format!("new passphrase for the vault `{vault}`: "))?;
        let second = self.ask(vault, "the same again: ")?;
        match first == second {
            _ if first.is_empty() => Err(PassphraseError::Empty(vault.clone())),
            false => Err(PassphraseError::Different(vault.clone())),
            true => Ok(first),
        }
    }

    fn given(&self) -> Result<Option<Passphrase>, PassphraseError> {
        if let Some(passphrase) = self.variables.get("TRANSHIP_VAULT_PASSPHRASE") {
            return Ok(Some(Zeroizing::new(passphrase.as_encoded_bytes().to_vec())));
        }
        self.variables.get("TRANSHIP_VAULT_KEY_FILE").map(|path| read_key_file(Path::new(path))).transpose()
    }

    fn ask(&self, vault: &VaultName, question: &str) -> Result<Passphrase, PassphraseError> {
        let asked = self.prompt.ask(question);
        let answer = asked.map_err(|source| PassphraseError::Unasked { vault: vault.clone(), source })?;
        Ok(Zeroizing::new(answer.expose().as_bytes().to_vec()))
    }
}

fn read_key_file(path: &Path) -> Result<Passphrase, PassphraseError> {
    let key = read_following_links(path, MAX_KEY_FILE)?.map(Zeroizing::new);
    let key = key.ok_or_else(|| FileError::new("read the key file", path, io::ErrorKind::NotFound.into()))?;
    if key.is_empty() {
        return Err(FileError::new("use the empty key file", path, io::ErrorKind::InvalidData.into()).into());
    }
    Ok(key)
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Nobody could be asked.
    #[error("the vault `{vault}` needs a passphrase, and nobody can be asked for it")]
    Unasked {
        /// The vault.
        vault: VaultName,
        /// What the terminal said.
        #[source]
        source: io::Error,
    },
    /// The two that were typed differ.
    #[error("the two passphrases for the vault `{0}` differ")]
    Different(VaultName),
    /// Nothing was typed.
    #[error("the passphrase for the vault `{0}` is empty")]
    Empty(VaultName),
    /// The key file.
    #[error(transparent)]
    KeyFile(#[from] FileError),
}

impl Failure for PassphraseError {
    fn kind(&self) -> FailureKind {
        FailureKind::Denied
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unasked { .. } => {
                vec!["set TRANSHIP_VAULT_PASSPHRASE, or TRANSHIP_VAULT_KEY_FILE to a file that holds it".to_owned()]
            }
            Self::Different(_) | Self::Empty(_) => Vec::new(),
            Self::KeyFile(_) => {
                vec!["check TRANSHIP_VAULT_KEY_FILE; `openssl rand -out FILE 32` makes a key file".to_owned()]
            }
        }
    }
}
