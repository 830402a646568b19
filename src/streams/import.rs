//! Imports: what images the sources of tags have now. Nothing of an image is moved, its digest alone is noted.
//!
//! Registries are asked before a stream's lock is taken, and what they said counts only for tags whose source is
//! still the one that was asked.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;

use super::draft::{Draft, Found};
use super::model::{ImportMode, SourceKind, TagReference};
use crate::failure::{Failure, FailureKind};
use crate::image::{Digest, ImageReference, Manifest, Platform, Selector, Tag};
use crate::registry::{ImageSource, Registry};

/// How many sources are asked at the same time.
const LOOKS: usize = 6;
/// The longest message that is kept with a tag, in characters.
const LONGEST_MESSAGE: usize = 1000;

/// Where images can be looked up: the registries, as they are configured.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Reads a reference, completing a short name.
    ///
    /// # Errors
    /// Says what is wrong with it.
    fn reference(&self, text: &str) -> Result<ImageReference, Box<dyn Failure>>;

    /// The place that an image can be read from.
    ///
    /// # Errors
    /// It cannot be opened.
    async fn source(&self, image: &ImageReference) -> Result<Arc<dyn ImageSource>, Box<dyn Failure>>;

    /// The registry of an image, to list its tags.
    ///
    /// # Errors
    /// It cannot be opened.
    async fn registry(&self, image: &ImageReference) -> Result<Arc<dyn Registry>, Box<dyn Failure>>;
}

/// A tag whose source is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The tag.
    pub tag: Tag,
    /// Its source, as the stream writes it.
    pub from: String,
    /// What is kept of an image for several platforms.
    pub mode: ImportMode,
}

impl Wanted {
    /// What has to be asked for a tag; `None` where nothing is imported for it.
    #[must_use]
    pub fn of(reference: &TagReference) -> Option<Self> {
        let from =
            reference.from.as_ref().filter(|from| from.kind == SourceKind::DockerImage && !reference.reference)?;
        let mode = reference.import_policy.import_mode.unwrap_or(ImportMode::PreserveOriginal);
        Some(Self { tag: reference.name.clone(), from: from.name.clone(), mode })
    }
}

/// What the source of a tag said.
#[derive(Clone, Debug)]
pub struct Looked {
    /// What it was asked for.
    pub wanted: Wanted,
    /// The image, or why there is none.
    pub found: Result<Found, ImportFailure>,
}

/// Why a tag was not imported, as it is kept with the tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportFailure {
    kind: FailureKind,
    message: String,
    hints: Vec<String>,
}

impl ImportFailure {
    fn of(failure: &dyn Failure) -> Self {
        let mut message = failure.to_string();
        let mut source = failure.source();
        while let Some(cause) = source {
            message.extend([": ", &cause.to_string()]);
            source = cause.source();
        }
        let message = message.chars().take(LONGEST_MESSAGE).collect();
        Self { kind: failure.kind(), message, hints: failure.hints() }
    }

    fn missing(image: &ImageReference) -> Self {
        let hint = format!("see what is there: `tranship tags {}/{}`", image.registry, image.repository);
        let message = format!("there is no image `{image}`");
        Self { kind: FailureKind::NotFound, message, hints: vec![hint] }
    }

    /// The word for it, as OpenShift has them.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self.kind {
            FailureKind::NotFound => "NotFound",
            FailureKind::Denied => "Unauthorized",
            FailureKind::Usage => "Invalid",
            FailureKind::Failed | FailureKind::Unreachable | FailureKind::Corrupt | FailureKind::Partial => {
                "InternalError"
            }
        }
    }
}

impl fmt::Display for ImportFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ImportFailure {}

impl Failure for ImportFailure {
    fn kind(&self) -> FailureKind {
        self.kind
    }

    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }
}

/// Asks the sources of several tags side by side, and answers in their order.
pub async fn look_each(wanted: Vec<Wanted>, upstream: &dyn Upstream) -> Vec<Looked> {
    let looks = wanted.into_iter().map(|wanted| look(wanted, upstream));
    futures_util::stream::iter(looks).buffered(LOOKS).collect().await
}

