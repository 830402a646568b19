//! `app pull`: every image of specs brought home, at once or for as long as it takes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use tokio::time::Instant;

use crate::command::flags::{ContentFlags, RegistryFlags, SideFlags, duration};
use crate::command::moving::{MoveReport, MovedImage, Moves, options};
use crate::command::specs::{Images, Named, SpecFlags, is_stdin, read_all, tell_notes};
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::failure::{Failure, FailureKind};
use crate::image::Location;
use crate::output::Reader;
use crate::progress::Event;
use crate::session::{Session, SessionError};
use crate::transfer::{Clobber, Destination, Options, Source, TransferReport};

/// The first pause before what did not come is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often it is looked whether a file has changed.
const LOOK: Duration = Duration::from_millis(500);

/// Flags of `app pull`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship app pull -f app.yaml\n  \
    $ tranship app pull -f app.yaml --until-complete --give-up-after 30m\n  \
    $ tranship app pull -f compose.yaml --watch")]
pub(crate) struct PullArgs {
    #[command(flatten)]
    specs: SpecFlags,

    /// Try again, ever more rarely, until every image is home
    #[arg(long)]
    until_complete: bool,

    /// Try again for so long at most, e.g. 30m
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "until_complete")]
    give_up_after: Option<Duration>,

    /// Try until every image is home, and then again whenever a file changes
    #[arg(long, conflicts_with_all = ["give_up_after", "dry_run"])]
    watch: bool,

    #[command(flatten)]
    content: ContentFlags,

    /// Say what would be done, and do nothing
    #[arg(long, conflicts_with = "until_complete")]
    dry_run: bool,

    #[command(flatten)]
    registry: RegistryFlags,

    #[command(flatten)]
    sides: SideFlags,
}

/// Brings the images home.
///
/// # Errors
/// A spec cannot be read; images are reported one by one.
pub(super) async fn run(args: PullArgs, session: &Session) -> CommandResult {
    if args.watch && args.specs.files.iter().any(|file| is_stdin(file)) {
        return Err(CommandError::usage("standard input cannot be watched").with_hint("give the name of a file"));
    }
    let options = options(&args.content, Clobber::Move, session).map_err(cannot("pull"))?;
    let pull = Pull { args: &args, options, session };
    if args.watch {
        return pull.watch().await;
    }
    let images = pull.read()?;
    if args.dry_run {
        return pull.gather(&images.named).await.with_failures(images.failures).outline().await;
    }
    let deadline = args.give_up_after.map(|time| Instant::now() + time);
    let mut pending = images.named;
    let mut arrived = Vec::new();
    let mut pauses = Pauses::default();
    let failures = loop {
        let failures = pull.round(&mut pending, &mut arrived).await?;
        let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if !args.until_complete || over || !failures.iter().any(may_pass) {
            break failures;
        }
        pull.wait(&failures, pauses.next(deadline)).await;
    };
    let failures: Vec<CommandError> = images.failures.into_iter().chain(failures).collect();
    let succeeded = arrived.len();
    if failures.is_empty() {
        return Ok(Outcome::done(MoveReport { images: arrived }));
    }
    Ok(Outcome::of_several(MoveReport { images: arrived }, succeeded, failures))
}

/// Whether the same may succeed later: everything may, but for what is written wrongly.
fn may_pass(error: &CommandError) -> bool {
    error.kind() != FailureKind::Usage
}

struct Pull<'a> {
    args: &'a PullArgs,
    options: Options,
    session: &'a Session,
}

