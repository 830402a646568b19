//! Acting on what is pending: in the order of the changes, until nothing is.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::launch::settle;
use super::model::{Action, Begun, Outcome, Pending, Trigger, TriggerName, Triggers};
use crate::failure::{Failure, FailureKind};
use crate::image::StreamName;
use crate::streams::draft::Change;
use crate::streams::error::StreamError;
use crate::streams::kept::Streams;

/// How long another may act for the same trigger.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often a process is started for a change whose process was killed: once to act, once to find that it did not end.
const LAUNCHES: usize = 2;

/// What acts outside of the streams: whoever knows the program's own words, and has the secrets.
#[async_trait]
pub trait Actor: Send + Sync {
    /// Has a process of its own act on a change ([`launch`](super::launch())), and waits for its end.
    ///
    /// # Errors
    /// It cannot be started.
    async fn launch(&self, firing: &Firing) -> Result<(), Box<dyn Failure>>;

    /// Tells a URL of a change; the document is signed with a secret, `VAULT/SECRET`.
    ///
    /// # Errors
    /// It was not told.
    async fn post(&self, url: &str, secret: Option<&str>, firing: &Firing) -> Result<(), Box<dyn Failure>>;
}

/// A change that a trigger acts on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Firing {
    /// The same whenever this trigger acts on this change, and no other has it.
    pub key: String,
    /// The stream.
    pub stream: StreamName,
    /// The trigger.
    pub trigger: TriggerName,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
}

impl Firing {
    fn new(stream: &StreamName, uid: Option<&str>, pending: Pending) -> Self {
        let Pending { trigger, change } = pending;
        let key = format!("{}/{}/{}/{trigger}", uid.unwrap_or(stream.as_str()), change.tag, change.generation);
        Self { key, stream: stream.clone(), trigger, change }
    }

    /// What a command finds in its environment.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 8] {
        let change = &self.change;
        [
            ("TRANSHIP_STREAM", self.stream.to_string()),
            ("TRANSHIP_TAG", change.tag.to_string()),
            ("TRANSHIP_OLD_DIGEST", change.old.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("TRANSHIP_NEW_DIGEST", change.new.to_string()),
            ("TRANSHIP_IMAGE", change.reference.clone()),
            ("TRANSHIP_GENERATION", change.generation.to_string()),
            ("TRANSHIP_TRIGGER", self.trigger.to_string()),
            ("TRANSHIP_CHANGE", self.key.clone()),
        ]
    }
}

/// What came of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// The change.
    #[serde(flatten)]
    pub firing: Firing,
    /// How it ended.
    pub outcome: Outcome,
    /// More about that, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A trigger that did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    outcome: Outcome,
    detail: Option<String>,
    hint: String,
}

impl Fired {
    /// Why it is to be told, where it did not end well.
    #[must_use]
    pub fn failure(&self) -> Option<Ended> {
        let (stream, trigger) = (&self.firing.stream, &self.firing.trigger);
        let hint = match self.outcome {
            Outcome::Done => return None,
            Outcome::Failed | Outcome::Unknown => {
                format!("to act on that change once more: `tranship stream trigger again {stream} {trigger}`")
            }
            Outcome::Postponed => {
                format!("the next `tranship stream refresh {stream}` tries it again")
            }
        };
        Some(Ended { outcome: self.outcome, detail: self.detail.clone(), hint })
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.outcome {
            Outcome::Done => "it was done",
            Outcome::Failed => "it failed",
            Outcome::Unknown => "it was begun, and how it ended is not known",
            Outcome::Postponed => "it could not be done",
        };
        match &self.detail {
            Some(detail) => write!(f, "{words}: {detail}"),
            None => f.write_str(words),
        }
    }
}

impl std::error::Error for Ended {}

impl Failure for Ended {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        vec![self.hint.clone()]
    }
}

/// The trigger, where it still has to act on the change.
pub(super) fn still_awaited<'a>(triggers: &'a mut Triggers, firing: &Firing) -> Option<&'a mut Trigger> {
    let trigger = triggers.triggers.iter_mut().find(|trigger| trigger.name == firing.trigger)?;
    trigger.awaits(&firing.change.tag, firing.change.generation).then_some(trigger)
}

impl Streams {
    /// The changes of a stream that triggers have yet to act on, each with its trigger, in the order of the changes.
    ///
    /// # Errors
    /// The stream or its ledger cannot be read.
    pub fn pending(&self, name: &StreamName) -> Result<Vec<(Firing, Action)>, StreamError> {
        let triggers = self.ledger().read(name)?;
        if triggers.triggers.is_empty() {
            return Ok(Vec::new());
        }
        let Some(stream) = self.find(name)? else {
            return Ok(Vec::new());
        };
        let uid = stream.view().metadata.uid.as_deref();
        let of = |trigger: &Trigger| {
            let pending = trigger.pending(stream.view()).into_iter();
            pending.map(|pending| (Firing::new(name, uid, pending), trigger.action.clone())).collect::<Vec<_>>()
        };
        let mut pending: Vec<(Firing, Action)> = triggers.triggers.iter().flat_map(of).collect();
        pending.sort_by_key(|(firing, _)| firing.change.generation);
        Ok(pending)
    }

