//! From answers to errors: what a status, a code and a body mean.

use http::StatusCode;

use super::exchange::Exchange;
use crate::credentials::{Chosen, Credential};
use crate::failure::Failure as _;
use crate::image::RegistryAddress;
use crate::outbound::{Flaw, OutboundError, Response, redact};
use crate::registry::{Error, ErrorKind, Remedy};
use crate::wire::{ErrorBody, LinkError, MAX_ERROR_BODY};

/// In which way a request failed that had no answer.
pub(super) fn of_outbound(registry: &RegistryAddress, error: &OutboundError) -> ErrorKind {
    tracing::debug!(%registry, %error, "no answer");
    match error {
        OutboundError::Refused(_) | OutboundError::ProxySees { .. } => ErrorKind::Policy,
        OutboundError::Connect { .. }
        | OutboundError::Proxy { .. }
        | OutboundError::Untrusted { .. }
        | OutboundError::NotTls(_)
        | OutboundError::Broken { .. } => ErrorKind::Unreachable,
        OutboundError::CertificateWanted(_) => ErrorKind::Denied,
        OutboundError::Settings(_) => ErrorKind::Settings,
        OutboundError::Silent { .. } => ErrorKind::TimedOut,
        OutboundError::RateLimited { .. } | OutboundError::QuotaUsedUp { .. } => ErrorKind::RateLimited,
        OutboundError::TooLong { .. } | OutboundError::Redirects(_) => ErrorKind::Nonsense,
    }
}

impl Exchange {
    /// The error for a request that had no answer.
    pub(super) fn unanswered(&self, error: &OutboundError) -> Error {
        let kind = of_outbound(self.address(), error);
        let registry = self.address().to_string();
        let mapped = Error::new(kind, error.to_string()).at(registry.clone());
        match error {
            OutboundError::Untrusted { flaw: Flaw::Issuer | Flaw::SelfSigned, .. } => {
                mapped.with_remedy(Remedy::TrustCertificate(registry))
            }
            OutboundError::Untrusted { .. } => mapped.with_remedy(Remedy::SkipVerification(registry)),
            OutboundError::CertificateWanted(_) => mapped.with_remedy(Remedy::ShowCertificate(registry)),
            OutboundError::NotTls(_) => mapped.with_remedy(Remedy::PlainHttp(registry)),
            OutboundError::RateLimited { pause, .. } | OutboundError::QuotaUsedUp { pause, .. } => {
                mapped.with_retry_after(*pause).with_remedy(Remedy::WaitFor(*pause)).after_all_tries()
            }
            _ => error.hints().into_iter().fold(mapped, |mapped, hint| mapped.with_remedy(Remedy::Other(hint))),
        }
    }

    /// The error for a body that did not come to its end; `what` is the sentence that says so.
    pub(super) fn broken_off(&self, what: &str, error: OutboundError) -> Error {
        let kind = match error {
            OutboundError::Broken { .. } => ErrorKind::Cut,
            OutboundError::Silent { .. } => ErrorKind::TimedOut,
            _ => return self.unanswered(&error),
        };
        self.error(kind, what).caused_by(error)
    }

    /// The error for an answer that points nowhere sensible.
    pub(super) fn misled(&self, error: &LinkError) -> Error {
        // A text that is no URL may still hold a secret where a URL has them.
        let message = match error {
            LinkError::NotUrl(text) => LinkError::NotUrl(redact::text_of_url(text)).to_string(),
            error => error.to_string(),
        };
        self.error(ErrorKind::Nonsense, message)
    }

