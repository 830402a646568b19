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

/// How often a person may type a passphrase.
const TRIES: usize = 3;

type Passphrase = Zeroizing<Vec<u8>>;

impl Passphrases {
    pub(in super::super) fn new(variables: Variables, prompt: Arc<dyn Prompt>) -> Self {
        Self { variables, prompt }
    }

    /// Finds what the passphrase of a vault that exists opens. `open` tries one; a person who mistypes it is asked
    /// again, and `None` says that none was right.
    pub(super) fn recall<T, E: From<PassphraseError>>(
        &self,
        vault: &VaultName,
        mut open: impl FnMut(&Passphrase) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        if let Some(passphrase) = self.given()? {
            return open(&passphrase);
        }
        let mut question = format!("passphrase of the vault `{vault}`:");
        for _ in 0..TRIES {
            if let Some(opened) = open(&self.ask(vault, &question)?)? {
                return Ok(Some(opened));
            }
            question = format!("this does not open it; passphrase of the vault `{vault}`:");
        }
        Ok(None)
    }

    /// The passphrase of a vault that is made; a person types it twice.
    pub(super) fn choose(&self, vault: &VaultName) -> Result<Passphrase, PassphraseError> {
        if let Some(passphrase) = self.given()? {
            return Ok(passphrase);
        }
        let first = self.ask(vault, &format!("new passphrase for the vault `{vault}`:"))?;
        let second = self.ask(vault, "the same again:")?;
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
    let key = key.ok_or_else(|| FileError::absent("read the key file", path))?;
    if key.is_empty() {
        let empty = io::Error::new(io::ErrorKind::InvalidData, "it is empty");
        return Err(FileError::new("use the key file", path, empty).into());
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
