//! What the store holds, image by image, for people.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::membership::{self, Repository};
use super::{Shared, Store};
use crate::blobs::PartialBlob;
use crate::image::{Descriptor, Digest, ImageConfig, Manifest, RepositoryName, Selector, Tag};
use crate::registry::{KeptImage, Result, Untagged};

impl Store {
    /// Everything that the store holds, by repository, then tag, then digest.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` where a fact cannot be understood.
    pub async fn images(&self, untagged: Untagged) -> Result<Vec<KeptImage>> {
        self.with(move |shared| {
            let mut list = List::default();
            for name in membership::repositories(&shared.root)? {
                shared.list(&name, untagged, &mut list)?;
            }
            Ok(list.finish())
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
    fn list(&self, name: &RepositoryName, untagged: Untagged, list: &mut List) -> Result<()> {
        let repository = self.repository(name);
        let mut listed = HashMap::new();
        for tag in repository.tags()? {
            if let Some(manifest) = repository.tag(&tag)? {
                let stored = repository.tag_moved(&tag);
                let weight = match listed.get(&manifest.digest) {
                    Some(weight) => Arc::clone(weight),
                    None => list.count(self.weigh(name, &manifest)?),
                };
                listed.insert(manifest.digest.clone(), Arc::clone(&weight));
                list.push(describe(name, Some(tag), &manifest, stored), weight);
            }
        }
        let mut others: BTreeSet<Digest> = repository.named()?.into_iter().collect();
        if untagged == Untagged::Shown {
            others.extend(self.unreferred(name, &repository)?);
        }
        for digest in others.iter().filter(|digest| !listed.contains_key(*digest)) {
            if let Some(manifest) = repository.manifest(digest)? {
                let weight = list.count(self.weigh(name, &manifest)?);
                list.push(describe(name, None, &manifest, repository.manifest_came(digest)), weight);
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

    /// What a manifest names and the store has. Ends for every document, because no digest is met twice.
    fn weigh(&self, name: &RepositoryName, manifest: &Descriptor) -> Result<Weight> {
        let repository = self.repository(name);
        let mut weight = Weight::default();
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
        Ok(weight)
    }

    /// When an image was built; a config that cannot be read says nothing.
    fn created(&self, config: &Descriptor) -> Option<Timestamp> {
        let bytes = config.media_type.is_image_config().then(|| self.blobs.document(&config.digest))?.ok()??;
        ImageConfig::parse(&bytes).ok()?.document().created().as_ref()?.parse().ok()
    }
}

fn describe(name: &RepositoryName, tag: Option<Tag>, manifest: &Descriptor, stored: Option<SystemTime>) -> KeptImage {
    KeptImage {
        repository: name.clone(),
        tag,
        digest: manifest.digest.clone(),
        media_type: manifest.media_type.clone(),
        size: 0,
        shared: 0,
        created: None,
        stored: stored.and_then(|time| Timestamp::try_from(time).ok()),
    }
}

/// The images that were found, and how many of them need each piece of content.
#[derive(Default)]
struct List {
    images: Vec<(KeptImage, Arc<Weight>)>,
    needed_by: HashMap<Digest, u32>,
}

impl List {
    /// Counts an image as one that needs its content, however many tags it has.
    fn count(&mut self, weight: Weight) -> Arc<Weight> {
        for digest in weight.sizes.keys() {
            *self.needed_by.entry(digest.clone()).or_default() += 1;
        }
        Arc::new(weight)
    }

    fn push(&mut self, image: KeptImage, weight: Arc<Weight>) {
        self.images.push((image, weight));
    }

    fn finish(self) -> Vec<KeptImage> {
        let Self { images, needed_by } = self;
        let finish = |(image, weight): (KeptImage, Arc<Weight>)| {
            let sum = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(0, u64::saturating_add);
            let by_others = |digest: &Digest| needed_by.get(digest).is_some_and(|images| *images > 1);
            let shared = weight.sizes.iter().filter(|(digest, _)| by_others(digest));
            KeptImage {
                size: sum(&mut weight.sizes.values().copied()),
                shared: sum(&mut shared.map(|(_, size)| *size)),
                created: weight.created,
                ..image
            }
        };
        images.into_iter().map(finish).collect()
    }
}

/// What was found of an image.
#[derive(Default)]
struct Weight {
    sizes: HashMap<Digest, u64>,
    created: Option<Timestamp>,
}

impl Weight {
    /// Adds content, and says whether it is new.
    fn add(&mut self, content: &Descriptor) -> bool {
        self.sizes.insert(content.digest.clone(), content.size).is_none()
    }
}
