//! How an error looks: what could not be done, what lies behind it, and what to do.
//!
//! `Console::failure` renders every error of the program through this; the words are those of the errors.

use std::error::Error;
use std::fmt::Write as _;

use serde::Serialize;

use super::escape::Shown;
use super::message::Colors;
use crate::failure::{Answer, Failure, FailureKind};

/// The most causes that are shown; a longer chain is a mistake, not news.
const MAX_CAUSES: usize = 16;

/// An error as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailureView {
    kind: FailureKind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    answer: Option<Answer>,
}

impl FailureView {
    /// The view of an error: its own words say what could not be done, its sources why.
    pub(super) fn of(failure: &dyn Failure) -> Self {
        let message = failure.to_string();
        let causes = causes(&message, failure.source());
        Self { kind: failure.kind(), message, causes, hints: hints(failure), answer: failure.answer() }
    }

    /// The lines for people, each ended by a line feed.
    pub(super) fn text(&self, colors: Colors) -> String {
        let mut text = format!("{} {}\n", colors.error("error:"), Shown(&self.message));
        // Writing to a string cannot fail.
        for cause in &self.causes {
            let _ = writeln!(text, "  because: {}", Shown(cause));
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{} {}", colors.hint("hint:"), Shown(hint));
        }
        text
    }

    /// The fields of the error object.
    pub(super) fn fields(&self) -> impl Serialize + '_ {
        Fields {
            kind: self.kind.word(),
            message: &self.message,
            causes: &self.causes,
            hints: &self.hints,
            registry: self.answer.as_ref().map(|answer| answer.registry.as_str()),
            status: self.answer.as_ref().and_then(|answer| answer.status),
            code: self.answer.as_ref().and_then(|answer| answer.code.as_deref()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "type", rename = "error")]
struct Fields<'a> {
    kind: &'static str,
    message: &'a str,
    causes: &'a [String],
    hints: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// The chain of causes, without those that the line before says already.
fn causes(message: &str, first: Option<&(dyn Error + 'static)>) -> Vec<String> {
    let mut said: Vec<String> = vec![message.to_owned()];
    for cause in std::iter::successors(first, |error| (**error).source()).take(MAX_CAUSES) {
        let text = cause.to_string();
        if !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
    }
    said.split_off(1)
}

fn hints(failure: &dyn Failure) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in failure.hints() {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{self, ErrorCode, ErrorKind, Remedy};

    fn refused() -> registry::Error {
        let reset = std::io::Error::other("connection\r\nreset \u{1b}[31mred");
        registry::Error::new(ErrorKind::Denied, "the registry refused the blob: UNAUTHORIZED (HTTP 401)")
            .at("localhost:5000")
            .with_status(401)
            .with_code(ErrorCode::new("UNAUTHORIZED"))
            .with_remedy(Remedy::Login("localhost:5000".to_owned()))
            .with_remedy(Remedy::Login("localhost:5000".to_owned()))
            .caused_by(reset)
    }

    /// An error that puts what was tried before what happened, as commands do.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot copy `a:1` to `localhost:5000/a:1`")]
    struct Copying(#[source] registry::Error);

    impl Failure for Copying {
        fn kind(&self) -> FailureKind {
            Failure::kind(&self.0)
        }

        fn hints(&self) -> Vec<String> {
            self.0.hints()
        }

        fn answer(&self) -> Option<Answer> {
            self.0.answer()
        }
    }

    #[test]
    fn an_error_is_what_could_not_be_done_why_and_what_to_do() {
        let view = FailureView::of(&Copying(refused()));
        insta::assert_snapshot!(view.text(Colors::Off), @r"
        error: cannot copy `a:1` to `localhost:5000/a:1`
          because: the registry refused the blob: UNAUTHORIZED (HTTP 401)
          because: connection\r\nreset \u{1b}[31mred
        hint: run `tranship login localhost:5000`
        ");
    }

    #[test]
    fn an_error_can_speak_for_itself() {
        let view = FailureView::of(&refused());
        assert_eq!(view.message, "the registry refused the blob: UNAUTHORIZED (HTTP 401)");
        assert_eq!(view.causes.len(), 1);
    }

    #[test]
    fn an_error_object_has_the_fields_of_the_contract() {
        let view = FailureView::of(&Copying(refused()));
        insta::assert_snapshot!(serde_json::to_string_pretty(&view.fields()).unwrap(), @r#"
        {
          "type": "error",
          "kind": "denied",
          "message": "cannot copy `a:1` to `localhost:5000/a:1`",
          "causes": [
            "the registry refused the blob: UNAUTHORIZED (HTTP 401)",
            "connection\r\nreset \u001b[31mred"
          ],
          "hints": [
            "run `tranship login localhost:5000`"
          ],
          "registry": "localhost:5000",
          "status": 401,
          "code": "UNAUTHORIZED"
        }
        "#);
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let inner = std::io::Error::other("no such host");
        let outer = registry::Error::new(ErrorKind::Unreachable, "cannot reach x: no such host").caused_by(inner);
        assert_eq!(FailureView::of(&outer).text(Colors::Off), "error: cannot reach x: no such host\n");
    }

    #[test]
    fn only_the_words_in_front_are_coloured() {
        let text = FailureView::of(&refused()).text(Colors::On);
        assert!(text.starts_with("\u{1b}[31m\u{1b}[1merror:\u{1b}[0m the registry"), "{text:?}");
    }
}
