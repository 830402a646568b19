//! Names of members, taken apart: no `..`, no empty part, never absolute.

use std::borrow::Cow;
use std::fmt;

use super::{LayerError, Problem};

/// The longest name that is taken: the longest path that Linux takes.
const MAX_BYTES: usize = 4096;

/// The name of a member beneath the root of the file system: parts between single slashes, none of them empty, `.`
/// or `..`. The root itself has no part. Bytes, because file systems know no encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberPath(Box<[u8]>);

impl MemberPath {
    /// Reads a name as an archive writes it. A slash at the beginning means the root of the file system, as it does
    /// to everyone who unpacks layers.
    ///
    /// # Errors
    /// It leads upwards, is too long, or holds a NUL.
    pub fn parse(name: &[u8]) -> Result<Self, LayerError> {
        let refused = |problem| LayerError::member(name, problem);
        if name.len() > MAX_BYTES {
            return Err(refused(Problem::Name("it is longer than 4,096 bytes")));
        }
        if name.contains(&0) {
            return Err(refused(Problem::Name("it holds a NUL")));
        }
        let mut path = Vec::with_capacity(name.len());
        for part in name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
            if part == b".." {
                return Err(refused(Problem::Upwards));
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        Ok(Self(path.into()))
    }

    /// A name whose parts were checked.
    pub(super) fn of_checked(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes; empty for the root.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root of the file system.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Its parts, outermost first.
    #[must_use]
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// The directory that it is in and its own name there; `None` for the root.
    #[must_use]
    pub fn split(&self) -> Option<(Self, &[u8])> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (Self(self.0[..slash].into()), &self.0[slash + 1..]),
            None => (Self::default(), &self.0),
        })
    }

    /// The name `part` in this directory.
    #[must_use]
    pub fn join(&self, part: &[u8]) -> Self {
        if self.is_root() { Self(part.into()) } else { Self([&self.0[..], b"/", part].concat().into()) }
    }

    /// What is left of it beneath `directory`; `None` where it lies elsewhere.
    #[must_use]
    pub fn beneath(&self, directory: &Self) -> Option<Self> {
        if directory.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(&*directory.0)? {
            [] => Some(Self::default()),
            [b'/', rest @ ..] => Some(Self(rest.into())),
            _ => None,
        }
    }

    /// The directories above it, outermost first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        let slashes = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.map(|(at, _)| Self(self.0[..at].into()))
    }

    /// The name as text, for people; `/` for the root.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        if self.is_root() { Cow::Borrowed("/") } else { String::from_utf8_lossy(&self.0) }
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}
