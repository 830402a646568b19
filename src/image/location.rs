//! Locations: what a source or a destination can be, as a user writes it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::reference::split;
use super::{Digest, DigestPrefix, ImageReference, Naming, ReferenceError, RepositoryName, Tag};

/// The kinds of place that other tools know and this program does not. Nobody who writes one means an image of
/// that name with a tag.
const FOREIGN_KINDS: [&str; 7] =
    ["containers-storage", "dir", "docker-archive", "docker-daemon", "oci-archive", "sif", "stream"];

/// Where an image is, or is to be. Closed data; what can be done there is behaviour of the `registry` traits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `REFERENCE` or `docker://REFERENCE`: an image in a registry.
    Registry(ImageReference),
    /// `store:NAME[:TAG][@DIGEST]`: an image in the local store.
    Store {
        /// The key in the store, never completed by a default registry.
        repository: RepositoryName,
        /// Which image of it.
        selector: StoreSelector,
    },
    /// `oci:DIR[:NAME|@DIGEST]`: an OCI image layout directory.
    Layout {
        /// The directory that holds `oci-layout`.
        directory: PathBuf,
        /// Which image of it.
        selector: LayoutSelector,
    },
}

/// What picks an image of the local store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSelector {
    /// By tag.
    Tag(Tag),
    /// By digest; a tag written beside it is a label.
    Digest(Digest, Option<Tag>),
    /// By the beginning of a digest, which must be unique there.
    Prefix(DigestPrefix),
}

/// What picks an image of a layout directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutSelector {
    /// The one image that it holds.
    Only,
    /// By the `org.opencontainers.image.ref.name` annotation, which is any text.
    Name(String),
    /// By digest.
    Digest(Digest),
}

impl Location {
    /// Reads a location; a short registry reference is completed by `naming`.
    ///
    /// # Errors
    /// Names the part that is wrong and the rule that it breaks.
    pub fn parse(text: &str, naming: &Naming) -> Result<Self, LocationError> {
        if let Some(rest) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(ImageReference::parse(rest, naming)?));
        }
        if let Some(rest) = text.strip_prefix("store:") {
            return store(rest);
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            return layout(rest);
        }
        if let Some((kind, rest)) = text.split_once(':').filter(|(kind, _)| FOREIGN_KINDS.contains(kind)) {
            return Err(LocationError::Kind { kind: kind.to_owned(), rest: rest.to_owned() });
        }
        Ok(Self::Registry(ImageReference::parse(text, naming)?))
    }

    /// The digest that is written in it, where a whole one is.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Registry(reference) => reference.digest(),
            Self::Store { selector: StoreSelector::Digest(digest, _), .. }
            | Self::Layout { selector: LayoutSelector::Digest(digest), .. } => Some(digest),
            Self::Store { .. } | Self::Layout { .. } => None,
        }
    }
}

fn store(text: &str) -> Result<Location, LocationError> {
    let (name, tag, digest) = split(text)?;
    let repository = name.parse().map_err(ReferenceError::from)?;
    let tag: Option<Tag> = tag.map(str::parse).transpose().map_err(ReferenceError::from)?;
    let selector = match digest {
        None => StoreSelector::Tag(tag.unwrap_or_else(Tag::latest)),
        Some(digest) => match digest.parse::<DigestPrefix>() {
            Ok(prefix) => StoreSelector::Prefix(prefix),
            Err(_) => StoreSelector::Digest(digest.parse().map_err(ReferenceError::from)?, tag),
        },
    };
    Ok(Location::Store { repository, selector })
}

fn layout(text: &str) -> Result<Location, LocationError> {
    let (place, digest) = match text.rsplit_once('@') {
        Some((place, digest)) if is_like_digest(digest) => (place, Some(digest)),
        _ => (text, None),
    };
    // A single letter before the first colon is a drive of Windows.
    let drive = matches!(place.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    let from = if drive { 2 } else { 0 };
    let (directory, name) = match place[from..].find(':') {
        Some(colon) => (&place[..from + colon], Some(&place[from + colon + 1..])),
        None => (place, None),
    };
    let selector = match (name, digest) {
        (None, None) => LayoutSelector::Only,
        (Some(""), _) => return Err(LocationError::EmptyName(text.to_owned())),
        (Some(name), None) => LayoutSelector::Name(name.to_owned()),
        (None, Some(digest)) => LayoutSelector::Digest(digest.parse().map_err(ReferenceError::from)?),
        (Some(_), Some(_)) => return Err(LocationError::NameAndDigest(text.to_owned())),
    };
    Ok(Location::Layout { directory: directory_of(directory)?, selector })
}

/// Whether a digest is meant, right or wrong; a directory or a name may hold an `@` as well.
fn is_like_digest(text: &str) -> bool {
    text.starts_with("sha256:") || text.starts_with("sha512:")
}

fn directory_of(text: &str) -> Result<PathBuf, LocationError> {
    if text.is_empty() { Err(LocationError::NoDirectory) } else { Ok(Path::new(text).to_owned()) }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => write!(f, "{reference}"),
            Self::Store { repository, selector } => match selector {
                StoreSelector::Tag(tag) => write!(f, "store:{repository}:{tag}"),
                StoreSelector::Digest(digest, None) => write!(f, "store:{repository}@{digest}"),
                StoreSelector::Digest(digest, Some(tag)) => write!(f, "store:{repository}:{tag}@{digest}"),
                StoreSelector::Prefix(prefix) => write!(f, "store:{repository}@{prefix}"),
            },
            Self::Layout { directory, selector } => {
                write!(f, "oci:{}", directory.display())?;
                match selector {
                    LayoutSelector::Only => Ok(()),
                    LayoutSelector::Name(name) => write!(f, ":{name}"),
                    LayoutSelector::Digest(digest) => write!(f, "@{digest}"),
                }
            }
        }
    }
}

