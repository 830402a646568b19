//! `stream history`: what tags pointed at, and since when.

use std::io;

use std::io::Write as _;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::stream_and_tag;
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::failure::FailureKind;
use crate::image::{Digest, StreamName, Tag};
use crate::output::{Page, Report, Table, age};
use crate::session::Session;
use crate::streams::{TagEvent, TagHistory};

/// Flags of `stream history`.
#[derive(Args, Debug)]
#[command(
    after_help = "Revision 0 is what the tag points at now; `tranship stream rollback STREAM:TAG --to REVISION` goes\n\
    back to another.\n\n\
    Example:\n  \
    $ tranship stream history app:prod"
)]
pub(crate) struct HistoryArgs {
    /// The stream, or one tag of it
    #[arg(value_name = "STREAM[:TAG]")]
    target: String,
}

/// Shows the histories.
///
/// # Errors
/// The stream or the tag is not there.
pub(super) fn run(args: &HistoryArgs, session: &Session) -> CommandResult {
    let doing = format!("show the history of `{}`", args.target.escape_debug());
    let (name, wanted) = stream_and_tag(&args.target, &doing)?;
    let stream = session.streams().read(&name).map_err(cannot(&doing))?;
    let view = stream.view();
    if let Some(tag) = &wanted
        && view.history(tag).is_none()
    {
        let error = CommandError::plain(FailureKind::NotFound, format!("`{name}` has no history of the tag `{tag}`"));
        return Err(error.with_hint(format!("see its tags: `tranship stream show {name}`")));
    }
    let tags = view.tags().into_iter().filter(|tag| wanted.as_ref().is_none_or(|wanted| wanted == *tag));
    let histories = tags.filter_map(|tag| view.history(tag)).map(History::of).collect();
    Ok(Outcome::done(HistoryReport { stream: name, tags: histories }))
}

#[derive(Debug, Serialize)]
struct History {
    tag: Tag,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    revision: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    generation: i64,
}

impl History {
    fn of(history: &TagHistory) -> Self {
        let item = |(revision, event): (usize, &TagEvent)| Item {
            revision,
            digest: event.image.clone(),
            reference: event.docker_image_reference.clone(),
            created: event.created,
            generation: event.generation,
        };
        Self { tag: history.tag.clone(), items: history.items.iter().enumerate().map(item).collect() }
    }
}

#[derive(Debug, Serialize)]
struct HistoryReport {
    stream: StreamName,
    tags: Vec<History>,
}

impl Report for HistoryReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let now = Timestamp::now();
        let mut table = Table::new(["tag", "revision", "digest", "since", "image"]);
        for history in &self.tags {
            for item in &history.items {
                let digest = item.digest.as_ref().map(Digest::short).unwrap_or_default();
                let since = item.created.map(|created| age(created, now)).unwrap_or_default();
                let revision = item.revision.to_string();
                table.row([history.tag.as_str(), &revision, digest, &since, repository(&item.reference)]);
            }
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let items = self.tags.iter().flat_map(|history| &history.items);
        items.filter_map(|item| item.digest.as_ref()).try_for_each(|digest| writeln!(page, "{digest}"))
    }
}

/// A reference without its digest, which has a column of its own.
fn repository(reference: &str) -> &str {
    reference.split_once('@').map_or(reference, |(repository, _)| repository)
}
