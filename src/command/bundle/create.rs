//! `bundle create`: what is new since the last bundle.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::super::flags::{ContentFlags, RegistryFlags};
use super::super::moving::{engine, options, pinned, summary};
use super::super::sync::{SessionPlaces, format, override_content};
use super::super::{CommandError, CommandResult, Outcome, cannot};
use super::archives::{Packed, Unpacked};
use crate::failure::Failure;
use crate::files::{Access, FileError, LocalDisk, read_following_links, write_atomically};
use crate::mirror::{
    BundleDocument, Creation, Destinations, Format, Means, Packing, Reading, Rules, Scoping, create_bundle,
    read_document,
};
use crate::output::{Page, Report, Shown, size};
use crate::session::Session;
use crate::transfer::{Clobber, TransferReport};

/// The longest state that is read.
const MAX_STATE_BYTES: u64 = 64 << 20;

/// Flags of `bundle create`.
#[derive(Args, Debug)]
#[command(after_help = "The rules are those of `tranship sync`; where they say to go does not matter.\n\
    What the last bundle held is kept beside them, in RULES.bundle.json, and what that and those\n\
    before it brought is left out.\n\n\
    Examples:\n  $ tranship bundle create -f rules.yaml monday.tar\n  \
    $ tranship bundle create -f rules.yaml tuesday.tar --since monday.tar\n  \
    $ tranship bundle create -f rules.yaml all.tar --whole")]
pub(crate) struct CreateArgs {
    /// The file of rules
    #[arg(short = 'f', long = "file", value_name = "RULES")]
    rules: PathBuf,

    /// The form of the rules
    #[arg(long, value_name = "FORM", default_value = "tranship", value_parser = format())]
    rules_format: Format,

    /// The bundle
    #[arg(value_name = "FILE")]
    file: String,

    /// Begin behind this bundle, not behind the last
    #[arg(long, value_name = "BUNDLE", conflicts_with = "whole")]
    since: Option<String>,

    /// Leave nothing out, whatever earlier bundles brought
    #[arg(long)]
    whole: bool,

    #[command(flatten)]
    content: ContentFlags,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Makes the bundle, or nothing where nothing is new.
///
/// # Errors
/// The rules or the last bundle cannot be read; an image cannot be read; the archive cannot be written.
pub(super) async fn run(args: CreateArgs, session: &Session) -> CommandResult {
    let doing = || format!("make the bundle `{}`", args.file.escape_debug());
    let rules = rules(&args, session)?;
    let state = state_file(&args.rules);
    let last = last(&args, &state, session).await?;
    let access = args.registry.access();
    let places = SessionPlaces::new(session, access.clone(), access);
    let engine = engine(session).map_err(cannot(doing()))?;
    let options = options(&args.content, Clobber::Move, session).map_err(cannot(doing()))?;
    let means = Means { places: &places, engine: &engine, options: &options };
    let begin = async || match Packed::begin(&args.file, session).await {
        Ok(packed) => Ok(Arc::new(packed) as Arc<dyn Packing>),
        Err(error) => Err(Box::new(error) as Box<dyn Failure>),
    };
    let made = create_bundle(&rules, means, last.as_ref(), begin).await.map_err(cannot(doing()))?;
    let Some(Creation { document, reports }) = made else {
        let last = last.map(|last| last.id);
        return Ok(Outcome::done(CreateReport { file: args.file, id: None, parent: last, images: Vec::new() }));
    };
    for warning in reports.iter().flat_map(|report| &report.warnings) {
        session.console().warn(warning);
    }
    // The bundle is there; without the state the next one would hold the same again, and nothing would be lost.
    write_atomically(&LocalDisk, &state, document.text().as_bytes(), Access::Shared)
        .map_err(cannot("keep what the bundle holds for the next one"))?;
    let (id, parent) = (Some(document.id), document.parent);
    Ok(Outcome::done(CreateReport { file: args.file, id, parent, images: reports }))
}

fn rules(args: &CreateArgs, session: &Session) -> Result<Rules, CommandError> {
    let doing = || format!("read the rules in {}", args.rules.display());
    let naming = session.config().map_err(cannot(doing()))?.naming();
    let destinations = Destinations::Elsewhere;
    let reading = Reading { naming: &naming, to: &[], scoping: Scoping::Usual, destinations };
    let mut rules = Rules::read(&args.rules, args.rules_format, reading).map_err(cannot(doing()))?;
    for warning in &rules.warnings {
        session.console().warn(&warning.to_string());
    }
    override_content(&args.content, &mut rules);
    Ok(rules)
}

/// Where it is kept what the last bundle of these rules held.
fn state_file(rules: &Path) -> PathBuf {
    let mut name = rules.file_name().map(OsString::from).unwrap_or_default();
    name.push(".bundle.json");
    rules.with_file_name(name)
}

/// What the bundle before this one said of itself.
async fn last(args: &CreateArgs, state: &Path, session: &Session) -> Result<Option<BundleDocument>, CommandError> {
    if args.whole {
        return Ok(None);
    }
    if let Some(file) = &args.since {
        let doing = || format!("read the bundle `{}`", file.escape_debug());
        let archive = Unpacked::open(file, session).await.map_err(cannot(doing()))?;
        return read_document(&archive).await.map(Some).map_err(cannot(doing()));
    }
    let doing = || format!("read what the last bundle held, in {}", state.display());
    let kept: Result<_, FileError> = read_following_links(state, MAX_STATE_BYTES);
    let Some(text) = kept.map_err(cannot(doing()))? else { return Ok(None) };
    BundleDocument::parse(&text).map(Some).map_err(|error| {
        cannot(doing())(error).with_hint("name the last bundle with `--since`, or begin anew with `--whole`")
    })
}

/// What was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateReport {
    file: String,
    /// None where nothing was new, so that nothing was made.
    id: Option<String>,
    parent: Option<String>,
    images: Vec<TransferReport>,
}

impl Report for CreateReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.images {
            writeln!(page, "{}  {}", Shown(pinned(image)), summary(image))?;
        }
        let behind = self.parent.as_ref().map(|parent| format!(", behind {}", Shown(parent))).unwrap_or_default();
        let Some(id) = &self.id else {
            return writeln!(page, "nothing is new{}; no bundle was made", behind.replace(", behind", " since"));
        };
        let bytes = self.images.iter().fold(0_u64, |sum, image| sum.saturating_add(image.blobs.sent.bytes));
        let images = if self.images.len() == 1 { "image" } else { "images" };
        writeln!(page, "bundle {id}{behind}: {} {images}, {}, in {}", self.images.len(), size(bytes), Shown(&self.file))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.id.iter().try_for_each(|id| writeln!(page, "{id}"))
    }
}
