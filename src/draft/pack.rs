//! New layers: archives on this computer's disk, packed, with both of their digests.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::Blob;
use crate::compression::{Packer, Packing};
use crate::failure::{Failure, FailureKind};
use crate::files::{FileError, Scratch};
use crate::image::{Algorithm, Digest, Hasher};

/// A layer that was made.
#[derive(Clone)]
pub struct Packed {
    /// The digest as it travels.
    pub digest: Digest,
    /// Its bytes as it travels.
    pub size: u64,
    /// The digest of the archive.
    pub diff_id: Digest,
    /// Where it is.
    pub blob: Blob,
}

/// Why a layer cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is no room to put it aside.
    #[error("what is being made cannot be put aside")]
    Aside(#[from] FileError),
    /// It cannot be written, or what it is made of cannot be read.
    #[error("the layer cannot be made")]
    Failed(#[from] io::Error),
}

impl Failure for PackError {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
    }
}

/// Packs what `write` writes, into a file without a name in `spool`. Blocks the thread.
///
/// # Errors
/// Those of `write`; the file cannot be written.
pub fn pack<E: From<PackError>>(
    packing: Packing,
    spool: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<Packed, E> {
    let scratch = Arc::new(Scratch::create(spool).map_err(PackError::from)?);
    let file = BufWriter::with_capacity(256 * 1024, Aside { scratch: Arc::clone(&scratch), position: 0 });
    let failed = |error: io::Error| E::from(PackError::from(error));
    let packer = Packer::new(packing, Hashing::new(file)).map_err(failed)?;
    let mut archive = Hashing::new(packer);
    write(&mut archive)?;
    let (packer, diff_id, _) = archive.finish();
    let (mut file, digest, size) = packer.finish().map_err(failed)?.finish();
    file.flush().map_err(failed)?;
    Ok(Packed { digest, size, diff_id, blob: Blob::Scratch(scratch, size) })
}

/// Digest and length of everything that a reader gives. Blocks the thread.
///
/// # Errors
/// It cannot be read.
pub fn digest_of(mut reader: impl Read) -> io::Result<(Digest, u64)> {
    let mut hashing = Hashing::new(io::sink());
    let size = io::copy(&mut reader, &mut hashing)?;
    Ok((hashing.finish().1, size))
}

/// Works out the digest of what is written to it, and keeps nothing else.
pub struct Digesting(Hashing<io::Sink>);

impl Digesting {
    /// Nothing was written yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Hashing::new(io::sink()))
    }

    /// The digest of everything.
    #[must_use]
    pub fn digest(self) -> Digest {
        self.0.finish().1
    }
}

impl Default for Digesting {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes and counts what goes by.
struct Hashing<W> {
    writer: W,
    hasher: Hasher,
    count: u64,
}

impl<W> Hashing<W> {
    fn new(writer: W) -> Self {
        Self { writer, hasher: Hasher::new(Algorithm::Sha256), count: 0 }
    }

    fn finish(self) -> (W, Digest, u64) {
        (self.writer, self.hasher.finish(), self.count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.writer.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Writes to a file without a name, from front to back.
struct Aside {
    scratch: Arc<Scratch>,
    position: u64,
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.scratch.write_at(self.position, bytes)?;
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
