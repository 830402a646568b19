//! Retention: which repositories keep how much.

use std::time::{Duration, SystemTime};

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::image::RepositoryName;

/// What stays in the repositories that it fits.
///
/// A tag goes where there is a `keep`, the tag is not among that many that moved last, and it did not move within
/// `keep_younger_than`. A manifest that nothing names goes once it has been so for `untagged_after`, and not within
/// `keep_younger_than` of its coming.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionRule {
    /// Which repositories; all where there is no pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories: Option<RepositoryPattern>,
    /// How many tags stay of each; all where there is no number. Those that name signatures and their like of other
    /// images (`sha256-…`) count with these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
    /// What is younger stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_younger_than: Option<Duration>,
    /// When what has no name goes: never where there is no time, unless there is a `keep`; then at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untagged_after: Option<Duration>,
}

impl RetentionRule {
    /// The rule of `prune`: what has no name goes at once.
    #[must_use]
    pub fn unnamed() -> Self {
        Self { untagged_after: Some(Duration::ZERO), ..Self::default() }
    }

    /// Whether it is for a repository.
    #[must_use]
    pub fn fits(&self, repository: &RepositoryName) -> bool {
        self.repositories.as_ref().is_none_or(|pattern| pattern.fits(repository))
    }

    /// Whether what came at `since` is too young to go.
    pub(super) fn is_young(&self, since: SystemTime, now: SystemTime) -> bool {
        self.keep_younger_than.is_some_and(|young| is_within(since, young, now))
    }

    /// Whether what has had no name since `since` may go.
    pub(super) fn lets_go(&self, since: SystemTime, now: SystemTime) -> bool {
        let patience = self.untagged_after.or_else(|| self.keep.map(|_| Duration::ZERO));
        patience.is_some_and(|patience| !is_within(since, patience, now))
    }
}

/// Whether `since` is less than `time` ago; what is yet to come is as good as now.
fn is_within(since: SystemTime, time: Duration, now: SystemTime) -> bool {
    now.duration_since(since).unwrap_or_default() < time
}

/// A pattern for names of repositories: `*` within a part, `**` across parts.
#[derive(Clone, Debug)]
pub struct RepositoryPattern(GlobMatcher);

impl RepositoryPattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is none; the error says why.
    pub fn new(text: &str) -> Result<Self, globset::Error> {
        Ok(Self(GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher()))
    }

    /// Whether a name is meant.
    #[must_use]
    pub fn fits(&self, name: &RepositoryName) -> bool {
        self.0.is_match(name.as_str())
    }
}

impl Serialize for RepositoryPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.glob().glob())
    }
}

impl<'de> Deserialize<'de> for RepositoryPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
