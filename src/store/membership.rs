//! The facts of one repository: which manifests and blobs belong to it, what its tags point at, what refers to what.
//!
//! Every method is one small file or one directory listing, and blocks the thread. Together with the manifests
//! themselves the facts say which blobs are needed: what no manifest of a repository names is not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind::{AlreadyExists, NotADirectory, NotFound};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{layout, storage};
use crate::blobs::not_locked;
use crate::files::{self, Access, Disk, FileError, Lock, Sharing};
use crate::image::{Descriptor, Digest, RepositoryName, Tag};
use crate::registry::{Error, ErrorKind, Result};

/// The longest fact that is read; a referrer's annotations can be long.
const MAX_FACT_BYTES: u64 = 4 * 1024 * 1024;
/// How long other processes may hold the lock of a repository.
const PATIENCE: Duration = Duration::from_secs(30);

/// One repository of a store, whether or not anything is in it.
pub(super) struct Repository<'a> {
    directory: PathBuf,
    disk: &'a dyn Disk,
}

impl<'a> Repository<'a> {
    pub(super) fn new(root: &Path, disk: &'a dyn Disk, name: &RepositoryName) -> Self {
        Self { directory: layout::repository(root, name), disk }
    }

    /// Keeps other processes from moving tags here.
    pub(super) fn lock(&self) -> Result<Lock> {
        // A lock makes its directory too, and not durably.
        files::create_directories(self.disk, &self.directory).map_err(storage)?;
        Lock::take(&self.directory.join("_lock"), Sharing::Exclusive, PATIENCE).map_err(not_locked)
    }

    /// What a tag points at.
    pub(super) fn tag(&self, tag: &Tag) -> Result<Option<Descriptor>> {
        read(&self.tag_path(tag))
    }

    /// When a tag was moved to where it points.
    pub(super) fn tag_moved(&self, tag: &Tag) -> Option<SystemTime> {
        modified(&self.tag_path(tag))
    }

    /// Moves a tag. What it pointed at has lost it since now.
    pub(super) fn set_tag(&self, tag: &Tag, manifest: &Descriptor) -> Result<()> {
        self.leave(tag, &manifest.digest)?;
        // Whoever moves it because its upstream did says so afterwards.
        self.unfollow(tag)?;
        self.write(&self.tag_path(tag), manifest)
    }

    /// Removes a tag, and says whether it was there.
    pub(super) fn remove_tag(&self, tag: &Tag) -> Result<bool> {
        self.unfollow(tag)?;
        let left = self.tag(tag).ok().flatten();
        let removed = self.remove(&self.tag_path(tag))?;
        left.map_or(Ok(removed), |left| self.touch(&self.manifest_path(&left.digest)).map(|()| removed))
    }

    fn unfollow(&self, tag: &Tag) -> Result<()> {
        let path = self.followed_path(tag);
        if path.exists() { self.remove(&path).map(drop) } else { Ok(()) }
    }

    /// When a tag that follows an upstream was last compared with it.
    pub(super) fn followed(&self, tag: &Tag) -> Option<SystemTime> {
        modified(&self.followed_path(tag))
    }

    pub(super) fn set_followed(&self, tag: &Tag) -> Result<()> {
        self.mark(&self.followed_path(tag))
    }

    pub(super) fn confirm_followed(&self, tag: &Tag) -> Result<()> {
        self.touch(&self.followed_path(tag))
    }

    /// Sets the time of a fact to now, where it is there.
    fn touch(&self, path: &Path) -> Result<()> {
        match self.disk.touch(path) {
            Err(error) if error.kind() != NotFound => Err(storage(FileError::new("write", path, error))),
            _ => Ok(()),
        }
    }

    /// Notes that a tag goes from where it points, if it does not go there again.
    fn leave(&self, tag: &Tag, towards: &Digest) -> Result<()> {
        // What a tag that cannot be understood points at is not known.
        let Ok(Some(left)) = self.tag(tag) else { return Ok(()) };
        if *towards == left.digest {
            return Ok(());
        }
        self.touch(&self.manifest_path(&left.digest))
    }

    /// Every tag, sorted.
    pub(super) fn tags(&self) -> Result<Vec<Tag>> {
        sorted(&self.directory.join("_tags"), layout::tag_of)
    }

