//! Upkeep of the store, as the contract has it: how much there is, and whether it is whole.

use std::time::Duration;

use async_trait::async_trait;

use super::{Shared, Store};
use crate::blobs::{Judged, not_locked};
use crate::registry::{Collected, Collection, KeptImage, Maintenance, Purged, Result, Scrubbed, Untagged, Usage};

#[async_trait]
impl Maintenance for Store {
    async fn usage(&self) -> Result<Usage> {
        self.with(Shared::usage).await
    }

    async fn images(&self, untagged: Untagged) -> Result<Vec<KeptImage>> {
        Self::images(self, untagged).await
    }

    async fn collect(&self, collection: &Collection) -> Result<Collected> {
        self.collect_garbage(collection).await
    }

    async fn scrub(&self) -> Result<Scrubbed> {
        self.with(Shared::scrub).await
    }

    /// Also of pulls and pushes on this computer, which go on with what is left of a blob.
    async fn purge_uploads(&self, idle: Duration) -> Result<Purged> {
        self.with(move |shared| {
            let (uploads, bytes) = shared.blobs.purge_incoming(idle)?;
            let mut purged = Purged { uploads, bytes };
            for partial in shared.blobs.clean_partial_blobs(idle)? {
                purged.uploads += 1;
                purged.bytes = purged.bytes.saturating_add(partial.bytes);
            }
            Ok(purged)
        })
        .await
    }
}

impl Shared {
    fn usage(&self) -> Result<Usage> {
        let contents = self.blobs.contents()?;
        let uploads = self.blobs.uploads()?;
        Ok(Usage {
            blobs: contents.len() as u64,
            blob_bytes: contents.iter().map(|content| content.length).sum(),
            uploads: uploads.len() as u64,
            upload_bytes: uploads.iter().sum(),
        })
    }

    fn scrub(&self) -> Result<Scrubbed> {
        let mut scrubbed = Scrubbed::default();
        for content in self.blobs.contents()? {
            match self.blobs.judge(&content.digest) {
                // It was collected in the meantime.
                Ok(Judged::Absent) => continue,
                Ok(Judged::Whole) => {}
                Ok(Judged::Damaged) => {
                    if self.set_aside(&content.digest)? {
                        scrubbed.damaged.push(content.digest);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "content cannot be read");
                    scrubbed.unreadable.push(content.digest);
                }
            }
            scrubbed.blobs += 1;
            scrubbed.bytes = scrubbed.bytes.saturating_add(content.length);
        }
        Ok(scrubbed)
    }

    /// Moves damaged content to where nobody looks for it, and says whether it was still so.
    fn set_aside(&self, digest: &crate::image::Digest) -> Result<bool> {
        // A push may just have replaced it.
        let _closed = self.gate.close().map_err(not_locked)?;
        match self.blobs.judge(digest)? {
            Judged::Absent | Judged::Whole => Ok(false),
            Judged::Damaged => self.blobs.set_aside(digest).map(|()| true),
        }
    }
}
