//! What of a repository goes: retention rules put to what leads to what.
//!
//! Pure: a place says what it holds ([`Inventory`]) and is told what of it goes ([`Verdict`]). What pushes may need
//! beyond that is the place's to know, as [`super::Maintenance`] says.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use super::{Collection, RetentionRule};
use crate::image::{Digest, Manifest, RepositoryName, Tag};

/// What one repository holds.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Its tags.
    pub tags: Vec<TagFact>,
    /// The manifests that are kept for their digest.
    pub named: Vec<Digest>,
    /// Its manifests.
    pub manifests: HashMap<Digest, ManifestFact>,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagFact {
    /// Its name.
    pub tag: Tag,
    /// What it points at.
    pub digest: Digest,
    /// When it moved there.
    pub moved: SystemTime,
}

/// A manifest.
#[derive(Clone, Debug)]
pub struct ManifestFact {
    /// When it came, or last lost a tag.
    pub since: SystemTime,
    /// What it leads to; `None` where it cannot be read.
    pub links: Option<Links>,
}

/// What a manifest leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The manifests that it names.
    pub children: Vec<Digest>,
    /// The blobs that it names.
    pub blobs: Vec<Digest>,
    /// What it refers to: it stays as long as that does.
    pub subject: Option<Digest>,
}

impl Links {
    /// Those of a manifest.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            children: manifest.children().iter().map(|child| child.digest.clone()).collect(),
            blobs: manifest.blobs().map(|blob| blob.digest.clone()).collect(),
            subject: manifest.subject().map(|subject| subject.digest.clone()),
        }
    }
}

/// What of a repository goes, and what it needs from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The tags that go.
    pub tags: Vec<TagFact>,
    /// The manifests that go.
    pub manifests: HashSet<Digest>,
    /// What the manifests that stay name.
    pub needed: HashSet<Digest>,
    /// Whether every manifest that stays could be read. Where not, more may be needed than is known.
    pub complete: bool,
}

/// Judges one repository.
#[must_use]
pub fn judge(repository: &RepositoryName, inventory: &Inventory, collection: &Collection, now: SystemTime) -> Verdict {
    let rule = collection.rules.iter().find(|rule| rule.fits(repository));
    let (attached, images): (Vec<&TagFact>, Vec<&TagFact>) =
        inventory.tags.iter().partition(|fact| subject_of(&fact.tag).is_some());
    let mut gone = rule.map(|rule| outdated(rule, images.clone(), collection, now)).unwrap_or_default();
    let mut reach = Reach::over(inventory);
    let stays = |fact: &&&TagFact| !gone.contains(*fact);
    reach.follow(images.iter().filter(stays).map(|fact| &fact.digest));
    reach.follow(inventory.named.iter().chain(&collection.used));
    let lost: HashSet<&Digest> = gone.iter().map(|fact| &fact.digest).collect();
    let unnamed: Vec<&Digest> = inventory.manifests.keys().filter(|digest| !reach.has(digest)).collect();
    let waits = |digest: &&&Digest| {
        let Some(fact) = inventory.manifests.get(**digest) else { return false };
        let since = if lost.contains(**digest) { now } else { fact.since };
        rule.is_none_or(|rule| rule.is_young(fact.since, now) || !rule.lets_go(since, now))
    };
    let waiting: Vec<&Digest> = unnamed.iter().filter(waits).copied().collect();
    reach.follow(waiting);
    gone.extend(orphans(rule, attached, &mut reach, now));
    reach.verdict(gone.into_iter().cloned().collect())
}

/// What these manifests lead to: the verdict if nothing else stayed.
#[must_use]
pub fn reach<'a>(inventory: &Inventory, from: impl IntoIterator<Item = &'a Digest>) -> Verdict {
    let mut reach = Reach::over(inventory);
    reach.follow(from);
    reach.verdict(Vec::new())
}

/// The tags beyond those that a rule keeps.
fn outdated<'a>(
    rule: &RetentionRule,
    mut tags: Vec<&'a TagFact>,
    collection: &Collection,
    now: SystemTime,
) -> Vec<&'a TagFact> {
    let Some(keep) = rule.keep else { return Vec::new() };
    tags.sort_by(|a, b| (b.moved, &a.tag).cmp(&(a.moved, &b.tag)));
    let goes = |fact: &&TagFact| !rule.is_young(fact.moved, now) && !collection.used.contains(&fact.digest);
    tags.into_iter().skip(keep).filter(goes).collect()
}

/// Follows the tags of what is attached to something that stays, and hands over the others where a rule lets tags go.
fn orphans<'a>(
    rule: Option<&RetentionRule>,
    mut attached: Vec<&'a TagFact>,
    reach: &mut Reach<'_>,
    now: SystemTime,
) -> Vec<&'a TagFact> {
    let rule = rule.filter(|rule| rule.keep.is_some());
    loop {
        let stays = |fact: &&TagFact| {
            let young = |rule: &RetentionRule| rule.is_young(fact.moved, now);
            rule.is_none_or(young) || reach.has(&fact.digest) || subject_of(&fact.tag).is_some_and(|of| reach.has(&of))
        };
        // What is attached may have things attached in turn.
        let (followed, left): (Vec<&TagFact>, Vec<&TagFact>) = attached.into_iter().partition(stays);
        if followed.is_empty() {
            return left;
        }
        reach.follow(followed.iter().map(|fact| &fact.digest));
        attached = left;
    }
}

