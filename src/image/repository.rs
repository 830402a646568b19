//! Repository names and tags (OCI distribution-spec 1.1, "Pulling manifests").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::RegistryAddress;

/// The longest name that every registry takes, the registry's host included.
const MAX_NAME: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;

/// The name of a repository: lower-case words joined by `.`, `_`, `__`, `-` and `/`.
///
/// Safe in a URL path and, part by part, in a file path: no part can be `.` or `..` or hold a separator.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

impl RepositoryName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the slashes.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether this is `prefix` or lies below it, on path boundaries: `team-a/x` lies below `team-a`, `team-ab` does not.
    #[must_use]
    pub fn is_within(&self, prefix: &str) -> bool {
        let prefix = prefix.trim_end_matches('/');
        self.0.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// This name below `prefix`.
    ///
    /// # Errors
    /// The whole would be longer than 255 characters.
    pub fn below(&self, prefix: &Self) -> Result<Self, NameError> {
        format!("{prefix}/{self}").parse()
    }

    /// The name that an image of `registry` has at home: `HOST/REPOSITORY`, a port written `HOST_PORT`.
    ///
    /// # Errors
    /// The host is an IPv6 address, which no repository name can hold, or the whole would be too long.
    pub fn at_home(registry: &RegistryAddress, repository: &Self) -> Result<Self, NameError> {
        if registry.is_ipv6() {
            return Err(NameError::Ipv6(registry.to_string()));
        }
        match registry.port() {
            Some(port) => format!("{}_{port}/{repository}", registry.host()).parse(),
            None => format!("{}/{repository}", registry.host()).parse(),
        }
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME {
            return Err(NameError::Long(text.len()));
        }
        for part in text.split('/') {
            check_part(part, text)?;
        }
        Ok(Self(text.into()))
    }
}

/// Checks one path part against `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn check_part(part: &str, whole: &str) -> Result<(), NameError> {
    if part.is_empty() {
        return Err(NameError::EmptyPart(whole.to_owned()));
    }
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let joint = |c: char| matches!(c, '.' | '_' | '-');
    if let Some(found) = part.chars().find(|c| !word(*c) && !joint(*c)) {
        return Err(NameError::Character { part: part.to_owned(), found });
    }
    if part.starts_with(joint) || part.ends_with(joint) {
        return Err(NameError::Edge(part.to_owned()));
    }
    let joints = part.split(word).filter(|run| !run.is_empty());
    for run in joints {
        let good = matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-');
        if !good {
            return Err(NameError::Joint { part: part.to_owned(), run: run.to_owned() });
        }
    }
    Ok(())
}

/// Why a text is not a repository name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing stands there.
    #[error("the repository name is empty")]
    Empty,
    /// Longer than 255 characters.
    #[error("the repository name has {0} characters; at most {MAX_NAME} are possible, the registry's host included")]
    Long(usize),
    /// Two slashes in a row, or one at an end.
    #[error("the repository name `{}` has an empty part between slashes", .0.escape_debug())]
    EmptyPart(String),
    /// A character that no repository name holds.
    #[error("`{}` cannot stand in the repository part `{}` (lower-case letters, digits, `.`, `_` and `-`)", found.escape_debug(), part.escape_debug())]
    Character {
        /// The path part.
        part: String,
        /// The first character that is wrong.
        found: char,
    },
    /// A part begins or ends with a separator.
    #[error("the repository part `{}` begins or ends with `.`, `_` or `-`", .0.escape_debug())]
    Edge(String),
    /// Separators that cannot stand next to each other.
    #[error("`{run}` cannot join words in the repository part `{part}` (`.`, `_`, `__` or dashes can)")]
    Joint {
        /// The path part.
        part: String,
        /// The run of separators.
        run: String,
    },
    /// A registry at an IPv6 address has no name at home.
    #[error(
        "an image of `{0}` has no name at home, because a repository name cannot hold an IPv6 address; name the target with `--to`"
    )]
    Ipv6(String),
}

/// A tag: a name within a repository that can move.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// The tag that is meant where neither tag nor digest is written.
    #[must_use]
    pub fn latest() -> Self {
        Self("latest".into())
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text.is_empty() {
            return Err(TagError::Empty);
        }
        if let Some(found) = text.chars().find(|c| !good(*c)) {
            return Err(TagError::Character { tag: text.to_owned(), found });
        }
        if text.starts_with(['.', '-']) {
            return Err(TagError::Start(text.to_owned()));
        }
        if text.len() > MAX_TAG {
            return Err(TagError::Long(text.len()));
        }
        Ok(Self(text.into()))
    }
}

