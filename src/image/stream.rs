//! Names of streams, and what picks an image of one: `NAME:TAG`, `NAME@DIGEST`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::reference::split;
use super::{NameError, ReferenceError, RepositoryName, Selector, Tag};

/// The longest name of a stream, as a part of a file's name.
const MAX_NAME: usize = 128;

/// The name of a stream: one part of a repository's name. Safe as a file's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(RepositoryName);

impl StreamName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, StreamNameError> {
        if text.is_empty() {
            return Err(StreamNameError::Empty);
        }
        if text.contains('/') {
            return Err(StreamNameError::Slash(text.to_owned()));
        }
        if text.len() > MAX_NAME {
            return Err(StreamNameError::Long(text.len()));
        }
        Ok(Self(text.parse()?))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for StreamName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An image of a stream: what a tag points at now, or what it pointed at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamReference {
    /// The stream.
    pub name: StreamName,
    /// Which image of it.
    pub selector: Selector,
}

impl StreamReference {
    /// The image that a tag points at.
    #[must_use]
    pub const fn of_tag(name: StreamName, tag: Tag) -> Self {
        Self { name, selector: Selector::Tag(tag) }
    }

    /// Reads `NAME[:TAG]` or `NAME@DIGEST`, also with `stream:` in front. The tag is `latest` where none stands.
    ///
    /// # Errors
    /// Names the part that is wrong and the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let text = text.strip_prefix("stream:").unwrap_or(text);
        let (name, tag, digest) = split(text)?;
        let name = name.parse()?;
        let selector = match (digest, tag) {
            (Some(digest), _) => Selector::Digest(digest.parse()?),
            (None, Some(tag)) => Selector::Tag(tag.parse()?),
            (None, None) => Selector::Tag(Tag::latest()),
        };
        Ok(Self { name, selector })
    }
}

impl fmt::Display for StreamReference {
    /// Without `stream:`, as OpenShift writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.selector.suffix())
    }
}

/// Why a text is not the name of a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamNameError {
    /// Nothing stands there.
    #[error("the stream's name is empty")]
    Empty,
    /// Streams have no namespaces here.
    #[error("`{}` cannot be a stream's name: it holds a `/`", .0.escape_debug())]
    Slash(String),
    /// Longer than 128 characters.
    #[error("the stream's name has {0} characters; at most {MAX_NAME} are possible")]
    Long(usize),
    /// It breaks a rule of names.
    #[error("the stream's name is wrong: {0}")]
    Name(#[from] NameError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    #[test]
    fn what_picks_an_image_of_a_stream() {
        let digest = Digest::of(b"");
        let cases = [
            ("app", "app:latest".to_owned()),
            ("stream:app:1.4", "app:1.4".to_owned()),
            (&format!("app@{digest}"), format!("app@{digest}")),
        ];
        for (text, shown) in cases {
            assert_eq!(StreamReference::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("", "empty"),
            ("stream:", "empty"),
            (":x", "the stream's name is empty"),
            ("team/app:1", "holds a `/`"),
            ("App:1", "`A` cannot stand"),
            ("..:1", "begins or ends"),
            ("app:a b", "cannot stand in the tag"),
            ("app@sha256:abc", "64 hex digits"),
            ("https://app:1", "without `https://`"),
        ] {
            let error = StreamReference::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        assert_eq!(long.parse::<StreamName>(), Err(StreamNameError::Long(MAX_NAME + 1)));
    }
}
