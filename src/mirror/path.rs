//! Repositories and groups of them, as rules name them.

use std::collections::BTreeSet;
use std::fmt;

use crate::image::{
    Digest, ImageReference, Naming, ReferenceError, RegistryAddress, RegistryPath, RepositoryName, Selector, Tag,
};

/// Where repositories are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Home {
    /// In a registry.
    Registry(RegistryAddress),
    /// In the local store.
    Store,
}

/// A repository somewhere: `registry.example.com/os/alpine`, `store:os/alpine`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryPath {
    /// Where it is.
    pub home: Home,
    /// Its name there.
    pub repository: RepositoryName,
}

/// What a rule takes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `REPOSITORY`: one, of which the rule picks tags.
    Repository(RepositoryPath),
    /// `REPOSITORY:TAG`, `REPOSITORY@DIGEST` or both: one image.
    Image {
        /// Its repository.
        path: RepositoryPath,
        /// The tag that it is to have, where one is named.
        tag: Option<Tag>,
        /// The digest that it is, where one is named.
        digest: Option<Digest>,
    },
    /// `REGISTRY/*` or `REGISTRY/NAMESPACE/*`: all that the catalogue shows below it.
    Namespace {
        /// Where.
        home: Home,
        /// The namespace; none for all that is there.
        within: Option<RepositoryName>,
    },
}

/// Why a text names no repository, or no group of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The name in it is wrong.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A kind of place that holds no repositories.
    #[error("`{}` is no repository; those of registries and of the store (`store:NAME`) are", .0.escape_debug())]
    Kind(String),
    /// A `*` that is not the last part.
    #[error("`*` stands for whole repositories and can be the last part alone, as in `quay.io/prometheus/*`")]
    Star,
    /// A digest where one is to be written to.
    #[error("`{}` names a digest, which follows from what is written", .0.escape_debug())]
    Digest(String),
    /// A tag behind a `*`.
    #[error("`{}` names tags of many repositories; pick those with `tags`", .0.escape_debug())]
    StarTag(String),
    /// A registry without a repository.
    #[error("`{}` names a registry and no repository; `{}/*` stands for all of them", .0.escape_debug(), .0.escape_debug())]
    Whole(String),
}

/// What stands in the place of `*` while the rest of a name is read: two parts, so that Docker Hub adds none.
const PROBE: &str = "probe/probe";

impl RepositoryPath {
    /// Reads the name of one repository.
    ///
    /// # Errors
    /// Names the part that is wrong.
    pub fn parse(text: &str, naming: &Naming) -> Result<Self, PathError> {
        if let Some(name) = text.strip_prefix("store:") {
            return Ok(Self { home: Home::Store, repository: name.parse().map_err(ReferenceError::from)? });
        }
        let text = registry_form(text)?;
        refuse_registry(text, naming)?;
        let (registry, repository) = ImageReference::parse_repository(text, naming)?;
        Ok(Self { home: Home::Registry(registry), repository })
    }

    /// The whole name as one repository: `quay.io/prometheus/node` for that of `quay.io`, as at home.
    ///
    /// # Errors
    /// The name breaks a rule.
    pub fn at_home(&self) -> Result<RepositoryName, ReferenceError> {
        match &self.home {
            Home::Registry(registry) => Ok(RepositoryName::at_home(registry, &self.repository)?),
            Home::Store => Ok(self.repository.clone()),
        }
    }

    /// An image of it as it is shown.
    #[must_use]
    pub fn image(&self, selector: &Selector) -> String {
        format!("{self}{}", selector.suffix())
    }
}

/// A place below which repositories are put: a registry with or without a path, or the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Base {
    home: Home,
    prefix: Option<RepositoryName>,
}

impl Base {
    /// Reads `REGISTRY[/PATH]` or `store:[PATH]`.
    ///
    /// # Errors
    /// Names the part that is wrong.
    pub fn parse(text: &str, naming: &Naming) -> Result<Self, PathError> {
        let text = text.trim_end_matches("/*").trim_end_matches('/');
        if let Some(name) = text.strip_prefix("store:") {
            let prefix = (!name.is_empty() && name != "*").then(|| name.parse()).transpose();
            return Ok(Self { home: Home::Store, prefix: prefix.map_err(ReferenceError::from)? });
        }
        let text = registry_form(text)?;
        if let Ok(path) = text.parse::<RegistryPath>()
            && (text.contains(['.', ':']) || text.starts_with("localhost") || naming.known.contains(&path.registry))
        {
            let prefix = text.split_once('/').map(|(_, prefix)| prefix.parse()).transpose();
            return Ok(Self { home: Home::Registry(path.registry), prefix: prefix.map_err(ReferenceError::from)? });
        }
        let (registry, repository) = ImageReference::parse_repository(text, naming)?;
        Ok(Self { home: Home::Registry(registry), prefix: Some(repository) })
    }

