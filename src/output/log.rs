//! The log that `-v`, `-vv` and `-vvv` ask for: what the program does and why, on standard error.
//!
//! Only events of this program are shown: other crates log headers and URLs whole. Every line is escaped.

use std::io;
use std::sync::Arc;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::uptime;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::message::Messages;

/// The subscriber for this many `-v`: from three on with the time since the start and the module.
pub(super) fn subscriber(messages: Arc<Messages>, verbosity: u8) -> impl Subscriber + Send + Sync {
    let level = match verbosity {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(LogWriter(messages));
    let layer = if verbosity > 2 {
        lines.with_timer(uptime()).with_filter(ours).boxed()
    } else {
        lines.without_time().with_target(false).with_filter(ours).boxed()
    };
    tracing_subscriber::registry().with(layer)
}

/// Takes whole events, one `write` each, and says them line by line.
#[derive(Clone)]
struct LogWriter(Arc<Messages>);

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.log(String::from_utf8_lossy(bytes).trim());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::message::{Colors, Form};
    use crate::output::tests::Shared;

    fn logged(verbosity: u8, form: Form, events: impl FnOnce()) -> String {
        let out = Shared::default();
        let messages = Arc::new(Messages::new(Box::new(out.clone()), form, Colors::Off));
        tracing::subscriber::with_default(subscriber(messages, verbosity), events);
        out.text()
    }

    fn events() {
        tracing::info!(credential = "login", "chosen");
        tracing::debug!("answer \u{9b}31m\r\nnext");
        tracing::info!(target: "hyper", "header authorization: Basic Zm9v");
    }

    #[test]
    fn more_v_say_more_and_strangers_crates_say_nothing() {
        assert_eq!(logged(0, Form::Text, events), "");
        assert_eq!(logged(1, Form::Text, events), "INFO chosen credential=\"login\"\n");
        let debug = logged(2, Form::Text, events);
        assert_eq!(debug.lines().count(), 2, "{debug}");
        assert!(!debug.contains('\u{9b}') && !debug.contains("Basic"), "{debug}");
        let trace = logged(3, Form::Text, events);
        assert!(trace.contains("s  INFO tranship::output::log::tests: chosen"), "{trace}");
    }

    #[test]
    fn the_log_is_json_where_messages_are() {
        let line = logged(1, Form::Json, events);
        assert_eq!(line, "{\"type\":\"log\",\"message\":\"INFO chosen credential=\\\"login\\\"\"}\n");
    }
}
