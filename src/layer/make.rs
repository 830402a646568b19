//! Makes a layer of a directory: names in order, everything owned by root, as a build's `COPY` has it.

use std::collections::HashMap;
use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::member::{Device, ExtendedAttribute};
use super::replay::{Sink as _, Special};
use super::{ArchiveSink, Attributes, Content, LayerError, MemberPath, Time};

/// How deep directories may lie in each other.
const MAX_DEPTH: usize = 256;

/// Which times files get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Those that they have.
    Kept,
    /// Those that they have, but none later than this, in seconds from 1970 (`SOURCE_DATE_EPOCH`).
    NoLaterThan(i64),
}

/// Writes what is in a directory as an archive. Sockets are left out.
///
/// # Errors
/// Something cannot be read, or `writer` does not take it.
pub fn pack_directory<W: Write>(directory: &Path, times: Times, writer: W) -> Result<W, LayerError> {
    let mut packing = Packing { sink: ArchiveSink::new(writer), times, names: HashMap::new() };
    packing.directory(directory, &MemberPath::default(), 0)?;
    packing.sink.finish()
}

struct Packing<W> {
    sink: ArchiveSink<W>,
    times: Times,
    /// The first names of files that have several, by device and number.
    names: HashMap<(u64, u64), MemberPath>,
}

impl<W: Write> Packing<W> {
    fn directory(&mut self, directory: &Path, place: &MemberPath, depth: usize) -> Result<(), LayerError> {
        if depth > MAX_DEPTH {
            return Err(LayerError::Bounds("256 directories in each other"));
        }
        let listed = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>);
        let mut entries = listed.map_err(unreadable(directory))?;
        entries.sort_unstable_by_key(DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let member = place.join(entry.file_name().as_bytes());
            let metadata = fs::symlink_metadata(&path).map_err(unreadable(&path))?;
            self.entry(&path, &member, &metadata)?;
            if metadata.is_dir() {
                self.directory(&path, &member, depth + 1)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, member: &MemberPath, metadata: &Metadata) -> Result<(), LayerError> {
        let attributes = self.attributes(path, metadata);
        let kind = metadata.file_type();
        if kind.is_dir() {
            return self.sink.directory(member, Some(&attributes));
        }
        let number = (metadata.dev(), metadata.ino());
        if metadata.nlink() > 1 {
            if let Some(first) = self.names.get(&number) {
                return self.sink.link(member, &attributes, first);
            }
            self.names.insert(number, member.clone());
        }
        let device = Device { major: rustix::fs::major(metadata.rdev()), minor: rustix::fs::minor(metadata.rdev()) };
        if kind.is_symlink() {
            let target = fs::read_link(path).map_err(unreadable(path))?;
            self.sink.symlink(member, &attributes, target.as_os_str().as_bytes())
        } else if kind.is_file() {
            let mut file = File::open(path).map_err(unreadable(path))?;
            // What is written to it meanwhile stays out; what is cut off is an error.
            self.sink.file(member, &attributes, &Content { stored: metadata.len(), sparse: None }, &mut file)
        } else if kind.is_fifo() {
            self.sink.special(member, &attributes, Special::Pipe)
        } else if kind.is_char_device() {
            self.sink.special(member, &attributes, Special::Character(device))
        } else if kind.is_block_device() {
            self.sink.special(member, &attributes, Special::Block(device))
        } else {
            Ok(())
        }
    }

    fn attributes(&self, path: &Path, metadata: &Metadata) -> Attributes {
        let own = Time { seconds: metadata.mtime(), nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0) };
        let modified = match self.times {
            Times::Kept => own,
            Times::NoLaterThan(latest) => own.min(Time { seconds: latest, nanoseconds: 0 }),
        };
        let extended = if metadata.is_symlink() { Vec::new() } else { extended(path) };
        Attributes { mode: metadata.mode() & 0o7777, user: 0, group: 0, modified, extended }
    }
}

/// The extended attributes that belong to the file rather than to this computer.
fn extended(path: &Path) -> Vec<ExtendedAttribute> {
    let mut names = vec![0; 64 * 1024];
    let length = rustix::fs::listxattr(path, &mut names).unwrap_or_default();
    let names = names[..length].split(|byte| *byte == 0);
    let kept = names.filter(|name| name.starts_with(b"user.") || *name == b"security.capability");
    let mut found: Vec<ExtendedAttribute> = kept
        .filter_map(|name| {
            let mut value = vec![0; 64 * 1024];
            let length = rustix::fs::getxattr(path, name, &mut value).ok()?;
            Some((name.into(), value[..length].into()))
        })
        .collect();
    found.sort_unstable();
    found
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LayerError {
    let path: PathBuf = path.to_owned();
    move |source| LayerError::Input { name: path.display().to_string(), source }
}
