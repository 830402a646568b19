//! Locations: what a source or a destination can be, as a user writes it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::reference::split;
use super::{
    Digest, DigestPrefix, ImageReference, Naming, ReferenceError, RepositoryName, Selector, StreamReference, Tag,
};

/// The kinds of place that other tools know and this program does not. Nobody who writes one means an image of
/// that name with a tag.
const FOREIGN_KINDS: [&str; 3] = ["containers-storage", "docker-daemon", "sif"];

/// What a hint says of the kinds that are.
const KNOWN_KINDS: &str =
    "the kinds are `docker://`, `store:`, `oci:`, `oci-archive:`, `docker-archive:`, `dir:` and `stream:`";

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
    /// `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:REFERENCE]`: images in one tar.
    Archive {
        /// In which form the images are there.
        form: ArchiveForm,
        /// The tar.
        file: ArchiveFile,
        /// Which image of it.
        selector: LayoutSelector,
    },
    /// `dir:DIR`: one image in a plain directory, as skopeo writes it.
    Directory(PathBuf),
    /// `stream:NAME:TAG`: what a tag of a stream points at. A source only.
    Stream(StreamReference),
}

/// In which form images are in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArchiveForm {
    /// An OCI image layout.
    Oci,
    /// What `docker save` writes: a `manifest.json` that names files, and since docker 25 a layout beside it.
    Docker,
}

impl ArchiveForm {
    /// The word of the location's kind.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Oci => "oci-archive",
            Self::Docker => "docker-archive",
        }
    }
}

/// The tar of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ArchiveFile {
    /// A file.
    Path(PathBuf),
    /// `-`: standard input, or standard output.
    Standard,
}

impl ArchiveFile {
    /// The file that a word means; `-` is standard input or output.
    #[must_use]
    pub fn new(text: &str) -> Self {
        if text == "-" { Self::Standard } else { Self::Path(Path::new(text).to_owned()) }
    }
}

impl fmt::Display for ArchiveFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Standard => f.write_str("-"),
        }
    }
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

/// What picks an image of a layout directory or an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutSelector {
    /// The one image that it holds.
    Only,
    /// By the `org.opencontainers.image.ref.name` annotation, which is any text.
    Name(String),
    /// By digest.
    Digest(Digest),
    /// By its place among the images, counted from 0 (`:@N`).
    Number(usize),
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
            let (directory, selector) = within("oci", rest)?;
            return Ok(Self::Layout { directory: Path::new(directory).to_owned(), selector });
        }
        if let Some(rest) = text.strip_prefix("dir:") {
            return if rest.is_empty() { Err(LocationError::NoPlace("dir")) } else { Ok(Self::Directory(rest.into())) };
        }
        for form in [ArchiveForm::Oci, ArchiveForm::Docker] {
            if let Some(rest) = text.strip_prefix(form.word()).and_then(|rest| rest.strip_prefix(':')) {
                return archive(form, rest);
            }
        }
        if text == "-" {
            return Err(LocationError::BareDash);
        }
        if let Some(rest) = text.strip_prefix("stream:") {
            return Ok(Self::Stream(StreamReference::parse(rest)?));
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
            | Self::Layout { selector: LayoutSelector::Digest(digest), .. }
            | Self::Archive { selector: LayoutSelector::Digest(digest), .. }
            | Self::Stream(StreamReference { selector: Selector::Digest(digest), .. }) => Some(digest),
            Self::Store { .. } | Self::Layout { .. } | Self::Archive { .. } | Self::Directory(_) | Self::Stream(_) => {
                None
            }
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

/// An archive. The name of an image of docker's is a reference, a short one completed as docker does.
fn archive(form: ArchiveForm, text: &str) -> Result<Location, LocationError> {
    let (file, selector) = within(form.word(), text)?;
    let selector = match selector {
        LayoutSelector::Name(name) if form == ArchiveForm::Docker => {
            LayoutSelector::Name(ImageReference::parse(&name, &Naming::of_docker())?.to_string())
        }
        other => other,
    };
    Ok(Location::Archive { form, file: ArchiveFile::new(file), selector })
}

/// Splits what stands behind `kind:` into a path and what picks an image there.
fn within<'t>(kind: &'static str, text: &'t str) -> Result<(&'t str, LayoutSelector), LocationError> {
    let written = || format!("{kind}:{text}");
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
        (Some(""), _) => return Err(LocationError::EmptyName(written())),
        (Some(name), None) => match name.strip_prefix('@') {
            Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                LayoutSelector::Number(number.parse().map_err(|_| LocationError::Number(written()))?)
            }
            _ => LayoutSelector::Name(name.to_owned()),
        },
        (None, Some(digest)) => LayoutSelector::Digest(digest.parse().map_err(ReferenceError::from)?),
        (Some(_), Some(_)) => return Err(LocationError::NameAndDigest(written())),
    };
    if directory.is_empty() { Err(LocationError::NoPlace(kind)) } else { Ok((directory, selector)) }
}

