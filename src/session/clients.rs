//! One client per registry, credential and treatment of TLS, with the credential that is meant.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use secrecy::ExposeSecret as _;

use super::{Access, Session, SessionError};
use crate::client::{Client, ClientSettings, forget_tokens};
use crate::config::{RemoteRegistry, TlsMode};
use crate::credentials::{Chosen, Prompt, Secret, Surroundings, Vaults, Wanted};
use crate::files::LocalDisk;
use crate::image::{ImageReference, Naming, RegistryAddress, RepositoryName};
use crate::outbound::{self, Retries, Timeouts};
use crate::output::Console;

/// Which client serves a request: one per registry, role, credential and TLS treatment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    registry: RegistryAddress,
    role: Role,
    credential: Option<String>,
    tls: Option<TlsMode>,
}

/// As what a registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// As itself.
    Registry,
    /// In place of another, which can be asked as well.
    Mirror,
}

/// How often a mirror is asked at most: others have what it does not hand out.
const TRIES_OF_MIRROR: u32 = 2;

impl Session {
    /// The client of a registry, with the credential for a repository there, or for the registry as a whole.
    ///
    /// # Errors
    /// The credential that is configured cannot be used, or the client cannot be made (a certificate, a proxy).
    pub async fn client(
        &self,
        registry: &RegistryAddress,
        repository: Option<&RepositoryName>,
        access: &Access,
    ) -> Result<Arc<Client>, SessionError> {
        self.client_as(Role::Registry, registry, repository, access).await
    }

    /// The client of a registry in a role.
    ///
    /// # Errors
    /// As [`Session::client`].
    pub(super) async fn client_as(
        &self,
        role: Role,
        registry: &RegistryAddress,
        repository: Option<&RepositoryName>,
        access: &Access,
    ) -> Result<Arc<Client>, SessionError> {
        let entry = self.entry(registry, access)?;
        let chosen = self.chosen(&entry, repository, access).await?;
        let (registry, credential) = (entry.address.clone(), chosen.name.clone());
        let key = ClientKey { registry, role, credential, tls: access.tls };
        if let Some(client) = self.clients().get(&key) {
            return Ok(Arc::clone(client));
        }
        let mut settings = self.client_settings(entry, chosen)?;
        if role == Role::Mirror {
            settings.retries.tries = settings.retries.tries.min(TRIES_OF_MIRROR);
        }
        let client = Arc::new(Client::new(settings)?);
        Ok(Arc::clone(self.clients().entry(key).or_insert(client)))
    }

    /// A client that tries a credential: it uses no token that was kept, because that would prove nothing.
    ///
    /// # Errors
    /// As [`Session::client`].
    pub fn client_with(
        &self,
        registry: &RegistryAddress,
        chosen: Chosen,
        access: &Access,
    ) -> Result<Client, SessionError> {
        let settings = self.client_settings(self.entry(registry, access)?, chosen)?;
        Ok(Client::new(ClientSettings { keep_tokens: false, ..settings })?)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<ClientKey, Arc<Client>>> {
        // Every holder only looks up or adds one entry, so no panic leaves the map half changed.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client_settings(&self, registry: RemoteRegistry, chosen: Chosen) -> Result<ClientSettings, SessionError> {
        let settings = &self.config()?.settings;
        let mut timeouts = Timeouts::default();
        if let Some(silence) = self.options.timeout.or(settings.timeout) {
            timeouts = Timeouts { connect: timeouts.connect.min(silence), idle: silence };
        }
        let mut retries = Retries::default();
        if let Some(again) = self.options.retries.or(settings.retries) {
            retries.tries = again + 1;
        }
        Ok(ClientSettings {
            registry,
            chosen,
            state: Some(self.places.state.clone()),
            keep_tokens: self.options.keep_tokens,
            certificate_folders: outbound::usual_folders(dirs::home_dir().as_deref()),
            timeouts,
            retries,
            pace: Arc::clone(&self.pace),
            progress: self.console.progress(),
        })
    }

    /// What is configured for a registry, with what the command says over it.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub fn entry(&self, registry: &RegistryAddress, access: &Access) -> Result<RemoteRegistry, SessionError> {
        let known = self.config()?.registry(registry).cloned();
        let mut entry = known.unwrap_or_else(|| RemoteRegistry::unconfigured(registry.clone()));
        entry.tls = access.tls.unwrap_or(entry.tls);
        Ok(entry)
    }

    /// Whether references to this registry's images are read as such: its address is configured, holds a `.` or a
    /// `:`, or is `localhost`.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub fn is_reached_by_name(&self, registry: &RegistryAddress) -> Result<bool, SessionError> {
        let naming = Naming { default: None, ..self.config()?.naming() };
        Ok(ImageReference::parse_repository(&format!("{registry}/repository"), &naming).is_ok())
    }

    /// The credential for a repository, or for the registry as a whole, and why it is that one.
    ///
    /// # Errors
    /// The credential that is configured cannot be used.
    pub async fn chosen(
        &self,
        entry: &RemoteRegistry,
        repository: Option<&RepositoryName>,
        access: &Access,
    ) -> Result<Chosen, SessionError> {
        let wanted = match (&access.secret, access.anonymous) {
            (Some(path), _) => Wanted::Secret(path.clone()),
            (None, true) => Wanted::Anonymous,
            (None, false) => Wanted::Configured,
        };
        let vaults = self.vaults(access.authfile.as_deref())?;
        let chosen = vaults.choose(&wanted, &entry.address, repository, &entry.credentials).await?;
        let name = chosen.name.as_deref().unwrap_or("none");
        self.console.note(&format!("credential for {}: {name}, because {}", entry.address, chosen.why));
        Ok(chosen)
    }

    /// Drops the tokens of a registry that were kept for the next run, and says how many there were.
    ///
    /// # Errors
    /// The file that keeps them cannot be written.
    pub fn forget_tokens(&self, registry: &RegistryAddress) -> Result<usize, SessionError> {
        Ok(forget_tokens(&self.places.state, registry)?)
    }

    /// The vaults that the configuration names; docker credentials from `authfile` where one is given.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub fn vaults(&self, authfile: Option<&Path>) -> Result<Arc<Vaults>, SessionError> {
        let config = self.config()?;
        let mut opened = self.vaults.lock().unwrap_or_else(PoisonError::into_inner);
        let vaults = opened.entry(authfile.map(Path::to_owned)).or_insert_with(|| {
            let prompt = Arc::new(Asking(self.console.clone()));
            let mut surroundings = Surroundings::of_process(self.places.clone(), Arc::new(LocalDisk), prompt);
            surroundings.authfile = authfile.map(Path::to_owned);
            Arc::new(Vaults::new(surroundings, config.vaults.clone(), config.settings.vault_backend))
        });
        Ok(Arc::clone(vaults))
    }
}

/// Lets the vaults ask for a passphrase on the console.
struct Asking(Console);

impl Prompt for Asking {
    fn ask(&self, question: &str) -> io::Result<Secret> {
        let answer = self.0.prompt_secret(question).map_err(io::Error::other)?;
        Ok(Secret::new(answer.expose_secret().to_owned()))
    }
}
