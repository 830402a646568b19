//! What the store holds, image by image, for people.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::membership::{self, Repository};
use super::{Shared, Store};
use crate::blobs::PartialBlob;
use crate::image::{Descriptor, Digest, ImageConfig, Manifest, MediaType, RepositoryName, Selector, Tag};
use crate::registry::Result;

/// Whether manifests that nothing names are listed too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untagged {
    /// Only what has a tag, or was pulled by its digest.
    Hidden,
    /// All that is no part of another image and attached to none.
    Shown,
}

/// One image of the store; one with several tags is listed once per tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptImage {
    /// Its name in the store.
    pub repository: RepositoryName,
    /// Its tag, where it has one.
    pub tag: Option<Tag>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The type of its manifest.
    pub media_type: MediaType,
    /// The bytes of everything that it names and the store has, each counted once: manifests, configs, layers.
    pub size: u64,
    /// When it was built, as its config says; of an index, the first config that says so.
    pub created: Option<Timestamp>,
    /// When it came here under this name.
    pub stored: Option<Timestamp>,
}

impl Store {
    /// Everything that the store holds, by repository, then tag, then digest.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` where a fact cannot be understood.
    pub async fn images(&self, untagged: Untagged) -> Result<Vec<KeptImage>> {
        self.with(move |shared| {
            let mut found = Vec::new();
            for name in membership::repositories(&shared.root)? {
                shared.list(&name, untagged, &mut found)?;
            }
            Ok(found)
        })
        .await
    }
}

impl Store {
    /// The blobs that did not come to their end, those that were written last at the end.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn partial_blobs(&self) -> Result<Vec<PartialBlob>> {
        self.with(|shared| shared.blobs.partial_blobs()).await
    }

    /// Removes those that no process writes and that are at least so old, and says what that was.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn clean_partial_blobs(&self, older_than: Duration) -> Result<Vec<PartialBlob>> {
        self.with(move |shared| shared.blobs.clean_partial_blobs(older_than)).await
    }
}

impl Shared {
    fn list(&self, name: &RepositoryName, untagged: Untagged, found: &mut Vec<KeptImage>) -> Result<()> {
        let repository = self.repository(name);
        let mut listed = HashSet::new();
        for tag in repository.tags()? {
            if let Some(manifest) = repository.tag(&tag)? {
                let stored = repository.tag_moved(&tag);
                listed.insert(manifest.digest.clone());
                found.push(self.describe(name, Some(tag), &manifest, stored)?);
            }
        }
        let mut others: BTreeSet<Digest> = repository.named()?.into_iter().collect();
        if untagged == Untagged::Shown {
            others.extend(self.unreferred(name, &repository)?);
        }
        for digest in others.iter().filter(|digest| !listed.contains(*digest)) {
            if let Some(manifest) = repository.manifest(digest)? {
                found.push(self.describe(name, None, &manifest, repository.manifest_came(digest))?);
            }
        }
        Ok(())
    }

    /// The manifests that are no part of another and attached to none.
    fn unreferred(&self, name: &RepositoryName, repository: &Repository<'_>) -> Result<BTreeSet<Digest>> {
        let mut found: BTreeSet<Digest> = repository.manifests()?.into_iter().collect();
        for digest in found.clone() {
            // What is damaged stays in the list, where it can be seen and removed.
            let Ok(manifest) = self.read_manifest(name, &Selector::Digest(digest.clone())) else { continue };
            if manifest.manifest().subject().is_some() {
                found.remove(&digest);
            }
            for child in manifest.manifest().children() {
                found.remove(&child.digest);
            }
        }
        Ok(found)
    }

    fn describe(
        &self,
        name: &RepositoryName,
        tag: Option<Tag>,
        manifest: &Descriptor,
        stored: Option<SystemTime>,
    ) -> Result<KeptImage> {
        let mut weight = Weight::default();
        self.weigh(name, manifest, &mut weight)?;
        Ok(KeptImage {
            repository: name.clone(),
            tag,
            digest: manifest.digest.clone(),
            media_type: manifest.media_type.clone(),
            size: weight.bytes,
            created: weight.created,
            stored: stored.and_then(|time| Timestamp::try_from(time).ok()),
        })
    }

    /// Adds what a manifest names. Ends for every document, because no digest is met twice.
    fn weigh(&self, name: &RepositoryName, manifest: &Descriptor, weight: &mut Weight) -> Result<()> {
        let repository = self.repository(name);
        let mut waiting = vec![manifest.clone()];
        while let Some(next) = waiting.pop() {
            if !weight.add(&next) {
                continue;
            }
            let Ok(document) = self.read_manifest(name, &Selector::Digest(next.digest)) else { continue };
            for blob in document.manifest().blobs().filter(|blob| repository.has_blob(&blob.digest)) {
                weight.add(blob);
            }
            if let (None, Manifest::Image(image)) = (weight.created, document.manifest()) {
                weight.created = self.created(&image.config);
            }
            for child in document.manifest().children().iter().rev() {
                waiting.extend(repository.manifest(&child.digest)?);
            }
        }
        Ok(())
    }

    /// When an image was built; a config that cannot be read says nothing.
    fn created(&self, config: &Descriptor) -> Option<Timestamp> {
        let bytes = config.media_type.is_image_config().then(|| self.blobs.document(&config.digest))?.ok()??;
        ImageConfig::parse(&bytes).ok()?.document().created().as_ref()?.parse().ok()
    }
}

/// What was found of an image so far.
#[derive(Default)]
struct Weight {
    seen: HashSet<Digest>,
    bytes: u64,
    created: Option<Timestamp>,
}

impl Weight {
    /// Adds content, and says whether it is new.
    fn add(&mut self, content: &Descriptor) -> bool {
        let new = self.seen.insert(content.digest.clone());
        if new {
            self.bytes = self.bytes.saturating_add(content.size);
        }
        new
    }
}
