//! The one place that dials: TLS, proxies, redirects, time limits, retries, and the policy of what goes where.
//!
//! An [`Outbound`] belongs to one origin that the user configured. Whatever is sent is addressed by a [`Permit`]:
//! for the configured origin itself, or for a URL that it handed over and that the [`Policy`] let pass. Nothing
//! here knows what a registry is; the client, and whoever calls web hooks, use it.

mod dial;
mod error;
mod failure;
mod origin;
mod pace;
mod policy;
mod proxy;
pub mod redact;
mod request;
mod response;
mod retry;
#[cfg(test)]
pub(crate) mod scripted;
mod tls;
mod verification;
mod webhook;

pub use error::OutboundError;
pub use failure::Flaw;
pub use origin::{Origin, Reach};
pub use pace::{Pace, TooMany};
pub use policy::{Handed, Permit, Policy, Refusal, Standing};
pub use request::{Redirects, Request, RequestBody, Traffic};
pub use response::Response;
pub use retry::{Replay, Retries};
pub use tls::{Certificates, TlsSettings, usual_folders};
pub use webhook::{Webhook, WebhookError, WebhookSettings};

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use url::Url;

use crate::progress::{Event, Progress};
use dial::Sort;
use request::Flow;
use retry::Verdict;

/// How many redirects of one request are followed.
pub const MAX_REDIRECTS: usize = 5;
/// A pause that is shorter is not worth a word.
const WORTH_SAYING: Duration = Duration::from_secs(1);

/// How long is waited for others.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the next sign of life: an answer, a byte read, a byte taken. There is no limit on the whole.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(30) }
    }
}

/// Everything that an [`Outbound`] is made of.
pub struct OutboundSettings {
    /// The configured origin.
    pub home: Origin,
    /// How its connections are secured.
    pub tls: TlsSettings,
    /// Headers that are sent to it, and to nobody else.
    pub headers: HeaderMap,
    /// Further places that may see its credential.
    pub token_realms: Vec<Origin>,
    /// How long is waited.
    pub timeouts: Timeouts,
    /// How often requests are repeated.
    pub retries: Retries,
    /// The slow-down that the whole process shares.
    pub pace: Arc<Pace>,
    /// Who is told of waits.
    pub progress: Arc<dyn Progress>,
}

/// Sends requests to one configured origin, and to whom it refers.
pub struct Outbound {
    policy: Policy,
    headers: HeaderMap,
    timeouts: Timeouts,
    retries: Retries,
    pace: Arc<Pace>,
    progress: Arc<dyn Progress>,
    dialer: dial::Dialer,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("home", self.policy.home()).finish_non_exhaustive()
    }
}

impl Outbound {
    /// Prepares to speak to an origin. No connection is made.
    #[must_use]
    pub fn new(settings: OutboundSettings) -> Self {
        let OutboundSettings { home, tls, headers, token_realms, timeouts, retries, pace, progress } = settings;
        let dialer = dial::Dialer::new(home.clone(), tls, timeouts.connect);
        let policy = Policy::new(home, token_realms);
        Self { policy, headers, timeouts, retries, pace, progress, dialer }
    }

    /// The configured origin.
    #[must_use]
    pub const fn home(&self) -> &Origin {
        self.policy.home()
    }

    /// How often the configured origin said that there were too many requests.
    #[must_use]
    pub fn too_many(&self) -> TooMany {
        TooMany::of(Arc::clone(&self.pace), self.home().place())
    }

    /// A permit for a path and query on the configured origin.
    ///
    /// # Errors
    /// The text leads elsewhere, which no path does.
    pub fn at_home(&self, path_and_query: &str) -> Result<Permit, OutboundError> {
        let malformed = || Refusal::Malformed(redact::text_of_url(path_and_query));
        let base: Url = format!("{}/", self.home()).parse().map_err(|_| malformed())?;
        let url = base.join(path_and_query).map_err(|_| malformed())?;
        Ok(self.policy.own(url).ok_or_else(malformed)?)
    }

