//! What an image is called in the places of ours: at home, and at the registries of sites.

use super::{Session, SessionError};
use crate::image::{ImageReference, Location, RegistryPath, RepositoryName};

impl Session {
    /// Where an image that a spec names is at home: where it is, if that is the home; else as [`Session::home_name`].
    ///
    /// # Errors
    /// As [`Session::home_name`].
    pub fn at_home(&self, reference: &ImageReference) -> Result<Location, SessionError> {
        let is_there = match &self.config()?.settings.home_registry {
            Some(home) => home.below(&reference.registry, &reference.repository).is_some(),
            None => false,
        };
        if is_there { Ok(Location::Registry(reference.clone())) } else { self.home_name(reference, None) }
    }

    /// The name that every place of ours has for the repository of an image: the one at home, without the path that
    /// the home itself may have.
    ///
    /// # Errors
    /// As [`Session::home_name`].
    pub fn common_name(&self, reference: &ImageReference) -> Result<RepositoryName, SessionError> {
        let home = self.config()?.settings.home_registry.as_ref();
        let own = home.and_then(|home| home.below(&reference.registry, &reference.repository));
        match own {
            Some(repository) => Ok(repository),
            None => Ok(RepositoryName::at_home(&reference.registry, &reference.repository)?),
        }
    }

    /// The name that an image has at a registry of a site.
    ///
    /// # Errors
    /// As [`Session::common_name`].
    pub fn at_registry(&self, reference: &ImageReference, path: &RegistryPath) -> Result<ImageReference, SessionError> {
        let repository = path.repository(&self.common_name(reference)?)?;
        Ok(reference.moved(path.registry.clone(), repository))
    }
}
