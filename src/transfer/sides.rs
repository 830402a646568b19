//! The two ends of a transfer, as the session opens them and the engine uses them.

use std::fmt;
use std::sync::Arc;

use super::{Error, PlaceFailed, Side};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{self, ImageDestination, ImageSource, Keep};

/// One image at a place that it can be read from.
#[derive(Clone)]
pub struct Source {
    /// The place.
    pub registry: Arc<dyn ImageSource>,
    /// The repository there.
    pub repository: RepositoryName,
    /// Which image of it.
    pub selector: Selector,
    /// The image as it is shown.
    pub shown: String,
}

/// A name at a place that an image can be written to.
#[derive(Clone)]
pub struct Destination {
    /// The place.
    pub registry: Arc<dyn ImageDestination>,
    /// The repository there.
    pub repository: RepositoryName,
    /// The tags that the image is to have; none where it is written by digest alone.
    pub tags: Vec<Tag>,
    /// The digest that the image must have, where the name says one.
    pub expected: Option<Digest>,
    /// Whether the name has a digest beside its tags, so that the image is to stay when they move.
    pub named_by_digest: bool,
    /// The name as it is shown.
    pub shown: String,
}

impl Source {
    /// Reads a manifest and makes sure that it is the one that was asked for.
    ///
    /// # Errors
    /// As [`ImageSource::manifest`]; `Corrupt` where another one came.
    pub(super) async fn manifest(&self, selector: &Selector) -> Result<RawManifest, Error> {
        let manifest = self.registry.manifest(&self.repository, selector).await.map_err(|error| self.failed(error))?;
        match selector {
            Selector::Digest(digest) if manifest.digest() != digest => {
                Err(Error::WrongContent { asked: digest.clone(), came: manifest.digest().to_string() })
            }
            _ => Ok(manifest),
        }
    }

    pub(super) fn failed(&self, error: registry::Error) -> Error {
        Error::Place(PlaceFailed { side: Side::Source, place: self.registry.identity().place.clone(), error })
    }
}

impl Destination {
    pub(super) fn failed(&self, error: registry::Error) -> Error {
        Error::Place(PlaceFailed { side: Side::Destination, place: self.registry.identity().place.clone(), error })
    }

    /// For what the image is to be kept.
    pub(super) fn keep(&self) -> Keep {
        if self.named_by_digest || self.tags.is_empty() { Keep::ForItsDigest } else { Keep::ForItsTags }
    }

    /// What `selector` names there now.
    ///
    /// # Errors
    /// As [`ImageDestination::resolve`].
    pub(super) async fn resolve(&self, selector: &Selector) -> Result<Option<Descriptor>, Error> {
        match self.registry.resolve(&self.repository, selector).await {
            // Some registries answer so for what is not there; who may not write learns it when writing.
            Err(error) if error.status() == Some(403) => Ok(None),
            found => found.map_err(|error| self.failed(error)),
        }
    }

    /// Whether `source` is an image of this very repository.
    pub(super) fn is_repository_of(&self, source: &Source) -> bool {
        self.shares_place_with(source) && self.repository == source.repository
    }

    /// Whether `source` is the same place under the same credential, so that blobs can be mounted from there.
    pub(super) fn shares_place_with(&self, source: &Source) -> bool {
        self.registry.identity() == source.registry.identity()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.shown).finish()
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Destination").field(&self.shown).field(&self.tags).finish()
    }
}
