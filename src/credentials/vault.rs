//! What every vault can do, and the vaults of one user.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::docker::{Docker, DockerError, DockerFiles};
use super::environment::Environment;
use super::keychain::{Keychain, KeychainError, Opener, platform_keychain};
use super::names::LOGIN;
use super::sealed::{Passphrases, Sealed, SealedError};
use super::{Backend, Secret, SecretData, SecretName, SecretPath, Variables, VaultName, VaultSettings};
use crate::failure::{Failure, FailureKind, did_you_mean, nearest};
use crate::files::{Disk, Places};

/// A named place for secrets.
#[async_trait]
pub trait Vault: Send + Sync {
    /// The values of one secret; `None` where there is no such secret.
    ///
    /// # Errors
    /// The vault cannot be read.
    async fn get(&self, secret: &SecretName) -> Result<Option<SecretData>, VaultError>;

    /// Keeps the values of one secret, in place of what was there.
    ///
    /// # Errors
    /// The vault cannot be written, or is only read.
    async fn put(&self, secret: &SecretName, data: &SecretData) -> Result<(), VaultError>;

    /// Removes one secret, and says whether it was there.
    ///
    /// # Errors
    /// The vault cannot be written, or is only read.
    async fn delete(&self, secret: &SecretName) -> Result<bool, VaultError>;

    /// The names of the secrets, in order.
    ///
    /// # Errors
    /// The vault cannot be read.
    async fn list(&self) -> Result<Vec<SecretName>, VaultError>;

    /// Makes what the vault needs before its first secret, so that one which cannot work fails when it is created.
    ///
    /// # Errors
    /// It cannot work here.
    async fn prepare(&self) -> Result<(), VaultError>;

    /// Removes all secrets. Of a vault that is only read, and of one that was never written, nothing.
    ///
    /// # Errors
    /// The vault cannot be written.
    async fn clear(&self) -> Result<(), VaultError>;
}

/// Asks a person for a secret. The console implements it; it blocks the thread.
pub trait Prompt: Send + Sync {
    /// Shows the question, and reads one line that is not shown.
    ///
    /// # Errors
    /// There is no terminal, or reading failed.
    fn ask(&self, question: &str) -> io::Result<Secret>;
}

/// What vaults need of their surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// Where the encrypted files and the list of log-ins are.
    pub places: Places,
    /// The disk to write them on.
    pub disk: Arc<dyn Disk>,
    /// The environment variables.
    pub variables: Variables,
    /// `--authfile`: the one docker file to read.
    pub authfile: Option<PathBuf>,
    /// Who asks for a passphrase.
    pub prompt: Arc<dyn Prompt>,
    /// How the platform's keychain is reached.
    pub keychain: Opener,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process(places: Places, disk: Arc<dyn Disk>, prompt: Arc<dyn Prompt>) -> Self {
        let keychain = platform_keychain();
        Self { places, disk, variables: Variables::of_process(), authfile: None, prompt, keychain }
    }
}

