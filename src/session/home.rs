//! What images are called at home, and where an image of the home comes from.

use super::{Session, SessionError};
use crate::image::{ImageReference, Location, Naming, ReferenceError, RepositoryName, Selector, StoreSelector};
use crate::store::Untagged;

impl Session {
    /// Where an image of a registry lands at home: in `settings.home-registry`, else in the store; under `name`
    /// where one is given, else as `HOST/REPOSITORY`.
    ///
    /// # Errors
    /// The name breaks a rule, or would be too long.
    pub fn home_name(&self, reference: &ImageReference, name: Option<&str>) -> Result<Location, SessionError> {
        let (repository, tag) = if let Some(name) = name {
            match Location::parse(&format!("store:{name}"), &Naming::default())? {
                Location::Store { repository, selector: StoreSelector::Tag(tag) } => (repository, Some(tag)),
                _ => return Err(SessionError::HomeName(name.to_owned())),
            }
        } else {
            let repository = RepositoryName::at_home(&reference.registry, &reference.repository)?;
            (repository, reference.tag().cloned())
        };
        let selector = match (reference.selector(), tag) {
            (Selector::Digest(digest), tag) => StoreSelector::Digest(digest, tag),
            (Selector::Tag(tag), renamed) => StoreSelector::Tag(renamed.unwrap_or(tag)),
        };
        if let Some(home) = &self.config()?.settings.home_registry {
            let repository = home.repository(&repository)?;
            let selector = match selector {
                StoreSelector::Tag(tag) | StoreSelector::Digest(_, Some(tag)) => Selector::Tag(tag),
                StoreSelector::Digest(..) | StoreSelector::Prefix(_) => reference.selector(),
            };
            return Ok(Location::Registry(ImageReference::new(home.registry.clone(), repository, selector)));
        }
        Ok(Location::Store { repository, selector })
    }

    /// What the images of the store are called: as in their registries, where they are from one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn kept_names(&self) -> Result<Vec<String>, SessionError> {
        let mut names = Vec::new();
        for kept in self.store()?.images(Untagged::Hidden).await? {
            let selector = kept.tag.map_or(Selector::Digest(kept.digest), Selector::Tag);
            names.push(match self.origin_of(&kept.repository, &selector) {
                Ok(reference) => reference.to_string(),
                Err(_) => format!("{}{}", kept.repository, selector.suffix()),
            });
        }
        Ok(names)
    }

    /// The registry that an image of the store is named after: the reverse of `HOST/REPOSITORY`.
    ///
    /// # Errors
    /// The name begins with no registry.
    pub fn origin_of(&self, repository: &RepositoryName, selector: &Selector) -> Result<ImageReference, SessionError> {
        let which = selector.suffix();
        let none = || SessionError::NoOrigin(format!("{repository}{which}"));
        let (host, rest) = repository.as_str().split_once('/').ok_or_else(none)?;
        let address = match host.rsplit_once('_') {
            Some((host, port)) if port.parse::<u16>().is_ok() => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        let naming = Naming { default: None, ..self.config()?.naming() };
        match ImageReference::parse(&format!("{address}/{rest}{which}"), &naming) {
            Ok(reference) => Ok(reference),
            Err(ReferenceError::NoDefault(_)) => Err(none()),
            Err(error) => Err(error.into()),
        }
    }
}
