//! Running pushes, and the `index.json` that follows from them.
//!
//! A push, or a removal, holds the lock of a file in `leases/`; the system lets it go when the process ends, however
//! it ends. A lease without a lock is that of a push that did not come to its end, so what it moved may be missing
//! in `index.json`: then the file is derived anew from all facts, else only what this process touched is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use super::{Shared, Store, Touched, held, layout, membership, storage};
use crate::blobs::{Index, not_locked, update_index};
use crate::files::{self, FileError, Lock, Sharing};
use crate::image::{Descriptor, Digest, RepositoryName, Selector};
use crate::registry::{Keep, PushSession, Result};

/// How long a lease that is being judged by another process may be held by it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Store {
    /// Begins a push.
    ///
    /// # Errors
    /// `Storage`.
    pub(super) async fn lease(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        let name = repository.clone();
        let lease = self
            .with(move |shared| {
                shared.prepare()?;
                new_lease(&shared.leases(), &layout::lease_of(&name))
            })
            .await?;
        self.shared.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Session { lease: Some(lease), store: self.clone(), repository: repository.clone() }))
    }
}

/// A running push of this process.
struct Session {
    lease: Option<Lock>,
    store: Store,
    repository: RepositoryName,
}

#[async_trait]
impl PushSession for Session {
    async fn finish(mut self: Box<Self>, image: &Digest, keep: Keep) -> Result<()> {
        let by_digest = (keep == Keep::ForItsDigest).then(|| image.clone());
        let repository = self.repository.clone();
        self.store.with(move |shared| shared.finish(&repository, by_digest)).await?;
        // Dropped without this, the lease stays behind without its lock.
        if let Some(lease) = self.lease.take() {
            lease.remove();
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.store.shared.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Locks a new file in `leases/`, whose name has this end.
fn new_lease(leases: &Path, end: &str) -> Result<Lock> {
    let word = files::unused_word().map_err(|error| storage(FileError::new("write", leases, error)))?;
    let path = leases.join(word + end);
    Lock::take(&path, Sharing::Exclusive, PATIENCE).map_err(not_locked)
}

impl Shared {
    fn leases(&self) -> PathBuf {
        self.root.join("leases")
    }

    /// The leases of pushes to a repository, whether or not they go on.
    pub(super) fn leases_of(&self, name: &RepositoryName) -> Vec<PathBuf> {
        let end = layout::lease_of(name);
        let entries = self.leases().read_dir().into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(&end)).collect()
    }

    /// Ends a push: what came by its digest is kept for its own sake.
    fn finish(&self, name: &RepositoryName, by_digest: Option<Digest>) -> Result<()> {
        if let Some(image) = by_digest {
            self.name(name, image)?;
        }
        self.write_index()
    }

    fn name(&self, name: &RepositoryName, image: Digest) -> Result<()> {
        let repository = self.repository(name);
        let _passage = self.hold()?;
        self.renew(&image)?;
        let _lock = repository.lock()?;
        // Another process may have removed it in the meantime.
        if repository.manifest(&image)?.is_none() {
            return Err(self.missing(&format!("manifest {image} in {name}")));
        }
        let named = repository.set_named(&image);
        self.touch(name, Selector::Digest(image));
        named
    }

    /// Runs a change of the facts that no push is for, and brings `index.json` up to date where no push will. Who
    /// is killed in between leaves a lease behind.
    pub(super) fn settled<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        let lease = new_lease(&self.leases(), "")?;
        let changed = change();
        // Also where the change failed, perhaps in the midst.
        let settled = if self.sessions.load(Ordering::SeqCst) == 0 { self.write_index() } else { Ok(()) };
        if settled.is_ok() {
            lease.remove();
        }
        let changed = changed?;
        settled.map(|()| changed)
    }

    /// Derives `index.json` from the facts.
    pub(super) fn write_index(&self) -> Result<()> {
        let touched = std::mem::take(&mut *held(&self.touched));
        let stale = self.stale_leases();
        let written = update_index(&*self.disk, &self.root, |index| match index {
            Ok(index) if stale.is_empty() => self.changed(index, &touched),
            _ => self.derived(),
        });
        if let Err(error) = written {
            held(&self.touched).extend(touched);
            return Err(error);
        }
        stale.into_iter().for_each(Lock::remove);
        Ok(())
    }

    /// The leases of pushes that did not come to their end.
    fn stale_leases(&self) -> Vec<Lock> {
        let entries = self.leases().read_dir().into_iter().flatten().flatten();
        let lock = |path: PathBuf| Lock::take(&path, Sharing::Exclusive, Duration::ZERO).ok();
        entries.filter_map(|entry| lock(entry.path())).collect()
    }

    /// `index` with what was touched as it is now.
    fn changed(&self, mut index: Index, touched: &BTreeSet<Touched>) -> Result<Index> {
        for one in touched {
            let full_name = full_name(one);
            match self.listed(one)? {
                Some(manifest) => index.put(Some(&full_name), &manifest)?,
                None => index.remove(&full_name),
            }
        }
        Ok(index)
    }

    /// The index of everything that has a name.
    fn derived(&self) -> Result<Index> {
        let mut index = Index::default();
        for name in membership::repositories(&self.root)? {
            let repository = self.repository(&name);
            let tags = repository.tags()?.into_iter().map(Selector::Tag);
            for selector in tags.chain(repository.named()?.into_iter().map(Selector::Digest)) {
                let one = (name.clone(), selector);
                if let Some(manifest) = self.listed(&one)? {
                    index.append(&full_name(&one), &manifest)?;
                }
            }
        }
        Ok(index)
    }

    /// What stands in `index.json` under a name: a tag, or a manifest that is kept for its own sake.
    fn listed(&self, (name, selector): &Touched) -> Result<Option<Descriptor>> {
        match selector {
            Selector::Tag(tag) => self.repository(name).tag(tag),
            Selector::Digest(digest) if self.repository(name).is_named(digest) => {
                self.repository(name).manifest(digest)
            }
            Selector::Digest(_) => Ok(None),
        }
    }
}

/// The name of an image in `index.json`.
fn full_name((name, selector): &Touched) -> String {
    match selector {
        Selector::Tag(tag) => format!("{name}:{tag}"),
        Selector::Digest(digest) => format!("{name}@{digest}"),
    }
}
