//! The connections: one set for the configured origin, one for everyone else.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Version;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;

use super::proxy::Proxies;
use super::verification::Verification;
use super::{Origin, OutboundError, Reach, Request, Standing, TlsSettings, Traffic, failure};

/// How often HTTP/2 may fail before it is given up.
const HTTP2_PATIENCE: u32 = 2;

/// A sort of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// To the configured origin, over HTTP/2 where it is offered.
    Mixed,
    /// To the configured origin, over HTTP/1.1.
    Old,
    /// To everyone else.
    Strangers,
}

/// Makes connections, each sort when it is first needed.
#[derive(Debug)]
pub(super) struct Dialer {
    home: Origin,
    tls: Verification,
    connect_timeout: Duration,
    proxies: Proxies,
    mixed: OnceLock<reqwest::Client>,
    bulk: OnceLock<reqwest::Client>,
    strangers: OnceLock<reqwest::Client>,
    speaks_http2: AtomicBool,
    http2_failures: AtomicU32,
}

impl Dialer {
    pub(super) fn new(home: Origin, tls: TlsSettings, connect_timeout: Duration) -> Self {
        Self {
            home,
            tls: Verification::new(tls),
            connect_timeout,
            proxies: Proxies::of_system(),
            mixed: OnceLock::new(),
            bulk: OnceLock::new(),
            strangers: OnceLock::new(),
            speaks_http2: AtomicBool::new(false),
            http2_failures: AtomicU32::new(0),
        }
    }

    /// Which sort of connection suits a request.
    pub(super) fn sort_for(&self, request: &Request, standing: Standing) -> Sort {
        let http2_is_broken = self.http2_failures.load(Ordering::Relaxed) >= HTTP2_PATIENCE;
        match (standing, request.traffic) {
            (Standing::Realm | Standing::Stranger, _) => Sort::Strangers,
            // Only where HTTP/2 is spoken do bytes need connections of another kind.
            (Standing::Home, Traffic::Bulk) if self.speaks_http2.load(Ordering::Relaxed) => Sort::Old,
            (Standing::Home, _) if http2_is_broken => Sort::Old,
            (Standing::Home, _) => Sort::Mixed,
        }
    }

    /// The connections of one sort.
    pub(super) fn client(&self, sort: Sort) -> Result<&reqwest::Client, OutboundError> {
        match sort {
            Sort::Strangers => made(&self.strangers, || self.for_strangers()),
            Sort::Old => made(&self.bulk, || self.at_home(true)),
            Sort::Mixed => made(&self.mixed, || self.at_home(false)),
        }
    }

    /// Takes note of the protocol of an answer.
    pub(super) fn answered(&self, version: Version, standing: Standing) {
        if version == Version::HTTP_2 && standing == Standing::Home {
            self.speaks_http2.store(true, Ordering::Relaxed);
        }
    }

    /// Takes note of a connection that broke: where it may have been HTTP/2 that breaks again and again, it is not
    /// spoken any more. What broke does not always say which protocol it was.
    pub(super) fn broke(&self, sort: Sort) {
        if sort == Sort::Mixed && self.home.is_tls() {
            self.http2_failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The proxy through which `url` is reached.
    pub(super) fn proxy_for(&self, url: &url::Url) -> Option<String> {
        if self.home.reach() == Reach::Loopback { None } else { self.proxies.of(url) }
    }

    fn proxy_of_home(&self) -> Option<String> {
        self.proxy_for(&format!("{}/", self.home).parse().ok()?)
    }

    fn at_home(&self, only_http1: bool) -> Result<reqwest::Client, OutboundError> {
        let mut builder = self.builder();
        builder = if self.home.is_tls() {
            if self.tls.shows_certificate() && self.proxy_of_home().is_some_and(|proxy| proxy.starts_with("https:")) {
                let text = "a client certificate cannot be used through an https proxy, which would see it too";
                return Err(OutboundError::Settings(text.to_owned()));
            }
            builder.tls_backend_preconfigured(self.tls.at_home(only_http1)?)
        } else {
            // Plain connections alone: no authority is looked up, and none is trusted.
            builder.tls_certs_only([])
        };
        if only_http1 {
            builder = builder.http1_only();
        }
        build(builder)
    }

    fn for_strangers(&self) -> Result<reqwest::Client, OutboundError> {
        let guard = Guard { home: self.home.clone(), proxies: self.proxy_hosts() };
        let builder = self.builder().tls_backend_preconfigured(self.tls.for_strangers()?);
        build(builder.http1_only().dns_resolver(Arc::new(guard)))
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("tranship/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .tcp_keepalive(Duration::from_secs(30));
        // Nobody else can reach what only this computer can.
        if self.home.reach() == Reach::Loopback { builder.no_proxy() } else { builder }
    }

    /// The hosts of the proxies, whose addresses are nobody's business but this computer's.
    fn proxy_hosts(&self) -> Vec<String> {
        let host = |scheme: &str| {
            let anywhere = format!("{scheme}://proxied.invalid").parse().ok()?;
            let proxy: url::Url = self.proxies.of(&anywhere)?.parse().ok()?;
            proxy.host_str().map(str::to_owned)
        };
        ["http", "https"].into_iter().filter_map(host).collect()
    }
}

fn made(
    cell: &OnceLock<reqwest::Client>,
    make: impl FnOnce() -> Result<reqwest::Client, OutboundError>,
) -> Result<&reqwest::Client, OutboundError> {
    if let Some(client) = cell.get() {
        return Ok(client);
    }
    let client = make()?;
    Ok(cell.get_or_init(|| client))
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, OutboundError> {
    builder.build().map_err(|error| {
        OutboundError::Settings(format!("connections cannot be set up: {}", failure::reason_of(error)))
    })
}

/// Looks up the names of strangers, and drops addresses that lie further inward than the registry itself: a name
/// proves nothing about where it leads.
struct Guard {
    home: Origin,
    proxies: Vec<String>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (home, host) = (self.home.clone(), name.as_str().to_owned());
        let trusted = self.proxies.contains(&host);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let inward = |address: &SocketAddr| Reach::of(address.ip()) != Reach::Public;
            if trusted || !found.iter().any(inward) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            let reach = reach_of(&home).await;
            let kept: Vec<SocketAddr> =
                found.into_iter().filter(|address| reach.may_lead_to(Reach::of(address.ip()))).collect();
            if kept.is_empty() {
                let reason = format!("{host} is an address inside this computer or its networks, which {home} is not");
                return Err(reason.into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

/// Where an origin lies once its name is looked up: the innermost of its addresses.
pub(super) async fn reach_of(origin: &Origin) -> Reach {
    let Some(domain) = origin.domain().filter(|_| origin.reach() == Reach::Public) else { return origin.reach() };
    let Ok(found) = tokio::net::lookup_host((domain, origin.port())).await else { return Reach::Public };
    let reaches: Vec<Reach> = found.map(|address| Reach::of(address.ip())).collect();
    let is = |reach| reaches.contains(&reach);
    match () {
        () if is(Reach::Loopback) => Reach::Loopback,
        () if is(Reach::Private) => Reach::Private,
        () => Reach::Public,
    }
}
