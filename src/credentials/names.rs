//! The names of vaults, of the secrets in them, and of the keys in those.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::image::RegistryAddress;

/// The vault that `login` uses where no other is named.
pub(super) const LOGIN: &str = "login";
/// The longest vault name and key: as a part of a file's name and of a variable's.
const MAX_WORD: usize = 64;
/// The longest secret name: `login` names its secrets by a registry's address, a host of 253 characters and a port.
const MAX_SECRET: usize = 259;

/// The name of a vault: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 64 characters. Safe as a file's name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VaultName(Box<str>);

impl FromStr for VaultName {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let rule = Rule { kind: "vault name", longest: MAX_WORD, good, shown: "lower-case letters, digits and `-`" };
        rule.check(text)?;
        if text.starts_with('-') || text.ends_with('-') {
            return Err(WordError::Edge { kind: rule.kind, text: text.to_owned() });
        }
        Ok(Self(text.into()))
    }
}

/// The name of a secret in a vault: letters, digits and `.` `_` `-` `:` `/` `[` `]`, beginning with a letter, a digit
/// or `[`, so that a registry's address, also with a path, is one. Never a file's name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName(Box<str>);

impl FromStr for SecretName {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/' | '[' | ']');
        let shown = "letters, digits and `.`, `_`, `-`, `:`, `/`, `[`, `]`";
        let rule = Rule { kind: "secret name", longest: MAX_SECRET, good, shown };
        rule.check(text)?;
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') {
            return Err(WordError::Start { kind: rule.kind, text: text.to_owned() });
        }
        Ok(Self(text.into()))
    }
}

/// The name of one value of a secret, e.g. `password`: letters, digits, `.`, `_` and `-`, at most 64 characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(Box<str>);

impl FromStr for KeyName {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let rule = Rule { kind: "key", longest: MAX_WORD, good, shown: "letters, digits, `.`, `_` and `-`" };
        rule.check(text).map(|()| Self(text.into()))
    }
}

impl VaultName {
    /// Whether it is the vault of `login`, which is there without being configured.
    #[must_use]
    pub fn is_login(&self) -> bool {
        &*self.0 == LOGIN
    }

    /// A name that is written in the program.
    pub(super) fn known(name: &'static str) -> Self {
        Self(name.into())
    }
}

impl SecretName {
    /// The name of the secret that `login` keeps for a registry: its address.
    #[must_use]
    pub fn of_registry(registry: &RegistryAddress) -> Self {
        Self(registry.to_string().into())
    }
}

impl KeyName {
    /// A key that is written in the program.
    pub(super) fn known(key: &'static str) -> Self {
        Self(key.into())
    }
}

/// What a word may be made of.
struct Rule {
    kind: &'static str,
    longest: usize,
    good: fn(char) -> bool,
    shown: &'static str,
}

impl Rule {
    fn check(&self, text: &str) -> Result<(), WordError> {
        let Self { kind, longest, good, shown } = *self;
        if text.is_empty() {
            return Err(WordError::Empty { kind });
        }
        if text.len() > longest {
            return Err(WordError::Long { kind, longest });
        }
        match text.chars().find(|c| !good(*c)) {
            Some(found) => Err(WordError::Character { kind, text: text.to_owned(), found, shown }),
            None => Ok(()),
        }
    }
}

/// A secret and the vault that it is in, written `VAULT/SECRET`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretPath {
    /// The vault.
    pub vault: VaultName,
    /// The secret in it.
    pub secret: SecretName,
}

impl FromStr for SecretPath {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (vault, secret) = text.split_once('/').ok_or_else(|| WordError::NoSecret(text.to_owned()))?;
        Ok(Self { vault: vault.parse()?, secret: secret.parse()? })
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vault, self.secret)
    }
}

