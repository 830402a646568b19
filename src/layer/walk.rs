//! Reads a tar archive from front to back, one member at a time, in bounded memory.
//!
//! tar has grown for forty years, and readers differ in what they make of an odd archive; such differences were
//! used to show one reader one thing and another another (CVE-2025-62518). Here every header must have one reading on
//! which GNU tar, Go and libarchive agree; else the archive is refused. The library `tar` knows where the fields of a
//! header are; which member has which name and length is decided here.

use std::io::{self, Read};

use tar::Header;

use super::member::Device;
use super::pax::Records;
use super::sparse::{decimal, read_map};
use super::{Attributes, Content, Kind, LayerError, Member, MemberPath, Problem, Sparse, Time};

const BLOCK: u64 = 512;
/// The longest extended header that is taken.
const MAX_EXTENDED_BYTES: u64 = 1 << 20;
/// The most members of one archive.
const MAX_MEMBERS: u32 = 8_000_000;

/// An archive that is being read. As a reader, it gives what the archive holds of the current member's content.
pub struct Walk<R> {
    reader: R,
    /// What is left of the current member's content, and the filling behind it.
    left: u64,
    filling: u64,
    number: u32,
    ended: bool,
}

/// What headers in front of a member say of it.
#[derive(Default)]
struct Announced {
    records: Records,
    has_records: bool,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> Walk<R> {
    /// Begins to read an archive, which is not packed.
    pub const fn new(reader: R) -> Self {
        Self { reader, left: 0, filling: 0, number: 0, ended: false }
    }

    /// The next member, or `None` behind the last. What was not read of the one before is passed over.
    ///
    /// # Errors
    /// The archive cannot be read, is malformed, or could be read in two ways.
    pub fn advance(&mut self) -> Result<Option<Member>, LayerError> {
        self.pass_over()?;
        let mut announced = Announced::default();
        while let Some(header) = self.header()? {
            if self.number >= MAX_MEMBERS {
                return Err(LayerError::Bounds("8,000,000 members in one layer"));
            }
            self.number += 1;
            if !self.announce(&header, &mut announced)? {
                return self.member(&header, announced).map(Some);
            }
        }
        if announced.has_records || announced.long_name.is_some() || announced.long_link.is_some() {
            return Err(LayerError::Archive("it ends with a header for a member that does not come".to_owned()));
        }
        Ok(None)
    }

    /// The reader, for whoever wants to see what lies behind the archive.
    pub fn into_reader(self) -> R {
        self.reader
    }

    fn pass_over(&mut self) -> Result<(), LayerError> {
        let left = self.left + self.filling;
        let passed = io::copy(&mut self.reader.by_ref().take(left), &mut io::sink()).map_err(LayerError::Read)?;
        (self.left, self.filling) = (0, 0);
        if passed == left { Ok(()) } else { Err(cut()) }
    }

    /// The next header; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, LayerError> {
        if self.ended {
            return Ok(None);
        }
        let Some(block) = self.block()? else {
            self.ended = true;
            return Ok(None);
        };
        if block.iter().all(|byte| *byte == 0) {
            self.ended = true;
            // The end is two blocks of zeros; behind one alone some read on and some do not.
            return match self.block()? {
                Some(second) if second.iter().any(|byte| *byte != 0) => {
                    Err(LayerError::Archive("a block of zeros stands amid it".to_owned()))
                }
                _ => Ok(None),
            };
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        match header.cksum() {
            Ok(said) if said == sum => Ok(Some(header)),
            _ => Err(LayerError::Archive(format!("header {} has a wrong checksum", self.number + 1))),
        }
    }

    fn block(&mut self) -> Result<Option<[u8; 512]>, LayerError> {
        let mut block = [0; 512];
        let mut filled = 0;
        while filled < block.len() {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(cut()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LayerError::Read(error)),
            }
        }
        Ok(Some(block))
    }

