//! Asking a token server: a form of GET with Basic, or OAuth2's POST for identity tokens
//! (distribution's token and OAuth2 documentation).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, header};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::tokens::{Granted, USUAL_LIFETIME};
use crate::credentials::{Chosen, Credential, Secret};
use crate::image::RegistryAddress;
use crate::outbound::{Handed, Outbound, OutboundError, Permit, Refusal, Request, RequestBody, Response};
use crate::registry::{Error, ErrorKind, Remedy, Result};
use crate::wire::{ErrorBody, MAX_ERROR_BODY, Scope};

/// The longest answer of a token server.
const MAX_TOKEN_BODY: usize = 1024 * 1024;
/// The longest lifetime that is believed.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);
/// The name under which identity tokens are shown as a password, where the POST form is not spoken.
const TOKEN_USER: &str = "<token>";

/// A token server, and who asks it.
pub(super) struct TokenServer<'a> {
    pub(super) outbound: &'a Outbound,
    pub(super) registry: &'a RegistryAddress,
    pub(super) chosen: &'a Chosen,
    pub(super) realm: &'a str,
    pub(super) service: Option<&'a str>,
}

#[derive(Deserialize)]
struct TokenBody {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    /// Seconds; some servers write them as a fraction.
    #[serde(default)]
    expires_in: Option<f64>,
}

