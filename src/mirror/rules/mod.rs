//! The rules: which images are to be where, read from a file or from the words of a command.
//!
//! `document` is this program's form, `regsync` and `skopeo` are those of two others; all become the same [`Rules`].

mod document;
mod ranges;
mod regsync;
mod skopeo;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::path::{Base, below};
use super::{BackupName, Filter, PathError, RepositoryPath, Share, Subject, TagFilter};
use crate::failure::{Failure, FailureKind};
use crate::files::{FileError, read_following_links};
use crate::image::{Attached, Naming, Platform, ReferenceError, Tag};
use crate::transfer::Options;
use crate::yaml::{self, Completeness, Document, Origin, Place, Problem, Reader, located};

/// How many problems are told at once.
const TOLD: usize = 10;

/// What is to be the same.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The rules, in their order.
    pub rules: Vec<Rule>,
    /// What in the file has no meaning here.
    pub warnings: Vec<Problem>,
}

/// One rule: what is taken from where, and where it is to be.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it takes from.
    pub from: Subject,
    /// Which repositories, where it takes from several.
    pub repositories: Filter,
    /// Where its images are to be.
    pub to: Vec<To>,
    /// Which tags of a repository.
    pub tags: TagFilter,
    /// Which platforms; none where the rule says nothing of it.
    pub platforms: Option<Vec<Platform>>,
    /// What comes along; none where the rule says nothing of it.
    pub attached: Option<Attached>,
    /// How much of a destination may be removed with `--prune`; none where nothing is.
    pub prune: Option<Share>,
    /// The name that what is overwritten keeps.
    pub backup: Option<BackupName>,
}

/// Where the images of a rule are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// In this repository, under their tags, or the one image under this tag.
    Exact(RepositoryPath, Option<Tag>),
    /// Below this place, under what `*` stands for.
    Below(Base),
    /// Below this place, under the whole name of their repository, as at home.
    Whole(Base),
    /// Below this place, under the last part of the name.
    Last(Base),
}

impl To {
    /// The repository for images of `source`, one of those that `from` stands for.
    ///
    /// # Errors
    /// The name would be too long, or begins with an address that cannot stand in a name.
    pub(super) fn resolve(&self, from: &Subject, source: &RepositoryPath) -> Result<RepositoryPath, ReferenceError> {
        let name = &source.repository;
        match self {
            Self::Exact(path, _) => Ok(path.clone()),
            Self::Below(base) => match from {
                Subject::Namespace { within: Some(within), .. } => {
                    base.join(&below(within, name).unwrap_or(name.as_str()).parse()?)
                }
                _ => base.join(name),
            },
            Self::Whole(base) => base.join(&source.at_home()?),
            Self::Last(base) => base.join(&name.parts().last().unwrap_or_default().parse()?),
        }
    }

    /// The tag that the one image gets there, where it is not its own.
    pub(super) fn tag(&self) -> Option<Tag> {
        match self {
            Self::Exact(_, tag) => tag.clone(),
            Self::Below(_) | Self::Whole(_) | Self::Last(_) => None,
        }
    }
}

impl Rule {
    /// A rule that takes everything of `from` and says nothing else.
    #[must_use]
    pub fn new(from: Subject, to: Vec<To>) -> Self {
        Self {
            from,
            repositories: Filter::all(),
            to,
            tags: TagFilter::default(),
            platforms: None,
            attached: None,
            prune: None,
            backup: None,
        }
    }

    /// Whether it takes from several repositories, of which some may have nothing that is wanted.
    #[must_use]
    pub const fn takes_several(&self) -> bool {
        matches!(self.from, Subject::Namespace { .. })
    }

    /// How its images are moved; `usual` is what holds where the rule says nothing.
    #[must_use]
    pub fn options(&self, usual: &Options) -> Options {
        Options {
            platforms: self.platforms.clone().unwrap_or_else(|| usual.platforms.clone()),
            attached: self.attached.unwrap_or(usual.attached),
            clobber: usual.clobber,
        }
    }
}

/// The form of a file of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// This program's.
    #[default]
    Tranship,
    /// That of regclient's `regsync`.
    Regsync,
    /// That of `skopeo sync --src yaml`.
    Skopeo,
}

impl Format {
    /// Every form, this program's first.
    pub const ALL: [Self; 3] = [Self::Tranship, Self::Regsync, Self::Skopeo];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tranship => "tranship",
            Self::Regsync => "regsync",
            Self::Skopeo => "skopeo",
        }
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::ALL.into_iter().find(|format| format.word() == text).ok_or_else(|| FormatError(text.to_owned()))
    }
}