    /// The type, size and digest of a manifest that belongs here.
    pub(super) fn manifest(&self, digest: &Digest) -> Result<Option<Descriptor>> {
        read(&self.manifest_path(digest))
    }

    /// When a manifest came.
    pub(super) fn manifest_came(&self, digest: &Digest) -> Option<SystemTime> {
        modified(&self.manifest_path(digest))
    }

    pub(super) fn add_manifest(&self, manifest: &Descriptor) -> Result<()> {
        self.write(&self.manifest_path(&manifest.digest), manifest)
    }

    /// Removes a manifest from here, and says whether it was there.
    pub(super) fn remove_manifest(&self, digest: &Digest) -> Result<bool> {
        self.remove(&self.manifest_path(digest))
    }

    /// Every manifest, sorted by digest.
    pub(super) fn manifests(&self) -> Result<Vec<Digest>> {
        sorted(&self.directory.join("_manifests"), layout::digest_of)
    }

    /// Whether a blob belongs here.
    pub(super) fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// Every blob that belongs here, sorted by digest.
    pub(super) fn blobs(&self) -> Result<Vec<Digest>> {
        sorted(&self.directory.join("_blobs"), layout::digest_of)
    }

    pub(super) fn add_blob(&self, digest: &Digest) -> Result<()> {
        self.mark(&self.blob_path(digest))
    }

    /// Takes a blob out of here, and says whether it belonged here.
    pub(super) fn remove_blob(&self, digest: &Digest) -> Result<bool> {
        self.remove(&self.blob_path(digest))
    }

    /// Removes manifests and their places among what refers to their subjects; made durable once for all.
    pub(super) fn drop_manifests<'b>(
        &self,
        manifests: impl Iterator<Item = (&'b Digest, Option<&'b Digest>)>,
    ) -> Result<()> {
        let mut directories = BTreeSet::new();
        for (manifest, subject) in manifests {
            let referrer = subject.map(|subject| self.referrers_path(subject).join(layout::digest_file(manifest)));
            for path in referrer.into_iter().chain([self.manifest_path(manifest)]) {
                if self.unlink(&path)? {
                    directories.extend(path.parent().map(Path::to_owned));
                }
            }
        }
        for directory in directories {
            self.disk
                .sync_directory(&directory)
                .map_err(|error| storage(FileError::new("remove from", directory, error)))?;
        }
        Ok(())
    }

    /// Takes blobs out of here. Not made durable: one that comes back without its content is as one that is missing.
    pub(super) fn drop_blobs(&self, blobs: &[Digest]) -> Result<()> {
        blobs.iter().try_for_each(|blob| self.unlink(&self.blob_path(blob)).map(drop))
    }

    /// Whether a manifest is kept for its own sake, without a tag.
    pub(super) fn is_named(&self, digest: &Digest) -> bool {
        self.named_path(digest).exists()
    }

    pub(super) fn set_named(&self, digest: &Digest) -> Result<()> {
        self.mark(&self.named_path(digest))
    }

    pub(super) fn remove_named(&self, digest: &Digest) -> Result<bool> {
        self.remove(&self.named_path(digest))
    }

    /// Every manifest that is kept for its own sake, sorted by digest.
    pub(super) fn named(&self) -> Result<Vec<Digest>> {
        sorted(&self.directory.join("_named"), layout::digest_of)
    }

    /// What refers to `subject`, sorted by digest.
    pub(super) fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let directory = self.referrers_path(subject);
        let digests = sorted(&directory, layout::digest_of)?;
        let read = |digest: &Digest| read(&directory.join(layout::digest_file(digest))).transpose();
        digests.iter().filter_map(read).collect()
    }

    pub(super) fn add_referrer(&self, subject: &Digest, referrer: &Descriptor) -> Result<()> {
        self.write(&self.referrers_path(subject).join(layout::digest_file(&referrer.digest)), referrer)
    }

    pub(super) fn remove_referrer(&self, subject: &Digest, referrer: &Digest) -> Result<bool> {
        self.remove(&self.referrers_path(subject).join(layout::digest_file(referrer)))
    }

    fn tag_path(&self, tag: &Tag) -> PathBuf {
        self.directory.join("_tags").join(layout::tag_file(tag))
    }

    fn followed_path(&self, tag: &Tag) -> PathBuf {
        self.directory.join("_followed").join(layout::tag_file(tag))
    }

    fn manifest_path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("_manifests").join(layout::digest_file(digest))
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("_blobs").join(layout::digest_file(digest))
    }

    fn named_path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("_named").join(layout::digest_file(digest))
    }

    fn referrers_path(&self, subject: &Digest) -> PathBuf {
        self.directory.join("_referrers").join(layout::digest_file(subject))
    }

    fn write(&self, path: &Path, descriptor: &Descriptor) -> Result<()> {
        let bytes = serde_json::to_vec(descriptor)
            .map_err(|error| Error::new(ErrorKind::Storage, "a descriptor cannot be written").caused_by(error))?;
        files::write_atomically(self.disk, path, &bytes, Access::Shared).map_err(storage)
    }

    /// Makes an empty file, whose name is the fact.
    fn mark(&self, path: &Path) -> Result<()> {
        let failed = |error| storage(FileError::new("write", path, error));
        let directory = path.parent().unwrap_or(path);
        files::create_directories(self.disk, directory).map_err(storage)?;
        match self.disk.create_new(path, Access::Shared) {
            Ok(_) => {}
            Err(error) if error.kind() == AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        self.disk.sync_directory(directory).map_err(|error| {
            // A name that may not outlive a power cut must not be taken for a fact.
            let _ = self.disk.remove(path);
            failed(error)
        })
    }

    fn unlink(&self, path: &Path) -> Result<bool> {
        match self.disk.remove(path) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(false),
            Err(error) => Err(storage(FileError::new("remove", path, error))),
        }
    }

    fn remove(&self, path: &Path) -> Result<bool> {
        if !self.unlink(path)? {
            return Ok(false);
        }
        let directory = path.parent().unwrap_or(path);
        self.disk.sync_directory(directory).map_err(|error| storage(FileError::new("remove", path, error)))?;
        Ok(true)
    }
}

