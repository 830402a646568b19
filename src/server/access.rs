//! Who asks, and whether they are let in: users, passwords that were signed here, what is open to everyone, and how
//! it is asked who somebody is.
//!
//! Decided once, for every route alike, before anything of the place is looked at. What somebody may not see is
//! refused before it is known whether it is there. `rules` say who may do what.

use std::path::Path;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::answer::{Code, Refusal};
use super::rules::{Identity, Rules};
use super::signer::Signer;
use super::users::{Users, UsersError};
use crate::config::{AccessRule, Group, Permission, Rights, Scheme};
use crate::image::RepositoryName;
use crate::wire::{Action, Route, Scope};

/// Rights, everywhere or below one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What may be done.
    pub rights: Rights,
    /// In which repository and those below it; everywhere where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<RepositoryName>,
}

/// Who is let in.
pub struct Access {
    /// Those that have a name; `None` where nobody has one.
    users: Option<Users>,
    rules: Arc<Rules>,
    signer: Arc<Signer>,
    scheme: Scheme,
    /// Where the registry is reached, where that is not what its clients say.
    url: Option<String>,
}

/// Who asks, and what they may.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    who: Identity,
    rules: Arc<Rules>,
    /// What the token allows that they show, where they show one: no more than that.
    scopes: Option<Vec<Scope>>,
}

impl Principal {
    /// How uploads are marked as theirs, and how the log calls them; empty for whoever has no name.
    pub(super) fn owner(&self) -> &str {
        self.who.name()
    }

    /// Whether they may read a repository.
    pub(super) fn may_pull(&self, repository: &RepositoryName) -> bool {
        self.may(&Scope::repository(repository, [Action::Pull]))
    }

    /// Whether they may know that a repository is there. A token for the list of repositories names none of them.
    pub(super) fn may_see(&self, repository: &RepositoryName) -> bool {
        self.rules.may(&self.who, Permission::Pull, repository)
    }

    /// Whether they may do all that a scope names.
    fn may(&self, wanted: &Scope) -> bool {
        let shown = self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope.covers(wanted)));
        shown && self.rules.may_all(&self.who, wanted)
    }

    /// What of a scope they may do; `None` where that is nothing.
    fn part_of(&self, wanted: &Scope) -> Option<Scope> {
        let one = |action: &Action| Scope { actions: [action.clone()].into(), ..wanted.clone() };
        let actions = wanted.actions.iter().filter(|action| self.may(&one(action))).cloned();
        let part = Scope { actions: actions.collect(), ..wanted.clone() };
        (!part.actions.is_empty()).then_some(part)
    }
}

impl Access {
    /// Everybody may do what `anonymous` says, users and others what the rules say, and whoever shows a password of
    /// `signer` what that allows.
    #[must_use]
    pub fn new(anonymous: Rights, groups: Vec<Group>, rules: Vec<AccessRule>, signer: Signer) -> Self {
        let rules = Arc::new(Rules::new(anonymous, groups, rules));
        Self { users: None, rules, signer: Arc::new(signer), scheme: Scheme::Basic, url: None }
    }

    /// Knows the users of an htpasswd file, who may do everything where no rule says otherwise.
    ///
    /// # Errors
    /// The file cannot be read, or has no user.
    pub fn with_users(self, file: &Path) -> Result<Self, UsersError> {
        Ok(Self { users: Some(Users::read(file)?), ..self })
    }

    /// Asks for who somebody is in this way. `url` is where the registry is reached, where that is not what its
    /// clients say: `https://registry.example.com`.
    #[must_use]
    pub fn asking(self, scheme: Scheme, url: Option<String>) -> Self {
        Self { scheme, url, ..self }
    }

    /// Finds out who asks, and whether they may do what they ask for.
    ///
    /// # Errors
    /// 401 where a name is wanted or a wrong one was shown, 403 where another would be needed.
    pub(super) async fn admit(&self, route: &Route, parts: &Parts) -> Result<Principal, Refusal> {
        let principal = match parts.headers.get(header::AUTHORIZATION) {
            None => self.anyone(),
            Some(shown) => self.who(shown).await.ok_or_else(|| {
                // Also where reading is open to everyone: who shows a wrong password should hear of it.
                self.asked_for(route, parts, "the user or the password is wrong, or it is over")
            })?,
        };
        let wanted = wanted(route, &parts.method);
        let is_named = parts.headers.contains_key(header::AUTHORIZATION);
        let is_in = match &wanted {
            Some(wanted) => principal.may(wanted),
            // A client asks here whether its password is right, so it has to be asked for one.
            None => self.rules.are_none() || is_named,
        };
        if is_in {
            return Ok(principal);
        }
        if is_named && principal.scopes.is_none() {
            return Err(not_allowed());
        }
        Err(self.asked_for(route, parts, "authentication required"))
    }

