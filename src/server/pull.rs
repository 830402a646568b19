//! Reading: manifests and blobs, whole and in part (distribution-spec 1.1, "Pull").

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};

use super::answer::{CONTENT_DIGEST, Code, Refusal, refused, set};
use super::{Answer, Server, empty};
use crate::image::{Descriptor, Digest, MediaType, RepositoryName, Selector};
use crate::registry::{BlobReader, ByteRange, ImageDestination, ImageSource};
use crate::wire::{AskedRange, ContentRange};

/// Content that is named by its digest never changes.
const FOREVER: &str = "max-age=31536000, immutable";

impl Server {
    /// A manifest, or what would come of asking for it.
    pub(super) async fn manifest(&self, repository: &RepositoryName, selector: &Selector, parts: &Parts) -> Answer {
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
        let Some(size) = self.host.blob_size(repository, digest).await.map_err(refused(Code::BlobUnknown))? else {
            let message = format!("there is no blob {digest} in {repository}");
            return Err(Refusal::new(StatusCode::NOT_FOUND, Code::BlobUnknown, message));
        };
        if holds(&parts.headers, digest) {
            return Ok(unchanged(digest, true));
        }
        let (status, range) = match AskedRange::read(&parts.headers, size) {
            AskedRange::Whole => (StatusCode::OK, ByteRange::ALL),
            AskedRange::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
            AskedRange::Nowhere => {
                let message = format!("the blob has {size} bytes");
                let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, Code::SizeInvalid, message);
                return Err(refusal.with(header::CONTENT_RANGE, &format!("bytes */{size}")));
            }
        };
        let length = range.to.unwrap_or(size) - range.from;
        let mut response = if parts.method == Method::HEAD {
            empty(status)
        } else {
            let blob = Descriptor::new(MediaType::new("application/octet-stream"), digest.clone(), size);
            let reader = self.host.blob(repository, &blob, range).await.map_err(refused(Code::BlobUnknown))?;
            let mut response = Response::new(body(reader));
            *response.status_mut() = status;
            response
        };
        describe(&mut response, digest, true);
        set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
        set(&mut response, header::CONTENT_LENGTH, &length.to_string());
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        if let (StatusCode::PARTIAL_CONTENT, Some(part)) = (status, ContentRange::of(range.from, length)) {
            let part = ContentRange { complete: Some(size), ..part };
            set(&mut response, header::CONTENT_RANGE, &part.to_string());
        }
        Ok(response)
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
