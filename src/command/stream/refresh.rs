//! `stream refresh` and `stream watch`: what is looked up again and again.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::fired::{self, not_fired};
use super::import::{line, not_imported};
use crate::command::flags::{RegistryFlags, duration};
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::image::StreamName;
use crate::output::{Page, Report};
use crate::session::Session;
use crate::streams::{
    self, Fired, ImportResult, Imported, Missing, Rhythm, Schedule, StreamError, Streams, Turns, Wanted,
};

/// How many tags of a stream are looked up before what they said is noted.
const BATCH: usize = 24;
/// How long `watch` waits at most before it looks whether there are new streams.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Which streams, and how often.
#[derive(Args, Clone, Debug)]
pub(crate) struct RhythmFlags {
    /// The streams; all of them where none is named
    #[arg(value_name = "STREAM")]
    names: Vec<StreamName>,

    /// Leave a tag alone for so long after it was looked up
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15m")]
    interval: Duration,

    /// Look up so many tags in a minute at most
    #[arg(long, value_name = "N", default_value_t = streams::PER_MINUTE as u64, value_parser = clap::value_parser!(u64).range(1..))]
    per_minute: u64,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Flags of `stream refresh`.
#[derive(Args, Debug)]
#[command(
    after_help = "Looks up the tags that were imported with `--scheduled` and are due, and has triggers act on what\n\
    changed; also on what an earlier run was killed over. Run it every minute or so, or let `stream\n\
    watch` do that.\n\n\
    Examples:\n  \
    $ tranship stream refresh\n  \
    $ tranship stream refresh app --now"
)]
pub(crate) struct RefreshArgs {
    #[command(flatten)]
    rhythm: RhythmFlags,

    /// Also what is not due yet
    #[arg(long)]
    now: bool,
}

/// Flags of `stream watch`.
#[derive(Args, Debug)]
#[command(
    after_help = "Does what `stream refresh` does, for ever. A signal ends it; a trigger's command that runs goes on.\n\n\
    Example:\n  $ tranship stream watch --interval 5m"
)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    rhythm: RhythmFlags,
}

/// Looks up what is due, once.
///
/// # Errors
/// The streams cannot be listed; they are reported one by one.
pub(super) async fn run(args: RefreshArgs, session: &Session) -> CommandResult {
    let mut round = Round::new(&args.rhythm, session);
    if args.now {
        round.rhythm.interval = Duration::ZERO;
    }
    round.go().await?;
    let Round { report, failures, succeeded, .. } = round;
    if failures.is_empty() {
        return Ok(Outcome::done(report));
    }
    Ok(Outcome::of_several(report, succeeded, failures))
}

/// Looks up what is due, again and again. What changes or fails is told as it comes.
///
/// # Errors
/// The streams cannot be listed.
pub(super) async fn watch(args: WatchArgs, session: &Session) -> CommandResult {
    loop {
        let mut round = Round::new(&args.rhythm, session);
        round.go().await?;
        round.report.tags.retain(|tag| tag.imported.result != ImportResult::Unchanged);
        if !round.report.is_empty() {
            session.console().report(&round.report).map_err(cannot("write the result"))?;
        }
        for failure in &round.failures {
            session.console().failure(failure);
        }
        tokio::time::sleep(round.wait()).await;
    }
}

/// One look at all streams.
struct Round<'a> {
    session: &'a Session,
    streams: Streams,
    schedule: Schedule,
    turns: Turns,
    flags: &'a RhythmFlags,
    rhythm: Rhythm,
    report: RefreshReport,
    failures: Vec<CommandError>,
    succeeded: usize,
    next: Option<Timestamp>,
}

impl<'a> Round<'a> {
    fn new(flags: &'a RhythmFlags, session: &'a Session) -> Self {
        let per_minute = usize::try_from(flags.per_minute).unwrap_or(usize::MAX);
        let schedule = session.schedule();
        Self {
            session,
            streams: session.streams(),
            turns: schedule.turns(per_minute),
            schedule,
            flags,
            rhythm: Rhythm { interval: flags.interval, per_minute },
            report: RefreshReport::default(),
            failures: Vec::new(),
            succeeded: 0,
            next: None,
        }
    }

