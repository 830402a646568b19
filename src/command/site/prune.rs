//! `site prune`: what no given spec needs is removed at sites.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::command::flags::RegistryFlags;
use crate::command::input::is_terminal;
use crate::command::replicas::{Replica, replicas};
use crate::command::several::several;
use crate::command::specs::KindFlag;
use crate::command::wanted::{WantedFlags, needed};
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::failure::{Failure, FailureKind};
use crate::image::{RepositoryName, Tag};
use crate::output::{Confirmation, Page, Report};
use crate::registry::{ErrorKind, Registry};
use crate::session::{Access, Session, SessionError};
use crate::sites::{Holding, Needed, Pruning, Removal, repositories};

/// Flags of `site prune`.
#[derive(Args, Debug)]
#[command(after_help = "Needed is what the specs name, with what that names in turn and what is attached to it.\n\
    Everything else in the site's registries goes: below the path where the site has one, else\n\
    all of it.\n\n\
    Examples:\n  $ tranship site prune stockholm -f app.yaml --dry-run\n  \
    $ tranship site prune --all -f shop.yaml -f tickets.yaml --yes")]
pub(crate) struct PruneArgs {
    /// The sites, by name
    #[arg(value_name = "SITE", required_unless_present = "all")]
    sites: Vec<String>,

    /// Every site of the configuration
    #[arg(long, conflicts_with = "sites")]
    all: bool,

    /// A file that names what is needed; `-` is standard input (repeatable)
    #[arg(short = 'f', long = "file", value_name = "SPEC", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    kind: KindFlag,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Finds what is not needed, and removes it once that is agreed to.
///
/// # Errors
/// A spec cannot be read or names no image, or there is no such site; sites are reported one by one.
pub(super) async fn run(args: PruneArgs, session: &Session) -> CommandResult {
    let replicas = replicas(&args.sites, args.all, session)?;
    let named = WantedFlags { images: Vec::new(), files: args.files, kind: args.kind };
    let (wanted, mut unclear) = named.read(session)?;
    // What cannot be told may be needed.
    if let Some(error) = unclear.pop() {
        return Err(error.with_hint("nothing is removed while it is not known of every image what it is"));
    }
    let consent = match (args.dry_run, args.yes) {
        (true, _) => Consent::DryRun,
        (false, true) => Consent::Given,
        (false, false) => Consent::Asked,
    };
    let (removed, failures) = prune(&replicas, &needed(&wanted), consent, &args.registry.access(), session).await?;
    let report = PruneReport { removed, dry_run: args.dry_run };
    let succeeded = report.removed.len() + replicas.len().saturating_sub(failures.len());
    let failed = FailureKind::of_several(failures.iter().map(Failure::kind), succeeded);
    Ok(Outcome { report: Some(Box::new(report)), failures, failed })
}

/// Whether something may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum Consent {
    /// It may.
    Given,
    /// Whoever sits at the terminal is asked.
    Asked,
    /// It may not: it is only said what would be.
    DryRun,
}

/// Something that was removed at a site, or would be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::command) struct Gone {
    site: String,
    registry: String,
    repository: String,
    #[serde(flatten)]
    removal: Removal,
}

impl Gone {
    fn new(replica: &Replica, repository: &RepositoryName, removal: Removal) -> Self {
        let (site, registry) = (replica.site.to_string(), replica.path.registry.to_string());
        Self { site, registry, repository: repository.to_string(), removal }
    }
}

/// Says line by line what `verb` tells of.
pub(in crate::command) fn tell_gone(gone: &[Gone], verb: &str, page: &mut Page<'_>) -> io::Result<()> {
    for Gone { site, registry, repository, removal } in gone {
        let tags: Vec<&str> = removal.tags.iter().map(Tag::as_str).collect();
        let what = match (&removal.digest, tags.as_slice()) {
            (Some(digest), []) => format!("@{digest}"),
            (Some(digest), tags) => format!(":{}@{digest}", tags.join(",")),
            (None, tags) => format!(":{} (the tag alone)", tags.join(",")),
        };
        writeln!(page, "{site}: {verb} {registry}/{repository}{what}")?;
    }
    Ok(())
}

/// What is to go at one registry.
struct Plan<'a> {
    replica: &'a Replica,
    prunings: Vec<(Arc<dyn Registry>, Pruning)>,
}

/// Removes at the registries what is not needed. What of it failed stands beside what is gone.
///
/// # Errors
/// Nothing is needed at all, or nobody agrees.
pub(in crate::command) async fn prune(
    replicas: &[Replica],
    needed: &BTreeMap<RepositoryName, Needed>,
    consent: Consent,
    access: &Access,
    session: &Session,
) -> Result<(Vec<Gone>, Vec<CommandError>), CommandError> {
    if needed.is_empty() {
        return Err(CommandError::usage("no image is needed, so everything would go")
            .with_hint("name the specs of all that runs there: `-f SPEC`"));
    }
    let (plans, mut failures) = several(replicas.iter().map(|replica| plan(replica, needed, access, session))).await;
    if consent == Consent::DryRun {
        return Ok((plans.iter().flat_map(Plan::gone).collect(), failures));
    }
    if consent == Consent::Asked {
        ask(&plans, session)?;
    }
    let (ends, _) = several(plans.into_iter().map(|plan| async move { Ok(plan.run().await) })).await;
    let mut gone = Vec::new();
    for (removed, failed) in ends {
        gone.extend(removed);
        failures.extend(failed);
    }
    Ok((gone, failures))
}

