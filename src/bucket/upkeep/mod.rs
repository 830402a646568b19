//! Upkeep of a bucket by one of its servers, while all of them take pushes and pulls.
//!
//! `contents` reads what a repository holds, `collect` finds what of that goes, `sweep` removes it so that no push
//! notices ([`super::fresh`]), `protection` says since when it must not, `scrub` reads everything, `images` lists.

mod collect;
mod collector;
mod contents;
mod images;
mod protection;
mod scrub;
mod sweep;
mod uploads;

use std::time::Duration;

use async_trait::async_trait;

use super::Bucket;
use crate::registry::{Collected, Collection, KeptImage, Maintenance, Purged, Result, Scrubbed, Untagged, Usage};

#[async_trait]
impl Maintenance for Bucket {
    async fn usage(&self) -> Result<Usage> {
        self.shared.usage().await
    }

    async fn images(&self, untagged: Untagged) -> Result<Vec<KeptImage>> {
        self.shared.images(untagged).await
    }

    async fn collect(&self, collection: &Collection) -> Result<Collected> {
        self.shared.collect(collection).await
    }

    async fn scrub(&self) -> Result<Scrubbed> {
        self.shared.scrub().await
    }

    async fn purge_uploads(&self, idle: Duration) -> Result<Purged> {
        self.shared.purge_uploads(idle).await
    }
}
