//! How certificates are judged: by the platform's authorities and the configured ones, or not at all.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::OutboundError;
use super::tls::{Certificates, TlsSettings};

/// What secures the connections around one origin. Authorities are looked up when they are first needed.
#[derive(Debug)]
pub(super) struct Verification {
    settings: TlsSettings,
    provider: Arc<CryptoProvider>,
    verified: OnceLock<Arc<Verified>>,
}

impl Verification {
    pub(super) fn new(settings: TlsSettings) -> Self {
        Self { settings, provider: Arc::new(aws_lc_rs::default_provider()), verified: OnceLock::new() }
    }

    /// Whether we have a certificate to show.
    pub(super) const fn shows_certificate(&self) -> bool {
        self.settings.identity.is_some()
    }

    /// For the configured origin: with our certificate, and judged as configured.
    pub(super) fn at_home(&self, only_http1: bool) -> Result<ClientConfig, OutboundError> {
        let verifier: Arc<dyn ServerCertVerifier> = match self.settings.certificates {
            Certificates::Verified => self.verified()?,
            Certificates::Ignored => Arc::new(Ignored(Arc::clone(&self.provider))),
        };
        let mut config = self.config(verifier, self.settings.shown()?)?;
        let protocols: &[&[u8]] = if only_http1 { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }

    /// For everyone else: without our certificate, and always verified.
    pub(super) fn for_strangers(&self) -> Result<ClientConfig, OutboundError> {
        let mut config = self.config(self.verified()?, None)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn config(
        &self,
        verifier: Arc<dyn ServerCertVerifier>,
        shown: Option<super::tls::Shown>,
    ) -> Result<ClientConfig, OutboundError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match shown {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&error)),
            None => Ok(builder.with_no_client_auth()),
        }
    }

    fn verified(&self) -> Result<Arc<Verified>, OutboundError> {
        if let Some(verified) = self.verified.get() {
            return Ok(Arc::clone(verified));
        }
        let known = self.settings.trusted()?;
        let platform = Verifier::new_with_extra_roots(known.iter().cloned(), Arc::clone(&self.provider));
        let platform = platform.map_err(|error| no_authorities(&error))?;
        Ok(Arc::clone(self.verified.get_or_init(|| Arc::new(Verified { platform, known }))))
    }
}

fn unusable(error: &Error) -> OutboundError {
    OutboundError::Settings(format!("TLS cannot be set up: {error}"))
}

fn no_authorities(error: &Error) -> OutboundError {
    if !error.to_string().contains("No CA certificates") {
        return unusable(error);
    }
    let text = "this system trusts no certificate authority: install its CA certificates (package `ca-certificates`), \
                or name the registry's own with `--ca-cert-file`";
    OutboundError::Settings(text.to_owned())
}

/// Takes certificates that the platform or a configured authority vouches for, and the configured ones themselves.
#[derive(Debug)]
struct Verified {
    platform: Verifier,
    known: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.platform.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match judged {
            // Its dates were looked at before its issuer, so what is left is its name.
            Err(error) if lacks_an_issuer(&error) && self.known.iter().any(|known| known == end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}

/// Whether a certificate is good in itself, but nobody else vouches for it; self-signed ones made by `openssl req`
/// call themselves authorities as well.
fn lacks_an_issuer(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(CertificateError::Other(other)) => other.to_string().contains("CaUsedAsEndEntity"),
        _ => false,
    }
}

/// Takes any certificate, but not someone else's: who shows it has to have its key.
#[derive(Debug)]
struct Ignored(Arc<CryptoProvider>);

impl ServerCertVerifier for Ignored {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
