//! What a file system consists of, name by name, to be compared with another.

use std::collections::BTreeMap;
use std::io::Read;

use super::budget::Budget;
use super::replay::{Sink, Special};
use super::sparse::read_whole;
use super::{Attributes, Content, LayerError, MemberPath};
use crate::image::{Algorithm, Digest, Hasher};

/// How much longer than what is stored of it a file with holes may be, to be read as a whole.
const MAX_HOLES: u64 = 1 << 36;

/// Everything that is in a file system.
#[derive(Debug, Default)]
pub struct Listing {
    entries: BTreeMap<MemberPath, Entry>,
    budget: Budget,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    what: What,
    attributes: Attributes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Directory,
    File { size: u64, digest: Digest },
    Symlink(Box<[u8]>),
    Special(Special),
}

/// How a name differs between two file systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The second has it alone.
    Added {
        /// The length of the file; 0 where it is none.
        size: u64,
    },
    /// The first has it alone.
    Removed {
        /// The length of the file; 0 where it is none.
        size: u64,
    },
    /// Both have it, and these things of it differ: `kind`, `content`, `target`, `mode`, `owner`, `time`, `attributes`.
    Changed(Vec<&'static str>),
}

/// What differs, in the order of names. That a directory was written to is no difference of its own.
#[must_use]
pub fn compare(first: &Listing, second: &Listing) -> Vec<(MemberPath, Change)> {
    let mut changes = Vec::new();
    for (path, old) in &first.entries {
        match second.entries.get(path) {
            None => changes.push((path.clone(), Change::Removed { size: old.size() })),
            Some(new) => match old.differences(new) {
                differences if differences.is_empty() => {}
                differences => changes.push((path.clone(), Change::Changed(differences))),
            },
        }
    }
    let fresh = second.entries.iter().filter(|(path, _)| !first.entries.contains_key(*path));
    changes.extend(fresh.map(|(path, new)| (path.clone(), Change::Added { size: new.size() })));
    changes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    changes
}

impl Entry {
    const fn size(&self) -> u64 {
        match self.what {
            What::File { size, .. } => size,
            _ => 0,
        }
    }

    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let what = match (&self.what, &other.what) {
            (one, other) if one == other => None,
            (What::File { .. }, What::File { .. }) => Some("content"),
            (What::Symlink(_), What::Symlink(_)) => Some("target"),
            _ => Some("kind"),
        };
        let (one, two) = (&self.attributes, &other.attributes);
        let both_directories = matches!((&self.what, &other.what), (What::Directory, What::Directory));
        let checks = [
            (one.mode != two.mode, "mode"),
            ((one.user, one.group) != (two.user, two.group), "owner"),
            (one.modified != two.modified && !both_directories, "time"),
            (one.extended != two.extended, "attributes"),
        ];
        let more = checks.into_iter().filter(|(differs, _)| *differs).map(|(_, word)| word);
        what.into_iter().chain(more).collect()
    }
}

impl Listing {
    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn put(&mut self, path: &MemberPath, attributes: &Attributes, what: What) -> Result<(), LayerError> {
        self.budget.take(path.as_bytes().len() + attributes.weight() + size_of::<Digest>())?;
        self.entries.insert(path.clone(), Entry { what, attributes: attributes.clone() });
        Ok(())
    }
}

impl Sink for Listing {
    fn directory(&mut self, path: &MemberPath, attributes: Option<&Attributes>) -> Result<(), LayerError> {
        if let Some(attributes) = attributes {
            self.put(path, attributes, What::Directory)?;
        }
        Ok(())
    }

    fn file(
        &mut self,
        path: &MemberPath,
        attributes: &Attributes,
        content: &Content,
        stored: &mut dyn Read,
    ) -> Result<(), LayerError> {
        let size = content.size();
        if size - content.stored.min(size) > MAX_HOLES {
            return Err(LayerError::Bounds("64 GiB of holes in one file"));
        }
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let taken = read_whole(stored, size, content.sparse.as_ref(), |piece| hasher.update(piece));
        taken.map_err(LayerError::Read)?;
        self.put(path, attributes, What::File { size, digest: hasher.finish() })
    }

    fn symlink(&mut self, path: &MemberPath, attributes: &Attributes, target: &[u8]) -> Result<(), LayerError> {
        self.put(path, attributes, What::Symlink(target.into()))
    }

    fn special(&mut self, path: &MemberPath, attributes: &Attributes, special: Special) -> Result<(), LayerError> {
        self.put(path, attributes, What::Special(special))
    }

    fn link(&mut self, path: &MemberPath, _: &Attributes, target: &MemberPath) -> Result<(), LayerError> {
        match self.entries.get(target).cloned() {
            Some(Entry { what, attributes }) => self.put(path, &attributes, what),
            None => Ok(()),
        }
    }
}
