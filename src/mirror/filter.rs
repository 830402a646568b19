//! Which names are wanted: by glob, regular expression and range of versions, and the newest of them.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use globset::{Glob, GlobSet, GlobSetBuilder};
use regex::{Regex, RegexBuilder};
use semver::VersionReq;

use crate::image::Tag;

/// The most memory that one regular expression may take when it is compiled.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Which names are wanted. Every condition that is given must hold; one that is not given holds.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    matching: Option<GlobSet>,
    excluded: Option<GlobSet>,
    regexes: Vec<Regex>,
    excluded_regexes: Vec<Regex>,
    ranges: Vec<VersionReq>,
}

impl Filter {
    /// The filter that takes everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Takes only names that match one of these globs, where there are any.
    ///
    /// # Errors
    /// A glob is wrong.
    pub fn matching<T: AsRef<str>>(self, globs: &[T]) -> Result<Self, FilterError> {
        Ok(Self { matching: set(globs)?, ..self })
    }

    /// Takes no name that matches one of these globs.
    ///
    /// # Errors
    /// A glob is wrong.
    pub fn without<T: AsRef<str>>(self, globs: &[T]) -> Result<Self, FilterError> {
        Ok(Self { excluded: set(globs)?, ..self })
    }

    /// Takes only names that one of these regular expressions matches, where there are any.
    #[must_use]
    pub fn matching_regexes(self, regexes: Vec<Regex>) -> Self {
        Self { regexes, ..self }
    }

    /// Takes no name that one of these regular expressions matches.
    #[must_use]
    pub fn without_regexes(self, regexes: Vec<Regex>) -> Self {
        Self { excluded_regexes: regexes, ..self }
    }

    /// Takes only versions of one of these ranges, where there are any.
    #[must_use]
    pub fn within(self, ranges: impl IntoIterator<Item = VersionReq>) -> Self {
        Self { ranges: ranges.into_iter().collect(), ..self }
    }

    /// Whether it takes everything.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.matching.is_none()
            && self.excluded.is_none()
            && self.regexes.is_empty()
            && self.excluded_regexes.is_empty()
            && self.ranges.is_empty()
    }

    /// Whether `name` is wanted, apart from its version.
    #[must_use]
    pub fn takes_name(&self, name: &str) -> bool {
        self.matching.as_ref().is_none_or(|globs| globs.is_match(name))
            && !self.excluded.as_ref().is_some_and(|globs| globs.is_match(name))
            && (self.regexes.is_empty() || self.regexes.iter().any(|regex| regex.is_match(name)))
            && !self.excluded_regexes.iter().any(|regex| regex.is_match(name))
    }

    /// Whether `tag` is wanted.
    #[must_use]
    pub fn takes(&self, tag: &Tag) -> bool {
        let within = |version| self.ranges.iter().any(|range| range.matches(&version));
        self.takes_name(tag.as_str()) && (self.ranges.is_empty() || tag.version().is_some_and(within))
    }
}

/// Reads a regular expression that has to match a whole name, unless it says otherwise by itself.
///
/// # Errors
/// Says what is wrong in it.
pub(super) fn regex(text: &str, extent: Extent) -> Result<Regex, FilterError> {
    let whole = match extent {
        Extent::Whole => format!("^(?:{text})$"),
        Extent::Part => text.to_owned(),
    };
    // An error quotes the expression over several lines; its last one says what is wrong.
    let wrong = |error: &regex::Error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        FilterError::Regex(last.strip_prefix("error: ").unwrap_or(last).to_owned())
    };
    // What is wrong is told of the text as it is written, not of what is made of it.
    Regex::new(text).map_err(|error| wrong(&error))?;
    RegexBuilder::new(&whole).size_limit(MAX_REGEX_BYTES).build().map_err(|error| wrong(&error))
}

