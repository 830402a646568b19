//! What is found and shown of images without moving them, and what removes them: `resolve`, `tags`, `inspect`,
//! `repositories`, `tag`, `delete`.

mod inspecting;
mod removing;
mod resolving;
mod tags;

use crate::support::program::Output;

/// Output as text, without what the clock makes of it: times ago, and the width that they take.
pub(crate) fn timeless(output: &Output) -> String {
    let mut text = output.shown();
    for unit in ["year", "month", "day", "hour", "minute", "second"] {
        for ending in [format!(" {unit}s ago"), format!(" {unit} ago")] {
            while let Some(end) = text.find(&ending) {
                let start = text[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
                text.replace_range(start..end + ending.len(), "AGO");
            }
        }
    }
    text = text.replace("just now", "AGO");
    while text.contains("   ") {
        text = text.replace("   ", "  ");
    }
    text
}
