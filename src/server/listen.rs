//! Waiting for connections: the address, and the limits of a connection.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use hyper_util::rt::TokioTimer;

use super::Server;
use crate::failure::{Failure, FailureKind};

/// How long a client may take to say what it wants.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

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
    /// Connections cannot be taken any more.
    #[error("cannot serve")]
    Serve(#[source] io::Error),
}

impl Failure for ListenError {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
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

    /// Serves until it is dropped.
    ///
    /// # Errors
    /// Connections cannot be taken any more.
    pub async fn serve(self, server: Server) -> Result<(), ListenError> {
        let mut serving = axum_server::from_tcp(self.listener).map_err(ListenError::Serve)?;
        serving.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
        serving.http_builder().http2().timer(TokioTimer::new()).max_concurrent_streams(256);
        serving.serve(server.router().into_make_service()).await.map_err(ListenError::Serve)
    }
}