    /// One of them, by the words of its process.
    ///
    /// # Errors
    /// As [`Streams::pending`].
    pub fn pending_one(
        &self,
        name: &StreamName,
        trigger: &TriggerName,
        tag: &crate::image::Tag,
        generation: i64,
    ) -> Result<Option<Firing>, StreamError> {
        let is_it = |firing: &Firing| {
            (&firing.trigger, &firing.change.tag, firing.change.generation) == (trigger, tag, generation)
        };
        Ok(self.pending(name)?.into_iter().map(|(firing, _)| firing).find(is_it))
    }

    /// Has the triggers of a stream act on what is pending, and goes on until nothing is that can be done now.
    ///
    /// # Errors
    /// The stream or its ledger cannot be read or written.
    pub async fn fire(&self, name: &StreamName, actor: &dyn Actor) -> Result<Vec<Fired>, StreamError> {
        let mut fired = Vec::new();
        // What one cannot do now, it cannot do for the changes after that either: they have an order.
        let mut waiting: BTreeSet<TriggerName> = BTreeSet::new();
        loop {
            let pending = self.pending(name)?;
            let next = pending.into_iter().find(|(firing, _)| !waiting.contains(&firing.trigger));
            let Some((firing, action)) = next else {
                return Ok(fired);
            };
            let ended = match action {
                Action::Run { .. } => self.run(&firing, actor).await?,
                Action::Webhook { url, secret } => self.post(&firing, &url, secret.as_deref(), actor).await?,
            };
            // Else another acted on it.
            let Some((outcome, detail)) = ended else {
                continue;
            };
            if outcome == Outcome::Postponed {
                waiting.insert(firing.trigger.clone());
            }
            fired.push(Fired { firing, outcome, detail });
        }
    }

    /// Has a process of its own run a command.
    async fn run(&self, firing: &Firing, actor: &dyn Actor) -> Result<Option<(Outcome, Option<String>)>, StreamError> {
        for _ in 0..LAUNCHES {
            if let Err(failure) = actor.launch(firing).await {
                return Ok(Some((Outcome::Postponed, Some(failure.to_string()))));
            }
            let triggers = self.ledger().read(&firing.stream)?;
            let Some(trigger) = triggers.named(&firing.trigger) else {
                return Ok(None);
            };
            let last = trigger
                .last
                .as_ref()
                .filter(|last| (&last.tag, last.generation) == (&firing.change.tag, firing.change.generation));
            match last {
                Some(last) => return Ok(Some((last.outcome, last.detail.clone()))),
                None if !trigger.awaits(&firing.change.tag, firing.change.generation) => {
                    return Ok(None);
                }
                None => {}
            }
        }
        Ok(Some((Outcome::Postponed, Some("the process that was to do it ended early".to_owned()))))
    }

    /// Tells a URL, in this process: whoever is told can tell by the key that it was told before.
    async fn post(
        &self,
        firing: &Firing,
        url: &str,
        secret: Option<&str>,
        actor: &dyn Actor,
    ) -> Result<Option<(Outcome, Option<String>)>, StreamError> {
        let (ledger, wanted) = (self.ledger().clone(), firing.clone());
        let claim = move || ledger.claim(&wanted.stream, &wanted.trigger, PATIENCE);
        let claim = tokio::task::spawn_blocking(claim).await;
        let _claim = claim.map_err(|error| StreamError::refused(error.to_string()))??;
        let begun = self.ledger().edit(&firing.stream, |triggers| {
            let Some(trigger) = still_awaited(triggers, firing) else {
                return Ok(false);
            };
            let (tag, generation) = (firing.change.tag.clone(), firing.change.generation);
            trigger.begun = Some(Begun { tag, generation, at: Timestamp::now(), process: None });
            Ok(true)
        })?;
        if !begun {
            return Ok(None);
        }
        let (outcome, detail) = match actor.post(url, secret, firing).await {
            Ok(()) => (Outcome::Done, None),
            Err(failure) => (Outcome::Postponed, Some(chain(&*failure))),
        };
        let told = detail.clone();
        self.ledger().edit(&firing.stream, |triggers| {
            settle(triggers, firing, outcome, told);
            Ok(())
        })?;
        Ok(Some((outcome, detail)))
    }
}

/// A failure with everything behind it, on one line.
fn chain(failure: &dyn Failure) -> String {
    let mut text = failure.to_string();
    let mut source = failure.source();
    while let Some(cause) = source {
        text.extend([": ", &cause.to_string()]);
        source = cause.source();
    }
    text
}
