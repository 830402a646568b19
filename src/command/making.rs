//! What commands that make images have in common: when it was made, where it goes, and layers out of files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::moving::Moves;
use super::{CommandError, CommandResult, cannot};
use crate::compression::{Compression, Limits, Packing, Unpacked, unpack};
use crate::draft::{Blob, Digesting, Draft, Family, PackError, Packed, digest_of, pack};
use crate::failure::{Failure, FailureKind};
use crate::image::{Attached, Descriptor, Digest, ManifestError};
use crate::layer::{LayerError, Walk};
use crate::session::{Access, Session};
use crate::transfer::{Clobber, Destination, Options};

/// When what is made says that it was made.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct StampFlags {
    /// The time that what is made bears, in seconds from 1970, and the latest of files in it [default: now]
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH")]
    pub(super) source_date_epoch: Option<i64>,
}

impl StampFlags {
    /// The time.
    pub(super) fn time(&self) -> Timestamp {
        let given = self.source_date_epoch.and_then(|seconds| Timestamp::from_second(seconds).ok());
        // Documents have whole seconds, as most tools write them.
        given.unwrap_or_else(|| Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default())
    }
}

/// Why a layer cannot be made of a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum LayerFileError {
    /// The file cannot be opened or read.
    #[error("cannot read `{}`", .0.escape_debug())]
    Read(String, #[source] io::Error),
    /// It is no layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// It cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The work ended by itself.
    #[error("the work on a layer was broken off")]
    BrokenOff,
}

impl Failure for LayerFileError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Read(_, error) => LayerError::kind_of_reading(error),
            Self::Layer(error) => error.kind(),
            Self::Pack(error) => error.kind(),
            Self::BrokenOff => FailureKind::Failed,
        }
    }
}

/// A new layer and its digests.
pub(super) struct NewLayer {
    pub(super) descriptor: Descriptor,
    pub(super) diff_id: Digest,
    pub(super) blob: Blob,
}

impl NewLayer {
    /// A layer of the family's type for how it is packed; `None` where the family has none.
    pub(super) fn of(packed: Packed, compression: Compression, family: Family) -> Option<Self> {
        let media_type = family.layer(compression)?;
        let Packed { digest, size, diff_id, blob } = packed;
        Some(Self { descriptor: Descriptor::new(media_type, digest, size), diff_id, blob })
    }
}

/// A file, a directory or standard input (`-`) as a layer. What is packed in a way that layers can be stays so,
/// unless `packing` says otherwise. Everything in it is looked at, so that nothing goes into an image that would be
/// refused when it comes out.
pub(super) async fn layer_of(
    path: PathBuf,
    packing: Option<Packing>,
    family: Family,
    stamp: StampFlags,
    spool: PathBuf,
) -> Result<NewLayer, LayerFileError> {
    let work = move || make_layer(&path, packing, family, &stamp, &spool);
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(LayerFileError::BrokenOff))
}

fn make_layer(
    path: &Path,
    packing: Option<Packing>,
    family: Family,
    stamp: &StampFlags,
    spool: &Path,
) -> Result<NewLayer, LayerFileError> {
    let shown = path.display().to_string();
    let unreadable = |error| LayerFileError::Read(shown.clone(), error);
    let new = |packed, compression| {
        NewLayer::of(packed, compression, family).ok_or_else(|| {
            unreadable(io::Error::other("Docker's types have none for layers packed so; take gzip, or OCI's types"))
        })
    };
    let wanted = packing.unwrap_or(Packing::GZIP);
    #[cfg(unix)]
    if path.is_dir() {
        let times = stamp.source_date_epoch.map_or(crate::layer::Times::Kept, crate::layer::Times::NoLaterThan);
        let write = |writer: &mut dyn Write| -> Result<(), LayerFileError> {
            crate::layer::pack_directory(path, times, writer).map(drop).map_err(LayerFileError::Layer)
        };
        return new(pack(wanted, spool, write)?, wanted.compression());
    }
    let is_plain = std::fs::metadata(path).is_ok_and(|found| found.is_file());
    let unpacked = unpack(open(path).map_err(unreadable)?, Limits::DEFAULT).map_err(unreadable)?;
    let compression = unpacked.compression();
    if is_plain && packing.is_none() && compression != Compression::None && family.layer(compression).is_some() {
        let (digest, size) = digest_of(File::open(path).map_err(unreadable)?).map_err(unreadable)?;
        let diff_id = checked_diff_id(unpacked).map_err(|error| renamed(error, &shown))?;
        return new(Packed { digest, size, diff_id, blob: Blob::File(path.to_owned()) }, compression);
    }
    new(repack(unpacked, wanted, spool).map_err(|error| renamed(error, &shown))?, wanted.compression())
}

