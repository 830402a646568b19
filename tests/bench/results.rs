//! What was measured: a row for each tool at each work, and the targets with what they are compared with.

use std::time::Duration;

use serde_json::{Value, json};

use super::stopwatch::Sample;
use super::tools::{Kind, Tool};

/// What one tool needed for one work: medians of its runs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) work: String,
    pub(crate) kind: Kind,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) peak: u64,
    /// Counted in a run of its own, through relays.
    pub(crate) requests: Option<usize>,
    /// The bytes of all bodies, both ways.
    pub(crate) bytes: Option<u64>,
}

/// What a figure is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// It is only shown.
    None,
}

/// A target with the figure that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) id: &'static str,
    pub(crate) what: String,
    pub(crate) figure: f64,
    pub(crate) bound: Bound,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
    /// What could not be measured, and why.
    pub(crate) gaps: Vec<String>,
}

impl Row {
    /// The medians of a tool's runs, of which there is at least one.
    pub(crate) fn of(id: &'static str, work: &str, tool: &Tool, samples: &[Sample]) -> Self {
        Self {
            id,
            work: work.to_owned(),
            kind: tool.kind,
            wall: median(samples.iter().map(|sample| sample.wall)),
            cpu: median(samples.iter().map(|sample| sample.cpu)),
            peak: median(samples.iter().map(|sample| sample.peak)),
            requests: None,
            bytes: None,
        }
    }

    fn is_of(&self, id: &str, work: &str) -> bool {
        self.id == id && self.work == work
    }
}

impl Goal {
    /// Whether the target is met.
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.figure <= bound,
            Bound::AtLeast(bound) => self.figure >= bound,
            Bound::None => true,
        }
    }
}

impl Results {
    /// Compares a figure with what it is to be.
    pub(crate) fn goal(&mut self, id: &'static str, what: impl Into<String>, figure: f64, bound: Bound) {
        self.goals.push(Goal { id, what: what.into(), figure, bound });
    }

    /// As [`Results::goal`], where there is a figure.
    pub(crate) fn goal_of(&mut self, id: &'static str, what: impl Into<String>, figure: Option<f64>, bound: Bound) {
        if let Some(figure) = figure {
            self.goal(id, what, figure, bound);
        }
    }

    /// What tranship needed for a work.
    pub(crate) fn own(&self, id: &str, work: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.is_of(id, work) && row.kind == Kind::Tranship)
    }

    /// tranship's figure as a part of the best figure of a peer that does the whole work.
    pub(crate) fn against_best(&self, id: &str, work: &str, figure: impl Fn(&Row) -> Duration) -> Option<f64> {
        let peers = self.rows.iter().filter(|row| row.is_of(id, work) && row.kind != Kind::Tranship);
        let best = peers.filter(|row| row.kind.hashes()).map(&figure).min()?;
        Some(figure(self.own(id, work)?).as_secs_f64() / best.as_secs_f64())
    }

    /// All of it in JSON, with what is said of the surroundings.
    pub(crate) fn document(&self, surroundings: &[(&str, String)]) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "id": row.id, "work": row.work, "tool": row.kind.word(),
                "wallSeconds": row.wall.as_secs_f64(), "cpuSeconds": row.cpu.as_secs_f64(),
                "peakBytes": row.peak, "requests": row.requests, "bytes": row.bytes,
            })
        });
        let goals = self.goals.iter().map(|goal| {
            let (at_most, at_least) = match goal.bound {
                Bound::AtMost(bound) => (Some(bound), None),
                Bound::AtLeast(bound) => (None, Some(bound)),
                Bound::None => (None, None),
            };
            json!({
                "id": goal.id, "figure": goal.what, "measured": goal.figure,
                "atMost": at_most, "atLeast": at_least, "met": goal.is_met(),
            })
        });
        let surroundings: serde_json::Map<String, Value> =
            surroundings.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        json!({
            "surroundings": surroundings, "rows": rows.collect::<Vec<_>>(), "targets": goals.collect::<Vec<_>>(),
            "notMeasured": self.gaps,
        })
    }
}

/// The middle one of at least one value.
pub(crate) fn median<T: Ord + Copy>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// With which power of the first number the second one grows: the slope of the line through their logarithms.
pub(crate) fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let points: Vec<(f64, f64)> =
        points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < 2 || first.0 >= last.0 {
        return None;
    }
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let square: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    Some(both / square)
}
