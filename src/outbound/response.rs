//! What comes back: status, headers, and a body that is never read without a bound or an end to patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt as _};
use http::{HeaderMap, HeaderName, StatusCode, Version, header};
use url::Url;

use super::{Origin, OutboundError, Standing, failure};

/// The answer to a request.
#[derive(Debug)]
pub struct Response {
    pub(super) origin: Origin,
    pub(super) standing: Standing,
    pub(super) url: Url,
    pub(super) idle: Duration,
    /// Whether the request was repeated until nothing helped.
    pub(super) given_up: bool,
    pub(super) inner: reqwest::Response,
}

impl Response {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// One header as text.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// The URL that answered, after redirects.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the configured origin answered. Others' challenges are not answered with what belongs there.
    #[must_use]
    pub fn is_home(&self) -> bool {
        self.standing == Standing::Home
    }

    /// Whether it came over TLS.
    #[must_use]
    pub const fn is_over_tls(&self) -> bool {
        self.origin.is_tls()
    }

    /// Whether it refuses for now, and went on doing so however often it was asked.
    #[must_use]
    pub const fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Whether the end of the body can be told from a connection that broke.
    #[must_use]
    pub fn has_an_end(&self) -> bool {
        let headers = self.headers();
        self.inner.version() >= Version::HTTP_2
            || headers.contains_key(header::CONTENT_LENGTH)
            || headers.contains_key(header::TRANSFER_ENCODING)
    }

    /// The same answer with its body at hand.
    pub(super) async fn collected(self, at_most: usize) -> Result<Self, OutboundError> {
        let mut head = http::Response::new(());
        *head.status_mut() = self.status();
        *head.version_mut() = self.inner.version();
        head.headers_mut().clone_from(self.headers());
        let (origin, url) = (self.origin.clone(), self.url.clone());
        let (standing, idle, given_up) = (self.standing, self.idle, self.given_up);
        let body = self.whole(at_most).await?;
        Ok(Self { origin, standing, url, idle, given_up, inner: head.map(|()| body).into() })
    }

    /// The length of the body, where it was announced.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.header(&header::CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// It is longer than `at_most` bytes, or the connection broke or fell silent.
    pub async fn whole(self, at_most: usize) -> Result<Bytes, OutboundError> {
        let origin = self.origin.clone();
        let mut whole = BytesMut::new();
        let mut stream = std::pin::pin!(self.stream());
        while let Some(bytes) = stream.next().await.transpose()? {
            if whole.len() + bytes.len() > at_most {
                return Err(OutboundError::TooLong { origin, at_most });
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// Reads as much of the body as there is, up to `at_most` bytes: for what is only shown.
    pub async fn beginning(self, at_most: usize) -> Bytes {
        let mut beginning = BytesMut::new();
        let mut stream = std::pin::pin!(self.stream());
        while let Some(Ok(bytes)) = stream.next().await {
            let wanted = (at_most - beginning.len()).min(bytes.len());
            beginning.extend_from_slice(&bytes[..wanted]);
            if beginning.len() == at_most {
                break;
            }
        }
        beginning.freeze()
    }

    /// The body as it comes.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, OutboundError>> + Send + 'static {
        let Self { origin, idle, inner, .. } = self;
        stream::try_unfold((inner, origin), move |(mut inner, origin)| async move {
            match tokio::time::timeout(idle, inner.chunk()).await {
                Ok(Ok(bytes)) => Ok(bytes.map(|bytes| (bytes, (inner, origin)))),
                Ok(Err(error)) => Err(OutboundError::Broken { origin, reason: failure::reason_of(error) }),
                Err(_) => Err(OutboundError::Silent { origin, waited: idle }),
            }
        })
    }
}
