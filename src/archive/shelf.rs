//! What all forms have in common: an index of images, and content by digest.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::blobs::Index;
use crate::image::{Descriptor, Digest};
use crate::registry::{BlobReader, ByteRange, Identity, Result};

/// A place that holds content by digest and says which of it are images. [`super::Selection`] picks one of them.
///
/// Methods block the thread unless they are async.
#[async_trait]
pub(super) trait Shelf: Send + Sync {
    /// Which place this is, as a location begins: `oci:DIR`.
    fn identity(&self) -> &Identity;

    /// How messages call it: `DIR`, `FILE`.
    fn shown(&self) -> String;

    /// The images, and what is attached to them.
    ///
    /// # Errors
    /// `NotFound` where there is no such list, `Corrupt` where it cannot be understood, `Storage`.
    fn index(&self) -> Result<Arc<Index>>;

    /// The image that has a number there, counted from 0.
    ///
    /// # Errors
    /// As [`Shelf::index`].
    fn by_number(&self, number: usize) -> Result<Option<Descriptor>> {
        Ok(self.index()?.entries().get(number).map(|entry| entry.descriptor().clone()))
    }

    /// Reads a document whole and verifies it; `None` where it is not there.
    ///
    /// # Errors
    /// `Corrupt` where the content has another digest, or is longer than a manifest can be; `Storage`.
    fn document(&self, digest: &Digest) -> Result<Option<Bytes>>;

    /// Opens a blob, whose bytes are not verified.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt` where it has another length than `blob` says, `Storage`.
    async fn open(&self, blob: &Descriptor, range: ByteRange) -> Result<BlobReader>;
}
