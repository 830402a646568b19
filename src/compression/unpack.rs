//! Readers that unpack, and stop where more comes out than was packed in good faith.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Compression, Refusal};

/// The largest window of Zstandard that is taken, as a power of two: 128 MiB, what `zstd -d` takes unasked.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;
/// The most memory that a decoder of xz may use.
const MAX_XZ_MEMORY: u64 = 128 * 1024 * 1024;
/// How much is read at once of what is packed.
const BUFFER_BYTES: usize = 64 * 1024;

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes at all.
    pub total: u64,
    /// The most bytes that come out for every byte that goes in.
    pub ratio: u64,
    /// The bytes that may come out whatever the ratio.
    pub free: u64,
}

impl Limits {
    /// What layers and archives are held to. gzip cannot exceed the ratio; what can is Zstandard, xz and bzip2, with
    /// content that holds nothing.
    pub const DEFAULT: Self = Self { total: 1 << 40, ratio: 1100, free: 1 << 30 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Content as it comes out.
pub struct Unpacked {
    compression: Compression,
    reader: Box<dyn Read + Send>,
    limits: Limits,
    consumed: Arc<AtomicU64>,
    produced: u64,
}

/// Unpacks what `reader` gives, whatever it is packed with.
///
/// # Errors
/// The first bytes cannot be read, or no decoder can be made. Reading meets broken content, and a [`Refusal`] where
/// `limits` do not hold.
pub fn unpack(mut reader: impl Read + Send + 'static, limits: Limits) -> io::Result<Unpacked> {
    let mut first = Vec::with_capacity(Compression::MAGIC_BYTES);
    reader.by_ref().take(Compression::MAGIC_BYTES as u64).read_to_end(&mut first)?;
    let compression = Compression::detect(&first);
    unpack_as(compression, Cursor::new(first).chain(reader), limits)
}

/// Unpacks what is known to be packed with `compression`.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_as(compression: Compression, reader: impl Read + Send + 'static, limits: Limits) -> io::Result<Unpacked> {
    let consumed = Arc::new(AtomicU64::new(0));
    let counted = Counted { reader, count: Arc::clone(&consumed) };
    let buffered = BufReader::with_capacity(BUFFER_BYTES, counted);
    let reader: Box<dyn Read + Send> = match compression {
        Compression::None => Box::new(buffered),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(buffered, stream))
        }
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered)),
    };
    Ok(Unpacked { compression, reader, limits, consumed, produced: 0 })
}

impl Unpacked {
    /// What it is packed with.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// How many bytes came out so far.
    #[must_use]
    pub const fn unpacked(&self) -> u64 {
        self.produced
    }

    fn check(&self) -> Result<(), Refusal> {
        let Limits { total, ratio, free } = self.limits;
        if self.produced > total {
            return Err(Refusal::Total(total));
        }
        // What is not packed cannot grow.
        if self.compression == Compression::None || self.produced <= free {
            return Ok(());
        }
        let packed = self.consumed.load(Ordering::Relaxed);
        if self.produced / ratio.max(1) > packed {
            return Err(Refusal::Ratio { ratio, packed, unpacked: self.produced });
        }
        Ok(())
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.produced += count as u64;
        self.check().map_err(io::Error::other)?;
        Ok(count)
    }
}

/// Counts what goes in.
struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
