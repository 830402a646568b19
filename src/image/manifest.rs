//! Manifests: exact bytes with a parsed view beside them (OCI image-spec manifest.md and image-index.md).
//!
//! The bytes are what is moved and hashed; the view is never written out again. A document that can be read
//! in two ways is refused, so that the same bytes mean the same thing to everyone (CVE-2021-41190).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::descriptor::null_is_empty;
use super::{Algorithm, Annotations, Descriptor, Digest, MediaType, unambiguous};

/// The longest manifest that is taken: what every registry must support (distribution-spec, "Pushing Manifests").
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;
/// The most descriptors that one list of a manifest may hold.
const MAX_ENTRIES: usize = 10_000;

/// The manifest of one image or artifact.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// The config blob.
    pub config: Descriptor,
    /// The layer blobs, lowest first.
    pub layers: Vec<Descriptor>,
    /// What the artifact is, where it is no image.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The manifest that this one refers to.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Notes.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub annotations: Annotations,
}

/// A manifest that names others, mostly one a platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexManifest {
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// What the artifact is, where it is no image.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The manifest that this one refers to.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Notes.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub annotations: Annotations,
}

/// The parsed view of a manifest.
#[expect(clippy::large_enum_variant, reason = "one a manifest, always behind an `Arc`")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// Of one image or artifact.
    Image(ImageManifest),
    /// Of several.
    Index(IndexManifest),
}

impl Manifest {
    /// The blobs that it names itself: config first, then layers. An index names none.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let image = match self {
            Self::Image(image) => Some(image),
            Self::Index(_) => None,
        };
        image.into_iter().flat_map(|image| std::iter::once(&image.config).chain(&image.layers))
    }

    /// The manifests that it names itself. An image manifest names none.
    #[must_use]
    pub fn children(&self) -> &[Descriptor] {
        match self {
            Self::Image(_) => &[],
            Self::Index(index) => &index.manifests,
        }
    }

    /// The manifest that it refers to.
    #[must_use]
    pub const fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(image) => image.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }

    /// Its notes.
    #[must_use]
    pub const fn annotations(&self) -> &Annotations {
        match self {
            Self::Image(image) => &image.annotations,
            Self::Index(index) => &index.annotations,
        }
    }

    /// What the artifact is: its `artifactType`, else the config's type where that is no image's.
    #[must_use]
    pub fn artifact_type(&self) -> Option<&str> {
        match self {
            Self::Image(image) => image.artifact_type.as_deref().or_else(|| {
                let config = &image.config.media_type;
                (!config.is_image_config()).then(|| config.as_str())
            }),
            Self::Index(index) => index.artifact_type.as_deref(),
        }
    }
}

/// What was odd about a manifest, though it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Neither the answer nor the document says its type; it was told by its fields.
    TypeWorkedOut(MediaType),
    /// The answer had this generic type; the document names its own.
    GenericType(MediaType),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TypeWorkedOut(found) => {
                write!(f, "the manifest does not say its media type; by its fields it is {found}")
            }
            Self::GenericType(found) => {
                write!(f, "the manifest came as `{}`; its own mediaType was taken", found.as_str().escape_debug())
            }
        }
    }
}

/// The exact bytes of a manifest, their digest, their type, and the parsed view.
#[derive(Clone, Debug)]
pub struct RawManifest {
    bytes: Bytes,
    digest: Digest,
    media_type: MediaType,
    manifest: Arc<Manifest>,
    warning: Option<Warning>,
}

