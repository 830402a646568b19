//! How much of the histories is kept: by number and by age, as `oc adm prune images` has it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::draft::Draft;
use super::error::StreamError;
use super::model::{TagEvent, View};
use crate::image::Tag;

/// The note of a stream with the number of images to keep.
const REVISIONS: &str = "tranship/keep-revisions";
/// The note of a stream with the age up to which images are kept.
const YOUNGER_THAN: &str = "tranship/keep-younger-than";

/// What of a history is kept. The current image is kept in any case, and what is younger or among the first stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepRule {
    /// So many images of each tag, whatever their age.
    pub revisions: Option<u64>,
    /// Images that were replaced less than this ago, whatever their number.
    pub younger_than: Option<Duration>,
}

impl KeepRule {
    /// What is kept where nobody says anything: three images, and those of the last hour.
    #[must_use]
    pub const fn usual() -> Self {
        Self { revisions: Some(3), younger_than: Some(Duration::from_hours(1)) }
    }

    /// The rule that a stream carries, where it does.
    ///
    /// # Errors
    /// Its notes are no number and no time.
    pub fn of(view: &View) -> Result<Option<Self>, StreamError> {
        let note = |key: &str| view.metadata.annotations.get(key).map(|text| (key.to_owned(), text.clone()));
        let wrong = |(key, text): (String, String)| {
            StreamError::refused(format!("the annotation `{key}` cannot be `{}`", text.escape_debug()))
        };
        let revisions = note(REVISIONS).map(|note| note.1.parse::<u64>().map_err(|_| wrong(note))).transpose()?;
        let younger_than = note(YOUNGER_THAN)
            .map(|note| {
                let span = note.1.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
                span.ok_or_else(|| wrong(note))
            })
            .transpose()?;
        let rule = Self { revisions, younger_than };
        Ok((rule != Self::default()).then_some(rule))
    }

    /// Writes the rule into a stream, for every later change of it.
    pub fn note(&self, draft: &mut Draft) {
        if let Some(revisions) = self.revisions {
            draft.annotate(REVISIONS, &revisions.to_string());
        }
        if let Some(age) = self.younger_than.and_then(|age| SignedDuration::try_from(age).ok()) {
            draft.annotate(YOUNGER_THAN, &format!("{age:#}"));
        }
    }

    /// Removes from the history of a tag what is not kept, and says what is gone. `needed` are changes that
    /// somebody waits for: they stay, and so does what was current before them.
    pub fn prune(&self, draft: &mut Draft, tag: &Tag, now: Timestamp, needed: impl Fn(i64) -> bool) -> Vec<TagEvent> {
        let items = draft.items(tag);
        // An image was replaced when its follower came.
        let replaced: Vec<Option<Timestamp>> =
            std::iter::once(None).chain(items.iter().map(|item| item.created)).collect();
        draft.prune(tag, |index, event| {
            let follower = index.checked_sub(1).and_then(|before| items.get(before));
            let is_needed = needed(event.generation) || follower.is_some_and(|after| needed(after.generation));
            let is_among = self.revisions.is_some_and(|revisions| (index as u64) < revisions);
            let age = replaced.get(index).copied().flatten().map(|then| now.duration_since(then));
            let is_young = match (self.younger_than, age) {
                (Some(limit), Some(age)) => Duration::try_from(age).is_ok_and(|age| age < limit),
                (Some(_), None) | (None, _) => false,
            };
            is_needed || is_among || is_young
        })
    }
}
