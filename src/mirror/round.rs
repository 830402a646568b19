//! One round: everything that the rules name now is brought where it is to be, several images at a time.
//!
//! What is to be done is found out while it is being done: lists go ahead a little, and nothing is kept of images that
//! are done with, so that a hundred thousand tags take no more memory than a hundred. One that fails stops no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::keeping::Keeping;
use super::listing::{Wanted, repositories};
use super::prune::{Expectation, Pruner};
use super::report::{Fetched, Happening, Summary};
use super::{Error, Origin, Places, RepositoryPath, Rule, Rules, Shard, Subject};
use crate::image::{Digest, Selector, Tag};
use crate::registry::{ImageDestination, Registry};
use crate::transfer::{Brought, Destination, Engine, Job, Options, Source};

/// How many images are looked at and moved at once. Most are there already and cost two small requests; how many
/// blobs travel at once is the engine's business.
const AT_ONCE: usize = 16;
/// How many repositories are listed at once.
const LISTS: usize = 4;

/// What a round works with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// What opens places.
    pub places: &'a dyn Places,
    /// What moves images.
    pub engine: &'a Engine,
    /// What holds where a rule says nothing of platforms and attached things.
    pub options: &'a Options,
}

/// Whether a round does what it finds to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Apply,
    /// It says what would be done.
    DryRun,
}

/// What becomes of tags at a destination that the source has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// They stay.
    Off,
    /// They go where their rule says so, up to its share.
    Guarded,
    /// They go where their rule says so, however many they are.
    Forced,
}

/// A round that is to be done.
pub struct Round<'a> {
    /// What is to be the same.
    pub rules: &'a Rules,
    /// What it works with.
    pub means: Means<'a>,
    /// Whether it is done.
    pub mode: Mode,
    /// Which part of it is this process's.
    pub shard: Shard,
    /// What becomes of tags that the source has not.
    pub pruning: Pruning,
}

/// What was found to be done, or cannot be.
enum Found {
    Task(Box<Task>),
    Happened(Happening),
}

/// An image and where it is to be.
struct Task {
    rule: usize,
    job: Job,
    /// What keeps names at each destination, where the rule wants that.
    keeping: Vec<Option<Arc<Keeping>>>,
}

/// A repository that images go to.
struct Target {
    path: RepositoryPath,
    /// The tag that the image gets there, where it is not its own.
    tag: Option<Tag>,
    registry: Arc<dyn ImageDestination>,
    keeping: Option<Arc<Keeping>>,
}

/// What the destinations are to hold, by their repositories.
type Expectations = Mutex<HashMap<RepositoryPath, Expectation>>;

