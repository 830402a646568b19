//! Bringing a bundle in.

use std::sync::Arc;

use super::{BundleDocument, BundleError, BundledImage, ENTRY, MAX_DOCUMENT_BYTES, Unpacking};
use crate::image::{Manifest, RepositoryName, Selector, Tag};
use crate::mirror::{Base, Means};
use crate::registry::{ByteRange, ErrorKind, ImageDestination, read_verified};
use crate::transfer::{self, Destination, Job, Side, Source, TransferReport};

/// Reads what a bundle says of itself.
///
/// # Errors
/// It is no bundle, or its document cannot be understood.
pub async fn read_document(archive: &dyn Unpacking) -> Result<BundleDocument, BundleError> {
    let entry = match archive.image(ENTRY).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(BundleError::NoBundle),
        entry => entry?,
    };
    let Ok(repository) = "bundle".parse::<RepositoryName>() else { return Err(BundleError::NoBundle) };
    let manifest = entry.manifest(&repository, &Selector::Tag(Tag::latest())).await?;
    let Manifest::Image(image) = manifest.manifest() else { return Err(BundleError::NoBundle) };
    let [blob] = &image.layers[..] else { return Err(BundleError::NoBundle) };
    let reader = entry.blob(&repository, blob, ByteRange::ALL).await?;
    BundleDocument::parse(&read_verified(reader, blob, MAX_DOCUMENT_BYTES).await?)
}

/// A bundle and where its images are to be.
pub struct Load<'a> {
    /// The archive.
    pub archive: &'a dyn Unpacking,
    /// What it says of itself.
    pub document: &'a BundleDocument,
    /// Below which place.
    pub base: &'a Base,
    /// What moves images and opens places.
    pub means: Means<'a>,
}

impl Load<'_> {
    /// Brings one image of the bundle where it is to be. Everything is compared with its digest on the way.
    ///
    /// # Errors
    /// The destination cannot be opened or fails; content is not what its digest says; what an earlier bundle brought
    /// is not there.
    pub async fn image(&self, image: &BundledImage) -> Result<TransferReport, BundleError> {
        let name = image.name();
        let named = |source: crate::mirror::Error| BundleError::Rule { what: format!("`{name}`"), source };
        let path = self.base.join(&image.repository).map_err(|error| named(error.into()))?;
        let registry = self.means.places.target(&path).await.map_err(|error| named(error.into()))?;
        let source = Source {
            registry: self.archive.image(&name).await?,
            repository: image.repository.clone(),
            selector: Selector::Digest(image.digest.clone()),
            shown: name.clone(),
        };
        let written = image.tag.clone().map_or_else(|| Selector::Digest(image.digest.clone()), Selector::Tag);
        let destination = Destination {
            registry: registry as Arc<dyn ImageDestination>,
            repository: path.repository.clone(),
            tags: image.tag.iter().cloned().collect(),
            expected: Some(image.digest.clone()),
            named_by_digest: image.tag.is_none(),
            shown: path.image(&written),
        };
        let mut options = self.means.options.clone();
        // What is in the bundle was picked when it was made.
        options.platforms.clear();
        let job = Job { source, destinations: vec![destination], options };
        let report = self.means.engine.copy_job(&job).await.pop();
        report.unwrap_or(Err(transfer::Error::Bounds("a bundle without a destination"))).map_err(|error| {
            match (&self.document.parent, lacks(&error)) {
                (Some(parent), true) => BundleError::Earlier { image: format!("`{name}`"), parent: parent.clone() },
                _ => BundleError::Image { image: format!("`{name}`"), source: error },
            }
        })
    }
}

/// Whether the archive lacks what is needed of it.
fn lacks(error: &transfer::Error) -> bool {
    matches!(error, transfer::Error::Place(failed)
        if failed.side == Side::Source && failed.error.kind() == ErrorKind::NotFound)
}
