//! The keys of `settings`, for commands that show and set one at a time.

use std::fmt;
use std::str::FromStr;

use super::model::Settings;
use crate::failure::{Failure, FailureKind};
use crate::yaml::suggestion;

/// A key of `settings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SettingKey {
    /// Where a reference without a registry is looked up.
    DefaultRemoteRegistry,
    /// Where pulled images land.
    HomeRegistry,
    /// What keeps the secrets of new vaults.
    VaultBackend,
    /// The platforms that are copied.
    Platforms,
    /// Which signatures, SBOMs and attestations come along.
    Attached,
    /// How many requests run at once.
    Concurrency,
    /// The directory of the local store.
    Store,
    /// How long a registry may be silent.
    Timeout,
    /// How often a request is tried again.
    Retries,
}

impl SettingKey {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::DefaultRemoteRegistry,
        Self::HomeRegistry,
        Self::VaultBackend,
        Self::Platforms,
        Self::Attached,
        Self::Concurrency,
        Self::Store,
        Self::Timeout,
        Self::Retries,
    ];

    /// The words for all of them.
    pub const WORDS: [&'static str; 9] = {
        let mut words = [""; 9];
        let mut index = 0;
        while index < words.len() {
            words[index] = Self::ALL[index].word();
            index += 1;
        }
        words
    };

    /// The key as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DefaultRemoteRegistry => "default-remote-registry",
            Self::HomeRegistry => "home-registry",
            Self::VaultBackend => "vault-backend",
            Self::Platforms => "platforms",
            Self::Attached => "attached",
            Self::Concurrency => "concurrency",
            Self::Store => "store",
            Self::Timeout => "timeout",
            Self::Retries => "retries",
        }
    }

    /// What it is for, in one line.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::DefaultRemoteRegistry => "where a reference without a registry is looked up (HOST[:PORT][/PATH])",
            Self::HomeRegistry => "where pulled images land (HOST[:PORT][/PATH]); unset: the local store",
            Self::VaultBackend => "what keeps secrets of new vaults (keychain, file, environment, docker)",
            Self::Platforms => "the platforms that are copied, separated by commas; unset: all",
            Self::Attached => "which signatures, SBOMs and attestations come along (none, image, all)",
            Self::Concurrency => "how many requests run at once for one registry (1 to 64)",
            Self::Store => "the directory of the local store",
            Self::Timeout => "how long a registry may be silent (30s, 5m)",
            Self::Retries => "how often a request that failed in passing is tried again (0 to 100)",
        }
    }

    /// What holds where it is not set and has no value then.
    #[must_use]
    pub const fn unset_means(self) -> &'static str {
        match self {
            Self::DefaultRemoteRegistry => "a reference has to name its registry",
            Self::HomeRegistry => "pulled images land in the local store",
            Self::Platforms => "every platform is copied",
            Self::VaultBackend | Self::Attached | Self::Concurrency | Self::Store | Self::Timeout | Self::Retries => {
                "the default holds"
            }
        }
    }

    /// Whether the value is a list, written on the command line with commas.
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::Platforms)
    }

    /// What it is set to, or its default; `None` where it is unset and has no default.
    #[must_use]
    pub fn shown(self, settings: &Settings) -> Option<String> {
        let list = |platforms: &[_]| platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::DefaultRemoteRegistry => settings.default_remote_registry.as_ref().map(ToString::to_string),
            Self::HomeRegistry => settings.home_registry.as_ref().map(ToString::to_string),
            Self::VaultBackend => Some(settings.vault_backend.to_string()),
            Self::Platforms => Some(list(&settings.platforms)).filter(|platforms| !platforms.is_empty()),
            Self::Attached => Some(settings.attached.to_string()),
            Self::Concurrency => Some(settings.concurrency.to_string()),
            Self::Store => settings.store.as_ref().map(|path| path.display().to_string()),
            Self::Timeout => settings
                .timeout
                .and_then(|timeout| jiff::SignedDuration::try_from(timeout).ok())
                .map(|t| format!("{t:#}")),
            Self::Retries => settings.retries.map(|retries| retries.to_string()),
        }
    }
}

impl fmt::Display for SettingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for SettingKey {
    type Err = SettingKeyError;

    fn from_str(text: &str) -> Result<Self, SettingKeyError> {
        let found = Self::ALL.into_iter().find(|key| key.word() == text);
        found.ok_or_else(|| SettingKeyError(text.to_owned()))
    }
}

/// A word that is no key of `settings`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no setting `{}`{}", .0.escape_debug(), suggestion(.0, &SettingKey::WORDS))]
pub struct SettingKeyError(pub String);

impl Failure for SettingKeyError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_both_ways() {
        for key in SettingKey::ALL {
            assert_eq!(key.to_string().parse(), Ok(key));
            assert!(SettingKey::WORDS.contains(&key.word()));
        }
        let error = "home-regsitry".parse::<SettingKey>().unwrap_err().to_string();
        assert!(error.contains("did you mean `home-registry`"), "{error}");
    }
}
