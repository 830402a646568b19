//! Locations become sides: sources, destinations, places.

use std::sync::Arc;

use super::clients::Role;
use super::{Access, Session, SessionError};
use crate::archive::Layout;
use crate::client::{Client, Mirrored};
use crate::files::LocalDisk;
use crate::image::{
    ImageReference, Location, ReferenceError, RegistryPath, RepositoryName, Selector, StoreSelector, Tag,
};
use crate::registry::{ImageSource, Registry};
use crate::transfer::{Destination, Source};
use crate::wire::{Action, Scope};

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

/// What a place is opened for, so that one token does for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Reading, and what needs rights of its own.
    Reading,
    /// Reading and writing.
    Writing,
}

impl Place {
    /// The place as something to read from.
    #[must_use]
    pub fn source(&self) -> &dyn ImageSource {
        &*self.registry
    }
}

impl Session {
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
                let place = self.place(location, access, Purpose::Reading).await?;
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
            let mirror = self.client_as(Role::Mirror, &path.registry, Some(&repository), &access).await?;
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
                let (registry, repository) = (Arc::new(layout), nameless()?);
                Ok(Destination { registry, repository, tags, expected: None, named_by_digest: false, shown })
            }
            Location::Store { repository, selector } => {
                let tags = match selector {
                    StoreSelector::Tag(tag) => vec![tag.clone()],
                    StoreSelector::Digest(_, tag) => tag.iter().cloned().collect(),
                    StoreSelector::Prefix(prefix) => return Err(SessionError::Truncated(prefix.to_string())),
                };
                let named_by_digest = matches!(selector, StoreSelector::Digest(..));
                let (registry, repository) = (Arc::new(self.store()?), repository.clone());
                Ok(Destination { registry, repository, tags, expected: None, named_by_digest, shown })
            }
            Location::Registry(reference) => {
                let client = self.client(&reference.registry, Some(&reference.repository), access).await?;
                client.will([Scope::repository(&reference.repository, [Action::Pull, Action::Push])]);
                let tags = reference.tag().into_iter().cloned().collect();
                let repository = reference.repository.clone();
                Ok(Destination { registry: client, repository, tags, expected: None, named_by_digest: false, shown })
            }
        }
    }

    /// An image at a place that can do everything: a registry or the store.
    ///
    /// # Errors
    /// The place cannot be opened, or is a layout.
    pub async fn place(&self, location: &Location, access: &Access, purpose: Purpose) -> Result<Place, SessionError> {
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
                if purpose == Purpose::Writing {
                    client.will([Scope::repository(&repository, [Action::Pull, Action::Push])]);
                }
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
        if text.starts_with("oci:") {
            return Err(SessionError::Layout(text.to_owned()));
        }
        let text = text.strip_prefix("docker://").unwrap_or(text);
        let (registry, repository) = ImageReference::parse_repository(text, &self.config()?.naming())?;
        let client = self.client(&registry, Some(&repository), access).await?;
        Ok((client, repository))
    }
}

/// The repository of a layout, which has none: the name of its image was bound when it was opened, and any
/// repository and tag mean that one.
fn nameless() -> Result<RepositoryName, ReferenceError> {
    Ok("layout".parse()?)
}
