//! One blob on its way to one repository: what every way of sending it needs.

use std::sync::Arc;

use crate::client::exchange::Exchange;
use crate::image::{Descriptor, RepositoryName};
use crate::registry::{Error, ErrorKind, Result};

/// A blob and the repository that it is for.
#[derive(Clone)]
pub(in crate::client) struct Parcel {
    pub(super) exchange: Arc<Exchange>,
    pub(super) repository: RepositoryName,
    pub(super) blob: Descriptor,
}

impl Parcel {
    pub(in crate::client) fn new(exchange: &Arc<Exchange>, repository: &RepositoryName, blob: &Descriptor) -> Self {
        Self { exchange: Arc::clone(exchange), repository: repository.clone(), blob: blob.clone() }
    }

    /// Where the blob is to be.
    pub(in crate::client) const fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// What is uploaded, for messages.
    pub(super) fn what(&self) -> String {
        format!("the blob {} of {}", self.blob.digest, self.exchange.shown(&self.repository))
    }

    pub(super) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        self.exchange.error(kind, message)
    }

    /// Waits for its share of the bandwidth.
    pub(super) async fn pass(&self, bytes: usize) {
        self.exchange.limits.pass(bytes).await;
    }

    /// Whether the blob is in the repository, as far as that can be found out.
    pub(super) async fn is_there(&self) -> bool {
        self.exchange.has_blob(&self.repository, &self.blob).await.unwrap_or_default()
    }

    /// Whether the registry says that the blob is not in the repository.
    pub(super) async fn is_missing(&self) -> Result<bool> {
        let status = self.exchange.look_for_blob(&self.repository, &self.blob).await?.status();
        Ok(status == http::StatusCode::NOT_FOUND)
    }

    /// Makes sure that `taken` bytes are all of it.
    pub(super) fn check_length(&self, taken: u64) -> Result<()> {
        let size = self.blob.size;
        if taken == size {
            return Ok(());
        }
        Err(self.error(ErrorKind::Corrupt, format!("{taken} bytes were given for {}, not {size}", self.what())))
    }
}
