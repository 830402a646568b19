//! The results as a picture: bars for wall time, CPU time and memory, the longest of each work as long as its column.

use std::fmt::Write as _;

use super::results::{Results, Row};
use super::table::{mebibytes, seconds};
use super::tools::Kind;

/// The works that the picture shows: those where the tools stand beside each other.
const SHOWN: [&str; 7] = ["P1", "P2", "P3", "P4", "P5", "P7", "P14"];
/// Where the columns begin, and how long a bar is at most.
const COLUMNS: [(&str, u32); 3] = [("wall time", 230), ("CPU time", 480), ("peak memory", 730)];
const BAR: u32 = 150;
const WIDTH: u32 = 980;
const STEP: u32 = 16;

/// An SVG document.
pub(crate) fn svg(results: &Results, caption: &str) -> String {
    let mut body = String::new();
    let mut y = 62;
    for group in groups(results) {
        let middle = y + STEP * u32::try_from(group.len()).unwrap_or(1) / 2;
        let _ = writeln!(body, r##"<text x="12" y="{middle}" fill="#111827">{}</text>"##, escaped(&group[0].work));
        for row in &group {
            let bars = [
                (
                    row.wall.as_secs_f64(),
                    most(&group, |row| row.wall.as_secs_f64()),
                    format!("{} s", seconds(row.wall)),
                ),
                (row.cpu.as_secs_f64(), most(&group, |row| row.cpu.as_secs_f64()), format!("{} s", seconds(row.cpu))),
                (size(row.peak), most(&group, |row| size(row.peak)), format!("{} MiB", mebibytes(row.peak))),
            ];
            for ((_, x), (figure, most, label)) in COLUMNS.iter().zip(bars) {
                let width = (f64::from(BAR) * figure / most).max(1.0);
                let (fill, text_x, text_y) = (color(row.kind), f64::from(*x) + width + 5.0, y + 11);
                let bar = format!(r#"<rect x="{x}" y="{y}" width="{width:.1}" height="13" fill="{fill}"/>"#);
                let _ = writeln!(body, r##"{bar}<text x="{text_x:.1}" y="{text_y}" fill="#374151">{label}</text>"##);
            }
            y += STEP;
        }
        y += 12;
    }
    let legend = legend(results);
    let heads =
        COLUMNS.map(|(head, x)| format!(r##"<text x="{x}" y="52" fill="#111827" font-weight="bold">{head}</text>"##));
    let heads = heads.concat();
    let (height, caption_y, caption) = (y + 24, y + 12, escaped(caption));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
{legend}{heads}
{body}<text x="12" y="{caption_y}" fill="#6b7280">{caption}</text>
</svg>
"##
    )
}

/// The rows of each work that is shown, in the order of the measurement.
fn groups(results: &Results) -> Vec<Vec<&Row>> {
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in results.rows.iter().filter(|row| SHOWN.contains(&row.id)) {
        match groups.last_mut().filter(|group| group[0].id == row.id && group[0].work == row.work) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

fn legend(results: &Results) -> String {
    let mut kinds: Vec<Kind> = Vec::new();
    for row in &results.rows {
        if !kinds.contains(&row.kind) {
            kinds.push(row.kind);
        }
    }
    let entry = |(index, kind): (u32, &Kind)| {
        let (x, fill, word) = (12 + index * 100, color(*kind), kind.word());
        let text_x = x + 18;
        format!(
            r##"<rect x="{x}" y="12" width="12" height="12" fill="{fill}"/><text x="{text_x}" y="22" fill="#111827">{word}</text>"##
        )
    };
    (0..).zip(&kinds).map(entry).collect()
}

fn most(group: &[&Row], figure: impl Fn(&Row) -> f64) -> f64 {
    group.iter().map(|row| figure(row)).fold(f64::MIN_POSITIVE, f64::max)
}

#[expect(clippy::cast_precision_loss, reason = "a bar is a few hundred pixels long")]
fn size(bytes: u64) -> f64 {
    bytes as f64
}

const fn color(kind: Kind) -> &'static str {
    match kind {
        Kind::Tranship => "#0f766e",
        Kind::Skopeo => "#94a3b8",
        Kind::Crane => "#d6a461",
        Kind::Regctl => "#a78bba",
        Kind::Oras => "#c9877f",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
