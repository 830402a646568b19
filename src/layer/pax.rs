//! Extended headers: records `LENGTH KEY=VALUE` in front of a member (POSIX.1-2001, "pax Header Block"), and what they
//! say of it. A record that is malformed, or said twice in two ways, ends the reading: others would read it otherwise.

use super::member::ExtendedAttribute;
use super::sparse::decimal;
use super::{Problem, Time};

/// What attributes are called: `SCHILY.xattr.user.NAME`.
pub(super) const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// What one or several extended headers say of the member behind them.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) user: Option<u64>,
    pub(super) group: Option<u64>,
    pub(super) modified: Option<Time>,
    pub(super) attributes: Vec<ExtendedAttribute>,
    pub(super) sparse: SparseRecords,
}

/// What is said of holes, in whichever of the three forms.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) real_size: Option<u64>,
    pub(super) map: Option<Vec<u8>>,
    pub(super) offsets: Vec<u64>,
    pub(super) lengths: Vec<u64>,
}

impl Records {
    /// Adds what the content of an extended header says.
    ///
    /// # Errors
    /// It is malformed, or contradicts what was said before.
    pub(super) fn read(&mut self, content: &[u8]) -> Result<(), Problem> {
        for record in Split(content) {
            let (key, value) = record?;
            self.take(key, value)?;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Problem> {
        let bad = Problem::Malformed("its extended header holds a number that is none");
        let number = || decimal(value).ok_or_else(|| bad.clone());
        match key {
            b"path" => once(&mut self.path, name(value)?),
            b"linkpath" => once(&mut self.link, name(value)?),
            b"size" => once(&mut self.size, number()?),
            b"uid" => once(&mut self.user, number()?),
            b"gid" => once(&mut self.group, number()?),
            b"mtime" => once(&mut self.modified, time(value).ok_or(bad)?),
            b"GNU.sparse.major" => once(&mut self.sparse.major, number()?),
            b"GNU.sparse.minor" => once(&mut self.sparse.minor, number()?),
            b"GNU.sparse.name" => once(&mut self.sparse.name, name(value)?),
            b"GNU.sparse.size" => once(&mut self.sparse.size, number()?),
            b"GNU.sparse.realsize" => once(&mut self.sparse.real_size, number()?),
            b"GNU.sparse.map" => once(&mut self.sparse.map, value.to_vec()),
            b"GNU.sparse.offset" => {
                self.sparse.offsets.push(number()?);
                Ok(())
            }
            b"GNU.sparse.numbytes" => {
                self.sparse.lengths.push(number()?);
                Ok(())
            }
            _ => self.take_attribute(key, value),
        }
    }

    /// Takes an extended attribute; what else there is changes nothing that is read here.
    fn take_attribute(&mut self, key: &[u8], value: &[u8]) -> Result<(), Problem> {
        let Some(attribute) = key.strip_prefix(ATTRIBUTE) else { return Ok(()) };
        match self.attributes.binary_search_by(|(known, _)| (**known).cmp(attribute)) {
            Ok(at) if *self.attributes[at].1 == *value => Ok(()),
            Ok(_) => Err(Problem::Ambiguous("its extended header says an attribute twice")),
            Err(at) => {
                self.attributes.insert(at, (attribute.into(), value.into()));
                Ok(())
            }
        }
    }
}

impl SparseRecords {
    /// Whether the member has holes at all.
    pub(super) fn is_used(&self) -> bool {
        self.major.is_some() || self.map.is_some() || !self.offsets.is_empty() || self.size.is_some()
    }
}

/// Refuses a second saying that differs from the first.
fn once<T: PartialEq>(place: &mut Option<T>, value: T) -> Result<(), Problem> {
    if place.as_ref().is_some_and(|said| *said != value) {
        return Err(Problem::Ambiguous("its extended header says one thing twice"));
    }
    *place = Some(value);
    Ok(())
}

fn name(value: &[u8]) -> Result<Vec<u8>, Problem> {
    if value.is_empty() || value.contains(&0) {
        return Err(Problem::Ambiguous("the name in its extended header is empty or holds a NUL"));
    }
    Ok(value.to_vec())
}

/// Decimal seconds, as in `-1.5`; digits beyond nanoseconds are dropped.
fn time(value: &[u8]) -> Option<Time> {
    let (negative, value) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let mut halves = value.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(decimal(halves.next()?)?).ok()?;
    let fraction = halves.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds: 0 },
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// The records of an extended header.
pub(super) struct Split<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Split<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let split = split(self.0);
        self.0 = split.map_or(&[], |(_, rest)| rest);
        Some(split.map(|(record, _)| record).ok_or(Problem::Malformed("its extended header is malformed")))
    }
}

type Record<'a> = (&'a [u8], &'a [u8]);

fn split(text: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = text.iter().take(12).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&text[..space])?).ok()?;
    let record = text.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some(((&record[..equals], &record[equals + 1..]), &text[length..]))
}

/// Writes a record, whose length counts itself.
pub(super) fn write(into: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    into.extend_from_slice(length.to_string().as_bytes());
    into.extend_from_slice(&[b" ", key, b"=", value, b"\n"].concat());
}
