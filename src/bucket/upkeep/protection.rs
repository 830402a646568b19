//! Since when nothing may be collected, by the bucket's clock.
//!
//! What a push put or found is at least as young as [`super::super::fresh`] says, counted from the moment that it did.
//! So what was written before the beginning of this run, less the grace, and before every push and upload that runs,
//! less that, is needed by nobody who has not said so. A push that begins later than the run finds what it needs
//! young, or writes it anew.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;

use super::super::facts::AT_ONCE;
use super::super::upload::State;
use super::super::{Shared, layout, unused_word};
use crate::image::RepositoryName;
use crate::registry::{Error, Result};

/// Before when something has to have been written so that it may go.
pub(super) struct Protection {
    repositories: HashMap<RepositoryName, SystemTime>,
    elsewhere: SystemTime,
    everywhere: SystemTime,
}

impl Protection {
    /// Of a fact of this repository.
    pub(super) fn of(&self, repository: &RepositoryName) -> SystemTime {
        self.repositories.get(repository).copied().unwrap_or(self.elsewhere)
    }

    /// Of what belongs to no repository alone.
    pub(super) const fn everywhere(&self) -> SystemTime {
        self.everywhere
    }
}

impl Shared {
    /// What the pushes and uploads that run protect, and what the grace does, for a run that begins now.
    pub(super) async fn protection(&self, grace: Duration) -> Result<Protection> {
        let now = self.bucket_time().await?;
        let margin = self.young + self.skew;
        let before = |time: SystemTime, span: Duration| time.checked_sub(span).unwrap_or(SystemTime::UNIX_EPOCH);
        let elsewhere = before(now, grace + margin);
        let mut begun = self.running_pushes(now).await?;
        let uploads = self.objects.list(layout::UPLOADS).map_ok(|found| async move {
            let state = State::read(self, layout::last(&found.key)).await?;
            Ok::<_, Error>(state.map(|(state, _)| (state.repository().clone(), state.begun())))
        });
        let uploads: Vec<Option<(RepositoryName, SystemTime)>> =
            uploads.try_buffer_unordered(AT_ONCE).try_collect().await?;
        begun.extend(uploads.into_iter().flatten().map(|(name, begun)| (name, before(begun, grace))));
        let mut repositories: HashMap<RepositoryName, SystemTime> = HashMap::new();
        for (name, begun) in begun {
            let limit = repositories.entry(name).or_insert(elsewhere);
            *limit = before(begun, margin).min(*limit);
        }
        let everywhere = repositories.values().copied().fold(elsewhere, SystemTime::min);
        Ok(Protection { repositories, elsewhere, everywhere })
    }

    /// What time it is by the bucket's own clock.
    pub(super) async fn bucket_time(&self) -> Result<SystemTime> {
        let key = format!("upkeep/clock-{}", unused_word()?);
        self.objects.write(&key, "").await?;
        let seen = self.objects.look(&key).await?;
        self.objects.remove(&key).await?;
        seen.map(|seen| seen.modified).ok_or_else(|| self.missing("clock that can be read"))
    }
}
