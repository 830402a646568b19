//! `distribute`: images to many sites, each read once.

mod report;

use std::collections::HashMap;

use clap::Args;

use super::flags::{ContentFlags, RegistryFlags, SideFlags};
use super::moving::{Moves, engine_of, options};
use super::replicas::{Replica, replicas};
use super::several::several;
use super::site::{Consent, prune};
use super::wanted::{Found, Wanted, WantedFlags, needed, tag_of};
use super::{CommandError, CommandResult, Outcome, cannot, input};
use crate::failure::{Failure, FailureKind};
use crate::image::{Digest, ImageReference, Location, RepositoryName, Selector, Tag};
use crate::session::{Access, Session, SessionError};
use crate::sites::Fuse;
use crate::transfer::{self, Clobber, Destination, Job, Options};

use report::{DistributeReport, Sent};

/// Flags of `distribute`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Args, Debug)]
#[command(after_help = "An image is read from the home where it is there, else from where it comes from, and once\n\
    for all sites. At every site it has the repository name that it has at home, and a tag: its\n\
    own, or `digest-` and the beginning of its digest. What is there is not sent again, so this\n\
    can be run at any time.\n\n\
    Examples:\n  $ tranship distribute -f app.yaml --to stockholm gothenburg\n  \
    $ tranship distribute registry.example.com/app:1.4 --all\n  \
    $ tranship distribute -f app.yaml --all --prune --yes")]
pub(crate) struct DistributeArgs {
    #[command(flatten)]
    wanted: WantedFlags,

    /// The sites, by name
    #[arg(long, value_name = "SITE", num_args = 1.., value_delimiter = ',', required_unless_present = "all")]
    to: Vec<String>,

    /// Every site of the configuration
    #[arg(long, conflicts_with = "to")]
    all: bool,

    /// Then remove there what is not among these images, where all of them arrived
    #[arg(long)]
    prune: bool,

    /// Do not ask before something is removed
    #[arg(short, long, requires = "prune")]
    yes: bool,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    content: ContentFlags,

    #[command(flatten)]
    registry: RegistryFlags,

    #[command(flatten)]
    sides: SideFlags,
}

/// Sends the images to the sites, and says what came of it registry by registry.
///
/// # Errors
/// A spec cannot be read, or there is no such site; images and sites are reported one by one.
pub(super) async fn run(args: DistributeArgs, session: &Session) -> CommandResult {
    if args.prune && !args.yes && !args.dry_run && !input::is_terminal() {
        return Err(CommandError::usage("what is not needed is removed by `--prune`, and nobody is there to be asked")
            .with_hint("see what it is with `--dry-run`, and pass `--yes`"));
    }
    let replicas = replicas(&args.to, args.all, session)?;
    let (wanted, unclear) = args.wanted.read(session)?;
    let options = options(&args.content, Clobber::Move, session).map_err(cannot("distribute"))?;
    let access = args.sides.source(&args.registry);
    let (found, lost) = several(wanted.iter().map(|image| find(image, &access, session))).await;
    // What could not be told or found may be needed: nothing is removed then.
    let is_complete = unclear.is_empty() && lost.is_empty();
    let mut sending = Sending::new(&replicas, &args, session);
    sending.failures.extend(unclear.into_iter().chain(lost));
    for (image, found) in found {
        sending.add(image, found, &options).await;
    }
    if args.dry_run {
        return sending.outline().await;
    }
    let (mut report, mut failures, whole) = sending.run().await?;
    if args.prune && !is_complete {
        session.console().warn("nothing is removed, because it is not known of every image what it is");
    } else if args.prune {
        let consent = if args.yes { Consent::Given } else { Consent::Asked };
        let access = args.sides.destination(&args.registry);
        let (removed, not_removed) = prune(&whole, &needed(&wanted), consent, &access, session).await?;
        report.removed = removed;
        failures.extend(not_removed);
    }
    let succeeded = report.images.len();
    if failures.is_empty() {
        return Ok(Outcome::done(report));
    }
    Ok(Outcome::of_several(report, succeeded, failures))
}

async fn find<'a>(image: &'a Wanted, access: &Access, session: &Session) -> Result<(&'a Wanted, Found), CommandError> {
    Ok((image, image.find(access, session).await?))
}

/// Images on their way to registries.
struct Sending<'a> {
    replicas: &'a [Replica],
    /// One for each registry.
    fuses: Vec<Fuse>,
    access: Access,
    session: &'a Session,
    jobs: Vec<Job>,
    /// The registry of each destination, by the destination's name.
    owners: HashMap<String, usize>,
    /// What each name at a site is to be: two images cannot have one.
    names: HashMap<(RepositoryName, Tag), Digest>,
    failures: Vec<CommandError>,
    /// How many images each registry did not get.
    failed: Vec<usize>,
}

