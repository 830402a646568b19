//! The error of a command: what could not be done, and the failure behind it.

use std::fmt;

use crate::failure::{Answer, Failure, FailureKind};

/// What a command could not do, with the failure that kept it from doing so.
#[derive(Debug)]
pub(crate) struct CommandError {
    doing: String,
    cause: Option<Box<dyn Failure>>,
    kind: FailureKind,
    hints: Vec<String>,
}

impl CommandError {
    /// Says what could not be done, e.g. "cannot copy `a` to `b`".
    #[must_use]
    pub(crate) fn new(doing: impl Into<String>, cause: impl Failure) -> Self {
        Self { doing: doing.into(), kind: cause.kind(), cause: Some(Box::new(cause)), hints: Vec::new() }
    }

    /// The same for a failure whose type is not known.
    #[must_use]
    pub(crate) fn of(doing: impl Into<String>, cause: Box<dyn Failure>) -> Self {
        Self { doing: doing.into(), kind: cause.kind(), cause: Some(cause), hints: Vec::new() }
    }

    /// An error with nothing behind it.
    #[must_use]
    pub(crate) fn plain(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { doing: message.into(), cause: None, kind, hints: Vec::new() }
    }

    /// Wrong usage.
    #[must_use]
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::plain(FailureKind::Usage, message)
    }

    /// Adds something that the user can do, before what the cause knows.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl std::error::Error for CommandError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl Failure for CommandError {
    fn kind(&self) -> FailureKind {
        self.kind
    }

    fn hints(&self) -> Vec<String> {
        let behind = self.cause.as_deref().map(Failure::hints).unwrap_or_default();
        let mut hints: Vec<String> = self.hints.iter().cloned().chain(behind).collect();
        // Where nothing better is known, the way to find out more.
        if hints.is_empty() && self.kind == FailureKind::Unreachable {
            let silent = self.answer().map(|answer| answer.registry);
            hints.extend(
                silent.map(|registry| format!("see what answers there: `tranship registry test {registry} -vv`")),
            );
        }
        hints
    }

    fn answer(&self) -> Option<Answer> {
        self.cause.as_deref().and_then(Failure::answer)
    }
}

/// For `map_err`: says what could not be done.
pub(crate) fn cannot<E: Failure>(doing: impl Into<String>) -> impl FnOnce(E) -> CommandError {
    let doing = doing.into();
    move |cause| CommandError::new(format!("cannot {doing}"), cause)
}
