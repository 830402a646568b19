//! `site status`: which site holds what.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::command::flags::RegistryFlags;
use crate::command::replicas::{Replica, replicas};
use crate::command::several::several;
use crate::command::wanted::{Wanted, WantedFlags};
use crate::command::{CommandError, CommandResult, LOOKS, Outcome, cannot};
use crate::failure::{Failure, FailureKind};
use crate::image::{Digest, Location};
use crate::output::{Page, Report, Table};
use crate::session::{Access, Purpose, Session};
use crate::sites::{Holding, repositories};

/// Flags of `site status`.
#[derive(Args, Debug)]
#[command(after_help = "Without images everything is listed that the sites hold. `other` is another digest under\n\
    the same tag; a site with several registries shows how many of them have the image.\n\n\
    Examples:\n  $ tranship site status\n  $ tranship site status -f app.yaml --at stockholm gothenburg")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    wanted: WantedFlags,

    /// These sites alone
    #[arg(long, value_name = "SITE", num_args = 1.., value_delimiter = ',')]
    at: Vec<String>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Looks at every registry of the sites, several at once.
///
/// # Errors
/// A spec cannot be read, or there is no such site; sites are reported one by one.
pub(super) async fn run(args: StatusArgs, session: &Session) -> CommandResult {
    let replicas = replicas(&args.at, args.at.is_empty(), session)?;
    let access = args.registry.access();
    let everything = args.wanted.images.is_empty() && args.wanted.files.is_empty();
    let (report, failures) = if everything {
        list_all(&replicas, &access, session).await
    } else {
        let (wanted, unclear) = args.wanted.read(session)?;
        let (report, failures) = look(&wanted, &replicas, &access, session).await;
        (report, unclear.into_iter().chain(failures).collect())
    };
    let told = replicas.len().saturating_sub(failures.len());
    let failed = FailureKind::of_several(failures.iter().map(Failure::kind), told);
    Ok(Outcome { report: Some(Box::new(report)), failures, failed })
}

/// How an image stands at a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Present,
    /// The tag is there and points at something else.
    Other,
    Missing,
    Unknown,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Present => "yes",
            Self::Other => "other",
            Self::Missing => "no",
            Self::Unknown => "?",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AtSite {
    site: String,
    registry: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    image: String,
    /// What it is to be, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    sites: Vec<AtSite>,
}

#[derive(Debug, Serialize)]
struct StatusReport {
    images: Vec<Row>,
}

/// Looks these images up.
async fn look(
    wanted: &[Wanted],
    replicas: &[Replica],
    access: &Access,
    session: &Session,
) -> (StatusReport, Vec<CommandError>) {
    // What is nowhere but at sites has no digest to be compared with.
    let found = stream::iter(wanted.iter().map(|image| image.find(access, session))).buffered(LOOKS);
    let expected: Vec<Option<Digest>> = found.map(|found| found.ok().map(|found| found.digest)).collect().await;
    let looks = replicas.iter().map(|replica| look_at(replica, wanted, &expected, access, session));
    let columns: Vec<(Vec<AtSite>, Option<CommandError>)> = stream::iter(looks).buffered(LOOKS).collect().await;
    let mut rows: Vec<Row> = wanted
        .iter()
        .zip(expected)
        .map(|(image, digest)| Row { image: image.shown.clone(), digest, sites: Vec::new() })
        .collect();
    let mut failures = Vec::new();
    for (cells, failure) in columns {
        failures.extend(failure);
        for (row, cell) in rows.iter_mut().zip(cells) {
            row.sites.push(cell);
        }
    }
    (StatusReport { images: rows }, failures)
}

/// The cells of one registry, and why some could not be told. One that does not answer is asked no further.
async fn look_at(
    replica: &Replica,
    wanted: &[Wanted],
    expected: &[Option<Digest>],
    access: &Access,
    session: &Session,
) -> (Vec<AtSite>, Option<CommandError>) {
    let mut failure: Option<CommandError> = None;
    let mut cells = Vec::new();
    for (image, expected) in wanted.iter().zip(expected) {
        let (site, registry) = (replica.site.to_string(), replica.path.to_string());
        let silent = failure.as_ref().is_some_and(|failure| failure.kind() == FailureKind::Unreachable);
        let found = if silent { None } else { Some(look_for(replica, image, access, session).await) };
        let (state, digest) = match found {
            Some(Ok(Some(found))) if expected.as_ref().is_some_and(|expected| *expected != found) => {
                (State::Other, Some(found))
            }
            Some(Ok(Some(found))) => (State::Present, Some(found)),
            Some(Ok(None)) => (State::Missing, None),
            Some(Err(error)) => {
                failure.get_or_insert(error);
                (State::Unknown, None)
            }
            None => (State::Unknown, None),
        };
        cells.push(AtSite { site, registry, state, digest });
    }
    (cells, failure)
}