/// The image that a tag is about: of `sha256-HEX` (the list of referrers, distribution-spec 1.1) and cosign's
/// `sha256-HEX.sig` and its like.
fn subject_of(tag: &Tag) -> Option<Digest> {
    let (algorithm, rest) = tag.as_str().split_once('-')?;
    let hex = rest.split('.').next()?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// What was found to stay.
struct Reach<'a> {
    inventory: &'a Inventory,
    referrers: HashMap<&'a Digest, Vec<&'a Digest>>,
    seen: HashSet<&'a Digest>,
    needed: HashSet<Digest>,
    complete: bool,
}

impl<'a> Reach<'a> {
    fn over(inventory: &'a Inventory) -> Self {
        let mut referrers: HashMap<&Digest, Vec<&Digest>> = HashMap::new();
        for (digest, fact) in &inventory.manifests {
            if let Some(subject) = fact.links.as_ref().and_then(|links| links.subject.as_ref()) {
                referrers.entry(subject).or_default().push(digest);
            }
        }
        Self { inventory, referrers, seen: HashSet::new(), needed: HashSet::new(), complete: true }
    }

    fn has(&self, digest: &Digest) -> bool {
        self.seen.contains(digest)
    }

    fn verdict(self, tags: Vec<TagFact>) -> Verdict {
        let manifests = self.inventory.manifests.keys().filter(|digest| !self.has(digest)).cloned().collect();
        Verdict { tags, manifests, needed: self.needed, complete: self.complete }
    }

