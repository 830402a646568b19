//! Reading everything and comparing it with its digests. What is damaged is set aside.

use std::collections::HashSet;

use futures_util::TryStreamExt as _;

use super::super::content::Whereabouts;
use super::super::layout::{self, Kind};
use super::super::{MAX_FACT_BYTES, Shared};
use crate::image::{Digest, RepositoryName};
use crate::registry::{ErrorKind, Result, Scrubbed};

impl Shared {
    /// Reads everything.
    pub(super) async fn scrub(&self) -> Result<Scrubbed> {
        let mut scrubbed = Scrubbed::default();
        self.scrub_blobs(&mut scrubbed).await?;
        let damaged: HashSet<Digest> = scrubbed.damaged.iter().cloned().collect();
        let names: Vec<RepositoryName> = self.repositories_with(&[Kind::Manifests, Kind::Blobs]).try_concat().await?;
        for name in names {
            // A blob whose content is set aside belongs nowhere, so that the next push brings it again.
            for digest in &damaged {
                self.objects.remove(&layout::belongs(&name, digest)).await?;
            }
            self.scrub_manifests(&name, &mut scrubbed).await?;
        }
        Ok(scrubbed)
    }

    async fn scrub_blobs(&self, scrubbed: &mut Scrubbed) -> Result<()> {
        let mut blobs = self.objects.list(layout::BLOBS);
        while let Some(found) = blobs.try_next().await? {
            let Some(digest) = layout::digest_of(&found.key) else { continue };
            let Some(whereabouts) = self.fact::<Whereabouts>(&found.key).await? else { continue };
            match self.hash_content(&whereabouts.content, &digest).await {
                Ok(read) => {
                    scrubbed.blobs += 1;
                    scrubbed.bytes += read.1;
                    if read != (digest.clone(), whereabouts.size) {
                        self.set_aside(&found.key, &digest).await?;
                        scrubbed.damaged.push(digest);
                    }
                }
                // What leads to content that is not there is as what is damaged; it may have been collected meanwhile.
                Err(error) if error.kind() == ErrorKind::Storage => {
                    if self.fact::<Whereabouts>(&found.key).await?.is_some_and(|now| now == whereabouts) {
                        self.set_aside(&found.key, &digest).await?;
                        scrubbed.damaged.push(digest);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, %digest, "a blob could not be read");
                    scrubbed.unreadable.push(digest);
                }
            }
        }
        Ok(())
    }

    async fn scrub_manifests(&self, name: &RepositoryName, scrubbed: &mut Scrubbed) -> Result<()> {
        for (digest, held) in self.contents(name).await?.manifests {
            scrubbed.blobs += 1;
            scrubbed.bytes += held.size;
            if held.content.is_none() {
                self.set_aside(&layout::manifest(name, &digest), &digest).await?;
                scrubbed.damaged.push(digest);
            }
        }
        Ok(())
    }

    /// Takes an object out of the way, and keeps what it said.
    async fn set_aside(&self, key: &str, digest: &Digest) -> Result<()> {
        if let Some(found) = self.objects.read(key, MAX_FACT_BYTES).await? {
            self.objects.write(&layout::damaged(digest), found.bytes).await?;
        }
        self.objects.remove(key).await
    }
}
