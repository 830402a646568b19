//! What of a repository nobody needs, and its removal.
//!
//! Needed is what is named, by tag or digest, with all that it names in turn and all that is attached to that. A
//! manifest that is still needed under another name stays, and its tag alone goes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::holding::{Holding, registry_resolve};
use crate::image::{Descriptor, Digest, RepositoryName, Selector, Tag};
use crate::registry::{Error, ErrorKind, ReferrersFrom, Registry, Result};

/// How deep an index may name an index.
const MAX_DEPTH: usize = 8;
/// The most manifests that are looked at for one repository.
const MAX_MANIFESTS: usize = 100_000;

/// What is needed of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// By tag, whatever it points at.
    pub tags: BTreeSet<Tag>,
    /// By digest.
    pub digests: BTreeSet<Digest>,
}

impl Needed {
    /// Whether what is under this tag is named.
    fn names(&self, tag: &Tag, digest: &Digest) -> bool {
        self.tags.contains(tag) || self.digests.contains(digest)
    }
}

/// Something that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// The manifest that goes with all its tags; `None` where it is needed and the tag alone goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The tags that go.
    pub tags: Vec<Tag>,
}

/// What is to go of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// The repository, by its name in the registry.
    pub repository: RepositoryName,
    /// What goes, in this order.
    pub removals: Vec<Removal>,
    /// How many tags stay.
    pub kept: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Removed {
    /// What is gone.
    pub removals: Vec<Removal>,
    /// What is not, and why. Where the registry removes nothing of the sort, that stands here once.
    pub failures: Vec<(Removal, Error)>,
}

impl Pruning {
    /// Finds out what of a repository is not needed. Removes nothing.
    ///
    /// # Errors
    /// What it holds cannot be read. Then nothing is known to be superfluous.
    pub async fn plan(registry: &dyn Registry, holding: &Holding, needed: &Needed) -> Result<Self> {
        let repository = &holding.repository;
        let mut kept = Closure::new(registry, repository);
        let (mut stay, mut others): (Vec<_>, Vec<_>) =
            holding.tags.iter().partition(|(tag, found)| needed.names(tag, &found.digest));
        for digest in stay.iter().map(|(_, found)| &found.digest).chain(&needed.digests) {
            kept.add(digest).await?;
        }
        // What is attached to what stays, stays; and what is attached to that.
        loop {
            let names: BTreeSet<String> = kept.digests.iter().map(Digest::as_tag).collect();
            let (attached, rest): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|(tag, _)| names.contains(subject(tag)));
            others = rest;
            if attached.is_empty() {
                break;
            }
            for (_, found) in &attached {
                kept.add(&found.digest).await?;
            }
            stay.extend(attached);
        }
        let removals = removals(&kept, &others).await?;
        Ok(Self { repository: repository.clone(), removals, kept: stay.len() })
    }

    /// Removes it. What is gone already is as good; one that fails stops no other, but where the registry does not
    /// remove at all.
    pub async fn run(&self, registry: &dyn Registry) -> Removed {
        let mut removed = Removed::default();
        let mut refused: Option<Kind> = None;
        for removal in &self.removals {
            let kind = if removal.digest.is_some() { Kind::Manifest } else { Kind::Tag };
            if refused == Some(kind) {
                continue;
            }
            match self.remove(registry, removal).await {
                Ok(()) => removed.removals.push(removal.clone()),
                Err(error) => {
                    if error.kind() == ErrorKind::Unsupported {
                        refused = Some(kind);
                    }
                    removed.failures.push((removal.clone(), error));
                }
            }
        }
        removed
    }

    async fn remove(&self, registry: &dyn Registry, removal: &Removal) -> Result<()> {
        let gone = |result: Result<()>| match result {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        };
        if let Some(digest) = &removal.digest {
            return gone(registry.remove_manifest(&self.repository, digest).await);
        }
        for tag in &removal.tags {
            gone(registry.remove_tag(&self.repository, tag).await)?;
        }
        Ok(())
    }
}