    /// Judges a URL that came with the answer to `base`.
    ///
    /// # Errors
    /// The policy does not let it be contacted.
    pub async fn permit(&self, handed: Handed, base: &Url, url: Url) -> Result<Permit, OutboundError> {
        let judged = self.policy.judge(handed, base, url.clone(), self.home().reach());
        match judged {
            // A registry whose name leads inward may refer to its neighbours.
            Err(Refusal::Inward { .. } | Refusal::Downgrade { .. }) if self.home().reach() == Reach::Public => {
                let reach = dial::reach_of(self.home()).await;
                Ok(self.policy.judge(handed, base, url, reach)?)
            }
            other => Ok(other?),
        }
    }

    /// Sends a request: repeats it where that may help, follows redirects, waits where it is told to.
    ///
    /// Any status can come back; a redirect that may not be followed is an error.
    ///
    /// # Errors
    /// No answer came, or the policy does not let the request go where it would have to.
    pub async fn send(&self, mut request: Request) -> Result<Response, OutboundError> {
        let mut pauses = self.retries.pauses();
        let begun = Instant::now();
        loop {
            let host = Origin::of(request.permit.url()).map(|origin| origin.place()).unwrap_or_default();
            self.pace.turn(&host).await;
            let outcome = self.follow(&mut request).await;
            let verdict = retry::judge(&outcome, request.replay);
            if verdict == Verdict::Final {
                if outcome.is_ok() {
                    self.pace.ease(&host);
                }
                return outcome;
            }
            let Some(pause) = pauses.next() else {
                return outcome.map(|response| Response { given_up: true, ..response });
            };
            // All tries to connect have one limit together, so that a place where nobody is costs no more than one
            // that does not answer.
            let connected = !outcome.as_ref().is_err_and(OutboundError::is_without_connection);
            if !connected && begun.elapsed() + pause > self.timeouts.connect {
                return outcome;
            }
            match verdict {
                Verdict::Limited(servers) => {
                    let pause = retry::limited_pause(servers, pause);
                    if pause > self.retries.patience {
                        return Err(OutboundError::of_limit(host, pause, &outcome));
                    }
                    self.pace.slow_down(&host, pause);
                    self.announce(&host, pause, &outcome);
                }
                Verdict::Final | Verdict::Again if request.body.is_stream() => {}
                Verdict::Final | Verdict::Again => {
                    self.announce(&host, pause, &outcome);
                    tokio::time::sleep(pause).await;
                }
            }
            if request.body.is_stream() {
                return outcome;
            }
        }
    }

    fn announce(&self, host: &str, pause: Duration, outcome: &Result<Response, OutboundError>) {
        let because = match outcome {
            Ok(response) => format!("it answered {}", response.status()),
            Err(error) => error.to_string(),
        };
        tracing::debug!(host, ?pause, because, "waiting");
        if pause >= WORTH_SAYING {
            self.progress.observe(&Event::Waiting { place: host.to_owned(), pause, because });
        }
    }

