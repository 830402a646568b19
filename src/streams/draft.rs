//! A stream while it is changed: the rules of OpenShift for tags, their histories and conditions, on the document itself.
//!
//! What is not changed stays in the document as it is, known here or not.

use jiff::Timestamp;

use super::document::seconds;
use super::model::{Condition, IMPORT_SUCCESS, ImportMode, ObjectReference, SourceKind, TagEvent, TagReference};
use crate::image::{Digest, ImageReference, StreamName, Tag};
use crate::yaml::{Mapping, Value};

/// A stream that is being changed.
#[derive(Clone, Debug)]
pub struct Draft {
    name: StreamName,
    root: Mapping,
    floor: i64,
    changes: Vec<Change>,
}

/// A tag that points at another image than before.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The tag.
    pub tag: Tag,
    /// The image that it pointed at, where there was one.
    pub old: Option<Digest>,
    /// The image that it points at.
    pub new: Digest,
    /// Where that is to be had.
    pub reference: String,
    /// The number of the change: rises within the stream.
    pub generation: i64,
}

/// What a tag is to point at from now on.
#[derive(Clone, Debug)]
pub struct NewSource {
    /// Where its image comes from.
    pub from: ObjectReference,
    /// Whether it is a name alone.
    pub reference: bool,
    /// Whether it is looked up again and again; `None` leaves that as it is.
    pub scheduled: Option<bool>,
    /// What is kept of an image for several platforms; `None` leaves that as it is.
    pub mode: Option<ImportMode>,
}

/// An image that was found for a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its digest.
    pub digest: Digest,
    /// Where it is to be had: `registry/repository@digest`.
    pub reference: String,
}

impl Found {
    /// An image of a registry.
    #[must_use]
    pub fn at(reference: &ImageReference, digest: Digest) -> Self {
        let reference = format!("{}/{}@{digest}", reference.registry, reference.repository);
        Self { digest, reference }
    }
}

impl Draft {
    pub(super) fn new(name: StreamName, root: Mapping) -> Self {
        Self { name, root, floor: 0, changes: Vec::new() }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Mapping(self.root)
    }

    /// Has the numbers of changes begin above one that others know.
    pub(super) fn count_from(&mut self, floor: i64) {
        self.floor = floor;
    }

    /// What was changed so far.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What a tag is to point at.
    #[must_use]
    pub fn reference(&self, tag: &Tag) -> Option<TagReference> {
        let entry = self.entry("spec", "name", tag)?;
        serde_yaml::from_value(Value::Mapping(entry.clone())).ok()
    }

    /// The images that a tag pointed at, the current one first.
    #[must_use]
    pub fn items(&self, tag: &Tag) -> Vec<TagEvent> {
        let items = self.entry("status", "tag", tag).and_then(|entry| entry.get("items")?.as_sequence());
        items.into_iter().flatten().filter_map(|item| serde_yaml::from_value(item.clone()).ok()).collect()
    }

    /// The image that a tag points at.
    #[must_use]
    pub fn current(&self, tag: &Tag) -> Option<TagEvent> {
        self.items(tag).into_iter().next()
    }

    /// Sets what a tag is to point at; what else is said of it stays.
    pub fn set_source(&mut self, tag: &Tag, source: &NewSource) {
        let generation = self.next_generation();
        self.entry_of("spec", "name", tag, |entry| {
            set(entry, "from", to_value(&source.from));
            if source.reference || entry.get("reference").and_then(Value::as_bool) == Some(true) {
                set(entry, "reference", source.reference.into());
            }
            set(entry, "generation", generation.into());
            if source.scheduled.is_some() || source.mode.is_some() {
                mapping_in(entry, "importPolicy", |policy| {
                    source.scheduled.into_iter().for_each(|scheduled| set(policy, "scheduled", scheduled.into()));
                    source.mode.into_iter().for_each(|mode| set(policy, "importMode", to_value(&mode)));
                });
            }
        });
    }

    /// Sets whether a tag is looked up again and again.
    pub fn set_scheduled(&mut self, tag: &Tag, scheduled: bool) {
        if self.reference(tag).is_none_or(|known| known.import_policy.scheduled != scheduled) {
            let generation = self.next_generation();
            self.entry_of("spec", "name", tag, |entry| {
                mapping_in(entry, "importPolicy", |policy| set(policy, "scheduled", scheduled.into()));
                set(entry, "generation", generation.into());
            });
        }
    }

    /// Has the stream follow a whole repository.
    pub fn set_repository(&mut self, repository: &str) {
        let known = self.root.get("spec").and_then(|spec| spec.get("dockerImageRepository")).and_then(Value::as_str);
        if known != Some(repository) {
            self.next_generation();
            mapping_in(&mut self.root, "spec", |spec| set(spec, "dockerImageRepository", repository.into()));
        }
    }

