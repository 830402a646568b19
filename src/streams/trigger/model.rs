//! A trigger: what it watches, what it does, and how far it has come.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::image::Tag;
use crate::streams::draft::Change;
use crate::streams::model::{TagEvent, View};

/// The longest name of a trigger, as a part of a file's name.
const MAX_NAME: usize = 64;

/// The name of a trigger: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 64 characters. Safe as a file's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TriggerName(Box<str>);

impl TriggerName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TriggerName {
    type Err = TriggerNameError;

    fn from_str(text: &str) -> Result<Self, TriggerNameError> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=MAX_NAME).contains(&text.len()) && text.chars().all(good);
        if !fits || text.starts_with('-') || text.ends_with('-') {
            return Err(TriggerNameError(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TriggerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TriggerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TriggerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no trigger's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot name a trigger: lower-case letters, digits and `-` between them, at most {MAX_NAME}", .0.escape_debug())]
pub struct TriggerNameError(String);

/// The triggers of one stream, as their file has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggers {
    /// In the order in which they were added, which is the one in which they act.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
}

/// What is done when a tag points at another image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trigger {
    /// Its name.
    pub name: TriggerName,
    /// The tag that it watches; every one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// What it does.
    pub action: Action,
    /// Whether it may act twice on one change where nobody can tell whether it did once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// The number of the last change before it was added, on which it does not act.
    pub since: i64,
    /// The number of the last change of each tag that it has acted on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settled: BTreeMap<Tag, i64>,
    /// The change that it is acting on, or was when its process was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
    /// How it ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Settled>,
}

/// What a trigger does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Runs a command.
    Run {
        /// The program and its arguments. No shell reads them.
        command: Vec<String>,
        /// Where it runs.
        directory: PathBuf,
        /// How many seconds it may take.
        seconds: u64,
    },
    /// Posts a document to a URL.
    Webhook {
        /// Where to.
        url: String,
        /// The secret that the document is signed with, `VAULT/SECRET`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<String>,
    },
}

impl Action {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Webhook { .. } => "webhook",
        }
    }
}

/// A change that is being acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Begun {
    /// The tag.
    pub tag: Tag,
    /// The number of the change.
    pub generation: i64,
    /// Since when.
    pub at: Timestamp,
    /// The process of the command, once it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
}

/// How a trigger ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settled {
    /// The tag.
    pub tag: Tag,
    /// The number of the change.
    pub generation: i64,
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// More about that, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How acting on a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was done, and failed.
    Failed,
    /// It was begun, and whoever did it was killed before the end.
    Unknown,
    /// It could not be done yet. The change is pending still.
    Postponed,
}

impl Outcome {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Postponed => "not done yet",
        }
    }
}

/// A change that a trigger has yet to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The trigger.
    pub trigger: TriggerName,
    /// The change.
    pub change: Change,
}

impl Trigger {
    /// A trigger that has not acted yet; `since` is the number of the last change that it does not act on.
    #[must_use]
    pub const fn new(name: TriggerName, tag: Option<Tag>, action: Action, since: i64) -> Self {
        Self { name, tag, action, again: false, since, settled: BTreeMap::new(), begun: None, last: None }
    }

    /// Whether it has yet to act on a change.
    #[must_use]
    pub fn awaits(&self, tag: &Tag, generation: i64) -> bool {
        let watches = self.tag.as_ref().is_none_or(|watched| watched == tag);
        watches && generation > self.settled.get(tag).copied().unwrap_or(self.since).max(self.since)
    }

    /// The changes that it has yet to act on, the oldest first.
    #[must_use]
    pub fn pending(&self, view: &View) -> Vec<Pending> {
        let mut pending = Vec::new();
        for history in &view.status.tags {
            for (index, item) in history.items.iter().enumerate() {
                if self.awaits(&history.tag, item.generation)
                    && let Some(change) = change(&history.tag, item, history.items.get(index + 1))
                {
                    pending.push(Pending { trigger: self.name.clone(), change });
                }
            }
        }
        pending.sort_by_key(|pending| pending.change.generation);
        pending
    }

    /// Notes how acting on a change ended.
    pub(super) fn settle(&mut self, settled: Settled) {
        if settled.outcome != Outcome::Postponed {
            self.settled.insert(settled.tag.clone(), settled.generation);
        }
        self.begun = None;
        self.last = Some(settled);
    }
}

impl Triggers {
    /// The trigger of a name.
    #[must_use]
    pub fn named(&self, name: &TriggerName) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.name == *name)
    }

    /// Whether one of them has yet to act on a change.
    #[must_use]
    pub fn await_change(&self, tag: &Tag, generation: i64) -> bool {
        self.triggers.iter().any(|trigger| trigger.awaits(tag, generation))
    }

    /// The highest number of a change that any of them knows: later changes are above it, also where the stream's
    /// file was put back to an older one.
    #[must_use]
    pub fn highest(&self) -> i64 {
        let known = self.triggers.iter().flat_map(|trigger| trigger.settled.values().chain([&trigger.since]));
        known.copied().max().unwrap_or_default()
    }
}

fn change(tag: &Tag, item: &TagEvent, before: Option<&TagEvent>) -> Option<Change> {
    Some(Change {
        tag: tag.clone(),
        old: before.and_then(|before| before.image.clone()),
        new: item.image.clone()?,
        reference: item.docker_image_reference.clone(),
        generation: item.generation,
    })
}