/// A word that is no form of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of tranship, regsync, skopeo", .0.escape_debug())]
pub struct FormatError(String);

/// What of a repository's name stands at a destination that is a place for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoping {
    /// What the form of the rules says: skopeo's its last part, the others all of it.
    Usual,
    /// All of it, with its registry.
    Whole,
}

/// Whether rules have to say where images are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// They have to.
    Needed,
    /// It does not matter: they go elsewhere altogether.
    Elsewhere,
}

/// How rules are read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// What completes short names.
    pub naming: &'a Naming,
    /// Places for all images, before those that the file names for all.
    pub to: &'a [String],
    /// What of the names stands there.
    pub scoping: Scoping,
    /// Whether rules have to say where to.
    pub destinations: Destinations,
}

impl Rules {
    /// Reads a file of rules.
    ///
    /// # Errors
    /// It cannot be read, or says something that cannot be: everything that is wrong, each with its line.
    pub fn read(path: &Path, format: Format, reading: Reading<'_>) -> Result<Self, RulesError> {
        let bytes =
            read_following_links(path, yaml::MAX_BYTES as u64)?.ok_or_else(|| RulesError::Absent(path.into()))?;
        let text = String::from_utf8(bytes).map_err(|_| RulesError::NotText(path.into()))?;
        Self::parse(&text, &Origin::File(path.to_owned()), format, reading)
    }

    /// Reads rules that come from `origin`.
    ///
    /// # Errors
    /// They say something that cannot be.
    pub fn parse(text: &str, origin: &Origin, format: Format, reading: Reading<'_>) -> Result<Self, RulesError> {
        let wrong = |error: yaml::YamlError| {
            RulesError::Invalid(vec![Problem { origin: origin.clone(), line: error.line, what: error.what }])
        };
        let document = Document::parse(text).map_err(wrong)?;
        let prepared = match format {
            Format::Regsync => regsync::prepared(document.value()),
            Format::Tranship | Format::Skopeo => document.value().clone(),
        };
        let mut reader = Reader::new(Completeness::Whole);
        let place = Place { value: &prepared, path: Vec::new() };
        let rules = match format {
            Format::Tranship => document::read(&mut reader, place, reading),
            Format::Regsync => regsync::read(&mut reader, place, reading),
            Format::Skopeo => skopeo::read(&mut reader, &place, reading),
        };
        if !reader.problems.is_empty() {
            return Err(RulesError::Invalid(located(reader.problems, origin, || document.positions())));
        }
        let warnings = located(reader.ignored, origin, || document.positions());
        Ok(Self { rules, warnings })
    }

    /// The rule of `SRC DST…`: everything of a repository, or of several, to each destination.
    ///
    /// # Errors
    /// A name is wrong.
    pub fn of_words(from: &str, to: &[String], naming: &Naming) -> Result<Rule, PathError> {
        let from = Subject::parse(from, naming)?;
        let to = to.iter().map(|text| destination(text, &from, naming)).collect::<Result<_, _>>()?;
        Ok(Rule::new(from, to))
    }
}

/// Reads a destination that a rule names by itself.
fn destination(text: &str, from: &Subject, naming: &Naming) -> Result<To, PathError> {
    match from {
        Subject::Namespace { .. } => Ok(To::Below(Base::parse(text, naming)?)),
        Subject::Repository(_) => Ok(To::Exact(RepositoryPath::parse(text, naming)?, None)),
        Subject::Image { .. } => match Subject::parse(text, naming)? {
            Subject::Repository(path) => Ok(To::Exact(path, None)),
            Subject::Image { path, tag: Some(tag), digest: None } => Ok(To::Exact(path, Some(tag))),
            Subject::Image { .. } => Err(PathError::Digest(text.to_owned())),
            Subject::Namespace { .. } => Err(PathError::Star),
        },
    }
}

/// Why rules cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not there.
    #[error("there is no file {}", .0.display())]
    Absent(PathBuf),
    /// The file is not text.
    #[error("{} is not text (UTF-8)", .0.display())]
    NotText(PathBuf),
    /// What it says is wrong, in one place or several; never empty.
    #[error("{}", Told(.0))]
    Invalid(Vec<Problem>),
}

/// Problems as one sentence.
struct Told<'a>(&'a [Problem]);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().take(TOLD).enumerate() {
            write!(f, "{}{problem}", if number == 0 { "" } else { "; " })?;
        }
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl Failure for RulesError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Absent(_) | Self::NotText(_) | Self::Invalid(_) => FailureKind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}
