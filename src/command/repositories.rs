//! `repositories`: the catalogue of a registry.

use std::io::{self, Write};

use clap::Args;
use futures_util::TryStreamExt;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::{CommandResult, Outcome, cannot};
use crate::image::{RegistryAddress, RepositoryName};
use crate::output::{Page, Reader, Report};
use crate::registry::Catalog;
use crate::session::Session;

/// Flags of `repositories`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  $ tranship repositories registry.example.com:5000")]
pub(crate) struct RepositoriesArgs {
    /// The registry
    #[arg(value_name = "REGISTRY")]
    registry: RegistryAddress,

    /// At most this many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    flags: RegistryFlags,
}

/// Lists the repositories, the first ones as soon as the first page is there.
///
/// # Errors
/// The registry has no catalogue, or shows it to no one like us.
pub(super) async fn run(args: RepositoriesArgs, session: &Session) -> CommandResult {
    let doing = || format!("list the repositories of `{}`", args.registry);
    let registry = session.client(&args.registry, None, &args.flags.access()).await.map_err(cannot(doing()))?;
    let mut out = session.console().stream(&[], "repositories").map_err(cannot(doing()))?;
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut pages = registry.repositories();
    while left > 0 {
        let Some(page) = pages.try_next().await.map_err(cannot(doing()))? else { break };
        for repository in page.into_iter().take(left) {
            if out.item(&Line(repository)).map_err(cannot(doing()))? == Reader::Gone {
                return Ok(Outcome::printed());
            }
            left -= 1;
        }
    }
    out.finish().map_err(cannot(doing()))?;
    Ok(Outcome::printed())
}

#[derive(Serialize)]
struct Line(RepositoryName);

impl Report for Line {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.0)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.text(page)
    }
}