    /// Lets in whoever may read every repository.
    ///
    /// # Errors
    /// 401 where a name is wanted or a wrong one was shown, 403 where another would be needed.
    pub(super) async fn admit_to_all(&self, parts: &Parts) -> Result<(), Refusal> {
        let visitor = match parts.headers.get(header::AUTHORIZATION) {
            None => Some(self.anyone()),
            Some(shown) => self.who(shown).await,
        };
        match visitor {
            Some(visitor) if self.rules.may_everywhere(&visitor.who, Permission::Pull) => Ok(()),
            Some(Principal { who: Identity::User(_) | Identity::Holder { .. }, .. }) => Err(not_allowed()),
            _ => {
                let refusal = Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, "authentication required");
                Err(refusal.with(header::WWW_AUTHENTICATE, BASIC))
            }
        }
    }

    /// Who looks at a page; `None` where a name is wanted, or a wrong one was shown.
    pub(super) async fn visitor(&self, parts: &Parts) -> Option<Principal> {
        match parts.headers.get(header::AUTHORIZATION) {
            Some(shown) => self.who(shown).await,
            None => self.rules.may_somewhere(&Identity::Nobody, Permission::Pull).then(|| self.anyone()),
        }
    }

    /// Whether everybody may read everything.
    pub(super) fn is_open(&self) -> bool {
        self.rules.may_everywhere(&Identity::Nobody, Permission::Pull)
    }

    /// The `HOST[:PORT]` that stands in references to what is here, as far as whoever asks can know it.
    pub(super) fn shown_host(&self, parts: &Parts) -> String {
        let (url, _) = self.own_url(parts);
        url.split_once("://").map_or(url.as_str(), |(_, host)| host).to_owned()
    }

    /// Who shows this; `None` where it is not right.
    async fn who(&self, shown: &HeaderValue) -> Option<Principal> {
        let (scheme, word) = shown.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            let (who, scopes) = self.signer.read_token(word.trim())?;
            // Who was a user when the token was made may be none any more.
            let is_gone = |name| self.users.as_ref().is_none_or(|users| !users.has(name));
            let void = matches!(&who, Identity::User(name) if is_gone(name));
            return (!void).then(|| Principal { scopes: Some(scopes), ..self.principal(who) });
        }
        let (name, password) = credentials(scheme, word)?;
        self.user(&name, &password).await
    }

    /// Whose name and password these are.
    pub(super) async fn user(&self, name: &str, password: &SecretString) -> Option<Principal> {
        if let Some(grant) = self.signer.read_password(password.expose_secret()) {
            return Some(self.principal(Identity::Holder { name: name.to_owned(), grant }));
        }
        let is_user = match &self.users {
            Some(users) => users.know(name, password).await,
            None => false,
        };
        is_user.then(|| self.principal(Identity::User(name.to_owned())))
    }

    fn principal(&self, who: Identity) -> Principal {
        Principal { who, rules: Arc::clone(&self.rules), scopes: None }
    }

    /// Asks who somebody is.
    fn asked_for(&self, route: &Route, parts: &Parts, message: &str) -> Refusal {
        let challenge = match self.scheme {
            Scheme::Basic => BASIC.to_owned(),
            Scheme::Token => {
                let (url, service) = self.own_url(parts);
                let scope = wanted(route, &parts.method).map(|scope| format!(",scope=\"{scope}\"")).unwrap_or_default();
                format!("Bearer realm=\"{url}/token\",service=\"{service}\"{scope}")
            }
        };
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message);
        refusal.with(header::WWW_AUTHENTICATE, &challenge)
    }

    /// Where the registry is reached, and its name.
    fn own_url(&self, parts: &Parts) -> (String, String) {
        let host = parts.uri.authority().map(ToString::to_string);
        let host = host.or_else(|| Some(parts.headers.get(header::HOST)?.to_str().ok()?.to_owned()));
        // What a client says stands between quotes.
        let host: String = host.unwrap_or_default().chars().filter(|c| !matches!(c, '"' | '\\')).collect();
        let scheme = if parts.extensions.get::<OverTls>().is_some() { "https" } else { "http" };
        (self.url.clone().unwrap_or_else(|| format!("{scheme}://{host}")), host)
    }

    /// A token for what `principal` may do of what is wanted.
    pub(super) fn token(&self, principal: &Principal, wanted: Vec<Scope>) -> Option<String> {
        let granted: Vec<Scope> = Scope::union(wanted).iter().filter_map(|scope| principal.part_of(scope)).collect();
        self.signer.token(&principal.who, &granted).ok()
    }

    /// Whoever has no name.
    pub(super) fn anyone(&self) -> Principal {
        self.principal(Identity::Nobody)
    }
}

fn not_allowed() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, Code::Denied, "that is not allowed")
}

/// How it is asked for a name and a password.
pub(super) const BASIC: &str = "Basic realm=\"tranship\", charset=\"UTF-8\"";

/// Marks requests that came over TLS.
#[derive(Clone, Copy, Debug)]
pub(super) struct OverTls;

/// What a request needs; `None` at the base, where nothing is.
fn wanted(route: &Route, method: &Method) -> Option<Scope> {
    let Some(repository) = route.repository() else {
        return match route {
            Route::Catalog { .. } | Route::KeptImages { .. } => Some(Scope::catalog()),
            Route::Prune => Some(Scope::upkeep()),
            _ => None,
        };
    };
    let actions = match (route, method) {
        (Route::StartUpload { .. } | Route::Upload { .. }, _) => vec![Action::Pull, Action::Push],
        (_, &Method::GET | &Method::HEAD) => vec![Action::Pull],
        (_, &Method::DELETE) => vec![Action::Delete],
        _ => vec![Action::Pull, Action::Push],
    };
    Some(Scope::repository(repository, actions))
}

/// User name and password of a Basic header (RFC 7617).
pub(super) fn credentials(scheme: &str, encoded: &str) -> Option<(String, SecretString)> {
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    (!name.is_empty()).then(|| (name.to_owned(), SecretString::from(password)))
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
