//! Removing what is about to go, so that no push that relies on it is deceived.
//!
//! [`super::super::fresh`] says how whoever pushes and whoever collects agree: the list comes first, then one more
//! look at each object, then its end; and no removal begins long after the list was written.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;

use super::super::content::Whereabouts;
use super::super::facts::{AT_ONCE, written};
use super::super::fresh::SWEEP;
use super::super::objects::{Listed, Put};
use super::super::{MAX_FACT_BYTES, Shared, layout};
use super::collector::Collector;
use crate::registry::{Effect, Error, ErrorKind, Result};

/// How many objects are condemned at a time.
const BATCH: usize = 400;

/// An object that is to go if it was last written before a certain time.
#[derive(Clone, Debug)]
pub(super) struct Doomed {
    pub(super) key: String,
    /// When it was written, as the list says.
    pub(super) written: SystemTime,
    /// Since when it must not have been written; any time where what it holds has to be the same.
    pub(super) limit: Limit,
    /// What goes before it.
    pub(super) before: Vec<String>,
    /// Whether it says where content is, which goes behind it.
    pub(super) leads_to_content: bool,
}

/// Under which condition an object goes.
#[derive(Clone, Debug)]
pub(super) enum Limit {
    /// It was not written since.
    Since(SystemTime),
    /// It is what it was.
    Unchanged(Option<String>),
}

impl Doomed {
    /// A fact that stands alone.
    pub(super) const fn fact(key: String, written: SystemTime, limit: Limit) -> Self {
        Self { key, written, limit, before: Vec::new(), leads_to_content: false }
    }

    /// Whether it is too young already as it was listed.
    fn is_spared(&self) -> bool {
        matches!(self.limit, Limit::Since(limit) if self.written >= limit)
    }

    /// Whether it has been written since, or is gone.
    fn has_changed(&self, found: Option<&Listed>) -> bool {
        found.is_none_or(|found| match &self.limit {
            Limit::Since(limit) => found.modified >= *limit,
            Limit::Unchanged(e_tag) => found.e_tag != *e_tag,
        })
    }
}

/// Removes, or tells what it would remove.
pub(super) struct Sweep {
    shared: Arc<Shared>,
    /// Nobody, where it is only told.
    collector: Option<Collector>,
}

impl Sweep {
    /// Whoever collects; where it is only told what would go, nobody needs to know.
    pub(super) async fn begin(shared: &Arc<Shared>, effect: Effect) -> Result<Self> {
        let collector = match effect {
            Effect::Told => None,
            Effect::Done => Some(Collector::begin(shared, shared.bucket_time().await?).await?),
        };
        let sweep = Self { shared: Arc::clone(shared), collector };
        if effect == Effect::Done {
            sweep.empty_trash().await?;
        }
        Ok(sweep)
    }

    /// Lets others collect.
    pub(super) async fn end(self) {
        if let Some(collector) = self.collector {
            collector.end().await;
        }
    }

    /// Removes what was not written since its limit, and says what that was.
    pub(super) async fn remove(&self, doomed: Vec<Doomed>) -> Result<Vec<String>> {
        let old: Vec<Doomed> = doomed.into_iter().filter(|doomed| !doomed.is_spared()).collect();
        let Some(collector) = &self.collector else {
            return Ok(old.into_iter().map(|doomed| doomed.key).collect());
        };
        let mut removed = Vec::new();
        for batch in old.chunks(BATCH) {
            collector.check()?;
            removed.extend(self.remove_batch(batch).await?);
        }
        Ok(removed)
    }

    async fn remove_batch(&self, batch: &[Doomed]) -> Result<Vec<String>> {
        let list = written(&batch.iter().map(|doomed| doomed.key.as_str()).collect::<Vec<_>>())?;
        while self.shared.objects.create(layout::CONDEMNED, list.clone()).await? == Put::Refused {
            // That of one who was killed.
            self.shared.wait_for_condemned().await?;
        }
        let begun = Instant::now();
        let mut work = Vec::new();
        for doomed in batch {
            work.push(self.remove_one(doomed, begun));
        }
        let swept: Result<Vec<_>> = stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await;
        self.shared.objects.remove(layout::CONDEMNED).await?;
        Ok(swept?.into_iter().flatten().collect())
    }

    /// Looks at an object once more, and removes it.
    async fn remove_one(&self, doomed: &Doomed, begun: Instant) -> Result<Option<String>> {
        let objects = &self.shared.objects;
        let found = objects.look(&doomed.key).await?;
        if doomed.has_changed(found.as_ref()) {
            return Ok(None);
        }
        let content = if doomed.leads_to_content { self.throw_away(&doomed.key).await? } else { None };
        if begun.elapsed() > SWEEP {
            return Err(Error::new(ErrorKind::TimedOut, "collecting takes too long; it goes on the next time"));
        }
        for key in &doomed.before {
            objects.remove(key).await?;
        }
        objects.remove(&doomed.key).await?;
        if let Some(word) = content {
            self.shared.empty(&word).await?;
        }
        Ok(Some(doomed.key.clone()))
    }

    /// Notes that the content which an object leads to is to be removed, before nothing leads to it any more.
    async fn throw_away(&self, key: &str) -> Result<Option<String>> {
        let Some(found) = self.shared.fact::<Whereabouts>(key).await? else { return Ok(None) };
        self.shared.objects.write(&layout::trash(&found.content), key.to_owned()).await?;
        Ok(Some(found.content))
    }

    /// Removes the content that one who was killed could not remove any more.
    async fn empty_trash(&self) -> Result<()> {
        let found: Vec<String> =
            self.shared.objects.list(layout::TRASH).map_ok(|found| found.key).try_collect().await?;
        for key in found {
            let led = self.shared.objects.read(&key, MAX_FACT_BYTES).await?;
            let led = led.and_then(|led| String::from_utf8(led.bytes.to_vec()).ok()).unwrap_or_default();
            let leads = self.shared.fact::<Whereabouts>(&led).await?;
            let word = layout::last(&key);
            if leads.is_some_and(|leads| leads.content == word) {
                // It was spared at last.
                self.shared.objects.remove(&key).await?;
            } else {
                self.shared.empty(word).await?;
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Removes content that nothing leads to, and the note of that.
    async fn empty(&self, word: &str) -> Result<()> {
        self.objects.remove(&layout::content(word)).await?;
        self.objects.remove(&layout::trash(word)).await
    }
}
