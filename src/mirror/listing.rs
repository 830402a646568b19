//! What rules name now: repositories of the catalogue, tags of the repositories, and what becomes of each.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::filter::{Newest, Order};
use super::{Error, Origin, Places, RepositoryPath, Rule, Subject, TagFilter};
use crate::image::{RepositoryName, Selector, Tag};
use crate::registry::{Catalog, ErrorKind};

/// How many images are read at once to learn when they were made.
const LOOKS: usize = 8;

/// The repositories that a rule takes from.
///
/// # Errors
/// The catalogue cannot be read, or shows none that the rule wants.
pub(super) async fn repositories(rule: &Rule, places: &dyn Places) -> Result<Vec<RepositoryPath>, Error> {
    let (home, within) = match &rule.from {
        Subject::Repository(path) | Subject::Image { path, .. } => return Ok(vec![path.clone()]),
        Subject::Namespace { home, within } => (home, within.as_ref()),
    };
    let catalog = places.catalog(home).await?;
    let wanted = |repository: &RepositoryName| {
        let rest = within.map_or(Some(repository.as_str()), |within| super::path::below(within, repository));
        rest.is_some_and(|_| rule.repositories.takes_name(repository.as_str()))
    };
    let mut found = Vec::new();
    let mut pages = catalog.repositories();
    while let Some(page) = pages.try_next().await? {
        let fresh = page.into_iter().filter(wanted);
        found.extend(fresh.map(|repository| RepositoryPath { home: home.clone(), repository }));
    }
    if found.is_empty() { Err(Error::NoRepositories) } else { Ok(found) }
}

/// What is to be handed on of a repository's tags.
pub(super) struct Wanted<'a> {
    pub(super) path: &'a RepositoryPath,
    pub(super) origin: &'a Origin,
    pub(super) tags: &'a TagFilter,
    pub(super) places: &'a dyn Places,
}

impl Wanted<'_> {
    /// Hands every wanted tag to `found`, page by page as far as the rule allows, and says how many there were.
    ///
    /// # Errors
    /// The list cannot be read; the repository has no tags; none is wanted.
    pub(super) async fn each(&self, mut found: impl AsyncFnMut(Tag)) -> Result<(), Error> {
        let (mut there, mut wanted) = (0, 0);
        let mut candidates = Vec::new();
        let mut pages = self.origin.list.tags(&self.path.repository);
        while let Some(page) = pages.try_next().await? {
            there += page.len();
            for tag in page.into_iter().filter(|tag| self.tags.filter.takes(tag)) {
                wanted += 1;
                if self.tags.newest.is_some() { candidates.push(tag) } else { found(tag).await }
            }
        }
        drop(pages);
        if let Some(newest) = self.tags.newest {
            let picked = self.newest(candidates, newest).await?;
            wanted = picked.len();
            for tag in picked {
                found(tag).await;
            }
        }
        match (there, wanted) {
            (0, _) => Err(Error::NoTags),
            (there, 0) => Err(Error::NothingWanted { there }),
            _ => Ok(()),
        }
    }

    async fn newest(&self, mut tags: Vec<Tag>, newest: Newest) -> Result<Vec<Tag>, Error> {
        let count = newest.count.get();
        if newest.order == Order::Semver {
            tags.retain(|tag| tag.version().is_some());
            tags.sort_by_cached_key(|tag| std::cmp::Reverse(tag.version()));
            tags.truncate(count);
            return Ok(tags);
        }
        let look = async |tag: Tag| {
            let selector = Selector::Tag(tag.clone());
            let made = self.places.created(&*self.origin.images, &self.path.repository, &selector).await;
            match made {
                Ok(made) => Ok((made, tag)),
                // It went between the list and the look.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok((None, tag)),
                Err(error) => Err(Error::from(error)),
            }
        };
        let dated = stream::iter(tags).map(look).buffered(LOOKS);
        let mut dated: Vec<(Option<Timestamp>, Tag)> = dated.try_collect().await?;
        dated.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| Tag::by_version(&a.1, &b.1)));
        dated.truncate(count);
        Ok(dated.into_iter().map(|(_, tag)| tag).collect())
    }
}

/// All tags of a repository; one that is not there has none.
///
/// # Errors
/// The list cannot be read.
pub(super) async fn all_tags(
    catalog: &Arc<impl Catalog + ?Sized>,
    repository: &RepositoryName,
) -> Result<Vec<Tag>, Error> {
    match catalog.tags(repository).try_concat().await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => Ok(listed?),
    }
}
