//! The name that a manifest keeps when its tag moves to another.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use regex::Regex;

use crate::failure::{did_you_mean, nearest};
use crate::image::{Digest, Tag};

/// What can stand in braces.
const WORDS: [&str; 4] = ["tag", "date", "time", "digest"];

/// How many names are tried where those before are taken.
const TRIES: usize = 100;

/// A pattern such as `{tag}-before-{date}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupName {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Tag,
    Date,
    Time,
    Digest,
}

impl BackupName {
    /// The names for what `tag` points at, which is `digest`: the next is for where the one before is taken.
    ///
    /// # Errors
    /// The name would be no tag.
    pub fn names(
        &self,
        tag: &Tag,
        digest: &Digest,
        now: Timestamp,
    ) -> impl Iterator<Item = Result<Tag, BackupNameError>> + use<> {
        let first = self.fill(tag.as_str(), digest.short(), now);
        (1..=TRIES).map(move |number| {
            let name = if number == 1 { first.clone() } else { format!("{first}-{number}") };
            name.parse().map_err(|_| BackupNameError::NoTag(name))
        })
    }

    fn fill(&self, tag: &str, digest: &str, now: Timestamp) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Tag => tag.to_owned(),
            Piece::Date => now.strftime("%Y-%m-%d").to_string(),
            Piece::Time => now.strftime("%H%M%S").to_string(),
            Piece::Digest => digest.to_owned(),
        });
        pieces.collect()
    }

    /// What recognises the names that were made by this pattern, so that nobody takes them for left-overs.
    #[must_use]
    pub fn recogniser(&self) -> Option<Regex> {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => regex::escape(text),
            Piece::Tag => ".+".to_owned(),
            Piece::Date => r"\d{4}-\d\d-\d\d".to_owned(),
            Piece::Time => r"\d{6}".to_owned(),
            Piece::Digest => "[0-9a-f]{12}".to_owned(),
        });
        Regex::new(&format!(r"^{}(-\d+)?$", pieces.collect::<String>())).ok()
    }
}

impl FromStr for BackupName {
    type Err = BackupNameError;

    fn from_str(text: &str) -> Result<Self, BackupNameError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (word, behind) = behind.split_once('}').ok_or(BackupNameError::Open)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(match word {
                "tag" => Piece::Tag,
                "date" => Piece::Date,
                "time" => Piece::Time,
                "digest" => Piece::Digest,
                _ => return Err(BackupNameError::Word(word.to_owned())),
            });
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if !pieces.contains(&Piece::Tag) {
            return Err(BackupNameError::NoWord);
        }
        if pieces.len() == 1 {
            return Err(BackupNameError::Same);
        }
        let name = Self { text: text.to_owned(), pieces };
        let probe = name.fill("x", "0123456789ab", Timestamp::UNIX_EPOCH);
        probe.parse::<Tag>().map_err(|_| BackupNameError::NoTag(probe))?;
        Ok(name)
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no pattern for names of what is overwritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupNameError {
    /// A brace that is not closed.
    #[error("a `{{` is not closed")]
    Open,
    /// A word that stands for nothing.
    #[error("`{{{}}}` stands for nothing{}", .0.escape_debug(), suggestion(.0))]
    Word(String),
    /// All tags would have one backup.
    #[error("without `{{tag}}` all tags would have the same name")]
    NoWord,
    /// The backup would be the tag itself.
    #[error("this is the tag itself; put something beside it, as in `{{tag}}-before-{{date}}`")]
    Same,
    /// What comes out is no tag.
    #[error("`{}` would be no tag", .0.escape_debug())]
    NoTag(String),
}

fn suggestion(word: &str) -> String {
    match nearest(word, WORDS) {
        found @ Some(_) => did_you_mean(found),
        None => format!("; there are {}", WORDS.map(|word| format!("{{{word}}}")).join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_what_is_overwritten() {
        let name: BackupName = "{tag}-before-{date}".parse().unwrap();
        let (tag, digest) = ("1.0".parse().unwrap(), Digest::of(b"x"));
        let now = "2026-11-28T12:34:56Z".parse().unwrap();
        let names: Vec<String> = name.names(&tag, &digest, now).take(3).map(|name| name.unwrap().to_string()).collect();
        assert_eq!(names, ["1.0-before-2026-11-28", "1.0-before-2026-11-28-2", "1.0-before-2026-11-28-3"]);
        let recogniser = name.recogniser().unwrap();
        assert!(names.iter().all(|name| recogniser.is_match(name)));
        assert!(!recogniser.is_match("1.0") && !recogniser.is_match("1.0-before-yesterday"));
        let name: BackupName = "old.{digest}.{tag}_{time}".parse().unwrap();
        let first = name.names(&tag, &digest, now).next().unwrap().unwrap();
        assert_eq!(first.as_str(), format!("old.{}.1.0_123456", digest.short()));
        assert!(name.recogniser().unwrap().is_match(first.as_str()));
    }

    #[test]
    fn what_is_no_pattern() {
        for (text, part) in [
            ("{tag", "not closed"),
            ("{tgs}-x", "did you mean `tag`"),
            ("{whatever}-x", "{tag}, {date}"),
            ("backup-{date}", "without `{tag}`"),
            ("{tag}", "tag itself"),
            ("{tag} before", "no tag"),
            ("-{tag}", "no tag"),
        ] {
            let error = text.parse::<BackupName>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
