//! From what the libraries say to why a request was not answered, in words that do not need their source.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::{Origin, OutboundError};

/// Why a proxy lets nobody through whom it does not know.
pub(super) const PROXY_WANTS_PASSWORD: &str = "it wants a user name and a password";

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Nobody who is trusted has signed it.
    #[error("its certificate is from an authority that is not trusted here")]
    Issuer,
    /// It has signed itself.
    #[error("its certificate is self-signed, and not one that is configured for it")]
    SelfSigned,
    /// It is not good any more, or not yet.
    #[error("{0}")]
    Time(String),
    /// It is someone else's.
    #[error("its certificate is for another name{}", names(.0))]
    Name(Vec<String>),
    /// Something rarer, in the library's words.
    #[error("its certificate is not good: {0}")]
    Other(String),
}

/// Judges why a connection or a request failed; `proxy` is the one on the way, `patience` how long a connection may
/// take.
pub(super) fn judge(error: reqwest::Error, origin: Origin, proxy: Option<String>, patience: Duration) -> OutboundError {
    match tls_error(&error) {
        Some(rustls::Error::InvalidCertificate(error)) => {
            return OutboundError::Untrusted { origin, flaw: flaw_of(error) };
        }
        Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
            return OutboundError::CertificateWanted(origin);
        }
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            return OutboundError::NotTls(origin);
        }
        _ => {}
    }
    let (connecting, timed_out) = (error.is_connect(), error.is_timeout());
    let mut reason = reason_of(error);
    if !connecting {
        return OutboundError::Broken { origin, reason };
    }
    if timed_out && !reason.contains("timed out") {
        reason = format!("{reason}: no connection within {} s", patience.as_secs_f32());
    }
    match proxy {
        Some(proxy) => OutboundError::Proxy { origin, proxy, reason },
        None => OutboundError::Connect { origin, reason },
    }
}

/// What TLS said, where it was TLS that failed.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        // An I/O error does not count what it holds among its sources.
        let inner = cause.downcast_ref().and_then(io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| cause.source());
    }
    None
}

fn flaw_of(error: &CertificateError) -> Flaw {
    match error {
        // A bad signature is that of a namesake: authorities that were made anew keep their names.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Flaw::Issuer,
        CertificateError::Expired => Flaw::Time("its certificate has expired".to_owned()),
        CertificateError::ExpiredContext { not_after, .. } => {
            Flaw::Time(format!("its certificate has expired, on {}", day(*not_after)))
        }
        CertificateError::NotValidYet => Flaw::Time("its certificate is not good yet".to_owned()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            Flaw::Time(format!("its certificate is not good before {}", day(*not_before)))
        }
        CertificateError::NotValidForName => Flaw::Name(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => Flaw::Name(presented.clone()),
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Flaw::SelfSigned,
        other => Flaw::Other(other.to_string()),
    }
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(String::new, |time| time.strftime("%Y-%m-%d").to_string())
}

/// The most names of a certificate that are shown.
const MAX_NAMES: usize = 5;

fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = presented.iter().take(MAX_NAMES).map(|name| plain_name(name)).collect();
    let more = if presented.len() > MAX_NAMES { ", …" } else { "" };
    format!(": {}{more}", shown.join(", "))
}

/// A name without the library's word for its kind: `DnsName("a")` is `a`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')'));
    inner.trim_matches('"').escape_debug().to_string()
}

/// Whether the other side ended it because of the certificate that we showed, or showed not.
fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// What the layers below say that tells the user nothing beside what lies behind it.
const IDLE_WORDS: [&str; 4] = ["client error (Connect)", "tcp connect error", "dns error", "error resolving DNS"];

/// The sentence that says most of an error and everything behind it, without the URL that it was about.
pub(super) fn reason_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn StdError> = error.source();
    while let Some(cause) = next {
        next = cause.source();
        // "client error (Connect)" says nothing that the sentence around it does not.
        if cause.to_string().starts_with("client error (") && next.is_some() {
            continue;
        }
        let text = in_words(cause.to_string());
        // Outer layers often repeat what the inner one says.
        parts.retain(|part| !part.contains(&text) && !IDLE_WORDS.contains(&part.as_str()));
        parts.push(text);
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}

/// What proxies and broken handshakes do, which the libraries tell in text alone.
fn in_words(text: String) -> String {
    match text.as_str() {
        "tunnel error: proxy authorization required" => PROXY_WANTS_PASSWORD.to_owned(),
        "tunnel error: unsuccessful" => "it refused".to_owned(),
        "tunnel error: unexpected end of file" => "it ended the connection".to_owned(),
        "tls handshake eof" => "the connection ended while TLS was being set up".to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_are_told_in_plain_words() {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(978_307_201));
        let expired = CertificateError::ExpiredContext { time, not_after: time };
        assert_eq!(flaw_of(&expired).to_string(), "its certificate has expired, on 2001-01-01");
        let early = CertificateError::NotValidYetContext { time, not_before: time };
        assert_eq!(flaw_of(&early).to_string(), "its certificate is not good before 2001-01-01");
        let presented = |count| (0..count).map(|number| format!("DnsName(\"{number}.example\")")).collect();
        assert_eq!(Flaw::Name(presented(1)).to_string(), "its certificate is for another name: 0.example");
        assert!(Flaw::Name(presented(6)).to_string().ends_with("4.example, …"));
        assert_eq!(Flaw::Name(Vec::new()).to_string(), "its certificate is for another name");
        let revoked = flaw_of(&CertificateError::Revoked).to_string();
        assert!(revoked.starts_with("its certificate is not good: "), "{revoked}");
    }
}