impl<'a> Sending<'a> {
    fn new(replicas: &'a [Replica], args: &DistributeArgs, session: &'a Session) -> Self {
        Self {
            replicas,
            fuses: replicas.iter().map(|_| Fuse::default()).collect(),
            access: args.sides.destination(&args.registry),
            session,
            jobs: Vec::new(),
            owners: HashMap::new(),
            names: HashMap::new(),
            failures: Vec::new(),
            failed: vec![0; replicas.len()],
        }
    }

    /// Adds an image that goes to every registry.
    async fn add(&mut self, image: &Wanted, found: Found, options: &Options) {
        let Some(tag) = self.name(image, &found.digest) else { return };
        // A narrowed image is another one, by design.
        let expected = options.platforms.is_empty().then(|| found.digest.clone());
        let mut destinations = Vec::new();
        for (number, replica) in self.replicas.iter().enumerate() {
            match self.destination(replica, image, &tag).await {
                Ok(opened) => {
                    let registry = self.fuses[number].over(opened.registry);
                    self.owners.insert(opened.shown.clone(), number);
                    destinations.push(Destination { registry, expected: expected.clone(), ..opened });
                }
                Err(error) => self.fail(number, &image.shown, error),
            }
        }
        self.jobs.push(Job { source: found.source, destinations, options: options.clone() });
    }

    /// The tag that the image has at sites; `None` where it has been added by another name.
    fn name(&mut self, image: &Wanted, digest: &Digest) -> Option<Tag> {
        for tag in [image.tag_for(digest), tag_of(digest)] {
            match self.names.get(&(image.repository.clone(), tag.clone())) {
                Some(other) if other == digest => return None,
                Some(_) => {}
                None => {
                    self.names.insert((image.repository.clone(), tag.clone()), digest.clone());
                    return Some(tag);
                }
            }
        }
        None
    }

    async fn destination(&self, replica: &Replica, image: &Wanted, tag: &Tag) -> Result<Destination, SessionError> {
        let repository = replica.path.repository(&image.repository)?;
        let name = ImageReference::new(replica.path.registry.clone(), repository, Selector::Tag(tag.clone()));
        self.session.destination(&Location::Registry(name), &self.access).await
    }

    fn fail(&mut self, replica: usize, image: &str, error: impl Failure) {
        let doing = format!("cannot distribute `{image}` to {}", self.replicas[replica]);
        self.failures.push(CommandError::new(doing, error));
        self.failed[replica] += 1;
    }

    async fn outline(self) -> CommandResult {
        let mut moves = Moves::new(self.session, "distribute").with_failures(self.failures);
        self.jobs.into_iter().for_each(|job| moves.add_job(job));
        moves.outline().await
    }

    /// Sends everything. Also answers which registries got all.
    async fn run(mut self) -> Result<(DistributeReport, Vec<CommandError>, Vec<Replica>), CommandError> {
        let jobs = std::mem::take(&mut self.jobs);
        // All at once: no image waits for a site that is slow with another one.
        let engine = engine_of(self.session, jobs.len()).map_err(cannot("distribute"))?;
        let (mut images, mut refused) = (Vec::new(), Vec::new());
        engine
            .copy_each(&jobs, |job, destination, result| match (self.owners.get(&destination.shown), result) {
                (Some(owner), Ok(report)) => images.push((*owner, report)),
                (Some(owner), Err(error)) => refused.push((*owner, job.source.shown.clone(), error)),
                (None, _) => {}
            })
            .await;
        self.refuse(refused);
        for warning in images.iter().flat_map(|(_, image)| &image.warnings) {
            self.session.console().warn(warning);
        }
        let whole = self.replicas.iter().zip(&self.failed).filter(|(_, failed)| **failed == 0);
        let whole = whole.map(|(replica, _)| replica.clone()).collect();
        let report = DistributeReport {
            registries: self.replicas.iter().cloned().zip(self.failed).collect(),
            images: images.into_iter().map(|(owner, image)| Sent::new(&self.replicas[owner], image)).collect(),
            removed: Vec::new(),
        };
        Ok((report, self.failures, whole))
    }

    /// Takes note of what failed: each image by itself, but once for all where a registry did not answer.
    fn refuse(&mut self, refused: Vec<(usize, String, transfer::Error)>) {
        let mut silent: HashMap<usize, Vec<transfer::Error>> = HashMap::new();
        for (owner, image, error) in refused {
            if self.fuses[owner].blown().is_some() && error.kind() == FailureKind::Unreachable {
                self.failed[owner] += 1;
                silent.entry(owner).or_default().push(error);
            } else {
                self.fail(owner, &image, error);
            }
        }
        for (number, replica) in self.replicas.iter().enumerate() {
            let mut errors = silent.remove(&number).unwrap_or_default();
            let count = errors.len();
            if let Some(error) = errors.pop() {
                let images = if count == 1 { "1 image".to_owned() } else { format!("{count} images") };
                self.failures.push(CommandError::new(format!("cannot distribute {images} to {replica}"), error));
            }
        }
    }
}
