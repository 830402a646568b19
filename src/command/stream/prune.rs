//! `stream prune`: what is old goes from the histories.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::command::flags::duration;
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::image::{Digest, StreamName, StreamReference, Tag};
use crate::output::{Page, Report};
use crate::session::Session;
use crate::streams::{Draft, KeepRule, Missing, StreamError, View};

/// Flags of `stream prune`.
#[derive(Args, Debug)]
#[command(
    after_help = "What a tag points at stays, and so does what a trigger has not been told yet. Where no flag says\n\
    what is kept, the stream's own rule does (`tranship stream create --keep`), else three images and\n\
    those of the last hour.\n\n\
    Examples:\n  \
    $ tranship stream prune --dry-run\n  \
    $ tranship stream prune app --keep 5 --keep-younger-than 24h"
)]
pub(crate) struct PruneArgs {
    /// The streams; all of them where none is named
    #[arg(value_name = "STREAM")]
    names: Vec<StreamName>,

    /// Keep so many images of each tag, whatever their age
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep: Option<u64>,

    /// Keep images that became old less than this ago, whatever their number, e.g. 24h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    keep_younger_than: Option<Duration>,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// Prunes the histories.
///
/// # Errors
/// The streams cannot be listed; they are reported one by one.
pub(super) fn run(args: &PruneArgs, session: &Session) -> CommandResult {
    let streams = session.streams();
    let names = match args.names.as_slice() {
        [] => streams.names().map_err(cannot("list the streams"))?,
        named => named.to_vec(),
    };
    let (mut pruned, mut failures, mut succeeded) = (Vec::new(), Vec::new(), 0);
    for name in names {
        match prune(&name, args, session) {
            Ok(gone) => {
                succeeded += 1;
                pruned.extend(gone);
            }
            Err(error) => failures.push(CommandError::new(format!("cannot prune the stream `{name}`"), error)),
        }
    }
    let report = PruneReport { removed: pruned, dry_run: args.dry_run };
    if failures.is_empty() {
        return Ok(Outcome::done(report));
    }
    Ok(Outcome::of_several(report, succeeded, failures))
}

fn prune(name: &StreamName, args: &PruneArgs, session: &Session) -> Result<Vec<Gone>, StreamError> {
    let given = KeepRule { revisions: args.keep, younger_than: args.keep_younger_than };
    let streams = session.streams();
    let triggers = streams.ledger().read(name)?;
    let change = |draft: &mut Draft, view: &View| {
        let rule = if given == KeepRule::default() { KeepRule::of(view)?.unwrap_or(KeepRule::usual()) } else { given };
        let now = Timestamp::now();
        let mut gone = Vec::new();
        for tag in view.tags() {
            for event in rule.prune(draft, tag, now, |generation| triggers.await_change(tag, generation)) {
                gone.push(Gone { stream: name.clone(), tag: tag.clone(), digest: event.image });
            }
        }
        Ok(gone)
    };
    let done = if args.dry_run {
        streams.preview(name, Missing::Refused, change)
    } else {
        streams.edit(name, Missing::Refused, change)
    };
    Ok(done?.0)
}

#[derive(Debug, Serialize)]
struct Gone {
    stream: StreamName,
    tag: Tag,
    digest: Option<Digest>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PruneReport {
    removed: Vec<Gone>,
    /// Whether nothing was removed, and this is what would be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Report for PruneReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let word = if self.dry_run { "would remove" } else { "removed" };
        for gone in &self.removed {
            let image = StreamReference::of_tag(gone.stream.clone(), gone.tag.clone());
            let digest = gone.digest.as_ref().map(ToString::to_string).unwrap_or_default();
            writeln!(page, "{word} {image}@{digest}")?;
        }
        if self.removed.is_empty() {
            writeln!(page, "nothing to remove")?;
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.removed.iter().filter_map(|gone| gone.digest.as_ref()).try_for_each(|digest| writeln!(page, "{digest}"))
    }
}