impl RawManifest {
    /// Reads a manifest from its exact bytes.
    ///
    /// `declared` is the type that whoever handed it over named (a `Content-Type`, a descriptor's type), and
    /// `algorithm` the one of the digest that it goes by.
    ///
    /// # Errors
    /// Too long, not JSON, schema 1, an unknown type, or a document whose type, header and fields contradict
    /// each other.
    pub fn parse(bytes: Bytes, declared: Option<&MediaType>, algorithm: Algorithm) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::Long(bytes.len()));
        }
        let outline = Outline::read(&bytes)?;
        let (media_type, warning) = outline.media_type(declared)?;
        let manifest = if media_type.is_index() {
            Manifest::Index(serde_json::from_slice(&bytes)?)
        } else {
            Manifest::Image(serde_json::from_slice(&bytes)?)
        };
        let entries = manifest.children().len().max(manifest.blobs().count());
        if entries > MAX_ENTRIES {
            return Err(ManifestError::Entries(entries));
        }
        let digest = algorithm.digest(&bytes);
        Ok(Self { bytes, digest, media_type, manifest: Arc::new(manifest), warning })
    }

    /// The exact bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The digest of the bytes.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The media type that it is pushed under.
    #[must_use]
    pub const fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// The parsed view.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What was odd about it.
    #[must_use]
    pub const fn warning(&self) -> Option<&Warning> {
        self.warning.as_ref()
    }

    /// Describes it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let size = self.bytes.len() as u64;
        let mut descriptor = Descriptor::new(self.media_type.clone(), self.digest.clone(), size);
        descriptor.artifact_type = self.manifest.artifact_type().map(str::to_owned);
        descriptor
    }
}

/// The top level of a document: what is needed to tell its type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<MediaType>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    media_type: Option<MediaType>,
}

impl Outline {
    fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        unambiguous::check(bytes)?;
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The one type on which header, document and fields agree.
    fn media_type(self, declared: Option<&MediaType>) -> Result<(MediaType, Option<Warning>), ManifestError> {
        let schema_1 = declared.is_some_and(MediaType::is_schema_1)
            || self.media_type.as_ref().is_some_and(MediaType::is_schema_1);
        if schema_1 || self.fs_layers.is_some() || self.schema_version == Some(1) {
            return Err(ManifestError::Schema1);
        }
        let shape = self.shape()?;
        let telling = declared.filter(|declared| !declared.is_generic());
        let (found, warning) = match (telling, &self.media_type) {
            (Some(header), Some(own)) if header != own => {
                return Err(ManifestError::Contradiction(format!("it came as {header}, but calls itself {own}")));
            }
            (Some(header), _) => (header.clone(), None),
            (None, Some(own)) => (own.clone(), declared.cloned().map(Warning::GenericType)),
            (None, None) => (shape.clone(), Some(Warning::TypeWorkedOut(shape.clone()))),
        };
        if !found.is_manifest() {
            return Err(ManifestError::Unknown(found));
        }
        if found.is_index() != shape.is_index() {
            let fields = if shape.is_index() { "`manifests`" } else { "`config` and `layers`" };
            return Err(ManifestError::Contradiction(format!("its type is {found}, but it holds {fields}")));
        }
        Ok((found, warning))
    }

    fn shape(&self) -> Result<MediaType, ManifestError> {
        match (&self.manifests, &self.layers, &self.config) {
            (Some(_), None, None) => match &self.media_type {
                Some(own) if own.is_docker() => Ok(MediaType::docker_index()),
                _ => Ok(MediaType::oci_index()),
            },
            (None, Some(_), Some(config)) => match &config.media_type {
                Some(config) if config.is_docker() => Ok(MediaType::docker_manifest()),
                _ => Ok(MediaType::oci_manifest()),
            },
            (Some(_), _, _) => Err(ManifestError::Contradiction(
                "it holds `manifests` as an index does, and `layers` or `config` as an image does".to_owned(),
            )),
            (None, _, _) => Err(ManifestError::NotManifest),
        }
    }
}

/// Why bytes are not taken as a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Longer than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest has {0} bytes; at most {MAX_MANIFEST_BYTES} are taken")]
    Long(usize),
    /// More than 10,000 entries in one list.
    #[error("the manifest lists {0} things; at most {MAX_ENTRIES} are taken")]
    Entries(usize),
    /// Not JSON, or not the JSON of a manifest.
    #[error("the manifest cannot be read: {0}")]
    Json(String),
    /// Docker's schema 1.
    #[error("the manifest is of Docker's schema 1, which names no digest of its content and cannot be verified")]
    Schema1,
    /// A type that is neither an image's nor an index's.
    #[error("`{}` is not a manifest type that is known", .0.as_str().escape_debug())]
    Unknown(MediaType),
    /// Neither an image's nor an index's fields are there.
    #[error("the document is no manifest: it has neither `config` and `layers` nor `manifests`")]
    NotManifest,
    /// Header, type and fields do not agree.
    #[error("the manifest contradicts itself: {0}")]
    Contradiction(String),
}