/// What a removal takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Manifest,
    Tag,
}

/// What goes where these tags do: manifests that nothing needed names, with what they alone name.
async fn removals(kept: &Closure<'_>, superfluous: &[(&Tag, &Descriptor)]) -> Result<Vec<Removal>> {
    let mut by_digest: BTreeMap<&Digest, Vec<Tag>> = BTreeMap::new();
    for (tag, found) in superfluous {
        by_digest.entry(&found.digest).or_default().push((*tag).clone());
    }
    let (mut removals, mut whole, mut below) = (Vec::new(), Vec::new(), Vec::new());
    for (digest, tags) in by_digest {
        if kept.digests.contains(digest) {
            removals.push(Removal { digest: None, tags });
            continue;
        }
        let mut named = Closure::new(kept.registry, kept.repository);
        named.add(digest).await?;
        whole.push((named.digests.len(), Removal { digest: Some(digest.clone()), tags }));
        let attached = untagged_referrers(kept.registry, kept.repository, digest).await;
        below.extend(named.digests.into_iter().chain(attached).filter(|below| !kept.digests.contains(below)));
    }
    // What names goes before what is named: some registries refuse the other way round.
    whole.sort_by_key(|(names, _)| Reverse(*names));
    removals.extend(whole.into_iter().map(|(_, removal)| removal));
    let mut known: BTreeSet<Digest> = removals.iter().filter_map(|removal| removal.digest.clone()).collect();
    for digest in below {
        if known.insert(digest.clone()) {
            removals.push(Removal { digest: Some(digest), tags: Vec::new() });
        }
    }
    Ok(removals)
}

/// What refers to a manifest that goes, and has no name of its own. A registry that does not tell has none to tell.
async fn untagged_referrers(registry: &dyn Registry, repository: &RepositoryName, subject: &Digest) -> Vec<Digest> {
    match registry.referrers(repository, subject, None).await {
        Ok(found) if found.from == ReferrersFrom::Api => {
            found.manifests.into_iter().map(|found| found.digest).collect()
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Manifests with all that they name.
struct Closure<'a> {
    registry: &'a dyn Registry,
    repository: &'a RepositoryName,
    digests: BTreeSet<Digest>,
}

impl<'a> Closure<'a> {
    fn new(registry: &'a dyn Registry, repository: &'a RepositoryName) -> Self {
        Self { registry, repository, digests: BTreeSet::new() }
    }

    /// Adds a manifest and everything that it names. One that is not there names nothing.
    async fn add(&mut self, digest: &Digest) -> Result<()> {
        let mut waiting = vec![(digest.clone(), 0)];
        while let Some((digest, depth)) = waiting.pop() {
            if !self.digests.insert(digest.clone()) {
                continue;
            }
            if depth >= MAX_DEPTH || self.digests.len() > MAX_MANIFESTS {
                let message = format!("what {digest} names is more than is taken");
                return Err(Error::new(ErrorKind::Nonsense, message).at(self.registry_name()));
            }
            waiting.extend(self.children(&digest).await?.into_iter().map(|child| (child, depth + 1)));
        }
        Ok(())
    }

    async fn children(&self, digest: &Digest) -> Result<Vec<Digest>> {
        let selector = Selector::Digest(digest.clone());
        let found = registry_resolve(self.registry, self.repository, &selector).await?;
        // An image names no manifest, so it need not be read.
        if !found.is_some_and(|found| found.media_type.is_index()) {
            return Ok(Vec::new());
        }
        match self.registry.manifest(self.repository, &selector).await {
            Ok(index) => Ok(index.manifest().children().iter().map(|child| child.digest.clone()).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn registry_name(&self) -> String {
        crate::registry::ImageSource::identity(self.registry).place.clone()
    }
}

/// What a tag says that it is attached to: `sha256-<hex>`, with `.sig` and the like behind it or without.
fn subject(tag: &Tag) -> &str {
    tag.as_str().split_once('.').map_or(tag.as_str(), |(subject, _)| subject)
}
