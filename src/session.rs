//! Builds concrete things from the configuration: a location and the wanted access become a source, a
//! destination or a registry.
//!
//! The one module that names implementations. It hands out one shared client per registry and credential, so
//! that tokens, limits and what was learnt are shared too. It decides nothing about what is done with them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret as _;

use crate::archive::Layout;
use crate::client::{Client, ClientSettings, Mirrored};
use crate::config::{Config, ConfigError, ConfigFile, RemoteRegistry, TlsMode};
use crate::credentials::{ChooseError, Chosen, Prompt, Secret, SecretPath, Surroundings, Vaults, Wanted};
use crate::failure::{Answer, Failure, FailureKind};
use crate::files::{LocalDisk, Places, PlacesError};
use crate::image::{
    ImageReference, Location, LocationError, NameError, Naming, ReferenceError, RegistryAddress, RegistryPath,
    RepositoryName, Selector, StoreSelector, Tag,
};
use crate::outbound::{self, Pace, Retries, Timeouts};
use crate::output::Console;
use crate::registry::{self, ImageSource, Registry};
use crate::store::Store;
use crate::transfer::{Destination, Source};
use crate::wire::{Action, Scope};

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

/// One image at a place that can do everything.
pub struct Place {
    /// The place.
    pub registry: Arc<dyn Registry>,
    /// The repository there.
    pub repository: RepositoryName,
    /// Which image of it.
    pub selector: Selector,
    /// The image as it is shown.
    pub shown: String,
    /// The repository as it is shown, with its registry.
    pub shown_repository: String,
}

impl Place {
    /// The place as something to read from.
    #[must_use]
    pub fn source(&self) -> &dyn ImageSource {
        &*self.registry
    }
}

