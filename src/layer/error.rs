//! Why a layer is not read or written any further.

use std::io;

use crate::compression::Refusal;
use crate::failure::{Failure, FailureKind};

/// Why a layer is not read or written any further.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The archive cannot be read: its place failed, it is cut off, or what it is packed with is broken.
    #[error("the layer cannot be read")]
    Read(#[source] io::Error),
    /// The archive breaks a rule where no member can be named.
    #[error("the layer is no archive that can be read in one way alone: {0}")]
    Archive(String),
    /// One member of the archive is refused.
    #[error("the layer's member `{}` is refused: {problem}", .name.escape_debug())]
    Member {
        /// Its name as the archive writes it.
        name: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// There is more than is taken.
    #[error("there are more than {0}, which is more than is taken")]
    Bounds(&'static str),
    /// What was to come out cannot be written.
    #[error("cannot write{}", .name.as_ref().map(|name| format!(" `{}`", name.escape_debug())).unwrap_or_default())]
    Write {
        /// What was being written, where it has a name.
        name: Option<String>,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Something is where a file is to be put.
    #[error("`{}` is there already", .0.escape_debug())]
    Exists(String),
    /// A file that is to be put into a layer cannot be read.
    #[error("cannot read `{}`", .name.escape_debug())]
    Input {
        /// The file.
        name: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// What is wrong with a member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A name that leads upwards.
    #[error("its name leads out of the archive")]
    Upwards,
    /// A name with something in it that no file can be called.
    #[error("its name is none that a file can have: {0}")]
    Name(&'static str),
    /// It would be written through a link that leads out of the archive.
    #[error("it lies behind the link `{}`, which leads out of the archive", .0.escape_debug())]
    Behind(String),
    /// It would be written through links that go round.
    #[error("it lies behind links that lead to each other")]
    Circle,
    /// It would lie in something that is no directory.
    #[error("`{}`, in which it lies, is no directory", .0.escape_debug())]
    NoDirectory(String),
    /// A hard link to nothing.
    #[error("it is a hard link to `{}`, which is not there", .0.escape_debug())]
    NoTarget(String),
    /// A hard link to a directory.
    #[error("it is a hard link to `{}`, which is a directory", .0.escape_debug())]
    DirectoryTarget(String),
    /// The root of the file system as something else than a directory.
    #[error("it is the root of the file system, and no directory")]
    Root,
    /// A mark of something deleted that names nothing that can be deleted.
    #[error("it marks something as deleted that has no such name")]
    Whiteout,
    /// Two readers would read it in two ways.
    #[error("it can be read in two ways: {0}")]
    Ambiguous(&'static str),
    /// Something is malformed.
    #[error("{0}")]
    Malformed(&'static str),
    /// A kind of member that file systems do not have.
    #[error("its kind `{}` is not one of a file system", char::from(*.0).escape_debug())]
    Kind(u8),
}

impl LayerError {
    /// The way in which the reading of an archive failed: it is broken, or whatever it is read from is.
    #[must_use]
    pub fn kind_of_reading(error: &io::Error) -> FailureKind {
        use io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
        match error.kind() {
            _ if Refusal::of(error).is_some() => FailureKind::Corrupt,
            UnexpectedEof | InvalidData | InvalidInput => FailureKind::Corrupt,
            NotFound => FailureKind::NotFound,
            _ => FailureKind::Failed,
        }
    }

    /// For `map_err`: a member that is refused.
    pub(super) fn member(name: &[u8], problem: Problem) -> Self {
        Self::Member { name: String::from_utf8_lossy(name).into_owned(), problem }
    }

    /// For `map_err`: what came out could not be written under `name`.
    pub(super) fn write(name: &[u8]) -> impl FnOnce(io::Error) -> Self {
        let name = String::from_utf8_lossy(name).into_owned();
        move |source| match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists(name),
            _ => Self::Write { name: Some(name), source },
        }
    }
}

impl Failure for LayerError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Read(error) => Self::kind_of_reading(error),
            Self::Archive(_) | Self::Member { .. } | Self::Bounds(_) => FailureKind::Corrupt,
            Self::Write { .. } | Self::Exists(_) | Self::Input { .. } => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists(_) => vec!["take an empty directory, or replace what is there with `--overwrite`".to_owned()],
            _ => Vec::new(),
        }
    }
}
