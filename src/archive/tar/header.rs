//! The headers of one member, read together and in one way alone, and the headers that are written.

use super::BLOCK;
use tar::{EntryType, Header, PaxExtensions};

/// What the headers in front of a member say of it beside its own.
#[derive(Default)]
pub(super) struct Extensions {
    pax: Option<Vec<u8>>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file with content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to this path, which is relative to the member's directory.
    Symlink(String),
    /// A hard link to the member of this name.
    Link(String),
}

/// What all headers of a member say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

/// Why a member is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("a header is damaged")]
    Damaged,
    #[error("the member `{}` {why}", name.escape_debug())]
    Member { name: String, why: &'static str },
    #[error("the headers {0}")]
    Headers(&'static str),
}

impl Problem {
    fn of(name: &str, why: &'static str) -> Self {
        Self::Member { name: name.to_owned(), why }
    }
}

/// Reads a header block and compares it with its checksum.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Header, Problem> {
    let header = Header::from_byte_slice(block).clone();
    let (before, after) = (&block[..148], &block[156..]);
    let sum: u32 = before.iter().chain(after).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    if header.cksum().is_ok_and(|said| said == sum) { Ok(header) } else { Err(Problem::Damaged) }
}

/// The number of bytes behind a header, by itself.
pub(super) fn size_of(header: &Header) -> Result<u64, Problem> {
    header.entry_size().map_err(|_| Problem::of(&lossy(&header.path_bytes()), "has no size that can be read"))
}

impl Extensions {
    /// Whether a header describes the member behind it and is none itself.
    pub(super) fn is_one(kind: EntryType) -> bool {
        kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions()
            || kind.is_gnu_longname()
            || kind.is_gnu_longlink()
    }

    /// Takes note of one.
    pub(super) fn take(&mut self, kind: EntryType, content: Vec<u8>) -> Result<(), Problem> {
        if kind.is_pax_global_extensions() {
            return check_global(&content);
        }
        let slot = match kind {
            EntryType::GNULongName => &mut self.long_name,
            EntryType::GNULongLink => &mut self.long_link,
            _ => &mut self.pax,
        };
        if slot.replace(content).is_some() {
            return Err(Problem::Headers("describe one member twice"));
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }

    /// What they and the member's own header say together.
    pub(super) fn describe(self, header: &Header) -> Result<Described, Problem> {
        let pax = Pax::parse(self.pax.as_deref().unwrap_or_default())?;
        let own = header.path_bytes().into_owned();
        let raw = one_of(pax.path, self.long_name.map(trimmed)).map_err(|()| two_names(&own))?.unwrap_or(own);
        let name = clean(&raw)?;
        let linked = one_of(pax.link, self.long_link.map(trimmed)).map_err(|()| two_names(&raw))?;
        let linked = linked.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let link = || {
            let target = linked.clone().unwrap_or_default();
            String::from_utf8(target).map_err(|_| Problem::of(&name, "links to a name that is no text"))
        };
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous if raw.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous if !pax.sparse => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(link()?),
            EntryType::Link => Kind::Link(clean(link()?.as_bytes())?),
            EntryType::GNUSparse | EntryType::Regular | EntryType::Continuous => {
                return Err(Problem::of(&name, "is sparse, which archives of images are not"));
            }
            _ => return Err(Problem::of(&name, "is no file, directory or link")),
        };
        let size = match (pax.size, size_of(header)?) {
            (Some(said), own) if own != 0 && own != said => {
                return Err(Problem::of(&name, "has two sizes, and readers differ on which counts"));
            }
            (Some(said), _) => said,
            (None, own) => own,
        };
        if size > 0 && kind != Kind::File {
            return Err(Problem::of(&name, "has content, and is no file"));
        }
        Ok(Described { name, kind, size })
    }
}

/// The records of a pax header that matter here.
#[derive(Default)]
struct Pax {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl Pax {
    fn parse(content: &[u8]) -> Result<Self, Problem> {
        let mut found = Self::default();
        for record in PaxExtensions::new(content) {
            let record = record.map_err(|_| Problem::Headers("hold a pax record that cannot be read"))?;
            let value = record.value_bytes();
            let twice = match record.key_bytes() {
                b"path" => found.path.replace(value.to_vec()).is_some(),
                b"linkpath" => found.link.replace(value.to_vec()).is_some(),
                b"size" => {
                    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                    let size = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
                    let size = size.ok_or(Problem::Headers("hold a size that is no number"))?;
                    found.size.replace(size).is_some()
                }
                key => {
                    found.sparse |= key.starts_with(b"GNU.sparse.");
                    false
                }
            };
            if twice {
                return Err(Problem::Headers("say one thing of a member twice"));
            }
        }
        Ok(found)
    }
}

/// Global records may be notes; what changes members is read by some and not by others.
fn check_global(content: &[u8]) -> Result<(), Problem> {
    let Pax { path, link, size, sparse } = Pax::parse(content)?;
    if path.is_some() || link.is_some() || size.is_some() || sparse {
        return Err(Problem::Headers("change all members at once"));
    }
    Ok(())
}

/// The one of two that is there; an error where they differ.
fn one_of(one: Option<Vec<u8>>, other: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, ()> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(()),
        (one, other) => Ok(one.or(other)),
    }
}

fn two_names(name: &[u8]) -> Problem {
    Problem::of(&lossy(name), "has two names, and readers differ on which counts")
}

/// A name without the zeros behind it.
fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|byte| *byte == 0) {
        name.truncate(end);
    }
    name
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// The name of a member in its shortest form; empty for the root.
fn clean(raw: &[u8]) -> Result<String, Problem> {
    let refused = |why| Problem::of(&lossy(raw), why);
    let text = std::str::from_utf8(raw).map_err(|_| refused("has a name that is no text"))?;
    if text.contains('\0') {
        return Err(refused("has a zero in its name"));
    }
    if text.starts_with('/') {
        return Err(refused("has an absolute name"));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(refused("leads out of the archive"));
    }
    Ok(text.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/"))
}

/// The headers of a member as they are written: one block, behind a pax header where name or size do not fit.
pub(super) fn write(name: &str, size: u64, kind: EntryType) -> Vec<u8> {
    let mut written = Vec::new();
    let mut header = plain(kind);
    let fits = name.len() <= 100;
    let mut records = Vec::new();
    if !fits {
        records.extend(record("path", name));
    }
    // Eleven octal digits.
    if size >> 33 > 0 {
        records.extend(record("size", &size.to_string()));
    }
    let kept = name.len().min(100);
    header.as_old_mut().name[..kept].copy_from_slice(&name.as_bytes()[..kept]);
    header.set_size(if size >> 33 > 0 { 0 } else { size });
    header.set_cksum();
    if !records.is_empty() {
        let mut extension = plain(EntryType::XHeader);
        extension.as_old_mut().name[..13].copy_from_slice(b"PaxHeaders/0\0");
        extension.set_size(records.len() as u64);
        extension.set_cksum();
        written.extend_from_slice(extension.as_bytes());
        let padding = super::padding(records.len() as u64);
        written.append(&mut records);
        written.resize(written.len() + usize::try_from(padding).unwrap_or_default(), 0);
    }
    written.extend_from_slice(header.as_bytes());
    written
}

/// A header that says nothing of who made it, and when.
fn plain(kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

/// A pax record: its own length, key and value.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n").into_bytes()
}