impl Round<'_> {
    /// Does it, and tells what happens as it happens.
    pub async fn run(&self, mut told: impl FnMut(Happening)) -> Summary {
        let (started, clock) = (Timestamp::now(), Instant::now());
        let dry_run = self.mode == Mode::DryRun;
        let names = self.rules.rules.iter().map(|rule| rule.from.to_string());
        let mut summary = Summary::new(started, dry_run, names);
        let mut tell = |happening: Happening| {
            summary.count(&happening);
            told(happening);
        };
        let expectations = Expectations::default();
        let (sender, receiver) = mpsc::channel(AT_ONCE);
        let find = self.find(sender, &expectations, started);
        let brought = Brought::default();
        let receive = stream::unfold(receiver, |mut receiver| async move {
            let found = receiver.recv().await?;
            Some((found, receiver))
        });
        let carry_out = async {
            let ends = receive.map(|found| self.carry_out(found, &brought)).buffer_unordered(AT_ONCE);
            let mut ends = std::pin::pin!(ends);
            while let Some(happenings) = ends.next().await {
                happenings.into_iter().for_each(&mut tell);
            }
        };
        tokio::join!(find, carry_out);
        if self.pruning != Pruning::Off {
            let expectations = expectations.into_inner().unwrap_or_else(PoisonError::into_inner);
            let mut expectations: Vec<_> = expectations.into_iter().collect();
            expectations.sort_by(|a, b| a.0.cmp(&b.0));
            for (path, expectation) in expectations {
                let pruner = Pruner { path: &path, places: self.means.places, mode: self.mode, pruning: self.pruning };
                if self.shard.holds_repository(&path) {
                    pruner.prune(&expectation, &mut tell).await;
                }
            }
        }
        summary.ended(clock.elapsed());
        summary
    }

    /// Finds out what is to be done, a little ahead of those who do it.
    async fn find(&self, found: mpsc::Sender<Found>, expectations: &Expectations, now: Timestamp) {
        for (number, rule) in self.rules.rules.iter().enumerate() {
            let finder = Finder { round: self, number, rule, found: &found, expectations, now };
            match repositories(rule, self.means.places).await {
                Ok(paths) => {
                    let each = |path| async { finder.repository(path).await };
                    stream::iter(paths).for_each_concurrent(LISTS, each).await;
                }
                Err(error) => finder.failed(&rule.from.to_string(), error).await,
            }
        }
    }

    async fn carry_out(&self, found: Found, brought: &Brought) -> Vec<Happening> {
        let task = match found {
            Found::Task(task) => *task,
            Found::Happened(happening) => return vec![happening],
        };
        let missed = |destination: &Destination, error| Happening::Missed {
            rule: task.rule,
            source: task.job.source.shown.clone(),
            destination: destination.shown.clone(),
            error,
        };
        let mut happenings = Vec::new();
        if self.mode == Mode::DryRun {
            let outlines = task.job.outlines_beside(brought).await;
            for ((destination, outline), keeping) in task.job.destinations.iter().zip(outlines).zip(&task.keeping) {
                happenings.push(match outline {
                    Ok(report) => {
                        let backup = foresee(destination, keeping.as_deref(), &report.digest).await;
                        Happening::Planned(Box::new(Fetched { rule: task.rule, backup, report }))
                    }
                    Err(error) => missed(destination, error),
                });
            }
            return happenings;
        }
        let reports = self.means.engine.copy_job(&task.job).await;
        for ((destination, report), keeping) in task.job.destinations.iter().zip(reports).zip(&task.keeping) {
            happenings.push(match report {
                Ok(report) => {
                    let tag = destination.tags.first();
                    let backup = keeping.as_ref().zip(tag).and_then(|(keeping, tag)| keeping.take(tag));
                    Happening::Fetched(Box::new(Fetched { rule: task.rule, backup, report }))
                }
                Err(error) => missed(destination, error),
            });
        }
        happenings
    }
}

/// The name that what a tag points at would keep. Where that cannot be told, the run will tell.
async fn foresee(destination: &Destination, keeping: Option<&Keeping>, digest: &Digest) -> Option<Tag> {
    let (keeping, tag) = (keeping?, destination.tags.first()?);
    keeping.foresee(&destination.repository, tag, digest).await.ok().flatten()
}

/// Finds what one rule wants.
struct Finder<'a> {
    round: &'a Round<'a>,
    number: usize,
    rule: &'a Rule,
    found: &'a mpsc::Sender<Found>,
    expectations: &'a Expectations,
    now: Timestamp,
}

