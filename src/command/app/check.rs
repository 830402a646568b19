//! `app check`: the gate before a deployment.

use std::io::{self, Write};

use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::command::flags::RegistryFlags;
use crate::command::specs::{Images, Named, SpecFlags, Use, read_all, tell_notes, users};
use crate::command::{CommandError, CommandResult, LOOKS, Outcome, cannot};
use crate::failure::{Failure, FailureKind};
use crate::image::{ImageReference, Location, RegistryPath};
use crate::output::{Page, Report, Table};
use crate::session::{Purpose, Session};

/// Flags of `app check`.
#[derive(Args, Debug)]
#[command(after_help = "Ends with 0 where every image is there, with 3 where one is missing, and with 5 where none\n\
    is known to be missing, but of one it cannot be told.\n\n\
    Examples:\n  $ tranship app check -f app.yaml && deploy\n  $ tranship app check -f app.yaml --at stockholm")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    specs: SpecFlags,

    /// Look there, under the names that images have at home; without it at home itself
    #[arg(long, value_name = "REGISTRY|SITE")]
    at: Option<String>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Looks whether the images are there, in every registry of the place.
///
/// # Errors
/// A spec cannot be read, or there is no such place; images are reported one by one.
pub(super) async fn run(args: CheckArgs, session: &Session) -> CommandResult {
    let place = Place::of(args.at.as_deref(), session)?;
    let specs = read_all(&args.specs.files, args.specs.kind.kind)?;
    tell_notes(&specs, session.console());
    let Images { named, failures: unnamed, .. } = Images::of(&specs, session)?;
    // By value: over references the compiler cannot see that the whole can move between threads.
    let looks = named.into_iter().map(|image| check(image, &place, &args, session));
    let looked: Vec<(Checked, Vec<CommandError>)> = stream::iter(looks).buffered(LOOKS).collect().await;
    let (images, errors): (Vec<Checked>, Vec<Vec<CommandError>>) = looked.into_iter().unzip();
    let failures: Vec<CommandError> = unnamed.into_iter().chain(errors.into_iter().flatten()).collect();
    let failed = verdict(&failures);
    Ok(Outcome { report: Some(Box::new(CheckReport { place: place.shown(), images })), failures, failed })
}

/// The exit code of a gate: what is missing for sure counts before what cannot be told.
fn verdict(failures: &[CommandError]) -> Option<FailureKind> {
    let is_missing = |error: &CommandError| error.kind() == FailureKind::NotFound;
    match failures {
        [] => None,
        _ if failures.iter().any(is_missing) => Some(FailureKind::NotFound),
        // A name that is wrong is wrong anywhere.
        _ if failures.iter().all(|error| error.kind() == FailureKind::Usage) => Some(FailureKind::Usage),
        _ => Some(FailureKind::Unreachable),
    }
}

/// Where images are to be.
enum Place {
    Home,
    /// A site or a registry: its name, and its registries.
    There(String, Vec<RegistryPath>),
}

impl Place {
    fn of(word: Option<&str>, session: &Session) -> Result<Self, CommandError> {
        let Some(word) = word else { return Ok(Self::Home) };
        let doing = || format!("check at `{}`", word.escape_debug());
        if let Some(site) = session.config().map_err(cannot(doing()))?.site(word) {
            return Ok(Self::There(word.to_owned(), site.registries.clone()));
        }
        let path: RegistryPath = word.parse().map_err(|_| no_site(word))?;
        // A word that no reference would take for a registry is meant as a site's name.
        if !session.is_reached_by_name(&path.registry).map_err(cannot(doing()))? {
            return Err(no_site(word));
        }
        Ok(Self::There(word.to_owned(), vec![path]))
    }

    fn shown(&self) -> String {
        match self {
            Self::Home => "home".to_owned(),
            Self::There(word, _) => word.clone(),
        }
    }

    /// Every name that an image has to have there.
    fn locations(&self, reference: &ImageReference, session: &Session) -> Result<Vec<Location>, CommandError> {
        let doing = || format!("check `{reference}`");
        match self {
            Self::Home => Ok(vec![session.at_home(reference).map_err(cannot(doing()))?]),
            Self::There(_, paths) => {
                let at = |path| session.at_registry(reference, path).map_err(cannot(doing()));
                paths.iter().map(|path| at(path).map(Location::Registry)).collect()
            }
        }
    }
}

fn no_site(word: &str) -> CommandError {
    let word = word.escape_debug();
    CommandError::plain(FailureKind::Usage, format!("there is no site `{word}`, and no registry of that name"))
        .with_hint("see which sites there are: `tranship site list`")
}

async fn check(image: Named, place: &Place, args: &CheckArgs, session: &Session) -> (Checked, Vec<CommandError>) {
    let mut failures = Vec::new();
    match place.locations(&image.reference, session) {
        Ok(locations) => {
            for location in &locations {
                failures.extend(look(&image.reference, location, place, args, session).await.err());
            }
        }
        Err(error) => failures.push(error),
    }
    let state = match verdict(&failures) {
        None => State::Present,
        Some(FailureKind::NotFound) => State::Missing,
        Some(_) => State::Unknown,
    };
    (Checked { reference: image.reference.to_string(), state, uses: image.uses }, failures)
}

async fn look(
    reference: &ImageReference,
    location: &Location,
    place: &Place,
    args: &CheckArgs,
    session: &Session,
) -> Result<(), CommandError> {
    let doing = || format!("tell whether `{reference}` is at `{location}`");
    let there = session.place(location, &args.registry.access(), Purpose::Reading).await.map_err(cannot(doing()))?;
    let found = there.source().resolve(&there.repository, &there.selector).await;
    match found.map_err(cannot(doing()))? {
        Some(_) => Ok(()),
        None => Err(CommandError::plain(FailureKind::NotFound, format!("`{reference}` is missing: `{location}`"))
            .with_hint(match place {
                Place::Home => format!("bring it home: `tranship pull {reference}`"),
                Place::There(word, _) => format!("send it there: `tranship distribute {reference} --to {word}`"),
            })),
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Present,
    Missing,
    Unknown,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    reference: String,
    state: State,
    uses: Vec<Use>,
}

#[derive(Debug, Serialize)]
struct CheckReport {
    place: String,
    images: Vec<Checked>,
}

impl Report for CheckReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new(["image", "state", "used by"]);
        for image in &self.images {
            table.row([image.reference.as_str(), image.state.word(), &users(&image.uses)]);
        }
        page.table(&table)
    }

    /// What is not there for sure.
    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let lacking = self.images.iter().filter(|image| !matches!(image.state, State::Present));
        lacking.into_iter().try_for_each(|image| writeln!(page, "{}", image.reference))
    }
}