    /// Sets a note of the stream.
    pub fn annotate(&mut self, key: &str, value: &str) {
        mapping_in(&mut self.root, "metadata", |metadata| {
            mapping_in(metadata, "annotations", |annotations| set(annotations, key, value.into()));
        });
    }

    /// Removes a tag with its history, and says whether it was there.
    pub fn remove_tag(&mut self, tag: &Tag) -> bool {
        let mut removed = false;
        for (part, key) in [("spec", "name"), ("status", "tag")] {
            if self.entry(part, key, tag).is_some() {
                removed = true;
                mapping_in(&mut self.root, part, |part| {
                    sequence_in(part, "tags", |tags| tags.retain(|entry| !is_of(entry, key, tag)));
                });
            }
        }
        if removed {
            self.next_generation();
        }
        removed
    }

    /// Notes that a tag points at an image. The same image is no change, though it may be had elsewhere now. Tags of
    /// the stream that follow this one point at it too.
    pub fn record(&mut self, tag: &Tag, found: &Found, now: Timestamp) {
        let mut follows = vec![tag.clone()];
        let mut next = 0;
        // A circle of tags that follow each other ends where it began.
        while let Some(tag) = follows.get(next).cloned() {
            self.record_one(&tag, found, now);
            let followers = self.followers(&tag);
            follows.extend(followers.into_iter().filter(|follower| !follows.contains(follower)).collect::<Vec<_>>());
            next += 1;
        }
    }

    fn record_one(&mut self, tag: &Tag, found: &Found, now: Timestamp) {
        let current = self.current(tag);
        let old = current.as_ref().and_then(|current| current.image.clone());
        if old.as_ref() == Some(&found.digest) {
            if current.is_some_and(|current| current.docker_image_reference != found.reference) {
                self.items_of(tag, |items| {
                    if let Some(Value::Mapping(item)) = items.first_mut() {
                        set(item, "dockerImageReference", found.reference.as_str().into());
                    }
                });
            }
            return;
        }
        let generation = self.next_generation();
        let event = TagEvent {
            created: Some(seconds(now)),
            docker_image_reference: found.reference.clone(),
            image: Some(found.digest.clone()),
            generation,
        };
        self.items_of(tag, |items| items.insert(0, to_value(&event)));
        let (new, reference) = (found.digest.clone(), found.reference.clone());
        self.changes.push(Change { tag: tag.clone(), old, new, reference, generation });
    }

    /// The tags of this stream that point at whatever `tag` points at.
    fn followers(&self, tag: &Tag) -> Vec<Tag> {
        let namespace = self.root.get("metadata").and_then(|metadata| metadata.get("namespace")?.as_str());
        let tags = self.root.get("spec").and_then(|spec| spec.get("tags")?.as_sequence());
        let references = tags.into_iter().flatten().filter_map(|entry| {
            let reference: TagReference = serde_yaml::from_value(entry.clone()).ok()?;
            let from = reference.from.filter(|from| from.kind == SourceKind::ImageStreamTag)?;
            (followed(&self.name, namespace, &from) == Some(tag.as_str())).then_some(reference.name)
        });
        references.collect()
    }

    /// Notes that the last import of a tag succeeded: as in OpenShift, nothing is said of it then.
    pub fn succeeded(&mut self, tag: &Tag) {
        if self.entry("status", "tag", tag).is_some_and(|entry| entry.contains_key("conditions")) {
            self.entry_of("status", "tag", tag, |entry| {
                let left = sequence_in(entry, "conditions", |conditions| {
                    conditions.retain(|condition| !is_import_success(condition));
                    conditions.len()
                });
                if left == 0 {
                    entry.shift_remove("conditions");
                }
            });
        }
    }

    /// Notes why the last import of a tag failed. The time is that of the first failure in the same way.
    pub fn failed(&mut self, tag: &Tag, reason: &str, message: &str, now: Timestamp) {
        let generation = self.reference(tag).and_then(|reference| reference.generation).unwrap_or_default();
        let condition = |since: Option<Timestamp>| Condition {
            kind: IMPORT_SUCCESS.to_owned(),
            status: "False".to_owned(),
            last_transition_time: Some(since.unwrap_or_else(|| seconds(now))),
            reason: reason.to_owned(),
            message: message.to_owned(),
            generation,
        };
        self.entry_of("status", "tag", tag, |entry| {
            // Every history has a list, also one without images: OpenShift demands it.
            sequence_in(entry, "items", |_| {});
            sequence_in(entry, "conditions", |conditions| {
                let known =
                    conditions.iter().filter_map(|known| serde_yaml::from_value::<Condition>(known.clone()).ok());
                let mut same = known.filter(|known| known.is_failed_import() && known.reason == reason);
                let since = same.next().and_then(|known| known.last_transition_time);
                conditions.retain(|known| !is_import_success(known));
                conditions.push(to_value(&condition(since)));
            });
        });
    }

