//! What `copy`, `pull` and `push` have in common: several transfers that share their work, reported one by one.

use std::io::{self, Write};

use serde::Serialize;

use super::flags::ContentFlags;
use super::{CommandError, Outcome, cannot};
use crate::failure::Failure;
use crate::image::Digest;
use crate::output::{Page, Report, Shown, size};
use crate::session::{Access, Session, SessionError};
use crate::transfer::{
    self, Clobber, Destination, Engine, Job, Options, Outline, Settings, Source, Tally, TransferReport,
};

/// The transfers of one command, gathered before any begins, and what could not even be opened.
pub(super) struct Moves<'a> {
    session: &'a Session,
    verb: &'static str,
    jobs: Vec<Job>,
    failures: Vec<CommandError>,
}

impl<'a> Moves<'a> {
    /// No transfers yet; `verb` is what the user calls them.
    pub(super) fn new(session: &'a Session, verb: &'static str) -> Self {
        Self { session, verb, jobs: Vec::new(), failures: Vec::new() }
    }

    /// Adds an image that goes to one place.
    pub(super) fn add(&mut self, source: Source, destination: Destination, options: Options) {
        self.jobs.push(Job { source, destinations: vec![destination], options });
    }

    /// Adds an image that goes to every destination that can be opened, and is read once for all of them.
    pub(super) async fn add_each(
        &mut self,
        source: &Source,
        destinations: &[String],
        access: &Access,
        options: &Options,
    ) {
        let mut there = Vec::new();
        for text in destinations {
            let opened = async {
                let location = self.session.location(text)?;
                let destination = self.session.destination(&location, access).await?;
                // A digest that the user wrote there is a promise about what will be there.
                Ok::<_, SessionError>(Destination { expected: location.digest().cloned(), ..destination })
            };
            match opened.await {
                Ok(destination) => there.push(destination),
                Err(error) => {
                    let doing = format!("cannot {} `{}` to `{}`", self.verb, source.shown, text.escape_debug());
                    self.failures.push(CommandError::new(doing, error));
                }
            }
        }
        self.jobs.push(Job { source: source.clone(), destinations: there, options: options.clone() });
    }

    /// Adds an image with all the places that it goes to.
    pub(super) fn add_job(&mut self, job: Job) {
        self.jobs.push(job);
    }

    /// Adds what failed before.
    #[must_use]
    pub(super) fn with_failures(mut self, failures: Vec<CommandError>) -> Self {
        self.failures.extend(failures);
        self
    }

    /// Notes an image that could not be opened.
    pub(super) fn failed(&mut self, image: &str, error: impl Failure) {
        self.failures.push(CommandError::new(format!("cannot {} `{}`", self.verb, image.escape_debug()), error));
    }

    /// Whether something could not even be opened.
    pub(super) fn have_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// What the command comes to where none of it is done because of what failed.
    pub(super) fn given_up(self) -> Outcome {
        Moved { images: Vec::new(), failures: self.failures }.outcome()
    }

    /// Carries all of them out.
    pub(super) async fn run(mut self) -> Result<Moved, CommandError> {
        let engine = engine(self.session).map_err(cannot(self.verb))?;
        let mut images = Vec::new();
        let jobs = std::mem::take(&mut self.jobs);
        let ended = |job: &Job, destination: &Destination, result: Result<TransferReport, _>| match result {
            Ok(report) => images.push(report),
            Err(error) => self.failures.push(self.not_moved(job, destination, error)),
        };
        engine.copy_each(&jobs, ended).await;
        for warning in images.iter().flat_map(|image| &image.warnings) {
            self.session.console().warn(warning);
        }
        Ok(Moved { images, failures: self.failures })
    }

    /// Says what each of them would do, and does nothing.
    pub(super) async fn outline(mut self) -> Result<Outcome, CommandError> {
        let mut plans = Vec::new();
        for job in std::mem::take(&mut self.jobs) {
            for (destination, plan) in job.destinations.iter().zip(job.outlines().await) {
                match plan {
                    Ok(plan) => plans.push(plan),
                    Err(error) => self.failures.push(self.not_moved(&job, destination, error)),
                }
            }
        }
        let succeeded = plans.len();
        Ok(Outcome::of_several(PlanReport { images: plans }, succeeded, self.failures))
    }

    fn not_moved(&self, job: &Job, destination: &Destination, error: transfer::Error) -> CommandError {
        let (source, destination) = (&job.source.shown, &destination.shown);
        let lacks = matches!(&error, transfer::Error::Absent { repository: None, .. });
        let error = CommandError::new(format!("cannot {} `{source}` to `{destination}`", self.verb), error);
        if lacks { error.with_hint("see what the store holds: `tranship images`") } else { error }
    }
}

/// What came of the transfers of one command.
pub(super) struct Moved {
    pub(super) images: Vec<TransferReport>,
    pub(super) failures: Vec<CommandError>,
}

