//! How much of what refers to an image comes along with it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which attached things (signatures, SBOMs, attestations) a copy takes along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attached {
    /// Nothing but the image.
    None,
    /// What refers to the manifest that was named.
    #[default]
    Image,
    /// What refers to any manifest of the image, those of its platforms included.
    All,
}

impl Attached {
    /// Every choice, in the order of what it takes.
    pub const ALL: [Self; 3] = [Self::None, Self::Image, Self::All];

    /// The word for it on the command line and in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Image => "image",
            Self::All => "all",
        }
    }
}

impl FromStr for Attached {
    type Err = AttachedError;

    fn from_str(text: &str) -> Result<Self, AttachedError> {
        let found = Self::ALL.into_iter().find(|choice| choice.word() == text);
        found.ok_or_else(|| AttachedError(text.to_owned()))
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is none of the choices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of none, image, all", .0.escape_debug())]
pub struct AttachedError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_both_ways() {
        for choice in Attached::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("some".parse::<Attached>().is_err());
    }
}
