//! The access log of `serve` on standard error.

use std::fmt::Write as _;

use crate::config::LogForm;
use crate::output::Console;
use crate::server::{AccessLog, Record};

/// Writes a line for every request.
pub(super) struct ConsoleLog {
    pub(super) console: Console,
    pub(super) form: LogForm,
}

impl AccessLog for ConsoleLog {
    fn record(&self, record: &Record) {
        match self.form {
            LogForm::Json => self.console.object(record),
            LogForm::Logfmt => self.console.line(&logfmt(record)),
        }
    }
}

/// `key=value` pairs; a value that holds anything but plain characters stands in quotes.
fn logfmt(record: &Record) -> String {
    let fields = [
        ("time", record.time.to_string()),
        ("client", record.client.map(|client| client.to_string()).unwrap_or_default()),
        ("user", record.user.clone()),
        ("method", record.method.clone()),
        ("path", record.path.clone()),
        ("status", record.status.to_string()),
        ("received", record.received.to_string()),
        ("sent", record.sent.to_string()),
        ("milliseconds", record.milliseconds.to_string()),
        ("cut", record.cut.to_string()),
        ("agent", record.agent.clone()),
    ];
    let mut line = String::new();
    for (key, value) in fields {
        let is_plain =
            !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'));
        let space = if line.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = if is_plain { write!(line, "{space}{key}={value}") } else { write!(line, "{space}{key}={value:?}") };
    }
    line
}
