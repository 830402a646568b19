//! `sync`: keeps repositories the same, once or again and again.

mod flags;
mod places;
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use self::flags::SyncArgs as Args;
pub(crate) use self::flags::SyncArgs;
pub(super) use self::flags::{format, override_content};
pub(super) use self::places::SessionPlaces;
use self::report::{Line, SummaryLine, doing};
use super::moving::{engine, options};
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::files::{self, LocalDisk, write_atomically};
use crate::mirror::{
    Destinations, Happening, Means, Metrics, Mode, Pruning, Reading, Round, Rules, Scoping, Share, Summary,
};
use crate::session::Session;
use crate::transfer::Clobber;

/// Does one round, or one after the other for ever.
///
/// # Errors
/// The rules cannot be read; what they name is reported one by one.
pub(super) async fn run(args: Args, session: &Session) -> CommandResult {
    let metrics = Metrics::default();
    let Some(pause) = args.every else {
        let summary = round(&args, session, &metrics).await?;
        return Ok(Outcome { failed: summary.failure(), ..Outcome::printed() });
    };
    loop {
        let begun = Instant::now();
        if let Err(error) = round(&args, session, &metrics).await {
            // What is wrong now may be put right until the next round; who starts this wants it to go on.
            session.console().failure(&error);
        }
        let left = pause.saturating_sub(begun.elapsed());
        tokio::time::sleep(left.max(Duration::from_millis(1))).await;
    }
}

async fn round(args: &Args, session: &Session, metrics: &Metrics) -> Result<Summary, CommandError> {
    let rules = rules(args, session)?;
    for warning in &rules.warnings {
        session.console().warn(&warning.to_string());
    }
    let console = session.console();
    let places = SessionPlaces::new(session, args.sides.source(&args.registry), args.sides.destination(&args.registry));
    let engine = engine(session).map_err(cannot("sync"))?;
    let options = options(&args.content, Clobber::Move, session).map_err(cannot("sync"))?;
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Apply };
    let means = Means { places: &places, engine: &engine, options: &options };
    let round = Round { rules: &rules, means, mode, shard: args.shard, pruning: args.pruning() };
    let mut out = console.stream(&[], "images").map_err(cannot("write the result"))?;
    let mut broken = None;
    let told = |happening: Happening| {
        for warning in report::warnings(&happening) {
            console.warn(warning);
        }
        match Line::of(happening) {
            Ok(Some(line)) if broken.is_none() => broken = out.item(&line).err(),
            Ok(_) => {}
            Err((doing, error)) => console.failure(&CommandError::of(doing, error)),
        }
    };
    let summary = round.run(told).await;
    if let Some(error) = broken {
        return Err(cannot("write the result")(error));
    }
    out.finish_with("summary", &SummaryLine(&summary)).map_err(cannot("write the result"))?;
    metrics.add(&summary);
    if let Some(file) = &args.metrics {
        write(file, metrics).map_err(cannot("write the metrics"))?;
    }
    Ok(summary)
}

fn write(file: &Path, metrics: &Metrics) -> Result<(), files::FileError> {
    write_atomically(&LocalDisk, file, metrics.text().as_bytes(), files::Access::Shared)
}

/// The rules of the file or of the words.
fn rules(args: &Args, session: &Session) -> Result<Rules, CommandError> {
    let naming = session.config().map_err(cannot("sync"))?.naming();
    let mut rules = match (&args.rules, &args.words[..]) {
        (Some(file), to) => {
            let doing = || format!("read the rules in {}", file.display());
            for word in to {
                crate::mirror::Base::parse(word, &naming).map_err(|error| {
                    CommandError::usage(format!("cannot sync to `{}`: {error}", word.escape_debug()))
                })?;
            }
            let scoping = if args.scoped { Scoping::Whole } else { Scoping::Usual };
            let reading = Reading { naming: &naming, to, scoping, destinations: Destinations::Needed };
            Rules::read(file, args.rules_format, reading).map_err(cannot(doing()))?
        }
        (None, [from, to @ ..]) if !to.is_empty() => {
            let wrong = |error: crate::mirror::PathError| {
                CommandError::usage(format!("cannot sync `{}`: {error}", doing(from, to)))
            };
            let mut rule = Rules::of_words(from, to, &naming).map_err(wrong)?;
            args.tags.apply(&mut rule)?;
            rule.prune = Some(Share::USUAL);
            rule.backup.clone_from(&args.backup_tag);
            Rules { rules: vec![rule], ..Rules::default() }
        }
        _ => {
            return Err(CommandError::usage("`sync` needs a repository and where it is to be, or rules")
                .with_hint("name both: `tranship sync SRC-REPOSITORY DST-REPOSITORY`")
                .with_hint("or a file of rules: `tranship sync -f RULES`"));
        }
    };
    if args.pruning() != Pruning::Off && rules.rules.iter().all(|rule| rule.prune.is_none()) {
        return Err(CommandError::usage(
            "`--prune` removes what rules with `prune` have left over, and no rule has it",
        )
        .with_hint("add `prune: {max-share: 0.2}` to a rule, or to `defaults`"));
    }
    override_content(&args.content, &mut rules);
    Ok(rules)
}
