//! The kinds of spec, and what each looks like.

use std::fmt;
use std::str::FromStr;

use crate::yaml::Node;

/// What sort of spec a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An Avassa application.
    Avassa,
    /// A Kubernetes object.
    Kubernetes,
    /// A Compose file.
    Compose,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Avassa, Self::Kubernetes, Self::Compose];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Avassa => "avassa",
            Self::Kubernetes => "kubernetes",
            Self::Compose => "compose",
        }
    }

    /// What a document looks like: Kubernetes objects say their `apiVersion` and `kind`, an Avassa application lists
    /// its `services`, a Compose file has them by name.
    pub(super) fn of(document: Node<'_>) -> Option<Self> {
        if document.get("apiVersion").is_some() && document.get("kind").is_some() {
            return Some(Self::Kubernetes);
        }
        let services = document.get("services")?;
        match (services.is_sequence(), services.is_mapping()) {
            (true, _) => Some(Self::Avassa),
            (_, true) => Some(Self::Compose),
            (false, false) => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL.into_iter().find(|kind| kind.word() == text).ok_or_else(|| KindError(text.to_owned()))
    }
}

/// A word that is no kind of spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of avassa, kubernetes, compose", .0.escape_debug())]
pub struct KindError(pub String);
