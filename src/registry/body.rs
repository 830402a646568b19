//! Blob bytes on their way: ranges, readers, and the one place where content is compared with its digest.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Stream};

use super::{Error, ErrorKind, Result};
use crate::image::{Descriptor, Digest, Hasher};

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

/// Compares content with the digest and size that were announced, as it goes by.
///
/// The only place where that is decided: what passed [`Verifier::finish`] may be stored under the digest.
#[derive(Clone, Debug)]
pub struct Verifier {
    expected: Digest,
    size: u64,
    seen: u64,
    hasher: Hasher,
}

impl Verifier {
    /// A verifier for the content of `descriptor`.
    #[must_use]
    pub fn new(descriptor: &Descriptor) -> Self {
        let expected = descriptor.digest.clone();
        let hasher = Hasher::new(expected.algorithm());
        Self { expected, size: descriptor.size, seen: 0, hasher }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `Corrupt` as soon as there are more bytes than were announced.
    pub fn update(&mut self, bytes: &[u8]) -> Result<()> {
        self.seen += bytes.len() as u64;
        if self.seen > self.size {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the content of {} is longer than the {} bytes that were announced", self.expected, self.size),
            ));
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// The number of bytes that were taken.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Judges the whole.
    ///
    /// # Errors
    /// `Corrupt` where size or digest are not what was announced.
    pub fn finish(self) -> Result<()> {
        if self.seen != self.size {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the content of {} has {} bytes, not the {} that were announced",
                    self.expected, self.seen, self.size
                ),
            ));
        }
        let found = self.hasher.finish();
        if found != self.expected {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("digest mismatch: the content that was to be {} is {found}", self.expected),
            ));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::MediaType;

    fn judge(content: &[u8], announced: &[u8], size: u64) -> Result<()> {
        let mut descriptor = Descriptor::of(MediaType::oci_config(), announced);
        descriptor.size = size;
        let mut verifier = Verifier::new(&descriptor);
        for piece in content.chunks(3) {
            verifier.update(piece)?;
        }
        verifier.finish()
    }

    #[test]
    fn only_the_announced_content_passes() {
        assert!(judge(b"content", b"content", 7).is_ok());
        for (content, size, part) in
            [(&b"contents"[..], 7, "longer"), (b"conten", 7, "has 6 bytes"), (b"CONTENT", 7, "digest mismatch")]
        {
            let error = judge(content, b"content", size).expect_err(part);
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
