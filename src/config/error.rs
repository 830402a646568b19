//! What can go wrong with the configuration.

use std::path::PathBuf;

use super::path::{PathError, Verb};
use super::setting::SettingKeyError;
use crate::failure::{Failure, FailureKind};
use crate::files::{FileError, LockError};
use crate::yaml::{EditError, Origin, Problem};

/// Why the configuration cannot be read, shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file that the user named is not there.
    #[error("there is no configuration file {}", .0.display())]
    Absent(PathBuf),
    /// The file that a command was given is not there.
    #[error("there is no file {}", .0.display())]
    NoSuchFile(PathBuf),
    /// Another process is changing the file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What it says is wrong, in one place or several; never empty.
    #[error("{}", summary(.0))]
    Invalid(Vec<Problem>),
    /// An entry that should be made is there.
    #[error("{what} is there already")]
    Exists {
        /// The entry.
        what: String,
    },
    /// An entry that is named is not there.
    #[error("there is no {what}")]
    Missing {
        /// The entry.
        what: String,
    },
    /// The text cannot be changed in this place.
    #[error("cannot change {}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EditError,
    },
    /// The path is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The key is no setting.
    #[error(transparent)]
    Setting(#[from] SettingKeyError),
    /// The verb does not go with the path.
    #[error("`{verb}` does not go with `{path}`")]
    Verb {
        /// The verb.
        verb: Verb,
        /// The path, as written.
        path: String,
    },
}

fn summary(problems: &[Problem]) -> String {
    match problems {
        [] => "the configuration is wrong".to_owned(),
        [one] => one.to_string(),
        // What was just given is put right at once, so all of it is said; the configuration can be asked again.
        [first, ..] if matches!(first.origin, Origin::Input | Origin::Given(_)) => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

impl ConfigError {
    /// Everything that is wrong in what was read, for `config validate`; empty where the failure is another.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            _ => &[],
        }
    }
}

impl Failure for ConfigError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::Absent(_)
            | Self::NoSuchFile(_)
            | Self::Invalid(_)
            | Self::Path(_)
            | Self::Setting(_)
            | Self::Verb { .. } => FailureKind::Usage,
            Self::Exists { .. } => FailureKind::Failed,
            Self::Missing { .. } => FailureKind::NotFound,
            Self::Edit { source, .. } => source.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::Lock(error) => error.hints(),
            Self::Absent(_) => vec![
                "check `--config` or TRANSHIP_CONFIG; commands that change the configuration make the file".to_owned(),
            ],
            Self::Invalid(problems) if problems.len() > 1 && matches!(problems[0].origin, Origin::File(_)) => {
                vec!["run `tranship config validate` to see everything that is wrong".to_owned()]
            }
            Self::Exists { .. } => {
                vec![
                    "use `replace` to put another in its place, or `merge` (`registry set`) to change parts of it"
                        .to_owned(),
                ]
            }
            Self::Edit { source, .. } => source.hints(),
            Self::Path(error) => error.hints(),
            Self::NoSuchFile(_) | Self::Invalid(_) | Self::Missing { .. } | Self::Setting(_) | Self::Verb { .. } => {
                Vec::new()
            }
        }
    }
}
