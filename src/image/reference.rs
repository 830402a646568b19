//! Image references: `[registry[:port]/]repository[:tag][@digest]`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{
    AddressError, Digest, DigestError, DigestPrefix, NameError, RegistryAddress, RepositoryName, StreamNameError, Tag,
    TagError,
};

/// What completes a short name and tells registries from repositories: the configuration's part in parsing.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// The addresses of the configured remote registries; a first part equal to one of them is a registry.
    pub known: BTreeSet<RegistryAddress>,
    /// The default remote registry, where one is set.
    pub default: Option<RegistryPath>,
}

impl Naming {
    /// How docker completes short names: they are Docker Hub's.
    #[must_use]
    pub fn of_docker() -> Self {
        let default = RegistryAddress::docker_hub();
        Self { known: BTreeSet::new(), default: Some(RegistryPath { registry: default, path: None }) }
    }
}

/// A registry with an optional path that is put before every repository there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryPath {
    /// The registry.
    pub registry: RegistryAddress,
    /// The path, where one is written.
    pub path: Option<RepositoryName>,
}

impl RegistryPath {
    /// The name that `repository` has below this path.
    ///
    /// # Errors
    /// The whole would be too long.
    pub fn repository(&self, repository: &RepositoryName) -> Result<RepositoryName, NameError> {
        match &self.path {
            Some(path) => repository.below(path),
            None => Ok(complete(&self.registry, repository.clone())),
        }
    }

    /// The name below this path of a repository of `registry`: the reverse of [`RegistryPath::repository`]; `None`
    /// where it does not lie there.
    #[must_use]
    pub fn below(&self, registry: &RegistryAddress, repository: &RepositoryName) -> Option<RepositoryName> {
        if *registry != self.registry {
            return None;
        }
        match &self.path {
            Some(path) => repository.as_str().strip_prefix(path.as_str())?.strip_prefix('/')?.parse().ok(),
            None => Some(repository.clone()),
        }
    }
}

impl FromStr for RegistryPath {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(ReferenceError::scheme(scheme, rest));
        }
        let (address, path) = match text.split_once('/') {
            Some((address, path)) => (address, Some(path.trim_end_matches('/'))),
            None => (text, None),
        };
        let path = path.filter(|path| !path.is_empty()).map(str::parse).transpose()?;
        Ok(Self { registry: address.parse()?, path })
    }
}

impl fmt::Display for RegistryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}/{path}", self.registry),
            None => write!(f, "{}", self.registry),
        }
    }
}

/// What picks one manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// A name that can move.
    Tag(Tag),
    /// The constant name.
    Digest(Digest),
}

