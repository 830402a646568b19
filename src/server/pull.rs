//! Reading: manifests and blobs, whole and in part (distribution-spec 1.1, "Pull").

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};

use super::answer::{CONTENT_DIGEST, Code, Refusal, refused, set};
use super::upstream::{Flight, passed_on};
use super::{Answer, Server, empty};
use crate::image::{Descriptor, Digest, MediaType, RepositoryName, Selector};
use crate::registry::{BlobReader, ByteRange, ImageDestination, ImageSource};
use crate::wire::{AskedRange, ContentRange};

/// Content that is named by its digest never changes.
const FOREVER: &str = "max-age=31536000, immutable";

impl Server {
    /// A manifest, or what would come of asking for it.
    pub(super) async fn manifest(&self, repository: &RepositoryName, selector: &Selector, parts: &Parts) -> Answer {
        if let Some(pull) = &self.automatic_pull {
            pull.bring_manifest(repository, selector).await.map_err(|error| passed_on(&error))?;
        }
        // A HEAD may be a push that asks whether it still has to bring it.
        let found = if parts.method == Method::HEAD {
            ImageDestination::resolve(&*self.host, repository, selector).await
        } else {
            ImageSource::resolve(&*self.host, repository, selector).await
        };
        let found = found.map_err(refused(Code::ManifestUnknown))?;
        let Some(found) = found else {
            let message = format!("there is no manifest `{selector}` in {repository}");
            return Err(Refusal::new(StatusCode::NOT_FOUND, Code::ManifestUnknown, message));
        };
        let fixed = matches!(selector, Selector::Digest(_));
        if holds(&parts.headers, &found.digest) {
            return Ok(unchanged(&found.digest, fixed));
        }
        let mut response = if parts.method == Method::HEAD {
            empty(StatusCode::OK)
        } else {
            // By digest, so that the headers and the bytes are of one manifest however the tag moves meanwhile.
            let by_digest = Selector::Digest(found.digest.clone());
            let manifest = self.host.manifest(repository, &by_digest).await.map_err(refused(Code::ManifestUnknown))?;
            Response::new(Body::from(manifest.bytes().clone()))
        };
        describe(&mut response, &found.digest, fixed);
        set(&mut response, header::CONTENT_TYPE, found.media_type.as_str());
        set(&mut response, header::CONTENT_LENGTH, &found.size.to_string());
        Ok(response)
    }

    /// A blob or a part of one, or what would come of asking for it.
    pub(super) async fn blob(&self, repository: &RepositoryName, digest: &Digest, parts: &Parts) -> Answer {
        if let Some(pull) = &self.automatic_pull
            && let Some(flight) =
                pull.bring_blob(repository, digest, &self.upkeep).await.map_err(|error| passed_on(&error))?
        {
            if parts.method == Method::GET {
                // What fails at once can still be said.
                flight.begun().await.map_err(|error| passed_on(&error))?;
                return flying(&flight, parts);
            }
            // A push that asks is told what is here for good.
            flight.landed().await.map_err(|error| passed_on(&error))?;
        }
        let Some(size) = self.host.blob_size(repository, digest).await.map_err(refused(Code::BlobUnknown))? else {
            let message = format!("there is no blob {digest} in {repository}");
            return Err(Refusal::new(StatusCode::NOT_FOUND, Code::BlobUnknown, message));
        };
        if holds(&parts.headers, digest) {
            return Ok(unchanged(digest, true));
        }
        let (status, range) = asked(parts, size)?;
        let mut response = if parts.method == Method::HEAD {
            empty(status)
        } else {
            let blob = Descriptor::new(MediaType::new("application/octet-stream"), digest.clone(), size);
            let reader = self.host.blob(repository, &blob, range).await.map_err(refused(Code::BlobUnknown))?;
            let mut response = Response::new(body(reader));
            *response.status_mut() = status;
            response
        };
        describe_blob(&mut response, digest, size, range);
        Ok(response)
    }
}

/// Which part of a blob is asked for, and the status of an answer with it.
fn asked(parts: &Parts, size: u64) -> Result<(StatusCode, ByteRange), Refusal> {
    match AskedRange::read(&parts.headers, size) {
        AskedRange::Whole => Ok((StatusCode::OK, ByteRange::ALL)),
        AskedRange::Part(range) => Ok((StatusCode::PARTIAL_CONTENT, range)),
        AskedRange::Nowhere => {
            let message = format!("the blob has {size} bytes");
            let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, Code::SizeInvalid, message);
            Err(refusal.with(header::CONTENT_RANGE, &format!("bytes */{size}")))
        }
    }
}

/// A blob that is on its way here, as it comes.
fn flying(flight: &Arc<Flight>, parts: &Parts) -> Answer {
    let (digest, size) = (&flight.blob().digest, flight.blob().size);
    let (status, range) = asked(parts, size)?;
    let mut response = Response::new(body(flight.reader(range)));
    *response.status_mut() = status;
    describe_blob(&mut response, digest, size, range);
    Ok(response)
}

/// The headers of a blob, or of a part of one.
fn describe_blob(response: &mut Response, digest: &Digest, size: u64, range: ByteRange) {
    let length = range.to.unwrap_or(size) - range.from;
    describe(response, digest, true);
    set(response, header::CONTENT_TYPE, "application/octet-stream");
    set(response, header::CONTENT_LENGTH, &length.to_string());
    set(response, header::ACCEPT_RANGES, "bytes");
    if let (StatusCode::PARTIAL_CONTENT, Some(part)) = (response.status(), ContentRange::of(range.from, length)) {
        let part = ContentRange { complete: Some(size), ..part };
        set(response, header::CONTENT_RANGE, &part.to_string());
    }
}

/// The bytes of a blob as they are read.
fn body(reader: BlobReader) -> Body {
    Body::from_stream(stream::try_unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        Ok::<_, crate::registry::Error>(piece.map(|piece| (piece, reader)))
    }))
}

/// Whether the client has it already (RFC 9110, 13.1.2).
fn holds(headers: &HeaderMap, digest: &Digest) -> bool {
    let said = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tag = format!("\"{digest}\"");
    said.flat_map(|value| value.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag)
}

fn unchanged(digest: &Digest, fixed: bool) -> Response {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    describe(&mut response, digest, fixed);
    response
}

/// The headers that name the content; `fixed` where it was asked for by its digest.
fn describe(response: &mut Response, digest: &Digest, fixed: bool) {
    set(response, CONTENT_DIGEST, &digest.to_string());
    set(response, header::ETAG, &format!("\"{digest}\""));
    if fixed {
        set(response, header::CACHE_CONTROL, FOREVER);
    }
}
