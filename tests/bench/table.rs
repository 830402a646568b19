//! The results as tables, in Markdown, which reads well in a terminal too.

use std::fmt::Write as _;
use std::time::Duration;

use super::results::{Bound, Goal, Results, Row};

/// Both tables, and what could not be measured.
pub(crate) fn text(results: &Results, surroundings: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (key, value) in surroundings {
        let _ = writeln!(text, "{key}: {value}");
    }
    let rows: Vec<Vec<String>> = results.rows.iter().map(|row| cells(results, row)).collect();
    let head = ["#", "work", "tool", "wall s", "CPU s", "peak MiB", "requests", "MB moved", "wall ×", "CPU ×"];
    let goals: Vec<Vec<String>> = results.goals.iter().map(goal).collect();
    let goals = table(&["#", "figure", "measured", "target", ""], &goals);
    let _ = write!(text, "\n{}\n{goals}", table(&head, &rows));
    for gap in &results.gaps {
        let _ = write!(text, "\nnot measured: {gap}\n");
    }
    text
}

fn cells(results: &Results, row: &Row) -> Vec<String> {
    let own = results.own(row.id, &row.work);
    let times = |of: fn(&Row) -> Duration| {
        own.map_or(String::new(), |own| format!("{:.2}", of(row).as_secs_f64() / of(own).as_secs_f64()))
    };
    vec![
        row.id.to_owned(),
        row.work.clone(),
        row.kind.word().to_owned(),
        seconds(row.wall),
        seconds(row.cpu),
        mebibytes(row.peak),
        row.requests.map_or(String::new(), |requests| requests.to_string()),
        row.bytes.map_or(String::new(), |bytes| format!("{}.{:03}", bytes / 1_000_000, bytes / 1000 % 1000)),
        times(|row| row.wall),
        times(|row| row.cpu),
    ]
}

fn goal(goal: &Goal) -> Vec<String> {
    let (target, word) = match goal.bound {
        Bound::AtMost(bound) => (format!("≤ {bound}"), if goal.is_met() { "met" } else { "missed" }),
        Bound::AtLeast(bound) => (format!("≥ {bound}"), if goal.is_met() { "met" } else { "missed" }),
        Bound::None => (String::new(), ""),
    };
    vec![goal.id.to_owned(), goal.what.clone(), three_digits(goal.figure), target, word.to_owned()]
}

/// Seconds with three digits that count.
pub(crate) fn seconds(time: Duration) -> String {
    three_digits(time.as_secs_f64())
}

/// Mebibytes with one decimal.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{}.{}", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}

fn three_digits(figure: f64) -> String {
    let size = figure.abs();
    if size >= 100.0 {
        format!("{figure:.0}")
    } else if size >= 10.0 {
        format!("{figure:.1}")
    } else if size >= 0.1 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.4}")
    }
}

/// A table whose columns are as wide as their longest cell.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default().max(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    [line(&head), line(&rule)].into_iter().chain(rows.iter().map(|row| line(row))).collect()
}
