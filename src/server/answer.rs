//! How answers and refusals look (distribution-spec 1.1, "Error Codes").

use std::io;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use crate::registry::{Error, ErrorKind};
use crate::wire::{Route, RouteError};

/// The error codes of the specification, and those that docker-registry made common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    SizeInvalid,
    TagInvalid,
    #[serde(rename = "TOOMANYREQUESTS")]
    TooManyRequests,
    Unauthorized,
    Unsupported,
    Unknown,
}

/// What is not done, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    errors: Vec<Entry>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug, Serialize)]
struct Entry {
    code: Code,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        let entry = Entry { code, message: message.into(), detail: None };
        Self { status, errors: vec![entry], headers: Vec::new() }
    }

    /// Adds a header; one whose value no header can hold is left out.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// A request that is no route. What names something that cannot exist is not there; only who wants to make it
    /// hears why it cannot be.
    pub(super) fn of_route(error: &RouteError, path: &str, method: &Method) -> Self {
        let asks = matches!(*method, Method::GET | Method::HEAD);
        let (status, code) = match error {
            RouteError::NoSuchRoute => (StatusCode::NOT_FOUND, Code::Unsupported),
            RouteError::Long(_) => (StatusCode::URI_TOO_LONG, Code::NameInvalid),
            RouteError::Encoding | RouteError::Repository(_) => (StatusCode::BAD_REQUEST, Code::NameInvalid),
            RouteError::Session => (StatusCode::NOT_FOUND, Code::BlobUploadUnknown),
            RouteError::Number(_) => (StatusCode::BAD_REQUEST, Code::PaginationNumberInvalid),
            RouteError::Tag(_) if asks && path.contains("/manifests/") => {
                (StatusCode::NOT_FOUND, Code::ManifestUnknown)
            }
            RouteError::Tag(_) => (StatusCode::BAD_REQUEST, Code::TagInvalid),
            RouteError::Digest(_) => (StatusCode::BAD_REQUEST, Code::DigestInvalid),
        };
        Self::new(status, code, error.to_string())
    }

    /// A method that this route does not have.
    pub(super) fn method(route: &Route, method: &Method) -> Self {
        let message = format!("{method} is not done here");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, message).with(header::ALLOW, methods(route))
    }

    /// What only the operator should know goes to the log.
    fn of(error: &Error, absent: Code) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, absent),
            ErrorKind::Gone => (StatusCode::NOT_FOUND, Code::BlobUploadUnknown),
            ErrorKind::MissingBlobs => return Self::missing(error),
            ErrorKind::Corrupt => (StatusCode::BAD_REQUEST, Code::DigestInvalid),
            ErrorKind::Conflict => (StatusCode::CONFLICT, Code::BlobUploadInvalid),
            ErrorKind::Unsupported => (StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported),
            _ if is_full(error) => {
                tracing::error!(%error, "the disk is full");
                let message = "the disk of the registry is full";
                return Self::new(StatusCode::INSUFFICIENT_STORAGE, Code::Unknown, message);
            }
            _ => {
                tracing::error!(%error, "a request could not be answered");
                let message = "the registry cannot do that now";
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Unknown, message);
            }
        };
        Self::new(status, code, error.to_string())
    }

    fn missing(error: &Error) -> Self {
        let entry = |digest: &crate::image::Digest| Entry {
            code: Code::ManifestBlobUnknown,
            message: "the repository lacks content that the manifest names".to_owned(),
            detail: Some(digest.to_string()),
        };
        let errors = error.missing().iter().map(entry).collect();
        Self { status: StatusCode::BAD_REQUEST, errors, headers: Vec::new() }
    }
}

/// The methods that a route has.
pub(super) const fn methods(route: &Route) -> &'static str {
    match route {
        Route::Base | Route::Tags { .. } | Route::Catalog { .. } | Route::Referrers { .. } => "GET, HEAD",
        Route::Manifest { .. } => "GET, HEAD, PUT, DELETE",
        Route::Blob { .. } => "GET, HEAD, DELETE",
        Route::KeptImages { .. } => "GET",
        Route::StartUpload { .. } | Route::Prune => "POST",
        Route::Upload { .. } => "GET, PATCH, PUT, DELETE",
    }
}

/// Whether it failed because there is no room.
fn is_full(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json(&serde_json::json!({ "errors": self.errors }));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Makes a failure of the place a refusal; `absent` is the code for what is not there.
pub(super) fn refused(absent: Code) -> impl FnOnce(Error) -> Refusal {
    move |error| Refusal::of(&error, absent)
}

/// A JSON document.
pub(super) fn json(document: &impl Serialize) -> Response {
    // What is written here holds no maps with odd keys, so it can always be written.
    let bytes = serde_json::to_vec(document).unwrap_or_default();
    let length = bytes.len();
    let mut response = Response::new(Body::from(bytes));
    set(&mut response, header::CONTENT_TYPE, "application/json");
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    response
}

/// Sets a header; a value that no header can hold is left out.
pub(super) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// `Docker-Content-Digest`.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
