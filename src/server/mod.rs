//! The embedded registry: any [`Host`] over the OCI distribution API (distribution-spec 1.1, and what its main
//! branch adds).
//!
//! A request comes in as text, becomes a [`Route`], and is answered from the contract; nothing here knows what it
//! serves. `access` decides who is let in by what `rules` allow, `users` knows who is who, `signer` knows its own
//! tokens and passwords, which `tokens` hands out, `pull` reads, `push` writes, `list` lists, `remove` removes,
//! `immutable` keeps tags where they are, `upstream` fetches what is missing, `own` does what the distribution API does
//! not have, `upkeep` keeps the place in order, `answer` knows how answers and refusals look, `listen` waits for
//! connections. The one module that listens.

mod access;
mod answer;
mod immutable;
mod list;
mod listen;
mod own;
mod pull;
mod push;
mod remove;
mod rules;
mod signer;
mod tokens;
mod upkeep;
mod upstream;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode, header};

use crate::config::TagPattern;
use crate::registry::Host;
use crate::wire::Route;

use access::Principal;
pub use access::{Access, Grant};
use answer::{Code, Refusal};
use immutable::Immutable;
pub use listen::{Certificate, ListenError, Listener};
pub use signer::{Signer, SignerError};
pub use upkeep::{Upkeep, UpkeepFigures, UpkeepSettings};
pub use upstream::{AutomaticPull, Upstream, Upstreams};
pub use users::{NewUserError, UsersError, password_line};

/// A request behind its route: who sent it, its head, and its body.
struct Sent {
    principal: Principal,
    parts: Parts,
    body: Body,
}

/// What came of a request.
type Answer = Result<Response, Refusal>;

/// A registry that serves one place.
pub struct Server {
    host: Arc<dyn Host>,
    access: Access,
    names: Names,
    immutable: Immutable,
    deletes: Deletes,
    upkeep: Arc<Upkeep>,
    automatic_pull: Option<Arc<AutomaticPull>>,
}

/// Whether anything can be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    /// By whoever may.
    #[default]
    Allowed,
    /// By nobody, and by no way.
    Off,
}

/// Under which names it may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Under any: it is reached from elsewhere.
    Any,
    /// Under those of this computer to itself.
    Loopback,
}

impl Server {
    /// A server of `host` for those that `access` lets in.
    #[must_use]
    pub fn new(host: Arc<dyn Host>, access: Access) -> Self {
        let (immutable, deletes) = (Immutable::default(), Deletes::default());
        let upkeep = Arc::new(Upkeep::new(Arc::clone(&host), UpkeepSettings::default()));
        Self { host, access, names: Names::Any, immutable, deletes, upkeep, automatic_pull: None }
    }

    /// Keeps tags of these patterns where they are once they are made.
    #[must_use]
    pub fn keeping(self, tags: Vec<TagPattern>) -> Self {
        Self { immutable: Immutable::new(tags), ..self }
    }

    /// Lets things be removed, or not.
    #[must_use]
    pub fn with_deletes(self, deletes: Deletes) -> Self {
        Self { deletes, ..self }
    }

    /// Keeps the place in order in this way.
    #[must_use]
    pub fn with_upkeep(self, settings: UpkeepSettings) -> Self {
        Self { upkeep: Arc::new(Upkeep::new(Arc::clone(&self.host), settings)), ..self }
    }

    /// Fetches what is missing.
    #[must_use]
    pub fn with_automatic_pull(self, pull: AutomaticPull) -> Self {
        Self { automatic_pull: Some(Arc::new(pull)), ..self }
    }

    /// The upkeep of its place: what it did so far.
    #[must_use]
    pub fn upkeep(&self) -> Arc<Upkeep> {
        Arc::clone(&self.upkeep)
    }

    /// Everything that it answers.
    fn router(self) -> Router {
        Router::new().fallback(handle).with_state(Arc::new(self))
    }

    async fn answer(&self, request: Request) -> Answer {
        let (parts, body) = request.into_parts();
        if self.names == Names::Loopback && !access::is_meant_for_loopback(&parts) {
            return Ok(access::misdirected());
        }
        match parts.uri.path() {
            "/healthz" | "/readyz" => return Ok("ok\n".into_response()),
            "/token" => return self.token(&parts, body).await,
            _ => {}
        }
        let route = Route::parse(parts.uri.path(), parts.uri.query())
            .map_err(|error| Refusal::of_route(&error, parts.uri.path(), &parts.method))?;
        let principal = self.access.admit(&route, &parts).await?;
        if (parts.method == Method::DELETE || route == Route::Prune) && self.deletes == Deletes::Off {
            return Err(no_deletes(&route));
        }
        match (route, &parts.method) {
            (Route::Base, &Method::GET | &Method::HEAD) => Ok(answer::json(&serde_json::json!({}))),
            (Route::Manifest { repository, selector }, &Method::GET | &Method::HEAD) => {
                self.manifest(&repository, &selector, &parts).await
            }
            (Route::Manifest { repository, selector }, &Method::PUT) => {
                self.put_manifest(&repository, &selector, &parts, body).await
            }
            (Route::Manifest { repository, selector }, &Method::DELETE) => {
                self.remove_manifest(&repository, &selector).await
            }
            (Route::Blob { repository, digest }, &Method::GET | &Method::HEAD) => {
                self.blob(&repository, &digest, &parts).await
            }
            (Route::Blob { repository, digest }, &Method::DELETE) => self.remove_blob(&repository, &digest).await,
            (Route::StartUpload { repository, mount, digest }, &Method::POST) => {
                self.start_upload(&principal, &repository, mount, digest, body).await
            }
            (Route::Upload { repository, session, digest }, _) => {
                self.upload(&repository, &session, digest, Sent { principal, parts, body }).await
            }
            (Route::Tags { repository, n, last }, &Method::GET | &Method::HEAD) => {
                self.tags(&repository, n, last.as_deref()).await
            }
            (Route::Catalog { n, last }, &Method::GET | &Method::HEAD) => {
                self.catalog(&principal, n, last.as_deref()).await
            }
            (Route::Referrers { repository, subject, artifact_type }, &Method::GET | &Method::HEAD) => {
                self.referrers(&repository, &subject, artifact_type.as_deref()).await
            }
            (Route::Prune, &Method::POST) => self.prune(body).await,
            (Route::KeptImages { untagged }, &Method::GET) => self.kept_images(&principal, untagged).await,
            (route, method) => Err(Refusal::method(&route, method)),
        }
    }
}

/// Answers one request.
async fn handle(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (is_head, line) = (request.method() == Method::HEAD, format!("{} {}", request.method(), request.uri().path()));
    let mut response = server.answer(request).await.unwrap_or_else(IntoResponse::into_response);
    tracing::info!(target: "tranship::access", status = response.status().as_u16(), "{}", line.escape_debug());
    if is_head {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    headers.insert("docker-distribution-api-version", http::HeaderValue::from_static("registry/2.0"));
    // Nothing that is served here is for a browser to look into.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, http::HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, http::HeaderValue::from_static("default-src 'none'; sandbox"));
    response
}

/// The answer to whoever would remove something where nothing is removed.
fn no_deletes(route: &Route) -> Refusal {
    let others = |methods: &str| methods.split(", ").filter(|one| *one != "DELETE").collect::<Vec<_>>().join(", ");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, "nothing is removed here");
    refusal.with(header::ALLOW, &others(answer::methods(route)))
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response {
    (status, Body::empty()).into_response()
}
