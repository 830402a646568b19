//! Facts that a push relies on, and how they are kept from a collection that runs beside it.
//!
//! A bucket cannot remove an object only where nobody has just written it anew. So whoever pushes and whoever collects
//! agree by time, and at the edge by a list:
//!
//! * A push that relies on a fact (a blob that it found present, a manifest that its index names) writes it anew where
//!   it is not young ([`YOUNG`]). So at that moment every fact that is relied on is young.
//! * Whoever collects notes the bucket's time when it begins, before it looks at anything, and removes nothing that was
//!   written since then, less the grace, [`YOUNG`], and what clocks may differ by ([`SKEW`]). What a manifest names
//!   that came later than the look was young when it came, so it stays, however long the collection takes.
//! * What is old can be written anew at the very moment in which it is to go. So whoever collects first writes down what
//!   is about to go (`upkeep/condemned`), then looks at each once more, and then removes what is still old; whoever has
//!   written an old fact anew, or a fact that may have been there, then looks into that list. One of the two sees the
//!   other: the fact is spared, or the push waits for the end of the list and looks again.
//! * Content goes last, and by its word, which nothing else ever gets: nobody can have written it anew.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::Instant;

use super::objects::{Put, Version};
use super::{MAX_FACT_BYTES, Shared, layout};
use crate::registry::{Error, ErrorKind, Result};

/// How long a fact is young.
pub(super) const YOUNG: Duration = Duration::from_mins(10);
/// What the clocks of a server and of the bucket, and of two servers, may differ by. S3 itself bears 15 minutes.
pub(super) const SKEW: Duration = Duration::from_mins(20);
/// How long after the list was written a removal may begin.
pub(super) const SWEEP: Duration = Duration::from_secs(20);
/// How long a list of what is to go may stay as it is before whoever wrote it is taken for dead. It takes
/// [`SWEEP`] and the time of one request at most.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at somebody else's list.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest list of what is to go.
pub(super) const MAX_CONDEMNED_BYTES: u64 = 1024 * 1024;
/// How often a fact may change under whoever relies on it.
const TRIES: usize = 20;

impl Shared {
    /// Reads a fact that a push relies on, and sees to it that it stays; `None` where it is not there.
    pub(super) async fn rely_on(&self, key: &str) -> Result<Option<Bytes>> {
        for _ in 0..TRIES {
            let Some(found) = self.objects.read(key, MAX_FACT_BYTES).await? else { return Ok(None) };
            if self.is_young(found.modified) {
                return Ok(Some(found.bytes));
            }
            let renewed = self.objects.update(key, found.bytes.clone(), &found.version).await?;
            // Refused: somebody else has renewed it, or removed it.
            if renewed != Put::Refused && !self.waited_for_condemned(key).await? {
                return Ok(Some(found.bytes));
            }
        }
        Err(Error::new(ErrorKind::Unavailable, format!("{key} in {} does not come to rest", self.objects.shown())))
    }

    /// Writes down a fact, or makes sure that it stays where it is written already.
    pub(super) async fn keep(&self, key: &str, content: Bytes) -> Result<()> {
        for _ in 0..TRIES {
            if self.objects.create(key, content.clone()).await? != Put::Refused {
                return Ok(());
            }
            match self.rely_on(key).await? {
                Some(found) if found == content => return Ok(()),
                // What is damaged, or of another version, is replaced.
                Some(_) => {
                    self.objects.write(key, content.clone()).await?;
                    if !self.waited_for_condemned(key).await? {
                        return Ok(());
                    }
                }
                None => {}
            }
        }
        Err(Error::new(ErrorKind::Unavailable, format!("{key} in {} does not come to rest", self.objects.shown())))
    }

    /// Writes a fact that others write too, and makes sure that it stays.
    pub(super) async fn put_fact(&self, key: &str, content: Bytes) -> Result<()> {
        loop {
            self.objects.write(key, content.clone()).await?;
            if !self.waited_for_condemned(key).await? {
                return Ok(());
            }
        }
    }

    /// Writes a fact anew, so that it is as old as now; where somebody else changes it, that has happened.
    pub(super) async fn touch(&self, key: &str) -> Result<()> {
        let Some(found) = self.objects.read(key, MAX_FACT_BYTES).await? else { return Ok(()) };
        self.objects.update(key, found.bytes, &found.version).await.map(drop)
    }

    /// Whether a fact is young. What was written in the future was written by a clock that is ahead.
    fn is_young(&self, modified: SystemTime) -> bool {
        SystemTime::now().duration_since(modified).map_or(!self.young.is_zero(), |age| age < self.young)
    }

    /// Waits until nobody is about to remove `key`, and says whether somebody was.
    async fn waited_for_condemned(&self, key: &str) -> Result<bool> {
        self.wait_for_list(|condemned| condemned == key).await
    }

    /// Waits until nobody is about to remove anything.
    pub(super) async fn wait_for_condemned(&self) -> Result<()> {
        self.wait_for_list(|_| true).await.map(drop)
    }

    /// Waits while a list of what is to go holds something, and says whether it had to.
    async fn wait_for_list(&self, concerns: impl Fn(&str) -> bool) -> Result<bool> {
        let mut seen: Option<(Version, Instant)> = None;
        loop {
            let Some(list) = self.objects.read(layout::CONDEMNED, MAX_CONDEMNED_BYTES).await? else {
                return Ok(seen.is_some());
            };
            // A list that cannot be understood could name anything.
            let condemned = serde_json::from_slice::<Vec<String>>(&list.bytes);
            if condemned.is_ok_and(|keys| !keys.iter().any(|condemned| concerns(condemned))) {
                return Ok(seen.is_some());
            }
            match &seen {
                Some((version, since)) if *version == list.version => {
                    if since.elapsed() > PATIENCE {
                        self.objects.remove(layout::CONDEMNED).await?;
                    }
                }
                _ => seen = Some((list.version, Instant::now())),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
