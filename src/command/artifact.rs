//! `artifact`: plain files under a name in a registry, as oras puts them there.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::files_of::{FileWord, artifact_of, fetch_files};
use super::flags::RegistryFlags;
use super::index::pair;
use super::making::put;
use super::picked::Picked;
use super::{CommandError, CommandResult, Outcome};
use crate::failure::FailureKind;
use crate::session::Session;

/// What an artifact is of which nothing else is said.
pub(super) const UNKNOWN_TYPE: &str = "application/vnd.unknown.artifact.v1";

/// The commands of `artifact`.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "Example:\n  $ tranship artifact push registry.example.com/models/small:1 model.onnx README.md:text/markdown"
)]
pub(crate) enum ArtifactCommand {
    /// Put files into a registry under one name
    #[command(after_help = "Example:\n  $ tranship artifact push localhost:5000/models/small:1 model.onnx \
        README.md:text/markdown")]
    Push(PushArgs),
    /// Fetch the files of an artifact
    #[command(after_help = "Example:\n  $ tranship artifact pull registry.example.com/models/small:1 models")]
    Pull(PullArgs),
}

/// Flags of `artifact push`.
#[derive(Args, Debug)]
pub(crate) struct PushArgs {
    /// The artifact's name or place
    #[arg(value_name = "REF")]
    to: String,

    /// The files, each with its media type where it has one
    #[arg(value_name = "FILE[:TYPE]", required = true)]
    files: Vec<FileWord>,

    /// What the artifact is
    #[arg(long, value_name = "TYPE", default_value = UNKNOWN_TYPE)]
    artifact_type: String,

    /// A note on the artifact (repeatable)
    #[arg(short, long = "annotation", value_name = "KEY=VALUE", value_parser = pair)]
    annotations: Vec<(String, String)>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Flags of `artifact pull`.
#[derive(Args, Debug)]
pub(crate) struct PullArgs {
    /// The artifact
    #[arg(value_name = "REF")]
    from: String,

    /// The directory to put its files into
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// Replace files that are there already
    #[arg(long)]
    overwrite: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Carries one of them out.
///
/// # Errors
/// A file or the artifact is not there, or the place refuses.
pub(super) async fn run(command: ArtifactCommand, session: &Session) -> CommandResult {
    match command {
        ArtifactCommand::Push(args) => push(args, session).await,
        ArtifactCommand::Pull(args) => pull(args, session).await,
    }
}

async fn push(args: PushArgs, session: &Session) -> CommandResult {
    let doing = format!("push to `{}`", args.to.escape_debug());
    let shown = args.files.iter().map(FileWord::shown).collect::<Vec<_>>().join(", ");
    let annotations = args.annotations.into_iter().collect();
    let draft = artifact_of(args.files, args.artifact_type, None, annotations, &doing).await?;
    put(draft, "push", &shown, &args.to, &args.registry.access(), session).await
}

async fn pull(args: PullArgs, session: &Session) -> CommandResult {
    let doing = format!("pull `{}`", args.from.escape_debug());
    let picked = Picked::find(&args.from, None, &args.registry.access(), session, &doing).await?;
    let image = picked.image(&doing)?;
    let report = fetch_files(&picked.source, [image], &args.directory, args.overwrite, session, &doing).await?;
    if report.is_empty() {
        let message = format!("cannot {doing}: none of its blobs has a title that a file could have");
        return Err(CommandError::plain(FailureKind::NotFound, message)
            .with_hint(format!("see what it holds: `tranship inspect {}`", args.from))
            .with_hint("and fetch a blob: `tranship blob get IMAGE DIGEST FILE`"));
    }
    Ok(Outcome::done(report))
}

/// The name of a file as artifacts carry it: as it was written, where that leads nowhere else.
pub(super) fn title(path: &Path) -> Option<String> {
    let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let name = if inside { path.to_str() } else { path.file_name()?.to_str() };
    name.map(str::to_owned)
}
