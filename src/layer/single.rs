//! Looks for one name from the highest layer down, and ends where it is found, so that the layers below need not be
//! read. Names are taken as the layers write them; what needs more than that is left to a [`Union`](super::Union).

use std::io::Read;

use super::names::MAX_LINKS;
use super::union::{META, OPAQUE, WHITEOUT};
use super::{Kind, LayerError, Member, MemberPath, Problem, Walk};

/// A name that is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    wanted: MemberPath,
    links: usize,
}

/// What one layer says of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: a lower layer may.
    Nothing,
    /// It is not there, whatever lower layers say.
    Absent,
    /// It is this member of the layer, counted from 0.
    Member(u32),
    /// It is a directory: what is in it may be in any layer.
    Directory,
    /// It goes by another name now, which is to be looked for from the highest layer on.
    Elsewhere,
    /// It goes by another name now, which is to be looked for from this layer on.
    Linked,
}

/// What the members of a layer that were read so far say of the name.
#[derive(Default)]
struct Seen {
    last: Option<Last>,
    hidden: bool,
}

enum Last {
    Itself(u32),
    Directory,
    HardLink(MemberPath),
    /// A directory above it is a link.
    Behind(MemberPath, Box<[u8]>),
    Blocked,
}

impl Search {
    /// Looks for a name.
    #[must_use]
    pub const fn new(wanted: MemberPath) -> Self {
        Self { wanted, links: 0 }
    }

    /// The name that is looked for now.
    #[must_use]
    pub const fn wanted(&self) -> &MemberPath {
        &self.wanted
    }

    /// Reads one layer.
    ///
    /// # Errors
    /// It cannot be read, or links lead out of the file system or round and round.
    pub fn read(&mut self, walk: &mut Walk<impl Read>) -> Result<Found, LayerError> {
        let mut seen = Seen::default();
        let mut number = 0;
        while let Some(member) = walk.advance()? {
            self.look(&mut seen, member, number);
            number += 1;
        }
        Ok(match seen.last {
            Some(Last::Itself(number)) => Found::Member(number),
            Some(Last::Directory) => Found::Directory,
            Some(Last::Blocked) => Found::Absent,
            Some(Last::HardLink(target)) => {
                self.follow(target)?;
                Found::Linked
            }
            Some(Last::Behind(link, target)) => {
                let real = self.behind(&link, &target).map_err(|problem| self.refused(problem))?;
                self.follow(real)?;
                Found::Elsewhere
            }
            None if seen.hidden => Found::Absent,
            None => Found::Nothing,
        })
    }

    fn refused(&self, problem: Problem) -> LayerError {
        LayerError::member(self.wanted.as_bytes(), problem)
    }

    fn follow(&mut self, to: MemberPath) -> Result<(), LayerError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(self.refused(Problem::Circle));
        }
        self.wanted = to;
        Ok(())
    }

    fn look(&self, seen: &mut Seen, member: Member, number: u32) {
        let Member { path, kind, .. } = member;
        let Some((parent, own)) = path.split() else { return };
        if own.starts_with(WHITEOUT) {
            let lies_in = |directory: &MemberPath| self.wanted.beneath(directory).is_some();
            seen.hidden |= match own {
                OPAQUE => self.wanted != parent && lies_in(&parent),
                _ if own.starts_with(META) => false,
                _ => lies_in(&parent.join(&own[WHITEOUT.len()..])),
            };
            return;
        }
        if path == self.wanted {
            seen.last = Some(match kind {
                Kind::Directory => Last::Directory,
                Kind::HardLink(target) => Last::HardLink(target),
                _ => Last::Itself(number),
            });
        } else if self.wanted.beneath(&path).is_some() {
            match kind {
                Kind::Directory => {}
                Kind::Symlink(target) => seen.last = Some(Last::Behind(path, target)),
                _ => seen.last = Some(Last::Blocked),
            }
        } else if path.beneath(&self.wanted).is_some() && !matches!(seen.last, Some(Last::Directory)) {
            seen.last = Some(Last::Directory);
        }
    }

    /// The name where the directory `link` of the wanted name is a link to `target`.
    fn behind(&self, link: &MemberPath, target: &[u8]) -> Result<MemberPath, Problem> {
        let mut real = match link.split() {
            Some((parent, _)) if target.first() != Some(&b'/') => parent,
            _ => MemberPath::default(),
        };
        for part in target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
            real = match (part, real.split()) {
                (b"..", Some((parent, _))) => parent,
                (b"..", None) => return Err(Problem::Behind(link.shown().into_owned())),
                _ => real.join(part),
            };
        }
        let rest = self.wanted.beneath(link).unwrap_or_default();
        Ok(rest.parts().fold(real, |path, part| path.join(part)))
    }
}
