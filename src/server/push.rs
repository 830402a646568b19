//! Writing: uploads of blobs, and manifests (distribution-spec 1.1, "Push").

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use futures_util::StreamExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::access::Principal;
use super::answer::{CONTENT_DIGEST, Code, Refusal, refused, set};
use super::uploads::Uploads;
use super::{Answer, Sent, Server, Upkeep, empty};
use crate::image::{Algorithm, Digest, MAX_MANIFEST_BYTES, MediaType, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::HostedUpload;
use crate::wire::{ContentRange, Mount, Route, SessionName, pushed_tags};

/// As many bytes of a body that is refused are read.
const LINGER: usize = 64 << 20;

impl Server {
    /// Begins an upload, or spares one: by a mount, or because the body is the blob.
    pub(super) async fn start_upload(
        &self,
        principal: &Principal,
        repository: &RepositoryName,
        mount: Option<Mount>,
        digest: Option<Digest>,
        body: Body,
    ) -> Answer {
        // What they may not read is as what is not there.
        let mount = mount.filter(|mount| principal.may_pull(&mount.from));
        if let Some(Mount { digest, from }) = mount
            && self.host.mount_blob(repository, &digest, &from).await.map_err(refused(Code::BlobUploadUnknown))?
        {
            return Ok(created(repository, &digest));
        }
        self.uploads.check_room()?;
        let upload =
            self.host.begin_upload(repository, principal.owner()).await.map_err(refused(Code::BlobUploadUnknown))?;
        if let Some(digest) = digest {
            return self.finish(repository, upload, &digest, body).await;
        }
        self.rest(repository, upload, StatusCode::ACCEPTED).await
    }

    /// Goes on with an upload, ends it, tells how far it is, or gives it up.
    pub(super) async fn upload(
        &self,
        repository: &RepositoryName,
        session: &SessionName,
        digest: Option<Digest>,
        Sent { principal, parts, body }: Sent,
    ) -> Answer {
        let method = &parts.method;
        if !matches!(*method, Method::GET | Method::HEAD | Method::PATCH | Method::PUT | Method::DELETE) {
            let route = Route::Upload { repository: repository.clone(), session: session.clone(), digest };
            return Err(Refusal::method(&route, method));
        }
        let found = self
            .host
            .reopen_upload(repository, principal.owner(), session.as_str())
            .await
            .map_err(refused(Code::BlobUploadUnknown))?;
        let Some(upload) = found else {
            let message = format!("there is no upload {session} to {repository}");
            return Err(Refusal::new(StatusCode::NOT_FOUND, Code::BlobUploadUnknown, message));
        };
        match *method {
            Method::PATCH => self.patch(repository, upload, &parts, body).await,
            Method::PUT => self.put(repository, upload, digest, &parts, body).await,
            Method::DELETE => {
                self.uploads.ended(upload.name());
                upload.cancel().await.map_err(refused(Code::BlobUploadUnknown))?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => self.rest(repository, upload, StatusCode::NO_CONTENT).await,
        }
    }

    /// Takes a manifest under a tag, or under its digest and the tags of the query.
    pub(super) async fn put_manifest(
        &self,
        repository: &RepositoryName,
        selector: &Selector,
        Sent { principal, parts, body }: Sent,
    ) -> Answer {
        let tags = pushed_tags(parts.uri.query().unwrap_or_default())
            .map_err(|error| Refusal::of_route(&error, parts.uri.path(), &parts.method))?;
        let declared = declared(&parts.headers);
        let algorithm = match selector {
            Selector::Digest(digest) => digest.algorithm(),
            Selector::Tag(_) => Algorithm::Sha256,
        };
        let Ok(bytes) = axum::body::to_bytes(body, MAX_MANIFEST_BYTES).await else {
            let message = format!("a manifest has at most {MAX_MANIFEST_BYTES} bytes, and comes whole");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid, message));
        };
        let manifest = RawManifest::parse(bytes, declared.as_ref(), algorithm)
            .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, Code::ManifestInvalid, error.to_string()))?;
        let tags = match selector {
            Selector::Tag(tag) => vec![tag.clone()],
            Selector::Digest(digest) if digest == manifest.digest() => tags,
            Selector::Digest(digest) => {
                let message = format!("the content has the digest {}, not {digest}", manifest.digest());
                return Err(Refusal::new(StatusCode::BAD_REQUEST, Code::DigestInvalid, message));
            }
        };
        self.upkeep.make_room(manifest.bytes().len() as u64).await?;
        self.place(repository, &manifest, &tags).await?;
        self.notifier.pushed(&self.sender(&principal, &parts), repository, &manifest, &tags);
        Ok(stored(repository, selector, &manifest, &tags))
    }

    /// Takes the next bytes of an upload.
    async fn patch(
        &self,
        repository: &RepositoryName,
        upload: Box<dyn HostedUpload>,
        parts: &Parts,
        body: Body,
    ) -> Answer {
        check_place(repository, &*upload, &parts.headers)?;
        let (upload, whole) = self.fill(upload, body).await?;
        let response = self.rest(repository, upload, StatusCode::ACCEPTED).await?;
        if whole { Ok(response) } else { Err(cut()) }
    }

    /// Takes the last bytes of an upload, and makes it a blob.
    async fn put(
        &self,
        repository: &RepositoryName,
        upload: Box<dyn HostedUpload>,
        digest: Option<Digest>,
        parts: &Parts,
        body: Body,
    ) -> Answer {
        let Some(digest) = digest else {
            upload.rest().await.map_err(refused(Code::BlobUploadUnknown))?;
            let message = "the request that ends an upload names the digest: `?digest=`";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, Code::DigestInvalid, message));
        };
        check_place(repository, &*upload, &parts.headers)?;
        self.finish(repository, upload, &digest, body).await
    }

    /// Takes what is left of a blob and makes it visible. Cut short, it waits for the rest.
    async fn finish(
        &self,
        repository: &RepositoryName,
        upload: Box<dyn HostedUpload>,
        digest: &Digest,
        body: Body,
    ) -> Answer {
        let (upload, whole) = self.fill(upload, body).await?;
        if !whole {
            self.rest(repository, upload, StatusCode::ACCEPTED).await?;
            return Err(cut());
        }
        self.uploads.ended(upload.name());
        upload.commit(digest).await.map_err(refused(Code::BlobUploadUnknown))?;
        Ok(created(repository, digest))
    }

    /// Lets an upload wait for the next request.
    async fn rest(&self, repository: &RepositoryName, upload: Box<dyn HostedUpload>, status: StatusCode) -> Answer {
        let response = accepted(repository, &*upload, status);
        let name = upload.name().to_owned();
        upload.rest().await.map_err(refused(Code::BlobUploadUnknown))?;
        self.uploads.rests(&name);
        Ok(response)
    }

    /// Writes a body; `false` where it was cut. Goes on when the client is gone, so that nothing that came is lost.
    /// A blob that becomes too long is given up.
    async fn fill(&self, upload: Box<dyn HostedUpload>, body: Body) -> Result<(Box<dyn HostedUpload>, bool), Refusal> {
        let (name, uploads) = (upload.name().to_owned(), Arc::clone(&self.uploads));
        match tokio::spawn(write(upload, body, uploads, self.upkeep())).await {
            Ok(Ok(filled)) => Ok(filled),
            Ok(Err(refusal)) => {
                self.uploads.ended(&name);
                Err(refusal)
            }
            Err(error) => {
                tracing::error!(%error, "an upload was broken off");
                Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Unknown, "the upload was broken off"))
            }
        }
    }
}

