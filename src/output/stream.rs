//! Results that come one by one: shown as they come, whatever the format, without being kept.

use std::fmt::Write as _;

use super::{Console, OutputError, OutputFormat, Reader, Report, serial};

/// Results of one command, one after the other.
///
/// In text each is what its report writes. In JSON and YAML they are the elements of one list in one document,
/// which [`ResultStream::finish`] ends: a document without its end tells its reader that the rest is missing.
#[derive(Debug)]
#[must_use = "the document is ended by `finish`"]
pub struct ResultStream<'a> {
    console: &'a Console,
    begun: bool,
}

impl<'a> ResultStream<'a> {
    /// A stream whose document has these fields in front of the list.
    pub(super) fn new(
        console: &'a Console,
        fields: &[(&str, &dyn erased_serde::Serialize)],
        list: &'static str,
    ) -> Result<Self, OutputError> {
        let mut head = String::new();
        // Writing to a string cannot fail.
        let _ = match console.format() {
            OutputFormat::Text => Ok(()),
            OutputFormat::Json => {
                head.push_str("{\n");
                for (name, value) in fields {
                    let _ = writeln!(head, "  \"{name}\": {},", serial::json_line(*value)?);
                }
                write!(head, "  \"{list}\": [")
            }
            OutputFormat::Yaml => {
                for (name, value) in fields {
                    let _ = writeln!(head, "{}", serial::yaml(&std::collections::BTreeMap::from([(name, value)]))?);
                }
                write!(head, "{list}:")
            }
        };
        console.write(head.as_bytes())?;
        Ok(Self { console, begun: false })
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
                let comma = if self.begun { "," } else { "" };
                format!("{comma}\n    {}", serial::json_line(&report)?)
            }
            OutputFormat::Yaml => format!("\n- {}", serial::yaml(&report)?.replace('\n', "\n  ")),
        };
        self.begun = true;
        self.console.write(text.as_bytes())
    }

    /// Ends the document.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn finish(self) -> Result<(), OutputError> {
        let end = match (self.console.format(), self.begun) {
            (OutputFormat::Text, _) => return Ok(()),
            (OutputFormat::Json, true) => "\n  ]\n}\n",
            (OutputFormat::Json, false) => "]\n}\n",
            (OutputFormat::Yaml, true) => "\n",
            (OutputFormat::Yaml, false) => " []\n",
        };
        self.console.write(end.as_bytes()).map(drop)
    }
}
