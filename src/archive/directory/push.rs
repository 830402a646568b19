//! Writing an image into a plain directory: content first, its manifest last, and then what is of no more use goes.

use std::collections::HashSet;
use std::sync::PoisonError;

use async_trait::async_trait;

use super::{MANIFEST, MANIFEST_ENDS, PlainDirectory, Shared, VERSION, VERSION_BEGINS, other_name};
use crate::archive::require_content;
use crate::blobs::{BlobBegun, storage};
use crate::files::{self, Access};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, ErrorKind, Identity, ImageDestination, ImageSource, Keep, PushSession, Result, TagCondition, UploadState,
};

/// How deep manifests name manifests.
const MAX_DEPTH: usize = 16;

#[async_trait]
impl ImageDestination for PlainDirectory {
    fn identity(&self) -> &Identity {
        &self.shared.place.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        self.shared.image.resolve(repository, selector).await
    }

    async fn has_blob(&self, _: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        let blob = blob.clone();
        self.with(move |shared| shared.place.blobs.has(&blob)).await
    }

    /// A blob that is there is verified before it is called present, because anyone may have put it there.
    async fn begin_blob(
        &self,
        _: &RepositoryName,
        blob: &Descriptor,
        _from: Option<&RepositoryName>,
        _resume: Option<&UploadState>,
    ) -> Result<Begun> {
        let wanted = blob.clone();
        let present = self.with(move |shared| {
            shared.prepare()?;
            shared.need(wanted.digest.hex());
            shared.place.blobs.verify(&wanted)
        });
        if present.await? {
            return Ok(Begun::Present);
        }
        Ok(match self.shared.place.blobs.begin(blob).await? {
            BlobBegun::Present => Begun::Present,
            BlobBegun::Write(write) => Begun::Upload(write),
        })
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        let named = !tags.is_empty() && condition == TagCondition::Absent;
        if named && self.resolve(repository, &Selector::Tag(Tag::latest())).await?.is_some() {
            let message = format!("{} holds an image", self.shared.place.root.display());
            return Err(self.shared.place.error(ErrorKind::Conflict, message));
        }
        let manifest = manifest.clone();
        self.with(move |shared| shared.put_manifest(&manifest)).await
    }

    async fn begin_session(&self, _: &RepositoryName) -> Result<Box<dyn PushSession>> {
        Ok(Box::new(Session { directory: self.clone() }))
    }
}

/// A push into a directory. Nothing removes from one meanwhile, so it leases nothing.
struct Session {
    directory: PlainDirectory,
}

#[async_trait]
impl PushSession for Session {
    async fn finish(self: Box<Self>, image: &Digest, _: Keep) -> Result<()> {
        let image = image.clone();
        self.directory.with(move |shared| shared.finish(&image)).await
    }
}

impl Shared {
    fn prepare(&self) -> Result<()> {
        let path = self.place.root.join(VERSION);
        if path.exists() { Ok(()) } else { self.write(VERSION, format!("{VERSION_BEGINS}1\n").as_bytes()) }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::write_atomically(&*self.disk, &self.place.root.join(name), bytes, Access::Shared).map_err(storage)
    }

    fn need(&self, name: &str) {
        self.needed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    fn put_manifest(&self, manifest: &RawManifest) -> Result<()> {
        self.prepare()?;
        require_content(manifest, &self.place.root.display().to_string(), |content| {
            if content.media_type.is_manifest() {
                return Ok(self.image.view().by_digest(&content.digest)?.is_some());
            }
            self.place.blobs.has(content)
        })?;
        let name = other_name(manifest.digest());
        self.need(&name);
        self.write(&name, manifest.bytes())
    }

    /// Makes `image` the image of the directory, and removes what belonged to an earlier one.
    fn finish(&self, image: &Digest) -> Result<()> {
        let Some(bytes) = self.image_document(image)? else { return Ok(()) };
        self.write(MANIFEST, &bytes)?;
        let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        needed.remove(&other_name(image));
        self.gather(image, &mut needed, 0);
        let entries = self.place.root.read_dir().into_iter().flatten().flatten();
        for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            if is_content(&name) && !needed.contains(&name) {
                // What stays is read by nobody.
                let _ = self.disk.remove(&self.place.root.join(name));
            }
        }
        // Where it is not empty, it holds what another push or the next one goes on with.
        let _ = std::fs::remove_dir(self.place.root.join("uploads"));
        Ok(())
    }

    fn image_document(&self, image: &Digest) -> Result<Option<bytes::Bytes>> {
        use crate::archive::shelf::Shelf as _;
        self.place.document(image)
    }

    /// Adds the files that belong to a manifest.
    fn gather(&self, manifest: &Digest, needed: &mut HashSet<String>, depth: usize) {
        let parse = |bytes| RawManifest::parse(bytes, None, manifest.algorithm()).ok();
        let Some(found) = self.image_document(manifest).ok().flatten().and_then(parse) else { return };
        needed.extend(found.manifest().blobs().map(|blob| blob.digest.hex().to_owned()));
        for child in found.manifest().children() {
            needed.extend([child.digest.hex().to_owned(), other_name(&child.digest)]);
            if depth < MAX_DEPTH {
                self.gather(&child.digest, needed, depth + 1);
            }
        }
    }
}

/// Whether a file is one that images are made of.
fn is_content(name: &str) -> bool {
    let hex = name.strip_suffix(MANIFEST_ENDS).unwrap_or(name);
    let is_hex = matches!(hex.len(), 64 | 128) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex || name.starts_with("signature-")
}
