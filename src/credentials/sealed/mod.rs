//! A vault in an encrypted file, for machines without a keychain: `vaults/NAME.sealed` among the user's data.
//!
//! The passphrase is `TRANSHIP_VAULT_PASSPHRASE`, or what stands in the file that `TRANSHIP_VAULT_KEY_FILE` names
//! (any bytes, all of them count), or is asked for. The file is written as a whole, under a lock, and only its
//! owner can read it; its form stands in [`envelope`].

mod envelope;
mod passphrase;

pub use envelope::EnvelopeError;
pub use passphrase::PassphraseError;
pub(super) use passphrase::Passphrases;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

use self::envelope::{Cost, Derivation, Envelope, Key};
use super::data::Exposed;
use super::vault::{Vault, VaultError, on_own_thread};
use super::{SecretData, SecretName, VaultName};
use crate::failure::{Failure, FailureKind};
use crate::files::{Access, Disk, FileError, Lock, LockError, Places, Sharing, read_regular, write_atomically};

/// The largest vault file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// How long another process may take to write the same vault.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

type Secrets = BTreeMap<SecretName, SecretData>;

/// One encrypted vault file.
#[derive(Clone)]
pub(super) struct Sealed {
    file: Arc<SealedFile>,
}

impl Sealed {
    pub(super) fn new(vault: VaultName, places: &Places, disk: Arc<dyn Disk>, passphrases: Passphrases) -> Self {
        let path = places.data.join("vaults").join(format!("{vault}.sealed"));
        let file = SealedFile { vault, path, disk, passphrases, cost: Cost::NORMAL, known: Mutex::default() };
        Self { file: Arc::new(file) }
    }

    /// Runs on a thread of its own: deriving a key computes, and a prompt waits.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SealedFile) -> Result<T, SealedError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let file = Arc::clone(&self.file);
        let path = self.file.path.clone();
        let done = on_own_thread(move || work(&file)).await;
        Ok(done.map_err(|error| SealedError::File(FileError::new("use", path, error)))??)
    }
}

#[async_trait]
impl Vault for Sealed {
    async fn get(&self, secret: &SecretName) -> Result<Option<SecretData>, VaultError> {
        let secret = secret.clone();
        self.run(move |file| Ok(file.read()?.and_then(|mut secrets| secrets.remove(&secret)))).await
    }

    async fn put(&self, secret: &SecretName, data: &SecretData) -> Result<(), VaultError> {
        let (secret, data) = (secret.clone(), data.clone());
        let change = |secrets: &mut Secrets| secrets.insert(secret, data);
        self.run(move |file| file.update(change).map(drop)).await
    }

    async fn delete(&self, secret: &SecretName) -> Result<bool, VaultError> {
        let secret = secret.clone();
        let remove = move |file: &SealedFile| match file.read()? {
            Some(secrets) if secrets.contains_key(&secret) => file.update(|secrets| secrets.remove(&secret).is_some()),
            _ => Ok(false),
        };
        self.run(remove).await
    }

    async fn list(&self) -> Result<Vec<SecretName>, VaultError> {
        self.run(|file| Ok(file.read()?.unwrap_or_default().into_keys().collect())).await
    }

    async fn prepare(&self) -> Result<(), VaultError> {
        self.run(|file| match file.read()? {
            Some(_) => Ok(()),
            None => file.update(|_| ()),
        })
        .await
    }

    /// Needs no passphrase, so that a vault whose passphrase is lost can go.
    async fn clear(&self) -> Result<(), VaultError> {
        self.run(SealedFile::remove).await
    }
}

struct SealedFile {
    vault: VaultName,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    passphrases: Passphrases,
    cost: Cost,
    /// The key that opened the file last, so that one passphrase is asked for, and one key made, in a run.
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    derivation: Derivation,
    key: Key,
}

impl SealedFile {
    /// The secrets; `None` where there is no file yet.
    fn read(&self) -> Result<Option<Secrets>, SealedError> {
        Ok(self.open(&mut self.known())?.map(|(_, secrets)| secrets))
    }

    /// Changes the secrets, and makes the file where it is missing. Whatever a person has to be asked is asked
    /// before the lock is taken.
    fn update<T>(&self, change: impl FnOnce(&mut Secrets) -> T) -> Result<T, SealedError> {
        let mut known = self.known();
        let opened = self.open(&mut known)?.map(|(with, _)| with);
        let with = opened.or_else(|| known.take()).map_or_else(|| self.choose_key(), Ok)?;
        *known = Some(with.clone());
        let _lock = self.lock()?;
        // Another process may have written it in between.
        let (with, mut secrets) = self.open(&mut known)?.unwrap_or((with, Secrets::new()));
        let result = change(&mut secrets);
        let file = self.seal(&with, &secrets)?;
        write_atomically(&*self.disk, &self.path, &file, Access::Private)?;
        Ok(result)
    }

