//! What happens in a round, and what came of it, as plain data.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Error, Removed};
use crate::failure::{Failure as _, FailureKind};
use crate::image::Tag;
use crate::transfer::{self, Outline, Tally, TransferReport};

/// Something that happened in a round, told as it happens.
#[derive(Debug)]
pub enum Happening {
    /// An image is where it is to be.
    Fetched(Box<Fetched<TransferReport>>),
    /// What would be done to bring an image where it is to be.
    Planned(Box<Fetched<Outline>>),
    /// A tag was removed, or would be.
    Removed(Removed),
    /// An image did not get where it is to be.
    Missed {
        /// The rule.
        rule: usize,
        /// The image, as it is shown.
        source: String,
        /// Where it was to go, as it is shown.
        destination: String,
        /// Why.
        error: transfer::Error,
    },
    /// Something else that a rule says was not done.
    Failed {
        /// The rule.
        rule: usize,
        /// What was not done, e.g. "sync `a`".
        doing: String,
        /// Why.
        error: Error,
    },
    /// Something that the user should know.
    Warning(String),
}

/// An image that is where it is to be, or how it would get there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched<T> {
    /// The rule, counted from 0.
    #[serde(skip)]
    pub rule: usize,
    /// The name that what was overwritten keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Tag>,
    /// What was done.
    #[serde(flatten)]
    pub report: T,
}

/// What came of one rule, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Images that were brought to a destination, or would be.
    pub copied: u64,
    /// Images that were there.
    pub unchanged: u64,
    /// Images, repositories or removals that failed.
    pub failed: u64,
    /// Tags that were removed, or would be.
    pub removed: u64,
    /// Tags whose former image keeps another name.
    pub backups: u64,
    /// The blobs that travelled, or would.
    pub sent: Tally,
    /// The blobs that a destination took over from another of its repositories.
    pub mounted: Tally,
}

/// What came of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleCounts {
    /// What the rule takes from.
    pub from: String,
    /// What came of it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What came of a round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// Whether nothing was done, and this is what would be.
    pub dry_run: bool,
    /// What came of all rules.
    #[serde(flatten)]
    pub total: Counts,
    /// What came of each.
    pub rules: Vec<RuleCounts>,
    #[serde(skip)]
    kinds: BTreeMap<FailureKind, u64>,
}

impl Summary {
    /// Nothing has happened yet.
    pub(super) fn new(started: Timestamp, dry_run: bool, rules: impl Iterator<Item = String>) -> Self {
        let rules = rules.map(|from| RuleCounts { from, counts: Counts::default() });
        let (rules, kinds) = (rules.collect(), BTreeMap::new());
        Self { started, seconds: 0.0, dry_run, total: Counts::default(), rules, kinds }
    }

    pub(super) fn ended(&mut self, after: Duration) {
        self.seconds = after.as_secs_f64();
    }

    /// Counts something that happened.
    pub(super) fn count(&mut self, happening: &Happening) {
        let (rule, more) = match happening {
            Happening::Fetched(fetched) => (fetched.rule, of_fetched(fetched)),
            Happening::Planned(planned) => (planned.rule, of_planned(planned)),
            Happening::Removed(removed) => (removed.rule, Counts { removed: 1, ..Counts::default() }),
            Happening::Missed { rule, error, .. } => (*rule, self.failed(error.kind())),
            Happening::Failed { rule, error, .. } => (*rule, self.failed(error.kind())),
            Happening::Warning(_) => return,
        };
        self.total.add(&more);
        if let Some(rule) = self.rules.get_mut(rule) {
            rule.counts.add(&more);
        }
    }

    fn failed(&mut self, kind: FailureKind) -> Counts {
        *self.kinds.entry(kind).or_default() += 1;
        Counts { failed: 1, ..Counts::default() }
    }

    /// The kind that stands for all failures; none where nothing failed.
    #[must_use]
    pub fn failure(&self) -> Option<FailureKind> {
        let done = self.total.copied + self.total.unchanged + self.total.removed;
        FailureKind::of_several(self.kinds.keys().copied(), usize::try_from(done).unwrap_or(usize::MAX))
    }
}

impl Counts {
    fn add(&mut self, more: &Self) {
        self.copied += more.copied;
        self.unchanged += more.unchanged;
        self.failed += more.failed;
        self.removed += more.removed;
        self.backups += more.backups;
        self.sent += more.sent;
        self.mounted += more.mounted;
    }
}

fn of_fetched(fetched: &Fetched<TransferReport>) -> Counts {
    let blobs = &fetched.report.blobs;
    let (sent, mounted) = (blobs.sent, blobs.mounted);
    Counts { sent, mounted, ..moved(fetched.report.unchanged, fetched.backup.as_ref()) }
}

fn of_planned(planned: &Fetched<Outline>) -> Counts {
    let totals = &planned.report.totals;
    let (sent, mounted) = (totals.send, totals.mount);
    Counts { sent, mounted, ..moved(planned.report.unchanged, planned.backup.as_ref()) }
}

fn moved(unchanged: bool, backup: Option<&Tag>) -> Counts {
    let (copied, unchanged) = (u64::from(!unchanged), u64::from(unchanged));
    Counts { copied, unchanged, backups: u64::from(backup.is_some()), ..Counts::default() }
}
