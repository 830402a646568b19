//! What is wrong in a text that a person wrote, and on which line.

use std::fmt;
use std::path::PathBuf;

use super::{Positions, Step};
use crate::failure::{did_you_mean, nearest};

/// Where a text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File(PathBuf),
    /// A file that a command was given.
    Given(PathBuf),
    /// What a command was given on its standard input.
    Input,
    /// A value of the command line, for the setting or flag of this name.
    Value(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Given(path) => write!(f, "{}", path.display()),
            Self::Input => f.write_str("standard input"),
            Self::Value(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong, or has no effect, in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the text comes from.
    pub origin: Origin,
    /// The line, counted from 1; none for a value of the command line.
    pub line: Option<usize>,
    /// What is wrong, as a sentence without a full stop. Never holds a value that could be a secret.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.origin, self.what),
            None => write!(f, "{}: {}", self.origin, self.what),
        }
    }
}

/// What was found while reading, by its place; becomes a [`Problem`] when the lines are looked up.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) path: Vec<Step>,
    pub(crate) what: String,
}

/// Looks up the lines. Only where something was found: it takes a second parser.
pub(crate) fn located(findings: Vec<Finding>, origin: &Origin, positions: impl FnOnce() -> Positions) -> Vec<Problem> {
    if findings.is_empty() {
        return Vec::new();
    }
    let positions = positions();
    let line = |path: &[Step]| (!matches!(origin, Origin::Value(_))).then(|| positions.line(path));
    let problem = |Finding { path, what }| Problem { origin: origin.clone(), line: line(&path), what };
    findings.into_iter().map(problem).collect()
}

/// `; did you mean …?`, or what there is.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        nearest @ Some(_) => did_you_mean(nearest),
        None => format!("; known are {}", known.join(", ")),
    }
}
