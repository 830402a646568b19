//! What a bucket holds, image by image, for people.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use super::super::Shared;
use super::super::layout::Kind;
use super::contents::Contents;
use crate::image::{Descriptor, Digest, ImageConfig, MAX_MANIFEST_BYTES, Manifest, RepositoryName, Tag};
use crate::registry::{ByteRange, KeptImage, Result, Untagged, read_verified};

/// The content of an image, with its sizes.
type Weight = HashMap<Digest, u64>;

impl Shared {
    /// Everything that the bucket holds, by repository, then tag, then digest.
    pub(super) async fn images(&self, untagged: Untagged) -> Result<Vec<KeptImage>> {
        let mut names: Vec<RepositoryName> = self.repositories_with(&[Kind::Manifests]).try_concat().await?;
        names.sort();
        let (mut found, mut needed_by) = (Vec::new(), HashMap::<Digest, u32>::new());
        for name in names {
            let contents = self.contents(&name).await?;
            let mut weights: BTreeMap<Digest, Weight> = BTreeMap::new();
            for (tag, digest, stored) in contents.listed(untagged) {
                let weight = weights.entry(digest.clone()).or_insert_with(|| {
                    let weight = contents.weigh(&digest);
                    for content in weight.keys() {
                        *needed_by.entry(content.clone()).or_default() += 1;
                    }
                    weight
                });
                let Some((descriptor, _)) = contents.content(&digest) else { continue };
                let image = KeptImage {
                    repository: name.clone(),
                    tag,
                    digest: digest.clone(),
                    media_type: descriptor.media_type.clone(),
                    size: weight.values().copied().fold(0, u64::saturating_add),
                    shared: 0,
                    created: self.created(&contents, &digest).await,
                    stored: Timestamp::try_from(stored).ok(),
                };
                found.push((image, weight.clone()));
            }
        }
        let is_shared = |digest: &Digest| needed_by.get(digest).is_some_and(|images| *images > 1);
        let finish = |(image, weight): (KeptImage, Weight)| {
            let shared = weight.iter().filter(|(digest, _)| is_shared(digest)).map(|(_, size)| *size);
            KeptImage { shared: shared.fold(0, u64::saturating_add), ..image }
        };
        Ok(found.into_iter().map(finish).collect())
    }

    /// When an image was built, as the first of its configs says; one that cannot be read says nothing.
    async fn created(&self, contents: &Contents, image: &Digest) -> Option<Timestamp> {
        let config = contents.config(image)?;
        let limit = MAX_MANIFEST_BYTES as u64;
        let reader = self.open_blob(config, ByteRange::ALL).await.ok()?;
        let bytes = read_verified(reader, config, limit).await.ok()?;
        ImageConfig::parse(&bytes).ok()?.document().created().as_ref()?.parse().ok()
    }
}

impl Contents {
    fn content(&self, digest: &Digest) -> Option<&(Descriptor, crate::image::RawManifest)> {
        self.manifests.get(digest)?.content.as_ref()
    }

    /// The images that are listed, with the tag of each and when it came.
    fn listed(&self, untagged: Untagged) -> Vec<(Option<Tag>, Digest, SystemTime)> {
        let mut tags: Vec<_> = self.tags.iter().map(|(fact, _)| fact).collect();
        tags.sort_by(|a, b| a.tag.cmp(&b.tag));
        let tagged: BTreeSet<&Digest> = tags.iter().map(|fact| &fact.digest).collect();
        let mut others: BTreeSet<Digest> = self.named.iter().cloned().collect();
        if untagged == Untagged::Shown {
            others.extend(self.unreferred());
        }
        let mut listed: Vec<_> =
            tags.iter().map(|fact| (Some(fact.tag.clone()), fact.digest.clone(), fact.moved)).collect();
        for digest in others.iter().filter(|digest| !tagged.contains(digest)) {
            if let Some(held) = self.manifests.get(digest) {
                listed.push((None, digest.clone(), held.written));
            }
        }
        listed
    }

    /// The manifests that are no part of another and attached to none.
    fn unreferred(&self) -> BTreeSet<Digest> {
        let mut found: BTreeSet<Digest> = self.manifests.keys().cloned().collect();
        for digest in self.manifests.keys() {
            let Some((_, manifest)) = self.content(digest) else { continue };
            if manifest.manifest().subject().is_some() {
                found.remove(digest);
            }
            for child in manifest.manifest().children() {
                found.remove(&child.digest);
            }
        }
        found
    }

    /// What an image consists of. Ends for every image, because no digest is met twice.
    fn weigh(&self, image: &Digest) -> Weight {
        let (mut weight, mut waiting) = (Weight::new(), vec![image]);
        while let Some((descriptor, manifest)) = waiting.pop().and_then(|digest| self.content(digest)) {
            if weight.insert(descriptor.digest.clone(), descriptor.size).is_some() {
                continue;
            }
            for blob in manifest.manifest().blobs().filter(|blob| !blob.is_foreign()) {
                weight.insert(blob.digest.clone(), blob.size);
            }
            let children = manifest.manifest().children().iter().map(|child| &child.digest);
            waiting.extend(children.filter(|child| self.content(child).is_some()));
        }
        weight
    }

    /// The config of an image, of an index that of its first image.
    fn config(&self, image: &Digest) -> Option<&Descriptor> {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![image]);
        while let Some(digest) = waiting.pop() {
            if !seen.insert(digest) {
                continue;
            }
            let Some((_, manifest)) = self.content(digest) else { continue };
            if let Manifest::Image(image) = manifest.manifest() {
                return image.config.media_type.is_image_config().then_some(&image.config);
            }
            waiting.extend(manifest.manifest().children().iter().rev().map(|child| &child.digest));
        }
        None
    }
}
