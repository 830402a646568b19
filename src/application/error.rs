//! Why a spec cannot be read, or an image in it not be told.

use std::fmt;

use crate::failure::{Failure, FailureKind};
use crate::image::ReferenceError;
use crate::yaml::YamlError;

/// Why a spec cannot be read or rewritten, and where.
#[derive(Debug)]
pub struct SpecError {
    pub(super) file: String,
    pub(super) line: Option<usize>,
    pub(super) what: What,
}

/// What is wrong with a spec.
#[derive(Debug, thiserror::Error)]
pub(super) enum What {
    #[error("this is not text (UTF-8)")]
    NotText(#[source] std::str::Utf8Error),
    #[error("{error}")]
    NotYaml { error: YamlError, has_template: bool },
    #[error("this is neither an Avassa application nor a Kubernetes manifest nor a Compose file")]
    NoKind { has_template: bool },
    #[error("the image is written in a form that cannot be changed without touching more")]
    Form,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.escape_debug();
        match self.line {
            Some(line) => write!(f, "{file}:{line}: {}", self.what),
            None => write!(f, "{file}: {}", self.what),
        }
    }
}

impl std::error::Error for SpecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.what.source()
    }
}

impl Failure for SpecError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        match &self.what {
            What::NotYaml { has_template: true, .. } | What::NoKind { has_template: true } => vec![TEMPLATE.to_owned()],
            What::NoKind { .. } => vec!["say what it is: `--kind avassa`, `kubernetes` or `compose`".to_owned()],
            What::Form => vec!["write it on one line, plain or in quotes".to_owned()],
            What::NotText(_) | What::NotYaml { .. } => Vec::new(),
        }
    }
}

const TEMPLATE: &str = "a template is filled in first: `helm template … | tranship app … -f -`";

/// Why it cannot be told which image is meant.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A variable stands in it.
    #[error("`{}` holds a variable that is not filled in", .0.escape_debug())]
    Variable(String),
    /// It is no reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

impl Failure for ImageError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Variable(image) if image.contains("{{") => vec![TEMPLATE.to_owned()],
            Self::Variable(_) => {
                vec![
                    "fill it in first: `docker compose config | tranship app … -f -`, or `envsubst < FILE | …`"
                        .to_owned(),
                ]
            }
            Self::Reference(error) => error.hint().into_iter().collect(),
        }
    }
}
