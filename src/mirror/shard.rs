//! The split of the work between several processes that run the same rules.

use std::fmt;
use std::str::FromStr;

use super::RepositoryPath;
use crate::image::{Digest, Selector};

/// The most processes among which work is split.
const MOST: u32 = 10_000;

/// One part of several: `I/N`, counted from 0.
///
/// Which part something belongs to follows from its name alone, so that processes need not speak with each other and
/// the next run splits in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// The one part that everything belongs to.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Whether an image of a source is this part's.
    #[must_use]
    pub fn holds(&self, path: &RepositoryPath, selector: &Selector) -> bool {
        self.of == 1 || self.takes(&path.image(selector))
    }

    /// Whether a repository as a whole is this part's.
    #[must_use]
    pub fn holds_repository(&self, path: &RepositoryPath) -> bool {
        self.of == 1 || self.takes(&path.to_string())
    }

    fn takes(self, name: &str) -> bool {
        // A cryptographic hash because it is the same in every version of this program, and spreads evenly.
        let digest = Digest::of(name.as_bytes());
        let number = u64::from_str_radix(&digest.hex()[..15], 16).unwrap_or_default();
        number % u64::from(self.of) == u64::from(self.index)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) = parts.ok_or_else(|| ShardError::Form(text.to_owned()))?;
        match of {
            1..=MOST if index < of => Ok(Self { index, of }),
            1..=MOST => Err(ShardError::Index { index, of }),
            _ => Err(ShardError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// A text that is no part of several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Not two numbers.
    #[error("`{}` is not a part such as 0/4: its number from 0, and how many there are (1 to {MOST})", .0.escape_debug())]
    Form(String),
    /// A part that is not there.
    #[error("there is no part {index} of {of}: parts are counted from 0, so the last is {}", .of - 1)]
    Index {
        /// The part.
        index: u32,
        /// How many there are.
        of: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Naming;

    #[test]
    fn every_image_is_in_one_part_and_parts_are_about_equal() {
        let path = RepositoryPath::parse("reg.example.com/app", &Naming::default()).unwrap();
        let shards: Vec<Shard> = (0..4).map(|index| format!("{index}/4").parse().unwrap()).collect();
        let mut sizes = [0; 4];
        for number in 0..1000 {
            let selector = Selector::Tag(format!("v{number}").parse().unwrap());
            let holders: Vec<usize> = (0..4).filter(|index| shards[*index].holds(&path, &selector)).collect();
            assert_eq!(holders.len(), 1);
            sizes[holders[0]] += 1;
            assert!(Shard::WHOLE.holds(&path, &selector));
        }
        assert!(sizes.iter().all(|size| (200..300).contains(size)), "{sizes:?}");
    }

    #[test]
    fn the_split_is_the_same_for_ever() {
        let path = RepositoryPath::parse("reg.example.com/app", &Naming::default()).unwrap();
        let part = |tag: &str| {
            let holds = |index: &u32| {
                format!("{index}/8").parse::<Shard>().unwrap().holds(&path, &Selector::Tag(tag.parse().unwrap()))
            };
            (0..8).find(holds).unwrap()
        };
        assert_eq!(["1.0", "1.1", "latest"].map(part), PARTS);
    }

    /// What the first version of this program made of these names.
    const PARTS: [u32; 3] = [7, 1, 3];

    #[test]
    fn what_is_no_part() {
        for (text, part) in [("4", "0/4"), ("4/4", "the last is 3"), ("-1/4", "0/4"), ("0/0", "0/4"), ("a/b", "0/4")] {
            let error = text.parse::<Shard>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
