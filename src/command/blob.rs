//! `blob` and `manifest`: the protocol's own pieces, for scripts.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::flags::RegistryFlags;
use super::target::Target;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::draft::digest_of;
use crate::failure::FailureKind;
use crate::files::FileError;
use crate::filesystem::Fetching;
use crate::image::{Algorithm, Descriptor, Digest, MAX_MANIFEST_BYTES, Manifest, MediaType, RawManifest, Selector};
use crate::output::{Page, Report, Shown};
use crate::registry::{Begun, Keep, TagCondition};
use crate::session::Session;

/// How much of a file is sent at once.
const PIECE: usize = 512 * 1024;

/// The commands of `blob`.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  $ tranship blob put registry.example.com/app layer.tar.gz")]
pub(crate) enum BlobCommand {
    /// Fetch a blob of an image, verified
    #[command(after_help = "Example:\n  $ tranship blob get registry.example.com/app:1.4 \
        sha256:4f1d… layer.tar.gz")]
    Get(GetArgs),
    /// Put a file into a repository as a blob
    #[command(after_help = "Example:\n  $ tranship blob put registry.example.com/app layer.tar.gz")]
    Put(PutArgs),
}

/// The commands of `manifest`.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  $ tranship manifest get registry.example.com/app:1.4 manifest.json")]
pub(crate) enum ManifestCommand {
    /// Fetch the exact bytes of a manifest
    #[command(after_help = "Example:\n  $ tranship manifest get registry.example.com/app:1.4 manifest.json")]
    Get(ManifestGetArgs),
    /// Put the exact bytes of a manifest in place
    #[command(after_help = "Example:\n  $ tranship manifest put registry.example.com/app:1.4 manifest.json")]
    Put(ManifestPutArgs),
}

