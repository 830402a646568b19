//! `export`: the file system of an image as one archive.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::picked::Picked;
use super::target::Target;
use super::{CommandResult, Outcome, cannot};
use crate::filesystem::Filesystem;
use crate::image::{Digest, Platform};
use crate::output::{Page, Report, Shown};
use crate::session::Session;

/// Flags of `export`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship export docker.io/library/alpine:3.20 alpine.tar\n  \
    $ tranship export store:app:1.4 - | tar -tv")]
pub(crate) struct ExportArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The archive (tar; - is standard output)
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Which image of an index (default: this machine's, else the first)
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Unites the layers and writes what is left of them.
///
/// # Errors
/// The image is not there, a layer is refused, or the file cannot be written.
pub(super) async fn run(args: ExportArgs, session: &Session) -> CommandResult {
    let doing = format!("export `{}`", args.image.escape_debug());
    let access = args.registry.access();
    let picked = Picked::find(&args.image, args.platform.as_ref(), &access, session, &doing).await?;
    let progress = session.console().progress();
    let filesystem = Filesystem::new(&picked.source, picked.image(&doing)?, session.spool(), progress);
    let filesystem = filesystem.map_err(cannot(&doing))?;
    let target = Target::open(&args.file, session.console(), &doing)?;
    let is_printed = target.is_printed();
    let target = match filesystem.export(target).await {
        // Whoever read it had enough.
        Err(error) if error.is_closed_pipe() && is_printed => return Ok(Outcome::printed()),
        written => written.map_err(cannot(&doing))?,
    };
    target.finish(&doing)?;
    if is_printed {
        return Ok(Outcome::printed());
    }
    let (image, digest) = (picked.source.shown.clone(), picked.one.digest().clone());
    Ok(Outcome::done(ExportReport { image, digest, file: args.file.display().to_string() }))
}

#[derive(Debug, Serialize)]
struct ExportReport {
    image: String,
    digest: Digest,
    file: String,
}

impl Report for ExportReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}  {}@{}", Shown(&self.file), Shown(&self.image), self.digest.short())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.digest)
    }
}
