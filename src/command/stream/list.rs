//! `stream list`: the streams of this user.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::image::{StreamName, Tag};
use crate::output::{Page, Report, Table, age};
use crate::session::Session;
use crate::streams::View;

/// Flags of `stream list`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  $ tranship stream list")]
pub(crate) struct ListArgs {}

/// Lists them.
///
/// # Errors
/// They cannot be listed; those that cannot be read are reported one by one.
pub(super) fn run(_: &ListArgs, session: &Session) -> CommandResult {
    let streams = session.streams();
    let (mut listed, mut failures) = (Vec::new(), Vec::new());
    for name in streams.names().map_err(cannot("list the streams"))? {
        match streams.read(&name) {
            Ok(stream) => listed.push(Listed::of(stream.view())),
            Err(error) => failures.push(CommandError::new(format!("cannot read the stream `{name}`"), error)),
        }
    }
    if failures.is_empty() {
        return Ok(Outcome::done(ListReport { streams: listed }));
    }
    let succeeded = listed.len();
    Ok(Outcome::of_several(ListReport { streams: listed }, succeeded, failures))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: StreamName,
    tags: Vec<Tag>,
    /// How many of them are looked up again and again.
    scheduled: usize,
    /// The tags whose last import failed.
    failing: Vec<Tag>,
    /// When one of them last began to point at another image.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<Timestamp>,
}

impl Listed {
    fn of(view: &View) -> Self {
        let failing = view.status.tags.iter().filter(|history| history.failed_import().is_some());
        Self {
            name: view.metadata.name.clone(),
            tags: view.tags().into_iter().cloned().collect(),
            scheduled: view.spec.tags.iter().filter(|tag| tag.import_policy.scheduled).count(),
            failing: failing.map(|history| history.tag.clone()).collect(),
            updated: view.status.tags.iter().filter_map(|history| history.items.first()?.created).max(),
        }
    }
}

#[derive(Debug, Serialize)]
struct ListReport {
    streams: Vec<Listed>,
}

impl Report for ListReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        /// How many tags are named; the others are counted.
        const NAMED: usize = 5;
        let now = Timestamp::now();
        let mut table = Table::new(["name", "tags", "scheduled", "failing", "updated"]);
        for stream in &self.streams {
            let mut tags: Vec<String> = stream.tags.iter().take(NAMED).map(ToString::to_string).collect();
            if stream.tags.len() > NAMED {
                tags.push(format!("+{}", stream.tags.len() - NAMED));
            }
            let count = |number: usize| if number == 0 { String::new() } else { number.to_string() };
            let updated = stream.updated.map(|then| age(then, now)).unwrap_or_default();
            let (scheduled, failing) = (count(stream.scheduled), count(stream.failing.len()));
            table.row([stream.name.to_string(), tags.join(","), scheduled, failing, updated]);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.streams.iter().try_for_each(|stream| writeln!(page, "{}", stream.name))
    }
}