/// Asks the source of a tag.
pub async fn look(wanted: Wanted, upstream: &dyn Upstream) -> Looked {
    let found = find(&wanted, upstream).await;
    Looked { wanted, found }
}

async fn find(wanted: &Wanted, upstream: &dyn Upstream) -> Result<Found, ImportFailure> {
    let of = |failure: Box<dyn Failure>| ImportFailure::of(&*failure);
    let image = upstream.reference(&wanted.from).map_err(of)?;
    let source = upstream.source(&image).await.map_err(of)?;
    let selector = image.selector();
    let found = source.resolve(&image.repository, &selector).await.map_err(|error| ImportFailure::of(&error))?;
    let found = found.ok_or_else(|| ImportFailure::missing(&image))?;
    if wanted.mode == ImportMode::PreserveOriginal || !found.media_type.is_index() {
        return Ok(Found::at(&image, found.digest));
    }
    let selector = Selector::Digest(found.digest.clone());
    let index = source.manifest(&image.repository, &selector).await.map_err(|error| ImportFailure::of(&error))?;
    Ok(Found::at(&image, one_of(index.manifest()).unwrap_or(found.digest)))
}

/// The image that stands for an index where only one is kept: linux/amd64, else the first.
fn one_of(index: &Manifest) -> Option<Digest> {
    let children = index.children();
    let usual: Option<Platform> = "linux/amd64".parse().ok();
    let is_usual = |platform: &Platform| usual.as_ref().is_some_and(|usual| usual == platform);
    let found = children.iter().find(|child| child.platform.as_ref().is_some_and(is_usual));
    found.or(children.first()).map(|child| child.digest.clone())
}

/// The tags of a repository, in the order of its registry, at most `most` and one to tell that there are more.
///
/// # Errors
/// It cannot be listed.
pub async fn tags(image: &ImageReference, upstream: &dyn Upstream, most: usize) -> Result<Vec<Tag>, ImportFailure> {
    let registry = upstream.registry(image).await.map_err(|failure| ImportFailure::of(&*failure))?;
    let mut pages = registry.tags(&image.repository);
    let mut tags = Vec::new();
    while let Some(page) = pages.try_next().await.map_err(|error| ImportFailure::of(&error))? {
        tags.extend(page);
        if tags.len() > most {
            break;
        }
    }
    Ok(tags)
}

/// What became of the import of one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// The tag.
    pub tag: Tag,
    /// Its source.
    pub from: String,
    /// What became of it.
    pub result: ImportResult,
    /// The image that it points at, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The image that it pointed at before, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_digest: Option<Digest>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What became of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ImportResult {
    /// The tag points at another image now.
    Updated,
    /// It points at the image that it pointed at.
    Unchanged,
    /// The source has no image, or did not say.
    Failed,
    /// Its source was changed by somebody else meanwhile, so that nothing was noted.
    Overtaken,
}

/// Notes in a stream what the sources said.
pub fn apply(draft: &mut Draft, looked: &[Looked], now: Timestamp) -> Vec<Imported> {
    looked.iter().map(|looked| apply_one(draft, looked, now)).collect()
}

fn apply_one(draft: &mut Draft, looked: &Looked, now: Timestamp) -> Imported {
    let Wanted { tag, from, .. } = &looked.wanted;
    let mut imported = Imported {
        tag: tag.clone(),
        from: from.clone(),
        result: ImportResult::Overtaken,
        digest: None,
        old_digest: None,
        message: None,
    };
    let still = draft.reference(tag).as_ref().and_then(Wanted::of);
    if still.as_ref() != Some(&looked.wanted) {
        return imported;
    }
    match &looked.found {
        Ok(found) => {
            let old = draft.current(tag).and_then(|current| current.image);
            draft.record(tag, found, now);
            draft.succeeded(tag);
            imported.digest = Some(found.digest.clone());
            imported.result = ImportResult::Unchanged;
            if old.as_ref() != Some(&found.digest) {
                imported.result = ImportResult::Updated;
                imported.old_digest = old;
            }
        }
        Err(failure) => {
            draft.failed(tag, failure.reason(), &failure.message, now);
            imported.result = ImportResult::Failed;
            imported.message = Some(failure.message.clone());
        }
    }
    imported
}
