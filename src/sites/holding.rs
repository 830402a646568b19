//! What a registry holds: its repositories, and the tags of one with what they point at.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::image::{Descriptor, RepositoryName, Selector, Tag};
use crate::registry::{ErrorKind, Registry, Result};

/// How many tags are looked up at once.
const AT_ONCE: usize = 6;

/// The tags of a repository.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The repository, by its name in the registry.
    pub repository: RepositoryName,
    /// Every tag, and what it points at.
    pub tags: BTreeMap<Tag, Descriptor>,
}

/// The repositories of a registry below `path`, or all.
///
/// # Errors
/// As [`Catalog::repositories`](crate::registry::Catalog::repositories).
pub async fn repositories(registry: &dyn Registry, path: Option<&RepositoryName>) -> Result<Vec<RepositoryName>> {
    let pages: Vec<Vec<RepositoryName>> = registry.repositories().try_collect().await?;
    let is_there = |name: &RepositoryName| match path {
        Some(path) => name != path && name.is_within(path.as_str()),
        None => true,
    };
    Ok(pages.into_iter().flatten().filter(is_there).collect())
}

impl Holding {
    /// Looks what a repository holds. One that is not there holds nothing.
    ///
    /// # Errors
    /// Its tags cannot be listed or looked up.
    pub async fn of(registry: &dyn Registry, repository: RepositoryName) -> Result<Self> {
        let pages: Vec<Vec<Tag>> = match registry.tags(&repository).try_collect().await {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            pages => pages?,
        };
        // By value: over references the compiler cannot see that the whole can move between threads.
        let looks = pages.into_iter().flatten().map(|tag| look(registry, &repository, tag));
        let found: Vec<Option<(Tag, Descriptor)>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        Ok(Self { tags: found.into_iter().flatten().collect(), repository })
    }
}

/// A tag that goes between listing and looking is none.
async fn look(registry: &dyn Registry, repository: &RepositoryName, tag: Tag) -> Result<Option<(Tag, Descriptor)>> {
    let found = registry_resolve(registry, repository, &Selector::Tag(tag.clone())).await?;
    Ok(found.map(|found| (tag, found)))
}

/// Both sides of the contract can look up; here the reading one does.
pub(super) async fn registry_resolve(
    registry: &dyn Registry,
    repository: &RepositoryName,
    selector: &Selector,
) -> Result<Option<Descriptor>> {
    crate::registry::ImageSource::resolve(registry, repository, selector).await
}
