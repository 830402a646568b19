//! Why a request was not answered.

use std::time::Duration;

use super::{Origin, Refusal};
use crate::failure::{Failure, FailureKind};

/// Why a request was not answered, or not sent at all.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// Our own policy refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A certificate, key or header of the configuration cannot be used.
    #[error("{0}")]
    Settings(String),
    /// No connection.
    #[error("cannot connect to {origin}: {reason}")]
    Connect {
        /// Who did not answer.
        origin: Origin,
        /// What the system said.
        reason: String,
    },
    /// The proxy did not let us through.
    #[error("cannot connect to {origin} through the proxy {proxy}: {reason}")]
    Proxy {
        /// Who was to be reached.
        origin: Origin,
        /// The proxy, without its user and password.
        proxy: String,
        /// What it said.
        reason: String,
    },
    /// A credential would pass through a proxy in the clear.
    #[error("the credential for {origin} would pass through the proxy {proxy} unprotected")]
    ProxySees {
        /// Whose credential.
        origin: Origin,
        /// The proxy.
        proxy: String,
    },
    /// The other side's certificate is not good.
    #[error("{origin} cannot be trusted: {reason}")]
    Untrusted {
        /// Whose certificate.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing came or went for as long as we wait.
    #[error("{origin} was silent for {} s", .waited.as_secs_f32())]
    Silent {
        /// Who.
        origin: Origin,
        /// How long was waited.
        waited: Duration,
    },
    /// The connection broke before the answer was there; whether the request arrived is unknown.
    #[error("the connection to {origin} broke: {reason}")]
    Broken {
        /// Who was spoken to.
        origin: Origin,
        /// What happened.
        reason: String,
    },
    /// Too many requests, and the wait would be longer than we have patience for.
    #[error("{place} takes no more requests for now; its limit is lifted in {} s", .pause.as_secs())]
    RateLimited {
        /// Who, `host[:port]`.
        place: String,
        /// How long to wait.
        pause: Duration,
    },
    /// A body is longer than anything sensible.
    #[error("the answer of {origin} is longer than the {at_most} bytes that are read")]
    TooLong {
        /// Who answered.
        origin: Origin,
        /// The bound.
        at_most: usize,
    },
    /// One redirect after another.
    #[error("{0} redirects more than {limit} times", limit = super::MAX_REDIRECTS)]
    Redirects(Origin),
}

impl OutboundError {
    /// Whether another try may succeed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Proxy { .. } | Self::Silent { .. } | Self::Broken { .. })
    }

    /// Whether not even a connection came about.
    #[must_use]
    pub const fn is_without_connection(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Proxy { .. })
    }

    /// Whether the request may have been heard, though its answer was not.
    #[must_use]
    pub const fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Broken { .. })
    }
}

impl Failure for OutboundError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Refused(_) | Self::ProxySees { .. } => FailureKind::Denied,
            Self::Settings(_) => FailureKind::Usage,
            Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Untrusted { .. }
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::RateLimited { .. } => FailureKind::Unreachable,
            Self::TooLong { .. } | Self::Redirects(_) => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::RateLimited { pause, .. } => vec![format!("try again in {} s", pause.as_secs())],
            Self::ProxySees { origin, .. } => {
                vec![format!("add {} to NO_PROXY, or speak to it over TLS", origin.host())]
            }
            _ => Vec::new(),
        }
    }
}

/// The sentence that says most of an error and everything behind it, without the URL that it was about.
pub(super) fn reason_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(cause) = next {
        next = cause.source();
        // "client error (Connect)" says nothing that the sentence around it does not.
        if cause.to_string().starts_with("client error (") && next.is_some() {
            continue;
        }
        let text = in_words(cause.to_string());
        // Outer layers often repeat what the inner one says.
        parts.retain(|part| !part.contains(&text));
        parts.push(text);
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}

/// The commonest certificate errors in words that do not need the library's source.
fn in_words(text: String) -> String {
    let Some((_, problem)) = text.split_once("invalid peer certificate: ") else { return text };
    if problem.contains("UnknownIssuer") {
        "its certificate is from an authority that is not trusted here".to_owned()
    } else if problem.contains("CaUsedAsEndEntity") {
        "its certificate is self-signed, and not one that is configured for it".to_owned()
    } else {
        text
    }
}
