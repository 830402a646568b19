//! The members of a tar that was gone through, and their content.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::feed::{Seekable, Streamed};
use super::header::Kind;
use super::scan::{Member, scan};
use crate::blobs::{read_ahead, storage};
use crate::files::Scratch;
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Result};

/// How many links from one member to the next are followed.
const MAX_LINKS: usize = 8;

/// A tar that was gone through. Clones are the same.
#[derive(Clone)]
pub(in crate::archive) struct Members(Arc<Inner>);

struct Inner {
    shown: String,
    content: Content,
    members: HashMap<String, Member>,
}

/// Where the bytes are.
enum Content {
    /// In the tar itself.
    Tar(Mutex<File>),
    /// Put aside, at the same offsets, because they come but once.
    Aside(Scratch),
}

/// The content of a file in a tar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::archive) struct Found {
    /// The name of the member.
    pub(in crate::archive) name: String,
    /// Where it begins.
    at: u64,
    /// How many bytes it has.
    pub(in crate::archive) size: u64,
}

impl Members {
    /// Goes through a file, which is shown as `shown`. Blocks the thread.
    ///
    /// # Errors
    /// As [`scan`].
    pub(in crate::archive) fn of_file(file: File, length: u64, shown: &str) -> Result<Self> {
        let members = scan(&mut Seekable::new(&file, length), shown, |_| true)?;
        Ok(Self(Arc::new(Inner { shown: shown.to_owned(), content: Content::Tar(Mutex::new(file)), members })))
    }

    /// Goes through what comes once, and puts the content of `wanted` members aside in the directory `spool`. Blocks
    /// the thread.
    ///
    /// # Errors
    /// As [`scan`].
    pub(in crate::archive) fn of_stream(
        stream: impl Read,
        spool: &Path,
        shown: &str,
        wanted: fn(&str) -> bool,
    ) -> Result<Self> {
        let aside = Scratch::create(spool).map_err(storage)?;
        let mut feed = Streamed::new(stream, &aside);
        let members = scan(&mut feed, shown, wanted)?;
        feed.drain();
        Ok(Self(Arc::new(Inner { shown: shown.to_owned(), content: Content::Aside(aside), members })))
    }

    /// How messages call the tar.
    pub(in crate::archive) fn shown(&self) -> &str {
        &self.0.shown
    }

    /// The file of a name; links to other members are followed.
    ///
    /// # Errors
    /// `Corrupt` where a link leads nowhere, or out of the archive, or where it is no file.
    pub(in crate::archive) fn find(&self, name: &str) -> Result<Option<Found>> {
        let mut name = name.to_owned();
        for step in 0..MAX_LINKS {
            let Some(member) = self.0.members.get(&name) else {
                return if step == 0 { Ok(None) } else { Err(self.refused(&name, "is linked to, and is not there")) };
            };
            match &member.kind {
                Kind::File => return Ok(Some(Found { name, at: member.at, size: member.size })),
                Kind::Directory => return Err(self.refused(&name, "is a directory, and not a file")),
                Kind::Link(target) => name.clone_from(target),
                Kind::Symlink(target) => {
                    let resolved = resolve(&name, target);
                    name = resolved.ok_or_else(|| self.refused(&name, "is a link that leads out of the archive"))?;
                }
            }
        }
        Err(self.refused(&name, "is at the end of too many links"))
    }

    /// Reads a small file whole; `None` where there is none. Blocks the thread.
    ///
    /// # Errors
    /// As [`Members::find`]; `Corrupt` where it has more than `at_most` bytes, `Storage`.
    pub(in crate::archive) fn document(&self, name: &str, at_most: u64) -> Result<Option<Vec<u8>>> {
        let Some(found) = self.find(name)? else { return Ok(None) };
        self.read(&found, at_most).map(Some)
    }

    /// Reads a small file whole. Blocks the thread.
    ///
    /// # Errors
    /// `Corrupt` where it has more than `at_most` bytes, `Storage`.
    pub(in crate::archive) fn read(&self, found: &Found, at_most: u64) -> Result<Vec<u8>> {
        if found.size > at_most {
            let why = format!("has {} bytes; at most {at_most} are read", found.size);
            return Err(self.refused(&found.name, &why));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.size).unwrap_or_default());
        let read = self.reader(found, 0).read_to_end(&mut bytes);
        read.map_err(|error| {
            Error::new(ErrorKind::Storage, format!("{} cannot be read", self.0.shown)).caused_by(error)
        })?;
        Ok(bytes)
    }

    /// The content of a file from byte `from` on.
    pub(in crate::archive) fn reader(&self, found: &Found, from: u64) -> impl Read + Send + use<> {
        Reader { members: self.clone(), at: found.at + from, left: found.size.saturating_sub(from) }
    }

    /// A part of a file, read ahead.
    ///
    /// # Errors
    /// `Rejected` where the range begins behind the end.
    pub(in crate::archive) fn blob(&self, found: &Found, range: ByteRange) -> Result<BlobReader> {
        let to = range.to.unwrap_or(found.size).min(found.size);
        if range.from > to {
            let message =
                format!("the member `{}` has {} bytes, so none from {} on", found.name, found.size, range.from);
            return Err(Error::new(ErrorKind::Rejected, message));
        }
        Ok(read_ahead(range.from, self.reader(found, range.from), to - range.from))
    }

    /// The error for a member that cannot be used.
    pub(in crate::archive) fn refused(&self, name: &str, why: &str) -> Error {
        let message = format!("the member `{}` of {} {why}", name.escape_debug(), self.0.shown);
        Error::new(ErrorKind::Corrupt, message)
    }
}

impl Content {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Tar(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset))?;
                file.read_exact(into)
            }
            Self::Aside(scratch) => scratch.read_at(offset, into),
        }
    }
}

/// Reads the content of one file.
struct Reader {
    members: Members,
    at: u64,
    left: u64,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(into.len(), |left| left.min(into.len()));
        if wanted == 0 {
            return Ok(0);
        }
        self.members.0.content.read_at(self.at, &mut into[..wanted])?;
        self.at += wanted as u64;
        self.left -= wanted as u64;
        Ok(wanted)
    }
}

/// The name that a symbolic link at `name` leads to; `None` where that is not in the archive.
fn resolve(name: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
