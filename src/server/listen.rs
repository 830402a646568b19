//! Waiting for connections: the address, TLS, and the limits of a connection.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::access::OverTls;
use super::connections::HEAD_LIMIT;
use super::{Names, Server};
use crate::failure::{Failure, FailureKind};

/// How often it is looked at whether the certificate changed.
const LOOK: Duration = Duration::from_secs(2);

/// The files that a server shows who it is with, in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, and those between it and an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// An address that is listened at.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is another's, or not ours.
    #[error("cannot listen at {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{} and {} cannot be used for TLS", .0.certificate.display(), .0.key.display())]
    Certificate(Certificate, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// Connections cannot be taken any more.
    #[error("cannot serve")]
    Serve(#[source] io::Error),
}

impl Failure for ListenError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Certificate(..) => FailureKind::Usage,
            Self::Bind { .. } | Self::Serve(_) => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                vec!["something serves there already; choose another port with `--listen`".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

impl Listener {
    /// Listens at an address; port 0 is any free one.
    ///
    /// # Errors
    /// The address is taken or not one of this computer.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that it came to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped: over TLS where there is a certificate, which is read again when it changes.
    ///
    /// # Errors
    /// The certificate cannot be used, or connections cannot be taken any more.
    pub async fn serve(self, server: Server, certificate: Option<Certificate>) -> Result<(), ListenError> {
        let upkeep = server.upkeep();
        tokio::select! {
            ended = self.answer(server, certificate) => ended,
            never = upkeep.run() => match never {},
        }
    }

    async fn answer(self, server: Server, certificate: Option<Certificate>) -> Result<(), ListenError> {
        let names = if self.address.ip().is_loopback() { Names::Loopback } else { Names::Any };
        let (connections, _farewell) = (server.connections.clone(), server.notifier.farewell());
        let router = Server { names, ..server }.router();
        let serving = axum_server::from_tcp(self.listener).map_err(ListenError::Serve)?;
        let Some(certificate) = certificate else {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            return limited(serving.acceptor(connections)).serve(service).await.map_err(ListenError::Serve);
        };
        let service = router.layer(axum::Extension(OverTls)).into_make_service_with_connect_info::<SocketAddr>();
        let tls = RustlsConfig::from_config(certificate.config()?);
        let serving = serving.acceptor(RustlsAcceptor::new(tls.clone()).acceptor(connections));
        tokio::select! {
            ended = limited(serving).serve(service) => ended.map_err(ListenError::Serve),
            () = certificate.follow(&tls) => Ok(()),
        }
    }
}

/// Sets the limits of every connection.
fn limited<A>(mut serving: axum_server::Server<SocketAddr, A>) -> axum_server::Server<SocketAddr, A> {
    serving.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    serving.http_builder().http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    serving
}

impl Certificate {
    fn config(&self) -> Result<Arc<ServerConfig>, ListenError> {
        self.read().map(Arc::new).map_err(|error| ListenError::Certificate(self.clone(), error))
    }

    fn read(&self) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&self.key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Takes new certificates as they come; one that cannot be used changes nothing, and is told.
    async fn follow(&self, tls: &RustlsConfig) {
        let mut seen = self.seen();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.seen();
            if now == seen {
                continue;
            }
            seen = now;
            match self.config() {
                Ok(config) => {
                    tls.reload_from_config(config);
                    tracing::info!(certificate = %self.certificate.display(), "the certificate changed");
                }
                Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
            }
        }
    }

    fn seen(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|file| file.metadata().and_then(|metadata| metadata.modified()).ok())
    }
}
