//! Removing tags, manifests and blobs (distribution-spec 1.1, "Content Management").

use http::StatusCode;

use super::answer::{Code, refused};
use super::notify::Sender;
use super::{Answer, Server, empty};
use crate::image::{Digest, RepositoryName, Selector};

impl Server {
    /// Removes a tag, or a manifest with all its tags.
    pub(super) async fn remove_manifest(
        &self,
        repository: &RepositoryName,
        selector: &Selector,
        by: &Sender<'_>,
    ) -> Answer {
        self.remove(repository, selector).await?;
        self.notifier.removed(by, repository, selector);
        Ok(empty(StatusCode::ACCEPTED))
    }

    /// Takes a blob out of a repository.
    pub(super) async fn remove_blob(&self, repository: &RepositoryName, digest: &Digest) -> Answer {
        let removed = self.host.remove_blob(repository, digest).await;
        removed.map_err(refused(Code::BlobUnknown))?;
        Ok(empty(StatusCode::ACCEPTED))
    }
}
