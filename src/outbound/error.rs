//! Why a request was not answered.

use std::time::Duration;

use super::{Flaw, Origin, Refusal, Response};
use crate::failure::{Failure, FailureKind};
use crate::wire::{self, Allowance, RateLimit};

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
    #[error("{origin} cannot be trusted: {flaw}")]
    Untrusted {
        /// Whose certificate.
        origin: Origin,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The other side wants a certificate of ours, or another one than it was shown.
    #[error("{0} wants a client certificate that it trusts")]
    CertificateWanted(Origin),
    /// The other side answered, but not in TLS.
    #[error("{0} does not speak TLS")]
    NotTls(Origin),
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
    /// All the requests of a period are used up, which is longer than we have patience for.
    #[error("{place} takes no more requests for now: all {quota} are used up")]
    QuotaUsedUp {
        /// Who, `host[:port]`.
        place: String,
        /// What it allows.
        quota: Allowance,
        /// How long to wait at most.
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
    /// The error for a limit that is not lifted for `pause`, as `place` answered.
    pub(super) fn of_limit(place: String, pause: Duration, answer: &Result<Response, Self>) -> Self {
        let limit = answer.as_ref().ok().map(|response| wire::rate_limit(response.headers()));
        match limit.filter(RateLimit::is_used_up).and_then(|limit| limit.limit.or(limit.remaining)) {
            Some(quota) => Self::QuotaUsedUp { place, quota, pause },
            None => Self::RateLimited { place, pause },
        }
    }

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
            Self::Refused(_) | Self::ProxySees { .. } | Self::CertificateWanted(_) => FailureKind::Denied,
            Self::Settings(_) => FailureKind::Usage,
            Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Untrusted { .. }
            | Self::NotTls(_)
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::RateLimited { .. }
            | Self::QuotaUsedUp { .. } => FailureKind::Unreachable,
            Self::TooLong { .. } | Self::Redirects(_) => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::RateLimited { pause, .. } | Self::QuotaUsedUp { pause, .. } => {
                vec![format!("try again in {} s", pause.as_secs())]
            }
            Self::ProxySees { origin, .. } => {
                vec![format!("add {} to NO_PROXY, or speak to it over TLS", origin.host())]
            }
            Self::Proxy { reason, .. } if reason == super::failure::PROXY_WANTS_PASSWORD => {
                vec!["name them in the proxy's URL: `https_proxy=http://USER:PASSWORD@HOST:PORT`".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
