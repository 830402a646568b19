//! A bucket as something that is handed out: blobs by where they belong, and uploads of strangers.

use async_trait::async_trait;
use bytes::Bytes;

use super::upload::Upload;
use super::{Bucket, MAX_FACT_BYTES, layout, unused_word};
use crate::image::{Digest, RepositoryName};
use crate::registry::{Host, HostedUpload, Result, Working};

#[async_trait]
impl Host for Bucket {
    /// Reads what says the format; to see whether more can be written, writes an object that means nothing.
    async fn check(&self, what: Working) -> Result<()> {
        let objects = &self.shared.objects;
        objects.read(layout::MARKER, MAX_FACT_BYTES).await?;
        if what == Working::Writing {
            let key = format!("upkeep/probe-{}", unused_word()?);
            objects.write(&key, "works").await?;
            objects.remove(&key).await?;
        }
        Ok(())
    }

    async fn blob_size(&self, repository: &RepositoryName, blob: &Digest) -> Result<Option<u64>> {
        self.shared.belongs(repository, blob).await
    }

    async fn mount_blob(&self, repository: &RepositoryName, blob: &Digest, from: &RepositoryName) -> Result<bool> {
        let there = self.shared.belongs(from, blob).await?.is_some();
        Ok(there && (from == repository || self.shared.adopt(repository, blob).await?.is_some()))
    }

    async fn remove_blob(&self, repository: &RepositoryName, blob: &Digest) -> Result<()> {
        let removed = self.shared.remove_fact(&layout::belongs(repository, blob)).await?;
        if removed { Ok(()) } else { Err(self.shared.missing(&format!("blob {blob} in {repository}"))) }
    }

    async fn begin_upload(&self, repository: &RepositoryName, owner: &str) -> Result<Box<dyn HostedUpload>> {
        Ok(Box::new(Upload::begin(&self.shared, repository, owner).await?))
    }

    async fn reopen_upload(
        &self,
        repository: &RepositoryName,
        owner: &str,
        name: &str,
    ) -> Result<Option<Box<dyn HostedUpload>>> {
        let found = Upload::reopen(&self.shared, repository, owner, name).await?;
        Ok(found.map(|upload| Box::new(upload) as Box<dyn HostedUpload>))
    }
}

#[async_trait]
impl HostedUpload for Upload {
    fn name(&self) -> &str {
        self.word()
    }

    fn offset(&self) -> u64 {
        self.length()
    }

    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.take(piece).await
    }

    async fn rest(self: Box<Self>) -> Result<()> {
        self.let_rest().await
    }

    async fn commit(self: Box<Self>, digest: &Digest) -> Result<()> {
        self.end(digest).await
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        self.give_up().await
    }
}