/// Why a text is not a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing stands there.
    #[error("the tag is empty")]
    Empty,
    /// Longer than 128 characters.
    #[error("the tag has {0} characters; at most {MAX_TAG} are possible")]
    Long(usize),
    /// A character that no tag holds.
    #[error("`{}` cannot stand in the tag `{}` (letters, digits, `_`, `.` and `-`)", found.escape_debug(), tag.escape_debug())]
    Character {
        /// The whole tag.
        tag: String,
        /// The first character that is wrong.
        found: char,
    },
    /// The first character is `.` or `-`.
    #[error("the tag `{0}` begins with `.` or `-`")]
    Start(String),
}

macro_rules! text_type {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_type!(RepositoryName);
text_type!(Tag);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_names() {
        for text in ["a", "os/alpine", "a.b/c_d/e__f/g-h/i---j", "0/1", "localhost_5000/x", "docker.io/library/x"] {
            assert_eq!(text.parse::<RepositoryName>().unwrap().as_str(), text);
        }
        let longest = "a".repeat(255);
        assert!(longest.parse::<RepositoryName>().is_ok());
    }

    #[test]
    fn bad_names_say_which_rule() {
        let cases = [
            ("", "is empty"),
            ("/a", "empty part"),
            ("a/", "empty part"),
            ("a//b", "empty part"),
            ("A", "`A` cannot stand"),
            ("a b", "` ` cannot stand"),
            ("a%0d", "`%` cannot stand"),
            ("..", "begins or ends"),
            ("a/../b", "begins or ends"),
            ("-a", "begins or ends"),
            ("a_", "begins or ends"),
            ("a..b", "`..` cannot join"),
            ("a___b", "`___` cannot join"),
            ("a._b", "`._` cannot join"),
            ("ä", "`ä` cannot stand"),
        ];
        for (text, part) in cases {
            let error = text.parse::<RepositoryName>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!("a".repeat(256).parse::<RepositoryName>().is_err());
    }

    #[test]
    fn tags_good_and_bad() {
        for text in ["latest", "_x", "V1.0-rc.1", "0", &"t".repeat(128)] {
            assert_eq!(text.parse::<Tag>().unwrap().as_str(), text);
        }
        for (text, part) in [
            ("", "is empty"),
            (".x", "begins with"),
            ("-x", "begins with"),
            ("a/b", "`/` cannot stand"),
            ("a\nb", "`\\n` cannot stand"),
            (&"t".repeat(129), "129 characters"),
        ] {
            let error = text.parse::<Tag>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn prefixes_end_on_path_boundaries() {
        let name: RepositoryName = "team-a/x".parse().unwrap();
        assert!(name.is_within("team-a"));
        assert!(name.is_within("team-a/x"));
        assert!(name.is_within("team-a/"));
        assert!(!name.is_within("team"));
        assert!(!name.is_within("team-a/x/y"));
    }

    #[test]
    fn names_at_home() {
        let home = |registry: &str| RepositoryName::at_home(&registry.parse().unwrap(), &"os/alpine".parse().unwrap());
        assert_eq!(home("docker.io").unwrap().as_str(), "docker.io/os/alpine");
        assert_eq!(home("localhost:5000").unwrap().as_str(), "localhost_5000/os/alpine");
        assert!(home("[::1]:5000").unwrap_err().to_string().contains("--to"));
    }

    proptest! {
        #[test]
        fn taken_names_are_safe_in_paths(text in "[a-c0._/-]{0,12}") {
            if let Ok(name) = text.parse::<RepositoryName>() {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!(!text.contains("//") && !text.contains(".."));
                prop_assert!(name.parts().all(|part| part != "." && part != ".."));
            }
        }

        #[test]
        fn generated_names_are_taken(text in "[a-z0-9]{1,3}(([.]|_|__|-{1,3})[a-z0-9]{1,3}){0,3}(/[a-z0-9]{1,3}(([.]|_|__|-{1,3})[a-z0-9]{1,3}){0,3}){0,3}") {
            prop_assert_eq!(text.parse::<RepositoryName>().unwrap().to_string(), text);
        }

        #[test]
        fn generated_tags_are_taken(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            prop_assert_eq!(text.parse::<Tag>().unwrap().to_string(), text);
        }
    }
}
