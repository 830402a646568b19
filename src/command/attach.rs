//! `attach`: files that belong to an image, beside it and found by it.

use clap::Args;

use super::files_of::{FileWord, artifact_of};
use super::flags::RegistryFlags;
use super::index::pair;
use super::making::put_at;
use super::{CommandResult, cannot};
use crate::session::Session;
use crate::transfer::Destination;

/// Flags of `attach`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  $ tranship attach localhost:5000/app:1 sbom.json --artifact-type application/spdx+json"
)]
pub(crate) struct AttachArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The files, each with its media type where it has one
    #[arg(value_name = "FILE[:TYPE]", required = true)]
    files: Vec<FileWord>,

    /// What is attached
    #[arg(long, value_name = "TYPE", default_value = super::artifact::UNKNOWN_TYPE)]
    artifact_type: String,

    /// A note on what is attached (repeatable)
    #[arg(short, long = "annotation", value_name = "KEY=VALUE", value_parser = pair)]
    annotations: Vec<(String, String)>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Makes an artifact that refers to the image, and puts it into the image's repository.
///
/// # Errors
/// The image or a file is not there, or the place refuses.
pub(super) async fn run(args: AttachArgs, session: &Session) -> CommandResult {
    let doing = format!("attach to `{}`", args.image.escape_debug());
    let access = args.registry.access();
    let location = session.location(&args.image).map_err(cannot(&doing))?;
    let source = session.source(&location, &access).await.map_err(cannot(&doing))?;
    let subject = source.registry.manifest(&source.repository, &source.selector).await.map_err(cannot(&doing))?;
    let shown = args.files.iter().map(FileWord::shown).collect::<Vec<_>>().join(", ");
    let annotations = args.annotations.into_iter().collect();
    let subject = crate::image::Descriptor { artifact_type: None, ..subject.descriptor() };
    let draft = artifact_of(args.files, args.artifact_type, Some(subject), annotations, &doing).await?;
    let there = session.destination(&location, &access).await.map_err(cannot(&doing))?;
    // It goes by its digest, and is found by the image's.
    let there = Destination { tags: Vec::new(), expected: None, ..there };
    put_at(draft, "attach", &shown, there, session).await
}
