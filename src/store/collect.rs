//! Collection: first what goes is marked, repository by repository, then it is removed, a little at a time.
//!
//! What must not go whatever was marked, and why nobody notices, stands in `protection`.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use super::membership::{self, Repository};
use super::{Shared, Store, layout};
use crate::blobs::{Content, not_locked};
use crate::image::{Digest, RepositoryName, Selector};
use crate::registry::{
    Collected, Collection, Effect, GoneManifest, GoneTag, Inventory, Links, ManifestFact, Result, TagFact, Verdict,
    judge, reach,
};

/// How many things are removed while the gate is closed once.
const BATCH: usize = 200;

/// One collection.
pub(super) struct Run<'a> {
    collection: &'a Collection,
    pub(super) started: SystemTime,
    /// What is held by some repository from now on.
    held: HashSet<Digest>,
    /// What something that stays needs.
    wanted: HashSet<Digest>,
    collected: Collected,
}

impl<'a> Run<'a> {
    pub(super) fn since(started: SystemTime, collection: &'a Collection) -> Self {
        Self { collection, started, held: HashSet::new(), wanted: HashSet::new(), collected: Collected::default() }
    }

    const fn is_told(&self) -> bool {
        matches!(self.collection.effect, Effect::Told)
    }
}

impl Store {
    /// Removes what nothing needs.
    ///
    /// # Errors
    /// As [`crate::registry::Maintenance::collect`].
    pub(super) async fn collect_garbage(&self, collection: &Collection) -> Result<Collected> {
        let collection = collection.clone();
        self.with(move |shared| shared.collect(&collection)).await
    }
}

impl Shared {
    fn collect(&self, collection: &Collection) -> Result<Collected> {
        if !layout::is_made(&self.root) {
            return Ok(Collected::default());
        }
        let mut run = Run::since(self.beginning(collection)?, collection);
        for name in membership::holding(&self.root)? {
            self.collect_repository(&mut run, &name)?;
        }
        self.collect_content(&mut run)?;
        Ok(run.collected)
    }

    /// The moment in which a collection begins: every passage of the gate is over by then, so that what it did is
    /// seen, or begins later, so that what it renews is younger.
    pub(super) fn beginning(&self, collection: &Collection) -> Result<SystemTime> {
        let _closed = match collection.effect {
            Effect::Done => Some(self.gate.close().map_err(not_locked)?),
            Effect::Told => None,
        };
        Ok(SystemTime::now())
    }

    fn collect_repository(&self, run: &mut Run<'_>, name: &RepositoryName) -> Result<()> {
        let repository = self.repository(name);
        let inventory = self.inventory(name)?;
        let blobs = repository.blobs()?;
        let verdict = judge(name, &inventory, run.collection, run.started);
        let mut marked = Marked::of(&inventory, blobs.iter(), &verdict);
        if !verdict.complete {
            run.collected.unreadable.push(name.clone());
        }
        run.wanted.extend(verdict.needed.iter().cloned());
        run.wanted.extend(inventory.manifests.keys().filter(|digest| !verdict.manifests.contains(*digest)).cloned());
        if !verdict.complete {
            run.wanted.extend(blobs.iter().cloned());
        }
        let tags = if run.is_told() { verdict.tags } else { self.remove_tags(name, verdict.tags)? };
        let gone = |fact: TagFact| GoneTag { repository: name.clone(), tag: fact.tag, digest: fact.digest };
        run.collected.tags.extend(tags.into_iter().map(gone));
        let mut left: HashSet<Digest> = inventory.manifests.keys().cloned().chain(blobs).collect();
        while let Some(sweep) = self.sweep(run, name, &inventory, &mut marked)? {
            for digest in &sweep.manifests {
                run.collected.manifests.push(GoneManifest { repository: name.clone(), digest: digest.clone() });
            }
            for digest in sweep.manifests.iter().chain(&sweep.blobs) {
                left.remove(digest);
            }
        }
        run.held.extend(left);
        Ok(())
    }

