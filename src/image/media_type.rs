//! Media types of manifests, configs and layers (OCI image-spec media-types.md; Docker's of schema 2).

use std::fmt;

use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use serde::{Deserialize, Serialize};

/// A media type without parameters, in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct MediaType(Box<str>);

impl MediaType {
    /// Every manifest type that is asked for: OCI's and Docker's, images and indexes.
    ///
    /// All of them go into every request, because some registries answer a narrower list with another
    /// document (the amd64 child of an index, or schema 1).
    pub const ACCEPTED: [&'static str; 4] =
        [OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE];

    /// Reads a media type or a `Content-Type` header, dropping parameters such as `; charset=utf-8`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let bare = text.split(';').next().unwrap_or_default().trim();
        Self(bare.to_ascii_lowercase().into())
    }

    /// An OCI image manifest.
    #[must_use]
    pub fn oci_manifest() -> Self {
        Self::new(OCI_IMAGE_MEDIA_TYPE)
    }

    /// An OCI image index.
    #[must_use]
    pub fn oci_index() -> Self {
        Self::new(OCI_IMAGE_INDEX_MEDIA_TYPE)
    }

    /// A Docker schema 2 manifest.
    #[must_use]
    pub fn docker_manifest() -> Self {
        Self::new(IMAGE_MANIFEST_MEDIA_TYPE)
    }

    /// A Docker manifest list.
    #[must_use]
    pub fn docker_index() -> Self {
        Self::new(IMAGE_MANIFEST_LIST_MEDIA_TYPE)
    }

    /// An OCI image config.
    #[must_use]
    pub fn oci_config() -> Self {
        Self::new(IMAGE_CONFIG_MEDIA_TYPE)
    }

    /// The config of an image of docker's.
    #[must_use]
    pub fn docker_config() -> Self {
        Self::new(IMAGE_DOCKER_CONFIG_MEDIA_TYPE)
    }

    /// A layer of an image of docker's that is not compressed.
    #[must_use]
    pub fn docker_layer() -> Self {
        Self::new(IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE)
    }

    /// The type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names several manifests: an OCI index or a Docker manifest list.
    #[must_use]
    pub fn is_index(&self) -> bool {
        [OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE].contains(&self.as_str())
    }

    /// Whether it names the layers of one image (or artifact).
    #[must_use]
    pub fn is_image_manifest(&self) -> bool {
        [OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE].contains(&self.as_str())
    }

    /// Whether it is a manifest of either sort.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        self.is_index() || self.is_image_manifest()
    }

    /// Whether it is the config of a container image, OCI's or Docker's.
    #[must_use]
    pub fn is_image_config(&self) -> bool {
        [IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE].contains(&self.as_str())
    }

    /// Whether it is a layer of a file system, however it is packed.
    #[must_use]
    pub fn is_layer(&self) -> bool {
        self.0.starts_with("application/vnd.oci.image.layer.")
            || self.0.starts_with("application/vnd.docker.image.rootfs.")
    }

    /// Whether it is a layer that may not be handed out by everyone (Windows base layers).
    #[must_use]
    pub fn is_foreign_layer(&self) -> bool {
        self.0.starts_with("application/vnd.oci.image.layer.nondistributable.v1.")
            || self.0.starts_with("application/vnd.docker.image.rootfs.foreign.")
    }

    /// Whether it is one of Docker's types.
    #[must_use]
    pub fn is_docker(&self) -> bool {
        self.0.starts_with("application/vnd.docker.")
    }

    /// Whether it is Docker's schema 1, which carries no digest of its layers' content.
    #[must_use]
    pub fn is_schema_1(&self) -> bool {
        self.0.starts_with("application/vnd.docker.distribution.manifest.v1+")
    }

    /// Whether it says nothing about what the content is, as static file servers answer.
    #[must_use]
    pub fn is_generic(&self) -> bool {
        matches!(
            self.as_str(),
            "" | "application/json" | "application/octet-stream" | "binary/octet-stream" | "text/plain"
        )
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.0.into()
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
