//! What is around every page, what stands in place of one, and the small things that several pages show.

use maud::{DOCTYPE, Markup, html};

use super::Visitor;
use crate::image::Digest;
use crate::registry::{Error, ErrorKind};

/// The style of all pages.
pub(super) const STYLE: &str = include_str!("style.css");

/// As much of a word that somebody else wrote is shown.
const MAX_WORD: usize = 1000;

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// What it is about is not there, or not for whoever asks.
    Missing,
    /// The place does not say.
    Failed,
}

impl From<Error> for Wrong {
    /// What the place does not say is for the log.
    fn from(error: Error) -> Self {
        if error.kind() == ErrorKind::NotFound {
            return Self::Missing;
        }
        tracing::error!(%error, "a page could not be made");
        Self::Failed
    }
}

/// A page with a title, behind the way that leads to it: names and where they lead.
pub(super) fn page(visitor: &Visitor<'_>, title: &str, way: &[(String, String)], content: &Markup) -> Markup {
    let who = visitor.principal.owner();
    let who = html! {
        @if visitor.may_log_in { a href="/login" { "Log in" } } @else { span.who { (who) } }
    };
    document(title, &who, way, content)
}

fn document(title: &str, who: &Markup, way: &[(String, String)], content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex, nofollow";
                title { (title) }
                link rel="stylesheet" href="/style.css";
                // A browser asks for an icon by itself otherwise.
                link rel="icon" href="data:,";
            }
            body {
                header {
                    nav aria-label="Where you are" {
                        a.home href="/" { "Registry" }
                        @for (name, href) in way {
                            span.slash aria-hidden="true" { "/" }
                            a href=(href) { (name) }
                        }
                    }
                    div { (who) }
                }
                main { (content) }
                footer { "Served by tranship " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}

/// A note in place of a page.
fn note(title: &str, text: &str) -> Markup {
    document(title, &html! {}, &[], &html! { h1 { (title) } p { (text) } p { a href="/" { "All repositories" } } })
}

pub(super) fn missing() -> Markup {
    note("Not here", "There is no such image, or it is not for you to see.")
}

pub(super) fn failed() -> Markup {
    note("That did not work", "The registry cannot say that now. Its log says why.")
}

pub(super) fn name_wanted() -> Markup {
    note("Who are you?", "This registry shows its images to those who give their name and password.")
}

/// The commands that fetch something.
pub(super) fn commands(lines: &[String]) -> Markup {
    html! { div.commands { @for line in lines { pre { code { (line) } } } } }
}

/// A digest as far as people compare it, the whole of it at hand.
pub(super) fn short(digest: &Digest) -> Markup {
    html! { code title=(digest) { (digest.algorithm().word()) ":" (digest.short()) "…" } }
}

/// A number of bytes.
pub(super) fn bytes(count: u64) -> String {
    bytesize::ByteSize::b(count).display().iec().to_string()
}

/// A word that somebody else wrote: as much of it as is worth showing, and nothing in it that is not seen. What is
/// markup in it becomes text where it is put into the page.
pub(super) fn word(text: &str) -> String {
    let is_hidden = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut shown: String =
        text.chars().take(MAX_WORD).map(|c| if is_hidden(&c) && c != '\n' { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX_WORD).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_short_and_all_to_be_seen() {
        assert_eq!(word("a\u{202e}b\u{1b}[31m"), "a\u{fffd}b\u{fffd}[31m");
        assert_eq!(word(&"x".repeat(5000)).chars().count(), MAX_WORD + 1);
        let page = html! { (word("<script>alert(1)</script>\"'&")) a title=(word("\" onclick=\"x")) {} };
        let page = page.into_string();
        assert!(!page.contains("<script") && !page.contains("\" onclick"), "{page}");
    }
}
