//! The places that rules name, as the session opens them.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::super::inspect::overview;
use crate::failure::Failure;
use crate::image::{ImageReference, Location, RepositoryName, Selector, StoreSelector, Tag};
use crate::mirror::{Home, Origin, Places, RepositoryPath};
use crate::registry::{Catalog, ImageSource, Registry, Result};
use crate::session::{Access, Purpose, Session, SessionError};

/// The places of a session, each side with its access.
pub(in super::super) struct SessionPlaces<'a> {
    session: &'a Session,
    source: Access,
    destination: Access,
}

impl<'a> SessionPlaces<'a> {
    /// Places that are read with one access and written with another.
    pub(in super::super) const fn new(session: &'a Session, source: Access, destination: Access) -> Self {
        Self { session, source, destination }
    }

    async fn registry(
        &self,
        path: &RepositoryPath,
        access: &Access,
        purpose: Purpose,
    ) -> std::result::Result<Arc<dyn Registry>, SessionError> {
        Ok(self.session.place(&location(path), access, purpose).await?.registry)
    }
}

/// Some image of a repository: places are opened by images, and which it is does not matter.
fn location(path: &RepositoryPath) -> Location {
    let repository = path.repository.clone();
    match &path.home {
        Home::Registry(registry) => {
            Location::Registry(ImageReference::new(registry.clone(), repository, Selector::Tag(Tag::latest())))
        }
        Home::Store => Location::Store { repository, selector: StoreSelector::Tag(Tag::latest()) },
    }
}

fn boxed(error: SessionError) -> Box<dyn Failure> {
    Box::new(error)
}

#[async_trait]
impl Places for SessionPlaces<'_> {
    async fn origin(&self, path: &RepositoryPath) -> std::result::Result<Origin, Box<dyn Failure>> {
        let source = self.session.source(&location(path), &self.source).await.map_err(boxed)?;
        let list: Arc<dyn Catalog> = self.registry(path, &self.source, Purpose::Reading).await.map_err(boxed)?;
        Ok(Origin { images: source.registry, list })
    }

    async fn target(&self, path: &RepositoryPath) -> std::result::Result<Arc<dyn Registry>, Box<dyn Failure>> {
        self.registry(path, &self.destination, Purpose::Writing).await.map_err(boxed)
    }

    async fn catalog(&self, home: &Home) -> std::result::Result<Arc<dyn Catalog>, Box<dyn Failure>> {
        Ok(match home {
            Home::Registry(registry) => self.session.client(registry, None, &self.source).await.map_err(boxed)?,
            Home::Store => Arc::new(self.session.store().map_err(boxed)?),
        })
    }

    async fn created(
        &self,
        source: &dyn ImageSource,
        repository: &RepositoryName,
        selector: &Selector,
    ) -> Result<Option<Timestamp>> {
        Ok(overview(source, repository, selector).await?.created)
    }
}
