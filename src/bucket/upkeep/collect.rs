//! What of a bucket goes: tags and manifests by the rules, then what no manifest names, then what belongs nowhere.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::ops::AddAssign as _;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::TryStreamExt as _;

use super::super::Shared;
use super::super::content::Whereabouts;
use super::super::layout::{self, Kind};
use super::contents::Contents;
use super::protection::Protection;
use super::sweep::{Doomed, Limit, Sweep};
use crate::image::{Digest, RepositoryName};
use crate::registry::{Collected, Collection, GoneManifest, GoneTag, Result, TagFact, Verdict, judge};

/// A run: who removes, what is protected, what came of it, and what blobs belong somewhere still.
struct Run<'a> {
    shared: &'a Arc<Shared>,
    collection: &'a Collection,
    sweep: Sweep,
    protection: Protection,
    collected: Collected,
    /// In how many repositories.
    belonging: HashMap<Digest, u64>,
    /// What some manifest names, or may name.
    needed: HashSet<Digest>,
}

impl Shared {
    /// Removes what nothing needs.
    pub(super) async fn collect(self: &Arc<Self>, collection: &Collection) -> Result<Collected> {
        let sweep = Sweep::begin(self, collection.effect).await?;
        let protection = self.protection(collection.grace).await?;
        let (belonging, needed) = (HashMap::new(), HashSet::new());
        let collected = Collected::default();
        let mut run = Run { shared: self, collection, sweep, protection, collected, belonging, needed };
        let done = run.everything().await;
        run.sweep.end().await;
        done.map(|()| run.collected)
    }
}

