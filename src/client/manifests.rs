//! Writing manifests: under their tags, and listed among the referrers of their subject.

use http::{HeaderValue, Method, header};
use serde_json::json;

use super::exchange::{Call, Exchange, push};
use super::pull::Forbidden;
use super::push::PushState;
use super::referrers::{fallback, fallback_tag};
use crate::image::{Algorithm, Descriptor, Digest, MediaType, RawManifest, RepositoryName, Selector, Tag};
use crate::outbound::{Replay, RequestBody, Response};
use crate::registry::{ErrorKind, Remedy, Result, TagCondition};
use crate::wire::{self, Action, Route, Scope};

/// How often a manifest is put again whose answer was lost.
const TRIES: usize = 3;

/// Puts a manifest in place, under every tag, and has it listed.
pub(super) async fn push_manifest(
    exchange: &Exchange,
    state: &PushState,
    repository: &RepositoryName,
    manifest: &RawManifest,
    tags: &[Tag],
    condition: TagCondition,
) -> Result<()> {
    let mut wanted: Vec<Selector> = Vec::new();
    for tag in tags {
        let selector = Selector::Tag(tag.clone());
        if condition == TagCondition::Absent && !is_free(exchange, repository, &selector, manifest).await? {
            continue;
        }
        wanted.push(selector);
    }
    if tags.is_empty() {
        wanted.push(Selector::Digest(manifest.digest().clone()));
    }
    let mut listed = false;
    for selector in &wanted {
        listed |= put(exchange, repository, manifest, selector).await?;
    }
    match manifest.manifest().subject() {
        Some(subject) if !listed => list_by_tag(exchange, state, repository, manifest, &subject.digest).await,
        _ => Ok(()),
    }
}

/// Whether a tag may be written where it must not exist: not at all, or already as wanted.
async fn is_free(
    exchange: &Exchange,
    repository: &RepositoryName,
    selector: &Selector,
    manifest: &RawManifest,
) -> Result<bool> {
    let found = exchange.resolve(repository, selector, push(repository), Forbidden::IsAbsent).await?;
    match found {
        None => Ok(true),
        Some(found) if found.digest == *manifest.digest() => Ok(false),
        Some(found) => {
            let name = format!("{}:{selector}", exchange.shown(repository));
            let message = format!("{name} exists already, as {}, and is not to be overwritten", found.digest);
            Err(exchange.error(ErrorKind::Conflict, message))
        }
    }
}