/// Reads a regular expression that has to match a whole name.
///
/// # Errors
/// Says what is wrong in it.
pub fn read_regex(text: &str) -> Result<Regex, FilterError> {
    regex(text, Extent::Whole)
}

/// How much of a name a regular expression has to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// Any part of it.
    Part,
}

fn set<T: AsRef<str>>(globs: &[T]) -> Result<Option<GlobSet>, FilterError> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(self::glob(glob.as_ref())?);
    }
    set.build().map(Some).map_err(|error| FilterError::Glob(error.kind().to_string()))
}

/// Reads a glob.
///
/// # Errors
/// Says what is wrong in it.
pub(super) fn glob(text: &str) -> Result<Glob, FilterError> {
    Glob::new(text).map_err(|error| FilterError::Glob(error.kind().to_string()))
}

/// Whether a glob is a plain name.
pub(super) fn is_plain(glob: &str) -> bool {
    !glob.contains(['*', '?', '[', '{', '\\'])
}

/// Which tags of a repository are wanted.
#[derive(Clone, Debug, Default)]
pub struct TagFilter {
    /// What each has to be.
    pub filter: Filter,
    /// How many of those that are left; all where none is said.
    pub newest: Option<Newest>,
}

/// The newest of several tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// How many.
    pub count: NonZeroUsize,
    /// By what they are ordered.
    pub order: Order,
}

/// By what tags are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By version; what is none is not taken.
    #[default]
    Semver,
    /// By the time the image was made, which costs reading it.
    Date,
}

impl FromStr for Order {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        match text {
            "semver" => Ok(Self::Semver),
            "date" => Ok(Self::Date),
            _ => Err(OrderError(text.to_owned())),
        }
    }
}

impl Order {
    /// Every order, the usual first.
    pub const ALL: [Self; 2] = [Self::Semver, Self::Date];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Semver => "semver",
            Self::Date => "date",
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of semver, date", .0.escape_debug())]
pub struct OrderError(String);

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A glob is wrong.
    #[error("this is not a glob: {0}")]
    Glob(String),
    /// A regular expression is wrong.
    #[error("this is not a regular expression: {0}")]
    Regex(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(filter: &Filter) -> Vec<&'static str> {
        let tags = ["3.9", "3.18", "3.18.4", "3.19.0-rc1", "4.0", "v3.20", "latest", "edge", "sha-1234"];
        tags.into_iter().filter(|tag| filter.takes(&tag.parse().unwrap())).collect()
    }

    #[test]
    fn every_condition_must_hold() {
        assert_eq!(taken(&Filter::all()).len(), 9);
        let globs = Filter::all().matching(&["3.*", "latest"]).unwrap();
        assert_eq!(taken(&globs), ["3.9", "3.18", "3.18.4", "3.19.0-rc1", "latest"]);
        let without = globs.without(&["*-rc*"]).unwrap();
        assert_eq!(taken(&without), ["3.9", "3.18", "3.18.4", "latest"]);
        let ranged = without.within(Some(">=3.18".parse().unwrap()));
        assert_eq!(taken(&ranged), ["3.18", "3.18.4"]);
        let whole = ranged.matching_regexes(vec![regex(r"\d+\.\d+", Extent::Whole).unwrap()]);
        assert_eq!(taken(&whole), ["3.18"]);
        let part = Filter::all().without_regexes(vec![regex(r"\d", Extent::Part).unwrap()]);
        assert_eq!(taken(&part), ["latest", "edge"]);
    }

    #[test]
    fn what_is_no_pattern() {
        assert!(Filter::all().matching(&["["]).unwrap_err().to_string().contains("glob"));
        let error = regex("(", Extent::Whole).unwrap_err().to_string();
        assert!(error.contains("unclosed group"), "{error}");
        assert!(regex("(a{1000}){1000}", Extent::Part).is_err());
        assert!(regex("a)|(b", Extent::Whole).is_err(), "an expression is whole by itself");
    }
}