    /// Looks at every stream, one after the other.
    async fn go(&mut self) -> Result<(), CommandError> {
        let names = match self.flags.names.as_slice() {
            [] => self.streams.names().map_err(cannot("list the streams"))?,
            named => named.to_vec(),
        };
        for name in names {
            match self.refresh(&name).await {
                Ok(()) => self.succeeded += 1,
                Err(error) => {
                    self.failures.push(CommandError::new(format!("cannot refresh the stream `{name}`"), error));
                }
            }
            match self.streams.fire(&name, &self.session.actions()).await {
                Ok(fired) => {
                    self.failures.extend(fired.iter().filter_map(fired::failure));
                    self.report.triggers.extend(fired);
                }
                Err(error) => self.failures.push(not_fired(&name, error)),
            }
        }
        Ok(())
    }

    /// Looks up what is due of a stream.
    async fn refresh(&mut self, name: &StreamName) -> Result<(), StreamError> {
        let stream = self.streams.read(name)?;
        let now = Timestamp::now();
        let (due, later): (Vec<_>, Vec<_>) =
            self.schedule.of(stream.view(), self.rhythm).into_iter().partition(|(due, _)| *due <= now);
        self.soonest(later.first().map(|(due, _)| *due));
        let mut due: Vec<Wanted> = due.into_iter().map(|(_, wanted)| wanted).collect();
        while !due.is_empty() {
            let taken = match self.turns.take(due.len().min(BATCH), Timestamp::now()) {
                Ok(taken) => taken,
                Err(pause) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
            };
            let rest = due.split_off(taken);
            self.look(name, std::mem::replace(&mut due, rest)).await?;
        }
        Ok(())
    }

    async fn look(&mut self, name: &StreamName, wanted: Vec<Wanted>) -> Result<(), StreamError> {
        let registries = self.session.registries(self.flags.registry.access());
        let tags: Vec<_> = wanted.iter().map(|wanted| wanted.tag.clone()).collect();
        let looked = streams::look_each(wanted, &registries).await;
        let now = Timestamp::now();
        let (imported, _) =
            self.streams.edit(name, Missing::Refused, |draft, _| Ok(streams::apply(draft, &looked, now)))?;
        let stream = self.streams.find(name)?;
        self.schedule.note(name, &tags, stream.as_ref().map(streams::ImageStream::view), now)?;
        let interval = jiff::SignedDuration::try_from(self.rhythm.interval).unwrap_or(jiff::SignedDuration::MAX);
        self.soonest(now.checked_add(interval).ok());
        self.failures.extend(looked.iter().filter_map(|looked| not_imported(name, looked)));
        let imported = imported.into_iter().filter(|imported| imported.result != ImportResult::Failed);
        self.report.tags.extend(imported.map(|imported| RefreshedTag { stream: name.clone(), imported }));
        Ok(())
    }

    fn soonest(&mut self, due: Option<Timestamp>) {
        self.next = self.next.into_iter().chain(due).min();
    }

    /// How long to wait for the next.
    fn wait(&self) -> Duration {
        let until = self.next.map(|next| next.duration_since(Timestamp::now()));
        let until = until.map(|until| Duration::try_from(until).unwrap_or_default());
        until.unwrap_or(LONGEST_WAIT).clamp(Duration::from_millis(100), LONGEST_WAIT)
    }
}

/// What was looked up, and what triggers did.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct RefreshReport {
    tags: Vec<RefreshedTag>,
    triggers: Vec<Fired>,
}

#[derive(Debug, Serialize)]
struct RefreshedTag {
    stream: StreamName,
    #[serde(flatten)]
    imported: Imported,
}

impl RefreshReport {
    fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.triggers.is_empty()
    }
}

impl Report for RefreshReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let (changed, same): (Vec<_>, Vec<_>) =
            self.tags.iter().partition(|tag| tag.imported.result != ImportResult::Unchanged);
        for tag in changed {
            line(&tag.stream, &tag.imported, page)?;
        }
        let mut unchanged: BTreeMap<&StreamName, usize> = BTreeMap::new();
        for tag in same {
            *unchanged.entry(&tag.stream).or_default() += 1;
        }
        for (stream, count) in unchanged {
            let tags = if count == 1 { "tag" } else { "tags" };
            writeln!(page, "{stream}: {count} {tags} unchanged")?;
        }
        self.triggers.iter().try_for_each(|fired| fired::line(fired, page))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let changed = self.tags.iter().filter(|tag| tag.imported.result == ImportResult::Updated);
        changed.into_iter().try_for_each(|tag| writeln!(page, "{}:{}", tag.stream, tag.imported.tag))
    }
}
