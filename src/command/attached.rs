//! `attached`: what refers to an image, as a tree, and its files.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::files_of::fetch_files;
use super::flags::RegistryFlags;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::failure::FailureKind;
use crate::image::{Annotations, Descriptor, Digest, Manifest, Selector, Tag};
use crate::output::{Page, Report, Shown, size};
use crate::registry::{ErrorKind, ReferrersFrom};
use crate::session::{Access, Session};
use crate::transfer::Source;

/// How deep things may refer to each other, and how many there may be.
const MAX_DEPTH: usize = 16;
const MAX_THINGS: usize = 1000;
/// The ends of the tags under which cosign keeps what belongs to a manifest, and what that is.
const COSIGN: [(&str, &str); 3] = [("sig", "signature"), ("att", "attestation"), ("sbom", "SBOM")];

/// Flags of `attached`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:\n  $ tranship attached registry.example.com/app:1.4\n  \
    $ tranship attached registry.example.com/app:1.4 --artifact-type application/spdx+json -q\n  \
    $ tranship attached get registry.example.com/app:1.4 sboms --artifact-type application/spdx+json")]
pub(crate) struct AttachedArgs {
    #[command(subcommand)]
    command: Option<AttachedCommand>,

    #[command(flatten)]
    list: ListArgs,
}

/// The commands of `attached`.
#[derive(Subcommand, Debug)]
pub(crate) enum AttachedCommand {
    /// Fetch the files of what is attached
    #[command(after_help = "Example:\n  $ tranship attached get registry.example.com/app:1.4 sboms \
        --artifact-type application/spdx+json")]
    Get(GetArgs),
}

/// What is looked for.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The image
    #[arg(value_name = "IMAGE", required = true)]
    image: Option<String>,

    /// What is looked for, of all that is attached
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Flags of `attached get`.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The directory to put the files into
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// What is wanted, of all that is attached
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,

    /// Replace files that are there already
    #[arg(long)]
    overwrite: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Looks, or fetches.
///
/// # Errors
/// The image is not there, or what refers to it cannot be read.
pub(super) async fn run(args: AttachedArgs, session: &Session) -> CommandResult {
    match args.command {
        Some(AttachedCommand::Get(args)) => get(args, session).await,
        None => {
            let image = args.list.image.unwrap_or_default();
            let doing = format!("list what is attached to `{}`", image.escape_debug());
            let access = args.list.registry.access();
            let (_, digest, attached) =
                look(&image, args.list.artifact_type.as_deref(), &access, session, &doing).await?;
            Ok(Outcome::done(AttachedReport { image, digest, attached }))
        }
    }
}

async fn get(args: GetArgs, session: &Session) -> CommandResult {
    let doing = format!("get what is attached to `{}`", args.image.escape_debug());
    let access = args.registry.access();
    let (source, _, attached) = look(&args.image, args.artifact_type.as_deref(), &access, session, &doing).await?;
    let mut artifacts = Vec::new();
    for thing in attached.iter().flat_map(Thing::all) {
        let selector = Selector::Digest(thing.digest.clone());
        let manifest = source.registry.manifest(&source.repository, &selector).await.map_err(cannot(&doing))?;
        if let Manifest::Image(image) = manifest.manifest() {
            artifacts.push(image.clone());
        }
    }
    let report = fetch_files(&source, &artifacts, &args.directory, args.overwrite, session, &doing).await?;
    if report.is_empty() {
        let message = format!("cannot {doing}: nothing of that sort is attached that has a file");
        return Err(CommandError::plain(FailureKind::NotFound, message)
            .with_hint(format!("see what is attached: `tranship attached {}`", args.image)));
    }
    Ok(Outcome::done(report))
}

async fn look(
    image: &str,
    artifact_type: Option<&str>,
    access: &Access,
    session: &Session,
    doing: &str,
) -> Result<(Source, Digest, Vec<Thing>), CommandError> {
    let location = session.location(image).map_err(cannot(doing))?;
    let source = session.source(&location, access).await.map_err(cannot(doing))?;
    let root = source.registry.resolve(&source.repository, &source.selector).await.map_err(cannot(doing))?;
    let root = root
        .ok_or_else(|| CommandError::plain(FailureKind::NotFound, format!("cannot {doing}: there is no such image")))?;
    let mut left = MAX_THINGS;
    let attached = things(&source, &root.digest, true, artifact_type, MAX_DEPTH, &mut left).await;
    let attached = attached.map_err(cannot(doing))?;
    if left == 0 {
        session.console().warn("more than 1,000 things are attached; the others are not shown");
    }
    Ok((source, root.digest, attached))
}

/// What refers to a manifest, and to that.
async fn things(
    source: &Source,
    subject: &Digest,
    is_image: bool,
    artifact_type: Option<&str>,
    depth: usize,
    left: &mut usize,
) -> crate::registry::Result<Vec<Thing>> {
    let (registry, repository) = (&source.registry, &source.repository);
    let listed = registry.referrers(repository, subject, artifact_type).await?;
    let mut found = Vec::new();
    for descriptor in listed.manifests.into_iter().take(*left) {
        *left -= 1;
        let below = if depth > 1 && artifact_type.is_none() {
            Box::pin(things(source, &descriptor.digest, false, None, depth - 1, left)).await?
        } else {
            Vec::new()
        };
        found.push(Thing::new(descriptor, None, below));
    }
    // Where there is a list, cosign's tags need not be asked for, but for what older versions left.
    if is_image && artifact_type.is_none() && (listed.from == ReferrersFrom::FallbackTag || registry.identity().local) {
        for (end, what) in COSIGN {
            let name = format!("{}-{}.{end}", subject.algorithm().word(), subject.hex());
            let Ok(tag) = name.parse::<Tag>() else { continue };
            match registry.resolve(repository, &Selector::Tag(tag)).await {
                Ok(Some(descriptor)) => found.push(Thing::new(descriptor, Some(format!("cosign {what}")), Vec::new())),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

#[derive(Debug, Serialize)]
struct AttachedReport {
    image: String,
    digest: Digest,
    attached: Vec<Thing>,
}

/// Something attached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Thing {
    digest: Digest,
    artifact_type: String,
    size: u64,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attached: Vec<Thing>,
}

impl Thing {
    fn new(descriptor: Descriptor, known: Option<String>, attached: Vec<Self>) -> Self {
        let Descriptor { digest, size, annotations, media_type, artifact_type, .. } = descriptor;
        let artifact_type = known.or(artifact_type).unwrap_or_else(|| media_type.to_string());
        Self { digest, artifact_type, size, annotations, attached }
    }

    /// This and everything that is attached to it.
    fn all(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.attached.iter().flat_map(Self::all)).collect()
    }

    fn write(&self, page: &mut Page<'_>, before: &str, is_last: bool) -> io::Result<()> {
        let (own, below) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
        writeln!(page, "{before}{own}{}  {}  {}", Shown(&self.artifact_type), self.digest, size(self.size))?;
        tree(page, &self.attached, &format!("{before}{below}"))
    }
}

fn tree(page: &mut Page<'_>, things: &[Thing], before: &str) -> io::Result<()> {
    let count = things.len();
    things.iter().enumerate().try_for_each(|(number, thing)| thing.write(page, before, number + 1 == count))
}

impl Report for AttachedReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}  {}", Shown(&self.image), self.digest)?;
        tree(page, &self.attached, "")
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.attached.iter().flat_map(Thing::all).try_for_each(|thing| writeln!(page, "{}", thing.digest))
    }
}