impl Selector {
    /// How it stands behind the name of a repository: `:TAG` or `@DIGEST`.
    #[must_use]
    pub fn suffix(&self) -> String {
        match self {
            Self::Tag(tag) => format!(":{tag}"),
            Self::Digest(digest) => format!("@{digest}"),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => fmt::Display::fmt(tag, f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

/// An image in a registry, completely named.
///
/// At least one of tag and digest is there: parsing puts `latest` where neither stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    /// The registry.
    pub registry: RegistryAddress,
    /// The repository there.
    pub repository: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// The image that `selector` picks.
    #[must_use]
    pub fn new(registry: RegistryAddress, repository: RepositoryName, selector: Selector) -> Self {
        let (tag, digest) = match selector {
            Selector::Tag(tag) => (Some(tag), None),
            Selector::Digest(digest) => (None, Some(digest)),
        };
        Self { registry, repository, tag, digest }
    }

    /// Reads a reference, completing a short name by `naming`.
    ///
    /// The part before the first `/` is a registry where `naming` knows it, or where it holds a `.` or a `:`,
    /// or is `localhost`; else the whole is a repository in the default remote registry.
    ///
    /// # Errors
    /// Names the part that is wrong and the rule that it breaks.
    pub fn parse(text: &str, naming: &Naming) -> Result<Self, ReferenceError> {
        let (name, tag, digest) = split(text)?;
        let digest = digest.map(whole_digest).transpose()?;
        let (registry, repository) = place(name, naming)?;
        let tag = match tag {
            Some(tag) => Some(tag.parse()?),
            None if digest.is_none() => Some(Tag::latest()),
            None => None,
        };
        Ok(Self { registry, repository, tag, digest })
    }

    /// Reads the name of a repository, without tag and digest.
    ///
    /// # Errors
    /// As [`ImageReference::parse`], and where a tag or digest is written.
    pub fn parse_repository(text: &str, naming: &Naming) -> Result<(RegistryAddress, RepositoryName), ReferenceError> {
        match split(text)? {
            (name, None, None) => place(name, naming),
            (name, _, _) => Err(ReferenceError::NotRepository(name.to_owned())),
        }
    }

    /// The tag, where one is named.
    #[must_use]
    pub const fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, where one is named.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What it is fetched by: the digest where there is one, the tag being but a label then.
    #[must_use]
    pub fn selector(&self) -> Selector {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Selector::Digest(digest.clone()),
            (None, Some(tag)) => Selector::Tag(tag.clone()),
            (None, None) => Selector::Tag(Tag::latest()),
        }
    }

    /// An image of the same tag and digest in another repository.
    #[must_use]
    pub fn moved(&self, registry: RegistryAddress, repository: RepositoryName) -> Self {
        Self { registry, repository, ..self.clone() }
    }

    /// The same image under another tag, or with its digest known.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Splits a reference into name, tag and digest, without judging them.
pub(super) fn split(text: &str) -> Result<(&str, Option<&str>, Option<&str>), ReferenceError> {
    if text.is_empty() {
        return Err(ReferenceError::Empty);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(ReferenceError::scheme(scheme, rest));
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let after_slash = rest.rfind('/').map_or(0, |slash| slash + 1);
    // A bracket belongs to an IPv6 host, whose colons are no tag's.
    let bracket = rest.rfind(']').map_or(0, |bracket| bracket + 1);
    let from = after_slash.max(bracket);
    match rest[from..].find(':') {
        Some(colon) => Ok((&rest[..from + colon], Some(&rest[from + colon + 1..]), digest)),
        None => Ok((rest, None, digest)),
    }
}

fn place(name: &str, naming: &Naming) -> Result<(RegistryAddress, RepositoryName), ReferenceError> {
    if let Some((first, rest)) = name.split_once('/')
        && is_registry(first, naming)
    {
        let registry: RegistryAddress = first.parse()?;
        let repository = complete(&registry, rest.parse()?);
        check_length(&registry, &repository)?;
        return Ok((registry, repository));
    }
    let repository: RepositoryName = name.parse()?;
    let default = naming.default.as_ref().ok_or_else(|| ReferenceError::NoDefault(name.to_owned()))?;
    let repository = default.repository(&repository)?;
    check_length(&default.registry, &repository)?;
    Ok((default.registry.clone(), repository))
}

fn is_registry(first: &str, naming: &Naming) -> bool {
    first.contains(['.', ':'])
        || first.eq_ignore_ascii_case("localhost")
        || first.parse().is_ok_and(|address| naming.known.contains(&address))
}

/// Puts `library/` before a one-word repository of Docker Hub.
fn complete(registry: &RegistryAddress, repository: RepositoryName) -> RepositoryName {
    if registry.is_docker_hub() && !repository.as_str().contains('/') {
        return format!("library/{repository}").parse().unwrap_or(repository);
    }
    repository
}

fn check_length(registry: &RegistryAddress, repository: &RepositoryName) -> Result<(), ReferenceError> {
    let length = registry.to_string().len() + 1 + repository.as_str().len();
    if length > 255 { Err(NameError::Long(length).into()) } else { Ok(()) }
}

fn whole_digest(text: &str) -> Result<Digest, ReferenceError> {
    match (text.parse(), text.parse::<DigestPrefix>()) {
        (Ok(digest), _) => Ok(digest),
        (Err(_), Ok(prefix)) => Err(ReferenceError::Truncated(prefix.to_string())),
        (Err(error), Err(_)) => Err(error.into()),
    }
}

/// Why a text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing stands there.
    #[error("the image reference is empty")]
    Empty,
    /// A URL stands where a reference should.
    #[error("an image is named without `{}://`: `{}`", scheme.escape_debug(), rest.escape_debug())]
    Scheme {
        /// What stands before `://`.
        scheme: String,
        /// The right form.
        rest: String,
    },
    /// A short name, and no default remote registry to look it up in.
    #[error("`{}` names no registry, and no default remote registry is set", .0.escape_debug())]
    NoDefault(String),
    /// A tag or digest where a repository alone is wanted.
    #[error("a repository is wanted here, without tag and digest: `{}`", .0.escape_debug())]
    NotRepository(String),
    /// A truncated digest where only whole ones can be looked up.
    #[error("`@{0}` is a truncated digest; only the local store can look one up, a registry needs the whole")]
    Truncated(String),
    /// The registry part is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The repository part is wrong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The tag is wrong.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The digest is wrong.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The name of a stream is wrong.
    #[error(transparent)]
    Stream(#[from] StreamNameError),
}

impl ReferenceError {
    fn scheme(scheme: &str, rest: &str) -> Self {
        Self::Scheme { scheme: scheme.to_owned(), rest: rest.to_owned() }
    }

    /// What to do about it, where there is more to say than the rule.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoDefault(name) => Some(format!(
                "run `tranship settings set default-remote-registry docker.io`, or write the registry in front: `docker.io/{name}`"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn naming(default: Option<&str>) -> Naming {
        Naming { known: ["edge".parse().unwrap()].into(), default: default.map(|text| text.parse().unwrap()) }
    }

    fn show(text: &str, default: Option<&str>) -> String {
        ImageReference::parse(text, &naming(default)).map_or_else(|e| format!("error: {e}"), |r| r.to_string())
    }

    #[test]
    fn what_is_a_registry() {
        let hub = Some("docker.io");
        let cases = [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("os/alpine", "docker.io/os/alpine:latest"),
            ("registry-1.docker.io/nginx:stable-alpine", "docker.io/library/nginx:stable-alpine"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("LOCALHOST/x", "localhost/x:latest"),
            ("localhost:5000/x:1", "localhost:5000/x:1"),
            ("edge/x", "edge/x:latest"),
            ("edges/x", "docker.io/edges/x:latest"),
            ("[::1]:5000/x", "[::1]:5000/x:latest"),
            ("[::1]/x:v", "[::1]/x:v"),
            ("REG.example.com/a/b:V1", "reg.example.com/a/b:V1"),
            ("reg.example.com:443/x", "reg.example.com:443/x:latest"),
        ];
        for (text, expected) in cases {
            assert_eq!(show(text, hub), expected, "{text}");
        }
        assert_eq!(show("x", Some("reg.example.com/team")), "reg.example.com/team/x:latest");
        assert_eq!(show("x", Some("docker.io/team")), "docker.io/team/x:latest");
    }

    #[test]
    fn tag_and_digest_stand_together_and_the_digest_counts() {
        let text = format!("reg.example.com/a:v1@sha256:{HEX}");
        let reference = ImageReference::parse(&text, &naming(None)).unwrap();
        assert_eq!(reference.to_string(), text);
        assert_eq!(reference.selector(), Selector::Digest(format!("sha256:{HEX}").parse().unwrap()));
        let untagged = show(&format!("reg.example.com/a@sha256:{HEX}"), None);
        assert_eq!(untagged, format!("reg.example.com/a@sha256:{HEX}"));
    }

    #[test]
    fn bad_references_name_the_part() {
        let cases = [
            ("", "is empty"),
            ("alpine", "no default remote registry is set"),
            ("https://reg.example.com/a", "without `https://`: `reg.example.com/a`"),
            ("reg.example.com/", "repository name is empty"),
            ("reg.example.com/A", "`A` cannot stand in the repository part `A`"),
            ("a/b:5000/c", "`:` cannot stand in the repository part `b:5000`"),
            ("reg.example.com/a:", "the tag is empty"),
            ("reg.example.com/a:b:c", "`:` cannot stand in the tag"),
            ("reg.example.com/a@", "ALGORITHM:HEX"),
            ("reg.example.com/a@sha256:abcdef0", "truncated digest"),
            ("reg.example.com/a@md5:abcdef0", "`md5` is not known"),
            ("reg.example.com:99999/a", "not a port"),
            ("reg.example.com@evil/a", "ALGORITHM:HEX"),
            ("reg.example.com/a\u{1b}[31m", "`\\u{1b}` cannot stand"),
            ("reg.example.com/a%0d%0aX:1", "`%` cannot stand"),
        ];
        for (text, part) in cases {
            let shown = show(text, None);
            assert!(shown.starts_with("error: ") && shown.contains(part), "{text}: {shown}");
        }
    }

    #[test]
    fn what_lies_below_a_path_is_found_again() {
        let path = |text: &str| text.parse::<RegistryPath>().unwrap();
        let (registry, name): (RegistryAddress, RepositoryName) = ("a.b".parse().unwrap(), "x/y".parse().unwrap());
        for text in ["a.b", "a.b/team", "a.b/team/x"] {
            let whole = path(text).repository(&name).unwrap();
            assert_eq!(path(text).below(&registry, &whole), Some(name.clone()), "{text}");
        }
        for text in ["a.b:1/x", "a.b/x/y", "a.b/z", "a.b/x/y/z"] {
            assert_eq!(path(text).below(&registry, &name), None, "{text}");
        }
    }

    #[test]
    fn the_255_characters_include_the_host() {
        let host = "reg.example.com";
        let fits = format!("{host}/{}", "a".repeat(255 - host.len() - 1));
        assert!(ImageReference::parse(&fits, &naming(None)).is_ok());
        assert!(show(&format!("{fits}a"), None).contains("256 characters"));
    }

    #[test]
    fn repositories_stand_alone() {
        let parse = |text| ImageReference::parse_repository(text, &naming(None));
        let (registry, repository) = parse("reg.example.com/a/b").unwrap();
        assert_eq!((registry.to_string(), repository.to_string()), ("reg.example.com".into(), "a/b".into()));
        assert!(parse("reg.example.com/a:v1").unwrap_err().to_string().contains("without tag"));
    }

    proptest! {
        #[test]
        fn references_round_trip(
            host in "([a-z][a-z0-9]{0,5}[.][a-z]{2,3}|localhost|\\[::1\\])(:[1-9][0-9]{0,3})?",
            name in "[a-z0-9]{1,4}(/[a-z0-9]{1,4}([._-][a-z0-9]{1,4})?){0,3}",
            tag in proptest::option::of("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}"),
            digest in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)),
        ) {
            let mut text = format!("{host}/{name}");
            if let Some(tag) = &tag { text = format!("{text}:{tag}"); }
            if let Some(bytes) = &digest { text = format!("{text}@{}", Digest::of(bytes)); }
            let reference = ImageReference::parse(&text, &Naming::default()).unwrap();
            let again = ImageReference::parse(&reference.to_string(), &Naming::default()).unwrap();
            prop_assert_eq!(&reference, &again);
            if tag.is_some() || digest.is_some() {
                prop_assert_eq!(reference.to_string(), text);
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = ImageReference::parse(&text, &naming(Some("docker.io")));
        }
    }
}
