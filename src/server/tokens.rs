//! `/token`: the registry as its own token server (distribution's token documentation; its OAuth2 form).

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode, header};
use secrecy::SecretString;
use serde_json::json;
use url::form_urlencoded;

use super::access::{BASIC, Principal, credentials};
use super::answer::{Code, Refusal, json};
use super::signer::LIFETIME;
use super::{Answer, Server};
use crate::wire::Scope;

/// The longest form that is read.
const MAX_FORM: usize = 64 * 1024;
/// The most scopes that are looked at.
const MAX_SCOPES: usize = 64;

impl Server {
    /// Hands out a token for what whoever asks may do of what they ask for; with less than that where they may less.
    pub(super) async fn token(&self, parts: &Parts, body: Body) -> Answer {
        let (principal, scopes) = match parts.method {
            Method::GET => {
                let query = parts.uri.query().unwrap_or_default().to_owned();
                (self.basic(parts).await?, scopes(query.as_bytes()))
            }
            Method::POST => {
                let Ok(form) = axum::body::to_bytes(body, MAX_FORM).await else {
                    return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid, "the form is too long"));
                };
                (self.form(&form).await?, scopes(&form))
            }
            _ => {
                let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, "GET or POST");
                return Err(refusal.with(header::ALLOW, "GET, POST"));
            }
        };
        let token = self.access.token(&principal, scopes).ok_or_else(wrong)?;
        let mut response: Response = json(&json!({
            "token": token, "access_token": token, "expires_in": LIFETIME.as_secs(),
        }));
        response.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        Ok(response)
    }

    async fn basic(&self, parts: &Parts) -> Result<Principal, Refusal> {
        let Some(shown) = parts.headers.get(header::AUTHORIZATION) else { return Ok(self.access.anyone()) };
        let shown = shown.to_str().ok().and_then(|text| text.split_once(' '));
        let (name, password) = shown.and_then(|(scheme, word)| credentials(scheme, word)).ok_or_else(wrong)?;
        self.access.user(&name, &password).await.ok_or_else(wrong)
    }

    /// Docker's form: a password, or what it was given in its place, which is a password here too.
    async fn form(&self, form: &[u8]) -> Result<Principal, Refusal> {
        let field = |wanted: &str| {
            form_urlencoded::parse(form).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let (name, password) = match field("grant_type").as_deref() {
            Some("password") => (field("username"), field("password")),
            Some("refresh_token") => (Some("token".to_owned()), field("refresh_token")),
            _ => return Err(Refusal::new(StatusCode::BAD_REQUEST, Code::Unsupported, "this grant_type is not known")),
        };
        let (name, password) = name.zip(password).ok_or_else(wrong)?;
        self.access.user(&name, &SecretString::from(password)).await.ok_or_else(wrong)
    }
}

/// The scopes that are asked for, however often the word stands there; what is none is left out.
fn scopes(form: &[u8]) -> Vec<Scope> {
    let fields = form_urlencoded::parse(form).filter(|(name, _)| name == "scope");
    fields.flat_map(|(_, value)| Scope::parse_list(&value)).take(MAX_SCOPES).collect()
}

fn wrong() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, "the user or the password is wrong")
        .with(header::WWW_AUTHENTICATE, BASIC)
}
