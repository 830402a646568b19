//! The flags of `serve` about upkeep and automatic pull.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use crate::command::flags::duration;
use crate::config::{RetentionEntry, ServingUpkeep, ServingUpstream};
use crate::registry::{RepositoryPattern, RetentionRule};
use crate::server::UpkeepSettings;

/// How often a tag that came from upstream is compared where nothing is said.
const FRESH: Duration = Duration::from_mins(10);

/// What `serve` does by itself.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Upkeep")]
pub(crate) struct UpkeepFlags {
    /// How often what nothing needs is collected, while requests go on [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    upkeep_every: Option<Duration>,

    /// How long content that nothing names yet is kept for a push that may need it [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    upkeep_grace: Option<Duration>,

    /// How often everything is read and compared with its digests, e.g. 168h [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    scrub_every: Option<Duration>,

    /// The most that is kept, e.g. 50GiB; pushes beyond it are refused
    #[arg(long, value_name = "SIZE")]
    quota: Option<ByteSize>,

    /// Fetch what is missing from the remote registries of the configuration, and keep it: HOST/REPOSITORY from HOST,
    /// other names from the default remote registry
    #[arg(long)]
    upstream: bool,

    /// How old a tag from upstream gets before it is compared there again [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    upstream_fresh: Option<Duration>,
}

impl UpkeepFlags {
    /// What the flags say of upkeep.
    pub(super) fn said(&self) -> ServingUpkeep {
        ServingUpkeep {
            every: self.upkeep_every,
            grace: self.upkeep_grace,
            scrub_every: self.scrub_every,
            quota: self.quota.map(|size| size.as_u64()),
            ..ServingUpkeep::default()
        }
    }

    /// What they say of automatic pull.
    pub(super) fn said_of_upstream(&self) -> ServingUpstream {
        ServingUpstream { enabled: self.upstream.then_some(true), fresh: self.upstream_fresh }
    }
}

/// How the place is kept in order.
///
/// # Errors
/// A pattern is none.
pub(super) fn settings(said: &ServingUpkeep) -> Result<UpkeepSettings, globset::Error> {
    let usual = UpkeepSettings::default();
    Ok(UpkeepSettings {
        every: said.every.unwrap_or(usual.every),
        grace: said.grace.unwrap_or(usual.grace),
        rules: said.retention.iter().map(rule).collect::<Result<_, _>>()?,
        abandoned_after: said.abandoned_after.unwrap_or(usual.abandoned_after),
        scrub_every: said.scrub_every,
        quota: said.quota,
    })
}

fn rule(entry: &RetentionEntry) -> Result<RetentionRule, globset::Error> {
    let RetentionEntry { keep, keep_younger_than, untagged_after, .. } = *entry;
    let repositories = entry.repositories.as_deref().map(RepositoryPattern::new).transpose()?;
    Ok(RetentionRule { repositories, keep, keep_younger_than, untagged_after })
}

/// How old a tag from upstream gets; `None` where nothing is fetched.
pub(super) fn fresh(said: ServingUpstream) -> Option<Duration> {
    (said.enabled == Some(true)).then(|| said.fresh.unwrap_or(FRESH))
}
