//! The embedded registry: any [`Host`] over the OCI distribution API (distribution-spec 1.1, and what its main
//! branch adds).
//!
//! A request comes in as text, becomes a [`Route`], and is answered from the contract; nothing here knows what it
//! serves. `access` decides who is let in by what `rules` allow, `users` knows who is who, `signer` knows its own
//! tokens and passwords, which `tokens` hands out, `pull` reads, `push` writes, `list` lists, `remove` removes,
//! `immutable` keeps tags where they are, `uploads` counts what is open, `upstream` fetches what is missing, `own` does
//! what the distribution API does not have, `upkeep` keeps the place in order, `answer` knows how answers and refusals
//! look. `page` is for people, `health` and `metrics` are for who watches, `account` writes down every request,
//! `notify` tells webhooks. `listen` waits for `connections`. The one module that listens.

mod access;
mod account;
mod answer;
mod connections;
mod health;
mod immutable;
mod list;
mod listen;
mod metrics;
mod notify;
mod own;
mod page;
mod pull;
mod push;
mod remove;
mod rules;
mod settings;
mod signer;
mod tokens;
mod upkeep;
mod uploads;
mod upstream;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};

use crate::registry::{Host, Working};
use crate::wire::Route;

use access::Principal;
pub use access::{Access, Grant};
pub use account::{AccessLog, Record};
use account::{Account, Noted};
use answer::{Code, Refusal};
use connections::Connections;
use health::Health;
use immutable::Immutable;
pub use listen::{Certificate, ListenError, Listener};
use metrics::Metrics;
use notify::{Notifier, Sender};
pub use settings::{Deletes, ServerSettings, Web};
pub use signer::{Signer, SignerError};
pub use upkeep::{Upkeep, UpkeepFigures, UpkeepSettings};
use uploads::Uploads;
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
    web: Web,
    log: Option<Arc<dyn AccessLog>>,
    connections: Connections,
    uploads: Arc<Uploads>,
    metrics: Arc<Metrics>,
    notifier: Notifier,
    health: Health,
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
    /// The upkeep of its place: what it did so far.
    #[must_use]
    pub fn upkeep(&self) -> Arc<Upkeep> {
        Arc::clone(&self.upkeep)
    }

    /// Everything that it answers.
    fn router(self) -> Router {
        Router::new().fallback(handle).with_state(Arc::new(self))
    }

    async fn answer(&self, request: Request, noted: &Noted) -> Answer {
        let (parts, body) = request.into_parts();
        if self.names == Names::Loopback && !access::is_meant_for_loopback(&parts) {
            return Ok(access::misdirected());
        }
        match parts.uri.path() {
            "/healthz" | "/readyz" => {
                note(noted, "health");
                let what = if parts.uri.path() == "/readyz" { Working::Writing } else { Working::Reading };
                return Ok(self.health(what).await);
            }
            "/metrics" => {
                note(noted, "metrics");
                self.access.admit_to_all(&parts).await?;
                return Ok(self.metrics().await);
            }
            "/token" => {
                note(noted, "token");
                return self.token(&parts, body).await;
            }
            _ => {}
        }
        if self.web == Web::On
            && let Some(page) = self.page(&parts).await
        {
            note(noted, "page");
            return Ok(page);
        }
        let route = Route::parse(parts.uri.path(), parts.uri.query())
            .map_err(|error| Refusal::of_route(&error, parts.uri.path(), &parts.method))?;
        note(noted, word(&route));
        let principal = self.access.admit(&route, &parts).await?;
        // Nobody else writes here before this request is at its end.
        let _ = noted.user.set(principal.owner().to_owned());
        if (parts.method == Method::DELETE || route == Route::Prune) && self.deletes == Deletes::Off {
            return Err(no_deletes(&route));
        }
        self.answer_route(route, Sent { principal, parts, body }).await
    }

    async fn answer_route(&self, route: Route, sent: Sent) -> Answer {
        let Sent { principal, parts, body } = sent;
        match (route, &parts.method) {
            (Route::Base, &Method::GET | &Method::HEAD) => Ok(answer::json(&serde_json::json!({}))),
            (Route::Manifest { repository, selector }, &Method::GET | &Method::HEAD) => {
                self.manifest(&repository, &selector, &parts).await
            }
            (Route::Manifest { repository, selector }, &Method::PUT) => {
                self.put_manifest(&repository, &selector, Sent { principal, parts, body }).await
            }
            (Route::Manifest { repository, selector }, &Method::DELETE) => {
                self.remove_manifest(&repository, &selector, &self.sender(&principal, &parts)).await
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

    /// Whom notifications name.
    fn sender<'a>(&'a self, principal: &'a Principal, parts: &'a Parts) -> Sender<'a> {
        Sender { principal, parts, metrics: &self.metrics }
    }
}

/// Answers one request.
async fn handle(State(server): State<Arc<Server>>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let account = Account::open(&server, &request);
    let noted = Arc::clone(&account.noted);
    let answer = server.answer(account.watch(request), &noted).await;
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    if is_head {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Nothing that is served here is for a browser to look into, but for what says so itself.
    let policy = headers.entry(header::CONTENT_SECURITY_POLICY);
    policy.or_insert(HeaderValue::from_static("default-src 'none'; sandbox"));
    account.close_with(response)
}

fn note(noted: &Noted, route: &'static str) {
    // A request is of one kind, which is noted once.
    let _ = noted.route.set(route);
}

/// The word for a kind of route in the metrics.
const fn word(route: &Route) -> &'static str {
    match route {
        Route::Base => "base",
        Route::Manifest { .. } => "manifest",
        Route::Blob { .. } => "blob",
        Route::StartUpload { .. } | Route::Upload { .. } => "upload",
        Route::Tags { .. } => "tags",
        Route::Catalog { .. } => "catalog",
        Route::Referrers { .. } => "referrers",
        Route::Prune | Route::KeptImages { .. } => "upkeep",
    }
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