    /// The repository `name` below it.
    ///
    /// # Errors
    /// The name would be too long.
    pub(super) fn join(&self, name: &RepositoryName) -> Result<RepositoryPath, ReferenceError> {
        let repository = match &self.prefix {
            Some(prefix) => name.below(prefix)?,
            None => name.clone(),
        };
        Ok(RepositoryPath { home: self.home.clone(), repository })
    }
}

impl Subject {
    /// Reads what a rule takes from.
    ///
    /// # Errors
    /// Names the part that is wrong.
    pub fn parse(text: &str, naming: &Naming) -> Result<Self, PathError> {
        if let Some(group) = text.strip_suffix("/*").or_else(|| text.strip_suffix(":*").filter(|kind| *kind == "store"))
        {
            return namespace(group, naming);
        }
        if text.contains('*') {
            let behind = text.rsplit_once("/*").is_some_and(|(_, rest)| rest.starts_with([':', '@']));
            return Err(if behind { PathError::StarTag(text.to_owned()) } else { PathError::Star });
        }
        let (home, name) = match text.strip_prefix("store:") {
            Some(name) => (Some(Home::Store), name),
            None => (None, registry_form(text)?),
        };
        if home.is_none() {
            refuse_registry(name, naming)?;
        }
        // A reference where no tag and no digest stands gets `latest`; here all tags are meant then.
        let behind = &name[name.rfind('/').map_or(0, |slash| slash + 1)..];
        if !behind.contains([':', '@']) {
            return Ok(Self::Repository(RepositoryPath::parse(text, naming)?));
        }
        let local = Naming { known: BTreeSet::new(), default: "store.invalid".parse().ok() };
        let naming = if home.is_some() { &local } else { naming };
        // In the store a name is never completed; a registry that stands in it is a part of it.
        let reference = match &home {
            Some(_) => ImageReference::parse(&format!("store.invalid/{name}"), naming)?,
            None => ImageReference::parse(name, naming)?,
        };
        let home = home.unwrap_or_else(|| Home::Registry(reference.registry.clone()));
        let path = RepositoryPath { home, repository: reference.repository.clone() };
        Ok(Self::Image { path, tag: reference.tag().cloned(), digest: reference.digest().cloned() })
    }

    /// Whether `repository` of its home is one of those that it stands for.
    #[must_use]
    pub fn holds(&self, repository: &RepositoryName) -> bool {
        match self {
            Self::Repository(path) | Self::Image { path, .. } => path.repository == *repository,
            Self::Namespace { within: None, .. } => true,
            Self::Namespace { within: Some(within), .. } => below(within, repository).is_some(),
        }
    }
}

/// What of `repository` lies below `within`.
pub(super) fn below<'r>(within: &RepositoryName, repository: &'r RepositoryName) -> Option<&'r str> {
    repository.as_str().strip_prefix(within.as_str())?.strip_prefix('/')
}

fn namespace(group: &str, naming: &Naming) -> Result<Subject, PathError> {
    if group.contains('*') {
        return Err(PathError::Star);
    }
    if let Some(name) = group.strip_prefix("store:") {
        return Ok(Subject::Namespace { home: Home::Store, within: Some(name.parse().map_err(ReferenceError::from)?) });
    }
    if group == "store" {
        return Ok(Subject::Namespace { home: Home::Store, within: None });
    }
    let group = registry_form(group)?;
    let (registry, probe) = ImageReference::parse_repository(&format!("{group}/{PROBE}"), naming)?;
    let within = probe.as_str().strip_suffix(PROBE).unwrap_or_default().trim_end_matches('/');
    let within = (!within.is_empty()).then(|| within.parse()).transpose().map_err(ReferenceError::from)?;
    Ok(Subject::Namespace { home: Home::Registry(registry), within })
}

