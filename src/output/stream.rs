//! Results that come one by one: shown as they come, whatever the format, without being kept.

use std::collections::BTreeMap;

use super::{Console, OutputError, OutputFormat, Reader, Report, serial};

/// Results of one command, one after the other.
///
/// In text each is what its report writes. In JSON and YAML they are the elements of one list in one document,
/// which begins with the first of them and which [`ResultStream::finish`] ends: work that fails at once shows
/// nothing, and JSON without its end tells its reader that the rest is missing.
#[derive(Debug)]
#[must_use = "the document is ended by `finish`"]
pub struct ResultStream<'a> {
    console: &'a Console,
    /// What stands before the first element; taken when that is written.
    head: Option<String>,
}

impl<'a> ResultStream<'a> {
    /// A stream whose document has these fields in front of the list.
    pub(super) fn new(
        console: &'a Console,
        fields: &[(&str, &dyn erased_serde::Serialize)],
        list: &'static str,
    ) -> Result<Self, OutputError> {
        let head = match console.format() {
            OutputFormat::Text => String::new(),
            OutputFormat::Json => json_head(fields, list)?,
            OutputFormat::Yaml => yaml_head(fields, list)?,
        };
        Ok(Self { console, head: Some(head) })
    }

    /// Shows one more result.
    ///
    /// # Errors
    /// Where standard output cannot be written. A reader who went away is no error: [`Reader::Gone`] says that
    /// there is no use in finding more.
    pub fn item(&mut self, report: &dyn Report) -> Result<Reader, OutputError> {
        let text = match self.console.format() {
            OutputFormat::Text => return self.console.report(report),
            OutputFormat::Json => {
                let before = self.head.take().unwrap_or_else(|| ",".to_owned());
                format!("{before}\n    {}", serial::json_line(&report)?)
            }
            OutputFormat::Yaml => {
                let before = self.head.take().unwrap_or_default();
                format!("{before}\n- {}", serial::yaml(&report)?.replace('\n', "\n  "))
            }
        };
        self.console.write(text.as_bytes())
    }

    /// Ends the document with one more field behind the list; in text that is what its report writes.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn finish_with(self, name: &str, last: &dyn Report) -> Result<(), OutputError> {
        let end = match (self.console.format(), self.head) {
            (OutputFormat::Text, _) => return self.console.report(last).map(drop),
            (OutputFormat::Json, head) => {
                let before = head.map_or_else(|| "\n  ]".to_owned(), |head| head + "]");
                format!("{before},\n  \"{name}\": {}\n}}\n", serial::json_line(&last)?)
            }
            (OutputFormat::Yaml, head) => {
                let before = head.map_or_else(|| "\n".to_owned(), |head| head + " []\n");
                format!("{before}{}\n", serial::yaml(&BTreeMap::from([(name, last)]))?)
            }
        };
        self.console.write(end.as_bytes()).map(drop)
    }

    /// Ends the document.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn finish(self) -> Result<(), OutputError> {
        let end = match (self.console.format(), self.head) {
            (OutputFormat::Text, _) => return Ok(()),
            (OutputFormat::Json, None) => "\n  ]\n}\n".to_owned(),
            (OutputFormat::Json, Some(head)) => head + "]\n}\n",
            (OutputFormat::Yaml, None) => "\n".to_owned(),
            (OutputFormat::Yaml, Some(head)) => head + " []\n",
        };
        self.console.write(end.as_bytes()).map(drop)
    }
}

fn json_head(fields: &[(&str, &dyn erased_serde::Serialize)], list: &str) -> Result<String, OutputError> {
    let mut head = String::from("{\n");
    for (name, value) in fields {
        head.extend(["  \"", name, "\": ", &serial::json_line(*value)?, ",\n"]);
    }
    head.extend(["  \"", list, "\": ["]);
    Ok(head)
}

fn yaml_head(fields: &[(&str, &dyn erased_serde::Serialize)], list: &str) -> Result<String, OutputError> {
    let mut head = String::new();
    for (name, value) in fields {
        head.extend([&serial::yaml(&BTreeMap::from([(name, value)]))?, "\n"]);
    }
    head.extend([list, ":"]);
    Ok(head)
}
