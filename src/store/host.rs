//! The store as something that is handed out: blobs by where they belong, and uploads of strangers.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Shared, Store, layout};
use crate::blobs::{Incoming, Inflow, RestingUpload, blocking, not_locked, storage};
use crate::files::{self, Access, FileError, Lock, Sharing};
use crate::image::{Digest, RepositoryName};
use crate::registry::{Error, ErrorKind, Host, HostedUpload, Result, Working};

/// How long whoever asks whether the store is served is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose an upload is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    repository: RepositoryName,
    owner: String,
}

#[async_trait]
impl Host for Store {
    async fn check(&self, what: Working) -> Result<()> {
        self.with(move |shared| shared.check(what)).await
    }

    async fn blob_size(&self, repository: &RepositoryName, blob: &Digest) -> Result<Option<u64>> {
        let (repository, blob) = (repository.clone(), blob.clone());
        self.with(move |shared| shared.blob_size(&repository, &blob)).await
    }

    async fn mount_blob(&self, repository: &RepositoryName, blob: &Digest, from: &RepositoryName) -> Result<bool> {
        let (repository, blob, from) = (repository.clone(), blob.clone(), from.clone());
        self.with(move |shared| shared.mount_blob(&repository, &blob, &from)).await
    }

    async fn remove_blob(&self, repository: &RepositoryName, blob: &Digest) -> Result<()> {
        let (repository, blob) = (repository.clone(), blob.clone());
        self.with(move |shared| {
            let removed = shared.repository(&repository).remove_blob(&blob)?;
            if removed { Ok(()) } else { Err(shared.missing(&format!("blob {blob} in {repository}"))) }
        })
        .await
    }

    async fn begin_upload(&self, repository: &RepositoryName, owner: &str) -> Result<Box<dyn HostedUpload>> {
        let note = Note { repository: repository.clone(), owner: owner.to_owned() };
        let note = serde_json::to_vec(&note)
            .map_err(|error| Error::new(ErrorKind::Storage, "a note cannot be written").caused_by(error))?;
        let begin = move |shared: &Shared| {
            shared.prepare()?;
            shared.blobs.begin_incoming(&note)
        };
        let incoming = self.with(begin).await?;
        Ok(Box::new(Upload::new(self, repository, incoming)))
    }

    async fn reopen_upload(
        &self,
        repository: &RepositoryName,
        owner: &str,
        name: &str,
    ) -> Result<Option<Box<dyn HostedUpload>>> {
        let wanted = Note { repository: repository.clone(), owner: owner.to_owned() };
        let name = name.to_owned();
        let is_ours = move |note: &[u8]| serde_json::from_slice::<Note>(note).is_ok_and(|note| note == wanted);
        let found = self.with(move |shared| shared.blobs.reopen_incoming(&name, is_ours)).await?;
        Ok(found.map(|incoming| Box::new(Upload::new(self, repository, incoming)) as Box<dyn HostedUpload>))
    }
}

impl Store {
    /// Notes that the store is served, as long as what is returned is held: then strangers push to it, who hold no
    /// lease.
    ///
    /// # Errors
    /// `Storage`.
    pub fn serve(&self) -> Result<ServedStore> {
        self.shared.prepare()?;
        let lock = Lock::take(&layout::serving(&self.shared.root), Sharing::Shared, PATIENCE).map_err(not_locked)?;
        Ok(ServedStore(lock))
    }

    /// Whether some process serves the store.
    #[must_use]
    pub fn is_served(&self) -> bool {
        let path = layout::serving(&self.shared.root);
        path.exists() && Lock::take(&path, Sharing::Exclusive, Duration::ZERO).is_err()
    }
}

/// Whoever holds it serves the store.
#[derive(Debug)]
pub struct ServedStore(#[expect(dead_code, reason = "held, not looked at")] Lock);

impl Shared {
    /// Reads what says that this is a store; to see whether more can be written, writes a file that means nothing.
    fn check(&self, what: Working) -> Result<()> {
        layout::check(&self.root)?;
        if what == Working::Writing {
            self.prepare()?;
            let path = self.root.join(format!("probe-{}", std::process::id()));
            files::write_atomically(&*self.disk, &path, b"works", Access::Private).map_err(storage)?;
            self.disk.remove(&path).map_err(FileError::of("remove", &path)).map_err(storage)?;
        }
        Ok(())
    }

    fn blob_size(&self, name: &RepositoryName, blob: &Digest) -> Result<Option<u64>> {
        let is_here = || Ok(self.repository(name).has_blob(blob));
        if self.renew_found(blob, is_here)? { self.blobs.length(blob) } else { Ok(None) }
    }

    fn mount_blob(&self, name: &RepositoryName, blob: &Digest, from: &RepositoryName) -> Result<bool> {
        if !self.repository(from).has_blob(blob) {
            return Ok(false);
        }
        let _passage = self.hold()?;
        let there = self.repository(from).has_blob(blob) && self.renew(blob)?;
        if there && from != name {
            self.take_over(name, blob)?;
        }
        Ok(there)
    }

    /// The uploads to a repository that did not come to their end yet.
    pub(super) fn uploads_to(&self, name: &RepositoryName) -> Result<Vec<RestingUpload>> {
        let mut uploads = self.blobs.incoming()?;
        uploads
            .retain(|upload| serde_json::from_slice::<Note>(&upload.note).is_ok_and(|note| note.repository == *name));
        Ok(uploads)
    }
}

/// An upload of a stranger.
struct Upload {
    store: Store,
    repository: RepositoryName,
    name: String,
    offset: u64,
    inflow: Inflow,
}

impl Upload {
    fn new(store: &Store, repository: &RepositoryName, incoming: Incoming) -> Self {
        Self {
            store: store.clone(),
            repository: repository.clone(),
            name: incoming.name().to_owned(),
            offset: incoming.length(),
            inflow: Inflow::new(incoming),
        }
    }
}

#[async_trait]
impl HostedUpload for Upload {
    fn name(&self) -> &str {
        &self.name
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.offset += piece.len() as u64;
        self.inflow.write(piece).await
    }

    async fn rest(mut self: Box<Self>) -> Result<()> {
        let incoming = self.inflow.end().await?;
        incoming.rest();
        Ok(())
    }

    async fn commit(mut self: Box<Self>, digest: &Digest) -> Result<()> {
        let incoming = self.inflow.end().await?;
        let (repository, digest) = (self.repository.clone(), digest.clone());
        self.store
            .with(move |shared| {
                let _passage = incoming.commit(&digest, || shared.hold())?;
                shared.repository(&repository).add_blob(&digest)
            })
            .await
    }

    async fn cancel(mut self: Box<Self>) -> Result<()> {
        let incoming = self.inflow.end().await?;
        blocking(move || {
            incoming.cancel();
            Ok(())
        })
        .await
    }
}
