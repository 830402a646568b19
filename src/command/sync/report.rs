//! What a round tells: a line for each image that is not as it was, and a summary.

use std::io::{self, Write};

use serde::Serialize;

use super::super::moving::{counted, pinned, summary};
use crate::failure::Failure;
use crate::mirror::{Fetched, Happening, Removed, Summary};
use crate::output::{Page, Report, Shown, duration, size};
use crate::transfer::{Outline, TransferReport};

/// Something that is not as it was.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Line {
    Fetched(Box<Fetched<TransferReport>>),
    Planned(Box<Fetched<Outline>>),
    Removed(Removed),
}

impl Line {
    /// The line for something that happened; none for what is as it was.
    ///
    /// # Errors
    /// It is a failure: what could not be done, and why.
    pub(super) fn of(happening: Happening) -> Result<Option<Self>, (String, Box<dyn Failure>)> {
        Ok(match happening {
            Happening::Fetched(fetched) if !fetched.report.unchanged => Some(Self::Fetched(fetched)),
            Happening::Planned(planned) if !planned.report.unchanged => Some(Self::Planned(planned)),
            Happening::Removed(removed) => Some(Self::Removed(removed)),
            Happening::Fetched(_) | Happening::Planned(_) | Happening::Warning(_) => None,
            Happening::Missed { source, destination, error, .. } => {
                return Err((format!("cannot sync `{source}` to `{destination}`"), Box::new(error)));
            }
            Happening::Failed { doing, error, .. } => return Err((format!("cannot {doing}"), Box::new(error))),
        })
    }
}

/// What the user should know of something that happened.
pub(super) fn warnings(happening: &Happening) -> &[String] {
    match happening {
        Happening::Fetched(fetched) => &fetched.report.warnings,
        Happening::Planned(planned) => &planned.report.warnings,
        Happening::Warning(text) => std::slice::from_ref(text),
        Happening::Removed(_) | Happening::Missed { .. } | Happening::Failed { .. } => &[],
    }
}

/// What the words of the command say is to be done.
pub(super) fn doing(from: &str, to: &[String]) -> String {
    format!("{}` to `{}", from.escape_debug(), to.join("`, `").escape_debug())
}

impl Report for Line {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let kept = |backup: Option<&crate::image::Tag>, word: &str| {
            backup.map(|tag| format!("  {word} what was there as {tag}")).unwrap_or_default()
        };
        match self {
            Self::Fetched(fetched) => {
                let report = &fetched.report;
                let kept = kept(fetched.backup.as_ref(), "kept");
                writeln!(page, "{}  {}{kept}", Shown(pinned(report)), summary(report))
            }
            Self::Planned(planned) => {
                let plan = &planned.report;
                let totals = &plan.totals;
                let mut words =
                    counted([(&totals.send, "to send"), (&totals.mount, "to mount"), (&totals.skip, "there")]);
                if words.is_empty() {
                    words.push("to tag".to_owned());
                }
                let kept = kept(planned.backup.as_ref(), "would keep");
                writeln!(page, "{} -> {}  ({}){kept}", Shown(&plan.source), Shown(&plan.destination), words.join("; "))
            }
            Self::Removed(removed) => {
                let word = if removed.dry_run { "would remove" } else { "removed" };
                writeln!(page, "{word} {}", Shown(&removed.removed))
            }
        }
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        match self {
            Self::Fetched(fetched) => writeln!(page, "{}", fetched.report.digest),
            Self::Planned(planned) => writeln!(page, "{}", planned.report.digest),
            Self::Removed(removed) => writeln!(page, "{}", removed.removed),
        }
    }
}

/// What came of the round.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct SummaryLine<'a>(pub(super) &'a Summary);

impl Report for SummaryLine<'_> {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let (total, dry) = (&self.0.total, self.0.dry_run);
        let word = |done: &'static str, planned: &'static str| if dry { planned } else { done };
        let mut words = Vec::new();
        let copied = format!("{} {}", total.copied, word("copied", "to copy"));
        words.push(match total.sent.bytes {
            0 => copied,
            bytes => format!("{copied} ({} {})", size(bytes), word("sent", "to send")),
        });
        words.push(format!("{} unchanged", total.unchanged));
        for (count, what) in [(total.removed, word("removed", "to remove")), (total.failed, "failed")] {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        writeln!(page, "{}; {}", words.join(", "), duration(std::time::Duration::from_secs_f64(self.0.seconds)))
    }

    fn quiet(&self, _: &mut Page<'_>) -> io::Result<()> {
        Ok(())
    }
}
