//! Writes an archive: plain ustar headers, and extended ones for what does not fit (POSIX.1-2001 pax).

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

use super::replay::{Sink, Special};
use super::{Attributes, Content, LayerError, MemberPath, Time, pax};

/// The longest name that a plain header holds.
const SHORT: usize = 100;
/// The largest numbers that fit into plain headers: owners in seven octal digits, lengths and times in eleven.
const MAX_OWNER: u64 = 0o7_777_777;
const MAX_LONG: u64 = 0o77_777_777_777;

/// A new archive that takes a file system.
pub struct ArchiveSink<W> {
    writer: W,
}

/// What a header says beside the attributes.
struct Shape<'a> {
    entry: EntryType,
    link: &'a [u8],
    size: u64,
    special: Option<Special>,
}

impl<W: Write> ArchiveSink<W> {
    /// An archive that nothing was put into yet.
    pub const fn new(writer: W) -> Self {
        Self { writer }
    }

    /// Ends the archive and gives the writer back.
    ///
    /// # Errors
    /// It takes no more.
    pub fn finish(mut self) -> Result<W, LayerError> {
        let ended = self.writer.write_all(&[0; 1024]).and_then(|()| self.writer.flush());
        ended.map_err(|source| LayerError::Write { name: None, source })?;
        Ok(self.writer)
    }

    /// Takes a mark of something deleted: an empty file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn whiteout(&mut self, path: &MemberPath) -> Result<(), LayerError> {
        let shape = Shape { entry: EntryType::Regular, link: b"", size: 0, special: None };
        self.header(path.as_bytes(), &Attributes::default(), &shape, Vec::new())
            .map_err(LayerError::write(path.as_bytes()))
    }

    /// Writes the headers of a member; `records` are further ones for the extended header.
    fn header(
        &mut self,
        name: &[u8],
        attributes: &Attributes,
        shape: &Shape<'_>,
        mut records: Vec<u8>,
    ) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(shape.entry);
        header.set_mode(attributes.mode);
        let mut record = |key: &str, value: &[u8]| pax::write(&mut records, key.as_bytes(), value);
        if name.len() > SHORT || !name.is_ascii() {
            record("path", name);
        }
        if shape.link.len() > SHORT || !shape.link.is_ascii() {
            record("linkpath", shape.link);
        }
        let mut number = |key: &str, number: u64, most: u64| {
            if number > most {
                record(key, number.to_string().as_bytes());
            }
            number.min(most)
        };
        header.set_uid(number("uid", attributes.user, MAX_OWNER));
        header.set_gid(number("gid", attributes.group, MAX_OWNER));
        header.set_size(number("size", shape.size, MAX_LONG));
        let Time { seconds, nanoseconds } = attributes.modified;
        let plain = u64::try_from(seconds).ok().filter(|seconds| nanoseconds == 0 && *seconds <= MAX_LONG);
        if plain.is_none() {
            record("mtime", decimal(attributes.modified).as_bytes());
        }
        header.set_mtime(u64::try_from(seconds).unwrap_or_default().min(MAX_LONG));
        for (key, value) in &attributes.extended {
            pax::write(&mut records, &[pax::ATTRIBUTE, key].concat(), value);
        }
        let old = header.as_old_mut();
        put(&mut old.name, name);
        put(&mut old.linkname, shape.link);
        if let Some(Special::Character(device) | Special::Block(device)) = shape.special {
            header.set_device_major(device.major)?;
            header.set_device_minor(device.minor)?;
        }
        header.set_cksum();
        if !records.is_empty() {
            self.extended(&records)?;
        }
        self.writer.write_all(header.as_bytes())
    }

    fn extended(&mut self, records: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        put(&mut header.as_old_mut().name, b"PaxHeaders/member");
        header.set_size(records.len() as u64);
        header.set_cksum();
        self.writer.write_all(header.as_bytes())?;
        self.writer.write_all(records)?;
        self.fill(records.len() as u64)
    }

    /// Fills the last block up.
    fn fill(&mut self, length: u64) -> io::Result<()> {
        let filling = usize::try_from(length.next_multiple_of(512) - length).unwrap_or_default();
        self.writer.write_all(&[0; 512][..filling])
    }

    fn plain(
        &mut self,
        path: &MemberPath,
        attributes: &Attributes,
        entry: EntryType,
        link: &[u8],
        special: Option<Special>,
    ) -> Result<(), LayerError> {
        let shape = Shape { entry, link, size: 0, special };
        self.header(path.as_bytes(), attributes, &shape, Vec::new()).map_err(LayerError::write(path.as_bytes()))
    }
}

