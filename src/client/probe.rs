//! Asking a registry about itself: for `registry test` and `login`.

use async_trait::async_trait;
use http::{Method, StatusCode};

use super::Client;
use super::exchange::{Call, pull};
use super::learnt::Scheme;
use super::pull::MANIFEST_TYPES;
use super::upload::{Parcel, Session};
use crate::config::TlsMode;
use crate::image::{Descriptor, MediaType, RepositoryName, Selector};
use crate::outbound::Response;
use crate::registry::{Findings, Probe, Result};
use crate::wire::{self, Route};

/// The repository by which Docker Hub lets its users see their limit.
const HUB_PREVIEW: &str = "ratelimitpreview/test";

#[async_trait]
impl Probe for Client {
    async fn probe(&self, repository: Option<&RepositoryName>) -> Result<Findings> {
        let exchange = &self.exchange;
        let mut findings = Findings::default();
        let response = exchange.call(Call::new(Method::GET, &Route::Base, Vec::new())).await;
        findings.url = exchange.outbound().home().to_string();
        findings.tls = match (exchange.outbound().home().is_tls(), exchange.tls_mode()) {
            (false, _) => "plain HTTP".to_owned(),
            (true, TlsMode::SkipVerify) => "TLS, certificate not verified".to_owned(),
            (true, _) => "TLS, certificate verified".to_owned(),
        };
        match response {
            Ok(response) => self.judge(&mut findings, response).await,
            Err(error) if error.status().is_some() => findings.refusal = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        (findings.authentication, findings.token_realm) = match exchange.auth().scheme() {
            None => ("none".to_owned(), None),
            Some(Scheme::Basic) => ("basic".to_owned(), None),
            Some(Scheme::Bearer { realm, .. }) => ("bearer".to_owned(), Some(realm.escape_debug().to_string())),
        };
        if let Some(repository) = repository.filter(|_| findings.accepted) {
            self.find_rights(&mut findings, repository).await;
        }
        if findings.accepted && findings.rate_limit.is_none() {
            self.find_limits(&mut findings, repository).await;
        }
        Ok(findings)
    }
}

impl Client {
    async fn judge(&self, findings: &mut Findings, response: Response) {
        note_limits(findings, &response);
        match response.status() {
            StatusCode::OK => findings.accepted = true,
            // Not a registry's front door, but whoever stands behind it may be one.
            StatusCode::NOT_FOUND => {
                findings.accepted = true;
                findings.refusal = Some("it answers /v2/ with 404; it may be no registry".to_owned());
            }
            _ => {
                let refusal = self.exchange.refused("the question for its version", response).await;
                findings.refusal = Some(refusal.to_string());
            }
        }
    }

    /// Finds out what of a limit is left. Docker Hub tells it of manifests alone, and of this one for free.
    async fn find_limits(&self, findings: &mut Findings, repository: Option<&RepositoryName>) {
        let at_hub = || self.exchange.address().is_docker_hub().then(|| HUB_PREVIEW.parse().ok()).flatten();
        let (Some(repository), Ok(latest)) = (repository.cloned().or_else(at_hub), "latest".parse()) else { return };
        let route = Route::Manifest { repository: repository.clone(), selector: Selector::Tag(latest) };
        let call = Call::new(Method::HEAD, &route, pull(&repository)).accept(MANIFEST_TYPES);
        if let Ok(response) = self.exchange.call(call).await {
            note_limits(findings, &response);
        }
    }

    /// Finds out by trying: a token may be granted for what is refused afterwards.
    async fn find_rights(&self, findings: &mut Findings, repository: &RepositoryName) {
        let exchange = &self.exchange;
        let route = Route::Tags { repository: repository.clone(), n: Some(1), last: None };
        if let Ok(response) = exchange.call(Call::new(Method::GET, &route, pull(repository))).await {
            note_limits(findings, &response);
            if matches!(response.status(), StatusCode::OK | StatusCode::NOT_FOUND) {
                findings.rights.push("pull".to_owned());
            }
        }
        let nothing = Descriptor::of(MediaType::new("application/octet-stream"), b"");
        match Session::open(Parcel::new(exchange, repository, &nothing)).await {
            Ok(session) => {
                findings.rights.push("push".to_owned());
                session.cancel().await;
            }
            Err(error) => findings.refusal = findings.refusal.take().or_else(|| Some(error.to_string())),
        }
    }
}

fn note_limits(findings: &mut Findings, response: &Response) {
    let limits = wire::rate_limit(response.headers());
    findings.rate_limit = limits.limit.map(|limit| limit.to_string()).or(findings.rate_limit.take());
    findings.rate_remaining = limits.remaining.map(|left| left.requests.to_string()).or(findings.rate_remaining.take());
}