    /// Takes a header that only says something of the next member; `false` where it is a member itself.
    fn announce(&mut self, header: &Header, announced: &mut Announced) -> Result<bool, LayerError> {
        let kind = header.as_bytes()[156];
        if !matches!(kind, b'x' | b'g' | b'L' | b'K') {
            return Ok(false);
        }
        let name = header.path_bytes();
        let size = number(&header.as_old().size).map_err(|problem| LayerError::member(&name, problem))?;
        if size > MAX_EXTENDED_BYTES {
            return Err(LayerError::member(&name, Problem::Malformed("its extended header is longer than 1 MiB")));
        }
        let mut content = vec![0; usize::try_from(size.next_multiple_of(BLOCK)).unwrap_or_default()];
        self.reader.read_exact(&mut content).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => cut(),
            _ => LayerError::Read(error),
        })?;
        content.truncate(usize::try_from(size).unwrap_or_default());
        let twice = Problem::Ambiguous("its name is announced twice");
        match kind {
            b'x' => {
                announced.has_records = true;
                announced.records.read(&content).map_err(|problem| LayerError::member(&name, problem))?;
            }
            b'g' => check_global(&content).map_err(|problem| LayerError::member(&name, problem))?,
            kind => {
                let place = if kind == b'L' { &mut announced.long_name } else { &mut announced.long_link };
                let text = content.split(|byte| *byte == 0).next().unwrap_or_default();
                if place.replace(text.to_vec()).is_some_and(|before| before != text) {
                    return Err(LayerError::member(text, twice));
                }
            }
        }
        Ok(true)
    }

    /// The member that a header describes, together with what was said before.
    fn member(&mut self, header: &Header, announced: Announced) -> Result<Member, LayerError> {
        let Announced { mut records, long_name, long_link, .. } = announced;
        let written = agreed(long_name, records.path.clone());
        let written = written.map_err(|problem| LayerError::member(&header.path_bytes(), problem))?;
        let written = written.unwrap_or_else(|| header.path_bytes().into_owned());
        let name = &records.sparse.name.take().unwrap_or(written);
        let refused = |problem| LayerError::member(name, problem);
        let path = MemberPath::parse(name)?;
        if name.is_empty() {
            return Err(refused(Problem::Ambiguous("its name is empty")));
        }
        let stored = stored(header, &records).map_err(refused)?;
        let link = agreed(long_link, records.link.clone()).map_err(refused)?;
        let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned)).unwrap_or_default();
        let looks_like_directory = name.ends_with(b"/");
        let kind = match header.as_bytes()[156] {
            b'0' | 0 | b'7' if looks_like_directory && stored == 0 && !records.sparse.is_used() => Kind::Directory,
            b'0' | 0 | b'7' if looks_like_directory => {
                return Err(refused(Problem::Ambiguous("it is a file with the name of a directory")));
            }
            b'0' | 0 | b'7' => Kind::File(self.content(&records, name, stored)?),
            b'S' => Kind::File(self.old_sparse(header, name, stored)?),
            b'1' => Kind::HardLink(MemberPath::parse(&link).map_err(|error| as_link(error, name))?),
            b'2' if link.is_empty() || link.contains(&0) || link.len() > 4096 => {
                return Err(refused(Problem::Malformed("the link's target is none that a link can have")));
            }
            b'2' => Kind::Symlink(link.into()),
            b'3' => Kind::CharacterDevice(device(header).map_err(refused)?),
            b'4' => Kind::BlockDevice(device(header).map_err(refused)?),
            b'5' => Kind::Directory,
            b'6' => Kind::Pipe,
            other => return Err(refused(Problem::Kind(other))),
        };
        if !matches!(kind, Kind::File(_)) && stored != 0 {
            return Err(refused(Problem::Ambiguous("it has content, and is of a kind that has none")));
        }
        let attributes = attributes(header, records).map_err(refused)?;
        Ok(Member { path, kind, attributes })
    }

    /// Prepares to hand out the content of a file.
    fn content(&mut self, records: &Records, name: &[u8], stored: u64) -> Result<Content, LayerError> {
        self.left = stored;
        self.filling = stored.next_multiple_of(BLOCK) - stored;
        let sparse = &records.sparse;
        if !sparse.is_used() {
            return Ok(Content { stored, sparse: None });
        }
        let wrong = || LayerError::member(name, Problem::Malformed("the map of its holes cannot be read"));
        let (size, pieces, taken) = match (sparse.major, sparse.minor, &sparse.map) {
            (Some(1), Some(0), None) => {
                let (pieces, taken) = read_map(&mut *self, name)?;
                (sparse.real_size, pieces, taken)
            }
            (None | Some(0), _, Some(map)) => {
                let numbers: Option<Vec<u64>> = map.split(|byte| *byte == b',').map(decimal).collect();
                let numbers = numbers.filter(|numbers| numbers.len() % 2 == 0).ok_or_else(wrong)?;
                (sparse.size, numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect(), 0)
            }
            (None | Some(0), _, None) if sparse.offsets.len() == sparse.lengths.len() => {
                (sparse.size, sparse.offsets.iter().copied().zip(sparse.lengths.iter().copied()).collect(), 0)
            }
            _ => return Err(wrong()),
        };
        let stored = stored - taken;
        let sparse = Sparse::checked(size.ok_or_else(wrong)?, pieces, stored);
        Ok(Content { stored, sparse: Some(sparse.map_err(|problem| LayerError::member(name, problem))?) })
    }

    /// The same for GNU's old form, whose map stands in the header and in blocks behind it.
    fn old_sparse(&mut self, header: &Header, name: &[u8], stored: u64) -> Result<Content, LayerError> {
        let refused = |problem| LayerError::member(name, problem);
        let gnu = header.as_gnu().ok_or_else(|| refused(Problem::Malformed("it has holes, and no map of them")))?;
        let mut pieces = Vec::new();
        let mut add = |entries: &[tar::GnuSparseHeader]| -> Result<(), Problem> {
            for entry in entries.iter().filter(|entry| entry.numbytes[0] != 0) {
                pieces.push((number(&entry.offset)?, number(&entry.numbytes)?));
            }
            Ok(())
        };
        add(&gnu.sparse).map_err(refused)?;
        let mut goes_on = gnu.is_extended();
        while goes_on {
            let mut more = tar::GnuExtSparseHeader::new();
            more.as_mut_bytes().copy_from_slice(&self.block()?.ok_or_else(cut)?);
            add(more.sparse()).map_err(refused)?;
            goes_on = more.is_extended();
            self.number += 1;
            if self.number >= MAX_MEMBERS {
                return Err(LayerError::Bounds("8,000,000 members in one layer"));
            }
        }
        let size = number(&gnu.realsize).map_err(refused)?;
        let sparse = Sparse::checked(size, pieces, stored).map_err(refused)?;
        self.left = stored;
        self.filling = stored.next_multiple_of(BLOCK) - stored;
        Ok(Content { stored, sparse: Some(sparse) })
    }
}

