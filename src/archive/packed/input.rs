//! Opening a tar, whatever it comes as.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Seek as _};
use std::path::Path;

use crate::archive::tar::Members;
use crate::blobs::storage;
use crate::compression::{Compression, Limits, unpack};
use crate::files::FileError;
use crate::image::ArchiveFile;
use crate::registry::{Error, ErrorKind, Remedy, Result};

/// Goes through a tar: in place where that is a file, else put aside in `spool`. Blocks the thread.
///
/// # Errors
/// `NotFound`, `Corrupt`, `Storage`.
pub(super) fn open(file: &ArchiveFile, spool: &Path) -> Result<Members> {
    let path = match file {
        ArchiveFile::Standard if io::stdin().is_terminal() => {
            let error =
                Error::new(ErrorKind::Rejected, "standard input is a terminal, and no archive comes from there");
            return Err(
                error.with_remedy(Remedy::Other("name a file, or send one in: `… | tranship load -`".to_owned()))
            );
        }
        ArchiveFile::Standard => return of_stream(io::stdin(), spool, "standard input"),
        ArchiveFile::Path(path) => path,
    };
    let shown = path.display().to_string();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, format!("there is no file {shown}")),
        _ => storage(FileError::new("read", path, error)),
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        let error = Error::new(ErrorKind::Rejected, format!("{shown} is a directory, and not an archive"));
        return Err(error.with_remedy(Remedy::Other(format!(
            "a layout is written `oci:{shown}`, skopeo's directory `dir:{shown}`"
        ))));
    }
    let mut first = [0; Compression::MAGIC_BYTES];
    if metadata.is_file() && Compression::detect(beginning(&file, &mut first).map_err(failed)?) == Compression::None {
        return Members::of_file(file, metadata.len(), &shown);
    }
    of_stream(file, spool, &shown)
}

/// What comes once, or is compressed.
fn of_stream(stream: impl Read + Send + 'static, spool: &Path, shown: &str) -> Result<Members> {
    let unpacked = unpack(stream, Limits::DEFAULT)
        .map_err(|error| Error::new(ErrorKind::Storage, format!("{shown} cannot be read")).caused_by(error))?;
    if !matches!(unpacked.compression(), Compression::None | Compression::Gzip | Compression::Zstd) {
        let message = format!("{shown} is compressed with {}", unpacked.compression().word());
        let remedy = "gzip and zstd are read; unpack it first".to_owned();
        return Err(Error::new(ErrorKind::Unsupported, message).with_remedy(Remedy::Other(remedy)));
    }
    Members::of_stream(unpacked, spool, shown, is_of_images)
}

/// The first bytes of a file, which is left as it was.
fn beginning<'b>(mut file: &File, into: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut read = 0;
    while read < into.len() {
        match file.read(&mut into[read..])? {
            0 => break,
            more => read += more,
        }
    }
    file.rewind()?;
    Ok(&into[..read])
}

/// Whether a member can be something of an image, so that it is read later.
fn is_of_images(name: &str) -> bool {
    let of_docker = |end: &str| {
        let id = end.split(['/', '.']).next().unwrap_or_default();
        id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    name.starts_with("blobs/") || !name.contains('/') || of_docker(name) || name.ends_with("layer.tar")
}
