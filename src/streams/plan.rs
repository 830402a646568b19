//! What an import is to do: which tags, from where, and what has to change in the stream for that first.
//!
//! The rules are those of `oc import-image`: a source is set or changed only where that was confirmed, a tag that
//! follows another is followed to where its image comes from, and a digest, which cannot change, is not imported.

use super::draft::{Draft, NewSource, followed};
use super::error::StreamError;
use super::import::Wanted;
use super::kept::no_tag;
use super::model::{ImportMode, ObjectReference, SourceKind, TagReference, View};
use crate::image::{ImageReference, Selector, StreamName, Tag};

/// What was asked for.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The stream.
    pub name: StreamName,
    /// Which of its tags.
    pub which: Which,
    /// Where the image comes from from now on: of one tag an image, of all a repository.
    pub from: Option<ImageReference>,
    /// Whether a source may be set or changed.
    pub confirm: bool,
    /// Whether the tags are to be looked up again and again from now on.
    pub scheduled: Option<bool>,
    /// What is to be kept of an image for several platforms from now on.
    pub mode: Option<ImportMode>,
}

/// Which tags of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One.
    One(Tag),
    /// Every one; where the stream follows a repository, these of it too.
    All(Vec<Tag>),
}

/// What an import is to do.
#[derive(Clone, Debug, Default)]
pub struct ImportPlan {
    /// The repository that the stream follows from now on.
    repository: Option<String>,
    /// Tags that get a source.
    sources: Vec<(Tag, NewSource)>,
    /// Tags that keep theirs, and are looked up again and again from now on, or no more.
    schedule: Vec<(Tag, bool)>,
    /// The tags whose sources are asked.
    pub wanted: Vec<Wanted>,
}

impl ImportPlan {
    /// Changes in the stream what has to be changed before what was found is noted.
    pub fn prepare(&self, draft: &mut Draft) {
        if let Some(repository) = &self.repository {
            draft.set_repository(repository);
        }
        self.sources.iter().for_each(|(tag, source)| draft.set_source(tag, source));
        self.schedule.iter().for_each(|(tag, scheduled)| draft.set_scheduled(tag, *scheduled));
    }
}

impl ImportRequest {
    /// Looks whether what was asked for may be done at all; `view` is the stream, where there is one.
    ///
    /// # Errors
    /// Something has to be confirmed.
    pub fn check(&self, view: Option<&View>) -> Result<(), StreamError> {
        let refused = |what: &str, hint: &str| Err(StreamError::refused_with(what, hint));
        let Some(view) = view.filter(|_| !self.confirm) else { return self.check_new(view) };
        let old = view.spec.docker_image_repository.as_deref();
        match (old, self.repository()) {
            (Some(old), Some(new)) if old != new => {
                let what = format!("the stream follows the repository `{}`, and not `{new}`", old.escape_debug());
                refused(&what, "`--confirm` changes that")
            }
            (None, Some(_)) => {
                refused("the stream follows no repository yet", "`--confirm` has it follow the one of `--from`")
            }
            _ => self.check_new(Some(view)),
        }
    }

    fn check_new(&self, view: Option<&View>) -> Result<(), StreamError> {
        if view.is_none() && !self.confirm {
            return Err(StreamError::refused_with(
                format!("there is no stream `{}`", self.name),
                "`--confirm` makes it; `--from IMAGE` says where its image comes from",
            ));
        }
        if self.from.as_ref().is_some_and(|from| from.digest().is_some()) {
            return Err(StreamError::refused_with(
                "a digest is the same image for ever, so there is nothing to import",
                format!("point a tag at it: `tranship stream tag IMAGE@DIGEST {}:TAG`", self.name),
            ));
        }
        Ok(())
    }

    /// The repository that the stream is to follow, where all its tags are imported.
    fn repository(&self) -> Option<String> {
        let from = self.from.as_ref().filter(|_| matches!(self.which, Which::All(_)))?;
        Some(format!("{}/{}", from.registry, from.repository))
    }

    /// Works out what is to be done; `view` is the stream, where there is one.
    ///
    /// # Errors
    /// As [`ImportRequest::check`], and where there is nothing to import.
    pub fn plan(&self, view: Option<&View>) -> Result<ImportPlan, StreamError> {
        self.check(view)?;
        match &self.which {
            Which::One(tag) => self.plan_one(view, tag),
            Which::All(found) => self.plan_all(view, found),
        }
    }

    fn plan_one(&self, view: Option<&View>, tag: &Tag) -> Result<ImportPlan, StreamError> {
        let tag = view.map_or(Ok(tag.clone()), |view| follow(view, tag))?;
        let known = view.and_then(|view| view.reference(&tag));
        let from = match (&self.from, known.and_then(|known| known.from.as_ref())) {
            (Some(from), Some(old)) if is_from(old, from) => None,
            (Some(from), Some(old)) if !self.confirm => {
                return Err(StreamError::refused_with(
                    format!("the tag `{tag}` comes from {}, and not from `{from}`", shown(old)),
                    "`--confirm` changes that",
                ));
            }
            (Some(from), _) => Some(from.to_string()),
            (None, Some(_)) => None,
            (None, None) => Some(self.of_repository(view, &tag)?),
        };
        let mut plan = ImportPlan::default();
        match (from, known) {
            (Some(from), _) => plan.give_source(tag, from, self),
            (None, Some(known)) => {
                let mut wanted = Wanted::of(known).ok_or_else(|| not_imported(known))?;
                if let Some(mode) = self.mode.filter(|mode| *mode != wanted.mode) {
                    wanted.mode = mode;
                    plan.sources.push((tag, self.source(wanted.from.clone())));
                } else if let Some(scheduled) = self.scheduled {
                    plan.schedule.push((tag, scheduled));
                }
                plan.wanted.push(wanted);
            }
            (None, None) => {}
        }
        Ok(plan)
    }

