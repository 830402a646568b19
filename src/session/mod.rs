//! Builds concrete things from the configuration: a location and the wanted access become a source, a
//! destination or a registry.
//!
//! The one module that names implementations. It hands out one shared client per registry and credential, so
//! that tokens, limits and what was learnt are shared too. It decides nothing about what is done with them.

mod actions;
mod clients;
mod error;
mod home;
mod sides;
mod sites;
mod storage;
mod streams;
mod upstream;
mod webhooks;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::client::Client;
use crate::config::{Config, ConfigError, ConfigFile, Settings, TlsMode};
use crate::credentials::{SecretPath, Vaults};
use crate::files::{LocalDisk, Places};
use crate::image::Location;
use crate::outbound::{Pace, Retries, Timeouts};
use crate::output::Console;
use crate::server::Signer;
use crate::store::Store;
use crate::transfer::Journals;

pub use actions::Actions;
use clients::ClientKey;
pub use error::SessionError;
pub use sides::{Place, Purpose};
pub use storage::{Hosted, StorageError, StorageOptions};
pub use streams::Registries;

/// What the command line says about the session as a whole.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The configuration file, where `--config` names one.
    pub config_file: Option<PathBuf>,
    /// How long a registry may be silent.
    pub timeout: Option<Duration>,
    /// How often a request is tried again.
    pub retries: Option<u32>,
    /// Whether tokens are kept for the next run.
    pub keep_tokens: bool,
}

/// How the command wants a registry to be accessed, over what is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Access {
    /// How its TLS is treated.
    pub tls: Option<TlsMode>,
    /// The secret to use.
    pub secret: Option<SecretPath>,
    /// Whether to use no credential.
    pub anonymous: bool,
    /// A docker or podman credential file to look in.
    pub authfile: Option<PathBuf>,
}

/// One run of the program: the console, the configuration, and what was opened.
pub struct Session {
    options: SessionOptions,
    console: Console,
    places: Places,
    config_file: ConfigFile,
    config: OnceLock<Config>,
    store: OnceLock<Store>,
    vaults: Mutex<HashMap<Option<PathBuf>, Arc<Vaults>>>,
    clients: Mutex<HashMap<ClientKey, Arc<Client>>>,
    pace: Arc<Pace>,
}

impl Session {
    /// A session in this user's places. The configuration is read when it is first needed, so that what repairs
    /// it works while it is broken.
    ///
    /// # Errors
    /// The platform does not say where the user's files are.
    pub fn open(options: SessionOptions, console: Console) -> Result<Self, SessionError> {
        let places = Places::find(options.config_file.as_deref())?;
        let config_file = ConfigFile::new(&places.config_file, Arc::new(LocalDisk));
        Ok(Self {
            config_file: if places.is_config_named { config_file.named() } else { config_file },
            options,
            console,
            places,
            config: OnceLock::new(),
            store: OnceLock::new(),
            vaults: Mutex::default(),
            clients: Mutex::default(),
            pace: Arc::default(),
        })
    }

    /// Where results, warnings and progress go.
    #[must_use]
    pub const fn console(&self) -> &Console {
        &self.console
    }

    /// The configuration's file, to change it.
    #[must_use]
    pub const fn config_file(&self) -> &ConfigFile {
        &self.config_file
    }

    /// The configuration, as it was when it was first asked for.
    ///
    /// # Errors
    /// It cannot be read, or says something that cannot be.
    pub fn config(&self) -> Result<&Config, SessionError> {
        self.config_from(ConfigFile::load)
    }

    /// The configuration as [`Session::config`] has it, for a command that is going to change it: a file that the
    /// user named need not be there yet.
    ///
    /// # Errors
    /// As [`Session::config`].
    pub fn config_for_change(&self) -> Result<&Config, SessionError> {
        self.config_from(ConfigFile::load_for_change)
    }

    fn config_from(&self, load: fn(&ConfigFile) -> Result<Config, ConfigError>) -> Result<&Config, SessionError> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = load(&self.config_file)?;
        Ok(self.config.get_or_init(|| config))
    }

    /// The settings with the values that hold where none is set; the store is where it is looked for.
    ///
    /// # Errors
    /// As [`Session::config`].
    pub fn settings_in_effect(&self) -> Result<Settings, SessionError> {
        let configured = self.config()?.settings.clone();
        Ok(Settings {
            store: Some(self.places.store(configured.store.as_deref())),
            timeout: configured.timeout.or(Some(Timeouts::default().idle)),
            retries: configured.retries.or(Some(Retries::default().tries - 1)),
            ..configured
        })
    }

    /// The directory for what need not outlive the process and is too big for memory.
    #[must_use]
    pub fn spool(&self) -> &Path {
        &self.places.state
    }

    /// Reads a location; short names are completed by the configuration.
    ///
    /// # Errors
    /// The text breaks a rule, or the configuration cannot be read.
    pub fn location(&self, text: &str) -> Result<Location, SessionError> {
        Ok(Location::parse(text, &self.config()?.naming())?)
    }

    /// What signs passwords and tokens of `serve`.
    ///
    /// # Errors
    /// Its key cannot be read or made.
    pub fn signer(&self) -> Result<Signer, SessionError> {
        Ok(Signer::kept_in(&self.places.state)?)
    }

    /// The local store.
    ///
    /// # Errors
    /// It cannot be opened, or a newer tranship made it.
    pub fn store(&self) -> Result<Store, SessionError> {
        if let Some(store) = self.store.get() {
            return Ok(store.clone());
        }
        let settings = &self.config()?.settings;
        let store = Store::open(&self.places.store(settings.store.as_deref()), Arc::new(LocalDisk))?;
        Ok(self.store.get_or_init(|| store).clone())
    }

    /// What interrupted transfers left for this run and the next.
    #[must_use]
    pub fn journals(&self) -> Journals {
        Journals::new(&self.places.state.join("transfers"), Arc::new(LocalDisk))
    }
}