    /// Follows what these lead to. Ends for every repository, because nothing is followed twice.
    fn follow<'b>(&mut self, from: impl IntoIterator<Item = &'b Digest>) {
        let mut waiting: Vec<&Digest> = from.into_iter().collect();
        while let Some(next) = waiting.pop() {
            let Some((digest, fact)) = self.inventory.manifests.get_key_value(next) else { continue };
            if !self.seen.insert(digest) {
                continue;
            }
            waiting.extend(self.referrers.get(digest).into_iter().flatten());
            let Some(links) = &fact.links else {
                self.complete = false;
                continue;
            };
            self.needed.extend(links.blobs.iter().chain(&links.children).cloned());
            waiting.extend(&links.children);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::{Effect, RepositoryPattern};

    const NOW: Duration = Duration::from_hours(1000);

    fn at(hours_ago: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + NOW - Duration::from_hours(hours_ago)
    }

    fn digest(word: &str) -> Digest {
        Digest::of(word.as_bytes())
    }

    /// A repository in words: tags as `(name, manifest, hours ago)`, manifests as `(word, hours ago, links)`.
    fn inventory(tags: &[(&str, &str, u64)], manifests: &[(&str, u64, Links)]) -> Inventory {
        let fact = |(tag, word, ago): &(&str, &str, u64)| TagFact {
            tag: tag.parse().unwrap(),
            digest: digest(word),
            moved: at(*ago),
        };
        let manifest = |(word, ago, links): &(&str, u64, Links)| {
            (digest(word), ManifestFact { since: at(*ago), links: Some(links.clone()) })
        };
        Inventory {
            tags: tags.iter().map(fact).collect(),
            named: Vec::new(),
            manifests: manifests.iter().map(manifest).collect(),
        }
    }

    fn image(blobs: &[&str]) -> Links {
        Links { blobs: blobs.iter().copied().map(digest).collect(), ..Links::default() }
    }

    fn collection(rules: Vec<RetentionRule>) -> Collection {
        Collection { rules, used: [].into(), grace: Duration::ZERO, effect: Effect::Done }
    }

    fn judged(inventory: &Inventory, collection: &Collection) -> (Vec<String>, HashSet<Digest>, Verdict) {
        let verdict = judge(&"a/b".parse().unwrap(), inventory, collection, at(0));
        let mut tags: Vec<String> = verdict.tags.iter().map(|fact| fact.tag.as_str().to_owned()).collect();
        tags.sort();
        (tags, verdict.manifests.clone(), verdict)
    }

    fn set(words: &[&str]) -> HashSet<Digest> {
        words.iter().copied().map(digest).collect()
    }

    #[test]
    fn what_nothing_names_goes_and_what_a_tag_leads_to_stays() {
        let index = Links { children: vec![digest("one"), digest("absent")], ..Links::default() };
        let referrer = Links { subject: Some(digest("one")), ..image(&["sbom"]) };
        let held = inventory(
            &[("v1", "index", 5)],
            &[("index", 5, index), ("one", 5, image(&["x"])), ("old", 5, image(&["y"])), ("sbom of one", 1, referrer)],
        );
        let (tags, manifests, verdict) = judged(&held, &collection(vec![RetentionRule::unnamed()]));
        assert_eq!((tags, manifests), (vec![], set(&["old"])));
        assert_eq!(verdict.needed, set(&["x", "sbom", "one", "absent"]));
        assert!(verdict.complete);
        // Without a rule everything stays, and what is needed is known all the same.
        let (_, manifests, verdict) = judged(&held, &collection(Vec::new()));
        assert_eq!((manifests, verdict.needed.contains(&digest("y"))), (set(&[]), true));
        let named = Inventory { named: vec![digest("old")], ..held.clone() };
        assert_eq!(judged(&named, &collection(vec![RetentionRule::unnamed()])).1, set(&[]));
        let used = Collection { used: [digest("old")].into(), ..collection(vec![RetentionRule::unnamed()]) };
        assert_eq!(judged(&held, &used).1, set(&[]));
    }

    #[test]
    fn the_tags_that_moved_last_stay_and_so_does_what_is_young_or_used() {
        let held = inventory(
            &[("v1", "one", 40), ("v2", "two", 30), ("v3", "three", 20), ("v4", "four", 10)],
            &["one", "two", "three", "four"].map(|word| (word, 50, image(&[word]))),
        );
        let keep = |keep, young: Option<u64>| RetentionRule {
            keep: Some(keep),
            keep_younger_than: young.map(Duration::from_hours),
            ..RetentionRule::default()
        };
        let gone = |rule| judged(&held, &collection(vec![rule]));
        let (tags, manifests, _) = gone(keep(2, None));
        assert_eq!((tags, manifests), (vec!["v1".to_owned(), "v2".to_owned()], set(&["one", "two"])));
        assert_eq!(gone(keep(2, Some(35))).0, ["v1"]);
        assert_eq!(gone(keep(4, None)).0, [""; 0]);
        let used = Collection { used: [digest("one")].into(), ..collection(vec![keep(0, None)]) };
        assert_eq!(judged(&held, &used).0, ["v2", "v3", "v4"]);
        // What the rule takes the name of waits as everything else does.
        let patient = RetentionRule { untagged_after: Some(Duration::from_hours(1)), ..keep(2, None) };
        assert_eq!(gone(patient).1, set(&[]));
        // The first rule that fits holds.
        let other = |text| RetentionRule { repositories: Some(RepositoryPattern::new(text).unwrap()), ..keep(0, None) };
        assert_eq!(judged(&held, &collection(vec![other("b/*"), other("a"), keep(3, None)])).0, ["v1"]);
        assert_eq!(judged(&held, &collection(vec![other("a/*"), keep(3, None)])).0.len(), 4);
    }

    #[test]
    fn what_has_no_name_waits_as_long_as_is_said() {
        let held = inventory(&[], &[("old", 30, image(&[])), ("new", 3, image(&["x"]))]);
        let rule = |after, young: Option<u64>| RetentionRule {
            untagged_after: Some(Duration::from_hours(after)),
            keep_younger_than: young.map(Duration::from_hours),
            ..RetentionRule::default()
        };
        let gone = |rule| judged(&held, &collection(vec![rule])).1;
        assert_eq!(gone(rule(24, None)), set(&["old"]));
        assert_eq!(gone(rule(0, Some(10))), set(&["old"]));
        assert_eq!(gone(rule(0, None)), set(&["old", "new"]));
        assert_eq!(gone(rule(48, None)), set(&[]));
    }

    #[test]
    fn signatures_under_tags_go_and_stay_with_their_image() {
        let hex = |word: &str| digest(word).hex().to_owned();
        let (of_one, of_two) = (format!("sha256-{}.sig", hex("one")), format!("sha256-{}.sig", hex("two")));
        let list = format!("sha256-{}", hex("signature of two"));
        let held = inventory(
            &[
                ("v1", "one", 40),
                ("v2", "two", 30),
                (&of_one, "signature of one", 1),
                (&of_two, "signature of two", 35),
                (&list, "list", 35),
            ],
            &["one", "two", "signature of one", "signature of two", "list"].map(|word| (word, 50, image(&[word]))),
        );
        let rule = RetentionRule { keep: Some(1), ..RetentionRule::default() };
        let (tags, manifests, _) = judged(&held, &collection(vec![rule]));
        assert_eq!((tags, manifests), (vec![of_one, "v1".to_owned()], set(&["one", "signature of one"])));
        assert_eq!(judged(&held, &collection(vec![RetentionRule::unnamed()])).1, set(&[]));
    }

    #[test]
    fn what_cannot_be_read_and_stays_is_told() {
        let mut held = inventory(&[("v1", "one", 5)], &[("one", 5, image(&[])), ("two", 5, image(&[]))]);
        held.manifests.get_mut(&digest("two")).unwrap().links = None;
        assert!(judged(&held, &collection(vec![RetentionRule::unnamed()])).2.complete);
        assert!(!judged(&held, &collection(Vec::new())).2.complete);
    }
}