impl Pull<'_> {
    fn read(&self) -> Result<Images, CommandError> {
        let specs = read_all(&self.args.specs.files, self.args.specs.kind.kind)?;
        tell_notes(&specs, self.session.console());
        Images::of(&specs, self.session)
    }

    /// Opens both sides of every image.
    async fn gather(&self, images: &[Named]) -> Moves<'_> {
        let mut moves = Moves::new(self.session, "pull");
        for image in images {
            match self.sides(image).await {
                Ok((source, destination)) => moves.add(source, destination, self.options.clone()),
                Err(error) => moves.failed(&image.reference.to_string(), error),
            }
        }
        moves
    }

    async fn sides(&self, image: &Named) -> Result<(Source, Destination), SessionError> {
        let PullArgs { sides, registry, .. } = self.args;
        let location = Location::Registry(image.reference.clone());
        let source = self.session.source(&location, &sides.source(registry)).await?;
        let home = self.session.at_home(&image.reference)?;
        Ok((source, self.session.destination(&home, &sides.destination(registry)).await?))
    }

    /// Tries all that is pending once: what came is taken out of it, and what did not is told.
    async fn round(
        &self,
        pending: &mut Vec<Named>,
        arrived: &mut Vec<TransferReport>,
    ) -> Result<Vec<CommandError>, CommandError> {
        let moved = self.gather(pending).await.run().await?;
        let came = |named: &Named| moved.images.iter().any(|image| image.source == named.reference.to_string());
        pending.retain(|named| !came(named));
        arrived.extend(moved.images);
        Ok(moved.failures)
    }

    /// Says what is missing and why, and waits.
    async fn wait(&self, failures: &[CommandError], pause: Duration) {
        self.tell(failures, pause);
        tokio::time::sleep(pause).await;
    }

    fn tell(&self, failures: &[CommandError], pause: Duration) {
        let console = self.session.console();
        for failure in failures {
            console.warn(&format!("{}; it is tried again", in_one_line(failure)));
        }
        let images =
            if failures.len() == 1 { "1 image is".to_owned() } else { format!("{} images are", failures.len()) };
        let because = format!("{images} missing");
        console.progress().observe(&Event::Waiting { place: "the next try".to_owned(), pause, because });
    }

    /// Goes on for ever: brings home what is missing, and reads the files again when they change.
    async fn watch(&self) -> CommandResult {
        let console = self.session.console();
        let mut results = console.stream(&[], "images").map_err(cannot("write the result"))?;
        loop {
            let seen = stamps(&self.args.specs.files);
            let mut pending = match self.read() {
                Ok(images) => {
                    images.failures.iter().for_each(|failure| console.failure(failure));
                    images.named
                }
                Err(error) => {
                    console.failure(&error);
                    Vec::new()
                }
            };
            let mut pauses = Pauses::default();
            while stamps(&self.args.specs.files) == seen {
                let mut arrived = Vec::new();
                let failures =
                    if pending.is_empty() { Vec::new() } else { self.round(&mut pending, &mut arrived).await? };
                for image in arrived {
                    let shown = results.item(&MovedImage(image)).map_err(cannot("write the result"))?;
                    if shown == Reader::Gone {
                        return Ok(Outcome::printed());
                    }
                }
                let pause = if failures.is_empty() { None } else { Some(pauses.next(None)) };
                if let Some(pause) = pause {
                    self.tell(&failures, pause);
                }
                self.sleep_or_change(&seen, pause).await;
            }
        }
    }

    /// Waits for a change of a file, or until the pause is over where there is one.
    async fn sleep_or_change(&self, seen: &[Stamp], pause: Option<Duration>) {
        let until = pause.map(|pause| Instant::now() + pause);
        while stamps(&self.args.specs.files) == seen && until.is_none_or(|until| Instant::now() < until) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Pauses that grow.
#[derive(Default)]
struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    /// The next pause, which ends at the deadline at the latest.
    fn next(&mut self, deadline: Option<Instant>) -> Duration {
        let pause = self.last.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.last = Some(pause);
        deadline.map_or(pause, |deadline| pause.min(deadline.saturating_duration_since(Instant::now())))
    }
}

/// What changes where a file does: when it was written, and how long it is; nothing where it is not there.
type Stamp = Option<(SystemTime, u64)>;

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &Path| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(|file| stamp(file)).collect()
}

/// An error with what lies behind it.
fn in_one_line(error: &CommandError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| (*cause).source());
    causes.fold(error.to_string(), |line, cause| {
        let cause = cause.to_string();
        if line.contains(&cause) { line } else { format!("{line}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_end_at_the_deadline() {
        let mut pauses = Pauses::default();
        let seconds: Vec<u64> = (0..9).map(|_| pauses.next(None).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(pauses.next(Some(Instant::now() + Duration::from_millis(200))) <= Duration::from_millis(200));
    }
}
