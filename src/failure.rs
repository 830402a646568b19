//! What every error of the program can say about itself: which way it failed, and what to do.
//!
//! Each module has its own error type; all of them implement [`Failure`], and the command line turns the
//! kind into an exit code and the hints into `hint:` lines. Nothing here renders anything.

use std::fmt;

/// The way in which something failed. One kind, one exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// It did not work, and no other kind says why (exit 1).
    Failed,
    /// The words of the command line or the configuration are wrong (exit 2).
    Usage,
    /// What was named does not exist (exit 3).
    NotFound,
    /// A registry, a vault or our own policy refused (exit 4).
    Denied,
    /// Nobody answered, or not in time (exit 5).
    Unreachable,
    /// Content is not what its digest, size or type says (exit 6).
    Corrupt,
    /// Some of several things failed (exit 7).
    Partial,
}

impl FailureKind {
    /// The process exit code that stands for this kind.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::Unreachable => 5,
            Self::Corrupt => 6,
            Self::Partial => 7,
        }
    }

    /// The word for this kind in structured output (`kind` of an error object).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "notFound",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::Corrupt => "corrupt",
            Self::Partial => "partial",
        }
    }

    /// The one kind that stands for several failures: theirs where all agree, else [`FailureKind::Partial`].
    ///
    /// `succeeded` is the number of things that worked; one success among failures is always partial.
    #[must_use]
    pub fn of_several(kinds: impl IntoIterator<Item = Self>, succeeded: usize) -> Option<Self> {
        let mut kinds = kinds.into_iter();
        let first = kinds.next()?;
        let agree = succeeded == 0 && kinds.all(|kind| kind == first);
        Some(if agree { first } else { Self::Partial })
    }
}

/// An error that knows its kind and its remedies.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// The way in which it failed.
    fn kind(&self) -> FailureKind;

    /// Sentences that say what to do, best first; empty where nothing useful is known.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// The registry that answered, its HTTP status and its error code, where a registry did.
    fn answer(&self) -> Option<Answer> {
        None
    }
}

/// What a registry said when it refused, for structured error output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The registry's address as the user knows it.
    pub registry: String,
    /// The HTTP status, where there was an answer at all.
    pub status: Option<u16>,
    /// The error code of the OCI error body, e.g. `MANIFEST_UNKNOWN`.
    pub code: Option<String>,
}

/// The known word that `word` was probably meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // Of a very short word something has to be right.
    let far = (length / 3).max(2).min(length.saturating_sub(1));
    let measured = known.into_iter().map(|candidate| (strsim::osa_distance(word, candidate), candidate));
    measured.filter(|(distance, _)| *distance <= far).min().map(|(_, candidate)| candidate)
}

/// `; did you mean …?`, for the end of a message; nothing where there is no such word.
#[must_use]
pub fn did_you_mean(nearest: Option<impl fmt::Display>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::FailureKind::{Denied, NotFound, Partial};
    use super::*;

    #[test]
    fn several_failures_of_one_kind_keep_it() {
        assert_eq!(FailureKind::of_several([NotFound, NotFound], 0), Some(NotFound));
        assert_eq!(FailureKind::of_several([NotFound, Denied], 0), Some(Partial));
        assert_eq!(FailureKind::of_several([NotFound], 1), Some(Partial));
        assert_eq!(FailureKind::of_several([], 3), None);
    }

    #[test]
    fn the_nearest_word() {
        let known = ["address", "ca-cert", "ca-cert-file", "tls"];
        assert_eq!(nearest("adress", known), Some("address"));
        assert_eq!(nearest("ca-crt", known), Some("ca-cert"));
        assert_eq!(nearest("cacertfile", known), Some("ca-cert-file"));
        assert_eq!(nearest("something", known), None);
        assert_eq!(nearest("v", ["w", "ci"]), None);
        assert_eq!(nearest("ci", ["di", "hub"]), Some("di"));
    }
}
