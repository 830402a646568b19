//! `images`: what the home holds.

use std::io::{self, Write};

use clap::Args;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::inspect::overview;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::image::{Digest, RegistryPath, RepositoryName, Selector, Tag};
use crate::output::{Page, Report, Table, age, size};
use crate::registry::{Catalog, ErrorKind};
use crate::session::Session;
use crate::store::{KeptImage, Untagged};

/// Flags of `images`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship images\n  $ tranship images docker.io/library -o json")]
pub(crate) struct ImagesArgs {
    /// Only repositories of this name or below it
    #[arg(value_name = "NAME")]
    below: Option<RepositoryName>,

    /// With manifests that nothing names (store)
    #[arg(long)]
    untagged: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Lists the images of the home: the store, or the home registry.
///
/// # Errors
/// The home cannot be read.
pub(super) async fn run(args: ImagesArgs, session: &Session) -> CommandResult {
    let doing = "list the images at home";
    let home = session.config().map_err(cannot(doing))?.settings.home_registry.clone();
    let wanted =
        |repository: &RepositoryName| args.below.as_ref().is_none_or(|below| repository.is_within(below.as_str()));
    let mut images = match home {
        Some(_) if args.untagged => {
            return Err(CommandError::usage(
                "a registry does not show what nothing names; `--untagged` is for the store",
            ));
        }
        Some(home) => of_registry(&home, &wanted, &args, session).await?,
        None => {
            let untagged = if args.untagged { Untagged::Shown } else { Untagged::Hidden };
            let kept = session.store().map_err(cannot(doing))?.images(untagged).await.map_err(cannot(doing))?;
            kept.into_iter().map(Line::from).collect()
        }
    };
    images.retain(|image| wanted(&image.repository));
    Ok(Outcome::done(ImagesReport { images }))
}

async fn of_registry(
    home: &RegistryPath,
    wanted: &impl Fn(&RepositoryName) -> bool,
    args: &ImagesArgs,
    session: &Session,
) -> Result<Vec<Line>, CommandError> {
    let doing = || format!("list the images of the home registry `{home}`");
    let access = args.registry.access();
    let registry = session.client(&home.registry, None, &access).await.map_err(cannot(doing()))?;
    let pages: Vec<Vec<RepositoryName>> = registry.repositories().try_collect().await.map_err(cannot(doing()))?;
    let below = |name: &RepositoryName| home.path.as_ref().is_none_or(|path| name.is_within(path.as_str()));
    let mut lines = Vec::new();
    for repository in pages.into_iter().flatten().filter(|name| below(name) && wanted(name)) {
        let client = session.client(&home.registry, Some(&repository), &access).await.map_err(cannot(doing()))?;
        let tags: Vec<Vec<Tag>> = match client.tags(&repository).try_collect().await {
            Ok(pages) => pages,
            // A repository whose last tag was removed stays in the catalogue.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(CommandError::new(format!("cannot {}", doing()), error)),
        };
        for tag in tags.into_iter().flatten() {
            let selector = Selector::Tag(tag.clone());
            let found = overview(&*client, &repository, &selector).await.map_err(cannot(doing()))?;
            lines.push(Line {
                repository: repository.clone(),
                tag: Some(tag),
                digest: found.digest,
                size: found.size,
                created: found.created,
                stored: None,
            });
        }
    }
    Ok(lines)
}

/// One image at home.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    repository: RepositoryName,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Tag>,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<Timestamp>,
}

impl From<KeptImage> for Line {
    fn from(kept: KeptImage) -> Self {
        Self {
            repository: kept.repository,
            tag: kept.tag,
            digest: kept.digest,
            size: Some(kept.size),
            created: kept.created,
            stored: kept.stored,
        }
    }
}

#[derive(Debug, Serialize)]
struct ImagesReport {
    images: Vec<Line>,
}

impl Report for ImagesReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let now = Timestamp::now();
        let since = |time: Option<Timestamp>| time.map(|time| age(time, now)).unwrap_or_default();
        let mut table = Table::new(["repository", "tag", "digest", "size", "created", "stored"]);
        for image in &self.images {
            table.row([
                image.repository.as_str(),
                image.tag.as_ref().map_or("", Tag::as_str),
                image.digest.short(),
                &image.size.map(size).unwrap_or_default(),
                &since(image.created),
                &since(image.stored),
            ]);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.images {
            match &image.tag {
                Some(tag) => writeln!(page, "{}:{tag}", image.repository)?,
                None => writeln!(page, "{}@{}", image.repository, image.digest)?,
            }
        }
        Ok(())
    }
}
