//! What a repository holds, read whole: its tags, its manifests, and when each was written.

use std::collections::HashMap;
use std::time::SystemTime;

use futures_util::TryStreamExt as _;

use super::super::facts::AT_ONCE;
use super::super::layout::{self, Kind};
use super::super::pull::verified;
use super::super::{MAX_FACT_BYTES, Shared};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Tag};
use crate::registry::{Error, Inventory, Links, ManifestFact, Result, TagFact};

/// What a repository holds; of each tag also what changes with it.
pub(super) struct Contents {
    pub(super) tags: Vec<(TagFact, Option<String>)>,
    pub(super) named: Vec<Digest>,
    pub(super) manifests: HashMap<Digest, HeldManifest>,
}

/// A manifest, and what is known of it.
pub(super) struct HeldManifest {
    pub(super) written: SystemTime,
    /// Of the object, which is a little more than the manifest.
    pub(super) size: u64,
    /// `None` where it cannot be read.
    pub(super) content: Option<(Descriptor, RawManifest)>,
}

impl Contents {
    /// The same for whoever judges it.
    pub(super) fn inventory(&self) -> Inventory {
        let fact = |(digest, held): (&Digest, &HeldManifest)| {
            let links = held.content.as_ref().map(|(_, manifest)| Links::of(manifest.manifest()));
            (digest.clone(), ManifestFact { since: held.written, links })
        };
        Inventory {
            tags: self.tags.iter().map(|(fact, _)| fact.clone()).collect(),
            named: self.named.clone(),
            manifests: self.manifests.iter().map(fact).collect(),
        }
    }
}

impl Shared {
    /// Reads what a repository holds; what was removed meanwhile is left out.
    pub(super) async fn contents(&self, name: &RepositoryName) -> Result<Contents> {
        let tags = self.objects.list(&layout::facts(name, Kind::Tags)).map_ok(|found| async move {
            let Ok(tag) = layout::last(&found.key).parse::<Tag>() else { return Ok(None) };
            let pointed = self.tag(name, &tag).await?;
            let fact = pointed.map(|pointed| TagFact { tag, digest: pointed.digest, moved: found.modified });
            Ok::<_, Error>(fact.map(|fact| (fact, found.e_tag)))
        });
        let tags: Vec<Option<_>> = tags.try_buffered(AT_ONCE).try_collect().await?;
        let named = self.objects.list(&layout::facts(name, Kind::Named));
        let named = named.try_filter_map(|found| async move { Ok(layout::digest_of(&found.key)) });
        let named = named.try_collect().await?;
        let manifests = self.objects.list(&layout::facts(name, Kind::Manifests)).map_ok(|found| async move {
            let Some(digest) = layout::digest_of(&found.key) else { return Ok(None) };
            let Some(object) = self.objects.read(&found.key, MAX_FACT_BYTES).await? else { return Ok(None) };
            let split = self.split(&found.key, &object.bytes);
            let content = split.and_then(|(descriptor, bytes)| {
                let manifest = verified(name, &digest, &descriptor, bytes)?;
                Ok((descriptor, manifest))
            });
            let held = HeldManifest { written: object.modified, size: found.size, content: content.ok() };
            Ok::<_, Error>(Some((digest, held)))
        });
        let manifests: Vec<Option<_>> = manifests.try_buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(Contents {
            tags: tags.into_iter().flatten().collect(),
            named,
            manifests: manifests.into_iter().flatten().collect(),
        })
    }
}
