//! What names are there once all layers lie over each other, and from which member of which layer each comes.
//!
//! Layers are added from the lowest to the highest, in the way in which a runtime unpacks them, but only in memory:
//! names, targets of links and attributes of directories. (OCI image-spec layer.md, "Applying Changesets".)
//! A parent that is a symbolic link is followed, within the root of the file system and never out of it.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::budget::Budget;
use super::names::{self, Node};
use super::{Attributes, Kind, LayerError, Member, MemberPath, Problem};

/// How names of whiteouts begin, and that of the mark that hides all that lower layers have in a directory.
pub(super) const WHITEOUT: &[u8] = b".wh.";
pub(super) const OPAQUE: &[u8] = b".wh..wh..opq";
/// How AUFS's own marks begin, which say nothing to anybody else.
pub(super) const META: &[u8] = b".wh..wh.";

/// Where the content of a name is: which member of which layer, both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// The layer, from the lowest.
    pub layer: u32,
    /// The member.
    pub member: u32,
}

impl What {
    /// About how many bytes of memory it takes beside its name.
    fn weight(&self) -> usize {
        match self {
            Self::Directory(Some(attributes)) => attributes.weight(),
            Self::Symlink(_, target) => target.len(),
            Self::Directory(None) | Self::Other(_) => 0,
        }
    }
}

/// The names of several layers over each other.
#[derive(Debug, Default)]
pub struct Union {
    names: BTreeMap<Box<[u8]>, Name>,
    budget: Budget,
    root: Option<Attributes>,
    layer: u32,
    members: u32,
    layers: u32,
}

/// What a name stands for.
#[derive(Debug)]
struct Name {
    /// The layer that put it there.
    layer: u32,
    what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A directory; without attributes where no layer has a member for it.
    Directory(Option<Box<Attributes>>),
    /// A symbolic link and its target, which resolving needs.
    Symlink(Spot, Box<[u8]>),
    /// Everything else. Names of one file have one spot.
    Other(Spot),
}

impl Union {
    /// Begins the next layer.
    pub fn begin_layer(&mut self) {
        self.layer = self.layers;
        self.layers += 1;
        self.members = 0;
    }

    /// Adds the next member of the current layer.
    ///
    /// # Errors
    /// It cannot be there, or there are more names than are taken.
    pub fn add(&mut self, member: Member) -> Result<(), LayerError> {
        let spot = Spot { layer: self.layer, member: self.members };
        self.members += 1;
        let Member { path, kind, attributes } = member;
        let refused = |problem| LayerError::member(path.as_bytes(), problem);
        let Some((parent, own)) = path.split() else {
            return match kind {
                Kind::Directory => {
                    self.root = Some(attributes);
                    Ok(())
                }
                _ => Err(refused(Problem::Root)),
            };
        };
        if own.starts_with(WHITEOUT) {
            return self.hide(&parent, own).map_err(refused);
        }
        let parent = self.directory(&parent, &path)?;
        let there = parent.join(own);
        let what = match kind {
            Kind::Directory => {
                if let Some(Name { what: What::Directory(_), .. }) = self.names.get(there.as_bytes()) {
                    return self.put(&there, What::Directory(Some(Box::new(attributes))));
                }
                What::Directory(Some(Box::new(attributes)))
            }
            Kind::Symlink(target) => What::Symlink(spot, target),
            Kind::HardLink(target) => {
                let target = self.resolved(&target).map_err(refused)?;
                if target == there {
                    return Ok(());
                }
                self.linked(&target).map_err(refused)?
            }
            Kind::File(_) | Kind::CharacterDevice(_) | Kind::BlockDevice(_) | Kind::Pipe => What::Other(spot),
        };
        self.remove(&there, u32::MAX);
        self.put(&there, what)
    }

    fn put(&mut self, path: &MemberPath, what: What) -> Result<(), LayerError> {
        self.budget.take(path.as_bytes().len() + what.weight())?;
        let name = Name { layer: self.layer, what };
        if let Some(old) = self.names.insert(path.as_bytes().into(), name) {
            self.budget.give(path.as_bytes().len() + old.what.weight());
        }
        Ok(())
    }

    fn take_away(&mut self, path: &[u8]) {
        if let Some(old) = self.names.remove(path) {
            self.budget.give(path.len() + old.what.weight());
        }
    }

    /// What a hard link to `target` stands for.
    fn linked(&self, target: &MemberPath) -> Result<What, Problem> {
        match self.names.get(target.as_bytes()).map(|name| &name.what) {
            Some(What::Other(spot)) => Ok(What::Other(*spot)),
            Some(What::Symlink(spot, text)) => Ok(What::Symlink(*spot, text.clone())),
            Some(What::Directory(_)) => Err(Problem::DirectoryTarget(target.shown().into_owned())),
            None if target.is_root() => Err(Problem::DirectoryTarget("/".to_owned())),
            None => Err(Problem::NoTarget(target.shown().into_owned())),
        }
    }

