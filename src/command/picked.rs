//! One image out of what a location names: what commands that look inside begin with.

use bytes::Bytes;

use super::inspect::{choose, config_of};
use super::{CommandError, cannot};
use crate::failure::FailureKind;
use crate::image::{ImageConfig, ImageManifest, Location, Manifest, Platform, RawManifest, Selector};
use crate::session::{Access, Session};
use crate::transfer::Source;

/// One image, and the index that it was picked from.
pub(super) struct Picked {
    /// Where it is.
    pub(super) source: Source,
    /// What the location names.
    pub(super) root: RawManifest,
    /// The image.
    pub(super) one: RawManifest,
    /// How it was reached.
    pub(super) access: Access,
}

impl Picked {
    /// Opens a location and picks an image there: the one for a platform, else this machine's, else the first.
    ///
    /// # Errors
    /// The image or the platform is not there.
    pub(super) async fn find(
        text: &str,
        platform: Option<&Platform>,
        access: &Access,
        session: &Session,
        doing: &str,
    ) -> Result<Self, CommandError> {
        let location = session.location(text).map_err(cannot(doing))?;
        Self::at(&location, platform, access, session, doing).await
    }

    /// The same of a location that was read.
    ///
    /// # Errors
    /// As [`Picked::find`].
    pub(super) async fn at(
        location: &Location,
        platform: Option<&Platform>,
        access: &Access,
        session: &Session,
        doing: &str,
    ) -> Result<Self, CommandError> {
        let source = session.source(location, access).await.map_err(cannot(doing))?;
        let root = source.registry.manifest(&source.repository, &source.selector).await.map_err(cannot(doing))?;
        if let Some(warning) = root.warning() {
            session.console().warn(&warning.to_string());
        }
        let entry = choose(&root, platform).map_err(cannot(doing))?;
        let one = match &entry {
            Some(entry) => {
                let selector = Selector::Digest(entry.digest.clone());
                source.registry.manifest(&source.repository, &selector).await.map_err(cannot(doing))?
            }
            None => root.clone(),
        };
        Ok(Self { source, root, one, access: access.clone() })
    }

    /// Its manifest.
    ///
    /// # Errors
    /// It is an index in an index, or one of nothing.
    pub(super) fn image(&self, doing: &str) -> Result<&ImageManifest, CommandError> {
        match self.one.manifest() {
            Manifest::Image(image) => Ok(image),
            Manifest::Index(_) => Err(CommandError::plain(
                FailureKind::NotFound,
                format!("cannot {doing}: it is an index without images"),
            )),
        }
    }

    /// The exact bytes of its config.
    ///
    /// # Errors
    /// It cannot be read, or there is none that is an image's.
    pub(super) async fn config_bytes(&self, doing: &str) -> Result<Bytes, CommandError> {
        self.config_bytes_of(self.image(doing)?, doing).await
    }

    /// The same of another image at the same place.
    ///
    /// # Errors
    /// As [`Picked::config_bytes`].
    pub(super) async fn config_bytes_of(&self, image: &ImageManifest, doing: &str) -> Result<Bytes, CommandError> {
        let (_, bytes) = config_of(&self.source, image).await.map_err(cannot(doing))?;
        let none = || format!("cannot {doing}: it is no image of a file system, but an artifact");
        bytes.ok_or_else(|| CommandError::plain(FailureKind::Failed, none()))
    }

    /// Its config; `None` where it has none that is an image's.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn config(&self, doing: &str) -> Result<Option<ImageConfig>, CommandError> {
        Ok(config_of(&self.source, self.image(doing)?).await.map_err(cannot(doing))?.0)
    }
}