impl From<serde_json::Error> for ManifestError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str, declared: Option<&str>) -> Result<RawManifest, ManifestError> {
        let declared = declared.map(MediaType::new);
        RawManifest::parse(Bytes::copy_from_slice(text.as_bytes()), declared.as_ref(), Algorithm::Sha256)
    }

    fn image(extra: &str) -> String {
        let config = format!(r#"{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{D}","size":0}}"#);
        format!(r#"{{"schemaVersion":2,{extra}"config":{config},"layers":[{config}]}}"#)
    }

    fn index(extra: &str) -> String {
        format!(r#"{{"schemaVersion":2,{extra}"manifests":[{{"mediaType":"{OCI}","digest":"{D}","size":0}}]}}"#)
    }

    #[test]
    fn bytes_stay_and_the_type_is_agreed() {
        let text = image(&format!(r#""mediaType":"{OCI}","#));
        let manifest = read(&text, Some(&format!("{OCI}; charset=utf-8"))).unwrap();
        assert_eq!(manifest.bytes(), text.as_bytes());
        assert_eq!(manifest.digest(), &Digest::of(text.as_bytes()));
        assert_eq!(manifest.media_type().as_str(), OCI);
        assert_eq!(manifest.manifest().blobs().count(), 2);
        assert!(manifest.warning().is_none());
    }

    #[test]
    fn a_missing_type_is_worked_out_with_a_warning() {
        let manifest = read(&image(""), None).unwrap();
        assert!(matches!(manifest.warning(), Some(Warning::TypeWorkedOut(_))));
        let manifest = read(&index(""), Some("text/plain; charset=utf-8")).unwrap();
        assert!(manifest.media_type().is_index());
        let own = read(&index(&format!(r#""mediaType":"{INDEX}","#)), Some("application/json")).unwrap();
        assert!(matches!(own.warning(), Some(Warning::GenericType(_))));
        assert!(read(&image(""), Some(OCI)).unwrap().warning().is_none());
    }

    #[test]
    fn documents_with_two_readings_are_refused() {
        let both = format!(r#"{{"schemaVersion":2,"manifests":[],"layers":[],"mediaType":"{OCI}"}}"#);
        let cases = [
            (both.as_str(), None, "holds `manifests` as an index does"),
            (&image(&format!(r#""mediaType":"{OCI}","#)), Some(INDEX), "it came as"),
            (&image(""), Some(INDEX), "but it holds `config` and `layers`"),
            (&index(""), Some(OCI), "but it holds `manifests`"),
            (&image(r#""layers":[],"#), None, "`layers` stands twice"),
            (&image(r#""Manifests":[],"#), None, "`Manifests` would be `manifests`"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#, None, "schema 1"),
            (r#"{"schemaVersion":2}"#, None, "no manifest"),
            (&image(""), Some("text/html"), "not a manifest type"),
            ("<html>", None, "cannot be read"),
            (&format!("{} {{}}", image("")), None, "trailing"),
            (&"[".repeat(1_000_000), None, "recursion limit"),
            (&image("").replace(D, "sha256:../../etc"), None, "lower-case hex"),
            (&image("").replace("\"size\":0", "\"size\":-1"), None, "cannot be read"),
        ];
        for (text, declared, part) in cases {
            let error = read(text, declared).expect_err(part).to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn lists_and_lengths_are_bounded() {
        let one = format!(r#"{{"mediaType":"x/y","digest":"{D}","size":0}}"#);
        let many = vec![one.as_str(); MAX_ENTRIES + 1].join(",");
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{many}]}}"#);
        assert!(matches!(read(&text, None), Err(ManifestError::Entries(_))));
        let long = " ".repeat(MAX_MANIFEST_BYTES + 1);
        assert!(matches!(read(&long, None), Err(ManifestError::Long(_))));
    }

    #[test]
    fn notes_may_be_null() {
        assert!(read(&image(r#""annotations":null,"#), None).is_ok());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RawManifest::parse(Bytes::from(bytes), None, Algorithm::Sha256);
        }
    }
}