async fn plan<'a>(
    replica: &'a Replica,
    needed: &BTreeMap<RepositoryName, Needed>,
    access: &Access,
    session: &Session,
) -> Result<Plan<'a>, CommandError> {
    let doing = || format!("prune {replica}");
    let registry = replica.open(access, session).await.map_err(cannot(doing()))?;
    let path = replica.path.path.as_ref();
    let names = match repositories(&*registry, path).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            let message = format!("{replica} does not list its repositories; those that the specs name are looked at");
            session.console().warn(&message);
            let below = needed.keys().map(|name| replica.path.repository(name));
            below.collect::<Result<_, _>>().map_err(SessionError::from).map_err(cannot(doing()))?
        }
        names => names.map_err(cannot(doing()))?,
    };
    let mut prunings = Vec::new();
    for name in names {
        let registry = replica.open_for(&name, access, session).await.map_err(cannot(doing()))?;
        let own = replica.path.below(&replica.path.registry, &name);
        let needed = own.and_then(|own| needed.get(&own)).cloned().unwrap_or_default();
        let holding = Holding::of(&*registry, name).await.map_err(cannot(doing()))?;
        let pruning = Pruning::plan(&*registry, &holding, &needed).await.map_err(cannot(doing()))?;
        if !pruning.removals.is_empty() {
            prunings.push((registry, pruning));
        }
    }
    Ok(Plan { replica, prunings })
}

/// Shows what would go, and asks whether it may.
fn ask(plans: &[Plan<'_>], session: &Session) -> Result<(), CommandError> {
    let would: Vec<Gone> = plans.iter().flat_map(Plan::gone).collect();
    if would.is_empty() {
        return Ok(());
    }
    let things = if would.len() == 1 { "1 thing".to_owned() } else { format!("{} things", would.len()) };
    if is_terminal() {
        let report = PruneReport { removed: would, dry_run: true };
        session.console().report(&report).map_err(cannot("write the result"))?;
    }
    match session.console().confirm(&format!("Remove {things}?")).map_err(cannot("ask"))? {
        Confirmation::Yes => Ok(()),
        Confirmation::No => Err(CommandError::plain(FailureKind::Failed, "nothing was removed")),
        Confirmation::NoTerminal => {
            Err(CommandError::usage(format!("{things} would be removed, and nobody is there to be asked"))
                .with_hint("see what it is with `--dry-run`, and pass `--yes`"))
        }
    }
}

impl Plan<'_> {
    fn gone(&self) -> Vec<Gone> {
        let of = |pruning: &Pruning| -> Vec<Gone> {
            let gone = |removal: &Removal| Gone::new(self.replica, &pruning.repository, removal.clone());
            pruning.removals.iter().map(gone).collect()
        };
        self.prunings.iter().flat_map(|(_, pruning)| of(pruning)).collect()
    }

    /// Removes it. Where the registry removes nothing of a sort at all, it is not asked for more.
    async fn run(self) -> (Vec<Gone>, Vec<CommandError>) {
        let (mut gone, mut failures) = (Vec::new(), Vec::new());
        for (registry, pruning) in &self.prunings {
            let removed = pruning.run(&**registry).await;
            let repository = &pruning.repository;
            gone.extend(removed.removals.into_iter().map(|removal| Gone::new(self.replica, repository, removal)));
            let mut is_refused = false;
            for (removal, error) in removed.failures {
                is_refused |= error.kind() == ErrorKind::Unsupported && removal.digest.is_some();
                let what = removal.digest.map_or_else(
                    || removal.tags.iter().map(|tag| format!(":{tag}")).collect::<Vec<_>>().join(", "),
                    |digest| format!("@{digest}"),
                );
                let doing = format!("cannot remove `{repository}{what}` at {}", self.replica);
                failures.push(CommandError::new(doing, error));
            }
            if is_refused {
                break;
            }
        }
        (gone, failures)
    }
}

/// What was removed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PruneReport {
    removed: Vec<Gone>,
    /// Whether nothing was, and this is what would be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Report for PruneReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        tell_gone(&self.removed, if self.dry_run { "would remove" } else { "removed" }, page)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        for gone in &self.removed {
            match &gone.removal.digest {
                Some(digest) => writeln!(page, "{digest}")?,
                None => gone.removal.tags.iter().try_for_each(|tag| writeln!(page, "{tag}"))?,
            }
        }
        Ok(())
    }
}