/// Which client serves a request: one per registry, credential and TLS treatment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ClientKey {
    registry: RegistryAddress,
    credential: Option<String>,
    tls: Option<TlsMode>,
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
        Ok(Self {
            config_file: ConfigFile::new(&places.config_file, Arc::new(LocalDisk)),
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
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = self.config_file.load()?;
        Ok(self.config.get_or_init(|| config))
    }

    /// Reads a location; short names are completed by the configuration.
    ///
    /// # Errors
    /// The text breaks a rule, or the configuration cannot be read.
    pub fn location(&self, text: &str) -> Result<Location, SessionError> {
        Ok(Location::parse(text, &self.config()?.naming())?)
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

    /// An image to read.
    ///
    /// # Errors
    /// The place cannot be opened.
    pub async fn source(&self, location: &Location, access: &Access) -> Result<Source, SessionError> {
        let shown = location.to_string();
        match location {
            Location::Layout { directory, selector } => {
                let layout = Layout::open_source(directory, selector).await?;
                let selector = Selector::Tag(Tag::latest());
                Ok(Source { registry: Arc::new(layout), repository: nameless()?, selector, shown })
            }
            Location::Store { .. } => {
                let place = self.place(location, access).await?;
                Ok(Source { registry: place.registry, repository: place.repository, selector: place.selector, shown })
            }
            Location::Registry(reference) => {
                let client = self.client(&reference.registry, Some(&reference.repository), access).await?;
                client.will([Scope::repository(&reference.repository, [Action::Pull])]);
                let registry = self.mirrored(client, reference, access).await?;
                Ok(Source { registry, repository: reference.repository.clone(), selector: reference.selector(), shown })
            }
        }
    }

    /// Puts the mirrors that are configured for a registry before it.
    async fn mirrored(
        &self,
        client: Arc<Client>,
        reference: &ImageReference,
        access: &Access,
    ) -> Result<Arc<dyn ImageSource>, SessionError> {
        let mut mirrors: Vec<(RegistryPath, Arc<dyn ImageSource>)> = Vec::new();
        let paths = self.config()?.registry(&reference.registry).map(|entry| entry.mirrors.clone());
        for path in paths.unwrap_or_default() {
            let repository = path.repository(&reference.repository)?;
            // What the command says of the registry does not hold for its mirrors.
            let access = Access { authfile: access.authfile.clone(), ..Access::default() };
            let mirror = self.client(&path.registry, Some(&repository), &access).await?;
            mirrors.push((path, mirror));
        }
        if mirrors.is_empty() {
            return Ok(client);
        }
        Ok(Arc::new(Mirrored::new(client, mirrors, self.console.progress())))
    }

    /// A name to write an image to.
    ///
    /// # Errors
    /// The place cannot be opened, or the location names what is there already.
    pub async fn destination(&self, location: &Location, access: &Access) -> Result<Destination, SessionError> {
        let shown = location.to_string();
        match location {
            Location::Layout { directory, selector } => {
                let layout = Layout::create_destination(directory, selector, Arc::new(LocalDisk)).await?;
                let tags = vec![Tag::latest()];
                Ok(Destination { registry: Arc::new(layout), repository: nameless()?, tags, shown })
            }
            Location::Store { repository, selector } => {
                let tags = match selector {
                    StoreSelector::Tag(tag) => vec![tag.clone()],
                    StoreSelector::Digest(_, tag) => tag.iter().cloned().collect(),
                    StoreSelector::Prefix(prefix) => return Err(SessionError::Truncated(prefix.to_string())),
                };
                Ok(Destination { registry: Arc::new(self.store()?), repository: repository.clone(), tags, shown })
            }
            Location::Registry(reference) => {
                let client = self.client(&reference.registry, Some(&reference.repository), access).await?;
                client.will([Scope::repository(&reference.repository, [Action::Pull, Action::Push])]);
                let tags = reference.tag().into_iter().cloned().collect();
                Ok(Destination { registry: client, repository: reference.repository.clone(), tags, shown })
            }
        }
    }

    /// An image at a place that can do everything: a registry or the store.
    ///
    /// # Errors
    /// The place cannot be opened, or is a layout.
    pub async fn place(&self, location: &Location, access: &Access) -> Result<Place, SessionError> {
        let shown = location.to_string();
        match location {
            Location::Layout { .. } => Err(SessionError::Layout(shown)),
            Location::Store { repository, selector } => {
                let store = self.store()?;
                let selector = store.select(repository, selector).await?;
                let shown_repository = format!("store:{repository}");
                let repository = repository.clone();
                Ok(Place { registry: Arc::new(store), repository, selector, shown, shown_repository })
            }
            Location::Registry(reference) => {
                let (registry, repository) = (&reference.registry, reference.repository.clone());
                let client = self.client(registry, Some(&repository), access).await?;
                let shown_repository = format!("{registry}/{repository}");
                Ok(Place { registry: client, repository, selector: reference.selector(), shown, shown_repository })
            }
        }
    }

    /// A repository of a registry, or of the store (`store:NAME`).
    ///
    /// # Errors
    /// The text breaks a rule, or the place cannot be opened.
    pub async fn repository(
        &self,
        text: &str,
        access: &Access,
    ) -> Result<(Arc<dyn Registry>, RepositoryName), SessionError> {
        if let Some(name) = text.strip_prefix("store:") {
            return Ok((Arc::new(self.store()?), name.parse().map_err(ReferenceError::from)?));
        }
        let text = text.strip_prefix("docker://").unwrap_or(text);
        let (registry, repository) = ImageReference::parse_repository(text, &self.config()?.naming())?;
        let client = self.client(&registry, Some(&repository), access).await?;
        Ok((client, repository))
    }

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
        let entry = self.entry(registry, access)?;
        let chosen = self.chosen(&entry, repository, access).await?;
        self.client_as(entry, chosen, access)
    }

    /// The client of a registry with a credential that is tried before it is kept.
    ///
    /// # Errors
    /// As [`Session::client`].
    pub fn client_with(
        &self,
        registry: &RegistryAddress,
        chosen: Chosen,
        access: &Access,
    ) -> Result<Client, SessionError> {
        let entry = self.entry(registry, access)?;
        Ok(Client::new(self.client_settings(entry, chosen)?)?)
    }

    fn client_as(&self, entry: RemoteRegistry, chosen: Chosen, access: &Access) -> Result<Arc<Client>, SessionError> {
        let key = ClientKey { registry: entry.address.clone(), credential: chosen.name.clone(), tls: access.tls };
        if let Some(client) = self.clients().get(&key) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Client::new(self.client_settings(entry, chosen)?)?);
        Ok(Arc::clone(self.clients().entry(key).or_insert(client)))
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
    fn entry(&self, registry: &RegistryAddress, access: &Access) -> Result<RemoteRegistry, SessionError> {
        let known = self.config()?.registry(registry).cloned();
        let mut entry = known.unwrap_or_else(|| RemoteRegistry::unconfigured(registry.clone()));
        entry.tls = access.tls.unwrap_or(entry.tls);
        Ok(entry)
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

    /// Where an image of a registry lands at home: in `settings.home-registry`, else in the store; under `name`
    /// where one is given, else as `HOST/REPOSITORY`.
    ///
    /// # Errors
    /// The name breaks a rule, or would be too long.
    pub fn home_name(&self, reference: &ImageReference, name: Option<&str>) -> Result<Location, SessionError> {
        let (repository, selector) = if let Some(name) = name {
            match Location::parse(&format!("store:{name}"), &Naming::default())? {
                Location::Store { repository, selector: StoreSelector::Tag(tag) } => (repository, Selector::Tag(tag)),
                _ => return Err(SessionError::HomeName(name.to_owned())),
            }
        } else {
            let repository = RepositoryName::at_home(&reference.registry, &reference.repository)?;
            (repository, reference.tag().cloned().map_or_else(|| reference.selector(), Selector::Tag))
        };
        if let Some(home) = &self.config()?.settings.home_registry {
            let repository = home.repository(&repository)?;
            return Ok(Location::Registry(ImageReference::new(home.registry.clone(), repository, selector)));
        }
        let selector = match selector {
            Selector::Tag(tag) => StoreSelector::Tag(tag),
            Selector::Digest(digest) => StoreSelector::Digest(digest, None),
        };
        Ok(Location::Store { repository, selector })
    }

    /// The registry that an image of the store is named after: the reverse of `HOST/REPOSITORY`.
    ///
    /// # Errors
    /// The name begins with no registry.
    pub fn origin_of(&self, repository: &RepositoryName, tag: Option<&Tag>) -> Result<ImageReference, SessionError> {
        let none = || SessionError::NoOrigin(repository.to_string());
        let (host, rest) = repository.as_str().split_once('/').ok_or_else(none)?;
        let address = match host.rsplit_once('_') {
            Some((host, port)) if port.parse::<u16>().is_ok() => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        let naming = Naming { default: None, ..self.config()?.naming() };
        let tag = tag.cloned().unwrap_or_else(Tag::latest);
        match ImageReference::parse(&format!("{address}/{rest}:{tag}"), &naming) {
            Ok(reference) => Ok(reference),
            Err(ReferenceError::NoDefault(_)) => Err(none()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The repository of a layout, which has none: the name of its image was bound when it was opened, and any
/// repository and tag mean that one.
fn nameless() -> Result<RepositoryName, ReferenceError> {
    Ok("layout".parse()?)
}

/// Lets the vaults ask for a passphrase on the console.
struct Asking(Console);

impl Prompt for Asking {
    fn ask(&self, question: &str) -> io::Result<Secret> {
        let answer = self.0.prompt_secret(question).map_err(io::Error::other)?;
        Ok(Secret::new(answer.expose_secret().to_owned()))
    }
}

/// Why something concrete could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The user's directories are not known.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A location is written wrongly.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// A reference is written wrongly.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A repository would have a name that cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The credential that is configured cannot be used.
    #[error(transparent)]
    Credential(Box<ChooseError>),
    /// A place cannot be opened.
    #[error(transparent)]
    Place(#[from] registry::Error),
    /// A layout where a registry or the store is needed.
    #[error("`{}` is a layout; a registry or the store is needed here", .0.escape_debug())]
    Layout(String),
    /// Something at home where an image of a remote registry is needed.
    #[error("`{}` is not an image of a remote registry", .0.escape_debug())]
    NotRemote(String),
    /// A truncated digest where something is to be written.
    #[error("`@{0}` is a truncated digest; what is written needs a whole one, or a tag")]
    Truncated(String),
    /// `--to` with a digest.
    #[error("`{}` is not a name at home: REPOSITORY or REPOSITORY:TAG", .0.escape_debug())]
    HomeName(String),
    /// A name in the store that begins with no registry.
    #[error("`{0}` begins with no registry that it could be sent to")]
    NoOrigin(String),
}

impl From<ChooseError> for SessionError {
    fn from(error: ChooseError) -> Self {
        Self::Credential(Box::new(error))
    }
}

impl SessionError {
    fn cause(&self) -> Option<&dyn Failure> {
        match self {
            Self::Places(error) => Some(error),
            Self::Config(error) => Some(error),
            Self::Credential(error) => Some(&**error),
            Self::Place(error) => Some(error),
            Self::Location(_)
            | Self::Reference(_)
            | Self::Name(_)
            | Self::Layout(_)
            | Self::NotRemote(_)
            | Self::Truncated(_)
            | Self::HomeName(_)
            | Self::NoOrigin(_) => None,
        }
    }
}

impl Failure for SessionError {
    fn kind(&self) -> FailureKind {
        self.cause().map_or(FailureKind::Usage, Failure::kind)
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Location(error) => error.hint().into_iter().collect(),
            Self::Reference(error) => error.hint().into_iter().collect(),
            Self::Layout(shown) => vec![format!("copy it there first: `tranship copy {shown} …`")],
            Self::NotRemote(_) => vec!["`tranship copy` brings images from any place to any place".to_owned()],
            Self::NoOrigin(name) => vec![format!("say where to: `tranship push {name} DST`")],
            other => other.cause().map(Failure::hints).unwrap_or_default(),
        }
    }

    fn answer(&self) -> Option<Answer> {
        self.cause().and_then(Failure::answer)
    }
}