    /// An error of this registry.
    pub(super) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, message).at(self.address().to_string())
    }

    /// The error for an answer that refuses `what`, e.g. `the manifest os/alpine:3`.
    pub(super) async fn refused(&self, what: &str, response: Response) -> Error {
        let (status, home) = (response.status(), response.is_home());
        let given_up = response.is_given_up();
        let retry_after = crate::wire::retry_after(response.headers(), jiff::Timestamp::now());
        let in_the_clear = !response.is_over_tls();
        let beginning = response.beginning(MAX_ERROR_BODY).await;
        let speaks_tls = status == StatusCode::BAD_REQUEST && in_the_clear && wants_tls(&beginning);
        let body = ErrorBody::parse(&beginning);
        let kind = kind_of(status, body.code.as_ref().map(crate::registry::ErrorCode::as_str));
        let who = if home { "the registry" } else { "the storage that the registry redirected to" };
        let did = match kind {
            _ if status.is_success() => "answered strangely about",
            // `what` is a thing here; where it is a deed, the place refused to do it.
            ErrorKind::NotFound if what.starts_with("the ") => "does not have",
            _ => "refused",
        };
        let said = body.summary().map_or_else(String::new, |summary| format!(": {summary}"));
        let message = format!("{who} {did} {what}{said} (HTTP {})", status.as_u16());
        let mut error = self.error(kind, message).with_status(status.as_u16()).with_missing(body.missing);
        if let Some(code) = body.code {
            error = error.with_code(code);
        }
        if let Some(pause) = retry_after {
            error = error.with_retry_after(pause);
        }
        if given_up {
            error = error.after_all_tries();
        }
        match kind {
            _ if home && speaks_tls => {
                let set = format!("tranship registry set {} --tls verify", self.address());
                error.with_remedy(Remedy::Other(format!("it speaks TLS: leave out `--tls plain-http`, or run `{set}`")))
            }
            ErrorKind::Denied if home => error.with_remedy(credential_remedy(self.address(), self.chosen())),
            ErrorKind::RateLimited => match retry_after {
                Some(pause) => error.with_remedy(Remedy::WaitFor(pause)),
                None => error,
            },
            _ => error,
        }
    }
}

/// Whether a body is what servers of TLS say to who speaks plain HTTP: Go's, nginx.
fn wants_tls(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body).to_ascii_lowercase();
    ["http request to an https server", "http request was sent to https port"].iter().any(|said| body.contains(said))
}

/// What to do about a credential that was not taken.
pub(super) fn credential_remedy(registry: &RegistryAddress, chosen: &Chosen) -> Remedy {
    match (&chosen.credential, chosen.name.as_deref()) {
        (Credential::Anonymous, _) | (_, None | Some("login")) => Remedy::Login(registry.to_string()),
        (_, Some(name)) if name.split('/').count() == 2 && !name.contains(' ') => {
            Remedy::CheckCredential(name.to_owned())
        }
        (_, Some(name)) => Remedy::Other(format!("check the credential that was used: {name} ({})", chosen.why)),
    }
}

/// In which way an answer refuses.
pub(super) fn kind_of(status: StatusCode, code: Option<&str>) -> ErrorKind {
    match (status.as_u16(), code.unwrap_or_default()) {
        (401 | 403, _) => ErrorKind::Denied,
        (400..=499, "MANIFEST_BLOB_UNKNOWN") => ErrorKind::MissingBlobs,
        (400..=499, "BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID") => ErrorKind::Gone,
        (400..=499, "DIGEST_INVALID" | "SIZE_INVALID") => ErrorKind::Corrupt,
        (404 | 410, _) | (400..=499, "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN" | "NAME_UNKNOWN") => ErrorKind::NotFound,
        (405 | 501, _) | (400..=499, "UNSUPPORTED") => ErrorKind::Unsupported,
        (408, _) => ErrorKind::TimedOut,
        (409 | 412, _) => ErrorKind::Conflict,
        (429, _) => ErrorKind::RateLimited,
        // A proxy that lost its other side says 499.
        (499 | 500.., _) => ErrorKind::Unavailable,
        (400..=498, _) => ErrorKind::Rejected,
        _ => ErrorKind::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_codes_have_their_kinds() {
        let cases = [
            (401, "", ErrorKind::Denied),
            (403, "DENIED", ErrorKind::Denied),
            // Quirk 24: the status decides, whatever the code says.
            (404, "UNKNOWN", ErrorKind::NotFound),
            (404, "BLOB_UPLOAD_UNKNOWN", ErrorKind::Gone),
            (404, "MANIFEST_BLOB_UNKNOWN", ErrorKind::MissingBlobs),
            (400, "MANIFEST_BLOB_UNKNOWN", ErrorKind::MissingBlobs),
            (400, "DIGEST_INVALID", ErrorKind::Corrupt),
            (400, "UNSUPPORTED", ErrorKind::Unsupported),
            (405, "UNSUPPORTED", ErrorKind::Unsupported),
            (400, "NAME_INVALID", ErrorKind::Rejected),
            (409, "", ErrorKind::Conflict),
            (413, "", ErrorKind::Rejected),
            (429, "TOOMANYREQUESTS", ErrorKind::RateLimited),
            (500, "UNKNOWN", ErrorKind::Unavailable),
            (522, "", ErrorKind::Unavailable),
            (499, "", ErrorKind::Unavailable),
            (200, "", ErrorKind::Nonsense),
        ];
        for (status, code, kind) in cases {
            assert_eq!(kind_of(StatusCode::from_u16(status).unwrap(), Some(code)), kind, "{status} {code}");
        }
    }
}
