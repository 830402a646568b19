//! The config of an image: what to run, and how the image came to be (OCI image-spec config.md).

use oci_spec::image::ImageConfiguration;

use super::{Digest, Platform};

/// A parsed image config beside the digest of its bytes, which is the image's id.
#[derive(Clone, Debug)]
pub struct ImageConfig {
    id: Digest,
    document: ImageConfiguration,
}

impl ImageConfig {
    /// Reads a config from its exact bytes.
    ///
    /// # Errors
    /// The bytes are not JSON, or not that of an image config.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let document = serde_json::from_slice(bytes).map_err(|error| ConfigError(error.to_string()))?;
        Ok(Self { id: Digest::of(bytes), document })
    }

    /// The image id: the digest of the config.
    #[must_use]
    pub const fn id(&self) -> &Digest {
        &self.id
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &ImageConfiguration {
        &self.document
    }

    /// The platform that the config says it is for.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.document.os().to_string(),
            architecture: self.document.architecture().to_string(),
            variant: self.document.variant().clone().filter(|variant| !variant.is_empty()),
            os_version: self.document.os_version().clone(),
            os_features: Vec::new(),
        }
    }
}

/// Bytes that are not an image config.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image config cannot be read: {0}")]
pub struct ConfigError(String);