/// Whether a digest is meant, right or wrong; a directory or a name may hold an `@` as well.
fn is_like_digest(text: &str) -> bool {
    text.starts_with("sha256:") || text.starts_with("sha512:")
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
            Self::Layout { directory, selector } => write!(f, "oci:{}{selector}", directory.display()),
            Self::Archive { form, file, selector } => write!(f, "{}:{file}{selector}", form.word()),
            Self::Directory(directory) => write!(f, "dir:{}", directory.display()),
            Self::Stream(reference) => write!(f, "stream:{reference}"),
        }
    }
}

impl fmt::Display for LayoutSelector {
    /// As it stands behind the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => Ok(()),
            Self::Name(name) => write!(f, ":{name}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
            Self::Number(number) => write!(f, ":@{number}"),
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
    #[error("`{kind}:` is not a kind of place that is known here")]
    Kind {
        /// What stands before the colon.
        kind: String,
        /// What stands behind it.
        rest: String,
    },
    /// `oci:` and its like without a directory or a file.
    #[error("`{0}:` needs a {what}", what = if .0.ends_with("archive") { "file" } else { "directory" })]
    NoPlace(&'static str),
    /// `oci:DIR:NAME@DIGEST`, where either would do.
    #[error("`{}` picks an image by name and by digest; write one of them", .0.escape_debug())]
    NameAndDigest(String),
    /// `oci:DIR:` without a name.
    #[error("the image name behind `{}` is empty", .0.escape_debug())]
    EmptyName(String),
    /// `oci-archive:FILE:@N` with a number that nothing has.
    #[error("the number of an image behind `{}` is too big", .0.escape_debug())]
    Number(String),
    /// `-` alone.
    #[error("`-` does not say in which form the image comes or goes")]
    BareDash,
}

impl LocationError {
    /// What to do about it, where there is more to say than the rule.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Reference(error) => error.hint(),
            Self::Kind { kind, rest } => Some(format!(
                "{KNOWN_KINDS}; if an image of the name `{kind}` is meant, write `docker://{kind}:{}`",
                rest.escape_debug()
            )),
            Self::NoPlace("oci") => Some("write `oci:DIR` or `oci:DIR:NAME`".to_owned()),
            Self::NoPlace("docker-archive") => {
                Some("write `docker-archive:FILE` or `docker-archive:FILE:REFERENCE`".to_owned())
            }
            Self::NoPlace("oci-archive") => Some("write `oci-archive:FILE` or `oci-archive:FILE:NAME`".to_owned()),
            Self::BareDash => Some("write `oci-archive:-` or `docker-archive:-`".to_owned()),
            Self::NoPlace(_) | Self::EmptyName(_) | Self::NameAndDigest(_) | Self::Number(_) => None,
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
            "oci:dir:@3".to_owned(),
            "oci-archive:app.tar".to_owned(),
            "oci-archive:-:v1".to_owned(),
            format!("oci-archive:C:\\app.tar@{digest}"),
            "docker-archive:app.tar:docker.io/library/alpine:3".to_owned(),
            "docker-archive:/a/app.tar:@0".to_owned(),
            "dir:/a/b:c".to_owned(),
            "stream:app:prod".to_owned(),
            format!("stream:app@{digest}"),
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
        // As docker completes it, whatever is configured here.
        assert_eq!(show("docker-archive:f:alpine"), "docker-archive:f:docker.io/library/alpine:latest");
        assert_eq!(show("docker-archive:f:team/a:1"), "docker-archive:f:docker.io/team/a:1");
        assert_eq!(show("stream:app"), "stream:app:latest");
    }

    #[test]
    fn bad_locations_name_the_part() {
        for (text, part) in [
            ("docker-daemon:app", "`docker-daemon:` is not a kind of place"),
            ("sif:x", "`sif:` is not a kind of place"),
            ("dir:", "`dir:` needs a directory"),
            ("oci-archive:", "`oci-archive:` needs a file"),
            ("docker-archive::v1", "`docker-archive:` needs a file"),
            ("docker-archive:f:A", "`A` cannot stand"),
            (&format!("docker-archive:f:a@{}", Digest::of(b"")), "write one of them"),
            ("oci-archive:f:@99999999999999999999999", "too big"),
            ("-", "does not say in which form"),
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
            ("stream:a/b:c", "holds a `/`"),
            ("docker://", "is empty"),
            ("docker://https://x", "without `https://`"),
        ] {
            assert!(show(text).contains(part), "{text}: {}", show(text));
        }
    }
}
