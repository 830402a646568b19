//! The protocol as text: routes, headers, challenges and error bodies of the OCI distribution-spec 1.1.
//!
//! One grammar for both ends: the type that prints a request for the client parses it for a server. Nothing
//! here opens a socket or decides what to do about what it read; `outbound` judges the URLs, `client` acts.
//! Whatever is parsed here was written by a stranger, so every parser takes any bytes and bounds what it keeps.

mod challenge;
mod errors;
mod headers;
mod location;
mod quoted;
mod range;
mod route;
#[cfg(test)]
mod route_tests;
mod scope;

pub use challenge::{Challenge, MAX_CHALLENGES};
pub use errors::{ErrorBody, MAX_ERROR_BODY};
pub use headers::{
    Allowance, ContentRange, RateLimit, chunk_min_length, docker_content_digest, filtered_by_type, range_value,
    rate_limit, received, retry_after, subject, warnings,
};
pub use location::{LinkError, UploadLocation, next_page, upload_location};
pub use range::AskedRange;
pub use route::{Mount, Route, RouteError, SessionName, pushed_tags};
pub use scope::{Action, Scope, ScopeError};
