//! The actions of `config do`, in supctl's words.

use super::problem::suggestion;
use crate::failure::{Failure, FailureKind};

/// What `config do PATH… ACTION --PARAMETER VALUE…` asks for. References are as they were written: the command that
/// runs the action reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `image-registry pull`: brings an image home.
    Pull {
        /// The image, `--image`.
        image: String,
        /// The name that it gets at home, `--to`.
        to: Option<String>,
        /// `--all-platforms`, or what the settings say.
        platforms: ActionPlatforms,
    },
    /// `image-registry list-remote-images`: what a remote registry has under a name.
    ListRemoteImages {
        /// The image or repository, `--image`.
        image: String,
    },
}

/// The platforms of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionPlatforms {
    /// Those of the settings.
    Settings,
    /// Every one.
    All,
}

const ACTIONS: [&str; 2] = ["pull", "list-remote-images"];

impl Action {
    /// Reads the words after `do`.
    ///
    /// # Errors
    /// Names the word that is unknown or the parameter that is missing.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, ActionError> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        match words.strip_prefix(&["topdc"]).unwrap_or(&words) {
            ["image-registry", "pull", parameters @ ..] => {
                let mut parameters = Parameters::read(parameters, &["image", "to"], &["all-platforms"])?;
                let platforms = if parameters.take("all-platforms").is_some() {
                    ActionPlatforms::All
                } else {
                    ActionPlatforms::Settings
                };
                Ok(Self::Pull { image: parameters.required("image")?, to: parameters.take("to"), platforms })
            }
            // How much of the answer is shown is a matter of the output's format here.
            ["image-registry", "list-remote-images", parameters @ ..] => {
                let mut parameters = Parameters::read(parameters, &["image", "digest-length"], &["brief"])?;
                Ok(Self::ListRemoteImages { image: parameters.required("image")? })
            }
            ["image-registry", word, ..] => Err(ActionError::Unknown { word: (*word).to_owned(), known: &ACTIONS }),
            [word, ..] if *word != "image-registry" => {
                Err(ActionError::Unknown { word: (*word).to_owned(), known: &["image-registry"] })
            }
            _ => Err(ActionError::Unnamed),
        }
    }
}

/// What stands behind an action, `--NAME VALUE`, `--NAME=VALUE` or `--NAME`.
struct Parameters<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parameters<'a> {
    fn read(words: &[&'a str], valued: &'static [&'static str], bare: &[&str]) -> Result<Self, ActionError> {
        let mut found = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let named = word.strip_prefix("--").ok_or_else(|| ActionError::Stray((*word).to_owned()))?;
            let (name, value) = match named.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (named, None),
            };
            if bare.contains(&name) {
                found.push((name, ""));
            } else if valued.contains(&name) {
                let value = value.or_else(|| words.next().copied()).filter(|value| !value.is_empty());
                found.push((name, value.ok_or_else(|| ActionError::Missing(name.to_owned()))?));
            } else {
                return Err(ActionError::Unknown { word: name.to_owned(), known: valued });
            }
        }
        Ok(Self(found))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(found, _)| *found == name)?;
        Some(self.0.swap_remove(index).1.to_owned())
    }

    fn required(&mut self, name: &str) -> Result<String, ActionError> {
        self.take(name).ok_or_else(|| ActionError::Missing(name.to_owned()))
    }
}

/// Words that are no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// No action is named.
    #[error("no action is named; there are image-registry pull and image-registry list-remote-images")]
    Unnamed,
    /// A word or a parameter that does not stand there.
    #[error("`{}` is not known here{}", word.escape_debug(), suggestion(word, known))]
    Unknown {
        /// The word.
        word: String,
        /// What can stand there.
        known: &'static [&'static str],
    },
    /// A parameter is missing, or its value is.
    #[error("`--{0}` needs a value")]
    Missing(String),
    /// A word between the parameters.
    #[error("`{}` is no parameter; one is written --NAME VALUE", .0.escape_debug())]
    Stray(String),
}

impl Failure for ActionError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Action, ActionError> {
        Action::parse(&text.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn actions_are_read() {
        let image = "alpine:3".to_owned();
        let pull = Action::Pull { image: image.clone(), to: Some("a/b".to_owned()), platforms: ActionPlatforms::All };
        assert_eq!(parse("topdc image-registry pull --image alpine:3 --to=a/b --all-platforms"), Ok(pull));
        let list = parse("image-registry list-remote-images --image alpine:3 --brief --digest-length short");
        assert_eq!(list, Ok(Action::ListRemoteImages { image }));
    }

    #[test]
    fn what_is_no_action_says_why() {
        for (text, part) in [
            ("", "no action is named"),
            ("image-registry", "no action is named"),
            ("image-registry pul", "did you mean `pull`?"),
            ("strongbox token", "`strongbox` is not known here"),
            ("image-registry pull", "`--image` needs a value"),
            ("image-registry pull --image", "`--image` needs a value"),
            ("image-registry pull --imgae x", "did you mean `image`?"),
            ("image-registry pull x", "`x` is no parameter"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
