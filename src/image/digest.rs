//! Digests: the constant names of content (OCI image-spec, descriptor.md "Digests").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Hasher;

/// A registered digest algorithm. Others are refused: content under them could not be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, 64 hex digits; what every registry takes.
    Sha256,
    /// SHA-512, 128 hex digits.
    Sha512,
}

impl Algorithm {
    /// The word before the colon, also the directory name in a layout.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The number of hex digits of a whole digest.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// The digest of `bytes` under this algorithm.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finish()
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// The constant name of content: an algorithm and its lower-case hex.
///
/// Cannot hold anything that is not a whole, well-formed digest of a registered algorithm, so it is safe in
/// a path and in a URL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Algorithm::Sha256.digest(bytes)
    }

    /// The digest whose bytes a hasher of `algorithm` worked out.
    pub(super) fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Self {
        Self { algorithm, hex: hex(hash) }
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The lower-case hex digits without the algorithm.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The tag under which what is attached to this content is listed where there is no other way (distribution-spec
    /// 1.1, "Referrers Tag Schema"); cosign's tags are that and a suffix. A tag has 128 characters at most.
    #[must_use]
    pub fn as_tag(&self) -> String {
        format!("{}-{}", self.algorithm.word(), self.hex).chars().take(128).collect()
    }

    /// The first 12 hex digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = split(text)?;
        if hex.len() != algorithm.hex_len() {
            return Err(DigestError::Length { algorithm, found: hex.len() });
        }
        Ok(Self { algorithm, hex: hex.into() })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.word(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The beginning of a digest: at least [`DigestPrefix::MIN_HEX`] hex digits, at most a whole one.
///
/// Only the local store can look one up, because no registry can.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DigestPrefix {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl DigestPrefix {
    /// The fewest hex digits that are taken as a truncated digest.
    pub const MIN_HEX: usize = 7;

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hex digits that are known.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Whether `digest` begins with this.
    #[must_use]
    pub fn matches(&self, digest: &Digest) -> bool {
        self.algorithm == digest.algorithm && digest.hex.starts_with(&*self.hex)
    }
}

impl FromStr for DigestPrefix {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = split(text)?;
        if hex.len() < Self::MIN_HEX || hex.len() >= algorithm.hex_len() {
            return Err(DigestError::Length { algorithm, found: hex.len() });
        }
        Ok(Self { algorithm, hex: hex.into() })
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.word(), self.hex)
    }
}

fn split(text: &str) -> Result<(Algorithm, &str), DigestError> {
    let (word, hex) = text.split_once(':').ok_or(DigestError::NoColon)?;
    let algorithm = Algorithm::parse(word).ok_or_else(|| DigestError::Algorithm(word.to_owned()))?;
    match hex.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
        Some(found) => Err(DigestError::NotHex(found)),
        None => Ok((algorithm, hex)),
    }
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` in front.
    #[error("a digest is written ALGORITHM:HEX, e.g. sha256:… with 64 hex digits")]
    NoColon,
    /// The algorithm is not one that can be verified here.
    #[error("the digest algorithm `{}` is not known; sha256 and sha512 are", .0.escape_debug())]
    Algorithm(String),
    /// The hex part has the wrong number of digits.
    #[error("a {} digest has {} hex digits, not {found}", algorithm.word(), algorithm.hex_len())]
    Length {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// The number of hex digits that stand there.
        found: usize,
    },
    /// A character is not a lower-case hex digit.
    #[error("`{}` is not a lower-case hex digit", .0.escape_debug())]
    NotHex(char),
}

fn hex(bytes: &[u8]) -> Box<str> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn known_values() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Digest::of(b"").short(), "e3b0c44298fc");
        let long = Algorithm::Sha512.digest(b"abc").to_string();
        assert!(long.starts_with("sha512:ddaf35a193617aba"), "{long}");
        assert_eq!(long.len(), 7 + 128);
    }

    #[test]
    fn bad_digests_say_what_is_wrong() {
        let cases = [
            ("", "written ALGORITHM:HEX"),
            ("sha256", "written ALGORITHM:HEX"),
            ("md5:d41d8cd98f00b204e9800998ecf8427e", "`md5` is not known"),
            ("SHA256:00", "`SHA256` is not known"),
            ("sha256:", "64 hex digits, not 0"),
            ("sha256:../../../../etc/x", "`.` is not a lower-case hex"),
            ("sha256:zz", "`z` is not a lower-case hex"),
            ("sha256:00\0", "`\\0` is not"),
            ("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85", "not 63"),
            ("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555", "not 65"),
            ("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", "`E` is not"),
            ("sha256:é3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85", "`é` is not"),
        ];
        for (text, part) in cases {
            let error = text.parse::<Digest>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_prefix_is_at_least_seven_digits_and_not_whole() {
        let prefix: DigestPrefix = "sha256:e3b0c44".parse().unwrap();
        assert!(prefix.matches(&Digest::of(b"")));
        assert!(!prefix.matches(&Digest::of(b"x")));
        assert!("sha256:e3b0c4".parse::<DigestPrefix>().is_err());
        assert!(EMPTY.parse::<DigestPrefix>().is_err());
    }

    proptest! {
        #[test]
        fn digests_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let digest = Digest::of(&bytes);
            prop_assert_eq!(&digest.to_string().parse::<Digest>().unwrap(), &digest);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