    /// Removes from the history of a tag what `keep` does not keep, and says what is gone. The current image stays.
    pub fn prune(&mut self, tag: &Tag, keep: impl Fn(usize, &TagEvent) -> bool) -> Vec<TagEvent> {
        let events = self.items(tag);
        if events.len() < 2 {
            return Vec::new();
        }
        let keeps: Vec<bool> =
            events.iter().enumerate().map(|(index, event)| index == 0 || keep(index, event)).collect();
        self.items_of(tag, |items| {
            let mut kept = keeps.iter();
            items.retain(|_| *kept.next().unwrap_or(&true));
        });
        events.into_iter().zip(keeps).filter(|(_, kept)| !kept).map(|(event, _)| event).collect()
    }

    /// Counts one more change of the stream. Above every number that is in use, also where a file came from elsewhere.
    fn next_generation(&mut self) -> i64 {
        let number = |value: Option<&Value>| value.and_then(Value::as_i64).unwrap_or_default();
        let histories = self.root.get("status").and_then(|status| status.get("tags")?.as_sequence());
        let items = histories.into_iter().flatten().filter_map(|entry| entry.get("items")?.as_sequence()).flatten();
        let highest = items.map(|item| number(item.get("generation"))).max().unwrap_or_default().max(self.floor);
        mapping_in(&mut self.root, "metadata", |metadata| {
            let next = highest.max(number(metadata.get("generation"))).saturating_add(1);
            set(metadata, "generation", next.into());
            next
        })
    }

    fn entry(&self, part: &str, key: &str, tag: &Tag) -> Option<&Mapping> {
        let tags = self.root.get(part)?.get("tags")?.as_sequence()?;
        tags.iter().find(|entry| is_of(entry, key, tag))?.as_mapping()
    }

    /// Changes the entry of a tag, which is made where it is missing.
    fn entry_of<T>(&mut self, part: &str, key: &str, tag: &Tag, change: impl FnOnce(&mut Mapping) -> T) -> T {
        mapping_in(&mut self.root, part, |part| {
            sequence_in(part, "tags", |tags| {
                let index = tags.iter().position(|entry| is_of(entry, key, tag)).unwrap_or_else(|| {
                    tags.push(Value::Mapping(Mapping::from_iter([(key.into(), tag.as_str().into())])));
                    tags.len() - 1
                });
                mapping_of(&mut tags[index], change)
            })
        })
    }

    fn items_of<T>(&mut self, tag: &Tag, change: impl FnOnce(&mut Vec<Value>) -> T) -> T {
        self.entry_of("status", "tag", tag, |entry| sequence_in(entry, "items", change))
    }
}

/// The tag of the stream `name` that `from` follows; `None` where it is another stream's.
pub(super) fn followed<'a>(name: &StreamName, namespace: Option<&str>, from: &'a ObjectReference) -> Option<&'a str> {
    match from.name.split_once(':') {
        _ if from.namespace.is_some() && from.namespace.as_deref() != namespace => None,
        None => Some(&from.name),
        Some((stream, tag)) => (stream == name.as_str()).then_some(tag),
    }
}

fn set(mapping: &mut Mapping, key: &str, value: Value) {
    mapping.insert(key.into(), value);
}

fn is_of(entry: &Value, key: &str, tag: &Tag) -> bool {
    entry.get(key).and_then(Value::as_str) == Some(tag.as_str())
}

fn is_import_success(condition: &Value) -> bool {
    condition.get("type").and_then(Value::as_str) == Some(IMPORT_SUCCESS)
}

/// Changes the mapping at `key`, which is made where there is none.
fn mapping_in<T>(parent: &mut Mapping, key: &str, change: impl FnOnce(&mut Mapping) -> T) -> T {
    mapping_of(parent.entry(key.into()).or_insert(Value::Null), change)
}

fn mapping_of<T>(value: &mut Value, change: impl FnOnce(&mut Mapping) -> T) -> T {
    let mut mapping = match std::mem::take(value) {
        Value::Mapping(mapping) => mapping,
        _ => Mapping::new(),
    };
    let answer = change(&mut mapping);
    *value = Value::Mapping(mapping);
    answer
}

/// Changes the sequence at `key`, which is made where there is none.
fn sequence_in<T>(parent: &mut Mapping, key: &str, change: impl FnOnce(&mut Vec<Value>) -> T) -> T {
    let value = parent.entry(key.into()).or_insert(Value::Null);
    let mut items = match std::mem::take(value) {
        Value::Sequence(items) => items,
        _ => Vec::new(),
    };
    let answer = change(&mut items);
    *value = Value::Sequence(items);
    answer
}

fn to_value(value: &impl serde::Serialize) -> Value {
    // What is handed over is made of words and numbers.
    serde_yaml::to_value(value).unwrap_or(Value::Null)
}
