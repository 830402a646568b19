//! The one place where content is compared with its digest.

use serde::{Deserialize, Serialize};

use super::{Error, ErrorKind, Result};
use crate::image::{Descriptor, Digest, HashState, Hasher};

/// Where the comparison of one blob stands: what of it was seen, and the hash of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The digest that the whole is to have.
    pub digest: Digest,
    /// How many bytes the whole is to have.
    pub size: u64,
    /// How many of them were seen.
    pub offset: u64,
    /// Their hash.
    pub state: HashState,
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

    /// A verifier that goes on where another stood; `None` where `checkpoint` is of other content, or none at all.
    ///
    /// What lies before the checkpoint is not looked at again: a checkpoint that was tampered with makes right
    /// content fail, and other content pass only where whoever wrote it can choose what has the digest.
    #[must_use]
    pub fn resume(descriptor: &Descriptor, checkpoint: &Checkpoint) -> Option<Self> {
        let Descriptor { digest, size, .. } = descriptor;
        let fits = checkpoint.digest == *digest && checkpoint.size == *size && checkpoint.offset <= *size;
        let hasher = fits.then(|| Hasher::resume(digest.algorithm(), &checkpoint.state))??;
        Some(Self { expected: digest.clone(), size: *size, seen: checkpoint.offset, hasher })
    }

    /// Where it stands, in a form that outlives the process.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { digest: self.expected.clone(), size: self.size, offset: self.seen, state: self.hasher.state() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Algorithm, MediaType};

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

    #[test]
    fn a_checkpoint_goes_on_with_its_own_content_alone() {
        let content = b"content";
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = algorithm.digest(content);
            let descriptor = Descriptor { digest, ..Descriptor::of(MediaType::oci_config(), content) };
            let mut verifier = Verifier::new(&descriptor);
            verifier.update(&content[..3]).unwrap();
            let kept = serde_json::to_string(&verifier.checkpoint()).unwrap();
            let checkpoint: Checkpoint = serde_json::from_str(&kept).unwrap();
            let resumed = || Verifier::resume(&descriptor, &checkpoint).unwrap();
            assert_eq!(resumed().seen(), 3);
            for (rest, right) in [(&b"tent"[..], true), (b"TENT", false), (b"ten", false), (b"tents", false)] {
                let mut verifier = resumed();
                assert_eq!(verifier.update(rest).and_then(|()| verifier.finish()).is_ok(), right, "{rest:?}");
            }
            let other = Descriptor::of(MediaType::oci_config(), b"CONTENT");
            assert!(Verifier::resume(&other, &checkpoint).is_none());
            assert!(Verifier::resume(&Descriptor { size: 8, ..descriptor.clone() }, &checkpoint).is_none());
            let beyond = Checkpoint { offset: 8, ..checkpoint.clone() };
            assert!(Verifier::resume(&descriptor, &beyond).is_none());
            // A state that is not that of the bytes before the offset is found out at the end.
            let shifted = Checkpoint { offset: 4, ..checkpoint };
            let mut verifier = Verifier::resume(&descriptor, &shifted).unwrap();
            verifier.update(b"ent").unwrap();
            assert_eq!(verifier.finish().unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
