//! `bundle load`: the images of a bundle, where they are to be.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::flags::{ContentFlags, RegistryFlags};
use super::super::moving::{engine, options, pinned, summary};
use super::super::sync::SessionPlaces;
use super::super::{CommandError, CommandResult, Outcome, cannot};
use super::archives::Unpacked;
use crate::mirror::{Base, Load, Means, read_document};
use crate::output::{Page, Report, Shown};
use crate::session::Session;
use crate::transfer::{Clobber, TransferReport};

/// Flags of `bundle load`.
#[derive(Args, Debug)]
#[command(after_help = "Images land below DST as HOST/REPOSITORY; DST is a registry with or without a path, or \
    `store:PATH`.\nWithout it they land at home. Everything is compared with its digest.\n\n\
    Examples:\n  $ tranship bundle load monday.tar\n  \
    $ tranship bundle load monday.tar registry.internal:5000/mirror")]
pub(crate) struct LoadArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: String,

    /// Where its images are to be
    #[arg(value_name = "DST")]
    destination: Option<String>,

    #[command(flatten)]
    content: ContentFlags,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Brings every image in.
///
/// # Errors
/// The file is no bundle; images are reported one by one.
pub(super) async fn run(args: LoadArgs, session: &Session) -> CommandResult {
    let doing = || format!("load the bundle `{}`", args.file.escape_debug());
    let base = base(args.destination.as_deref(), session)?;
    let archive = Unpacked::open(&args.file, session).await.map_err(cannot(doing()))?;
    let document = read_document(&archive).await.map_err(cannot(doing()))?;
    let access = args.registry.access();
    let places = SessionPlaces::new(session, access.clone(), access);
    let engine = engine(session).map_err(cannot(doing()))?;
    let options = options(&args.content, Clobber::Move, session).map_err(cannot(doing()))?;
    let means = Means { places: &places, engine: &engine, options: &options };
    let load = Load { archive: &archive, document: &document, base: &base, means };
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    for image in &document.images {
        match load.image(image).await {
            Ok(report) => images.push(report),
            Err(error) => failures.push(CommandError::new(format!("cannot load `{}`", image.name()), error)),
        }
    }
    for warning in images.iter().flat_map(|image| &image.warnings) {
        session.console().warn(warning);
    }
    let succeeded = images.len();
    let report = LoadReport { id: document.id.clone(), parent: document.parent.clone(), images };
    Ok(Outcome::of_several(report, succeeded, failures))
}

/// The place that a word means, or the home.
fn base(word: Option<&str>, session: &Session) -> Result<Base, CommandError> {
    let config = session.config().map_err(cannot("load the bundle"))?;
    let home = config.settings.home_registry.as_ref().map_or_else(|| "store:".to_owned(), ToString::to_string);
    let word = word.unwrap_or(&home);
    Base::parse(word, &config.naming())
        .map_err(|error| CommandError::usage(format!("cannot load the bundle to `{}`: {error}", word.escape_debug())))
}

/// What was brought in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LoadReport {
    id: String,
    parent: Option<String>,
    images: Vec<TransferReport>,
}

impl Report for LoadReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.images {
            writeln!(page, "{}  {}", Shown(pinned(image)), summary(image))?;
        }
        let images = if self.images.len() == 1 { "image" } else { "images" };
        writeln!(page, "bundle {}: {} {images}", Shown(&self.id), self.images.len())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(page, "{}", image.digest))
    }
}
