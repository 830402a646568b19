//! `load`: the images of an archive into the home.

use clap::Args;

use super::flags::{ContentFlags, RegistryFlags};
use super::moving::{Moves, options};
use super::{CommandError, CommandResult, cannot};
use crate::archive::{Archive, Listed};
use crate::image::{ArchiveFile, ArchiveForm};
use crate::session::{Session, SessionError};
use crate::transfer::{Clobber, Destination, Source};

/// Flags of `load`.
#[derive(Args, Debug)]
#[command(after_help = "Reads what docker, podman, skopeo and `tranship save` write, compressed with gzip or zstd or \
    not.\nFILE `-` is standard input. Short names are Docker Hub's, as docker means them.\n\n\
    Examples:\n  $ tranship load app.tar\n  $ docker save app:1.4 | tranship load -\n  \
    $ tranship load nameless.tar --to app:1.4")]
pub(crate) struct LoadArgs {
    /// The archive
    #[arg(value_name = "FILE")]
    file: String,

    /// The name at home, REPOSITORY[:TAG]; where the archive holds one image
    #[arg(long, value_name = "NAME")]
    to: Option<String>,

    #[command(flatten)]
    content: ContentFlags,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Brings every image of the archive home.
///
/// # Errors
/// The archive cannot be read; images are reported one by one.
pub(super) async fn run(args: LoadArgs, session: &Session) -> CommandResult {
    let doing = || format!("load `{}`", args.file.escape_debug());
    let options = options(&args.content, Clobber::Move, session).map_err(cannot(doing()))?;
    let archive = session.archive(&ArchiveFile::new(&args.file), ArchiveForm::Docker).await.map_err(cannot(doing()))?;
    let mut images = archive.images().await.map_err(cannot(doing()))?;
    if images.is_empty() {
        return Err(CommandError::usage(format!("cannot {}: it holds no image", doing())));
    }
    if args.to.is_some() {
        if images.iter().any(|image| image.digest != images[0].digest) {
            return Err(CommandError::usage("`--to` names one image at home, and the archive holds several")
                .with_hint("take one: `tranship copy docker-archive:FILE:REFERENCE store:NAME`"));
        }
        images.truncate(1);
    }
    let mut moves = Moves::new(session, "load");
    for image in &images {
        let shown = image.name.clone().unwrap_or_else(|| image.digest.to_string());
        match sides(image, &archive, &args, session).await {
            Ok((source, destination)) => moves.add(source, destination, options.clone()),
            Err(error) => moves.failed(&shown, error),
        }
    }
    Ok(moves.run().await?.outcome())
}

async fn sides(
    image: &Listed,
    archive: &Archive,
    args: &LoadArgs,
    session: &Session,
) -> Result<(Source, Destination), SessionError> {
    let home = session.name_of_loaded(image.name.as_deref(), args.to.as_deref())?;
    let source = session.source_in(archive, &image.digest, image.name.as_deref()).await?;
    Ok((source, session.destination(&home, &args.registry.access()).await?))
}
