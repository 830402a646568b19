//! Streams, and what their locations mean.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Access, Session, SessionError};
use crate::failure::Failure;
use crate::files::LocalDisk;
use crate::image::{ImageReference, Location, StreamReference};
use crate::registry::{ImageSource, Registry};
use crate::streams::{Streams, Upstream};

impl Session {
    /// The streams of this user.
    #[must_use]
    pub fn streams(&self) -> Streams {
        Streams::new(&self.places.data, Arc::new(LocalDisk))
    }

    /// The image of a registry that a location of a stream means now.
    ///
    /// # Errors
    /// The stream does not have it, or the configuration cannot be read.
    pub fn stream_image(&self, reference: &StreamReference) -> Result<ImageReference, SessionError> {
        Ok(self.streams().image(reference, &self.config()?.naming())?)
    }

    /// A location as [`Session::location`] reads it; one of a stream as the image of a registry that it means now.
    ///
    /// # Errors
    /// As [`Session::location`] and [`Session::stream_image`].
    pub fn image_location(&self, text: &str) -> Result<Location, SessionError> {
        match self.location(text)? {
            Location::Stream(reference) => Ok(Location::Registry(self.stream_image(&reference)?)),
            other => Ok(other),
        }
    }
}

/// The registries as they are configured, for imports into streams.
pub struct Registries<'a> {
    session: &'a Session,
    access: Access,
}

impl Session {
    /// The registries as streams look images up in them.
    #[must_use]
    pub const fn registries(&self, access: Access) -> Registries<'_> {
        Registries { session: self, access }
    }
}

#[async_trait]
impl Upstream for Registries<'_> {
    fn reference(&self, text: &str) -> Result<ImageReference, Box<dyn Failure>> {
        let naming = self.session.config().map_err(boxed)?.naming();
        ImageReference::parse(text, &naming).map_err(|error| boxed(SessionError::from(error)))
    }

    async fn source(&self, image: &ImageReference) -> Result<Arc<dyn ImageSource>, Box<dyn Failure>> {
        let location = Location::Registry(image.clone());
        Ok(self.session.source(&location, &self.access).await.map_err(boxed)?.registry)
    }

    async fn registry(&self, image: &ImageReference) -> Result<Arc<dyn Registry>, Box<dyn Failure>> {
        let client = self.session.client(&image.registry, Some(&image.repository), &self.access).await;
        Ok(client.map_err(boxed)?)
    }
}

fn boxed(error: SessionError) -> Box<dyn Failure> {
    Box::new(error)
}