impl Run<'_> {
    async fn everything(&mut self) -> Result<()> {
        let shared = self.shared;
        let names: Vec<RepositoryName> = shared.repositories_with(&[Kind::Manifests, Kind::Blobs]).try_concat().await?;
        for name in names {
            self.repository(&name).await?;
        }
        self.blobs().await
    }

    async fn repository(&mut self, name: &RepositoryName) -> Result<()> {
        let contents = self.shared.contents(name).await?;
        let mut inventory = contents.inventory();
        let verdict = judge(name, &inventory, self.collection, SystemTime::now());
        let gone = self.tags(name, &contents, &verdict).await?;
        let stays = self.manifests(name, &contents, &verdict, &gone).await?;
        // What stays is judged once more by what it leads to: also what only stays because a push may rely on it.
        inventory.manifests.retain(|digest, _| stays.contains(digest));
        let everything = Collection { rules: Vec::new(), ..self.collection.clone() };
        let rest = judge(name, &inventory, &everything, SystemTime::now());
        if !rest.complete {
            self.collected.unreadable.push(name.clone());
        }
        self.belongings(name, &rest).await
    }

    /// Removes the tags that go, and says which did: what has moved meanwhile stays.
    async fn tags(&mut self, name: &RepositoryName, contents: &Contents, verdict: &Verdict) -> Result<Vec<TagFact>> {
        let mut doomed = HashMap::new();
        for (fact, e_tag) in contents.tags.iter().filter(|(fact, _)| verdict.tags.contains(fact)) {
            let key = layout::tag(name, &fact.tag);
            let limit = Limit::Unchanged(e_tag.clone());
            doomed.insert(key.clone(), (fact, Doomed::fact(key, fact.moved, limit)));
        }
        let removed = self.sweep.remove(doomed.values().map(|(_, doomed)| doomed.clone()).collect()).await?;
        let gone: Vec<TagFact> =
            removed.iter().filter_map(|key| doomed.get(key)).map(|(fact, _)| (*fact).clone()).collect();
        for TagFact { tag, digest, .. } in gone.clone() {
            self.collected.tags.push(GoneTag { repository: name.clone(), tag, digest });
        }
        Ok(gone)
    }

    /// Removes the manifests that go, and says which stay.
    async fn manifests(
        &mut self,
        name: &RepositoryName,
        contents: &Contents,
        verdict: &Verdict,
        gone: &[TagFact],
    ) -> Result<HashSet<Digest>> {
        let limit = Limit::Since(self.protection.of(name));
        // A tag that moved while it was to go leads to its manifest still.
        let led_to: HashSet<&Digest> =
            verdict.tags.iter().filter(|fact| !gone.contains(fact)).map(|fact| &fact.digest).collect();
        let mut doomed = HashMap::new();
        for digest in verdict.manifests.iter().filter(|digest| !led_to.contains(*digest)) {
            let Some(held) = contents.manifests.get(digest) else { continue };
            let mut before = vec![layout::named(name, digest)];
            let subject = held.content.as_ref().and_then(|(_, manifest)| manifest.manifest().subject());
            before.extend(subject.map(|subject| layout::referrer(name, &subject.digest, digest)));
            let key = layout::manifest(name, digest);
            let fact = Doomed { before, ..Doomed::fact(key.clone(), held.written, limit.clone()) };
            doomed.insert(key, (digest, held.size, fact));
        }
        let removed = self.sweep.remove(doomed.values().map(|(_, _, fact)| fact.clone()).collect()).await?;
        let mut stays: HashSet<Digest> = contents.manifests.keys().cloned().collect();
        for (digest, size, _) in removed.iter().filter_map(|key| doomed.remove(key)) {
            stays.remove(digest);
            self.collected.manifests.push(GoneManifest { repository: name.clone(), digest: digest.clone() });
            self.collected.blobs += 1;
            self.collected.bytes += size;
        }
        self.collected.spared_bytes += doomed.values().map(|(_, size, _)| size).sum::<u64>();
        Ok(stays)
    }

    /// Takes the blobs that no manifest names out of a repository.
    async fn belongings(&mut self, name: &RepositoryName, verdict: &Verdict) -> Result<()> {
        let limit = Limit::Since(self.protection.of(name));
        let mut doomed = HashMap::new();
        let mut listed = self.shared.objects.list(&layout::facts(name, Kind::Blobs));
        while let Some(found) = listed.try_next().await? {
            let Some(digest) = layout::digest_of(&found.key) else { continue };
            if verdict.complete && !verdict.needed.contains(&digest) {
                let fact = Doomed::fact(found.key.clone(), found.modified, limit.clone());
                doomed.insert(found.key, (digest.clone(), fact));
            } else {
                self.needed.insert(digest.clone());
            }
            self.belonging.entry(digest).or_default().add_assign(1);
        }
        let removed = self.sweep.remove(doomed.values().map(|(_, fact)| fact.clone()).collect()).await?;
        for (digest, _) in removed.iter().filter_map(|key| doomed.get(key)) {
            if let Entry::Occupied(mut held) = self.belonging.entry(digest.clone()) {
                *held.get_mut() -= 1;
                if *held.get() == 0 {
                    held.remove();
                }
            }
        }
        Ok(())
    }

    /// Removes the blobs that belong to no repository, and their content.
    async fn blobs(&mut self) -> Result<()> {
        let limit = Limit::Since(self.protection.everywhere());
        let mut doomed = HashMap::new();
        let mut listed = self.shared.objects.list(layout::BLOBS);
        while let Some(found) = listed.try_next().await? {
            let Some(digest) = layout::digest_of(&found.key) else { continue };
            if self.needed.contains(&digest) {
                continue;
            }
            let Some(Whereabouts { size, .. }) = self.shared.fact(&found.key).await? else { continue };
            if self.belonging.contains_key(&digest) {
                self.collected.spared_bytes += size;
            } else {
                let fact = Doomed::fact(found.key.clone(), found.modified, limit.clone());
                doomed.insert(found.key, (size, Doomed { leads_to_content: true, ..fact }));
            }
        }
        let removed = self.sweep.remove(doomed.values().map(|(_, fact)| fact.clone()).collect()).await?;
        for (size, _) in removed.iter().filter_map(|key| doomed.remove(key)) {
            self.collected.blobs += 1;
            self.collected.bytes += size;
        }
        self.collected.spared_bytes += doomed.values().map(|(size, _)| size).sum::<u64>();
        Ok(())
    }
}
