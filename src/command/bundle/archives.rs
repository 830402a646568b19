//! The archive of a bundle, as the session opens it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::archive::{Archive, Ending, Pack};
use crate::image::{ArchiveFile, ArchiveForm, Digest, LayoutSelector};
use crate::mirror::{Packing, Unpacking};
use crate::registry::{ImageDestination, ImageSource, Result};
use crate::session::{Session, SessionError};

/// A bundle that is being written.
pub(super) struct Packed(Pack);

/// A bundle that is read.
pub(super) struct Unpacked(Archive);

impl Packed {
    /// Begins a bundle in a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) async fn begin(file: &str, session: &Session) -> std::result::Result<Self, SessionError> {
        Ok(Self(session.pack(&ArchiveFile::new(file), ArchiveForm::Oci).await?))
    }
}

impl Unpacked {
    /// Opens a bundle.
    ///
    /// # Errors
    /// The file cannot be read, or is no archive of images.
    pub(super) async fn open(file: &str, session: &Session) -> std::result::Result<Self, SessionError> {
        Ok(Self(session.archive(&ArchiveFile::new(file), ArchiveForm::Oci).await?))
    }
}

#[async_trait]
impl Packing for Packed {
    fn image(&self, name: &str) -> Result<Arc<dyn ImageDestination>> {
        Ok(Arc::new(self.0.image(&LayoutSelector::Name(name.to_owned()), Ending::WhenTold)?))
    }

    async fn presume(&self, blobs: &BTreeSet<Digest>) {
        self.0.presume(blobs.iter().cloned()).await;
    }

    async fn finish(&self) -> Result<()> {
        self.0.finish().await
    }
}

#[async_trait]
impl Unpacking for Unpacked {
    async fn image(&self, name: &str) -> Result<Arc<dyn ImageSource>> {
        Ok(Arc::new(self.0.select(&LayoutSelector::Name(name.to_owned())).await?))
    }
}
