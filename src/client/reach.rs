//! Whether a registry is spoken to over TLS: as configured, and for one on this computer as it turns out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::ClientSettings;
use crate::config::{RemoteRegistry, TlsMode};
use crate::outbound::{
    Certificates, Origin, Outbound, OutboundError, OutboundSettings, Request, Response, TlsSettings,
};

const UNKNOWN: u8 = 0;
const PLAIN: u8 = 1;
const TLS: u8 = 2;

/// The ways to one registry.
#[derive(Debug)]
pub(super) struct Reach {
    tls: Outbound,
    plain: Outbound,
    way: AtomicU8,
    /// Whether the way is only remembered from an earlier run.
    hinted: AtomicBool,
}

/// What became of the question whether a registry on this computer speaks TLS.
pub(super) struct Reached {
    pub(super) response: Response,
    /// Whether it does, where that was found out just now.
    pub(super) found_tls: Option<bool>,
}

impl Reach {
    /// `known_tls` is what an earlier run found out about a registry on this computer.
    pub(super) fn new(settings: &ClientSettings, known_tls: Option<bool>) -> Result<Self, OutboundError> {
        let registry = &settings.registry;
        // No other host is ever asked in the clear without being told to.
        let open = registry.tls == TlsMode::Verify && contact(registry).is_loopback();
        let way = match (registry.tls, known_tls) {
            (TlsMode::PlainHttp, _) => PLAIN,
            (TlsMode::Verify, None) if open => UNKNOWN,
            (TlsMode::Verify, Some(false)) if open => PLAIN,
            (TlsMode::SkipVerify | TlsMode::Verify, _) => TLS,
        };
        let tls = tls_settings(registry, &settings.certificate_folders)?;
        let outbound = |scheme: &str, tls| outbound(settings, scheme, tls);
        // Where a plain registry leads, certificates count all the same, and ours is nobody's business.
        let of_others = TlsSettings { certificates: Certificates::Verified, identity: None, ..tls.clone() };
        Ok(Self {
            plain: outbound("http", of_others)?,
            tls: outbound("https", tls)?,
            way: AtomicU8::new(way),
            hinted: AtomicBool::new(open && way != UNKNOWN),
        })
    }

    /// The way that is taken, or the first that will be tried.
    pub(super) fn outbound(&self) -> &Outbound {
        if self.way.load(Ordering::Relaxed) == TLS { &self.tls } else { &self.plain }
    }

    /// Whether it is known how to speak to it, so that a credential may be sent.
    pub(super) fn is_known(&self) -> bool {
        self.way.load(Ordering::Relaxed) != UNKNOWN
    }

    /// Sends what `make` makes for the way that is taken.
    pub(super) async fn send(
        &self,
        mut make: impl FnMut(&Outbound) -> Result<Request, OutboundError>,
    ) -> Result<Reached, OutboundError> {
        if self.is_known() {
            let outbound = self.outbound();
            if !self.hinted.load(Ordering::Relaxed) {
                return Ok(Reached { response: outbound.send(make(outbound)?).await?, found_tls: None });
            }
            let hinted = outbound.send(make(outbound)?.only_if_answered()).await;
            self.hinted.store(false, Ordering::Relaxed);
            if let Ok(response) = hinted
                && response.status() != StatusCode::BAD_REQUEST
            {
                return Ok(Reached { response, found_tls: None });
            }
            self.way.store(UNKNOWN, Ordering::Relaxed);
        }
        self.find_out(make).await
    }

    /// Finds out by the request itself whether the registry speaks TLS.
    async fn find_out(
        &self,
        mut make: impl FnMut(&Outbound) -> Result<Request, OutboundError>,
    ) -> Result<Reached, OutboundError> {
        // Plain first: that is what registries on this computer mostly are, and the request tells.
        let plain = self.plain.send(make(&self.plain)?.only_if_answered()).await;
        if let Ok(response) = plain
            && response.status() != StatusCode::BAD_REQUEST
        {
            return Ok(self.found(response, false));
        }
        // A TLS server calls plain HTTP a bad request, or says nothing at all.
        match self.tls.send(make(&self.tls)?.only_if_answered()).await {
            Ok(response) => return Ok(self.found(response, true)),
            // Who has certificates speaks TLS, though it is not to be trusted or does not trust us.
            Err(
                error @ (OutboundError::Untrusted { .. }
                | OutboundError::CertificateWanted(_)
                | OutboundError::Settings(_)),
            ) => return Err(error),
            // It broke behind the handshake.
            Err(OutboundError::Broken { .. }) => {
                let response = self.tls.send(make(&self.tls)?).await?;
                return Ok(self.found(response, true));
            }
            Err(_) => {}
        }
        let response = self.plain.send(make(&self.plain)?).await?;
        Ok(self.found(response, false))
    }

    fn found(&self, response: Response, tls: bool) -> Reached {
        self.way.store(if tls { TLS } else { PLAIN }, Ordering::Relaxed);
        Reached { response, found_tls: Some(tls) }
    }
}

/// The address that is contacted.
pub(super) fn contact(registry: &RemoteRegistry) -> &crate::image::RegistryAddress {
    registry.override_address.as_ref().unwrap_or(&registry.address)
}

fn outbound(settings: &ClientSettings, scheme: &str, tls: TlsSettings) -> Result<Outbound, OutboundError> {
    let registry = &settings.registry;
    let unusable = |text: String| OutboundError::Settings(text);
    let home = format!("{scheme}://{}/", contact(registry).contact()).parse().ok().and_then(|url| Origin::of(&url));
    let home = home.ok_or_else(|| unusable(format!("{} cannot be contacted", registry.address)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &registry.headers {
        let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        let (name, value) = header.ok_or_else(|| unusable(format!("`{}` is no HTTP header", name.escape_debug())))?;
        headers.append(name, value);
    }
    Ok(Outbound::new(OutboundSettings {
        home,
        tls,
        headers,
        token_realms: registry.token_realms.iter().filter_map(Origin::of).collect(),
        timeouts: settings.timeouts,
        retries: settings.retries,
        pace: Arc::clone(&settings.pace),
        progress: Arc::clone(&settings.progress),
    }))
}

/// What the configuration, docker and podman say of a registry's certificates.
fn tls_settings(registry: &RemoteRegistry, folders: &[PathBuf]) -> Result<TlsSettings, OutboundError> {
    let certificates = match registry.tls {
        TlsMode::SkipVerify => Certificates::Ignored,
        TlsMode::Verify | TlsMode::PlainHttp => Certificates::Verified,
    };
    let mut tls = TlsSettings::new(certificates);
    if let Some(pem) = &registry.ca_cert {
        tls.authorities.push(pem.clone().into_bytes());
    }
    if let Some(file) = &registry.ca_cert_file {
        tls.trust_file(file)?;
    }
    match (&registry.client_cert_file, &registry.client_key_file) {
        (Some(certificate), Some(key)) => tls.show_files(certificate, key)?,
        (None, None) => {}
        _ => {
            let text = format!("{} needs client-cert-file and client-key-file, or neither", registry.address);
            return Err(OutboundError::Settings(text));
        }
    }
    tls.add_folders(folders, &registry.address.to_string())?;
    Ok(tls)
}