    /// Takes away what lower layers have, as a whiteout says.
    fn hide(&mut self, parent: &MemberPath, mark: &[u8]) -> Result<(), Problem> {
        let parent = names::resolve(parent, |path| self.node(path))?;
        if mark == OPAQUE {
            self.remove_beneath(&parent, self.layer);
            return Ok(());
        }
        if mark.starts_with(META) {
            return Ok(());
        }
        match &mark[WHITEOUT.len()..] {
            b"" | b"." | b".." => Err(Problem::Whiteout),
            hidden => {
                self.remove(&parent.join(hidden), self.layer);
                Ok(())
            }
        }
    }

    /// Removes a name and what lies beneath it, as far as layers before `before` put it there.
    fn remove(&mut self, path: &MemberPath, before: u32) {
        self.remove_beneath(path, before);
        // What this layer put into a directory needs it.
        if self.names.get(path.as_bytes()).is_some_and(|name| name.layer < before) && !self.holds_any(path) {
            self.take_away(path.as_bytes());
        }
    }

    fn holds_any(&self, directory: &MemberPath) -> bool {
        self.names.range::<[u8], _>(beneath(directory).as_bounds()).next().is_some()
    }

    fn remove_beneath(&mut self, directory: &MemberPath, before: u32) {
        let range = beneath(directory);
        let old = self.names.range::<[u8], _>(range.as_bounds()).filter(|(_, name)| name.layer < before);
        let mut old: Vec<Box<[u8]>> = old.map(|(path, _)| path.clone()).collect();
        // From the bottom up, so that a directory goes only where nothing of the layer itself is left in it.
        while let Some(path) = old.pop() {
            if !self.holds_any(&MemberPath::of_checked(path.clone())) {
                self.take_away(&path);
            }
        }
    }

    /// The real name of a directory that something is put into; what is missing of it is made.
    fn directory(&mut self, path: &MemberPath, member: &MemberPath) -> Result<MemberPath, LayerError> {
        let refused = |problem| LayerError::member(member.as_bytes(), problem);
        let real = names::resolve(path, |path| self.node(path)).map_err(refused)?;
        let parts: Vec<MemberPath> = real.ancestors().chain([real.clone()]).filter(|path| !path.is_root()).collect();
        for part in parts {
            match self.names.get(part.as_bytes()).map(|name| &name.what) {
                Some(What::Directory(_)) => {}
                Some(_) => return Err(refused(Problem::NoDirectory(part.shown().into_owned()))),
                None => self.put(&part, What::Directory(None))?,
            }
        }
        Ok(real)
    }

    /// A name whose directory is resolved, and which itself is not followed.
    fn resolved(&self, path: &MemberPath) -> Result<MemberPath, Problem> {
        let Some((parent, own)) = path.split() else { return Ok(path.clone()) };
        Ok(names::resolve(&parent, |path| self.node(path))?.join(own))
    }

    /// The real name of what `path` names, links at its end included, as somebody inside would find it.
    ///
    /// # Errors
    /// It leads nowhere.
    pub fn find(&self, path: &MemberPath) -> Result<MemberPath, Problem> {
        self.resolved(path)
    }

    fn node(&self, path: &MemberPath) -> Node<'_> {
        match self.names.get(path.as_bytes()).map(|name| &name.what) {
            None => Node::Missing,
            Some(What::Directory(_)) => Node::Directory,
            Some(What::Symlink(_, target)) => Node::Link(target),
            Some(What::Other(_)) => Node::Other,
        }
    }

    /// Whether `path`, a real name, is there.
    #[must_use]
    pub fn holds(&self, path: &MemberPath) -> bool {
        path.is_root() || self.names.contains_key(path.as_bytes())
    }

    /// How many layers were added.
    #[must_use]
    pub const fn layers(&self) -> u32 {
        self.layers
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The attributes of the root, where a layer has a member for it.
    pub(super) const fn root(&self) -> Option<&Attributes> {
        self.root.as_ref()
    }

    /// The names and what they stand for, each directory before what is in it.
    pub(super) fn into_names(self) -> impl Iterator<Item = (Box<[u8]>, What)> {
        self.names.into_iter().map(|(path, name)| (path, name.what))
    }
}

/// The names that begin with a directory and a slash.
fn beneath(directory: &MemberPath) -> Range {
    if directory.is_root() {
        return Range { from: Vec::new(), to: None };
    }
    // `0` is what follows `/`.
    let [from, to] = [b"/", b"0"].map(|end| [directory.as_bytes(), &end[..]].concat());
    Range { from, to: Some(to) }
}

struct Range {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl Range {
    fn as_bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let to = self.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Included(&self.from), to)
    }
}