impl<R: Read> Read for Walk<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn cut() -> LayerError {
    LayerError::Read(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"))
}

/// The error of a link's target, told of the member whose target it is.
fn as_link(error: LayerError, name: &[u8]) -> LayerError {
    match error {
        LayerError::Member { problem: Problem::Upwards, .. } => {
            LayerError::member(name, Problem::Malformed("it is a hard link to a name that leads out of the archive"))
        }
        LayerError::Member { problem, .. } => LayerError::member(name, problem),
        other => other,
    }
}

/// The one name that both ways of announcing a long name agree on.
fn agreed(long: Option<Vec<u8>>, record: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Problem> {
    match (long, record) {
        (Some(long), Some(record)) if long != record => Err(Problem::Ambiguous("it has two long names")),
        (long, record) => Ok(record.or(long)),
    }
}

/// How many bytes of content follow a header. Where its own field can hold the number, an extended header cannot
/// say another.
fn stored(header: &Header, records: &Records) -> Result<u64, Problem> {
    const FITS: u64 = 1 << 33;
    let own = number(&header.as_old().size)?;
    match records.size {
        Some(said) if said != own && said < FITS => {
            Err(Problem::Ambiguous("its header and its extended header say two lengths"))
        }
        Some(said) => Ok(said),
        None => Ok(own),
    }
}

/// A number in a header: octal digits between spaces or NULs, or GNU's binary form.
fn number(field: &[u8]) -> Result<u64, Problem> {
    let bad = Problem::Malformed("its header holds a number that is none");
    if field[0] & 0x80 != 0 {
        // The first bit is the mark of this form, the second the sign.
        let first = u64::from(field[0] & 0x7f);
        let fold = |sum: Option<u64>, byte: &u8| sum?.checked_mul(256)?.checked_add(u64::from(*byte));
        return field[1..].iter().fold(Some(first), fold).filter(|_| field[0] & 0x40 == 0).ok_or(bad);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let digits = field[start..].iter().position(is_blank).map_or(&field[start..], |end| &field[start..start + end]);
    let rest = &field[start + digits.len()..];
    if !rest.iter().all(is_blank) || !digits.iter().all(|digit| matches!(digit, b'0'..=b'7')) {
        return Err(bad);
    }
    Ok(digits.iter().fold(0, |sum, digit| sum << 3 | u64::from(digit - b'0')))
}

/// A time in a header, which GNU's binary form can set before 1970.
fn seconds(field: &[u8]) -> Result<i64, Problem> {
    if field[0] == 0xff {
        let low = field[field.len() - 8..].try_into().map(i64::from_be_bytes);
        return low.ok().filter(|time| *time < 0).ok_or(Problem::Malformed("its time is none"));
    }
    number(field)?.try_into().map_err(|_| Problem::Malformed("its time is none"))
}

fn attributes(header: &Header, records: Records) -> Result<Attributes, Problem> {
    let old = header.as_old();
    let modified = match records.modified {
        Some(time) => time,
        None => Time { seconds: seconds(&old.mtime)?, nanoseconds: 0 },
    };
    Ok(Attributes {
        mode: u32::try_from(number(&old.mode)? & 0o7777).unwrap_or_default(),
        user: records.user.map_or_else(|| number(&old.uid), Ok)?,
        group: records.group.map_or_else(|| number(&old.gid), Ok)?,
        modified,
        extended: records.attributes,
    })
}

fn device(header: &Header) -> Result<Device, Problem> {
    let fields = header.as_ustar().map(|header| (&header.dev_major, &header.dev_minor));
    let fields = fields.or_else(|| header.as_gnu().map(|header| (&header.dev_major, &header.dev_minor)));
    let (major, minor) = fields.ok_or(Problem::Malformed("it is a device without a number"))?;
    let part = |field: &[u8]| {
        number(field)?.try_into().map_err(|_| Problem::Malformed("its device number is none that there can be"))
    };
    Ok(Device { major: part(major)?, minor: part(minor)? })
}

/// A header for all members behind it: some heed it and some do not, so that it may say nothing that matters.
fn check_global(content: &[u8]) -> Result<(), Problem> {
    for record in super::pax::Split(content) {
        let (key, _) = record?;
        let matters = [&b"path"[..], b"linkpath", b"size", b"uid", b"gid", b"mtime", b"hdrcharset"].contains(&key)
            || key.starts_with(b"GNU.sparse.")
            || key.starts_with(super::pax::ATTRIBUTE);
        if matters {
            return Err(Problem::Ambiguous("a header for all members says what only some heed"));
        }
    }
    Ok(())
}
