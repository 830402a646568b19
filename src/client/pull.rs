//! Reading: manifests by tag and digest, and blobs, whole or in part.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, Stream};
use http::{HeaderValue, Method, header};

use super::exchange::{Call, Exchange, pull};
use super::turns::Turn;
use super::{Client, referrers};
use crate::image::{
    Algorithm, Descriptor, Digest, MAX_MANIFEST_BYTES, MediaType, RawManifest, RepositoryName, Selector,
};
use crate::outbound::{OutboundError, Response};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Identity, ImageSource, Referrers, Remedy, Result};
use crate::wire::{self, ContentRange, Route, Scope};

/// Every manifest type that is understood: with fewer, some registries answer with another manifest.
pub(super) const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// What a missing permission to look means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// It is an error.
    IsDenied,
    /// It is as if nothing was there: some say so of what is missing, and writing will tell.
    IsAbsent,
}

#[async_trait]
impl ImageSource for Client {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        self.exchange.resolve(repository, selector, pull(repository), Forbidden::IsDenied).await
    }

    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        self.exchange.manifest(repository, selector, pull(repository)).await
    }

    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        self.exchange.blob(repository, blob, range).await
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers> {
        referrers::list(&self.exchange, repository, subject, artifact_type).await
    }
}

impl Exchange {
    /// Looks up a manifest by HEAD; by GET where HEAD does not tell enough.
    pub(super) async fn resolve(
        &self,
        repository: &RepositoryName,
        selector: &Selector,
        scopes: Vec<Scope>,
        forbidden: Forbidden,
    ) -> Result<Option<Descriptor>> {
        let route = Route::Manifest { repository: repository.clone(), selector: selector.clone() };
        let response = self.call(Call::new(Method::HEAD, &route, scopes.clone()).accept(MANIFEST_TYPES)).await?;
        match response.status().as_u16() {
            200 => {
                if let Some(descriptor) = described(&response, selector) {
                    return Ok(Some(descriptor));
                }
            }
            404 | 410 => return Ok(None),
            403 if forbidden == Forbidden::IsAbsent => return Ok(None),
            // Everything that could be shown was shown.
            401 => return Err(self.refused(&self.named(repository, selector), response).await),
            // It was tried often enough.
            408 | 429 | 499 | 500 | 502..=599 => {
                let what = format!("the question for {}", self.named(repository, selector));
                return Err(self.refused(&what, response).await);
            }
            // A HEAD has no body to say why, and some places do not do HEAD.
            _ => {}
        }
        match self.manifest(repository, selector, scopes).await {
            Ok(manifest) => Ok(Some(manifest.descriptor())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // 403 in place of 404, told apart by the code.
            Err(error) if error.code().is_some_and(|code| code.as_str() == "MANIFEST_UNKNOWN") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A manifest, for messages.
    pub(super) fn named(&self, repository: &RepositoryName, selector: &Selector) -> String {
        let joint = if matches!(selector, Selector::Tag(_)) { ':' } else { '@' };
        format!("the manifest {}{joint}{selector}", self.shown(repository))
    }

    /// Reads a manifest and hashes it.
    pub(super) async fn manifest(
        &self,
        repository: &RepositoryName,
        selector: &Selector,
        scopes: Vec<Scope>,
    ) -> Result<RawManifest> {
        let route = Route::Manifest { repository: repository.clone(), selector: selector.clone() };
        let what = self.named(repository, selector);
        let call = Call::new(Method::GET, &route, scopes).accept(MANIFEST_TYPES).collected(MAX_MANIFEST_BYTES);
        let response = self.call(call).await?;
        if response.status() != http::StatusCode::OK {
            let error = self.refused(&what, response).await;
            return Err(match (error.kind(), selector) {
                (ErrorKind::NotFound, Selector::Tag(_)) => error.with_remedy(Remedy::ListTags(self.shown(repository))),
                _ => error,
            });
        }
        let declared = response.header(&header::CONTENT_TYPE).map(MediaType::new);
        let announced = wire::docker_content_digest(response.headers());
        let expected = match selector {
            Selector::Digest(digest) => Some(digest),
            Selector::Tag(_) => announced.as_ref(),
        };
        let bytes = response.whole(MAX_MANIFEST_BYTES).await.map_err(|error| self.unanswered(&error))?;
        let algorithm = expected.map_or(Algorithm::Sha256, Digest::algorithm);
        if let Some(expected) = expected {
            let found = algorithm.digest(&bytes);
            if found != *expected {
                let message = format!("{what} has the digest {found}, not {expected}");
                return Err(self.error(ErrorKind::Corrupt, message));
            }
        }
        let manifest = RawManifest::parse(bytes, declared.as_ref(), algorithm).map_err(|error| {
            self.error(ErrorKind::Corrupt, format!("{what} cannot be taken: {error}")).caused_by(error)
        })?;
        if let Some(warning) = manifest.warning() {
            self.warn(format!("{}: {warning}", self.shown(repository)));
        }
        Ok(manifest)
    }

    /// Opens a blob from `range.from` on, or from its beginning where the registry knows no better.
    async fn blob(
        self: &Arc<Self>,
        repository: &RepositoryName,
        blob: &Descriptor,
        range: ByteRange,
    ) -> Result<BlobReader> {
        let turn = self.limits.read().await;
        let route = Route::Blob { repository: repository.clone(), digest: blob.digest.clone() };
        let what = format!("the blob {} of {}", blob.digest, self.shown(repository));
        let mut wanted = range;
        loop {
            let mut call = Call::new(Method::GET, &route, pull(repository)).bulk();
            if let Some(value) = wire::range_value(wanted).and_then(|range| HeaderValue::from_str(&range).ok()) {
                call = call.header(header::RANGE, value);
            }
            let response = self.call(call).await?;
            let length = match (response.status().as_u16(), wanted.is_all()) {
                (200, _) => {
                    wanted = ByteRange::ALL;
                    self.check_length(&what, &response, blob.size)?;
                    blob.size
                }
                (206, false) if is_what_was_asked(&response, wanted, blob.size) => {
                    wanted.to.unwrap_or(blob.size).min(blob.size).saturating_sub(wanted.from)
                }
                // Not the part that was asked for: never spliced, fetched whole.
                (206 | 416, false) => {
                    wanted = ByteRange::ALL;
                    continue;
                }
                _ => return Err(self.refused(&what, response).await),
            };
            let has_an_end = response.has_an_end();
            let reader = Reading { exchange: Arc::clone(self), what, length, seen: 0, has_an_end, turn };
            return Ok(BlobReader::new(wanted.from, reader.stream(response)));
        }
    }

    /// Sees to it that a body which says how long it is will have the length that its descriptor says. Were it only
    /// found at the end of the body, it would look like a connection that broke.
    fn check_length(&self, what: &str, response: &Response, size: u64) -> Result<()> {
        match response.length() {
            Some(length) if length != size => {
                let message = format!("{what} has {length} bytes, not the {size} that were announced");
                Err(self.error(ErrorKind::Corrupt, message))
            }
            _ => Ok(()),
        }
    }
}

/// What a HEAD tells, where it tells all of it.
fn described(response: &Response, selector: &Selector) -> Option<Descriptor> {
    let digest = match selector {
        Selector::Digest(digest) => digest.clone(),
        Selector::Tag(_) => wire::docker_content_digest(response.headers())?,
    };
    let media_type = MediaType::new(response.header(&header::CONTENT_TYPE)?);
    let size = response.length().filter(|size| *size > 0)?;
    media_type.is_manifest().then(|| Descriptor::new(media_type, digest, size))
}

/// Whether a partial answer begins where it was to and is a part of the same whole.
fn is_what_was_asked(response: &Response, wanted: ByteRange, size: u64) -> bool {
    ContentRange::read(response.headers()).is_some_and(|range| {
        let last = wanted.to.unwrap_or(size).min(size).checked_sub(1);
        range.first == wanted.from && Some(range.last) == last && range.complete.is_none_or(|whole| whole == size)
    })
}

/// A body that is being read, and how long it has to be.
struct Reading {
    exchange: Arc<Exchange>,
    what: String,
    length: u64,
    seen: u64,
    /// Whether a body that ends early is wrong, and not merely cut.
    has_an_end: bool,
    /// Held as long as the body is read.
    turn: Turn,
}

impl Reading {
    fn stream(self, response: Response) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        let body = Box::pin(response.stream());
        stream::try_unfold((self, body), |(mut reading, mut body)| async move {
            let next = body.next().await.transpose();
            let bytes = next.map_err(|error| reading.broken_off(error))?;
            let Some(bytes) = bytes else { return reading.finish() };
            reading.seen += bytes.len() as u64;
            if reading.seen > reading.length {
                let message =
                    format!("{} is longer than the {} bytes that were announced", reading.what, reading.length);
                return Err(reading.exchange.error(ErrorKind::Corrupt, message));
            }
            reading.exchange.limits.pass(bytes.len()).await;
            Ok(Some((bytes, (reading, body))))
        })
    }

    fn broken_off(&self, error: OutboundError) -> Error {
        let message = format!("{} broke off after {} of {} bytes", self.what, self.seen, self.length);
        self.exchange.broken_off(&message, error)
    }

    fn finish<T>(self) -> Result<Option<T>> {
        if self.seen == self.length {
            self.turn.end_well();
            return Ok(None);
        }
        let message = format!("{} ended after {} of {} bytes", self.what, self.seen, self.length);
        let kind = if self.has_an_end { ErrorKind::Corrupt } else { ErrorKind::Cut };
        Err(self.exchange.error(kind, message))
    }
}
