//! Scopes: what a token is asked for, `repository:a/b:pull,push` (distribution's token scope documentation).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::failure::{Failure, FailureKind};
use crate::image::RepositoryName;

/// The longest scope that is looked at, in bytes.
const MAX_SCOPE: usize = 1024;

/// Something that a token allows. Ordered as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Remove.
    Delete,
    /// Everything, `*`.
    Any,
    /// A word of the registry's own.
    Other(Box<str>),
}

impl Action {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Any => "*",
            Self::Other(word) => word,
        }
    }

    fn parse(word: &str) -> Self {
        match word {
            "pull" => Self::Pull,
            "push" => Self::Push,
            "delete" => Self::Delete,
            "*" => Self::Any,
            other => Self::Other(other.into()),
        }
    }
}

/// Actions on one resource. Two scopes that allow the same are equal, however they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The type of the resource: `repository`, `registry`, `repository(plugin)`.
    pub resource: Box<str>,
    /// Its name: the repository's, or `catalog`.
    pub name: Box<str>,
    /// What is allowed.
    pub actions: BTreeSet<Action>,
}

impl Scope {
    /// Actions on a repository.
    #[must_use]
    pub fn repository(repository: &RepositoryName, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { resource: "repository".into(), name: repository.as_str().into(), actions: actions.into_iter().collect() }
    }

    /// Reading the list of repositories.
    #[must_use]
    pub fn catalog() -> Self {
        Self { resource: "registry".into(), name: "catalog".into(), actions: BTreeSet::from([Action::Any]) }
    }

    /// Upkeep of the whole registry, as a registry of tranship's calls it.
    #[must_use]
    pub fn upkeep() -> Self {
        Self { resource: "registry".into(), name: "upkeep".into(), actions: BTreeSet::from([Action::Delete]) }
    }

    /// Whether whoever has this may do everything that `wanted` names.
    #[must_use]
    pub fn covers(&self, wanted: &Self) -> bool {
        self.resource == wanted.resource
            && self.name == wanted.name
            && (self.actions.contains(&Action::Any) || wanted.actions.is_subset(&self.actions))
    }

    /// Reads several scopes that stand in one value with spaces between (GitLab's challenges, OAuth2 forms);
    /// what cannot be read is left out.
    #[must_use]
    pub fn parse_list(text: &str) -> Vec<Self> {
        text.split_ascii_whitespace().filter_map(|scope| scope.parse().ok()).collect()
    }

    /// One scope per resource, with all the actions of all of `scopes`, in a constant order.
    #[must_use]
    pub fn union(scopes: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut merged = BTreeMap::<(Box<str>, Box<str>), BTreeSet<Action>>::new();
        for scope in scopes {
            merged.entry((scope.resource, scope.name)).or_default().extend(scope.actions);
        }
        merged.into_iter().map(|((resource, name), actions)| Self { resource, name, actions }).collect()
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() > MAX_SCOPE || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
            return Err(ScopeError);
        }
        // The name may hold a port, so it reaches from the first colon to the last.
        let (resource, rest) = text.split_once(':').ok_or(ScopeError)?;
        let (name, actions) = rest.rsplit_once(':').ok_or(ScopeError)?;
        if resource.is_empty() || name.is_empty() {
            return Err(ScopeError);
        }
        let actions = actions.split(',').filter(|word| !word.is_empty()).map(Action::parse).collect();
        Ok(Self { resource: resource.into(), name: name.into(), actions })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.resource, self.name)?;
        for (index, action) in self.actions.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", action.word())?;
        }
        Ok(())
    }
}

/// A text is not `TYPE:NAME:ACTIONS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is written TYPE:NAME:ACTIONS, e.g. repository:team/app:pull,push")]
pub struct ScopeError;

impl Failure for ScopeError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn the_order_of_actions_does_not_matter() {
        assert_eq!(scope("repository:a/b:push,pull"), scope("repository:a/b:pull,push,pull"));
        assert_eq!(scope("repository:a/b:zap,delete,push,pull").to_string(), "repository:a/b:pull,push,delete,zap");
        assert_eq!(scope("repository:host:5000/a:pull").name.as_ref(), "host:5000/a");
        assert_eq!(Scope::catalog().to_string(), "registry:catalog:*");
        assert_eq!(scope("repository:a:").actions.len(), 0);
    }

    #[test]
    fn a_union_names_each_resource_once() {
        let scopes = ["repository:b:pull", "repository:a:push", "repository:a:pull", "registry:catalog:*"].map(scope);
        let union: Vec<String> = Scope::union(scopes).iter().map(ToString::to_string).collect();
        assert_eq!(union, ["registry:catalog:*", "repository:a:pull,push", "repository:b:pull"]);
    }

    #[test]
    fn a_scope_covers_less_of_the_same() {
        assert!(scope("repository:a:pull,push").covers(&scope("repository:a:pull")));
        assert!(scope("repository:a:*").covers(&scope("repository:a:delete")));
        assert!(!scope("repository:a:pull").covers(&scope("repository:a:pull,push")));
        assert!(!scope("repository:a:pull").covers(&scope("repository:b:pull")));
    }

    #[test]
    fn several_scopes_in_one_value() {
        let list = Scope::parse_list("repository:a:pull  repository:b:pull junk");
        assert_eq!(list, [scope("repository:a:pull"), scope("repository:b:pull")]);
        for bad in ["", "repository", "repository:a", ":a:pull", "repository::pull", "re\u{e9}:a:pull", "a:\"b:c"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_again(text in "[a-z()]{1,9}:[a-z:/]{1,9}:([a-z*]{1,6},?){0,5}") {
            let once = scope(&text);
            prop_assert_eq!(scope(&once.to_string()), once);
        }
    }
}