/// Flags of `blob get`.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// An image that has the blob
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The blob
    #[arg(value_name = "DIGEST")]
    digest: Digest,

    /// The file
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Flags of `blob put`.
#[derive(Args, Debug)]
pub(crate) struct PutArgs {
    /// The repository
    #[arg(value_name = "REPO")]
    repository: String,

    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Flags of `manifest get`.
#[derive(Args, Debug)]
pub(crate) struct ManifestGetArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The file
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Flags of `manifest put`.
#[derive(Args, Debug)]
pub(crate) struct ManifestPutArgs {
    /// The name that it gets
    #[arg(value_name = "REF")]
    to: String,

    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Its media type, where the document does not say
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Carries a command of `blob` out.
///
/// # Errors
/// The blob, the image or the file is not there, or the place refuses.
pub(super) async fn run(command: BlobCommand, session: &Session) -> CommandResult {
    match command {
        BlobCommand::Get(args) => get(args, session).await,
        BlobCommand::Put(args) => put(args, session).await,
    }
}

/// Carries a command of `manifest` out.
///
/// # Errors
/// As [`run`].
pub(super) async fn run_manifest(command: ManifestCommand, session: &Session) -> CommandResult {
    match command {
        ManifestCommand::Get(args) => get_manifest(args, session).await,
        ManifestCommand::Put(args) => put_manifest(args, session).await,
    }
}

async fn get(args: GetArgs, session: &Session) -> CommandResult {
    let doing = format!("get the blob {} of `{}`", args.digest, args.image.escape_debug());
    let location = session.location(&args.image).map_err(cannot(&doing))?;
    let source = session.source(&location, &args.registry.access()).await.map_err(cannot(&doing))?;
    let (registry, repository) = (&source.registry, &source.repository);
    let root = registry.manifest(repository, &source.selector).await.map_err(cannot(&doing))?;
    let is_it = |blob: &&Descriptor| blob.digest == args.digest;
    let mut found = root.manifest().blobs().find(is_it).cloned();
    for entry in root.manifest().children() {
        if found.is_none() {
            let selector = Selector::Digest(entry.digest.clone());
            let child = registry.manifest(repository, &selector).await.map_err(cannot(&doing))?;
            found = child.manifest().blobs().find(is_it).cloned();
        }
    }
    let blob = found.ok_or_else(|| {
        CommandError::plain(FailureKind::NotFound, format!("cannot {doing}: it names no such blob"))
            .with_hint(format!("see what it names: `tranship inspect {}`", args.image))
    })?;
    let fetching = Arc::new(Fetching::new(&source, session.spool(), session.console().progress()));
    let target = Target::open(&args.file, session.console(), &doing)?;
    let is_printed = target.is_printed();
    let target = match Fetching::copy(&fetching, &blob, target).await {
        Err(error) if error.is_closed_pipe() && is_printed => return Ok(Outcome::printed()),
        copied => copied.map_err(cannot(&doing))?,
    };
    target.finish(&doing)?;
    Ok(done(is_printed, &args.file, blob.digest))
}

/// What a command that wrote a file came to; what was printed is its own report.
fn done(is_printed: bool, file: &Path, digest: Digest) -> Outcome {
    if is_printed {
        return Outcome::printed();
    }
    Outcome::done(PieceReport { place: file.display().to_string(), digest })
}

async fn put(args: PutArgs, session: &Session) -> CommandResult {
    let doing = format!("put `{}` into `{}`", args.file.display(), args.repository.escape_debug());
    let access = args.registry.access();
    let (registry, repository) = session.repository(&args.repository, &access).await.map_err(cannot(&doing))?;
    let path = args.file.clone();
    let measure = move || std::fs::File::open(&path).and_then(digest_of).map_err(FileError::of("read", &path));
    let measured = tokio::task::spawn_blocking(measure).await;
    let measured = measured.unwrap_or_else(|error| Err(FileError::new("read", &args.file, io::Error::other(error))));
    let (digest, size) = measured.map_err(cannot(&doing))?;
    let blob = Descriptor::new(MediaType::new("application/octet-stream"), digest.clone(), size);
    let lease = registry.begin_session(&repository).await.map_err(cannot(&doing))?;
    if let Begun::Upload(mut upload) =
        registry.begin_blob(&repository, &blob, None, None).await.map_err(cannot(&doing))?
    {
        let mut file = tokio::fs::File::open(&args.file)
            .await
            .map_err(FileError::of("read", &args.file))
            .map_err(cannot(&doing))?;
        let offset = std::io::SeekFrom::Start(upload.offset());
        tokio::io::AsyncSeekExt::seek(&mut file, offset)
            .await
            .map_err(FileError::of("read", &args.file))
            .map_err(cannot(&doing))?;
        loop {
            let mut piece = vec![0; PIECE];
            let count = tokio::io::AsyncReadExt::read(&mut file, &mut piece).await;
            let count = count.map_err(FileError::of("read", &args.file)).map_err(cannot(&doing))?;
            if count == 0 {
                break;
            }
            piece.truncate(count);
            upload.write(Bytes::from(piece)).await.map_err(cannot(&doing))?;
        }
        upload.commit().await.map_err(cannot(&doing))?;
    }
    lease.finish(&digest, Keep::ForItsTags).await.map_err(cannot(&doing))?;
    Ok(Outcome::done(PieceReport { place: args.repository, digest }))
}

async fn get_manifest(args: ManifestGetArgs, session: &Session) -> CommandResult {
    let doing = format!("get the manifest of `{}`", args.image.escape_debug());
    let location = session.location(&args.image).map_err(cannot(&doing))?;
    let source = session.source(&location, &args.registry.access()).await.map_err(cannot(&doing))?;
    let manifest = source.registry.manifest(&source.repository, &source.selector).await.map_err(cannot(&doing))?;
    if args.file == Path::new("-") {
        session.console().write(manifest.bytes()).map_err(cannot(&doing))?;
        return Ok(Outcome::printed());
    }
    let mut target = Target::open(&args.file, session.console(), &doing)?;
    target.write_all(manifest.bytes()).map_err(FileError::of("write", &args.file)).map_err(cannot(&doing))?;
    target.finish(&doing)?;
    Ok(done(false, &args.file, manifest.digest().clone()))
}

async fn put_manifest(args: ManifestPutArgs, session: &Session) -> CommandResult {
    let doing = format!("put the manifest `{}`", args.to.escape_debug());
    let most = MAX_MANIFEST_BYTES as u64 + 1;
    let bytes = crate::files::read_following_links(&args.file, most).map_err(cannot(&doing))?;
    let bytes = bytes.ok_or_else(|| FileError::absent("read", &args.file)).map_err(cannot(&doing))?;
    let location = session.location(&args.to).map_err(cannot(&doing))?;
    let declared = args.media_type.as_deref().map(MediaType::new);
    let algorithm = location.digest().map_or(Algorithm::Sha256, Digest::algorithm);
    let manifest = RawManifest::parse(bytes.into(), declared.as_ref(), algorithm);
    let manifest =
        manifest.map_err(|error| CommandError::plain(FailureKind::Corrupt, format!("cannot {doing}: {error}")))?;
    if location.digest().is_some_and(|digest| digest != manifest.digest()) {
        let message = format!("cannot {doing}: the file is {}", manifest.digest());
        return Err(CommandError::plain(FailureKind::Corrupt, message));
    }
    let there = session.destination(&location, &args.registry.access()).await.map_err(cannot(&doing))?;
    let lease = there.registry.begin_session(&there.repository).await.map_err(cannot(&doing))?;
    let pushed = there.registry.push_manifest(&there.repository, &manifest, &there.tags, TagCondition::Always).await;
    pushed.map_err(cannot(&doing))?;
    let keep = if there.tags.is_empty() { Keep::ForItsDigest } else { Keep::ForItsTags };
    lease.finish(manifest.digest(), keep).await.map_err(cannot(&doing))?;
    let kind = if matches!(manifest.manifest(), Manifest::Index(_)) { "index" } else { "image" };
    session.console().note(&format!("the manifest is that of an {kind}"));
    Ok(Outcome::done(PieceReport { place: location.to_string(), digest: manifest.digest().clone() }))
}

#[derive(Debug, Serialize)]
struct PieceReport {
    /// The file, the repository or the name.
    place: String,
    digest: Digest,
}

impl Report for PieceReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}  {}", Shown(&self.place), self.digest)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.digest)
    }
}
