//! Reading a blob file: from any byte on, in big pieces, one of them ahead of the reader.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};

use bytes::Bytes;
use futures_util::stream;
use tokio::task::JoinHandle;

use super::{BlobDirectory, Judged, blocking, lost, storage};
use crate::files::{self, FileError};
use crate::image::{Descriptor, Digest, MediaType};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Result, Verifier};

/// The bytes that are read at once: big enough that system calls do not count, small enough for many readers.
const PIECE: u64 = 512 * 1024;

impl BlobDirectory {
    /// Opens a blob. Its bytes are not verified here: who stores them does that.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` where the file has another length than `blob` says; `Storage`, and `Rejected` where
    /// the range begins behind the end.
    pub async fn open(&self, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        let (directory, blob) = (self.clone(), blob.clone());
        let (file, left) = blocking(move || directory.open_at(&blob, range)).await?;
        Ok(read_ahead(range.from, file, left))
    }

    /// Whether a blob is there with the right content. A file that has its name and other content is removed, so
    /// that the blob can be written.
    ///
    /// # Errors
    /// `Storage`.
    pub fn verify(&self, blob: &Descriptor) -> Result<bool> {
        let path = self.path(&blob.digest);
        let judged = match self.length(&blob.digest)? {
            Some(length) if length == blob.size => self.judge(&blob.digest)?,
            Some(_) => Judged::Damaged,
            None => Judged::Absent,
        };
        if judged != Judged::Damaged {
            return Ok(judged == Judged::Whole);
        }
        self.disk.remove(&path).map_err(|error| storage(FileError::new("remove", &path, error)))?;
        Ok(false)
    }

    /// Compares content with its name.
    ///
    /// # Errors
    /// `Storage` where it cannot be read.
    pub fn judge(&self, digest: &Digest) -> Result<Judged> {
        let path = self.path(digest);
        let failed = |error| storage(FileError::new("read", &path, error));
        let Some((mut file, length)) = files::open_regular(&path).map_err(storage)? else {
            return Ok(Judged::Absent);
        };
        let anything = MediaType::new("application/octet-stream");
        let mut verifier = Verifier::new(&Descriptor::new(anything, digest.clone(), length));
        let mut piece = vec![0; usize::try_from(length.min(PIECE)).unwrap_or_default()];
        while verifier.seen() < length {
            match file.read(&mut piece).map_err(failed)? {
                0 => break,
                // It grows while it is read.
                read if verifier.update(&piece[..read]).is_err() => return Ok(Judged::Damaged),
                _ => {}
            }
        }
        Ok(if verifier.finish().is_ok() { Judged::Whole } else { Judged::Damaged })
    }

    /// The file with its first wanted byte next, and the number of bytes that are wanted.
    fn open_at(&self, blob: &Descriptor, range: ByteRange) -> Result<(File, u64)> {
        let path = self.path(&blob.digest);
        let Some((mut file, length)) = files::open_regular(&path).map_err(storage)? else {
            return Err(Error::new(ErrorKind::NotFound, format!("the blob {} is not there", blob.digest)));
        };
        if length != blob.size {
            let message = format!("{} has {length} bytes, not the {} that were announced", path.display(), blob.size);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let to = range.to.unwrap_or(length).min(length);
        if range.from > to {
            let message = format!("the blob {} has {length} bytes, so none from {} on", blob.digest, range.from);
            return Err(Error::new(ErrorKind::Rejected, message));
        }
        file.seek(SeekFrom::Start(range.from)).map_err(|error| storage(FileError::new("read", &path, error)))?;
        Ok((file, to - range.from))
    }
}

/// The next `left` bytes of `content`, which is byte `start` of a blob and what follows it.
pub fn read_ahead<R: Read + Send + 'static>(start: u64, content: R, left: u64) -> BlobReader {
    let ahead = next(content, left);
    BlobReader::new(
        start,
        stream::try_unfold(ahead, |ahead| async move {
            let (piece, content, left) = ahead.await.map_err(lost)??;
            if piece.is_empty() {
                return Ok(None);
            }
            Ok(Some((piece, next(content, left))))
        }),
    )
}

/// Begins to read the next piece of the `left` bytes that are still wanted; an empty one is the end.
fn next<R: Read + Send + 'static>(mut content: R, left: u64) -> JoinHandle<Result<(Bytes, R, u64)>> {
    tokio::task::spawn_blocking(move || {
        let wanted = left.min(PIECE);
        let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        (&mut content)
            .take(wanted)
            .read_to_end(&mut piece)
            .map_err(|error| Error::new(ErrorKind::Storage, "a blob cannot be read").caused_by(error))?;
        if (piece.len() as u64) < wanted {
            return Err(Error::new(ErrorKind::Corrupt, "a blob became shorter while it was read"));
        }
        Ok((piece.into(), content, left - wanted))
    })
}
