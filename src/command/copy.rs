//! `copy`: an image from any place to any places.

use std::path::PathBuf;

use clap::Args;

use super::flags::{ContentFlags, RegistryFlags, SideFlags};
use super::moving::{Moves, options};
use super::{CommandResult, cannot};
use crate::files::{Access, LocalDisk, write_atomically};
use crate::session::Session;
use crate::transfer::Clobber;

/// Flags of `copy`.
#[derive(Args, Debug)]
#[command(after_help = "Places:\n  REFERENCE, docker://REFERENCE    an image in a registry\n  \
    store:NAME[:TAG][@DIGEST]        an image in the local store\n  \
    oci:DIR[:NAME|@DIGEST]           an image of an OCI layout directory\n  \
    oci-archive:FILE[:NAME]          an image of such a layout in one tar\n  \
    docker-archive:FILE[:REFERENCE]  an image in a tar as docker saves it\n  \
    dir:DIR                          one image in a plain directory, as skopeo writes it\n  \
    - in place of FILE is standard input or output; gzip and zstd are read; :@N is image N of it.\n\n\
    Examples:\n  $ tranship copy docker.io/library/alpine:3.20 registry.example.com/os/alpine:3.20\n  \
    $ tranship copy registry.example.com/app:1.4 oci:images:app --platform linux/arm64\n  \
    $ tranship copy store:app:1.4 a.example.com/app:1.4 b.example.com/app:1.4 --dry-run")]
pub(crate) struct CopyArgs {
    /// The image
    #[arg(value_name = "SRC")]
    source: String,

    /// Where to
    #[arg(value_name = "DST", required = true)]
    destinations: Vec<String>,

    #[command(flatten)]
    content: ContentFlags,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Leave a tag alone that exists and points elsewhere, and fail
    #[arg(long)]
    no_clobber: bool,

    /// Write the digest into this file
    #[arg(long, value_name = "FILE")]
    digest_file: Option<PathBuf>,

    #[command(flatten)]
    registry: RegistryFlags,

    #[command(flatten)]
    sides: SideFlags,
}

/// Copies the image to every destination.
///
/// # Errors
/// The source cannot be opened; destinations are reported one by one.
pub(super) async fn run(args: CopyArgs, session: &Session) -> CommandResult {
    let doing = || format!("copy `{}`", args.source.escape_debug());
    let location = session.location(&args.source).map_err(cannot(doing()))?;
    let source = session.source(&location, &args.sides.source(&args.registry)).await.map_err(cannot(doing()))?;
    let clobber = if args.no_clobber { Clobber::Refuse } else { Clobber::Move };
    let options = options(&args.content, clobber, session).map_err(cannot(doing()))?;
    let access = args.sides.destination(&args.registry);
    let mut moves = Moves::new(session, "copy");
    moves.add_each(&source, &args.destinations, &access, &options).await;
    if args.dry_run {
        return moves.outline().await;
    }
    let done = moves.run().await?;
    if let (Some(file), Some(digest)) = (&args.digest_file, done.digest()) {
        write_atomically(&LocalDisk, file, digest.to_string().as_bytes(), Access::Shared)
            .map_err(cannot("write the digest"))?;
    }
    Ok(done.outcome())
}