fn registry_form(text: &str) -> Result<&str, PathError> {
    let text = text.strip_prefix("docker://").unwrap_or(text);
    let kinds = ["oci:", "oci-archive:", "docker-archive:", "dir:", "stream:"];
    if kinds.iter().any(|kind| text.starts_with(kind)) { Err(PathError::Kind(text.to_owned())) } else { Ok(text) }
}

/// A registry's address by itself would be read as a repository with a tag, or as one of the default registry.
fn refuse_registry(text: &str, naming: &Naming) -> Result<(), PathError> {
    let Ok(address) = text.parse::<RegistryAddress>() else { return Ok(()) };
    if naming.known.contains(&address) || address.port().is_some() && text.contains(['.', '[']) {
        return Err(PathError::Whole(text.to_owned()));
    }
    Ok(())
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(registry) => write!(f, "{registry}"),
            Self::Store => f.write_str("store"),
        }
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.home {
            Home::Registry(registry) => write!(f, "{registry}/{}", self.repository),
            Home::Store => write!(f, "store:{}", self.repository),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(path) => write!(f, "{path}"),
            Self::Image { path, tag, digest } => {
                write!(f, "{path}")?;
                tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
                digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
            }
            Self::Namespace { home: Home::Store, within: None } => f.write_str("store:*"),
            Self::Namespace { home: Home::Store, within: Some(within) } => write!(f, "store:{within}/*"),
            Self::Namespace { home, within: None } => write!(f, "{home}/*"),
            Self::Namespace { home, within: Some(within) } => write!(f, "{home}/{within}/*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming { known: BTreeSet::from(["known".parse().unwrap()]), default: Some("docker.io".parse().unwrap()) }
    }

    fn read(text: &str) -> String {
        match Subject::parse(text, &naming()) {
            Ok(Subject::Repository(path)) => format!("repository {path}"),
            Ok(image @ Subject::Image { .. }) => format!("image {image}"),
            Ok(group @ Subject::Namespace { .. }) => format!("group {group}"),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn what_a_rule_takes_from() {
        let cases = [
            ("docker.io/library/alpine", "repository docker.io/library/alpine"),
            ("alpine", "repository docker.io/library/alpine"),
            ("known/x", "repository known/x"),
            ("alpine:3.20", "image docker.io/library/alpine:3.20"),
            ("reg:5000/a/b:1", "image reg:5000/a/b:1"),
            ("quay.io/prometheus/*", "group quay.io/prometheus/*"),
            ("quay.io/*", "group quay.io/*"),
            ("docker.io/*", "group docker.io/*"),
            ("known/*", "group known/*"),
            ("team/*", "group docker.io/team/*"),
            ("reg:5000/*", "group reg:5000/*"),
            ("store:*", "group store:*"),
            ("store:a/*", "group store:a/*"),
            ("store:a/b", "repository store:a/b"),
            ("store:quay.io/b:1", "image store:quay.io/b:1"),
            ("store:app:1", "image store:app:1"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
        for (text, part) in [
            ("quay.io/*/x", "last part"),
            ("quay.io/x/*:latest", "with `tags`"),
            ("oci:dir", "is no repository"),
            ("a*", "last part"),
            ("known", "no repository"),
            ("10.0.0.1:5000", "no repository"),
            ("https://x/y", "without"),
        ] {
            assert!(read(text).contains(part), "{text}: {}", read(text));
        }
    }

    #[test]
    fn what_lies_below_a_place() {
        let base = |text: &str| Base::parse(text, &naming()).unwrap();
        let join = |text: &str| base(text).join(&"quay.io/node".parse().unwrap()).unwrap().to_string();
        assert_eq!(join("reg.example.com:5000"), "reg.example.com:5000/quay.io/node");
        assert_eq!(join("reg:5000/mirror"), "reg:5000/mirror/quay.io/node");
        assert_eq!(join("reg:5000/mirror/*"), "reg:5000/mirror/quay.io/node");
        assert_eq!(join("known"), "known/quay.io/node");
        assert_eq!(join("known/a/b"), "known/a/b/quay.io/node");
        assert_eq!(join("team/x"), "docker.io/team/x/quay.io/node");
        assert_eq!(join("store:"), "store:quay.io/node");
        assert_eq!(join("store:kept"), "store:kept/quay.io/node");
    }
}
