//! What opens the places that rules name.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Home, RepositoryPath};
use crate::failure::Failure;
use crate::image::{RepositoryName, Selector};
use crate::registry::{self, Catalog, ImageSource, Registry};

/// A repository that images are taken from.
#[derive(Clone)]
pub struct Origin {
    /// What reads its images.
    pub images: Arc<dyn ImageSource>,
    /// What lists its tags.
    pub list: Arc<dyn Catalog>,
}

/// Opens places. What it hands out for one place is the same place each time, so that its limits are shared.
#[async_trait]
pub trait Places: Send + Sync {
    /// A repository to take from.
    ///
    /// # Errors
    /// The place cannot be opened, e.g. because its credential cannot be used.
    async fn origin(&self, path: &RepositoryPath) -> Result<Origin, Box<dyn Failure>>;

    /// A repository to write to.
    ///
    /// # Errors
    /// As [`Places::origin`].
    async fn target(&self, path: &RepositoryPath) -> Result<Arc<dyn Registry>, Box<dyn Failure>>;

    /// What lists the repositories of a place.
    ///
    /// # Errors
    /// As [`Places::origin`].
    async fn catalog(&self, home: &Home) -> Result<Arc<dyn Catalog>, Box<dyn Failure>>;

    /// When an image was made, where it says so.
    ///
    /// # Errors
    /// The image cannot be read.
    async fn created(
        &self,
        source: &dyn ImageSource,
        repository: &RepositoryName,
        selector: &Selector,
    ) -> registry::Result<Option<Timestamp>>;
}