type Opened = BTreeMap<(VaultName, &'static str), Arc<dyn Vault>>;

/// The vaults of one user: those of the configuration, and `login`.
pub struct Vaults {
    pub(super) surroundings: Surroundings,
    configured: Vec<VaultSettings>,
    default_backend: Backend,
    /// Each is opened once, so that a passphrase is asked for once.
    opened: Mutex<Opened>,
}

impl Vaults {
    /// The vaults that the configuration names; `default_backend` is where `login` keeps its secrets.
    #[must_use]
    pub fn new(surroundings: Surroundings, configured: Vec<VaultSettings>, default_backend: Backend) -> Self {
        Self { surroundings, configured, default_backend, opened: Mutex::default() }
    }

    /// The vault of this name.
    ///
    /// # Errors
    /// The configuration has none of this name.
    pub fn named(&self, name: &VaultName) -> Result<Arc<dyn Vault>, VaultError> {
        self.settings(name).map(|settings| self.open(&settings))
    }

    /// The settings of the vault of this name; `login` is there without being configured.
    ///
    /// # Errors
    /// The configuration has none of this name.
    pub fn settings(&self, name: &VaultName) -> Result<VaultSettings, VaultError> {
        match self.configured.iter().find(|settings| settings.name == *name) {
            Some(settings) => Ok(settings.clone()),
            None if name.is_login() => Ok(VaultSettings { name: name.clone(), backend: self.default_backend }),
            None => {
                let known = self.configured.iter().map(|settings| settings.name.as_str()).chain([LOGIN]);
                let meant = nearest(name.as_str(), known).map(str::to_owned);
                Err(VaultError::Unknown { vault: name.clone(), meant })
            }
        }
    }

    /// Every vault that is there: those of the configuration, and those that `login` keeps secrets in.
    ///
    /// # Errors
    /// The list of log-ins cannot be read.
    pub fn all(&self) -> Result<Vec<VaultSettings>, VaultError> {
        let mut all = self.configured.clone();
        for settings in self.logins()?.into_values() {
            if !all.contains(&settings) {
                all.push(settings);
            }
        }
        Ok(all)
    }

    /// The secret that was probably meant, where there is none of this name. A vault that cannot be read has none.
    pub async fn meant(&self, path: &SecretPath) -> Option<SecretName> {
        let secrets = self.named(&path.vault).ok()?.list().await.ok()?;
        let meant = nearest(path.secret.as_str(), secrets.iter().map(SecretName::as_str))?;
        secrets.iter().find(|secret| secret.as_str() == meant).cloned()
    }

    /// Opens a vault. Nothing is read, asked or connected before it is used.
    #[must_use]
    pub fn open(&self, settings: &VaultSettings) -> Arc<dyn Vault> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (settings.name.clone(), settings.backend.as_str());
        Arc::clone(opened.entry(key).or_insert_with(|| self.make(settings)))
    }

    fn make(&self, VaultSettings { name, backend }: &VaultSettings) -> Arc<dyn Vault> {
        let Surroundings { places, disk, variables, prompt, keychain, .. } = &self.surroundings;
        match backend {
            Backend::Keychain => Arc::new(Keychain::new(name.clone(), Arc::clone(keychain))),
            Backend::File => {
                let passphrases = Passphrases::new(variables.clone(), Arc::clone(prompt));
                Arc::new(Sealed::new(name.clone(), places, Arc::clone(disk), passphrases))
            }
            Backend::Environment => Arc::new(Environment::new(name.clone(), variables.clone())),
            Backend::Docker => Arc::new(Docker::new(name.clone(), self.docker())),
        }
    }

    /// The files of docker and podman.
    pub(super) fn docker(&self) -> DockerFiles {
        DockerFiles::new(self.surroundings.variables.clone(), self.surroundings.authfile.clone())
    }
}

/// Runs what blocks, possibly for as long as a person needs, on a thread of its own: unlike the runtime's
/// blocking threads nobody waits for it when the program ends.
///
/// # Errors
/// The thread cannot be made, or it panicked.
pub(super) async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // Nobody listens any more where the caller has stopped waiting.
    std::thread::Builder::new().name("vault".to_owned()).spawn(move || drop(sender.send(work())))?;
    receiver.await.map_err(io::Error::other)
}

/// Why a vault did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The configuration has no vault of this name.
    #[error("there is no vault `{vault}`{}", did_you_mean(meant.as_ref()))]
    Unknown {
        /// The name.
        vault: VaultName,
        /// The one that was probably meant.
        meant: Option<String>,
    },
    /// A vault of a kind that is not written.
    #[error("the vault `{vault}` is of the {backend} kind, which tranship only reads")]
    ReadOnly {
        /// The vault.
        vault: VaultName,
        /// Its kind.
        backend: Backend,
    },
    /// The keychain.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The encrypted file.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The files and helpers of docker and podman.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The list of log-ins.
    #[error(transparent)]
    Logins(#[from] super::login::LoginsError),
}

impl Failure for VaultError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Unknown { .. } => FailureKind::NotFound,
            Self::ReadOnly { .. } => FailureKind::Usage,
            Self::Keychain(error) => error.kind(),
            Self::Sealed(error) => error.kind(),
            Self::Docker(error) => error.kind(),
            Self::Logins(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown { vault, .. } => vec![
                "see which there are: `tranship vault list`".to_owned(),
                format!("or make it: `tranship vault create {vault}`"),
            ],
            Self::ReadOnly { .. } => vec!["use a vault of the keychain or file kind".to_owned()],
            Self::Keychain(error) => error.hints(),
            Self::Sealed(error) => error.hints(),
            Self::Docker(error) => error.hints(),
            Self::Logins(error) => error.hints(),
        }
    }
}