/// Why a text is not a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The image reference in it is wrong.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A kind of place that is not known here.
    #[error("`{kind}:` is not a kind of place that is known here; `docker://`, `store:` and `oci:` are")]
    Kind {
        /// What stands before the colon.
        kind: String,
        /// What stands behind it.
        rest: String,
    },
    /// `oci:` without a directory.
    #[error("`oci:` needs a directory, as in `oci:DIR:NAME`")]
    NoDirectory,
    /// `oci:DIR:NAME@DIGEST`, where either would do.
    #[error("`oci:{}` picks an image by name and by digest; write one of them", .0.escape_debug())]
    NameAndDigest(String),
    /// `oci:DIR:` without a name.
    #[error("the image name behind `oci:{}` is empty", .0.escape_debug())]
    EmptyName(String),
}

impl LocationError {
    /// What to do about it, where there is more to say than the rule.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Reference(error) => error.hint(),
            Self::Kind { kind, rest } => Some(format!(
                "if an image of the name `{kind}` is meant, write `docker://{kind}:{}`",
                rest.escape_debug()
            )),
            Self::NoDirectory | Self::EmptyName(_) | Self::NameAndDigest(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let naming = Naming { default: Some("docker.io".parse().unwrap()), ..Naming::default() };
        Location::parse(text, &naming).map_or_else(|e| format!("error: {e}"), |l| l.to_string())
    }

    #[test]
    fn locations_round_trip() {
        let digest = Digest::of(b"");
        for text in [
            "reg.example.com/a:1".to_owned(),
            "store:docker.io/library/alpine:3".to_owned(),
            format!("store:a@{digest}"),
            format!("store:a:v@{digest}"),
            "store:a@sha256:abcdef0".to_owned(),
            "oci:dir".to_owned(),
            "oci:/a/b:v1".to_owned(),
            "oci:dir:docker.io/library/alpine:3".to_owned(),
            format!("oci:dir@{digest}"),
            "oci:C:\\images:v1".to_owned(),
            format!("oci:C:\\images@{digest}"),
            "oci:a@b:v1".to_owned(),
            "oci:dir:team@home".to_owned(),
        ] {
            assert_eq!(show(&text), text);
        }
    }

    #[test]
    fn names_of_kinds_can_be_images() {
        assert_eq!(show("docker://store:1.0"), "docker.io/library/store:1.0");
        assert_eq!(show("docker://dir:1.0"), "docker.io/library/dir:1.0");
        assert_eq!(show("oci"), "docker.io/library/oci:latest");
        assert_eq!(show("store:alpine"), "store:alpine:latest");
    }

    #[test]
    fn bad_locations_name_the_part() {
        for (text, part) in [
            ("docker-archive:app.tar", "`docker-archive:` is not a kind of place"),
            ("dir:x", "`dir:` is not a kind of place"),
            ("oci:", "needs a directory"),
            ("oci::v1", "needs a directory"),
            ("oci:dir:", "is empty"),
            ("oci:dir@sha256:abcdef0", "64 hex digits"),
            ("oci:dir@sha256:", "64 hex digits"),
            (&format!("oci:dir:v1@{}", Digest::of(b"")), "write one of them"),
            (&format!("oci:@{}", Digest::of(b"")), "needs a directory"),
            ("store:a:b:c", "`:` cannot stand in the tag"),
            ("store:a//b", "empty part"),
            ("store:", "is empty"),
            ("store:A", "`A` cannot stand"),
            ("store:a@sha256:abc", "64 hex digits"),
            ("docker://", "is empty"),
            ("docker://https://x", "without `https://`"),
        ] {
            assert!(show(text).contains(part), "{text}: {}", show(text));
        }
    }
}
