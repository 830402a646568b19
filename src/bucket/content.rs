//! Blobs, whoever they belong to: where their content is, and its bytes.

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::facts::written;
use super::objects::Put;
use super::{Shared, layout};
use crate::image::{Descriptor, Digest, Hasher, RepositoryName};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Result};

/// Where the content of a blob is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whereabouts {
    /// The word of the content.
    pub(super) content: String,
    pub(super) size: u64,
}

impl Shared {
    /// Where a blob's content is; whoever is to make the blob belong somewhere relies on it.
    pub(super) async fn content_to_rely_on(&self, blob: &Digest) -> Result<Option<Whereabouts>> {
        let key = layout::blob(blob);
        let Some(found) = self.rely_on(&key).await? else { return Ok(None) };
        self.whereabouts(&key, &found).map(Some)
    }

    /// Makes what was written under a word the content of a blob, and says what its content is now: another one where
    /// somebody else was first.
    pub(super) async fn publish(&self, blob: &Digest, whereabouts: &Whereabouts) -> Result<Whereabouts> {
        let (key, content) = (layout::blob(blob), written(whereabouts)?);
        loop {
            if self.objects.create(&key, content.clone()).await? != Put::Refused {
                return Ok(whereabouts.clone());
            }
            // Or a try whose answer was lost was the first.
            if let Some(there) = self.content_to_rely_on(blob).await? {
                return Ok(there);
            }
        }
    }

    /// Makes a blob whose content is here belong to a repository, and says how long it is; `None` where it is nowhere.
    pub(super) async fn adopt(&self, repository: &RepositoryName, blob: &Digest) -> Result<Option<u64>> {
        let Some(Whereabouts { size, .. }) = self.content_to_rely_on(blob).await? else { return Ok(None) };
        self.add_blob(repository, blob, size).await?;
        Ok(Some(size))
    }

    /// Opens a part of a blob's content.
    pub(super) async fn open_blob(&self, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        let key = layout::blob(&blob.digest);
        let found = self.objects.read(&key, super::MAX_FACT_BYTES).await?;
        let found = found.ok_or_else(|| self.missing(&format!("content of the blob {}", blob.digest)))?;
        let Whereabouts { content, size } = self.whereabouts(&key, &found.bytes)?;
        if size != blob.size {
            let message =
                format!("the blob {} has {size} bytes, not the {} that were announced", blob.digest, blob.size);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let to = range.to.unwrap_or(size).min(size);
        if range.from > to {
            let message = format!("the blob {} has {size} bytes, so none from {} on", blob.digest, range.from);
            return Err(Error::new(ErrorKind::Rejected, message));
        }
        if range.from == to {
            return Ok(BlobReader::new(range.from, futures_util::stream::empty()));
        }
        let wanted = ByteRange { from: range.from, to: (to < size).then_some(to) };
        Ok(BlobReader::new(range.from, self.objects.open(&layout::content(&content), wanted).await?))
    }

    /// Reads the content that goes by a word, and says what digest of this kind and what length it has.
    pub(super) async fn hash_content(&self, word: &str, digest: &Digest) -> Result<(Digest, u64)> {
        let mut bytes = self.objects.open(&layout::content(word), ByteRange::ALL).await?;
        let (mut hasher, mut length) = (Hasher::new(digest.algorithm()), 0);
        while let Some(piece) = bytes.try_next().await? {
            hasher.update(&piece);
            length += piece.len() as u64;
        }
        Ok((hasher.finish(), length))
    }

    /// What the object of a blob says; a word that is none may not become part of a key.
    fn whereabouts(&self, key: &str, object: &[u8]) -> Result<Whereabouts> {
        let found: Whereabouts = self.understood(key, object)?;
        if layout::is_word(&found.content) {
            return Ok(found);
        }
        let message = format!("{key} in {} names no content", self.objects.shown());
        Err(Error::new(ErrorKind::Corrupt, message))
    }
}
