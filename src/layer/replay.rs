//! Streams what a [`Union`] found, from the layers again, to whoever wants it.

use std::collections::BTreeMap;
use std::io::Read;

use super::member::Device;
use super::union::What;
use super::{Attributes, Content, Kind, LayerError, Member, MemberPath, Spot, Union, Walk};

/// Takes a file system, name by name. Directories come before what is in them, and a file before its further names.
pub trait Sink {
    /// Takes a directory; without attributes where no layer says any.
    ///
    /// # Errors
    /// It cannot be written.
    fn directory(&mut self, path: &MemberPath, attributes: Option<&Attributes>) -> Result<(), LayerError>;

    /// Takes a file; `stored` gives exactly the bytes that `content` says.
    ///
    /// # Errors
    /// It cannot be written, or `stored` cannot be read.
    fn file(
        &mut self,
        path: &MemberPath,
        attributes: &Attributes,
        content: &Content,
        stored: &mut dyn Read,
    ) -> Result<(), LayerError>;

    /// Takes a symbolic link.
    ///
    /// # Errors
    /// It cannot be written.
    fn symlink(&mut self, path: &MemberPath, attributes: &Attributes, target: &[u8]) -> Result<(), LayerError>;

    /// Takes a device or a pipe.
    ///
    /// # Errors
    /// It cannot be written.
    fn special(&mut self, path: &MemberPath, attributes: &Attributes, special: Special) -> Result<(), LayerError>;

    /// Takes one more name of something that was taken before, with these attributes.
    ///
    /// # Errors
    /// It cannot be written.
    fn link(&mut self, path: &MemberPath, attributes: &Attributes, target: &MemberPath) -> Result<(), LayerError>;
}

/// What has no content and is no directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A character device.
    Character(Device),
    /// A block device.
    Block(Device),
    /// A pipe.
    Pipe,
}

/// Which part of a file system is wanted, and what it is called there.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// What is wanted: a real name, with all that is beneath it.
    pub from: MemberPath,
    /// Its name with who takes it.
    pub to: MemberPath,
}

impl Part {
    /// All of it.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// What a name is called there; `None` where it is not wanted.
    fn place(&self, path: &MemberPath) -> Option<MemberPath> {
        let rest = path.beneath(&self.from)?;
        Some(rest.parts().fold(self.to.clone(), |place, part| place.join(part)))
    }
}

/// Streams `part` of a union to `sink`. `open` opens a layer once more, counted from the lowest; a layer that gives
/// nothing is not opened, and one that gives no more is not read to its end.
///
/// # Errors
/// A layer cannot be read, or the sink cannot take something.
pub fn replay<R: Read>(
    union: Union,
    part: &Part,
    mut open: impl FnMut(u32) -> Result<R, LayerError>,
    sink: &mut dyn Sink,
) -> Result<(), LayerError> {
    let (mut directories, wanted) = sorted(union, part);
    if let Some(root) = directories.remove(&MemberPath::default()) {
        sink.directory(&MemberPath::default(), root.as_deref())?;
    }
    let mut wanted = &wanted[..];
    while let Some(((spot, _), _)) = wanted.split_first() {
        let layer = spot.layer;
        let (here, higher) = wanted.split_at(wanted.partition_point(|(spot, _)| spot.layer == layer));
        replay_layer(Walk::new(open(layer)?), here, &mut directories, sink)?;
        wanted = higher;
    }
    // What is left holds nothing.
    directories.iter().try_for_each(|(path, attributes)| sink.directory(path, attributes.as_deref()))
}

/// Streams one member of one layer to `sink`, as `path`.
///
/// # Errors
/// As [`replay`].
pub fn replay_one(
    mut walk: Walk<impl Read>,
    number: u32,
    path: &MemberPath,
    sink: &mut dyn Sink,
) -> Result<(), LayerError> {
    for _ in 0..number {
        walk.advance()?;
    }
    let member = walk.advance()?.ok_or_else(changed)?;
    take(&mut walk, &member, path, sink)
}

type Directories = BTreeMap<MemberPath, Option<Box<Attributes>>>;

/// The directories by name, and everything else by where it is.
fn sorted(union: Union, part: &Part) -> (Directories, Vec<(Spot, MemberPath)>) {
    let mut directories = Directories::new();
    let mut wanted = Vec::new();
    if let (Some(root), Some(place)) = (union.root(), part.place(&MemberPath::default())) {
        directories.insert(place, Some(Box::new(root.clone())));
    }
    for (path, what) in union.into_names() {
        let Some(place) = part.place(&MemberPath::of_checked(path)) else { continue };
        match what {
            What::Directory(attributes) => drop(directories.insert(place, attributes)),
            What::Symlink(spot, _) | What::Other(spot) => wanted.push((spot, place)),
        }
    }
    wanted.sort_unstable();
    (directories, wanted)
}

fn replay_layer(
    mut walk: Walk<impl Read>,
    mut wanted: &[(Spot, MemberPath)],
    directories: &mut Directories,
    sink: &mut dyn Sink,
) -> Result<(), LayerError> {
    let mut number = 0;
    while let Some(((spot, first), _)) = wanted.split_first() {
        let member = walk.advance()?.ok_or_else(changed)?;
        if number < spot.member {
            number += 1;
            continue;
        }
        let names = wanted.partition_point(|(other, _)| other == spot);
        for (_, name) in &wanted[..names] {
            make_way(name, directories, sink)?;
        }
        take(&mut walk, &member, first, sink)?;
        for (_, name) in &wanted[1..names] {
            sink.link(name, &member.attributes, first)?;
        }
        wanted = &wanted[names..];
        number += 1;
    }
    Ok(())
}

/// Hands over the directories that a name is in, where they were not yet.
fn make_way(path: &MemberPath, directories: &mut Directories, sink: &mut dyn Sink) -> Result<(), LayerError> {
    for ancestor in path.ancestors() {
        if let Some(attributes) = directories.remove(&ancestor) {
            sink.directory(&ancestor, attributes.as_deref())?;
        }
    }
    Ok(())
}

/// Hands over one member under a name.
fn take(walk: &mut Walk<impl Read>, member: &Member, path: &MemberPath, sink: &mut dyn Sink) -> Result<(), LayerError> {
    let attributes = &member.attributes;
    match &member.kind {
        Kind::File(content) => sink.file(path, attributes, content, walk),
        Kind::Symlink(target) => sink.symlink(path, attributes, target),
        Kind::CharacterDevice(device) => sink.special(path, attributes, Special::Character(*device)),
        Kind::BlockDevice(device) => sink.special(path, attributes, Special::Block(*device)),
        Kind::Pipe => sink.special(path, attributes, Special::Pipe),
        // Neither is ever the spot of a name.
        Kind::Directory | Kind::HardLink(_) => Err(changed()),
    }
}

/// A layer that says something else than when it was read before.
fn changed() -> LayerError {
    LayerError::Archive("it is not what it was a moment ago".to_owned())
}