    /// What a repository holds.
    pub(super) fn inventory(&self, name: &RepositoryName) -> Result<Inventory> {
        let repository = self.repository(name);
        let mut inventory = Inventory { named: repository.named()?, ..Inventory::default() };
        // Tags before manifests: what a tag points at was there before it.
        for tag in repository.tags()? {
            if let (Some(manifest), Some(moved)) = (repository.tag(&tag)?, repository.tag_moved(&tag)) {
                inventory.tags.push(TagFact { tag, digest: manifest.digest, moved });
            }
        }
        for digest in repository.manifests()? {
            let Some(since) = repository.manifest_came(&digest) else { continue };
            let links = self.links(name, &digest);
            inventory.manifests.insert(digest, ManifestFact { since, links });
        }
        Ok(inventory)
    }

    /// What a manifest leads to; `None` where it cannot be read.
    fn links(&self, name: &RepositoryName, digest: &Digest) -> Option<Links> {
        let read = self.read_manifest(name, &Selector::Digest(digest.clone()));
        read.ok().map(|manifest| Links::of(manifest.manifest()))
    }

    /// Removes tags that still point where they did, and says which those were.
    fn remove_tags(&self, name: &RepositoryName, tags: Vec<TagFact>) -> Result<Vec<TagFact>> {
        if tags.is_empty() {
            return Ok(tags);
        }
        self.settled(|| {
            let repository = self.repository(name);
            let _lock = repository.lock()?;
            let mut removed = Vec::new();
            for fact in tags {
                let is_same = repository.tag_moved(&fact.tag) == Some(fact.moved);
                if is_same && repository.tag(&fact.tag)?.is_some_and(|found| found.digest == fact.digest) {
                    self.take_tag(name, &repository, &fact.tag)?;
                    removed.push(fact);
                }
            }
            Ok(removed)
        })
    }

    /// Removes a batch of what was marked in a repository, as far as nothing was renewed since; `None` where nothing
    /// is marked any more.
    pub(super) fn sweep(
        &self,
        run: &Run<'_>,
        name: &RepositoryName,
        inventory: &Inventory,
        marked: &mut Marked,
    ) -> Result<Option<Sweep>> {
        if marked.is_empty() {
            return Ok(None);
        }
        let _closed = if run.is_told() { None } else { Some(self.gate.close().map_err(not_locked)?) };
        let cut = self.cut(name, run.started, run.collection.grace)?;
        let repository = self.repository(name);
        self.spare_renewed(name, &repository, inventory, cut, marked)?;
        let mut sweep = Sweep::default();
        let room = if run.is_told() { usize::MAX } else { BATCH };
        sweep.manifests = marked.next_manifests(room);
        if sweep.manifests.is_empty() {
            for digest in marked.next_blobs(room) {
                if self.needed_at(&digest)?.is_none_or(|needed| needed < cut) {
                    sweep.blobs.push(digest);
                }
            }
        }
        if !run.is_told() {
            let subject = |digest: &Digest| inventory.manifests.get(digest)?.links.as_ref()?.subject.as_ref();
            repository.drop_manifests(sweep.manifests.iter().map(|digest| (digest, subject(digest))))?;
            repository.drop_blobs(&sweep.blobs)?;
        }
        Ok(Some(sweep))
    }

    /// Takes out of what was marked what was renewed or came since, and everything that it leads to.
    fn spare_renewed(
        &self,
        name: &RepositoryName,
        repository: &Repository<'_>,
        inventory: &Inventory,
        cut: SystemTime,
        marked: &mut Marked,
    ) -> Result<()> {
        let mut renewed = Vec::new();
        for digest in repository.manifests()? {
            let is_new = !inventory.manifests.contains_key(&digest);
            if is_new || marked.manifests.contains(&digest) && self.needed_at(&digest)? >= Some(cut) {
                renewed.push((digest, is_new));
            }
        }
        if renewed.is_empty() {
            return Ok(());
        }
        let mut now = inventory.clone();
        for (digest, _) in renewed.iter().filter(|(_, is_new)| *is_new) {
            let links = self.links(name, digest);
            now.manifests.insert(digest.clone(), ManifestFact { since: SystemTime::now(), links });
        }
        let verdict = reach(&now, renewed.iter().map(|(digest, _)| digest));
        marked.spare(&verdict);
        Ok(())
    }