/// Packs an archive anew, and looks at everything in it.
pub(super) fn repack(unpacked: impl Read, packing: Packing, spool: &Path) -> Result<Packed, LayerFileError> {
    pack(packing, spool, |writer| {
        let mut tee = Tee { reader: unpacked, writer };
        look_through(&mut tee)?;
        io::copy(&mut tee, &mut io::sink()).map(drop).map_err(|error| LayerError::Read(error).into())
    })
}

fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") { Ok(Box::new(io::stdin())) } else { Ok(Box::new(File::open(path)?)) }
}

fn look_through(reader: impl Read) -> Result<(), LayerError> {
    let mut walk = Walk::new(reader);
    while walk.advance()?.is_some() {}
    Ok(())
}

fn renamed(error: LayerFileError, shown: &str) -> LayerFileError {
    match error {
        LayerFileError::Layer(LayerError::Read(error)) => LayerFileError::Read(shown.to_owned(), error),
        other => other,
    }
}

/// The digest of an archive, in which everything was looked at.
fn checked_diff_id(unpacked: Unpacked) -> Result<Digest, LayerFileError> {
    let mut hashing = Digesting::new();
    let mut tee = Tee { reader: unpacked, writer: &mut hashing };
    look_through(&mut tee)?;
    io::copy(&mut tee, &mut io::sink()).map_err(LayerError::Read)?;
    Ok(hashing.digest())
}

/// Writes down what is read.
struct Tee<'w, R> {
    reader: R,
    writer: &'w mut dyn Write,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.writer.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// For `map_err`: a document that would be none that is taken.
pub(super) fn document(doing: &str) -> impl FnOnce(ManifestError) -> CommandError {
    let doing = doing.to_owned();
    move |error| CommandError::plain(FailureKind::Failed, format!("cannot {doing}: {error}"))
}

/// Copies a draft to where it is to be.
///
/// # Errors
/// The place cannot be opened.
pub(super) async fn put(
    draft: Draft,
    verb: &'static str,
    shown: &str,
    destination: &str,
    access: &Access,
    session: &Session,
) -> CommandResult {
    let doing = || format!("{verb} `{}` to `{}`", shown.escape_debug(), destination.escape_debug());
    let location = session.location(destination).map_err(cannot(doing()))?;
    let opened = session.destination(&location, access).await.map_err(cannot(doing()))?;
    put_at(draft, verb, shown, Destination { expected: location.digest().cloned(), ..opened }, session).await
}

/// The same where the place is open.
///
/// # Errors
/// The configuration cannot be read; what fails on the way is a failure of the result.
pub(super) async fn put_at(
    draft: Draft,
    verb: &'static str,
    shown: &str,
    destination: Destination,
    session: &Session,
) -> CommandResult {
    let source = draft.into_source(&destination, shown);
    let mut moves = Moves::new(session, verb);
    let options = Options { platforms: Vec::new(), attached: Attached::None, clobber: Clobber::Move };
    moves.add(source, destination, options);
    Ok(moves.run().await?.outcome())
}
