//! Lists: tags of a repository, repositories of a registry, page by page.
//!
//! Registries page in many ways: with and without `Link`, with opaque cursors, with paths that lead nowhere. Only
//! the query of a `Link` is taken, put to the path that we asked ourselves; and a list has to get somewhere.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http::Method;
use serde::Deserialize;

use super::Client;
use super::exchange::{Call, Exchange, pull};
use crate::image::{RepositoryName, Tag};
use crate::outbound::{Handed, Permit, Response};
use crate::registry::{Catalog, Error, ErrorKind, Remedy, Result};
use crate::wire::{self, Route, Scope};

/// How many entries are asked for at once: more is an error in some places.
const PAGE: u32 = 1000;
/// The longest page.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// How many pages may bring nothing new, one after the other.
const MAX_IDLE_PAGES: usize = 5;
/// The most entries of a list.
const MAX_ENTRIES: usize = 1_000_000;

impl Catalog for Client {
    fn tags<'a>(&'a self, repository: &'a RepositoryName) -> BoxStream<'a, Result<Vec<Tag>>> {
        let exchange = &*self.exchange;
        let list = List {
            first: Route::Tags { repository: repository.clone(), n: Some(PAGE), last: None },
            bare: Route::Tags { repository: repository.clone(), n: None, last: None },
            what: format!("the tags of {}", exchange.shown(repository)),
            scopes: pull(repository),
        };
        pages(exchange, list, |page: TagPage| page.tags)
            .map(|names| Ok(names?.iter().filter_map(|name| parsed::<Tag>(name)).collect()))
            .boxed()
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<RepositoryName>>> {
        let exchange = &*self.exchange;
        let list = List {
            first: Route::Catalog { n: Some(PAGE), last: None },
            bare: Route::Catalog { n: None, last: None },
            what: format!("the list of repositories of {}", exchange.address()),
            scopes: vec![Scope::catalog()],
        };
        pages(exchange, list, |page: CatalogPage| page.repositories)
            .map(|names| match names {
                Ok(names) => Ok(names.iter().filter_map(|name| parsed(name)).collect()),
                Err(error) => Err(without_catalog(exchange, error)),
            })
            .boxed()
    }
}

/// What is listed.
struct List {
    first: Route,
    /// The same without a page size, for places that dislike ours.
    bare: Route,
    what: String,
    scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct TagPage {
    #[serde(default)]
    tags: Option<Vec<Option<String>>>,
}

#[derive(Deserialize)]
struct CatalogPage {
    #[serde(default)]
    repositories: Option<Vec<Option<String>>>,
}

/// Where a list stands.
struct Progress<'a> {
    exchange: &'a Exchange,
    list: List,
    next: Option<Place>,
    /// The name that the last page ended with.
    last: Option<String>,
    /// Whether links turned out to lead nowhere, so that pages are asked for by the last name.
    links_are_lost: bool,
    /// Hashes of what was listed: a list of 100,000 tags is not held to find what comes twice.
    seen: HashSet<u64>,
    hasher: RandomState,
    queries: HashSet<String>,
    idle: usize,
}

enum Place {
    Route(Route),
    Url(Permit),
}

/// The pages of a list, each with what is new in it.
fn pages<'a, P>(
    exchange: &'a Exchange,
    list: List,
    entries: fn(P) -> Option<Vec<Option<String>>>,
) -> BoxStream<'a, Result<Vec<String>>>
where
    P: for<'de> Deserialize<'de> + Send + 'a,
{
    let next = Some(Place::Route(list.first.clone()));
    let progress = Progress {
        exchange,
        list,
        next,
        last: None,
        links_are_lost: false,
        seen: HashSet::new(),
        hasher: RandomState::new(),
        queries: HashSet::new(),
        idle: 0,
    };
    stream::try_unfold(progress, move |mut progress| async move {
        let Some(place) = progress.next.take() else { return Ok(None) };
        let fresh = progress.page(place, entries).await?;
        Ok(Some((fresh, progress)))
    })
    .boxed()
}

