//! `save`: images in one archive that docker, podman and skopeo take.

use clap::Args;

use super::flags::{ContentFlags, RegistryFlags};
use super::kept::kept_or_remote;
use super::moving::{Moves, options};
use super::{CommandResult, cannot};
use crate::archive::Pack;
use crate::image::{ArchiveFile, ArchiveForm, Attached};
use crate::session::{Session, SessionError};
use crate::transfer::{Clobber, Destination, Source};

/// Flags of `save`.
#[derive(Args, Debug)]
#[command(after_help = "The archive holds docker's manifest.json and an OCI image layout, so that `docker load`\n\
    (of any version), `podman load`, skopeo and `tranship load` take it. An image is taken from\n\
    the store where it is there, else from its registry; docker://IMAGE means the registry.\n\
    FILE `-` is standard output.\n\n\
    Examples:\n  $ tranship save app.tar registry.example.com/app:1.4 docker.io/library/redis:7\n  \
    $ tranship save - store:app:1.4 | docker load\n  \
    $ tranship save arm.tar registry.example.com/app:1.4 --platform linux/arm64")]
pub(crate) struct SaveArgs {
    /// The archive
    #[arg(value_name = "FILE")]
    file: String,

    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,

    #[command(flatten)]
    content: ContentFlags,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Writes all images into one archive, or none.
///
/// # Errors
/// The archive cannot be written; images are reported one by one.
pub(super) async fn run(args: SaveArgs, session: &Session) -> CommandResult {
    let doing = || format!("save to `{}`", args.file.escape_debug());
    // Who loads it has no use for signatures and the like, unless they are asked for.
    let content = ContentFlags { attached: args.content.attached.or(Some(Attached::None)), ..args.content.clone() };
    let options = options(&content, Clobber::Move, session).map_err(cannot(doing()))?;
    let file = ArchiveFile::new(&args.file);
    let pack = session.pack(&file, ArchiveForm::Docker).await.map_err(cannot(doing()))?;
    let mut moves = Moves::new(session, "save");
    for text in &args.images {
        match sides(text, &pack, &args, session).await {
            Ok((source, destination)) => moves.add(source, destination, options.clone()),
            Err(error) => moves.failed(text, error),
        }
    }
    if moves.have_failed() {
        return Ok(moves.given_up());
    }
    let done = moves.run().await?;
    if done.have_failed() {
        return Ok(done.given_up());
    }
    pack.finish().await.map_err(cannot(doing()))?;
    Ok(done.outcome())
}

async fn sides(
    text: &str,
    pack: &Pack,
    args: &SaveArgs,
    session: &Session,
) -> Result<(Source, Destination), SessionError> {
    let location = kept_or_remote(text, session).await?;
    let source = session.source(&location, &args.registry.access()).await?;
    Ok((source, session.packed(pack, session.archive_name(&location).as_deref())?))
}