    /// Removes content that no repository holds.
    pub(super) fn collect_content(&self, run: &mut Run<'_>) -> Result<()> {
        // Before it is listed who holds what: what comes to be held later is renewed then.
        let contents = self.blobs.contents()?;
        if !run.is_told() {
            run.held.clear();
            for name in membership::holding(&self.root)? {
                let repository = self.repository(&name);
                run.held.extend(repository.manifests()?);
                run.held.extend(repository.blobs()?);
            }
        }
        let cut = run.started.checked_sub(run.collection.grace).unwrap_or(SystemTime::UNIX_EPOCH);
        let (held, mut gone): (Vec<Content>, Vec<Content>) =
            contents.into_iter().partition(|content| run.held.contains(&content.digest) || content.modified >= cut);
        let mut spared: HashMap<Digest, u64> =
            held.into_iter().map(|content| (content.digest, content.length)).collect();
        if !run.is_told() {
            let removed = self.remove_content(&gone, cut)?;
            let (left, really): (Vec<Content>, Vec<Content>) =
                gone.into_iter().partition(|content| !removed.contains(&content.digest));
            spared.extend(left.into_iter().map(|content| (content.digest, content.length)));
            gone = really;
        }
        spared.retain(|digest, _| !run.wanted.contains(digest));
        run.collected.spared_bytes = spared.values().sum();
        run.collected.blobs = gone.len() as u64;
        run.collected.bytes = gone.iter().map(|content| content.length).sum();
        Ok(())
    }

    /// Removes content that was not renewed, and says what that was.
    fn remove_content(&self, contents: &[Content], cut: SystemTime) -> Result<HashSet<Digest>> {
        let mut removed = HashSet::new();
        for batch in contents.chunks(BATCH) {
            let _closed = self.gate.close().map_err(not_locked)?;
            for Content { digest, .. } in batch {
                if self.needed_at(digest)?.is_some_and(|needed| needed < cut) && self.blobs.remove(digest)? {
                    removed.insert(digest.clone());
                }
            }
        }
        Ok(removed)
    }
}

/// What was removed of a repository in one go.
#[derive(Default)]
pub(super) struct Sweep {
    pub(super) manifests: Vec<Digest>,
    blobs: Vec<Digest>,
}

/// What was found to go from a repository, and did not yet.
pub(super) struct Marked {
    /// What names others first, so that nothing ever names what is gone.
    manifests: Vec<Digest>,
    blobs: Vec<Digest>,
}

impl Marked {
    pub(super) fn of<'a>(inventory: &Inventory, blobs: impl Iterator<Item = &'a Digest>, verdict: &Verdict) -> Self {
        let names_others = |digest: &Digest| {
            let fact = inventory.manifests.get(digest);
            fact.and_then(|fact| fact.links.as_ref()).is_some_and(|links| !links.children.is_empty())
        };
        let (indexes, images): (Vec<&Digest>, Vec<&Digest>) =
            verdict.manifests.iter().partition(|digest| names_others(digest));
        let manifests = indexes.into_iter().chain(images).cloned().collect();
        let goes = |digest: &&Digest| verdict.complete && !verdict.needed.contains(*digest);
        Self { manifests, blobs: blobs.filter(goes).cloned().collect() }
    }

    const fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.blobs.is_empty()
    }

    fn next_manifests(&mut self, room: usize) -> Vec<Digest> {
        self.manifests.drain(..room.min(self.manifests.len())).collect()
    }

    fn next_blobs(&mut self, room: usize) -> Vec<Digest> {
        self.blobs.drain(..room.min(self.blobs.len())).collect()
    }

    fn spare(&mut self, verdict: &Verdict) {
        // What stays here is told by what does not.
        self.manifests.retain(|digest| verdict.manifests.contains(digest));
        if verdict.complete {
            self.blobs.retain(|digest| !verdict.needed.contains(digest));
        } else {
            self.blobs.clear();
        }
    }
}
