//! Lists: tags, repositories, referrers (distribution-spec 1.1, "Content Discovery").

use axum::response::Response;
use futures_util::TryStreamExt as _;
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::access::Principal;
use super::answer::{Code, Refusal, json, refused, set};
use super::{Answer, Server};
use crate::image::{Digest, MediaType, RepositoryName, Tag};
use crate::wire::Route;

/// The most entries of a page, whatever is asked for.
const MAX_PAGE: usize = 10_000;

impl Server {
    /// The tags of a repository.
    pub(super) async fn tags(&self, repository: &RepositoryName, n: Option<u32>, last: Option<&str>) -> Answer {
        let tags = self.all_tags(repository).await?;
        let names = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
        let page = Page::of(names, n, last);
        let next = |last| Route::Tags { repository: repository.clone(), n: page.n, last: Some(last) };
        let mut response = json(&json!({ "name": repository, "tags": page.names }));
        page.link(&mut response, next);
        Ok(response)
    }

    /// Every tag of a repository.
    pub(super) async fn all_tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>, Refusal> {
        self.host.tags(repository).try_concat().await.map_err(refused(Code::NameUnknown))
    }

    /// The repositories that whoever asks may read.
    pub(super) async fn catalog(&self, principal: &Principal, n: Option<u32>, last: Option<&str>) -> Answer {
        let pages = self.host.repositories().try_concat().await;
        let repositories = pages.map_err(refused(Code::NameUnknown))?;
        let seen = repositories.iter().filter(|name| principal.may_see(name));
        let names = seen.map(|name| name.as_str().to_owned()).collect();
        let page = Page::of(names, n, last);
        let mut response = json(&json!({ "repositories": page.names }));
        page.link(&mut response, |last| Route::Catalog { n: page.n, last: Some(last) });
        Ok(response)
    }

    /// What refers to a manifest, which need not be there.
    pub(super) async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Answer {
        let found = self.host.referrers(repository, subject, artifact_type).await;
        let found = found.map_err(refused(Code::NameUnknown))?;
        let index = MediaType::oci_index();
        let mut response = json(&json!({ "schemaVersion": 2, "mediaType": index, "manifests": found.manifests }));
        set(&mut response, header::CONTENT_TYPE, index.as_str());
        if artifact_type.is_some() {
            set(&mut response, http::HeaderName::from_static("oci-filters-applied"), "artifactType");
        }
        *response.status_mut() = StatusCode::OK;
        Ok(response)
    }
}

/// A part of a list of names.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Page {
    names: Vec<String>,
    n: Option<u32>,
    more: bool,
}

impl Page {
    /// The names behind `last`, at most `n` of them, in the specification's order: as if all were lower case.
    fn of(mut names: Vec<String>, n: Option<u32>, last: Option<&str>) -> Self {
        let place = |name: &str| (name.to_ascii_lowercase(), name.to_owned());
        names.sort_by_cached_key(|name| place(name));
        if let Some(last) = last {
            let last = place(last);
            names.retain(|name| place(name) > last);
        }
        let most = n.map_or(MAX_PAGE, |n| usize::try_from(n).unwrap_or(MAX_PAGE).min(MAX_PAGE));
        let more = names.len() > most && most > 0;
        names.truncate(most);
        Self { names, n, more }
    }

    /// Says where the next page is, where there is one (RFC 8288).
    fn link(&self, response: &mut Response, next: impl FnOnce(String) -> Route) {
        if let (true, Some(last)) = (self.more, self.names.last()) {
            let target = next(last.clone()).path_and_query();
            set(response, header::LINK, &format!("<{target}>; rel=\"next\""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: Option<u32>, last: Option<&str>) -> (Vec<String>, bool) {
        let names = ["b", "A", "c", "a", "B"].map(str::to_owned).to_vec();
        let page = Page::of(names, n, last);
        (page.names, page.more)
    }

    #[test]
    fn names_come_in_order_and_in_pages() {
        assert_eq!(page(None, None), (["A", "a", "B", "b", "c"].map(str::to_owned).to_vec(), false));
        assert_eq!(page(Some(2), None), (["A", "a"].map(str::to_owned).to_vec(), true));
        assert_eq!(page(Some(2), Some("a")), (["B", "b"].map(str::to_owned).to_vec(), true));
        assert_eq!(page(Some(2), Some("b")), (["c".to_owned()].to_vec(), false));
        assert_eq!(page(Some(0), None), (Vec::new(), false));
        assert_eq!(page(Some(u32::MAX), Some("bb")), (["c".to_owned()].to_vec(), false));
    }
}