impl fmt::Debug for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a name of this kind. What a user typed by mistake in its place could be a secret, so at most
/// the offending name itself is shown, and nothing of what stands around it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Nothing stands there.
    #[error("the {kind} is empty")]
    Empty {
        /// What it should be.
        kind: &'static str,
    },
    /// Too many characters.
    #[error("the {kind} is longer than {longest} characters")]
    Long {
        /// What it should be.
        kind: &'static str,
        /// How many are possible.
        longest: usize,
    },
    /// A character that it cannot hold.
    #[error("`{}` cannot stand in the {kind} `{}` ({shown})", found.escape_debug(), text.escape_debug())]
    Character {
        /// What it should be.
        kind: &'static str,
        /// The whole.
        text: String,
        /// The first character that is wrong.
        found: char,
        /// What can stand there.
        shown: &'static str,
    },
    /// It begins or ends with `-`.
    #[error("the {kind} `{text}` begins or ends with `-`")]
    Edge {
        /// What it should be.
        kind: &'static str,
        /// The whole.
        text: String,
    },
    /// It begins with a sign.
    #[error("the {kind} `{text}` does not begin with a letter or a digit")]
    Start {
        /// What it should be.
        kind: &'static str,
        /// The whole.
        text: String,
    },
    /// A vault alone.
    #[error("`{}` does not name a secret; it is written `VAULT/SECRET`", .0.escape_debug())]
    NoSecret(String),
}

macro_rules! word {
    ($type:ty) => {
        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

word!(VaultName);
word!(SecretName);
word!(KeyName);
as_text!(VaultName);
as_text!(SecretName);
as_text!(KeyName);
as_text!(SecretPath);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error<T: FromStr<Err = WordError> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().expect_err(text).to_string()
    }

    #[test]
    fn good_names() {
        for text in ["a", "registry-credentials", "0", "a--b", &"v".repeat(64)] {
            assert_eq!(text.parse::<VaultName>().unwrap().as_str(), text);
        }
        for text in ["example-registry", "reg.example.com:6000", "[::1]:5000", "quay.io/team/app", "A_b"] {
            assert_eq!(text.parse::<SecretName>().unwrap().as_str(), text);
        }
        for text in ["username", "identity-token", "tls.key", "_x"] {
            assert_eq!(text.parse::<KeyName>().unwrap().as_str(), text);
        }
        let label = "h".repeat(62);
        for registry in ["docker.io", "[::1]:5000", &format!("{label}.{label}.{label}.{label}:65535")] {
            let name = SecretName::of_registry(&registry.parse().unwrap());
            assert_eq!(name.as_str().parse(), Ok(name));
        }
    }

    #[test]
    fn bad_names_say_which_rule() {
        let vaults = [
            ("", "the vault name is empty"),
            ("A", "`A` cannot stand in the vault name `A`"),
            ("a_b", "`_` cannot stand"),
            ("../x", "`.` cannot stand"),
            ("-a", "begins or ends"),
            ("a-", "begins or ends"),
            (&"v".repeat(65), "longer than 64"),
        ];
        for (text, part) in vaults {
            assert!(error::<VaultName>(text).contains(part), "{text}: {}", error::<VaultName>(text));
        }
        let secrets =
            [("", "is empty"), ("a b", "` ` cannot"), ("a\n", "`\\n` cannot"), ("-a", "begin"), ("/a", "begin")];
        for (text, part) in secrets {
            assert!(error::<SecretName>(text).contains(part), "{text}: {}", error::<SecretName>(text));
        }
        assert!(error::<KeyName>("a/b").contains("`/` cannot"));
        assert!(error::<KeyName>("").contains("the key is empty"));
    }

    #[test]
    fn paths_split_at_the_first_slash() {
        let path: SecretPath = "docker/quay.io/team".parse().unwrap();
        assert_eq!((path.vault.as_str(), path.secret.as_str()), ("docker", "quay.io/team"));
        assert_eq!(path.to_string(), "docker/quay.io/team");
        assert!(error::<SecretPath>("docker").contains("VAULT/SECRET"));
        assert!(error::<SecretPath>("a/").contains("the secret name is empty"));
        assert!(error::<SecretPath>("/a").contains("the vault name is empty"));
        assert_eq!(serde_json::to_string(&path).unwrap(), r#""docker/quay.io/team""#);
        assert!(serde_json::from_str::<VaultName>(r#""A""#).is_err());
    }

    proptest! {
        #[test]
        fn vault_names_follow_their_rule(text in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?") {
            prop_assert_eq!(text.parse::<VaultName>().unwrap().to_string(), text);
        }

        #[test]
        fn taken_vault_names_are_safe_in_paths(text in "[a-b./_-]{0,6}") {
            if let Ok(name) = text.parse::<VaultName>() {
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            }
        }
    }
}