    /// Sends a request once, and again to where it is redirected.
    async fn follow(&self, request: &mut Request) -> Result<Response, OutboundError> {
        let mut permit = request.permit.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.once(request, &permit).await?;
            if request.redirects == Redirects::Returned {
                return Ok(response);
            }
            let Some(location) = redirect_of(&response) else { return Ok(response) };
            let target = permit.url().join(location);
            let target = target.map_err(|_| Refusal::Malformed(redact::text_of_url(location)))?;
            let next = self.permit(Handed::Redirect, permit.url(), target).await?;
            check_redirect(request, &permit, &next, response.status())?;
            permit = next;
        }
        Err(OutboundError::Redirects(self.home().clone()))
    }

    /// Sends a request to one place and waits for the head of its answer.
    async fn once(&self, request: &mut Request, permit: &Permit) -> Result<Response, OutboundError> {
        let origin = Origin::of(permit.url()).ok_or_else(|| Refusal::Malformed(redact::url(permit.url())))?;
        let flow = Flow::new();
        let headers = self.headers_for(request, permit, &origin)?;
        let sort = self.dialer.sort_for(request, permit.standing());
        let client = self.dialer.client(sort)?;
        let (body, length) = request.body.take(&flow);
        let mut builder = client.request(request.method.clone(), permit.url().clone()).headers(headers);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        if let Some(length) = length {
            builder = builder.header(header::CONTENT_LENGTH, length);
        } else if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
            builder = builder.header(header::CONTENT_LENGTH, 0);
        }
        tracing::debug!(method = %request.method, url = redact::url(permit.url()), length, "request");
        let idle = self.timeouts.idle * request.patience;
        let answer = tokio::select! {
            answer = builder.send() => answer.map_err(|error| self.judge_failure(&origin, permit, sort, error)),
            () = flow.silent_for(idle) => Err(OutboundError::Silent { origin: origin.clone(), waited: idle }),
        };
        let inner = answer.inspect_err(|error| tracing::debug!(%error, "no answer"))?;
        self.dialer.answered(inner.version(), permit.standing());
        tracing::debug!(status = inner.status().as_u16(), version = ?inner.version(), "answer");
        tracing::trace!(headers = redact::headers(inner.headers()), "answer");
        if inner.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
            && let Some(proxy) = self.dialer.proxy_for(permit.url())
        {
            let reason = failure::PROXY_WANTS_PASSWORD.to_owned();
            return Err(OutboundError::Proxy { origin, proxy, reason });
        }
        if request.method == Method::HEAD || inner.content_length() == Some(0) {
            // Lets the connection go back to where the next request looks for one.
            tokio::task::yield_now().await;
        }
        let url = permit.url().clone();
        let (standing, idle) = (permit.standing(), self.timeouts.idle);
        let response = Response { origin, standing, url, idle, given_up: false, inner };
        match request.collect {
            Some(at_most) if response.status().is_success() => response.collected(at_most).await,
            _ => Ok(response),
        }
    }

    /// The headers for one place: what is ours alone goes home alone.
    fn headers_for(&self, request: &Request, permit: &Permit, origin: &Origin) -> Result<HeaderMap, OutboundError> {
        let first_place = *permit.url() == *request.permit.url();
        let left_home = permit.standing() != Standing::Home && !first_place;
        let mut headers = request.headers.clone();
        if left_home {
            headers = [header::ACCEPT, header::RANGE]
                .into_iter()
                .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)))
                .collect();
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if permit.standing() == Standing::Home {
            headers.extend(self.headers.clone());
        }
        let may_see = permit.standing() == Standing::Home || (permit.standing() == Standing::Realm && first_place);
        if let Some(authorization) = request.authorization.clone().filter(|_| may_see) {
            if !origin.is_tls()
                && let Some(proxy) = self.dialer.proxy_for(permit.url())
            {
                return Err(OutboundError::ProxySees { origin: origin.clone(), proxy });
            }
            headers.insert(header::AUTHORIZATION, authorization);
        }
        Ok(headers)
    }

    /// Finds out which way a request failed.
    fn judge_failure(&self, origin: &Origin, permit: &Permit, sort: Sort, error: reqwest::Error) -> OutboundError {
        let proxy = self.dialer.proxy_for(permit.url());
        let error = failure::judge(error, origin.clone(), proxy, self.timeouts.connect);
        if let OutboundError::Broken { .. } = &error {
            self.dialer.broke(sort);
        }
        error
    }
}

fn redirect_of(response: &Response) -> Option<&str> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    response.header(&header::LOCATION).filter(|_| redirects)
}

/// Only what reads is redirected freely; what writes stays on its origin, with the same method and body.
fn check_redirect(request: &Request, from: &Permit, to: &Permit, status: StatusCode) -> Result<(), OutboundError> {
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    let stays = Origin::of(from.url()) == Origin::of(to.url());
    let keeps_method = matches!(status.as_u16(), 307 | 308);
    if (reads && from.standing() != Standing::Realm) || (stays && (reads || keeps_method && !request.body.is_stream()))
    {
        return Ok(());
    }
    let (Some(from), Some(to)) = (Origin::of(from.url()), Origin::of(to.url())) else {
        return Err(Refusal::Malformed(redact::url(to.url())).into());
    };
    Err(Refusal::Elsewhere { from, to, what: "this request" }.into())
}

#[cfg(test)]
mod tests;
