//! Why a bundle cannot be made or brought in.

use crate::failure::{Answer, Failure, FailureKind};
use crate::mirror::{self, Opened};
use crate::registry;
use crate::transfer;

/// Why a bundle cannot be made or brought in.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// What the rules name cannot be found out.
    #[error("{what}")]
    Rule {
        /// What of the rules.
        what: String,
        /// Why.
        source: mirror::Error,
    },
    /// An image cannot be moved.
    #[error("{image}")]
    Image {
        /// The image.
        image: String,
        /// Why.
        source: transfer::Error,
    },
    /// The archive cannot be written.
    #[error(transparent)]
    Open(Opened),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] registry::Error),
    /// The bundle's document cannot be understood.
    #[error("its document is not that of a bundle: {0}")]
    Document(serde_json::Error),
    /// The bundle is of a version that is not known.
    #[error("it is a bundle of version {0}, and this program knows version 1")]
    Version(u32),
    /// The archive is no bundle.
    #[error("it is an archive of images and no bundle")]
    NoBundle,
    /// What an image needs was in an earlier bundle.
    #[error("{image} needs what an earlier bundle brought: load the bundle {parent} first, and those before it")]
    Earlier {
        /// The image.
        image: String,
        /// The bundle before this one.
        parent: String,
    },
}

impl Failure for BundleError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Rule { source, .. } => source.kind(),
            Self::Image { source, .. } => source.kind(),
            Self::Open(Opened(failure)) => failure.kind(),
            Self::Archive(error) => Failure::kind(error),
            Self::Document(_) => FailureKind::Corrupt,
            Self::Version(_) | Self::NoBundle => FailureKind::Failed,
            Self::Earlier { .. } => FailureKind::NotFound,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Rule { source, .. } => source.hints(),
            Self::Image { source, .. } => source.hints(),
            Self::Open(Opened(failure)) => failure.hints(),
            Self::Archive(error) => error.hints(),
            Self::NoBundle => vec!["`tranship load` brings in archives of images".to_owned()],
            _ => Vec::new(),
        }
    }

    fn answer(&self) -> Option<Answer> {
        match self {
            Self::Rule { source, .. } => source.answer(),
            Self::Image { source, .. } => source.answer(),
            Self::Open(Opened(failure)) => failure.answer(),
            Self::Archive(error) => error.answer(),
            _ => None,
        }
    }
}