async fn look_for(
    replica: &Replica,
    image: &Wanted,
    access: &Access,
    session: &Session,
) -> Result<Option<Digest>, CommandError> {
    let doing = || format!("tell what {replica} holds");
    let location = image.name_at(&replica.path).map(Location::Registry).map_err(cannot(doing()))?;
    let place = session.place(&location, access, Purpose::Reading).await.map_err(cannot(doing()))?;
    let found = place.source().resolve(&place.repository, &place.selector).await.map_err(cannot(doing()))?;
    Ok(found.map(|found| found.digest))
}

/// Lists everything that the registries hold.
async fn list_all(replicas: &[Replica], access: &Access, session: &Session) -> (StatusReport, Vec<CommandError>) {
    // A registry that cannot be listed has a column all the same.
    let (held, failures) = several(replicas.iter().map(|replica| hold(replica, access, session))).await;
    let names: BTreeSet<&String> = held.iter().flat_map(|(_, images)| images.keys()).collect();
    let mut rows = Vec::new();
    for image in names {
        let cell = |replica: &Replica| {
            let listed = held.iter().find(|(listed, _)| *listed == replica);
            let digest = listed.and_then(|(_, images)| images.get(image)).cloned();
            let state = match (&listed, &digest) {
                (None, _) => State::Unknown,
                (Some(_), None) => State::Missing,
                (Some(_), Some(_)) => State::Present,
            };
            AtSite { site: replica.site.to_string(), registry: replica.path.to_string(), state, digest }
        };
        rows.push(Row { image: image.clone(), digest: None, sites: replicas.iter().map(cell).collect() });
    }
    (StatusReport { images: rows }, failures)
}

/// What a registry holds: digests by `repository:tag`, without the site's path.
async fn hold<'a>(
    replica: &'a Replica,
    access: &Access,
    session: &Session,
) -> Result<(&'a Replica, BTreeMap<String, Digest>), CommandError> {
    let doing = || format!("tell what {replica} holds");
    let registry = replica.open(access, session).await.map_err(cannot(doing()))?;
    let mut images = BTreeMap::new();
    for name in repositories(&*registry, replica.path.path.as_ref()).await.map_err(cannot(doing()))? {
        let registry = replica.open_for(&name, access, session).await.map_err(cannot(doing()))?;
        let own = replica.path.below(&replica.path.registry, &name).unwrap_or_else(|| name.clone());
        let holding = Holding::of(&*registry, name).await.map_err(cannot(doing()))?;
        images.extend(holding.tags.into_iter().map(|(tag, found)| (format!("{own}:{tag}"), found.digest)));
    }
    Ok((replica, images))
}

impl Row {
    /// What stands in the column of a site.
    fn cell(&self, site: &str) -> String {
        let own: Vec<&AtSite> = self.sites.iter().filter(|cell| cell.site == site).collect();
        let words: BTreeSet<&str> = own.iter().map(|cell| cell.state.word()).collect();
        let digests: BTreeSet<&Digest> = self.sites.iter().filter_map(|cell| cell.digest.as_ref()).collect();
        let present = own.iter().filter(|cell| cell.state == State::Present).count();
        match (words.len(), own.first()) {
            // Where sites have different images under one tag, and none is known to be the right one.
            (1, Some(cell)) if self.digest.is_none() && digests.len() > 1 && own.len() == 1 => {
                cell.digest.as_ref().map_or_else(|| cell.state.word().to_owned(), |digest| digest.short().to_owned())
            }
            (1, Some(cell)) => cell.state.word().to_owned(),
            _ => format!("{present}/{}", own.len()),
        }
    }
}

impl Report for StatusReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Some(first) = self.images.first() else { return Ok(()) };
        let mut sites: Vec<&str> = first.sites.iter().map(|cell| cell.site.as_str()).collect();
        sites.dedup();
        let mut table = Table::new(["image"].into_iter().chain(sites.iter().copied()));
        for row in &self.images {
            let name = row.image.split_once('@').map_or(row.image.as_str(), |(name, _)| name).to_owned();
            table.row([name].into_iter().chain(sites.iter().map(|site| row.cell(site))));
        }
        page.table(&table)
    }

    /// The images that some site lacks.
    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let lacks = |row: &&Row| row.sites.iter().any(|cell| cell.state != State::Present);
        self.images.iter().filter(lacks).try_for_each(|row| writeln!(page, "{}", row.image))
    }
}