impl TokenServer<'_> {
    /// Asks for a token that allows `scopes`.
    ///
    /// # Errors
    /// `Policy` where the realm may not see the credential; `Denied` where it was not taken; others as they come.
    pub(super) async fn ask(&self, scopes: &[Scope]) -> Result<Granted> {
        let permit = self.permit().await?;
        let response = match &self.chosen.credential {
            Credential::IdentityToken(token) => {
                let response = self.post(&permit, token, scopes).await?;
                // Where the OAuth2 form is not spoken, the older one is.
                if matches!(response.status().as_u16(), 404 | 405) {
                    self.get(&permit, Some((TOKEN_USER, token)), scopes).await?
                } else {
                    response
                }
            }
            Credential::Password { username, password } => {
                self.get(&permit, Some((username.as_str(), password)), scopes).await?
            }
            Credential::Anonymous | Credential::RegistryToken(_) => self.get(&permit, None, scopes).await?,
        };
        self.read(response, scopes).await
    }

    async fn permit(&self) -> Result<Permit> {
        let handed = match &self.chosen.credential {
            Credential::Password { .. } | Credential::IdentityToken(_) => Handed::Realm,
            Credential::Anonymous | Credential::RegistryToken(_) => Handed::AnonymousRealm,
        };
        let malformed = || {
            let message = format!("the registry {} asks for a token from a place that is no URL", self.registry);
            Error::new(ErrorKind::Nonsense, message).at(self.registry.to_string())
        };
        let realm = Url::parse(self.realm).map_err(|_| malformed())?;
        let base = self.outbound.at_home("/v2/").map_err(|error| self.failed(error))?;
        let judged = self.outbound.permit(handed, base.url(), realm).await;
        judged.map_err(|error| match error {
            OutboundError::Refused(Refusal::ForeignRealm { registry, realm }) => {
                let remedy = Remedy::AllowRealm { registry: self.registry.to_string(), realm: realm.to_string() };
                let refusal = Refusal::ForeignRealm { registry, realm };
                Error::new(ErrorKind::Policy, refusal.to_string()).at(self.registry.to_string()).with_remedy(remedy)
            }
            error => self.failed(error),
        })
    }

    async fn get(&self, permit: &Permit, user: Option<(&str, &Secret)>, scopes: &[Scope]) -> Result<Response> {
        let mut url = permit.url().clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = self.service {
                query.append_pair("service", service);
            }
            for scope in scopes {
                query.append_pair("scope", &scope.to_string());
            }
        }
        let mut request = Request::new(Method::GET, permit.clone().with_query(url.query()));
        if let Some((user, password)) = user {
            request = request.authorization(basic(user, password)?);
        }
        self.send(request).await
    }

    async fn post(&self, permit: &Permit, token: &Secret, scopes: &[Scope]) -> Result<Response> {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = Request::new(Method::POST, permit.clone())
            .header(header::CONTENT_TYPE, form_type)
            .body(RequestBody::Whole(vec![self.form(token, scopes).into()]));
        self.send(request).await
    }

    fn form(&self, token: &Secret, scopes: &[Scope]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", "tranship");
        if let Some(service) = self.service {
            form.append_pair("service", service);
        }
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        form.append_pair("scope", &scopes.join(" ")).append_pair("refresh_token", token.expose()).finish()
    }

    async fn send(&self, request: Request) -> Result<Response> {
        self.outbound.send(request.collected(MAX_TOKEN_BODY)).await.map_err(|error| self.failed(error))
    }

    async fn read(&self, response: Response, scopes: &[Scope]) -> Result<Granted> {
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(response).await);
        }
        let server = self.server();
        let body = response.whole(MAX_TOKEN_BODY).await.map_err(|error| self.failed(error))?;
        let nonsense = |what: &str| {
            let message = format!("the auth server {server} answered with {what}");
            Error::new(ErrorKind::Nonsense, message).at(self.registry.to_string()).with_status(status.as_u16())
        };
        let body: TokenBody = serde_json::from_slice(&body).map_err(|_| nonsense("something that is no token"))?;
        let given = |token: Option<String>| token.filter(|token| !token.is_empty());
        let token = given(body.token).or(given(body.access_token)).ok_or_else(|| nonsense("no token"))?;
        if HeaderValue::from_str(&token).is_err() {
            return Err(nonsense("a token that no header can hold"));
        }
        let lifetime = body.expires_in.filter(|seconds| *seconds > 0.0);
        let lifetime = lifetime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(Granted {
            value: Secret::new(token),
            scopes: scopes.to_vec(),
            lifetime: lifetime.unwrap_or(USUAL_LIFETIME).min(LONGEST_LIFETIME),
        })
    }

    async fn refused(&self, response: Response) -> Error {
        let status = response.status().as_u16();
        let kind = match status {
            400..=403 => ErrorKind::Denied,
            404 | 405 => ErrorKind::Nonsense,
            429 => ErrorKind::RateLimited,
            500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Rejected,
        };
        let body = ErrorBody::parse(&response.beginning(MAX_ERROR_BODY).await);
        let said = body.summary().map_or_else(String::new, |summary| format!(": {summary}"));
        let message =
            format!("the auth server {} gave no token for {}{said} (HTTP {status})", self.server(), self.registry);
        let error = Error::new(kind, message).at(self.registry.to_string()).with_status(status);
        let error = match body.code {
            Some(code) => error.with_code(code),
            None => error,
        };
        if kind != ErrorKind::Denied {
            return error;
        }
        error.with_remedy(super::answer::credential_remedy(self.registry, self.chosen))
    }

    fn failed(&self, error: OutboundError) -> Error {
        let mapped = super::answer::of_outbound(self.registry, &error);
        Error::new(mapped, format!("the auth server {} gave no answer", self.server()))
            .at(self.registry.to_string())
            .caused_by(error)
    }

    /// The token server's host, for messages.
    fn server(&self) -> String {
        let host = Url::parse(self.realm).ok().and_then(|realm| realm.host_str().map(str::to_owned));
        host.unwrap_or_else(|| "(without a name)".to_owned()).escape_debug().to_string()
    }
}

/// The value of a Basic `Authorization` header.
///
/// # Errors
/// `Denied` where the name holds a colon, which the header cannot tell apart.
pub(super) fn basic(user: &str, password: &Secret) -> Result<HeaderValue> {
    let unusable = || Error::new(ErrorKind::Denied, "the user name holds a `:`, which cannot be sent".to_owned());
    if user.contains(':') {
        return Err(unusable());
    }
    let pair = zeroize::Zeroizing::new(format!("{user}:{}", password.expose()));
    let value = zeroize::Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&value).map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok(value)
}