impl<W: Write> Sink for ArchiveSink<W> {
    fn directory(&mut self, path: &MemberPath, attributes: Option<&Attributes>) -> Result<(), LayerError> {
        // Whoever unpacks makes it as it needs it.
        let Some(attributes) = attributes else { return Ok(()) };
        let name = if path.is_root() { b"./".to_vec() } else { [path.as_bytes(), b"/"].concat() };
        let shape = Shape { entry: EntryType::Directory, link: b"", size: 0, special: None };
        self.header(&name, attributes, &shape, Vec::new()).map_err(LayerError::write(&name))
    }

    fn file(
        &mut self,
        path: &MemberPath,
        attributes: &Attributes,
        content: &Content,
        stored: &mut dyn Read,
    ) -> Result<(), LayerError> {
        let failed = || LayerError::write(path.as_bytes());
        let (mut records, mut map) = (Vec::new(), Vec::new());
        if let Some(sparse) = &content.sparse {
            map = sparse.map();
            pax::write(&mut records, b"GNU.sparse.major", b"1");
            pax::write(&mut records, b"GNU.sparse.minor", b"0");
            pax::write(&mut records, b"GNU.sparse.name", path.as_bytes());
            pax::write(&mut records, b"GNU.sparse.realsize", sparse.size.to_string().as_bytes());
        }
        let size = map.len() as u64 + content.stored;
        let shape = Shape { entry: EntryType::Regular, link: b"", size, special: None };
        self.header(path.as_bytes(), attributes, &shape, records).map_err(failed())?;
        self.writer.write_all(&map).map_err(failed())?;
        copy(stored, &mut self.writer, content.stored, path)?;
        self.fill(size).map_err(failed())
    }

    fn symlink(&mut self, path: &MemberPath, attributes: &Attributes, target: &[u8]) -> Result<(), LayerError> {
        self.plain(path, attributes, EntryType::Symlink, target, None)
    }

    fn special(&mut self, path: &MemberPath, attributes: &Attributes, special: Special) -> Result<(), LayerError> {
        let entry = match special {
            Special::Character(_) => EntryType::Char,
            Special::Block(_) => EntryType::Block,
            Special::Pipe => EntryType::Fifo,
        };
        self.plain(path, attributes, entry, b"", Some(special))
    }

    fn link(&mut self, path: &MemberPath, attributes: &Attributes, target: &MemberPath) -> Result<(), LayerError> {
        // Some set the attributes of a further name too, and mean those of the file.
        self.plain(
            path,
            &Attributes { extended: Vec::new(), ..attributes.clone() },
            EntryType::Link,
            target.as_bytes(),
            None,
        )
    }
}

/// Copies exactly `count` bytes; what fails is told by the side that failed.
pub(super) fn copy(
    reader: &mut dyn Read,
    writer: &mut dyn Write,
    count: u64,
    path: &MemberPath,
) -> Result<(), LayerError> {
    let mut buffer = vec![0; 128 * 1024];
    let mut left = count;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = match reader.read(&mut buffer[..most]) {
            Ok(0) => return Err(LayerError::Read(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(LayerError::Read(error)),
        };
        writer.write_all(&buffer[..read]).map_err(LayerError::write(path.as_bytes()))?;
        left -= read as u64;
    }
    Ok(())
}

/// Writes as much of a name as fits; all of it stands in the extended header then.
fn put(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// A time as extended headers have it.
fn decimal(time: Time) -> String {
    let Time { seconds, nanoseconds } = time;
    if nanoseconds == 0 {
        return seconds.to_string();
    }
    let (sign, whole, fraction) =
        if seconds < 0 { ("-", -(seconds + 1), 1_000_000_000 - nanoseconds) } else { ("", seconds, nanoseconds) };
    let digits = format!("{fraction:09}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}
