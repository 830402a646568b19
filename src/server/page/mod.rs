//! The page for people at `/`: repositories, tags, manifests, and how to pull them. Only to be read.
//!
//! Everything is made here, by the access rules that hold for clients: somebody without a name sees what anybody may
//! pull, and whoever shows a name and password sees what that allows. There is no script, nothing is fetched from
//! elsewhere, and what images say of themselves is text, never markup: the policy that goes with every page lets a
//! browser run nothing, send nothing and be framed by nobody. Nothing here leads anywhere but into this registry.
//!
//! `place` reads the address, `browse` lists repositories and tags, `image` shows one manifest, `frame` is around it.

mod browse;
mod frame;
mod image;
mod place;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use maud::Markup;

use super::Server;
use super::access::{BASIC, Principal};
use super::answer::set;
use frame::{STYLE, Wrong};
use place::Place;

/// What the page of a browser may do: show itself, in its own style.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What comes of looking at a page.
type Shown = Result<Markup, Wrong>;

/// Who looks, and under which name they reach the registry.
struct Visitor<'a> {
    principal: &'a Principal,
    host: String,
    /// Whether a name could show more.
    may_log_in: bool,
}

impl Server {
    /// The page at a path; `None` where there is none, so that it is for others to answer.
    pub(super) async fn page(&self, parts: &Parts) -> Option<Response> {
        let place = Place::read(parts.uri.path(), parts.uri.query())?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
            set(&mut response, header::ALLOW, "GET, HEAD");
            return Some(response);
        }
        if matches!(place, Place::Style) {
            let mut response = Response::new(Body::from(STYLE));
            set(&mut response, header::CONTENT_TYPE, "text/css; charset=utf-8");
            set(&mut response, header::CACHE_CONTROL, "max-age=3600");
            return Some(response);
        }
        Some(guarded(self.visit(place, parts).await))
    }

    async fn visit(&self, place: Place, parts: &Parts) -> Response {
        let Some(principal) = self.access.visitor(parts).await else { return asked_for_name() };
        let named = !principal.owner().is_empty();
        if matches!(place, Place::Login) {
            // It leads to the beginning, whatever else is asked for.
            return if named {
                (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response()
            } else {
                asked_for_name()
            };
        }
        let may_log_in = !named && !self.access.is_open();
        let visitor = Visitor { principal: &principal, host: self.access.shown_host(parts), may_log_in };
        let shown = match place {
            Place::Repositories { last } => self.repositories_page(&visitor, last.as_deref()).await,
            Place::Tags { repository, last } => self.tags_page(&visitor, &repository, last.as_deref()).await,
            Place::Image { repository, selector } => self.image_page(&visitor, &repository, &selector).await,
            Place::Nowhere | Place::Style | Place::Login => Err(Wrong::Missing),
        };
        match shown {
            Ok(page) => html(StatusCode::OK, page),
            // Whoever has a name may see more, or not; who has none cannot tell the one from the other.
            Err(Wrong::Missing) if may_log_in => asked_for_name(),
            Err(Wrong::Missing) => html(StatusCode::NOT_FOUND, frame::missing()),
            Err(Wrong::Failed) => html(StatusCode::INTERNAL_SERVER_ERROR, frame::failed()),
        }
    }
}

fn html(status: StatusCode, page: Markup) -> Response {
    let mut response = (status, page.into_string()).into_response();
    set(&mut response, header::CONTENT_TYPE, "text/html; charset=utf-8");
    response
}

fn asked_for_name() -> Response {
    let mut response = html(StatusCode::UNAUTHORIZED, frame::name_wanted());
    set(&mut response, header::WWW_AUTHENTICATE, BASIC);
    response
}

/// The headers of every page.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}
