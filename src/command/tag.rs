//! `tag`: more tags for one manifest, without moving a blob.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::{CommandResult, Outcome, cannot};
use crate::image::{Digest, Tag};
use crate::output::{Page, Report};
use crate::registry::TagCondition;
use crate::session::{Purpose, Session};

/// Flags of `tag`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  $ tranship tag registry.example.com/app:1.4.2 1.4 stable")]
pub(crate) struct TagArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Its further tags
    #[arg(value_name = "TAG", required = true)]
    tags: Vec<Tag>,

    /// Leave tags alone that exist
    #[arg(long)]
    no_clobber: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Reads the manifest once and puts it under every tag: two requests for one tag.
///
/// # Errors
/// The image is not there, or the registry refuses.
pub(super) async fn run(args: TagArgs, session: &Session) -> CommandResult {
    let doing = || format!("tag `{}`", args.image.escape_debug());
    let location = session.location(&args.image).map_err(cannot(doing()))?;
    let place = session.place(&location, &args.registry.access(), Purpose::Writing).await.map_err(cannot(doing()))?;
    let manifest = place.registry.manifest(&place.repository, &place.selector).await.map_err(cannot(doing()))?;
    let condition = if args.no_clobber { TagCondition::Absent } else { TagCondition::Always };
    place.registry.push_manifest(&place.repository, &manifest, &args.tags, condition).await.map_err(cannot(doing()))?;
    Ok(Outcome::done(TagReport {
        repository: place.shown_repository,
        digest: manifest.digest().clone(),
        tags: args.tags,
    }))
}

#[derive(Debug, Serialize)]
struct TagReport {
    repository: String,
    digest: Digest,
    tags: Vec<Tag>,
}

impl Report for TagReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for tag in &self.tags {
            writeln!(page, "{}:{tag}@{}", self.repository, self.digest)?;
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.digest)
    }
}
