//! Facts that a push relies on, and how they are kept from a collection that runs beside it.
//!
//! A bucket cannot remove an object only where nobody has just written it anew, so whoever collects and whoever
//! pushes agree by time, in hours, and at the edge by a list:
//!
//! * A fact that was written less than the grace ago is not collected. A push that relies on a fact (a blob that it
//!   found present, a manifest that its index names) writes it anew once it is older than half of that.
//! * Whoever collects writes down which old facts are about to go (`upkeep/condemned`), looks at each once more, and
//!   removes those that are still old. Whoever has written an old fact anew looks whether it stands in that list. So
//!   one of the two sees the other: the fact is spared, or the push waits for the end of the list and looks again.
//! * A manifest that is put makes what it names needed. All of it was young then, so a collection that has not seen
//!   the manifest does not touch it, as long as it takes less time than a quarter of the grace.
//!
//! Clocks of servers and of the bucket may differ by as much as the other quarter.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::Instant;

use super::objects::{Put, Version};
use super::{MAX_FACT_BYTES, Shared, layout};
use crate::registry::{Error, ErrorKind, Result};

/// How long a list of what is to go may stay as it is before whoever wrote it is taken for dead.
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

    /// Whether a fact was written less than half the grace ago.
    fn is_young(&self, modified: SystemTime) -> bool {
        // What was written in the future was written by a clock that is ahead.
        modified.elapsed().is_ok_and(|age| age < self.grace / 2) || modified > SystemTime::now()
    }

    /// Waits until nobody is about to remove `key`, and says whether somebody was.
    async fn waited_for_condemned(&self, key: &str) -> Result<bool> {
        let mut seen: Option<(Version, Instant)> = None;
        loop {
            let Some(list) = self.objects.read(layout::CONDEMNED, MAX_CONDEMNED_BYTES).await? else {
                return Ok(seen.is_some());
            };
            // A list that cannot be understood could name anything.
            let condemned = serde_json::from_slice::<Vec<String>>(&list.bytes);
            if condemned.is_ok_and(|keys| !keys.iter().any(|condemned| condemned == key)) {
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
