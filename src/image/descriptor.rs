//! Descriptors: what a document says of content that it names (OCI image-spec descriptor.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, MediaType, Platform};

/// Free-form notes on content, by key.
pub type Annotations = BTreeMap<String, String>;

/// The type, digest and size of content, and notes on it.
///
/// The word of whoever wrote the document: content is compared with it, never the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: MediaType,
    /// Its constant name.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Other places that claim to have it (foreign layers); never fetched unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Notes on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
    pub annotations: Annotations,
    /// The platform, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The artifact's type, in a list of referrers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// A descriptor without notes.
    #[must_use]
    pub const fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        }
    }

    /// Whether this is a layer that its maker hands out elsewhere and registries need not have (image-spec
    /// layer.md, "Non-Distributable Layers").
    ///
    /// Both must hold: the type says so, and other places are named. Nobody follows those `urls` unasked.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.media_type.is_foreign_layer() && !self.urls.is_empty()
    }

    /// Describes `bytes` under SHA-256.
    #[must_use]
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}

pub(super) fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Annotations, D::Error> {
    Ok(Option::<Annotations>::deserialize(deserializer)?.unwrap_or_default())
}
