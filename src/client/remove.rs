//! Removing tags and manifests, in the few ways that registries allow it, and saying why where they do not.

use async_trait::async_trait;
use http::{Method, StatusCode};

use super::Client;
use super::exchange::{Call, Exchange};
use super::learnt::Scheme;
use crate::image::{Digest, RepositoryName, Selector, Tag};
use crate::outbound::Response;
use crate::registry::{Error, ErrorKind, Remedy, Remover, Result};
use crate::wire::{Action, Route, Scope};

#[async_trait]
impl Remover for Client {
    async fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<()> {
        let selector = Selector::Tag(tag.clone());
        let what = format!("to remove the tag {}:{tag}", self.exchange.shown(repository));
        let response = delete(&self.exchange, repository, selector).await?;
        if response.status().is_success() {
            return Ok(());
        }
        let error = self.exchange.refused(&what, response).await;
        let code = error.code().map(|code| code.as_str().to_owned()).unwrap_or_default();
        // Places that know manifests by digest alone call a tag a bad digest, or unsupported.
        let by_digest_only = matches!(error.status(), Some(400 | 405)) && error.kind() != ErrorKind::NotFound;
        let known_vendor = self.vendors_way(&error).is_some();
        if by_digest_only
            && !known_vendor
            && matches!(code.as_str(), "DIGEST_INVALID" | "UNSUPPORTED" | "TAG_INVALID" | "")
        {
            return Err(self.unsupported(
                &error,
                "removes no single tag",
                Some(
                    "`--by-placeholder` moves the tag to an empty manifest and removes that; \
                 `--manifest` removes the manifest with every tag that points at it",
                ),
            ));
        }
        Err(self.explained(error))
    }

    async fn remove_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        let what = format!("to remove the manifest {}@{digest}", self.exchange.shown(repository));
        let response = delete(&self.exchange, repository, Selector::Digest(digest.clone())).await?;
        if response.status().is_success() {
            return Ok(());
        }
        let error = self.exchange.refused(&what, response).await;
        Err(self.explained(error))
    }
}

/// Sends the request with the right to delete; with the right to push where no token for that is to be had, or
/// none that does.
async fn delete(exchange: &Exchange, repository: &RepositoryName, selector: Selector) -> Result<Response> {
    let route = Route::Manifest { repository: repository.clone(), selector };
    let scope = |action| vec![Scope::repository(repository, [Action::Pull, action])];
    let first = exchange.call(Call::new(Method::DELETE, &route, scope(Action::Delete))).await;
    let with_tokens = matches!(exchange.auth().scheme(), Some(Scheme::Bearer { .. }));
    let denied = match &first {
        Ok(response) => response.status() == StatusCode::UNAUTHORIZED && with_tokens,
        Err(error) => error.kind() == ErrorKind::Denied,
    };
    if denied { exchange.call(Call::new(Method::DELETE, &route, scope(Action::Push))).await } else { first }
}

impl Client {
    fn unsupported(&self, error: &Error, does: &str, remedy: Option<&str>) -> Error {
        let address = self.exchange.address();
        let mut explained = self.exchange.error(ErrorKind::Unsupported, format!("{address} {does}: {error}"));
        if let Some(status) = error.status() {
            explained = explained.with_status(status);
        }
        if let Some(code) = error.code() {
            explained = explained.with_code(code.clone());
        }
        match remedy {
            Some(remedy) => explained.with_remedy(Remedy::Other(remedy.to_owned())),
            None => explained,
        }
    }

    /// Says what the vendor offers where the protocol's way is closed.
    fn explained(&self, error: Error) -> Error {
        let code = error.code().map(|code| code.as_str().to_owned()).unwrap_or_default();
        if code == "GOOGLE_MANIFEST_DANGLING_TAG" || code == "GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE" {
            let hint = "remove its tags first, then the indexes that name it, then the manifest itself";
            return error.with_remedy(Remedy::Other(hint.to_owned()));
        }
        if let Some(hint) = self.vendors_way(&error) {
            return error.with_remedy(Remedy::Other(hint.to_owned()));
        }
        if error.kind() != ErrorKind::Unsupported {
            return error;
        }
        let hint = "the registry's owner may have to allow it (for distribution: `storage.delete.enabled: true`); \
                    the space comes back with its garbage collection";
        self.unsupported(&error, "does not remove anything", Some(hint))
    }

    /// How images are removed where the protocol's way is closed, as the services' operators document it.
    fn vendors_way(&self, error: &Error) -> Option<&'static str> {
        let host = self.exchange.address().host();
        let is_at = |end: &str| host == end || host.ends_with(&format!(".{end}"));
        match error.kind() {
            ErrorKind::Unsupported | ErrorKind::NotFound | ErrorKind::Denied if is_at("docker.io") => {
                Some("Docker Hub removes tags only by its own API: https://docs.docker.com/reference/api/hub/latest/")
            }
            ErrorKind::Unsupported | ErrorKind::NotFound | ErrorKind::Denied if is_at("ghcr.io") => Some(
                "GitHub removes package versions only by its own API: `gh api -X DELETE /orgs/ORG/packages/container/NAME/versions/ID`",
            ),
            ErrorKind::Unsupported | ErrorKind::NotFound if is_at("amazonaws.com") => {
                Some("ECR removes images with `aws ecr batch-delete-image`")
            }
            ErrorKind::Denied if is_at("gitlab.com") => Some(
                "GitLab's job token cannot delete: use a personal or project access token with the right to write the registry",
            ),
            _ => None,
        }
    }
}
