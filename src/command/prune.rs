//! `prune`: removes what nothing names from the home.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::flags::{RegistryFlags, duration};
use super::specs::KindFlag;
use super::wanted::used_at_home;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::image::{Digest, RegistryPath};
use crate::output::{Page, Report, size};
use crate::registry::{Collected, Collection, Effect, Maintenance as _, RepositoryPattern, RetentionRule};
use crate::session::Session;

/// Flags of `prune`.
#[derive(Args, Debug)]
#[command(
    after_help = "An image that has a tag is named, and so is one that was pulled by its digest. What an image that\n\
    stays consists of, and what is attached to it, stays with it. Pulls and pushes may go on meanwhile.\n\n\
    Examples:\n  $ tranship prune --dry-run\n  $ tranship prune\n  \
    $ tranship prune --keep 5 --keep-younger-than 24h --used-by app.yaml"
)]
pub(crate) struct PruneArgs {
    /// Remove tags too: in every repository all but the N that moved last
    #[arg(long, value_name = "N")]
    keep: Option<usize>,

    /// Remove nothing that is younger, named or not, e.g. 24h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    keep_younger_than: Option<Duration>,

    /// Keep the images that this spec names, whatever else is said; `-` is standard input (repeatable)
    #[arg(long, value_name = "SPEC")]
    used_by: Vec<PathBuf>,

    #[command(flatten)]
    kind: KindFlag,

    /// Keep what was pushed or asked for so lately, though nothing names it yet [default: 24h where the store is
    /// served, else what running pulls and pushes need]
    #[arg(long, value_name = "TIME", value_parser = grace)]
    grace: Option<Duration>,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Reads a time; `0` is none.
fn grace(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { duration(text) }
}

/// Removes what is not named.
///
/// # Errors
/// The home cannot be read or changed, or is a registry that does not do this.
pub(super) async fn run(args: PruneArgs, session: &Session) -> CommandResult {
    let doing = "prune";
    let used = used_at_home(&args.used_by, args.kind.kind, &args.registry.access(), session).await?;
    let home = session.config().map_err(cannot(doing))?.settings.home_registry.clone();
    let collected = if let Some(home) = &home {
        of_registry(home, &args, used, session).await?
    } else {
        let store = session.store().map_err(cannot(doing))?;
        let served = || if store.is_served() { Collection::GRACE } else { Duration::ZERO };
        let collection = args.collection(None, args.grace.unwrap_or_else(served), used);
        store.collect(&collection).await.map_err(cannot(doing))?
    };
    for repository in &collected.unreadable {
        session.console().hint(&format!(
            "a manifest of {repository} cannot be read, so its layers stay; `tranship images` shows it, pulling it again repairs it"
        ));
    }
    Ok(Outcome::done(PruneReport { collected, dry_run: args.dry_run }))
}

impl PruneArgs {
    fn collection(
        &self,
        repositories: Option<RepositoryPattern>,
        grace: Duration,
        used: BTreeSet<Digest>,
    ) -> Collection {
        let (keep, keep_younger_than) = (self.keep, self.keep_younger_than);
        let rule = RetentionRule { repositories, keep, keep_younger_than, ..RetentionRule::unnamed() };
        let effect = if self.dry_run { Effect::Told } else { Effect::Done };
        Collection { rules: vec![rule], used, grace, effect }
    }
}

async fn of_registry(
    home: &RegistryPath,
    args: &PruneArgs,
    used: BTreeSet<Digest>,
    session: &Session,
) -> Result<Collected, CommandError> {
    let doing = || format!("prune the home registry `{home}`");
    let client = session.client(&home.registry, None, &args.registry.access()).await.map_err(cannot(doing()))?;
    let below = home.path.as_ref().map(|path| RepositoryPattern::new(&format!("{path}/**")));
    let below = below.transpose().map_err(|error| CommandError::usage(format!("cannot {}: {error}", doing())))?;
    // How long is waited for pushes is the server's to say.
    let collection = args.collection(below, args.grace.unwrap_or_default(), used);
    let collected = client.collect(&collection).await.map_err(cannot(doing()))?;
    collected.ok_or_else(|| {
        CommandError::usage(format!("cannot {}: it is no registry of tranship's", doing()))
            .with_hint("its operator collects there what nothing names; `tranship delete` removes tags and manifests")
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PruneReport {
    #[serde(flatten)]
    collected: Collected,
    /// Whether nothing was removed, and this is what would be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl PruneReport {
    fn names(&self) -> impl Iterator<Item = String> + '_ {
        let tags = self.collected.tags.iter().map(|gone| format!("{}:{}", gone.repository, gone.tag));
        let manifests = self.collected.manifests.iter().map(|gone| format!("{}@{}", gone.repository, gone.digest));
        tags.chain(manifests)
    }
}

impl Report for PruneReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let (removed, freed) = if self.dry_run { ("would remove", "would free") } else { ("removed", "freed") };
        for name in self.names() {
            writeln!(page, "{removed} {name}")?;
        }
        let Collected { blobs, bytes, spared_bytes, .. } = &self.collected;
        let files = if *blobs == 1 { "file" } else { "files" };
        writeln!(page, "{freed} {} in {blobs} {files}", size(*bytes))?;
        if *spared_bytes > 0 {
            writeln!(page, "{} that nothing names stay for pushes that may need them", size(*spared_bytes))?;
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.names().try_for_each(|name| writeln!(page, "{name}"))
    }
}
