//! Web hooks: a JSON document is posted to a URL that the user named, signed, and tried again until it is taken.
//!
//! Who receives it can tell that it is whole and from us: `X-Tranship-Signature: sha256=HEX` is the HMAC-SHA256 of
//! the body under the secret that both sides know (RFC 2104). It may arrive twice where an answer was lost, and
//! has the same `X-Tranship-Delivery` then. A redirect is not followed: what the user named is what is told.
//! `serve` and the triggers of streams post by it; whoever calls decides what happens to what could not be told.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{self, HeaderMap};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::Sha256;
use url::{Position, Url};

use super::{
    Origin, Outbound, OutboundError, OutboundSettings, Pace, Permit, Redirects, Request, RequestBody, Retries,
    Timeouts, TlsSettings, redact,
};
use crate::failure::{Failure, FailureKind};
use crate::progress::Progress;

/// The header of the signature.
const SIGNATURE: HeaderName = HeaderName::from_static("x-tranship-signature");
/// The header that is the same whenever the same document is posted again.
const DELIVERY: HeaderName = HeaderName::from_static("x-tranship-delivery");
/// The longest document that is posted, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;
/// As much of an answer is read, so that the connection can be used again.
const MAX_ANSWER: usize = 64 * 1024;

/// Everything that a [`Webhook`] is made of.
pub struct WebhookSettings {
    /// Where to post: `http` or `https`, without a user. Its path and query may be secret, and are never shown.
    pub url: Url,
    /// What the body is signed with; unsigned where there is none.
    pub secret: Option<SecretString>,
    /// How connections are secured.
    pub tls: TlsSettings,
    /// How long is waited.
    pub timeouts: Timeouts,
    /// How often it is tried.
    pub retries: Retries,
    /// The slow-down that the whole process shares.
    pub pace: Arc<Pace>,
    /// Who is told of waits.
    pub progress: Arc<dyn Progress>,
}

/// A URL that is told what happens.
pub struct Webhook {
    outbound: Outbound,
    permit: Permit,
    secret: Option<SecretString>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("place", self.place()).finish_non_exhaustive()
    }
}

/// Why something could not be told.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL cannot be posted to.
    #[error("`{}` cannot be posted to: an http or https URL without a user is", .0.escape_debug())]
    Url(String),
    /// It is longer than anybody is told.
    #[error("the document has {0} bytes; at most {MAX_DOCUMENT} are posted")]
    Long(usize),
    /// It cannot be written as JSON.
    #[error("the document cannot be written")]
    Document(#[from] serde_json::Error),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// The other side does not take it.
    #[error("{place} answered {status}")]
    Refused {
        /// Who answered.
        place: Origin,
        /// What.
        status: StatusCode,
    },
    /// No answer came.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl Failure for WebhookError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Url(_) => FailureKind::Usage,
            Self::Long(_) | Self::Document(_) | Self::Random | Self::Refused { .. } => FailureKind::Failed,
            Self::Outbound(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Refused { status, .. } if status.is_redirection() => {
                vec!["redirects are not followed; name the URL that it leads to".to_owned()]
            }
            Self::Outbound(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}

impl Webhook {
    /// Prepares to post. No connection is made.
    ///
    /// # Errors
    /// The URL is none that can be posted to.
    pub fn new(settings: WebhookSettings) -> Result<Self, WebhookError> {
        let WebhookSettings { url, secret, tls, timeouts, retries, pace, progress } = settings;
        let unusable = || WebhookError::Url(redact::text_of_url(url.as_str()));
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unusable());
        }
        let home = Origin::of(&url).ok_or_else(unusable)?;
        let (headers, token_realms) = (HeaderMap::new(), Vec::new());
        let outbound =
            Outbound::new(OutboundSettings { home, tls, headers, token_realms, timeouts, retries, pace, progress });
        let permit = outbound.at_home(&url[Position::BeforePath..Position::AfterQuery])?;
        Ok(Self { outbound, permit, secret })
    }

    /// Whom it tells. The path and query stay unsaid: they often are the password.
    #[must_use]
    pub const fn place(&self) -> &Origin {
        self.outbound.home()
    }

    /// Posts a document as JSON until it is taken, as often as the settings say.
    ///
    /// # Errors
    /// It is too long, nobody answered, or the answer is neither good nor one that another try may change.
    pub async fn post(&self, document: &(impl Serialize + Sync)) -> Result<(), WebhookError> {
        let body = Bytes::from(serde_json::to_vec(document)?);
        if body.len() > MAX_DOCUMENT {
            return Err(WebhookError::Long(body.len()));
        }
        let mut request = Request::new(Method::POST, self.permit.clone())
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(DELIVERY, delivery()?)
            .redirects(Redirects::Returned);
        if let Some(signature) = self.secret.as_ref().and_then(|secret| signature(secret, &body)) {
            request = request.header(SIGNATURE, signature);
        }
        let response = self.outbound.send(request.body(RequestBody::Whole(vec![body]))).await?;
        let (place, status) = (self.place().clone(), response.status());
        response.beginning(MAX_ANSWER).await;
        if status.is_success() { Ok(()) } else { Err(WebhookError::Refused { place, status }) }
    }
}

