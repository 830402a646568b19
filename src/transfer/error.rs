//! Why a transfer did not come about, and on which side it failed.

use std::fmt;

use crate::failure::{Answer, Failure, FailureKind};
use crate::image::{Digest, ManifestError, Platform, Tag};
use crate::registry;

/// A side of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where the image is read.
    Source,
    /// Where it is written.
    Destination,
}

impl Side {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// A place that failed. Speaks in the words of the place's own error, and leads on to what lies behind that.
#[derive(Debug)]
pub struct PlaceFailed {
    /// Which of the two it was.
    pub side: Side,
    /// Its name.
    pub place: String,
    /// What went wrong there.
    pub error: registry::Error,
}

impl fmt::Display for PlaceFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for PlaceFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Why a transfer did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the places failed; speaks in its words.
    #[error(transparent)]
    Place(PlaceFailed),
    /// The source does not have the image.
    #[error("there is no `{shown}`")]
    Absent {
        /// The image as it was named.
        shown: String,
        /// `registry/repository`, where listing its tags makes sense.
        repository: Option<String>,
    },
    /// The source handed out another manifest than the one that was asked for.
    #[error("asked for the manifest {asked}, the source handed out {came}")]
    WrongContent {
        /// The digest that was asked for.
        asked: Digest,
        /// What came.
        came: String,
    },
    /// Two documents say different things of the same content.
    #[error("{digest} is said to be {said}, and is {found}")]
    Contradiction {
        /// The content.
        digest: Digest,
        /// What one document says.
        said: String,
        /// What the other says, or what came.
        found: String,
    },
    /// The destination's name says another digest than the image has.
    #[error("the image is {found}, and the destination is to have {expected}")]
    OtherDigest {
        /// The digest in the destination's name.
        expected: Digest,
        /// The digest of what would be written.
        found: Digest,
    },
    /// No image for a wanted platform.
    #[error("there is no image for {wanted}; there are {}", names(.offered))]
    NoPlatform {
        /// The platform.
        wanted: Box<Platform>,
        /// Those that are there.
        offered: Vec<Platform>,
    },
    /// A narrowed index could not be made.
    #[error("the index cannot be narrowed: {0}")]
    Narrow(#[from] ManifestError),
    /// More than one image may hold.
    #[error("what belongs to the image is more than is taken: {0}")]
    Bounds(&'static str),
    /// The tag exists, points elsewhere, and is not to be moved.
    #[error("the tag `{tag}` exists at the destination and points at {found}")]
    TagExists {
        /// The tag.
        tag: Tag,
        /// What it points at.
        found: Digest,
    },
}

impl Error {
    /// The side that failed, where one did.
    #[must_use]
    pub const fn side(&self) -> Option<Side> {
        match self {
            Self::Place(failed) => Some(failed.side),
            Self::Absent { .. }
            | Self::WrongContent { .. }
            | Self::Contradiction { .. }
            | Self::NoPlatform { .. }
            | Self::Narrow(_)
            | Self::Bounds(_) => Some(Side::Source),
            Self::OtherDigest { .. } | Self::TagExists { .. } => Some(Side::Destination),
        }
    }

    /// The kind of the place's own error, where a place failed.
    pub(super) fn place_kind(&self) -> Option<registry::ErrorKind> {
        match self {
            Self::Place(failed) => Some(failed.error.kind()),
            _ => None,
        }
    }
}

impl Failure for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Place(failed) => Failure::kind(&failed.error),
            Self::Absent { .. } | Self::NoPlatform { .. } => FailureKind::NotFound,
            Self::WrongContent { .. } | Self::Contradiction { .. } => FailureKind::Corrupt,
            Self::OtherDigest { .. } | Self::Narrow(_) | Self::Bounds(_) | Self::TagExists { .. } => {
                FailureKind::Failed
            }
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Place(failed) => failed.error.hints(),
            Self::Absent { repository: Some(repository), .. } => {
                vec![registry::Remedy::ListTags(repository.clone()).to_string()]
            }
            Self::TagExists { .. } => vec!["leave out --no-clobber to move the tag".to_owned()],
            _ => Vec::new(),
        }
    }

    fn answer(&self) -> Option<Answer> {
        match self {
            Self::Place(failed) => failed.error.answer(),
            _ => None,
        }
    }
}

fn names(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = platforms.iter().map(|platform| platform.to_string().escape_debug().to_string()).collect();
    names.join(", ")
}
