//! What a member of an archive is.

use super::{MemberPath, Sparse};

/// One member of an archive, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub path: MemberPath,
    /// What it is.
    pub kind: Kind,
    /// Owner, mode, time and the like.
    pub attributes: Attributes,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file with content.
    File(Content),
    /// A directory.
    Directory,
    /// A symbolic link to any text.
    Symlink(Box<[u8]>),
    /// One more name for what has this name.
    HardLink(MemberPath),
    /// A character device.
    CharacterDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A pipe.
    Pipe,
}

/// How much content a file has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The bytes that the archive holds of it.
    pub stored: u64,
    /// Where those belong, where the file has holes.
    pub sparse: Option<Sparse>,
}

impl Content {
    /// The length of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.sparse.as_ref().map_or(self.stored, |sparse| sparse.size)
    }
}

/// The number of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which device of it.
    pub minor: u32,
}

/// What a member has beside name and content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The permissions, with set-user-id, set-group-id and sticky bit.
    pub mode: u32,
    /// The owner's number. Names are not kept: they mean other people on other machines.
    pub user: u64,
    /// The group's number.
    pub group: u64,
    /// When it was changed.
    pub modified: Time,
    /// Extended attributes, by name in the order of names.
    pub extended: Vec<ExtendedAttribute>,
}

impl Attributes {
    /// About how many bytes of memory they take.
    pub(super) fn weight(&self) -> usize {
        let extended = self.extended.iter().map(|(name, value)| name.len() + value.len() + 32);
        size_of::<Self>() + extended.sum::<usize>()
    }
}

/// Name and value of an extended attribute.
pub type ExtendedAttribute = (Box<[u8]>, Box<[u8]>);

/// A time, counted from 1970 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds beyond them.
    pub nanoseconds: u32,
}

impl Kind {
    /// A word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Directory => "directory",
            Self::Symlink(_) => "link",
            Self::HardLink(_) => "hard link",
            Self::CharacterDevice(_) | Self::BlockDevice(_) => "device",
            Self::Pipe => "pipe",
        }
    }
}
