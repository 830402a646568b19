//! What images are called at home, and where an image of the home comes from.

use super::{Session, SessionError};
use crate::image::{
    ImageReference, LayoutSelector, Location, Naming, ReferenceError, RepositoryName, Selector, StoreSelector,
};
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

    /// What an image is called in an archive for docker and podman; `None` where nothing names it.
    #[must_use]
    pub fn archive_name(&self, location: &Location) -> Option<String> {
        let full = |text: &str| ImageReference::parse(text, &Naming::of_docker()).ok();
        let reference = match location {
            Location::Registry(reference) => Some(reference.clone()),
            Location::Stream(reference) => self.stream_image(reference).ok(),
            Location::Store { repository, selector } => {
                let selector = match selector {
                    StoreSelector::Tag(tag) | StoreSelector::Digest(_, Some(tag)) => Selector::Tag(tag.clone()),
                    StoreSelector::Digest(_, None) | StoreSelector::Prefix(_) => return None,
                };
                let named = self.origin_of(repository, &selector).ok();
                named.or_else(|| full(&format!("{repository}{}", selector.suffix())))
            }
            Location::Layout { selector: LayoutSelector::Name(name), .. }
            | Location::Archive { selector: LayoutSelector::Name(name), .. }
                if names_repository(name) =>
            {
                full(name)
            }
            Location::Layout { .. } | Location::Archive { .. } | Location::Directory(_) => None,
        }?;
        let tag = reference.tag()?.clone();
        Some(ImageReference::new(reference.registry, reference.repository, Selector::Tag(tag)).to_string())
    }

    /// Where an image of an archive lands at home: under `name` where one is given, else as the archive names it, a
    /// short name being Docker Hub's.
    ///
    /// # Errors
    /// Nothing names it, or the name breaks a rule.
    pub fn name_of_loaded(&self, named: Option<&str>, name: Option<&str>) -> Result<Location, SessionError> {
        let reference = named.filter(|named| names_repository(named)).map(|named| {
            let reference = ImageReference::parse(named, &Naming::of_docker());
            reference.map_err(|_| SessionError::Nameless(Some(named.to_owned())))
        });
        let reference = match (reference.transpose(), name) {
            (Ok(Some(reference)), _) => reference,
            // What it is called is said in full, so that nothing of this is looked at.
            (_, Some(_)) => ImageReference::parse("unnamed", &Naming::of_docker())?,
            (Ok(None), None) => return Err(SessionError::Nameless(named.map(str::to_owned))),
            (Err(error), None) => return Err(error),
        };
        self.home_name(&reference, name)
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

/// Whether a name in an archive is more than a bare tag.
fn names_repository(name: &str) -> bool {
    name.contains(['/', ':'])
}
