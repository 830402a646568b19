//! Paths into the document, word by word as supctl writes them.

use std::fmt;

use super::model::SiteName;
use super::setting::SettingKey;
use crate::credentials::{SecretName, SecretPath, VaultName};
use crate::failure::{Failure, FailureKind};
use crate::image::RegistryAddress;
use crate::yaml::suggestion;

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Adds an entry, or sets an object.
    Create,
    /// Shows what is there.
    Show,
    /// Shows the keys.
    List,
    /// Puts a whole in the place of what is there.
    Replace,
    /// Puts parts into what is there and removes nothing.
    Merge,
    /// Removes what is there.
    Delete,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Show => "show",
            Self::List => "list",
            Self::Replace => "replace",
            Self::Merge => "merge",
            Self::Delete => "delete",
        })
    }
}

/// A place in the document, or in a vault that the document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentPath {
    /// No words: everything.
    Whole,
    /// `image-registry settings`
    Settings,
    /// `image-registry settings KEY`
    Setting(SettingKey),
    /// `image-registry remote-registries`
    RemoteRegistries,
    /// `image-registry remote-registries ADDRESS`
    RemoteRegistry(RegistryAddress),
    /// `image-registry sites`
    Sites,
    /// `image-registry sites NAME`
    Site(SiteName),
    /// `strongbox vaults`
    Vaults,
    /// `strongbox vaults VAULT`
    Vault(VaultName),
    /// `strongbox vaults VAULT secrets`: the vault's own, not the document's.
    Secrets(VaultName),
    /// `strongbox vaults VAULT secrets SECRET`: the vault's own, not the document's.
    Secret(SecretPath),
}

impl DocumentPath {
    /// Reads a path. The word `topdc` in front is taken and ignored.
    ///
    /// # Errors
    /// A word is unknown or a name breaks its rule; the error lists what can follow the words before it.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, PathError> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let words = words.strip_prefix(&["topdc"]).unwrap_or(&words);
        let path = match *words {
            [] => Self::Whole,
            ["image-registry", "settings"] => Self::Settings,
            ["image-registry", "settings", key] => Self::Setting(named(words, key)?),
            ["image-registry", "remote-registries"] => Self::RemoteRegistries,
            ["image-registry", "remote-registries", address] => Self::RemoteRegistry(named(words, address)?),
            ["image-registry", "sites"] => Self::Sites,
            ["image-registry", "sites", name] => Self::Site(named(words, name)?),
            ["strongbox", "vaults"] => Self::Vaults,
            ["strongbox", "vaults", vault] => Self::Vault(named(words, vault)?),
            ["strongbox", "vaults", vault, "secrets"] => Self::Secrets(named(words, vault)?),
            ["strongbox", "vaults", vault, "secrets", secret] => {
                Self::Secret(SecretPath { vault: named(words, vault)?, secret: named::<SecretName>(words, secret)? })
            }
            _ => return Err(PathError::at_fault(words)),
        };
        Ok(path)
    }

    /// The words that can follow `words`, for completion and messages; what is in capitals stands for a name.
    #[must_use]
    pub fn following(words: &[&str]) -> &'static [&'static str] {
        match words.strip_prefix(&["topdc"]).unwrap_or(words) {
            [] => &["image-registry", "strongbox"],
            ["image-registry"] => &["settings", "remote-registries", "sites"],
            ["image-registry", "settings"] => &SettingKey::WORDS,
            ["image-registry", "remote-registries"] => &["ADDRESS"],
            ["image-registry", "sites"] => &["NAME"],
            ["strongbox"] => &["vaults"],
            ["strongbox", "vaults"] => &["VAULT"],
            ["strongbox", "vaults", _] => &["secrets"],
            ["strongbox", "vaults", _, "secrets"] => &["SECRET"],
            _ => &[],
        }
    }
}

/// Reads a name that is a word of a path.
fn named<T: std::str::FromStr<Err: fmt::Display>>(words: &[&str], name: &str) -> Result<T, PathError> {
    name.parse().map_err(|error: T::Err| PathError::Name { path: words.join(" "), what: error.to_string() })
}

impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the configuration"),
            Self::Settings => f.write_str("image-registry settings"),
            Self::Setting(key) => write!(f, "image-registry settings {key}"),
            Self::RemoteRegistries => f.write_str("image-registry remote-registries"),
            Self::RemoteRegistry(address) => write!(f, "image-registry remote-registries {address}"),
            Self::Sites => f.write_str("image-registry sites"),
            Self::Site(name) => write!(f, "image-registry sites {name}"),
            Self::Vaults => f.write_str("strongbox vaults"),
            Self::Vault(name) => write!(f, "strongbox vaults {name}"),
            Self::Secrets(vault) => write!(f, "strongbox vaults {vault} secrets"),
            Self::Secret(path) => write!(f, "strongbox vaults {} secrets {}", path.vault, path.secret),
        }
    }
}

/// Words that are no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A word that cannot stand where it stands.
    #[error("`{}` cannot follow {}{}", word.escape_debug(), shown(before), more(word, follows))]
    Word {
        /// The word.
        word: String,
        /// The words before it.
        before: String,
        /// What can stand there; empty where the path ends.
        follows: &'static [&'static str],
    },
    /// The path is not whole.
    #[error("the path `{before}` goes on with one of {}", follows.join(", "))]
    Short {
        /// The words that are there.
        before: String,
        /// What can follow.
        follows: &'static [&'static str],
    },
    /// A name that breaks its rule.
    #[error("the path `{}` holds a bad name: {what}", path.escape_debug())]
    Name {
        /// The path.
        path: String,
        /// What is wrong.
        what: String,
    },
}

impl PathError {
    /// What is wrong with words that are no path.
    pub(super) fn at_fault(words: &[&str]) -> Self {
        for (index, word) in words.iter().enumerate() {
            let follows = DocumentPath::following(&words[..index]);
            let name = follows.iter().any(|follow| follow.starts_with(|c: char| c.is_ascii_uppercase()));
            if !name && !follows.contains(word) {
                return Self::Word { word: (*word).to_owned(), before: words[..index].join(" "), follows };
            }
        }
        Self::Short { before: words.join(" "), follows: DocumentPath::following(words) }
    }
}

fn shown(before: &str) -> String {
    if before.is_empty() { "the verb".to_owned() } else { format!("`{}`", before.escape_debug()) }
}

fn more(word: &str, follows: &[&str]) -> String {
    if follows.is_empty() { ", where the path ends".to_owned() } else { suggestion(word, follows) }
}

impl Failure for PathError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Word { follows, before, .. } if !follows.is_empty() => {
                vec![format!("{} can be followed by {}", shown(before), follows.join(", "))]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DocumentPath, PathError> {
        DocumentPath::parse(&text.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn paths_read_and_print() {
        for text in [
            "image-registry settings",
            "image-registry settings home-registry",
            "image-registry remote-registries",
            "image-registry remote-registries registry.example.com:6000",
            "image-registry sites",
            "image-registry sites stockholm",
            "strongbox vaults",
            "strongbox vaults registry-credentials",
            "strongbox vaults registry-credentials secrets",
            "strongbox vaults registry-credentials secrets example-registry",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
            assert_eq!(parse(&format!("topdc {text}")), parse(text));
        }
        assert_eq!(parse("topdc"), Ok(DocumentPath::Whole));
    }

    #[test]
    fn what_is_no_path_says_what_can_follow() {
        let cases = [
            ("image-regisrty", "`image-regisrty` cannot follow the verb; did you mean `image-registry`?"),
            ("image-registry", "goes on with one of settings, remote-registries, sites"),
            ("image-registry vaults", "cannot follow `image-registry`"),
            ("strongbox vaults v tokens", "`tokens` cannot follow `strongbox vaults v`"),
            ("strongbox vaults v secrets s more", "`more` cannot follow `strongbox vaults v secrets s`, where the"),
            ("image-registry settings home", "bad name: there is no setting `home`"),
            ("image-registry remote-registries https://x", "bad name"),
        ];
        for (text, part) in cases {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let hints = parse("image-registry vaults").unwrap_err().hints();
        assert_eq!(hints, ["`image-registry` can be followed by settings, remote-registries, sites"]);
    }
}