    /// The source of a tag that is not there, in the repository that the stream follows.
    fn of_repository(&self, view: Option<&View>, tag: &Tag) -> Result<String, StreamError> {
        let repository = view.and_then(|view| view.spec.docker_image_repository.as_deref());
        match (repository, view) {
            (Some(repository), _) => Ok(format!("{repository}:{tag}")),
            (None, Some(view)) if view.reference(tag).is_none() && view.history(tag).is_none() => {
                Err(no_tag(view, tag))
            }
            (None, _) => Err(StreamError::refused_with(
                format!("`{}:{tag}` has no source that it could be imported from", self.name),
                "say where its image comes from: `--from IMAGE --confirm`",
            )),
        }
    }

    fn plan_all(&self, view: Option<&View>, found: &[Tag]) -> Result<ImportPlan, StreamError> {
        let mut plan = ImportPlan::default();
        let old = view.and_then(|view| view.spec.docker_image_repository.as_deref());
        let new = self.repository();
        let repository = new.as_deref().or(old).map(str::to_owned);
        plan.repository = new.filter(|new| old != Some(new));
        for reference in view.into_iter().flat_map(|view| &view.spec.tags) {
            if let Some(wanted) = Wanted::of(reference) {
                plan.schedule.extend(self.scheduled.map(|scheduled| (wanted.tag.clone(), scheduled)));
                plan.wanted.push(wanted);
            }
        }
        if let Some(repository) = repository {
            let is_new = |tag: &&Tag| view.is_none_or(|view| view.reference(tag).is_none());
            for tag in found.iter().filter(is_new) {
                plan.give_source(tag.clone(), format!("{repository}:{tag}"), self);
            }
        }
        if plan.wanted.is_empty() {
            return Err(StreamError::refused_with(
                format!("no tag of `{}` comes from a registry", self.name),
                "name a repository: `--all --from REPOSITORY --confirm`",
            ));
        }
        Ok(plan)
    }

    fn source(&self, from: String) -> NewSource {
        let from = ObjectReference { kind: SourceKind::DockerImage, name: from, namespace: None };
        NewSource { from, reference: false, scheduled: self.scheduled, mode: self.mode }
    }
}

impl ImportPlan {
    /// A tag gets a source. What is kept of several platforms is written down, for OpenShift would keep one alone.
    fn give_source(&mut self, tag: Tag, from: String, request: &ImportRequest) {
        let mode = request.mode.unwrap_or(ImportMode::PreserveOriginal);
        self.wanted.push(Wanted { tag: tag.clone(), from: from.clone(), mode });
        self.sources.push((tag, NewSource { mode: Some(mode), ..request.source(from) }));
    }
}

fn is_from(old: &ObjectReference, new: &ImageReference) -> bool {
    let same = |name: &str| name == new.to_string() || new.tag().is_some_and(|tag| name == tag.as_str());
    old.kind == SourceKind::DockerImage && same(&old.name)
}

/// The tag that is imported where `tag` is asked for: behind those that follow another of the stream.
fn follow(view: &View, tag: &Tag) -> Result<Tag, StreamError> {
    let mut seen = vec![tag.clone()];
    let mut tag = tag.clone();
    loop {
        let from = view.reference(&tag).and_then(|known| known.from.as_ref());
        let Some(from) = from.filter(|from| from.kind == SourceKind::ImageStreamTag) else { return Ok(tag) };
        let next = followed(&view.metadata.name, view.metadata.namespace.as_deref(), from);
        let next: Option<Tag> = next.and_then(|next| next.parse().ok());
        let Some(next) = next else {
            let what = format!("the tag `{tag}` follows `{}` of another stream", from.name.escape_debug());
            return Err(StreamError::refused(what));
        };
        if seen.contains(&next) {
            return Err(StreamError::refused(format!("the tag `{tag}` follows itself, by way of `{next}`")));
        }
        if view.reference(&next).is_none() {
            return Err(StreamError::refused(format!("the tag `{tag}` follows `{next}`, which is not there")));
        }
        seen.push(next.clone());
        tag = next;
    }
}

fn not_imported(known: &TagReference) -> StreamError {
    let tag = &known.name;
    let what = match &known.from {
        Some(_) if known.reference => format!("the tag `{tag}` is a name alone (`reference: true`)"),
        Some(from) => format!("the tag `{tag}` comes from {}", shown(from)),
        None => format!("the tag `{tag}` has no source"),
    };
    StreamError::refused_with(
        format!("{what}, so that there is nothing to import"),
        "say where its image comes from: `--from IMAGE --confirm`",
    )
}

/// A source in words.
fn shown(from: &ObjectReference) -> String {
    match from.kind {
        SourceKind::DockerImage => format!("`{}`", from.name.escape_debug()),
        kind => format!("{} `{}`", kind.word(), from.name.escape_debug()),
    }
}

/// The tag that is imported where a word names an image of a stream.
///
/// # Errors
/// It is a digest.
pub fn tag_to_import(name: &StreamName, selector: &Selector) -> Result<Tag, StreamError> {
    match selector {
        Selector::Tag(tag) => Ok(tag.clone()),
        Selector::Digest(digest) => Err(StreamError::refused_with(
            format!("`{name}@{digest}` is one image for ever, so there is nothing to import"),
            format!("point a tag at it: `tranship stream tag {name}@{digest} {name}:TAG`"),
        )),
    }
}
