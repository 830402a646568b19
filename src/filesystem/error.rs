//! Why a file system is not read, or not written.

use crate::failure::{Answer, Failure, FailureKind};
use crate::image::{Descriptor, Digest};
use crate::layer::{LayerError, Problem};
use crate::registry;

/// Why a file system is not read, or not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer cannot be read, or is refused.
    #[error("the layer {digest} cannot be used")]
    Layer {
        /// The layer.
        digest: Digest,
        /// Why.
        #[source]
        error: LayerError,
    },
    /// What was to come out cannot be written.
    #[error(transparent)]
    Output(LayerError),
    /// The place of a layer failed, or the layer is not what its digest says.
    #[error(transparent)]
    Place(registry::Error),
    /// An artifact that has no file system.
    #[error("it holds `{}`, which is no layer of a file system", .0.media_type.as_str().escape_debug())]
    NoLayer(Box<Descriptor>),
    /// A layer that its maker hands out elsewhere.
    #[error("its layer {} is handed out elsewhere by its maker, and is not here", .0.digest)]
    Foreign(Box<Descriptor>),
    /// There is nothing of this name.
    #[error("there is no `{}` in it", .0.escape_debug())]
    Absent(String),
    /// The name leads nowhere.
    #[error("`{}` cannot be followed: {problem}", .name.escape_debug())]
    Lost {
        /// The name.
        name: String,
        /// Why.
        problem: Problem,
    },
    /// The work ended by itself.
    #[error("the work on the layers was broken off")]
    BrokenOff,
}

impl Error {
    /// An error of work on a layer, told by the side that failed.
    pub(super) fn of_layer(digest: &Digest, error: LayerError) -> Self {
        match error {
            LayerError::Write { .. } | LayerError::Exists(_) => Self::Output(error),
            LayerError::Read(error) => match registry_error(&error) {
                Some(error) => Self::Place(error),
                None => Self::Layer { digest: digest.clone(), error: LayerError::Read(error) },
            },
            error => Self::Layer { digest: digest.clone(), error },
        }
    }

    /// Whether whoever was written to has gone.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        let Self::Output(LayerError::Write { source, .. }) = self else { return false };
        source.kind() == std::io::ErrorKind::BrokenPipe
    }
}

/// The error of a place that came by way of a reader.
fn registry_error(error: &std::io::Error) -> Option<registry::Error> {
    error.get_ref()?.downcast_ref::<registry::Error>().cloned()
}

impl Failure for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Layer { error, .. } | Self::Output(error) => error.kind(),
            Self::Place(error) => Failure::kind(error),
            Self::NoLayer(_) | Self::BrokenOff => FailureKind::Failed,
            Self::Foreign(_) | Self::Absent(_) => FailureKind::NotFound,
            Self::Lost { .. } => FailureKind::Corrupt,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Layer { error, .. } | Self::Output(error) => error.hints(),
            Self::Place(error) => error.hints(),
            Self::NoLayer(_) => vec!["files of an artifact are fetched with `tranship artifact pull`".to_owned()],
            _ => Vec::new(),
        }
    }

    fn answer(&self) -> Option<Answer> {
        match self {
            Self::Place(error) => error.answer(),
            _ => None,
        }
    }
}