/// Puts the manifest under one name; says whether the registry listed it among its subject's referrers.
async fn put(
    exchange: &Exchange,
    repository: &RepositoryName,
    manifest: &RawManifest,
    selector: &Selector,
) -> Result<bool> {
    let what = exchange.named(repository, selector);
    let route = Route::Manifest { repository: repository.clone(), selector: selector.clone() };
    let unsendable = |_| exchange.error(ErrorKind::Rejected, format!("{what} has a type that cannot be sent"));
    let media_type = HeaderValue::from_str(manifest.media_type().as_str()).map_err(unsendable)?;
    for tries_left in (0..TRIES).rev() {
        let call = Call::new(Method::PUT, &route, push(repository))
            .header(header::CONTENT_TYPE, media_type.clone())
            .body(RequestBody::Whole(vec![manifest.bytes().clone()]))
            .replay(Replay::UnlessHeard);
        match exchange.call(call).await {
            Ok(response) => return answered(exchange, manifest, &what, response).await,
            // The answer was lost, not necessarily the request: what is there tells.
            Err(error) if error.is_transient() => {
                let found = exchange.resolve(repository, selector, push(repository), Forbidden::IsAbsent).await;
                if found.is_ok_and(|found| found.is_some_and(|found| found.digest == *manifest.digest())) {
                    return Ok(false);
                }
                if tries_left == 0 || !error.is_worth_another_try() {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(exchange.error(ErrorKind::Unavailable, format!("{what} could not be put in place")))
}

async fn answered(exchange: &Exchange, manifest: &RawManifest, what: &str, response: Response) -> Result<bool> {
    if !matches!(response.status().as_u16(), 200..=204) {
        let error = exchange.refused(what, response).await;
        // Some call what a manifest lacks an unknown blob.
        if error.kind() == ErrorKind::MissingBlobs || error.missing().is_empty() {
            let about_type = matches!(error.kind(), ErrorKind::Rejected | ErrorKind::Unsupported);
            return Err(if about_type { error.with_remedy(Remedy::Other(types_of(manifest))) } else { error });
        }
        let missing = error.missing().to_vec();
        return Err(exchange.error(ErrorKind::MissingBlobs, error.to_string()).with_missing(missing).caused_by(error));
    }
    let found = wire::docker_content_digest(response.headers());
    let same_algorithm = found.filter(|found| found.algorithm() == manifest.digest().algorithm());
    if let Some(found) = same_algorithm.filter(|found| found != manifest.digest()) {
        let message = format!("{what} was stored as {found}, not as {}", manifest.digest());
        return Err(exchange.error(ErrorKind::Corrupt, message));
    }
    let listed = wire::subject(response.headers());
    Ok(listed.is_some() && listed.as_ref() == manifest.manifest().subject().map(|subject| &subject.digest))
}

/// Says of which types a manifest is that was refused: many registries take only some.
fn types_of(manifest: &RawManifest) -> String {
    let artifact_type = manifest.manifest().artifact_type();
    let artifact = artifact_type.map_or_else(String::new, |kind| format!(", with the artifact type {kind}"));
    format!("the manifest is of the type {}{artifact}; the registry may take other types alone", manifest.media_type())
}

/// Adds the manifest to the fallback tag's list, which whoever pushes keeps where the registry does not.
async fn list_by_tag(
    exchange: &Exchange,
    state: &PushState,
    repository: &RepositoryName,
    manifest: &RawManifest,
    subject: &Digest,
) -> Result<()> {
    // One at a time: the list is read, changed and written.
    let _turn = state.fallback.lock().await;
    let Some(tag) = fallback_tag(subject) else { return Ok(()) };
    let old = fallback(exchange, repository, subject).await?;
    let (old_digest, mut listed) = old.map_or((None, Vec::new()), |(digest, listed)| (Some(digest), listed));
    if listed.iter().any(|descriptor| descriptor.digest == *manifest.digest()) {
        return Ok(());
    }
    let mut descriptor = manifest.descriptor();
    descriptor.annotations.clone_from(manifest.manifest().annotations());
    listed.push(descriptor);
    let index = index_of(exchange, &listed)?;
    put(exchange, repository, &index, &Selector::Tag(tag)).await?;
    if let Some(old) = old_digest {
        clean_up(exchange, repository, old).await;
    }
    Ok(())
}

fn index_of(exchange: &Exchange, listed: &[Descriptor]) -> Result<RawManifest> {
    let media_type = MediaType::oci_index();
    let index = json!({ "schemaVersion": 2, "mediaType": media_type.as_str(), "manifests": listed });
    let failed = |reason: String| exchange.error(ErrorKind::Rejected, format!("the list of referrers: {reason}"));
    let bytes = serde_json::to_vec(&index).map_err(|error| failed(error.to_string()))?;
    RawManifest::parse(bytes.into(), Some(&media_type), Algorithm::Sha256).map_err(|error| failed(error.to_string()))
}

/// Removes the list that was replaced, as far as the registry allows.
async fn clean_up(exchange: &Exchange, repository: &RepositoryName, old: Digest) {
    let route = Route::Manifest { repository: repository.clone(), selector: Selector::Digest(old) };
    let call = Call::new(Method::DELETE, &route, vec![Scope::repository(repository, [Action::Delete])]);
    if let Err(error) = exchange.call(call).await {
        tracing::debug!(%error, "the replaced list of referrers stays");
    }
}