impl Progress<'_> {
    async fn page<P: for<'de> Deserialize<'de>>(
        &mut self,
        place: Place,
        entries: fn(P) -> Option<Vec<Option<String>>>,
    ) -> Result<Vec<String>> {
        let response = self.ask(place).await?;
        let (headers, url) = (response.headers().clone(), response.url().clone());
        let body = response.whole(MAX_PAGE_BYTES).await.map_err(|error| self.exchange.unanswered(&error))?;
        let page: P = serde_json::from_slice(&body).map_err(|error| {
            let message = format!("{} cannot be read: {error}", self.list.what);
            self.exchange.error(ErrorKind::Nonsense, message)
        })?;
        let names: Vec<String> = entries(page).unwrap_or_default().into_iter().flatten().collect();
        let count = names.len();
        self.last = names.last().cloned().or_else(|| self.last.take());
        let fresh: Vec<String> =
            names.into_iter().filter(|name| self.seen.insert(self.hasher.hash_one(name))).collect();
        let next = wire::next_page(&headers, &url).map_err(|error| self.exchange.misled(&error))?;
        self.next = match next {
            Some(_) if self.links_are_lost => self.after_last().filter(|_| !fresh.is_empty()),
            Some(next) => {
                let next = self.exchange.outbound().permit(Handed::NextPage, &url, next).await;
                Some(self.after_link(&next.map_err(|error| self.exchange.unanswered(&error))?)?)
            }
            // A page that is exactly full may not be the last, though nothing says so.
            None if count == PAGE as usize && !fresh.is_empty() => self.after_last(),
            None => None,
        };
        self.check(&fresh)?;
        Ok(fresh)
    }

    async fn ask(&mut self, place: Place) -> Result<Response> {
        let is_first = matches!(&place, Place::Route(route) if *route == self.list.first);
        let by_link = matches!(&place, Place::Url(_));
        let mut response = self.send(place).await?;
        if is_first && matches!(response.status().as_u16(), 400 | 413) {
            self.list.first = self.list.bare.clone();
            response = self.send(Place::Route(self.list.bare.clone())).await?;
        }
        if by_link
            && matches!(response.status().as_u16(), 400 | 404)
            && let Some(next) = self.after_last()
        {
            self.links_are_lost = true;
            response = self.send(next).await?;
        }
        match response.status().as_u16() {
            200 => Ok(response),
            _ => Err(self.exchange.refused(&self.list.what, response).await),
        }
    }

    async fn send(&self, place: Place) -> Result<Response> {
        let call = match place {
            Place::Route(route) => Call::new(Method::GET, &route, self.list.scopes.clone()),
            Place::Url(permit) => Call::at(Method::GET, permit, self.list.scopes.clone()),
        };
        self.exchange.call(call.accept("application/json").collected(MAX_PAGE_BYTES)).await
    }

    /// The next page by the query of a `Link`.
    fn after_link(&mut self, link: &Permit) -> Result<Place> {
        let query = link.url().query().unwrap_or_default().to_owned();
        if !self.queries.insert(query.clone()) {
            return Err(self.endless());
        }
        let own = self.exchange.outbound().at_home(&self.list.bare.path_and_query());
        let own = own.map_err(|error| self.exchange.unanswered(&error))?;
        Ok(Place::Url(own.with_query(Some(&query))))
    }

    /// The next page by the name that the last one ended with.
    fn after_last(&self) -> Option<Place> {
        let last = Some(self.last.clone()?);
        Some(Place::Route(match &self.list.first {
            Route::Tags { repository, n, .. } => Route::Tags { repository: repository.clone(), n: *n, last },
            Route::Catalog { n, .. } => Route::Catalog { n: *n, last },
            other => other.clone(),
        }))
    }

    /// A list has to get somewhere, and to end.
    fn check(&mut self, fresh: &[String]) -> Result<()> {
        self.idle = if fresh.is_empty() { self.idle + 1 } else { 0 };
        if (self.idle > MAX_IDLE_PAGES && self.next.is_some()) || self.seen.len() > MAX_ENTRIES {
            return Err(self.endless());
        }
        Ok(())
    }

    fn endless(&self) -> Error {
        self.exchange.error(ErrorKind::Nonsense, format!("{} do not end", self.list.what))
    }
}

/// A name, where it is one: some registries list digests and garbage among the tags.
fn parsed<T: std::str::FromStr>(name: &str) -> Option<T> {
    let parsed = name.parse().ok();
    if parsed.is_none() {
        tracing::debug!(name = %name.escape_debug(), "an entry of a list is passed over");
    }
    parsed
}

/// Says what can be done where a registry has no catalogue, or not for us.
fn without_catalog(exchange: &Exchange, error: Error) -> Error {
    let absent = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::Denied);
    if !absent {
        return error;
    }
    let host = exchange.address().host();
    let vendor = [
        ("docker.io", "Docker Hub lists repositories only at https://hub.docker.com/v2/repositories/NAMESPACE/"),
        ("ghcr.io", "GitHub lists packages at https://api.github.com/orgs/ORG/packages?package_type=container"),
        ("quay.io", "Quay lists repositories at https://quay.io/api/v1/repository?namespace=NAMESPACE"),
        (".amazonaws.com", "ECR lists repositories with `aws ecr describe-repositories`"),
        ("gitlab.com", "GitLab lists repositories at https://gitlab.com/api/v4/projects/ID/registry/repositories"),
    ];
    let hint = vendor.iter().find(|(end, _)| host.ends_with(end)).map_or(
        "many registries show the catalogue to administrators only, or have their own API for it",
        |(_, hint)| hint,
    );
    let kind = if error.kind() == ErrorKind::Denied { ErrorKind::Denied } else { ErrorKind::Unsupported };
    let mut explained = exchange.error(kind, format!("{} does not show its repositories", exchange.address()));
    if let Some(status) = error.status() {
        explained = explained.with_status(status);
    }
    explained.with_remedy(Remedy::Other(hint.to_owned())).caused_by(error)
}
