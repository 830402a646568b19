//! A blob in one request that takes the bytes as they come.

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::session::{Sent, Session};
use crate::client::exchange::FIRST_LIMIT;
use crate::outbound::RequestBody;
use crate::registry::{ErrorKind, Result};

/// How many pieces wait for the connection at most, which has one in hand.
const WAITING: usize = 1;

/// A request that is being sent.
pub(super) struct Stream {
    sender: mpsc::Sender<std::io::Result<Bytes>>,
    request: JoinHandle<Result<()>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.request.abort();
    }
}

impl Stream {
    /// Opens the request that carries everything from the session's offset on.
    pub(super) fn open(session: Session) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let bytes = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        let length = session.blob().size - session.offset();
        let body = RequestBody::Stream { length, bytes: bytes.boxed() };
        let request = tokio::spawn(async move {
            let sent = session.close(body, length).await;
            match &sent {
                Ok(_) => session.streamed(true),
                Err(error) if error.is_transient() => session.streamed(false),
                Err(_) => {}
            }
            match sent? {
                Sent::Taken => Ok(()),
                Sent::TooLong | Sent::OutOfStep | Sent::NotThisWay => {
                    session.learn_longest_body(Some(FIRST_LIMIT)).await;
                    let message = format!("{} has to be sent in chunks, from its beginning", session.what());
                    Err(session.error(ErrorKind::Gone, message))
                }
            }
        });
        Self { sender, request }
    }

    /// Sends the next bytes; waits while the connection is full.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.sender.send(Ok(bytes)).await.is_ok() {
            return Ok(());
        }
        // The request ended before its body did.
        self.outcome().await?;
        Err(crate::registry::Error::new(ErrorKind::Nonsense, "the registry had enough before the blob was complete"))
    }

    /// Waits for the answer to the whole.
    pub(super) async fn finish(mut self) -> Result<()> {
        let (closed, _) = mpsc::channel(1);
        self.sender = closed;
        self.outcome().await
    }

    async fn outcome(&mut self) -> Result<()> {
        match (&mut self.request).await {
            Ok(outcome) => outcome,
            Err(_) => Err(crate::registry::Error::new(ErrorKind::Cut, "the upload was broken off")),
        }
    }
}
