//! What rounds came to, in the text form of Prometheus.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Summary;

type Number = Gauge<f64, AtomicU64>;

/// Sums over the rounds of a process, and what the last one was like.
pub struct Metrics {
    registry: Registry,
    images: Family<ImageLabels, Counter>,
    sent: Family<RuleLabels, Counter>,
    removed: Family<RuleLabels, Counter>,
    rounds: Family<RoundLabels, Counter>,
    last: Number,
    last_success: Number,
    seconds: Number,
    failed: Number,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ImageLabels {
    rule: String,
    result: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoundLabels {
    result: Outcome,
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Copied,
    Unchanged,
    Failed,
    Done,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        let word = match self {
            Self::Copied => "copied",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Done => "done",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tranship_sync"),
            images: Family::default(),
            sent: Family::default(),
            removed: Family::default(),
            rounds: Family::default(),
            last: Number::default(),
            last_success: Number::default(),
            seconds: Number::default(),
            failed: Number::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("images", "Images by what became of them", self.images.clone());
        registry.register("sent_bytes", "Bytes of blobs that travelled", self.sent.clone());
        registry.register("removed_tags", "Tags that were removed", self.removed.clone());
        registry.register("rounds", "Rounds by whether something failed", self.rounds.clone());
        registry.register("last_round_timestamp_seconds", "When the last round began", self.last.clone());
        registry.register(
            "last_success_timestamp_seconds",
            "When the last round began in which nothing failed",
            self.last_success.clone(),
        );
        registry.register("last_round_duration_seconds", "How long the last round took", self.seconds.clone());
        registry.register("last_round_failures", "What failed in the last round", self.failed.clone());
    }

    /// Takes in a round that is over.
    pub fn add(&self, summary: &Summary) {
        for rule in &summary.rules {
            let counts = &rule.counts;
            let results = [
                (Outcome::Copied, counts.copied),
                (Outcome::Unchanged, counts.unchanged),
                (Outcome::Failed, counts.failed),
            ];
            for (result, count) in results {
                self.images.get_or_create(&ImageLabels { rule: rule.from.clone(), result }).inc_by(count);
            }
            let labels = RuleLabels { rule: rule.from.clone() };
            self.sent.get_or_create(&labels).inc_by(counts.sent.bytes);
            self.removed.get_or_create(&labels).inc_by(counts.removed);
        }
        let failed = summary.total.failed;
        let result = if failed == 0 { Outcome::Done } else { Outcome::Failed };
        self.rounds.get_or_create(&RoundLabels { result }).inc();
        #[expect(clippy::cast_precision_loss, reason = "no round has so many failures that it matters")]
        self.failed.set(failed as f64);
        self.seconds.set(summary.seconds);
        let began = summary.started.as_duration().as_secs_f64();
        self.last.set(began);
        if failed == 0 {
            self.last_success.set(began);
        }
    }

    /// The text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a text cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