impl Finder<'_> {
    async fn repository(&self, path: RepositoryPath) {
        if let Err(error) = self.images_of(&path).await {
            self.failed(&path.to_string(), error).await;
        }
    }

    async fn failed(&self, what: &str, error: Error) {
        let happening = Happening::Failed { rule: self.number, doing: format!("sync `{what}`"), error };
        self.hand_over(Found::Happened(happening)).await;
    }

    async fn hand_over(&self, found: Found) {
        // Who receives goes on until nobody sends.
        let _ = self.found.send(found).await;
    }

    /// Hands over every image of a repository that the rule wants.
    async fn images_of(&self, path: &RepositoryPath) -> Result<(), Error> {
        let places = self.round.means.places;
        let mut to = Vec::new();
        for place in &self.rule.to {
            to.push((place.resolve(&self.rule.from, path)?, place.tag()));
        }
        self.expect(to.iter().map(|(path, _)| path), |expectation| expectation.begin(self.rule));
        let origin = places.origin(path).await?;
        let mut targets = Vec::new();
        for (path, tag) in to {
            targets.push(self.target(path, tag).await?);
        }
        if let Subject::Image { tag, digest, .. } = &self.rule.from {
            let selector = match (digest, tag) {
                (Some(digest), _) => Selector::Digest(digest.clone()),
                (None, tag) => Selector::Tag(tag.clone().unwrap_or_else(Tag::latest)),
            };
            self.image(path, &origin, &targets, selector, tag.clone()).await;
        } else {
            let wanted = Wanted { path, origin: &origin, tags: &self.rule.tags, places };
            let found = async |tag: Tag| {
                self.image(path, &origin, &targets, Selector::Tag(tag.clone()), Some(tag)).await;
            };
            match wanted.each(found).await {
                // Of many repositories some have nothing that is wanted.
                Err(Error::NothingWanted { .. } | Error::NoTags) if self.rule.takes_several() => return Ok(()),
                ended => ended?,
            }
        }
        self.expect(targets.iter().map(|target| &target.path), Expectation::complete);
        Ok(())
    }

    /// Notes what is to be known of destinations when tags are removed there.
    fn expect<'p>(&self, paths: impl Iterator<Item = &'p RepositoryPath>, note: impl Fn(&mut Expectation)) {
        if self.round.pruning == Pruning::Off {
            return;
        }
        let mut expectations = self.expectations.lock().unwrap_or_else(PoisonError::into_inner);
        for path in paths {
            note(expectations.entry(path.clone()).or_insert_with(|| Expectation::new(self.number)));
        }
    }

    async fn target(&self, path: RepositoryPath, tag: Option<Tag>) -> Result<Target, Error> {
        let registry: Arc<dyn Registry> = self.round.means.places.target(&path).await?;
        let Some(name) = &self.rule.backup else { return Ok(Target { path, tag, registry, keeping: None }) };
        let keeping = Arc::new(Keeping::new(registry, name.clone(), self.now));
        let registry = Arc::clone(&keeping) as Arc<dyn ImageDestination>;
        Ok(Target { path, tag, registry, keeping: Some(keeping) })
    }

    async fn image(
        &self,
        path: &RepositoryPath,
        origin: &Origin,
        targets: &[Target],
        selector: Selector,
        tag: Option<Tag>,
    ) {
        let tag_at = |target: &Target| target.tag.clone().or_else(|| tag.clone());
        for target in targets {
            if let Some(tag) = tag_at(target) {
                self.expect(std::iter::once(&target.path), |expectation| expectation.want(&tag));
            }
        }
        if !self.round.shard.holds(path, &selector) {
            return;
        }
        let destination = |target: &Target| {
            let tag = tag_at(target);
            let written = tag.clone().map_or_else(|| selector.clone(), Selector::Tag);
            Destination {
                registry: Arc::clone(&target.registry),
                repository: target.path.repository.clone(),
                tags: tag.into_iter().collect(),
                expected: None,
                named_by_digest: matches!(selector, Selector::Digest(_)),
                shown: target.path.image(&written),
            }
        };
        let destinations: Vec<Destination> = targets.iter().map(destination).collect();
        let source = Source {
            registry: Arc::clone(&origin.images),
            repository: path.repository.clone(),
            shown: path.image(&selector),
            selector,
        };
        let job = Job { source, destinations, options: self.rule.options(self.round.means.options) };
        let keeping = targets.iter().map(|target| target.keeping.clone()).collect();
        self.hand_over(Found::Task(Box::new(Task { rule: self.number, job, keeping }))).await;
    }
}