impl Moved {
    /// The digest of what was moved; of the first where there are several.
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.images.first().map(|image| &image.digest)
    }

    /// Whether something was not moved.
    pub(super) fn have_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// What the command comes to where what was moved counts for nothing without the rest.
    pub(super) fn given_up(self) -> Outcome {
        Self { images: Vec::new(), ..self }.outcome()
    }

    /// What the command came to.
    pub(super) fn outcome(self) -> Outcome {
        let succeeded = self.images.len();
        Outcome::of_several(MoveReport { images: self.images }, succeeded, self.failures)
    }
}

/// What moves images in this session.
pub(super) fn engine(session: &Session) -> Result<Engine, SessionError> {
    engine_of(session, Settings::default().images)
}

/// What moves images in this session, so many of them at once.
pub(super) fn engine_of(session: &Session, images: usize) -> Result<Engine, SessionError> {
    let settings = Settings { concurrency: session.config()?.settings.concurrency, images, ..Settings::default() };
    Ok(Engine::new(settings, session.spool(), session.console().progress()).with_journals(session.journals()))
}

/// What the flags and the settings say about what is moved.
pub(super) fn options(flags: &ContentFlags, clobber: Clobber, session: &Session) -> Result<Options, SessionError> {
    let settings = &session.config()?.settings;
    let platforms = match (flags.all_platforms, flags.platforms.as_slice()) {
        (true, _) => &[],
        (false, []) => settings.platforms.as_slice(),
        (false, named) => named,
    };
    Ok(Options { platforms: platforms.to_vec(), attached: flags.attached.unwrap_or(settings.attached), clobber })
}

/// What was moved.
#[derive(Debug, Serialize)]
pub(super) struct MoveReport {
    pub(super) images: Vec<TransferReport>,
}

impl Report for MoveReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.images.iter().try_for_each(|image| line(image, page))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(page, "{}", image.digest))
    }
}

/// One image that was moved, where they are told as they come.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct MovedImage(pub(super) TransferReport);

impl Report for MovedImage {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        line(&self.0, page)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.0.digest)
    }
}

fn line(image: &TransferReport, page: &mut Page<'_>) -> io::Result<()> {
    writeln!(page, "{}  {}", Shown(pinned(image)), summary(image))
}

/// The destination's name with the digest that it has now.
pub(super) fn pinned(image: &TransferReport) -> String {
    let name = image.destination.split_once('@').map_or(image.destination.as_str(), |(name, _)| name);
    format!("{name}@{}", image.digest)
}

/// What travelled and what did not, in a few words.
pub(super) fn summary(image: &TransferReport) -> String {
    // What is copied onto itself has its tag already.
    if image.unchanged || image.source == image.destination {
        return "(unchanged)".to_owned();
    }
    let blobs = &image.blobs;
    let mut words = counted([
        (&blobs.sent, "sent"),
        (&blobs.mounted, "mounted"),
        (&blobs.present, "there"),
        (&blobs.skipped, "left out"),
    ]);
    if words.is_empty() {
        // The manifest was there already, and has one more name now.
        words.push(if image.tags.is_empty() { "no blob moved" } else { "tagged" }.to_owned());
    }
    if !image.attached.is_empty() {
        words.push(format!("{} attached", image.attached.len()));
    }
    if let Some(from) = &image.narrowed_from {
        words.push(format!("narrowed from {}", from.short()));
    }
    format!("({})", words.join("; "))
}

/// How many blobs, and their bytes, in words; nothing where there are none.
pub(super) fn counted<const N: usize>(tallies: [(&Tally, &str); N]) -> Vec<String> {
    let there = tallies.into_iter().filter(|(tally, _)| tally.count > 0);
    there
        .map(|(tally, word)| {
            let blobs = if tally.count == 1 { "blob" } else { "blobs" };
            format!("{} {blobs} {word}, {}", tally.count, size(tally.bytes))
        })
        .collect()
}

/// What would be moved.
#[derive(Debug, Serialize)]
struct PlanReport {
    images: Vec<Outline>,
}

impl Report for PlanReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for plan in &self.images {
            writeln!(page, "{} -> {}", Shown(&plan.source), Shown(&plan.destination))?;
            if plan.unchanged {
                writeln!(page, "  nothing to do: it has {}", plan.digest)?;
                continue;
            }
            for blob in &plan.blobs {
                writeln!(page, "  {:<5}  {}  {}", blob.action.word(), blob.digest, size(blob.size))?;
            }
            for manifest in &plan.manifests {
                writeln!(page, "  {:<5}  {}  {}", "put", manifest.digest, size(manifest.size))?;
            }
            let totals = &plan.totals;
            let words = counted([(&totals.send, "to send"), (&totals.mount, "to mount"), (&totals.skip, "to skip")]);
            if !words.is_empty() {
                writeln!(page, "  {}", words.join("; "))?;
            }
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.images.iter().try_for_each(|plan| writeln!(page, "{}", plan.digest))
    }
}
