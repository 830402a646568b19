//! A bucket as something that is handed out: blobs by where they belong, and uploads of strangers.

use async_trait::async_trait;
use bytes::Bytes;

use super::upload::Upload;
use super::{Bucket, layout};
use crate::image::{Digest, RepositoryName};
use crate::registry::{Host, HostedUpload, Result};

#[async_trait]
impl Host for Bucket {
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
