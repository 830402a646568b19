//! YAML documents that keep their comments and order: read, asked for a place, edited.
//!
//! What a document means is read by one parser (`serde_yaml`), where things stand in it and how its text
//! changes by another (`yaml-edit`, a lossless tree). Every edit is checked by the first: what was written means
//! exactly what was intended, or nothing is changed. A text of several documents, of which single words are to be
//! replaced, is read from the events of a third (`saphyr-parser`), which alone tells where the word behind an alias
//! or a merge stands. Nothing here knows what a document is about. The configuration uses it, and what reads
//! application specs and rules. `reader` takes a document apart strictly, and `problem` says what is wrong in it,
//! with its line.

mod edit;
#[cfg(test)]
mod edit_tests;
mod position;
mod problem;
mod reader;
mod stream;
#[cfg(test)]
mod stream_tests;

pub use edit::EditError;
pub use position::Positions;
pub(crate) use problem::{Finding, located, suggestion};
pub use problem::{Origin, Problem};
pub(crate) use reader::{Completeness, Fields, Kind, Place, Read, Reader, Scalar, from_text, names_a_secret};
pub use serde_yaml::{Mapping, Value};
pub use stream::{Node, Stream, replace_words};

use crate::failure::{Failure, FailureKind};

/// The longest text that is read, in bytes: far above any file that a person keeps.
pub const MAX_BYTES: usize = 4 << 20;

/// One step from a collection to something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the value of this key of a mapping.
    Key(String),
    /// To the item at this index of a sequence, counted from 0.
    Item(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Item(index)
    }
}

/// The value at `path` below `value`, where there is one.
#[must_use]
pub fn at<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match (value, step) {
        (Value::Mapping(mapping), Step::Key(key)) => mapping.get(key),
        (Value::Sequence(items), Step::Item(index)) => items.get(*index),
        _ => None,
    })
}

/// One YAML document: its text, and what the text means.
///
/// Aliases are followed in the meaning; a text with two documents, with a key twice in one mapping or longer than
/// [`MAX_BYTES`] is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    text: String,
    value: Value,
}

impl Document {
    /// Reads a document. An empty text, or one of comments alone, means [`Value::Null`].
    ///
    /// # Errors
    /// The text is not YAML; says on which line.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        if text.len() > MAX_BYTES {
            return Err(YamlError { line: None, what: format!("the text is longer than {MAX_BYTES} bytes") });
        }
        let value = serde_yaml::from_str(text).map_err(|error| YamlError::of(&error))?;
        Ok(Self { text: text.to_owned(), value })
    }

    /// Writes a value as a document of its own.
    ///
    /// # Errors
    /// The value has a form that YAML cannot hold, e.g. a mapping as a key.
    pub fn of(value: &impl serde::Serialize) -> Result<Self, YamlError> {
        let text = serde_yaml::to_string(value).map_err(|error| YamlError::of(&error))?;
        Self::parse(&text)
    }

    /// The text, byte for byte.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Where things stand in the text.
    #[must_use]
    pub fn positions(&self) -> Positions {
        Positions::of(&self.text)
    }

    /// The part at `path` as a document of its own, in the words of this one.
    ///
    /// # Errors
    /// Nothing stands there.
    pub fn part(&self, path: &[Step]) -> Result<Self, EditError> {
        let value = at(&self.value, path).ok_or_else(|| EditError::missing(path))?;
        let own_words = self.positions().part(&self.text, path).and_then(|text| Self::parse(&text).ok());
        match own_words.filter(|part| part.value == *value) {
            Some(part) => Ok(part),
            // The part leans on an anchor that stands outside it, or the two parsers see it differently.
            None => Self::of(value).map_err(EditError::from),
        }
    }
}

/// A text that is not a YAML document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct YamlError {
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, without the place.
    pub what: String,
}

impl YamlError {
    fn of(error: &serde_yaml::Error) -> Self {
        let line = error.location().map(|location| location.line());
        // The place is told apart, as a number; the parser's words for it are cut off.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default().escape_debug().to_string();
        // It quotes what it expected.
        Self { line, what: format!("this is not YAML: {}", what.replace("\\'", "'")) }
    }
}

impl Failure for YamlError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        assert_eq!(Document::parse("").unwrap().value(), &Value::Null);
        assert_eq!(Document::parse("# only\n").unwrap().value(), &Value::Null);
        let document = Document::parse("a: &x [1, 2]\nb: *x\n").unwrap();
        assert_eq!(at(document.value(), &["b".into(), 1.into()]), Some(&Value::from(2)));
        assert_eq!(at(document.value(), &["b".into(), 2.into()]), None);
        assert_eq!(at(document.value(), &["b".into(), "x".into()]), None);
    }

    #[test]
    fn what_is_refused_names_its_line() {
        for (text, line) in [("a: 1\nb: [\n", 2), ("a: 1\na: 2\n", 1), ("a: 1\n b: 2\n", 2), ("x: *nowhere\n", 1)] {
            let error = Document::parse(text).expect_err(text);
            assert!(error.line.is_some_and(|found| found >= line), "{text:?}: {error:?}");
            assert!(!error.to_string().contains("at line"), "{error}");
        }
        assert!(Document::parse("--- 1\n--- 2\n").is_err());
        assert!(Document::parse(&"[".repeat(1000)).is_err());
        assert!(Document::parse(&" ".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn a_part_keeps_its_words() {
        let text = "list:\n  - address: x # why\n    note: |\n      one\n       two\n  - {a: '1'}\nn: 1.10\nr: &r {q: 1}\ns: [*r]\n";
        let document = Document::parse(text).unwrap();
        let part = |path: &[Step]| document.part(path).unwrap().text().to_owned();
        assert_eq!(part(&["list".into(), 0.into()]), "address: x # why\nnote: |\n  one\n   two\n");
        assert_eq!(part(&["list".into(), 1.into()]), "{a: '1'}\n");
        assert_eq!(part(&["n".into()]), "1.10\n");
        assert_eq!(part(&["s".into()]), "- q: 1\n");
        assert!(document.part(&["x".into()]).is_err());
    }
}
