//! What refers to a manifest: by the API, or by the fallback tag where there is none (distribution-spec 1.1,
//! "Listing Referrers" and "Unavailable Referrers API").

use bytes::Bytes;
use futures_util::future::Either;
use http::{Method, header};

use super::exchange::{Call, Exchange, pull};
use crate::image::{Algorithm, Descriptor, Digest, Manifest, MediaType, RawManifest, RepositoryName, Selector, Tag};
use crate::outbound::{Handed, Response};
use crate::registry::{ErrorKind, Referrers, ReferrersFrom, Result};
use crate::wire::{self, Route};

/// The longest page of a list of referrers.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most referrers of one manifest, and the most pages that list them.
const MAX_REFERRERS: usize = 10_000;
const MAX_PAGES: usize = 100;

/// The tag under which a registry without the API keeps the list.
pub(super) fn fallback_tag(subject: &Digest) -> Option<Tag> {
    subject.as_tag().parse().ok()
}

/// Lists what refers to `subject`.
pub(super) async fn list(
    exchange: &Exchange,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
) -> Result<Referrers> {
    if exchange.learnt.hints().referrers != Some(false) {
        if let Some(manifests) = by_api(exchange, repository, subject, artifact_type).await? {
            return Ok(Referrers { manifests, from: ReferrersFrom::Api });
        }
        exchange.learnt.learn(|hints| hints.referrers = Some(false)).await;
    }
    let mut manifests = by_tag(exchange, repository, subject).await?;
    manifests.retain(|descriptor| is_of_type(descriptor, artifact_type));
    Ok(Referrers { manifests, from: ReferrersFrom::FallbackTag })
}

fn is_of_type(descriptor: &Descriptor, artifact_type: Option<&str>) -> bool {
    artifact_type.is_none() || descriptor.artifact_type.as_deref() == artifact_type
}

/// Asks the API; `None` where there is none.
async fn by_api(
    exchange: &Exchange,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
) -> Result<Option<Vec<Descriptor>>> {
    let artifact_type_sent = artifact_type.map(str::to_owned);
    let route = Route::Referrers {
        repository: repository.clone(),
        subject: subject.clone(),
        artifact_type: artifact_type_sent,
    };
    let mut call = Call::new(Method::GET, &route, pull(repository));
    let mut found = Vec::new();
    for _ in 0..MAX_PAGES {
        let response =
            exchange.call(call.accept("application/vnd.oci.image.index.v1+json").collected(MAX_PAGE_BYTES)).await?;
        let next = match page(exchange, repository, response, artifact_type, &mut found).await? {
            Either::Left(next) => next,
            Either::Right(NoApi) if found.is_empty() => return Ok(None),
            Either::Right(NoApi) => break,
        };
        let Some((base, next)) = next else {
            exchange.learnt.learn(|hints| hints.referrers = Some(true)).await;
            return Ok(Some(found));
        };
        let permit = exchange.outbound().permit(Handed::NextPage, &base, next).await;
        let permit = permit.map_err(|error| exchange.unanswered(&error))?;
        if found.len() > MAX_REFERRERS {
            break;
        }
        call = Call::at(Method::GET, permit, pull(repository));
    }
    let message = format!("the list of what refers to {subject} in {} does not end", exchange.shown(repository));
    Err(exchange.error(ErrorKind::Nonsense, message))
}

/// The registry has no referrers API.
struct NoApi;

/// The URL that was asked, and the next one.
type Next = Option<(url::Url, url::Url)>;

/// Reads one page into `found`.
async fn page(
    exchange: &Exchange,
    repository: &RepositoryName,
    response: Response,
    artifact_type: Option<&str>,
    found: &mut Vec<Descriptor>,
) -> Result<Either<Next, NoApi>> {
    let media_type = response.header(&header::CONTENT_TYPE).map(MediaType::new);
    let is_index = media_type.as_ref().is_some_and(MediaType::is_index);
    match response.status().as_u16() {
        200 if is_index => {}
        // What has no API answers in many ways, some with a page of HTML.
        200 | 400 | 404 | 405 | 406 | 410 | 501 => return Ok(Either::Right(NoApi)),
        _ => {
            let what = format!("the list of what refers to a manifest of {}", exchange.shown(repository));
            return Err(exchange.refused(&what, response).await);
        }
    }
    let (headers, url) = (response.headers().clone(), response.url().clone());
    let bytes = response.whole(MAX_PAGE_BYTES).await.map_err(|error| exchange.unanswered(&error))?;
    let listed = index(exchange, repository, bytes, media_type.as_ref())?;
    let filtered = wire::filtered_by_type(&headers);
    found.extend(listed.into_iter().filter(|descriptor| filtered || is_of_type(descriptor, artifact_type)));
    let next = wire::next_page(&headers, &url).map_err(|error| exchange.misled(&error))?;
    Ok(Either::Left(next.map(|next| (url, next))))
}

fn index(
    exchange: &Exchange,
    repository: &RepositoryName,
    bytes: Bytes,
    media_type: Option<&MediaType>,
) -> Result<Vec<Descriptor>> {
    let parsed = RawManifest::parse(bytes, media_type, Algorithm::Sha256).map_err(|error| {
        let message = format!("a list of referrers of {} cannot be taken: {error}", exchange.shown(repository));
        exchange.error(ErrorKind::Corrupt, message)
    })?;
    Ok(match parsed.manifest() {
        Manifest::Index(index) => index.manifests.clone(),
        Manifest::Image(_) => Vec::new(),
    })
}

/// Reads the fallback tag. Something else under that name is no list.
async fn by_tag(exchange: &Exchange, repository: &RepositoryName, subject: &Digest) -> Result<Vec<Descriptor>> {
    Ok(fallback(exchange, repository, subject).await?.map(|(_, listed)| listed).unwrap_or_default())
}

/// The fallback tag's index: its digest and what it lists.
pub(super) async fn fallback(
    exchange: &Exchange,
    repository: &RepositoryName,
    subject: &Digest,
) -> Result<Option<(Digest, Vec<Descriptor>)>> {
    let Some(tag) = fallback_tag(subject) else { return Ok(None) };
    match exchange.manifest(repository, &Selector::Tag(tag), pull(repository)).await {
        Ok(manifest) => Ok(match manifest.manifest() {
            Manifest::Index(index) => Some((manifest.digest().clone(), index.manifests.clone())),
            Manifest::Image(_) => None,
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
