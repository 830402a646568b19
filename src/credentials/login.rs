//! Which registries `login` keeps a secret for, and in which vault.
//!
//! The list is a file of its own among the user's data and holds no secret. It is what says whether a log-in is
//! configured: so a machine on which nobody ever logged in needs no keychain, and where the list names a registry
//! and its vault cannot be read, that is an error and not the absence of a credential.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::names::LOGIN;
use super::vault::{VaultError, Vaults, on_own_thread};
use super::{Credential, SecretData, SecretName, VaultName, VaultSettings};
use crate::failure::{Failure, FailureKind};
use crate::files::{Access, Disk, FileError, Lock, LockError, Places, Sharing, read_regular, write_atomically};
use crate::image::RegistryAddress;

/// The largest list that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// How long another process may take to write the list.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// The registries that somebody logged in to, and the vaults that hold their secrets.
pub type Logins = BTreeMap<RegistryAddress, VaultSettings>;

#[derive(Default, Serialize, Deserialize)]
struct Document {
    logins: Logins,
}

/// The file that lists the log-ins.
#[derive(Clone)]
struct LoginsFile {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl LoginsFile {
    fn new(places: &Places, disk: Arc<dyn Disk>) -> Self {
        Self { path: places.data.join("logins.json"), disk }
    }

    fn read(&self) -> Result<Logins, LoginsError> {
        let Some(text) = read_regular(&self.path, MAX_FILE)? else { return Ok(Logins::new()) };
        let document: Document =
            serde_json::from_slice(&text).map_err(|source| LoginsError::Form { path: self.path.clone(), source })?;
        Ok(document.logins)
    }

    /// Changes the list under its lock.
    fn update<T>(&self, change: impl FnOnce(&mut Logins) -> T) -> Result<T, LoginsError> {
        let _lock = Lock::take(&self.path.with_extension("lock"), Sharing::Exclusive, LOCK_PATIENCE)?;
        let mut logins = self.read()?;
        let result = change(&mut logins);
        let text = serde_json::to_vec_pretty(&Document { logins }).map_err(io::Error::from);
        let text = text.map_err(FileError::of("write", &self.path))?;
        write_atomically(&*self.disk, &self.path, &text, Access::Private)?;
        Ok(result)
    }

    /// The same on a thread that may wait for the lock.
    async fn update_aside<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Logins) -> T + Send + 'static,
    ) -> Result<T, LoginsError> {
        let file = self.clone();
        let done = on_own_thread(move || file.update(change)).await;
        done.map_err(FileError::of("write", &self.path))?
    }
}

impl Vaults {
    /// The registries that somebody logged in to.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn logins(&self) -> Result<Logins, VaultError> {
        Ok(self.logins_file().read()?)
    }

    /// The vault that a log-in is kept in: the named one, else that of `login`.
    ///
    /// # Errors
    /// There is no such vault.
    pub fn for_log_in(&self, vault: Option<&VaultName>) -> Result<VaultSettings, VaultError> {
        self.settings(vault.unwrap_or(&VaultName::known(LOGIN)))
    }

    /// Keeps the credential of a registry in `vault`, or in the vault `login` where none is named. What an earlier
    /// log-in kept in another vault goes.
    ///
    /// # Errors
    /// There is no such vault, it cannot be written, or the list of log-ins cannot be.
    pub async fn log_in(
        &self,
        registry: &RegistryAddress,
        credential: &Credential,
        vault: Option<&VaultName>,
    ) -> Result<VaultSettings, VaultError> {
        let settings = self.for_log_in(vault)?;
        let secret = SecretName::of_registry(registry);
        // The secret before its entry: what the list names is there.
        self.open(&settings).put(&secret, &SecretData::of_credential(credential)).await?;
        let (key, value) = (registry.clone(), settings.clone());
        let earlier = self.logins_file().update_aside(move |logins| logins.insert(key, value)).await?;
        if let Some(earlier) = earlier.filter(|earlier| *earlier != settings) {
            self.open(&earlier).delete(&secret).await?;
        }
        Ok(settings)
    }

    /// Removes what `login` kept for a registry; `None` where nobody was logged in.
    ///
    /// # Errors
    /// The vault or the list of log-ins cannot be written. The registry counts as logged in then.
    pub async fn log_out(&self, registry: &RegistryAddress) -> Result<Option<VaultSettings>, VaultError> {
        let Some(settings) = self.logins()?.remove(registry) else { return Ok(None) };
        // The secret before its entry: a failure in between leaves an entry, and no secret that nothing names.
        self.open(&settings).delete(&SecretName::of_registry(registry)).await?;
        let key = registry.clone();
        self.logins_file().update_aside(move |logins| logins.remove(&key)).await?;
        Ok(Some(settings))
    }

    fn logins_file(&self) -> LoginsFile {
        LoginsFile::new(&self.surroundings.places, Arc::clone(&self.surroundings.disk))
    }
}

/// Why the list of log-ins was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum LoginsError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process writes it all the time.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It is not what tranship writes.
    #[error("the list of log-ins {} cannot be understood", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong; the list holds no secret.
        #[source]
        source: serde_json::Error,
    },
}

impl Failure for LoginsError {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::Lock(error) => error.hints(),
            Self::Form { path, .. } => vec![format!("remove {} and log in again", path.display())],
        }
    }
}
