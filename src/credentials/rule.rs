//! What the configuration says about vaults, and about which secret is for which repositories.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{SecretName, SecretPath, VaultName};
use crate::image::{NameError, RepositoryName};

/// Which repositories of a registry a rule is for: `*`, or a prefix on path boundaries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RepositoryPattern {
    /// All of them.
    All,
    /// One repository and those below it.
    Prefix(RepositoryName),
}

impl RepositoryPattern {
    /// How specific it is for `repository`: the length of the prefix, 0 for `*`. `None` where it does not match, as
    /// where no repository is named at all (a log-in, a catalogue), for which only `*` is.
    #[must_use]
    pub fn rank(&self, repository: Option<&RepositoryName>) -> Option<usize> {
        match self {
            Self::All => Some(0),
            Self::Prefix(prefix) => repository?.is_within(prefix.as_str()).then(|| prefix.as_str().len()),
        }
    }
}

impl FromStr for RepositoryPattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "*" => Ok(Self::All),
            prefix => prefix.strip_suffix('/').unwrap_or(prefix).parse().map(Self::Prefix),
        }
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Prefix(prefix) => fmt::Display::fmt(prefix, f),
        }
    }
}

impl Serialize for RepositoryPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RepositoryPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One entry of a remote registry's `credentials`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialRule {
    /// Which repositories it is for.
    pub repository: RepositoryPattern,
    /// The vault of the secret.
    pub vault: VaultName,
    /// The secret.
    pub secret: SecretName,
}

impl CredentialRule {
    /// The most specific rule for a repository; of two equals the first.
    #[must_use]
    pub fn most_specific<'a>(rules: &'a [Self], repository: Option<&RepositoryName>) -> Option<&'a Self> {
        let ranked = rules.iter().rev().filter_map(|rule| Some((rule.repository.rank(repository)?, rule)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, rule)| rule)
    }

    /// The secret that it names.
    #[must_use]
    pub fn path(&self) -> SecretPath {
        SecretPath { vault: self.vault.clone(), secret: self.secret.clone() }
    }
}

/// Where the secrets of a vault are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The platform's keychain: Secret Service, macOS Keychain, Windows Credential Manager.
    #[default]
    Keychain,
    /// An encrypted file.
    File,
    /// Environment variables; read only.
    Environment,
    /// The files and helpers of docker and podman; read only.
    Docker,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Keychain, Self::File, Self::Environment, Self::Docker];

    /// The word for it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Docker => "docker",
        }
    }
}

impl Backend {
    /// Whether tranship writes such a vault; the others belong to someone else.
    #[must_use]
    pub const fn is_written(self) -> bool {
        match self {
            Self::Keychain | Self::File => true,
            Self::Environment | Self::Docker => false,
        }
    }
}

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        let named = Self::ALL.into_iter().find(|backend| backend.as_str() == text);
        named.ok_or_else(|| BackendError(text.to_owned()))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no vault backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a vault backend (keychain, file, environment or docker)", .0.escape_debug())]
pub struct BackendError(String);

/// One entry of the configuration's `vaults`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VaultSettings {
    /// What it is called.
    pub name: VaultName,
    /// Where its secrets are.
    #[serde(default)]
    pub backend: Backend,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(patterns: &[&str]) -> Vec<CredentialRule> {
        let rule = |(number, pattern): (usize, &&str)| CredentialRule {
            repository: pattern.parse().unwrap(),
            vault: "v".parse().unwrap(),
            secret: format!("s{number}").parse().unwrap(),
        };
        patterns.iter().enumerate().map(rule).collect()
    }

    #[test]
    fn the_longest_prefix_on_path_boundaries_wins() {
        let rules = rules(&["*", "team-a", "team-a/app", "team-a", "team-ab"]);
        let chosen = |repository: Option<&str>| {
            let repository = repository.map(|text| text.parse().unwrap());
            CredentialRule::most_specific(&rules, repository.as_ref()).unwrap().secret.to_string()
        };
        assert_eq!(chosen(Some("redis")), "s0");
        assert_eq!(chosen(Some("team")), "s0");
        assert_eq!(chosen(Some("team-a")), "s1");
        assert_eq!(chosen(Some("team-a/other")), "s1");
        assert_eq!(chosen(Some("team-a/app/x")), "s2");
        assert_eq!(chosen(Some("team-abc")), "s0");
        assert_eq!(chosen(None), "s0");
        assert!(CredentialRule::most_specific(&self::rules(&["a"]), None).is_none());
        assert!(CredentialRule::most_specific(&[], None).is_none());
    }

    #[test]
    fn patterns_read_and_print() {
        assert_eq!("team-a/".parse::<RepositoryPattern>().unwrap().to_string(), "team-a");
        for bad in ["", "/", "team-*", "team/*", "A", "*/x"] {
            assert!(bad.parse::<RepositoryPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn documents_are_in_kebab_case_and_closed() {
        let rule = r#"{"repository":"*","vault":"registry-credentials","secret":"example-registry"}"#;
        let read: CredentialRule = serde_json::from_str(rule).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), rule);
        assert_eq!(read.path().to_string(), "registry-credentials/example-registry");
        let vault: VaultSettings = serde_json::from_str(r#"{"name":"v","backend":"file"}"#).unwrap();
        assert_eq!(vault.backend, Backend::File);
        assert!(serde_json::from_str::<VaultSettings>(r#"{"name":"v","password":"x"}"#).is_err());
        for backend in Backend::ALL {
            assert_eq!(backend.as_str().parse(), Ok(backend));
            assert_eq!(serde_json::to_string(&backend).unwrap(), format!("\"{backend}\""));
        }
        assert!("plain".parse::<Backend>().unwrap_err().to_string().contains("keychain, file"));
    }
}
