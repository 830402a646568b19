//! What a rule could not be carried out for.

use std::fmt;

use super::Guard;
use crate::failure::{Answer, Failure, FailureKind};
use crate::registry;

/// Why something that rules say was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A place cannot be opened.
    #[error(transparent)]
    Open(Opened),
    /// A place failed.
    #[error(transparent)]
    Place(#[from] registry::Error),
    /// A repository of the source would have a name at the destination that cannot be.
    #[error(transparent)]
    Name(#[from] crate::image::ReferenceError),
    /// No tag is what a rule wants.
    #[error("none of its {there} tags is what the rule wants")]
    NothingWanted {
        /// How many tags there are.
        there: usize,
    },
    /// The source has no tags at all.
    #[error("it has no tags")]
    NoTags,
    /// The catalogue shows nothing that a rule wants.
    #[error("the catalogue shows no repository there")]
    NoRepositories,
    /// More would be removed than may be.
    #[error(transparent)]
    Guard(#[from] Guard),
    /// A digest that no tag may be taken from.
    #[error("the tag {tag} stays: {because}")]
    Needed {
        /// The tag.
        tag: String,
        /// Why.
        because: String,
    },
}

/// A failure to open a place; speaks in its words.
#[derive(Debug)]
pub struct Opened(pub Box<dyn Failure>);

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Opened {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<Box<dyn Failure>> for Error {
    fn from(failure: Box<dyn Failure>) -> Self {
        Self::Open(Opened(failure))
    }
}

impl Failure for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Open(Opened(failure)) => failure.kind(),
            Self::Place(error) => Failure::kind(error),
            Self::NothingWanted { .. } | Self::NoTags | Self::NoRepositories => FailureKind::NotFound,
            Self::Guard(_) => FailureKind::Denied,
            Self::Name(_) | Self::Needed { .. } => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Open(Opened(failure)) => failure.hints(),
            Self::Place(error) => error.hints(),
            Self::Guard(guard) => guard.hint(),
            _ => Vec::new(),
        }
    }

    fn answer(&self) -> Option<Answer> {
        match self {
            Self::Open(Opened(failure)) => failure.answer(),
            Self::Place(error) => error.answer(),
            _ => None,
        }
    }
}