    fn choose_key(&self) -> Result<Known, SealedError> {
        let passphrase = self.passphrases.choose(&self.vault)?;
        let derivation = Derivation::new(self.cost).map_err(|error| self.envelope_error(error))?;
        let key = derivation.key(&passphrase).map_err(|error| self.envelope_error(error))?;
        Ok(Known { derivation, key })
    }

    fn remove(&self) -> Result<(), SealedError> {
        let mut known = self.known();
        let _lock = self.lock()?;
        *known = None;
        match self.disk.remove(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(FileError::new("remove", &self.path, error).into()),
            Ok(()) => {
                let directory = self.path.parent().unwrap_or(Path::new("."));
                self.disk.sync_directory(directory).map_err(FileError::of("remove", &self.path))?;
                Ok(())
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> Result<Lock, SealedError> {
        Ok(Lock::take(&self.path.with_extension("lock"), Sharing::Exclusive, LOCK_PATIENCE)?)
    }

    /// Reads and decrypts the file, with the known key where it is that file's, else with the passphrase.
    fn open(&self, known: &mut Option<Known>) -> Result<Option<(Known, Secrets)>, SealedError> {
        let Some(bytes) = read_regular(&self.path, MAX_FILE)? else { return Ok(None) };
        let envelope = Envelope::parse(&bytes).map_err(|error| self.envelope_error(error))?;
        let opened = match known.take() {
            Some(known) if known.derivation == envelope.derivation => {
                envelope.open(&known.key).map(|content| (known, content))
            }
            _ => self.passphrases.recall(&self.vault, |passphrase| {
                let key = envelope.derivation.key(passphrase).map_err(|error| self.envelope_error(error))?;
                let content = envelope.open(&key);
                Ok::<_, SealedError>(
                    content.map(|content| (Known { derivation: envelope.derivation.clone(), key }, content)),
                )
            })?,
        };
        let (with, content) = opened.ok_or_else(|| self.wrong_passphrase())?;
        // What the parser says could show a part of a secret.
        let secrets = serde_json::from_slice(&content).map_err(|_| self.envelope_error(EnvelopeError::Damaged))?;
        *known = Some(with.clone());
        Ok(Some((with, secrets)))
    }

    fn seal(&self, with: &Known, secrets: &Secrets) -> Result<Vec<u8>, SealedError> {
        let exposed: BTreeMap<_, _> = secrets.iter().map(|(name, data)| (name, Exposed(data))).collect();
        let content = serde_json::to_vec(&exposed).map_err(io::Error::from);
        let content = Zeroizing::new(content.map_err(FileError::of("write", &self.path))?);
        let sealed = envelope::seal(&with.derivation, &with.key, &content);
        let sealed = sealed.map_err(|error| self.envelope_error(error))?;
        if u64::try_from(sealed.len()).is_ok_and(|length| length <= MAX_FILE) {
            Ok(sealed)
        } else {
            Err(FileError::new("write", &self.path, io::ErrorKind::FileTooLarge.into()).into())
        }
    }

    fn envelope_error(&self, reason: EnvelopeError) -> SealedError {
        SealedError::Envelope { path: self.path.clone(), vault: self.vault.clone(), reason }
    }

    fn wrong_passphrase(&self) -> SealedError {
        SealedError::WrongPassphrase { vault: self.vault.clone(), path: self.path.clone() }
    }
}

/// Why an encrypted vault file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// There is no passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The passphrase or key file is another one's.
    #[error("the passphrase does not open the vault `{vault}` ({})", path.display())]
    WrongPassphrase {
        /// The vault.
        vault: VaultName,
        /// Its file.
        path: PathBuf,
    },
    /// The file is no vault file, or no longer.
    #[error("cannot open the file {} of the vault `{vault}`: {reason}", path.display())]
    Envelope {
        /// The file.
        path: PathBuf,
        /// The vault.
        vault: VaultName,
        /// What is wrong with it.
        reason: EnvelopeError,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process writes it all the time.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl Failure for SealedError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Passphrase(error) => error.kind(),
            Self::WrongPassphrase { .. } => FailureKind::Denied,
            Self::Envelope { .. } => FailureKind::Corrupt,
            Self::File(error) => error.kind(),
            Self::Lock(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Passphrase(error) => error.hints(),
            Self::WrongPassphrase { vault, .. } => vec![
                "check TRANSHIP_VAULT_PASSPHRASE or the file that TRANSHIP_VAULT_KEY_FILE names".to_owned(),
                format!("if it is lost, so are the secrets: `tranship vault delete {vault}` begins again"),
            ],
            Self::Envelope { reason: EnvelopeError::Version(_), .. } => vec!["use a newer tranship".to_owned()],
            Self::Envelope { vault, .. } => {
                vec![format!("put a backup of the file back, or begin again: `tranship vault delete {vault}`")]
            }
            Self::File(error) => error.hints(),
            Self::Lock(error) => error.hints(),
        }
    }
}

#[cfg(test)]
mod tests;
