//! `transfers`: what interrupted work is kept for the next run.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::flags::duration;
use super::{CommandResult, Outcome, cannot};
use crate::output::{Page, Report, Table, age, size};
use crate::session::Session;
use crate::store::PartialBlob;
use crate::transfer::KeptTransfer;

/// What can be done with interrupted transfers.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:\n  $ tranship transfers list\n  $ tranship transfers clean --older-than 24h")]
pub(crate) enum TransfersCommand {
    /// List what is kept of interrupted transfers
    #[command(
        after_help = "An upload is gone on with by the next run of the same command, as far as its registry keeps it;\n\
        a blob that came in part, by whatever asks for it next.\n\n\
        Examples:\n  $ tranship transfers list\n  $ tranship transfers list -o json"
    )]
    List,
    /// Remove what is kept of interrupted transfers
    #[command(after_help = "What a running process uses stays.\n\n\
        Examples:\n  $ tranship transfers clean\n  $ tranship transfers clean --older-than 24h")]
    Clean(CleanArgs),
}

/// Flags of `transfers clean`.
#[derive(Args, Debug)]
pub(crate) struct CleanArgs {
    /// Only what has not got on for so long, e.g. 90m, 24h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    older_than: Option<Duration>,
}

/// Lists or removes what is kept.
///
/// # Errors
/// It cannot be listed or removed.
pub(super) async fn run(command: TransfersCommand, session: &Session) -> CommandResult {
    let journals = session.journals();
    match command {
        TransfersCommand::List => {
            let doing = "list the transfers";
            let store = session.store().map_err(cannot(doing))?;
            let transfers = journals.list().map_err(cannot(doing))?;
            let partial_blobs = store.partial_blobs().await.map_err(cannot(doing))?;
            Ok(Outcome::done(TransfersReport { transfers, partial_blobs }))
        }
        TransfersCommand::Clean(CleanArgs { older_than }) => {
            let doing = "clean the transfers";
            let older_than = older_than.unwrap_or_default();
            let store = session.store().map_err(cannot(doing))?;
            let transfers = journals.clean(older_than).map_err(cannot(doing))?;
            let partial_blobs = store.clean_partial_blobs(older_than).await.map_err(cannot(doing))?;
            Ok(Outcome::done(CleanReport(TransfersReport { transfers, partial_blobs })))
        }
    }
}

/// What is kept.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TransfersReport {
    transfers: Vec<KeptTransfer>,
    partial_blobs: Vec<PartialBlob>,
}

impl Report for TransfersReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let now = Timestamp::now();
        let mut table = Table::new(["from", "to", "digest", "kept", "last", "state"]);
        let state = |in_use| if in_use { "running" } else { "interrupted" };
        for kept in &self.transfers {
            let (bytes, last) = (size(kept.bytes), age(kept.modified, now));
            table.row([&*kept.source, &kept.destination, kept.digest.short(), &bytes, &last, state(kept.in_use)]);
        }
        for blob in &self.partial_blobs {
            let (bytes, last) = (size(blob.bytes), age(blob.modified, now));
            table.row(["", "store", blob.digest.short(), &bytes, &last, state(blob.in_use)]);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let digests = self.transfers.iter().map(|kept| &kept.digest);
        digests
            .chain(self.partial_blobs.iter().map(|blob| &blob.digest))
            .try_for_each(|digest| writeln!(page, "{digest}"))
    }
}

/// What was removed.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct CleanReport(TransfersReport);

impl Report for CleanReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Self(TransfersReport { transfers, partial_blobs }) = self;
        let freed = partial_blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.bytes));
        let count = |number: usize, one: &str, several: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {several}"),
        };
        let transfers = count(transfers.len(), "interrupted transfer", "interrupted transfers");
        let blobs = count(partial_blobs.len(), "partial blob", "partial blobs");
        writeln!(page, "removed {transfers} and {blobs} ({})", size(freed))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.0.quiet(page)
    }
}
