//! Pointing tags at images, by the rules of `oc tag`: what a word means, and what becomes of it.

use jiff::Timestamp;

use super::draft::{Draft, Found, NewSource};
use super::error::StreamError;
use super::kept::{Streams, no_tag};
use super::model::{ImportMode, ObjectReference, SourceKind, TagEvent, View};
use crate::image::{Digest, DigestPrefix, ImageReference, Selector, StreamName, StreamReference, Tag};

/// Where an image of a stream comes from, as it stands there now.
#[derive(Clone, Debug)]
pub struct StreamSource {
    /// The stream.
    pub name: StreamName,
    /// The tag, where one was named.
    pub tag: Option<Tag>,
    /// The image.
    pub found: Found,
}

/// What a tag is pointed at.
#[derive(Clone, Debug)]
pub enum TagSource {
    /// An image of a registry.
    Image(ImageReference),
    /// An image of a stream.
    Stream(StreamSource),
}

/// What kind of source a word means, where nobody said: as `oc tag` guesses. `has_registry` is whether a registry
/// stands in front.
#[must_use]
pub fn guess(text: &str, has_registry: bool) -> SourceKind {
    // A name with a path is a repository: streams have no projects here.
    match text {
        _ if text.starts_with("stream:") && text.contains('@') => SourceKind::ImageStreamImage,
        _ if text.starts_with("stream:") => SourceKind::ImageStreamTag,
        _ if has_registry || text.contains('/') => SourceKind::DockerImage,
        _ if text.contains('@') => SourceKind::ImageStreamImage,
        _ if text.contains(':') => SourceKind::ImageStreamTag,
        _ => SourceKind::DockerImage,
    }
}

impl Streams {
    /// The image of a stream that `NAME:TAG` or `NAME@DIGEST` means now; of the digest a beginning is enough.
    ///
    /// # Errors
    /// The text is wrong, or the stream does not have it.
    pub fn source(&self, text: &str) -> Result<StreamSource, StreamError> {
        let wrong = |error: &dyn std::fmt::Display| StreamError::refused(error.to_string());
        let bare = text.strip_prefix("stream:").unwrap_or(text);
        if let Some((name, digest)) = bare.split_once('@') {
            let name: StreamName = name.parse().map_err(|error| wrong(&error))?;
            let stream = self.read(&name)?;
            let item = image_by(stream.view(), digest)?;
            return Ok(StreamSource { found: found(stream.view(), item)?, tag: None, name });
        }
        let StreamReference { name, selector } = StreamReference::parse(bare).map_err(|error| wrong(&error))?;
        let stream = self.read(&name)?;
        let view = stream.view();
        match &selector {
            Selector::Digest(_) => Err(StreamError::UnknownImage(StreamReference { name, selector })),
            Selector::Tag(tag) => match view.current(tag) {
                Some(item) => Ok(StreamSource { found: found(view, item)?, tag: Some(tag.clone()), name }),
                None if view.reference(tag).is_some() => Err(StreamError::NoImage(StreamReference { name, selector })),
                None => Err(no_tag(view, tag)),
            },
        }
    }
}

/// The image of a stream whose digest is, or begins with, `text`.
///
/// # Errors
/// It is no digest, or that of no image of the stream, or of several.
pub fn image_by<'a>(view: &'a View, text: &str) -> Result<&'a TagEvent, StreamError> {
    let name = &view.metadata.name;
    let unknown = || {
        let what = format!("`{name}` has and had no image `{}`", text.escape_debug());
        StreamError::refused_with(what, format!("see what it had: `tranship stream history {name}`"))
    };
    if let Ok(digest) = text.parse::<Digest>() {
        return view.image(&digest).ok_or_else(unknown);
    }
    let whole = if text.contains(':') { text.to_owned() } else { format!("sha256:{text}") };
    let prefix: DigestPrefix = whole.parse().map_err(|error| {
        StreamError::refused(format!("`{}` is neither a digest nor the beginning of one: {error}", text.escape_debug()))
    })?;
    let items = view.status.tags.iter().flat_map(|history| &history.items);
    let mut digests: Vec<&Digest> =
        items.filter_map(|item| item.image.as_ref()).filter(|d| prefix.matches(d)).collect();
    digests.sort();
    digests.dedup();
    match digests.as_slice() {
        [digest] => view.image(digest).ok_or_else(unknown),
        [] => Err(unknown()),
        several => {
            let what = format!("`{}` is the beginning of {} images", text.escape_debug(), several.len());
            Err(StreamError::refused_with(what, "write more of the digest"))
        }
    }
}

