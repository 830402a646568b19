//! The two families of documents, OCI's and Docker's, and documents of each.

use serde_json::{Value, json};

use crate::compression::Compression;
use crate::image::{Algorithm, Annotations, Descriptor, ManifestError, MediaType, RawManifest};

/// Whose media types documents have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The Open Container Initiative's.
    Oci,
    /// Docker's, of schema 2.
    Docker,
}

impl Family {
    /// The family of a manifest.
    #[must_use]
    pub fn of(media_type: &MediaType) -> Self {
        if media_type.is_docker() { Self::Docker } else { Self::Oci }
    }

    /// The type of an image manifest.
    #[must_use]
    pub fn manifest(self) -> MediaType {
        match self {
            Self::Oci => MediaType::oci_manifest(),
            Self::Docker => MediaType::docker_manifest(),
        }
    }

    /// The type of an index.
    #[must_use]
    pub fn index(self) -> MediaType {
        match self {
            Self::Oci => MediaType::oci_index(),
            Self::Docker => MediaType::docker_index(),
        }
    }

    /// The type of an image config.
    #[must_use]
    pub fn config(self) -> MediaType {
        match self {
            Self::Oci => MediaType::oci_config(),
            Self::Docker => MediaType::new("application/vnd.docker.container.image.v1+json"),
        }
    }

    /// The type of a layer; `None` where the family has none for it.
    #[must_use]
    pub fn layer(self, compression: Compression) -> Option<MediaType> {
        let text = match (self, compression) {
            (Self::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Self::Oci, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Docker, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (Self::Docker, Compression::Zstd) | (_, Compression::Xz | Compression::Bzip2) => return None,
        };
        Some(MediaType::new(text))
    }
}

/// How a layer is packed, by its type; `None` where its type does not say.
#[must_use]
pub fn packed_with(layer: &MediaType) -> Option<Compression> {
    let text = layer.as_str();
    [(".tar", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)]
        .into_iter()
        .find(|(end, _)| text.ends_with(end))
        .map(|(_, compression)| compression)
}

/// The parts of an image manifest or an artifact's.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What it is, where it is no image.
    pub artifact_type: Option<String>,
    /// The config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// Notes.
    pub annotations: Annotations,
}

impl Parts {
    /// Those of an image without notes.
    #[must_use]
    pub const fn of_image(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self { artifact_type: None, config, layers, subject: None, annotations: Annotations::new() }
    }
}

/// Writes an image manifest.
///
/// # Errors
/// It would be longer than any that is taken.
pub fn manifest_of(family: Family, parts: &Parts) -> Result<RawManifest, ManifestError> {
    let mut document = json!({
        "schemaVersion": 2, "mediaType": family.manifest(), "config": parts.config, "layers": parts.layers,
    });
    put(&mut document, "artifactType", json!(parts.artifact_type));
    put(&mut document, "subject", json!(parts.subject));
    if !parts.annotations.is_empty() {
        put(&mut document, "annotations", json!(parts.annotations));
    }
    RawManifest::parse(document.to_string().into(), Some(&family.manifest()), Algorithm::Sha256)
}

/// Writes an index.
///
/// # Errors
/// It would be longer than any that is taken.
pub fn index_of(
    family: Family,
    manifests: &[Descriptor],
    annotations: &Annotations,
) -> Result<RawManifest, ManifestError> {
    let mut document = json!({"schemaVersion": 2, "mediaType": family.index(), "manifests": manifests});
    if !annotations.is_empty() {
        put(&mut document, "annotations", json!(annotations));
    }
    RawManifest::parse(document.to_string().into(), Some(&family.index()), Algorithm::Sha256)
}

fn put(document: &mut Value, key: &str, value: Value) {
    if !value.is_null() {
        document[key] = value;
    }
}
