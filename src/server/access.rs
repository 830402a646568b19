//! Who may do what: users, what is open to everyone, and how it is asked who somebody is.
//!
//! Decided once, for every route alike, before anything of the store is looked at. What somebody may not see is
//! refused before it is known whether it is there.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use secrecy::SecretString;

use super::answer::{Code, Refusal};
use super::users::{Users, UsersError};
use crate::wire::Route;

/// What can be allowed, each with all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// Nothing.
    None,
    /// To read.
    Pull,
    /// To read, write and remove.
    Push,
}

/// Who is let in.
#[derive(Clone)]
pub struct Access {
    /// Those that have a name; `None` where nobody is asked for one.
    users: Option<Arc<Users>>,
    /// What those may who show no name.
    anonymous: Rights,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Principal {
    /// Somebody without a name.
    Anonymous,
    /// A user.
    User(String),
}

impl Principal {
    /// How uploads are marked as theirs; no user's name is empty.
    pub(super) fn owner(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::User(name) => name,
        }
    }
}

impl Access {
    /// Users of an htpasswd file may do everything, others what `anonymous` says.
    ///
    /// # Errors
    /// The file cannot be read, or has no user.
    pub fn of_users(file: &std::path::Path, anonymous: Rights) -> Result<Self, UsersError> {
        Ok(Self { users: Some(Arc::new(Users::read(file)?)), anonymous })
    }

    /// Everybody may do what `anonymous` says, and nobody has a name.
    #[must_use]
    pub const fn of_anyone(anonymous: Rights) -> Self {
        Self { users: None, anonymous }
    }

    /// Finds out who asks, and whether they may do what they ask for.
    ///
    /// # Errors
    /// 401 where a name is wanted or a wrong one was shown, 403 where even a name does not help.
    pub(super) async fn admit(&self, route: &Route, parts: &Parts) -> Result<Principal, Refusal> {
        let principal = self.who(parts).await?;
        let rights = match &principal {
            Principal::Anonymous => self.anonymous,
            Principal::User(_) => Rights::Push,
        };
        if rights >= self.wanted(route, &parts.method) {
            return Ok(principal);
        }
        Err(if self.users.is_some() { unknown("authentication required") } else { denied() })
    }

    /// What a request needs.
    fn wanted(&self, route: &Route, method: &Method) -> Rights {
        match (route, method) {
            // A client asks here whether its password is right, so it has to be asked for one.
            (Route::Base, _) if self.users.is_some() => Rights::Push,
            (Route::Base, _) => Rights::None,
            (Route::StartUpload { .. } | Route::Upload { .. }, _) => Rights::Push,
            (_, &Method::GET | &Method::HEAD) => Rights::Pull,
            _ => Rights::Push,
        }
    }

    async fn who(&self, parts: &Parts) -> Result<Principal, Refusal> {
        let (Some(users), Some(shown)) = (&self.users, parts.headers.get(header::AUTHORIZATION)) else {
            return Ok(Principal::Anonymous);
        };
        let Some((name, password)) = credentials(shown) else { return Err(unknown("only Basic is taken")) };
        if users.know(&name, &password).await {
            return Ok(Principal::User(name));
        }
        // Also where reading is open to everyone: who shows a wrong password should hear of it.
        Err(unknown("the user or the password is wrong"))
    }
}

/// User name and password of a Basic header (RFC 7617).
fn credentials(shown: &HeaderValue) -> Option<(String, SecretString)> {
    let (scheme, encoded) = shown.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    (!name.is_empty()).then(|| (name.to_owned(), SecretString::from(password)))
}

fn unknown(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message)
        .with(header::WWW_AUTHENTICATE, "Basic realm=\"tranship\", charset=\"UTF-8\"")
}

fn denied() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, Code::Denied, "this is not open to everyone, and nobody has a name here")
}

/// Whether a request that came to this computer alone names it: a page in a browser could reach a local server under
/// a name of its own (DNS rebinding).
pub(super) fn is_meant_for_loopback(parts: &Parts) -> bool {
    let host = parts.uri.host().or_else(|| parts.headers.get(header::HOST)?.to_str().ok());
    let Some(host) = host else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The answer to a request under a stranger's name.
pub(super) fn misdirected() -> Response {
    let message = "only this computer is served here, under its own names";
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, Code::Denied, message).into_response()
}