/// Writes a body as far as it comes.
async fn write(
    mut upload: Box<dyn HostedUpload>,
    body: Body,
    uploads: Arc<Uploads>,
    upkeep: Arc<Upkeep>,
) -> Result<(Box<dyn HostedUpload>, bool), Refusal> {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else { return Ok((upload, false)) };
        let length = piece.len() as u64;
        let room = match uploads.check_length(upload.offset().saturating_add(length)) {
            Ok(()) => upkeep.make_room(length).await,
            refused => refused,
        };
        let refusal = match room {
            Ok(()) => match upload.write(piece).await {
                Ok(()) => continue,
                Err(error) => refused(Code::BlobUploadUnknown)(error),
            },
            Err(refusal) => {
                let gone = upload.offset();
                upload.cancel().await.map_err(refused(Code::BlobUploadUnknown))?;
                upkeep.give_back(gone);
                refusal
            }
        };
        pass_over(pieces).await;
        return Err(refusal);
    }
    Ok((upload, true))
}

/// Reads what is still on its way, up to a bound: who is not heard out mostly does not hear the refusal either.
async fn pass_over(mut pieces: BodyDataStream) {
    let mut left = LINGER;
    while let Some(Ok(piece)) = pieces.next().await {
        let Some(rest) = left.checked_sub(piece.len()) else { return };
        left = rest;
    }
}

/// Sees to it that a chunk begins where the upload ends (distribution-spec 1.1, "Pushing a blob in chunks").
fn check_place(repository: &RepositoryName, upload: &dyn HostedUpload, headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(header::CONTENT_RANGE) {
        return Ok(());
    }
    let fits = ContentRange::read(headers).is_some_and(|range| range.first == upload.offset());
    if fits {
        return Ok(());
    }
    let message = format!("the upload goes on at byte {}", upload.offset());
    let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, Code::BlobUploadInvalid, message);
    Err(refusal.with(header::LOCATION, &place(repository, upload)).with(header::RANGE, &received(upload.offset())))
}

/// The type that the client says the manifest has, without parameters.
fn declared(headers: &HeaderMap) -> Option<MediaType> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(MediaType::new(text))
}

fn place(repository: &RepositoryName, upload: &dyn HostedUpload) -> String {
    format!("/v2/{repository}/blobs/uploads/{}", upload.name())
}

/// How much arrived; of nothing the specification says `0-0`.
fn received(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

/// An upload that goes on.
fn accepted(repository: &RepositoryName, upload: &dyn HostedUpload, status: StatusCode) -> Response {
    let mut response = empty(status);
    set(&mut response, header::LOCATION, &place(repository, upload));
    set(&mut response, header::RANGE, &received(upload.offset()));
    set(&mut response, HeaderName::from_static("docker-upload-uuid"), upload.name());
    response
}

/// A blob that is there now.
fn created(repository: &RepositoryName, digest: &Digest) -> Response {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, header::LOCATION, &format!("/v2/{repository}/blobs/{digest}"));
    set(&mut response, CONTENT_DIGEST, &digest.to_string());
    response
}

/// A manifest that is there now.
fn stored(repository: &RepositoryName, selector: &Selector, manifest: &RawManifest, tags: &[Tag]) -> Response {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, header::LOCATION, &format!("/v2/{repository}/manifests/{selector}"));
    set(&mut response, CONTENT_DIGEST, &manifest.digest().to_string());
    if let Some(subject) = manifest.manifest().subject() {
        set(&mut response, HeaderName::from_static("oci-subject"), &subject.digest.to_string());
    }
    if matches!(selector, Selector::Digest(_)) {
        for tag in tags.iter().filter_map(|tag| tag.as_str().parse().ok()) {
            response.headers_mut().append(HeaderName::from_static("oci-tag"), tag);
        }
    }
    response
}

fn cut() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, Code::SizeInvalid, "the body ended before its announced end")
}