/// Every repository that holds a manifest, sorted.
pub(super) fn repositories(root: &Path) -> Result<Vec<RepositoryName>> {
    repositories_with(root, &["_manifests"])
}

/// Every repository that holds anything, sorted.
pub(super) fn holding(root: &Path) -> Result<Vec<RepositoryName>> {
    repositories_with(root, &["_manifests", "_blobs"])
}

/// Every repository where one of these directories names a digest.
fn repositories_with(root: &Path, directories: &[&str]) -> Result<Vec<RepositoryName>> {
    let mut found = Vec::new();
    let mut waiting = vec![(layout::repositories(root), String::new())];
    while let Some((directory, name)) = waiting.pop() {
        for file in names(&directory)? {
            let Some(part) = file.to_str() else { continue };
            if directories.contains(&part) {
                if names(&directory.join(part))?.iter().any(|file| file.to_str().and_then(layout::digest_of).is_some())
                {
                    found.extend(name.parse::<RepositoryName>());
                }
            } else if !part.starts_with('_') {
                let name = if name.is_empty() { part.to_owned() } else { format!("{name}/{part}") };
                // A longer path than any name stands for none; this also bounds the walk.
                if name.parse::<RepositoryName>().is_ok() {
                    waiting.push((directory.join(part), name));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn read(path: &Path) -> Result<Option<Descriptor>> {
    let Some(bytes) = files::read_regular(path, MAX_FACT_BYTES).map_err(storage)? else { return Ok(None) };
    let read = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("{} cannot be understood", path.display())).caused_by(error)
    })?;
    Ok(Some(read))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.symlink_metadata().and_then(|metadata| metadata.modified()).ok()
}

/// What the file names in a directory stand for, sorted; names that stand for nothing, such as those of temporary
/// files, are passed over.
fn sorted<T: Ord>(directory: &Path, stands_for: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let mut found: Vec<T> = names(directory)?.iter().filter_map(|file| stands_for(file.to_str()?)).collect();
    found.sort();
    Ok(found)
}

/// The file names in a directory; none where it is not there.
fn names(directory: &Path) -> Result<Vec<OsString>> {
    let listed = directory.read_dir().and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    match listed {
        Ok(names) => Ok(names),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(storage(FileError::new("list", directory, error))),
    }
}