/// An event of a history as an image that other tags can point at.
fn found(view: &View, item: &TagEvent) -> Result<Found, StreamError> {
    let name = &view.metadata.name;
    let digest = item.image.clone().ok_or_else(|| {
        StreamError::refused(format!("an image of `{name}` has no digest, as those of Docker's first schema have none"))
    })?;
    Ok(Found { digest, reference: item.docker_image_reference.clone() })
}

impl StreamSource {
    /// What a tag that is pointed at this image says of its source. A tag is resolved: it moves no more.
    #[must_use]
    pub fn pinned(&self) -> NewSource {
        let name = format!("{}@{}", self.name, self.found.digest);
        let from = ObjectReference { kind: SourceKind::ImageStreamImage, name, namespace: None };
        NewSource { from, reference: false, scheduled: Some(false), mode: None }
    }

    /// What a tag of the stream `of` says of its source that follows this tag.
    ///
    /// # Errors
    /// It is another stream, the same tag, or one image.
    pub fn alias(&self, of: &StreamName, tag: &Tag) -> Result<NewSource, StreamError> {
        let source = self.tag.as_ref().ok_or_else(|| {
            StreamError::refused("`--alias` follows a tag, and an image stands there that is the same for ever")
        })?;
        if self.name != *of {
            return Err(StreamError::refused_with(
                format!("`--alias` follows a tag of the same stream, and `{}` is another than `{of}`", self.name),
                "without it the tag gets the image that the other has now",
            ));
        }
        if source == tag {
            return Err(StreamError::refused(format!("`{of}:{tag}` cannot follow itself")));
        }
        let from = ObjectReference { kind: SourceKind::ImageStreamTag, name: source.to_string(), namespace: None };
        Ok(NewSource { from, reference: false, scheduled: Some(false), mode: None })
    }
}

/// What a tag says of its source that comes from an image of a registry.
#[must_use]
pub fn from_image(image: &ImageReference, reference: bool, scheduled: Option<bool>, mode: ImportMode) -> NewSource {
    let from = ObjectReference { kind: SourceKind::DockerImage, name: image.to_string(), namespace: None };
    NewSource { from, reference, scheduled, mode: Some(mode) }
}

/// What the tag pointed at and points at, after [`roll_back`].
#[derive(Clone, Debug)]
pub struct RolledBack {
    /// The image that it pointed at.
    pub from: Option<Digest>,
    /// The image that it points at.
    pub to: Digest,
    /// The source that it followed, and follows no more.
    pub unfollowed: Option<ObjectReference>,
}

/// Which image of its history a tag goes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// So many steps back; 0 is the current one.
    Steps(usize),
    /// The image of this digest, or the beginning of one.
    Image(String),
}

/// Points a tag at an image of its history. It stays there: what it followed, it follows no more.
///
/// # Errors
/// The tag has no such image.
pub fn roll_back(
    draft: &mut Draft,
    view: &View,
    tag: &Tag,
    revision: &Revision,
    now: Timestamp,
) -> Result<RolledBack, StreamError> {
    let name = view.metadata.name.clone();
    let history = view.history(tag).ok_or_else(|| no_tag(view, tag))?;
    let item = match revision {
        Revision::Image(text) => image_by(view, text)?,
        Revision::Steps(steps) => history.items.get(*steps).ok_or_else(|| {
            let what = match history.items.len() {
                0 => format!("`{name}:{tag}` points at no image"),
                1 => format!("`{name}:{tag}` has had one image alone, so that there is none to go back to"),
                count => format!("`{name}:{tag}` has {count} images, 0 to {}, and no {steps}", count - 1),
            };
            StreamError::refused_with(what, format!("see what it had: `tranship stream history {name}:{tag}`"))
        })?,
    };
    let source = StreamSource { name, tag: None, found: found(view, item)? };
    let from = history.items.first().and_then(|item| item.image.clone());
    let followed = view.reference(tag).and_then(|known| known.from.clone());
    draft.set_source(tag, &source.pinned());
    draft.record(tag, &source.found, now);
    let unfollowed = followed.filter(|from| from.kind != SourceKind::ImageStreamImage);
    Ok(RolledBack { from, to: source.found.digest, unfollowed })
}
