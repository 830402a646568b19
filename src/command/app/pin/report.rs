//! What `app pin` says: which words have changed, and which digests still hold.

use std::io::{self, Write};

use serde::Serialize;

use crate::command::CommandError;
use crate::command::specs::Use;
use crate::failure::FailureKind;
use crate::image::Digest;
use crate::output::{Page, Report, Shown, Table};

/// Words that were replaced.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) from: String,
    pub(super) to: String,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(super) struct PinReport {
    pub(super) images: Vec<Change>,
}

impl Report for PinReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for Change { file, line, from, to } in &self.images {
            writeln!(page, "{}:{line}: {} -> {}", Shown(file), Shown(from), Shown(to))?;
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.images.iter().try_for_each(|change| writeln!(page, "{}", Shown(&change.to)))
    }
}

/// Whether an image's digest holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    /// It is what the tag points at.
    Pinned,
    /// The tag points elsewhere now.
    Moved,
    /// There is none.
    Unpinned,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Moved => "moved",
            Self::Unpinned => "not pinned",
        }
    }
}

/// An image and its digest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pin {
    pub(super) reference: String,
    pub(super) state: State,
    /// What the tag points at now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) now: Option<Digest>,
    #[serde(flatten)]
    pub(super) place: Use,
}

impl Pin {
    /// What is wrong with it, where something is.
    pub(super) fn failure(&self) -> Option<CommandError> {
        let Use { file, line, .. } = &self.place;
        let image = &self.reference;
        let (what, hint) = match (self.state, &self.now) {
            (State::Pinned, _) => return None,
            (State::Moved, Some(now)) => {
                (format!("the tag of `{image}` points at {now} now"), "renew the digest: `tranship app pin --update`")
            }
            (State::Moved, None) => (format!("the tag of `{image}` points elsewhere now"), "look at its tags"),
            (State::Unpinned, _) => (format!("`{image}` has no digest"), "give it one: `tranship app pin`"),
        };
        Some(CommandError::plain(FailureKind::Failed, format!("{file}:{line}: {what}")).with_hint(hint))
    }
}

/// Which digests hold.
#[derive(Debug, Serialize)]
pub(super) struct VerifyReport {
    pub(super) images: Vec<Pin>,
}

impl Report for VerifyReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new(["image", "state", "used by"]);
        for pin in &self.images {
            let name = pin.reference.split_once('@').map_or(pin.reference.as_str(), |(name, _)| name);
            table.row([name, pin.state.word(), &pin.place.user]);
        }
        page.table(&table)
    }

    /// Those that do not hold.
    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let wrong = self.images.iter().filter(|pin| pin.state != State::Pinned);
        wrong.into_iter().try_for_each(|pin| writeln!(page, "{}", pin.reference))
    }
}
