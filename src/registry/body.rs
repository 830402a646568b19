//! Blob bytes on their way: ranges and readers.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Stream};

use super::{Error, ErrorKind, Result, Verifier};
use crate::image::Descriptor;

/// A part of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub from: u64,
    /// The byte behind the last, or the end where `None`.
    pub to: Option<u64>,
}

impl ByteRange {
    /// The whole blob.
    pub const ALL: Self = Self { from: 0, to: None };

    /// Everything from `from` on.
    #[must_use]
    pub const fn from(from: u64) -> Self {
        Self { from, to: None }
    }

    /// Whether this is the whole blob.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.from == 0 && self.to.is_none()
    }
}

/// Blob bytes as they come, unverified.
pub struct BlobReader {
    start: u64,
    stream: BoxStream<'static, Result<Bytes>>,
}

impl BlobReader {
    /// A reader whose first byte is byte `start` of the blob.
    pub fn new(start: u64, stream: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self { start, stream: stream.boxed() }
    }

    /// A reader of bytes that are at hand.
    #[must_use]
    pub fn of(start: u64, bytes: Bytes) -> Self {
        Self::new(start, futures_util::stream::iter([Ok(bytes)]))
    }

    /// The offset in the blob of the first byte that comes; less than what was asked for where the place
    /// does not do ranges.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The next bytes, or `None` at the end.
    ///
    /// # Errors
    /// `Cut` where the body ended early, and whatever reading meets.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.stream.next().await.transpose()
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader").field("start", &self.start).finish_non_exhaustive()
    }
}

/// Reads a small blob whole and verifies it.
///
/// # Errors
/// `Corrupt` where it is not what `descriptor` says, or says more than `at_most` bytes; and whatever reading meets.
pub async fn read_verified(mut reader: BlobReader, descriptor: &Descriptor, at_most: u64) -> Result<Bytes> {
    if descriptor.size > at_most {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("{} is said to have {} bytes; at most {at_most} are read here", descriptor.digest, descriptor.size),
        ));
    }
    let mut verifier = Verifier::new(descriptor);
    let mut whole = BytesMut::new();
    while let Some(bytes) = reader.next().await? {
        verifier.update(&bytes)?;
        whole.extend_from_slice(&bytes);
    }
    verifier.finish()?;
    Ok(whole.freeze())
}
