//! Uploads that nobody goes on with, and how much there is of everything.

use std::time::Duration;

use futures_util::TryStreamExt as _;

use super::super::content::Whereabouts;
use super::super::layout::{self, Kind};
use super::super::objects::Put;
use super::super::upload::State;
use super::super::{Shared, unused_word};
use crate::registry::{Purged, Result, Usage};

impl Shared {
    /// How much there is, by lengths alone.
    pub(super) async fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        let mut contents = self.objects.list(layout::CONTENT);
        while let Some(found) = contents.try_next().await? {
            usage.blobs += 1;
            usage.blob_bytes += found.size;
        }
        let manifests = format!("/{}/", Kind::Manifests.word());
        let mut facts = self.objects.list(layout::REPOSITORIES);
        while let Some(found) = facts.try_next().await? {
            if found.key.contains(&manifests) {
                usage.blobs += 1;
                usage.blob_bytes += found.size;
            }
        }
        let mut uploads = self.objects.list(layout::UPLOADS);
        while let Some(found) = uploads.try_next().await? {
            if let Some((state, _)) = State::read(self, layout::last(&found.key)).await? {
                usage.uploads += 1;
                usage.upload_bytes += state.length();
            }
        }
        Ok(usage)
    }

    /// Gives up uploads that nobody has gone on with for `idle`.
    pub(super) async fn purge_uploads(&self, idle: Duration) -> Result<Purged> {
        let now = self.bucket_time().await?;
        let mut purged = Purged::default();
        let mut uploads = self.objects.list(layout::UPLOADS);
        while let Some(found) = uploads.try_next().await? {
            let is_idle = now.duration_since(found.modified).is_ok_and(|silence| silence >= idle);
            if !is_idle {
                continue;
            }
            if let Some(bytes) = self.purge(layout::last(&found.key)).await? {
                purged.uploads += 1;
                purged.bytes += bytes;
            }
        }
        Ok(purged)
    }

    /// Gives one up, unless a request is at it now; how many bytes it had.
    async fn purge(&self, word: &str) -> Result<Option<u64>> {
        let Some((mut state, version)) = State::read(self, word).await? else { return Ok(None) };
        // By taking the turn, as a request does.
        state.turn = Some(unused_word()?);
        state.step += 1;
        if self.objects.update(&layout::upload(word), state.written()?, &version).await? == Put::Refused {
            return Ok(None);
        }
        // It may have died when its content was in place, and before or after that was a blob.
        if let Some(digest) = &state.becoming {
            let led = self.fact::<Whereabouts>(&layout::blob(digest)).await?;
            if led.is_none_or(|led| led.content != word) {
                self.objects.remove(&layout::content(word)).await?;
            }
        }
        self.clear_upload(word, &state).await?;
        Ok(Some(state.length()))
    }
}