/// A name for one document that is on its way, 128 bits of it by chance.
fn delivery() -> Result<HeaderValue, WebhookError> {
    let mut name = [0; 16];
    getrandom::fill(&mut name).map_err(|_| WebhookError::Random)?;
    HeaderValue::from_str(&hex(&name)).map_err(|_| WebhookError::Random)
}

/// `sha256=HEX`; a key can have any length.
fn signature(secret: &SecretString, body: &[u8]) -> Option<HeaderValue> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(body);
    HeaderValue::from_str(&format!("sha256={}", hex(&mac.finalize().into_bytes()))).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::outbound::Certificates;
    use crate::outbound::scripted::{Answer, Scripted};
    use crate::progress::Silent;

    fn settings(url: &str) -> WebhookSettings {
        WebhookSettings {
            url: url.parse().unwrap(),
            secret: Some(SecretString::from("Jefe")),
            tls: TlsSettings::new(Certificates::Verified),
            timeouts: Timeouts { connect: Duration::from_secs(2), idle: Duration::from_secs(5) },
            retries: Retries { tries: 3, first_pause: Duration::from_millis(2), ..Retries::default() },
            pace: Arc::default(),
            progress: Arc::new(Silent),
        }
    }

    async fn post(url: &str) -> Result<(), WebhookError> {
        Webhook::new(settings(url)).unwrap().post(&serde_json::json!({"a": 1})).await
    }

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // RFC 4231, test case 2.
        let signed = signature(&SecretString::from("Jefe"), b"what do ya want for nothing?").unwrap();
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signed.to_str().unwrap(), expected);
        assert!(signature(&SecretString::from(""), b"").is_some());
    }

    #[tokio::test]
    async fn a_document_is_posted_again_until_it_is_taken() {
        let count = AtomicUsize::new(0);
        let server = Scripted::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::lost(),
            1 => Answer::status(503),
            _ => Answer::status(204),
        })
        .await;
        post(&format!("{}/hooks/x?key=y", server.url())).await.unwrap();
        let asked = server.asked();
        assert_eq!(server.lines(), ["POST /hooks/x?key=y"; 3]);
        for request in &asked {
            assert_eq!((&*request.body, request.header("content-type")), (&b"{\"a\":1}"[..], Some("application/json")));
            let signed = signature(&SecretString::from("Jefe"), &request.body).unwrap();
            assert_eq!(request.header("x-tranship-signature"), signed.to_str().ok());
            assert_eq!(request.header("x-tranship-delivery"), asked[0].header("x-tranship-delivery"));
        }
        assert_eq!(asked[0].header("x-tranship-delivery").unwrap().len(), 32);
    }

    #[tokio::test]
    async fn who_refuses_or_leads_elsewhere_is_told_of_and_asked_no_more() {
        let elsewhere = Scripted::start(|_| Answer::status(200)).await;
        let target = format!("{}/there", elsewhere.url());
        for (status, hint) in [(400, None), (302, Some("redirects")), (307, Some("redirects"))] {
            let target = target.clone();
            let server = Scripted::start(move |_| Answer::status(status).header("location", &target)).await;
            let error = post(&format!("{}/secret-path", server.url())).await.unwrap_err();
            assert!(error.to_string().contains(&status.to_string()) && !error.to_string().contains("secret"));
            assert_eq!(error.hints().first().and_then(|hint| hint.split(' ').next()), hint);
            assert_eq!(server.asked().len(), 1);
        }
        assert!(elsewhere.asked().is_empty());
        let server = Scripted::start(|_| Answer::status(500)).await;
        assert!(matches!(post(&server.url()).await, Err(WebhookError::Refused { .. })));
        assert_eq!(server.asked().len(), 3, "as often as the settings say");
    }

    #[tokio::test]
    async fn what_cannot_be_posted_is_said_without_its_secrets() {
        for url in ["https://bob:cAnArY@a.example/x", "ftp://a.example/x?cAnArY", "data:cAnArY"] {
            let error = Webhook::new(settings(url)).unwrap_err();
            assert_eq!((error.kind(), error.to_string().contains("cAnArY@")), (FailureKind::Usage, false), "{error}");
        }
        let hook = Webhook::new(settings("http://127.0.0.1:9/cAnArY?cAnArY")).unwrap();
        assert!(!format!("{hook:?} {}", hook.place()).contains("cAnArY"));
        let long = "x".repeat(MAX_DOCUMENT);
        assert!(matches!(hook.post(&long).await, Err(WebhookError::Long(_))));
    }
}
