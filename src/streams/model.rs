//! What an `ImageStream` document says, as types (OpenShift, `image.openshift.io/v1`).
//!
//! Only the fields that mean something here; the others stay in the document and are never looked at. Everything
//! is judged when it is read, so nobody behind this module meets a tag or a kind of source that cannot be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::image::{Digest, StreamName, Tag};

/// The stream as a whole.
#[derive(Clone, Debug, Deserialize)]
pub struct View {
    /// Its name, and what is known of it.
    pub metadata: Metadata,
    /// What its tags are to point at.
    #[serde(default, deserialize_with = "null_is_default")]
    pub spec: Spec,
    /// What they pointed at, and what went wrong.
    #[serde(default, deserialize_with = "null_is_default")]
    pub status: Status,
}

/// The stream's name, and what is known of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its name.
    pub name: StreamName,
    /// OpenShift's project, which means nothing here.
    #[serde(default)]
    pub namespace: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub creation_timestamp: Option<Timestamp>,
    /// Counts the changes of the stream.
    #[serde(default)]
    pub generation: Option<i64>,
    /// Tells it from another of the same name.
    #[serde(default)]
    pub uid: Option<String>,
    /// Words to find it by.
    #[serde(default, deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// Notes.
    #[serde(default, deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// What the tags are to point at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The repository whose tags the stream has, where it follows a whole one.
    #[serde(default)]
    pub docker_image_repository: Option<String>,
    /// Whether OpenShift lets workloads name the stream as an image.
    #[serde(default, deserialize_with = "null_is_default")]
    pub lookup_policy: LookupPolicy,
    /// The tags, in the order of the file.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<TagReference>,
}

/// Whether workloads can name the stream as an image.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct LookupPolicy {
    /// They can.
    #[serde(default)]
    pub local: bool,
}

/// What one tag is to point at.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagReference {
    /// The tag.
    pub name: Tag,
    /// Notes, some of which are shown: `description`, `tags`, `supports`, `sampleRepo`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// Where its image comes from; nothing for a tag that is pushed to.
    #[serde(default)]
    pub from: Option<ObjectReference>,
    /// Whether it is a name alone: nothing is looked up, and whoever uses it asks its source.
    #[serde(default, deserialize_with = "null_is_default")]
    pub reference: bool,
    /// The stream's generation when this was last changed; 0 asks OpenShift for an import.
    #[serde(default)]
    pub generation: Option<i64>,
    /// How its source is looked up.
    #[serde(default, deserialize_with = "null_is_default")]
    pub import_policy: ImportPolicy,
    /// How OpenShift hands it out.
    #[serde(default, deserialize_with = "null_is_default")]
    pub reference_policy: ReferencePolicy,
}

/// Where the image of a tag comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectReference {
    /// What the name is of.
    pub kind: SourceKind,
    /// `registry/repository:tag`, `stream:tag` (or `tag` of the same stream) or `stream@digest`.
    pub name: String,
    /// OpenShift's project, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What kind of thing a tag comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// An image in a registry.
    DockerImage,
    /// Whatever a tag of a stream points at.
    ImageStreamTag,
    /// One image of a stream.
    ImageStreamImage,
}

impl SourceKind {
    /// The word of OpenShift.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DockerImage => "DockerImage",
            Self::ImageStreamTag => "ImageStreamTag",
            Self::ImageStreamImage => "ImageStreamImage",
        }
    }
}

/// How the source of a tag is looked up.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportPolicy {
    /// Whether OpenShift does without verified TLS. Here the configuration of the registry says so.
    #[serde(default, deserialize_with = "null_is_default")]
    pub insecure: bool,
    /// Whether it is looked up again and again.
    #[serde(default, deserialize_with = "null_is_default")]
    pub scheduled: bool,
    /// What is kept of an image for several platforms.
    #[serde(default)]
    pub import_mode: Option<ImportMode>,
}

/// What is kept of an image for several platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportMode {
    /// One of them: linux/amd64, else the first.
    Legacy,
    /// All of them, under the digest of their index.
    PreserveOriginal,
}

/// How OpenShift hands out an image.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ReferencePolicy {
    /// `Source` or `Local`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

/// What the tags pointed at, and what went wrong.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Where OpenShift keeps the images.
    #[serde(default)]
    pub docker_image_repository: Option<String>,
    /// The tags.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<TagHistory>,
}

/// What one tag pointed at.
#[derive(Clone, Debug, Deserialize)]
pub struct TagHistory {
    /// The tag.
    pub tag: Tag,
    /// Its images, the current one first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub items: Vec<TagEvent>,
    /// What is to be said of it: why its last import failed.
    #[serde(default, deserialize_with = "null_is_default")]
    pub conditions: Vec<Condition>,
}

impl TagHistory {
    /// Why the last import failed, where it did.
    #[must_use]
    pub fn failed_import(&self) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.is_failed_import())
    }
}

/// An image that a tag pointed at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagEvent {
    /// Since when.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// Where it is to be had.
    #[serde(default, deserialize_with = "null_is_default")]
    pub docker_image_reference: String,
    /// Its digest. Images of Docker's first schema have none, and cannot be used here.
    #[serde(default, deserialize_with = "digest_or_none")]
    pub image: Option<Digest>,
    /// The stream's generation that made it current. Rises with every change that is made here.
    #[serde(default, deserialize_with = "null_is_default")]
    pub generation: i64,
}

/// Something that is so, or not, with a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What: `ImportSuccess`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Since when.
    #[serde(default)]
    pub last_transition_time: Option<Timestamp>,
    /// Why, in a word.
    #[serde(default, deserialize_with = "null_is_default")]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, deserialize_with = "null_is_default")]
    pub message: String,
    /// The generation that it is about.
    #[serde(default, deserialize_with = "null_is_default")]
    pub generation: i64,
}

/// The type of the condition that says whether the last import succeeded.
pub(super) const IMPORT_SUCCESS: &str = "ImportSuccess";

impl Condition {
    /// Whether it says that an import failed.
    #[must_use]
    pub fn is_failed_import(&self) -> bool {
        self.kind == IMPORT_SUCCESS && self.status == "False"
    }
}

impl View {
    /// What a tag is to point at.
    #[must_use]
    pub fn reference(&self, tag: &Tag) -> Option<&TagReference> {
        self.spec.tags.iter().find(|reference| reference.name == *tag)
    }

    /// What a tag pointed at, the current image first.
    #[must_use]
    pub fn history(&self, tag: &Tag) -> Option<&TagHistory> {
        self.status.tags.iter().find(|history| history.tag == *tag)
    }

    /// What a tag points at.
    #[must_use]
    pub fn current(&self, tag: &Tag) -> Option<&TagEvent> {
        self.history(tag)?.items.first()
    }

    /// The newest mention of an image, whatever tag pointed at it.
    #[must_use]
    pub fn image(&self, digest: &Digest) -> Option<&TagEvent> {
        let items = self.status.tags.iter().flat_map(|history| &history.items);
        items.filter(|item| item.image.as_ref() == Some(digest)).max_by_key(|item| item.generation)
    }

    /// Every tag, of what it is to be and of what it was, in order of the alphabet.
    #[must_use]
    pub fn tags(&self) -> Vec<&Tag> {
        let mut tags: Vec<&Tag> = self.spec.tags.iter().map(|reference| &reference.name).collect();
        tags.extend(self.status.tags.iter().map(|history| &history.tag));
        tags.sort();
        tags.dedup();
        tags
    }
}

/// Reads `null` as a field that is left out, as Kubernetes does.
fn null_is_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn digest_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}
