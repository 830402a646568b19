//! One pass over the headers of a tar.

use std::collections::HashMap;
use std::io;

use super::feed::{Feed, Later};
use super::header::{self, Extensions, Kind, Problem};
use super::{BLOCK, padding};
use crate::registry::{Error, ErrorKind, Result};

/// The most members of an archive.
const MAX_MEMBERS: usize = 200_000;
/// The most bytes of their names together.
const MAX_NAMES: usize = 16 * 1024 * 1024;
/// The most bytes of one header that describes the next member.
const MAX_EXTENSION: u64 = 64 * 1024;

/// A member: what it is, and where its content is.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) kind: Kind,
    pub(super) at: u64,
    pub(super) size: u64,
}

/// Goes through a tar that is shown as `shown` and lists its members. The content of those whose name is `wanted`
/// will be read later.
///
/// # Errors
/// `Corrupt` where it is no tar, is cut, can be read in two ways, or has a member that no archive of images needs;
/// `Storage` where it cannot be read.
pub(super) fn scan(feed: &mut impl Feed, shown: &str, wanted: fn(&str) -> bool) -> Result<HashMap<String, Member>> {
    let mut scan = Scan { shown, members: HashMap::new(), names: 0 };
    let mut extensions = Extensions::default();
    while let Some(header) = scan.header(feed)? {
        let kind = header.entry_type();
        if Extensions::is_one(kind) {
            let content = scan.extension(feed, &header)?;
            extensions.take(kind, content).map_err(|problem| scan.refused(&problem))?;
            continue;
        }
        let described = std::mem::take(&mut extensions).describe(&header).map_err(|problem| scan.refused(&problem))?;
        let at = feed.position();
        let later = if wanted(&described.name) { Later::Read } else { Later::Forgotten };
        let whole = described.size.checked_add(padding(described.size));
        let passed = whole.map(|whole| feed.pass(whole, later));
        match passed {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(scan.unreadable(&described.name, error)),
            None => return Err(scan.corrupt(&member(&described.name, "has a size that cannot be"))),
        }
        scan.add(described.name, Member { kind: described.kind, at, size: described.size })?;
    }
    if extensions.is_empty() { Ok(scan.members) } else { Err(scan.corrupt("its last header describes no member")) }
}

struct Scan<'s> {
    shown: &'s str,
    members: HashMap<String, Member>,
    names: usize,
}

impl Scan<'_> {
    /// The next header; `None` at the end of the archive.
    fn header(&self, feed: &mut impl Feed) -> Result<Option<tar::Header>> {
        let Some(block) = self.block(feed)? else { return Ok(None) };
        if block.iter().any(|byte| *byte != 0) {
            return header::parse(&block).map(Some).map_err(|problem| self.refused(&problem));
        }
        // The end is two blocks of zeros, of which some write but one.
        match self.block(feed)? {
            Some(second) if second.iter().any(|byte| *byte != 0) => {
                Err(self.corrupt("something follows what some readers take for its end"))
            }
            _ => Ok(None),
        }
    }

    fn block(&self, feed: &mut impl Feed) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        match feed.read(&mut block) {
            Ok(0) if feed.position() == 0 => Err(self.corrupt("it is empty")),
            Ok(0) => Ok(None),
            Ok(read) if read == block.len() => Ok(Some(block)),
            Ok(read) if feed.position() == read as u64 => Err(self.corrupt("it is too short to be one")),
            Ok(_) => Err(self.corrupt("it ends in the midst of a header")),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The content of a header that describes the next member.
    fn extension(&self, feed: &mut impl Feed, header: &tar::Header) -> Result<Vec<u8>> {
        let size = header::size_of(header).map_err(|problem| self.refused(&problem))?;
        if size > MAX_EXTENSION {
            return Err(self.corrupt(&format!("a header has {size} bytes of notes; at most {MAX_EXTENSION} are read")));
        }
        let length = usize::try_from(size + padding(size)).unwrap_or_default();
        let mut content = vec![0; length];
        match feed.read(&mut content) {
            Ok(read) if read == length => {}
            Ok(_) => return Err(self.corrupt("it ends in the midst of a header")),
            Err(error) => return Err(self.failed(error)),
        }
        content.truncate(usize::try_from(size).unwrap_or_default());
        Ok(content)
    }

    fn add(&mut self, name: String, member: Member) -> Result<()> {
        self.names += name.len();
        if self.members.len() >= MAX_MEMBERS || self.names > MAX_NAMES {
            return Err(self.corrupt("it has more members than are taken"));
        }
        if let Some(first) = self.members.get(&name) {
            // Directories are told again and again; and what is named by its digest is the same however often.
            let same = first.kind == member.kind && first.size == member.size;
            if !same || first.kind == Kind::File && !name.starts_with("blobs/") {
                return Err(self.corrupt(&self::member(&name, "is there twice, and readers differ on which counts")));
            }
            return Ok(());
        }
        self.members.insert(name, member);
        Ok(())
    }

    fn corrupt(&self, why: &str) -> Error {
        Error::new(ErrorKind::Corrupt, format!("{} cannot be used as an archive: {why}", self.shown))
    }

    fn refused(&self, problem: &Problem) -> Error {
        self.corrupt(&problem.to_string())
    }

    fn unreadable(&self, name: &str, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.corrupt(&member(name, "is longer than the archive"));
        }
        self.failed(error)
    }

    /// The error for bytes that did not come.
    fn failed(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::StorageFull {
            let message = format!("there is no room to put {} aside", self.shown);
            return Error::new(ErrorKind::Storage, message).caused_by(error);
        }
        // What no system call said is wrong with the content: it is cut, or does not unpack.
        let kind = if error.raw_os_error().is_none() { ErrorKind::Corrupt } else { ErrorKind::Storage };
        Error::new(kind, format!("{} cannot be read", self.shown)).caused_by(error)
    }
}

fn member(name: &str, why: &str) -> String {
    format!("the member `{}` {why}", name.escape_debug())
}
