//! Why something about a stream was not done.

use std::path::PathBuf;

use super::document::DocumentError;
use super::trigger::TriggerName;
use crate::failure::{Failure, FailureKind, did_you_mean};
use crate::files::{FileError, LockError};
use crate::image::{StreamName, StreamReference, Tag};

/// Why something about a stream was not done.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file holds no stream.
    #[error("{} is no stream", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DocumentError,
    },
    /// What was given is no stream.
    #[error(transparent)]
    Given(#[from] DocumentError),
    /// There is no such stream.
    #[error("there is no stream `{name}`{}", did_you_mean(nearest.as_ref()))]
    NoStream {
        /// The name.
        name: StreamName,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// There is one already.
    #[error("there is a stream `{0}` already")]
    Exists(StreamName),
    /// The stream has no such tag.
    #[error("the stream `{name}` has no tag `{tag}`{}", did_you_mean(nearest.as_ref()))]
    NoTag {
        /// The stream.
        name: StreamName,
        /// The tag.
        tag: Tag,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// The tag points at nothing yet.
    #[error("`{0}` points at no image: it was never imported")]
    NoImage(StreamReference),
    /// The stream never had this image.
    #[error("`{0}` is no image that the stream has or had")]
    UnknownImage(StreamReference),
    /// The stream has no such trigger.
    #[error("there is no trigger `{trigger}` of `{stream}`")]
    NoTrigger {
        /// The stream.
        stream: StreamName,
        /// The trigger.
        trigger: TriggerName,
    },
    /// It is not done, for a reason in words, with what to do about it.
    #[error("{what}")]
    Refused {
        /// The reason.
        what: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl StreamError {
    /// It is not done, for this reason.
    pub(super) fn refused(what: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: None }
    }

    /// The same, with what to do about it.
    pub(super) fn refused_with(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: Some(hint.into()) }
    }
}

impl Failure for StreamError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::Document { .. } | Self::Given(_) | Self::Refused { .. } => FailureKind::Usage,
            Self::NoStream { .. }
            | Self::NoTag { .. }
            | Self::NoImage(_)
            | Self::UnknownImage(_)
            | Self::NoTrigger { .. } => FailureKind::NotFound,
            Self::Exists(_) => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::Lock(error) => error.hints(),
            Self::NoStream { name, nearest: None } => {
                vec![format!("make it: `tranship stream import {name} --from IMAGE --confirm`")]
            }
            Self::NoStream { .. } => vec!["see which there are: `tranship stream list`".to_owned()],
            Self::Exists(name) => vec![format!(
                "change it with `stream import` and `stream tag`, or remove it: `tranship stream delete {name}`"
            )],
            Self::NoTag { name, .. } => {
                vec![format!("see its tags: `tranship stream show {name}`")]
            }
            Self::NoImage(reference) => {
                vec![format!("import it: `tranship stream import {reference}`")]
            }
            Self::UnknownImage(reference) => {
                vec![format!("see what it had: `tranship stream history {}`", reference.name)]
            }
            Self::NoTrigger { stream, .. } => {
                vec![format!("see which there are: `tranship stream trigger list {stream}`")]
            }
            Self::Refused { hint, .. } => hint.iter().cloned().collect(),
            Self::Document { .. } | Self::Given(_) => Vec::new(),
        }
    }
}
