//! That one server at a time collects.
//!
//! Whoever collects holds `upkeep/collector`, and says every minute that it lives. One that has not for
//! [`EXPIRY`] is replaced; should it live after all, it finds out before it removes anything more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::objects::{Put, Version};
use super::super::sessions::{EXPIRY, SIGN_OF_LIFE};
use super::super::{Shared, layout, unused_word};
use crate::registry::{Error, ErrorKind, Result};

/// The right to collect, until it is dropped.
pub(super) struct Collector {
    lost: Arc<AtomicBool>,
    ends: oneshot::Sender<()>,
    holds: JoinHandle<()>,
}

impl Collector {
    /// Takes the right to collect.
    pub(super) async fn begin(shared: &Arc<Shared>, now: SystemTime) -> Result<Self> {
        let word = unused_word()?;
        let version = match shared.objects.create(layout::COLLECTOR, word.clone()).await? {
            Put::Done(version) => version,
            Put::Refused => take_over(shared, &word, now).await?,
        };
        let lost = Arc::new(AtomicBool::new(false));
        let (ends, ended) = oneshot::channel();
        let holds = tokio::spawn(hold(Arc::clone(shared), version, Arc::clone(&lost), ended));
        Ok(Self { lost, ends, holds })
    }

    /// Gives the right back. Dropped without this, it is given back a little later.
    pub(super) async fn end(self) {
        drop(self.ends);
        // What it could not do is done when its time is over.
        let _ = self.holds.await;
    }

    /// Sees to it that nobody else has begun to collect.
    pub(super) fn check(&self) -> Result<()> {
        if self.lost.load(Ordering::SeqCst) { Err(another()) } else { Ok(()) }
    }
}

/// Takes the place of a collector that was not heard of any more, or finds that it has it.
async fn take_over(shared: &Shared, word: &str, now: SystemTime) -> Result<Version> {
    let found = shared.objects.read(layout::COLLECTOR, 4096).await?;
    // A try whose answer was lost has been repeated, and met itself.
    if let Some(own) = found.as_ref().filter(|found| found.bytes == word) {
        return Ok(own.version.clone());
    }
    let silent = found.filter(|found| now.duration_since(found.modified).is_ok_and(|silence| silence > EXPIRY));
    let Some(silent) = silent else { return Err(another()) };
    match shared.objects.update(layout::COLLECTOR, word.to_owned(), &silent.version).await? {
        Put::Done(version) => Ok(version),
        Put::Refused => Err(another()),
    }
}

/// Says that it lives, as long as nobody else has taken its place; and ends with it.
async fn hold(shared: Arc<Shared>, mut version: Version, lost: Arc<AtomicBool>, mut ended: oneshot::Receiver<()>) {
    let mut beats = 0_u64;
    loop {
        tokio::select! {
            _ = &mut ended => break,
            () = tokio::time::sleep(SIGN_OF_LIFE) => {}
        }
        beats += 1;
        let word = unused_word().map(|word| format!("{word} {beats}")).unwrap_or_default();
        match shared.objects.update(layout::COLLECTOR, word, &version).await {
            Ok(Put::Done(next)) => version = next,
            Ok(Put::Refused) => return lost.store(true, Ordering::SeqCst),
            Err(error) => tracing::warn!(%error, "whoever collects could not say so"),
        }
    }
    // One that stays is replaced.
    let _ = shared.objects.remove(layout::COLLECTOR).await;
}

fn another() -> Error {
    Error::new(ErrorKind::Conflict, "another server collects already")
}
