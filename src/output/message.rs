//! What is said beside the result, on standard error: warnings, hints, notes, errors and the log.
//!
//! One line each, as text or as JSON with a `type`; each distinct warning once; above the bars where there are
//! bars. Writing here never fails: where nobody reads, there is nobody to tell.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Mutex;

use console::Style;
use indicatif::MultiProgress;
use serde::Serialize;

use super::escape::{Escaping, Notation, Shown};
use super::failure::FailureView;
use super::lock;

/// The most distinct warnings that are shown; a registry can think of more.
const MAX_WARNINGS: usize = 100;

/// Whether words in front of messages are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    On,
    Off,
}

impl Colors {
    pub(super) fn error(self, word: &str) -> String {
        self.paint(Style::new().red().bold(), word)
    }

    pub(super) fn warning(self, word: &str) -> String {
        self.paint(Style::new().yellow().bold(), word)
    }

    pub(super) fn hint(self, word: &str) -> String {
        self.paint(Style::new().cyan().bold(), word)
    }

    fn paint(self, style: Style, word: &str) -> String {
        style.force_styling(self == Self::On).apply_to(word).to_string()
    }
}

/// The form of what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Standard error, and what was said there.
pub(super) struct Messages {
    pub(super) form: Form,
    pub(super) colors: Colors,
    pub(super) quiet: bool,
    pub(super) verbosity: u8,
    out: Mutex<Box<dyn Write + Send>>,
    bars: Option<MultiProgress>,
    warned: Mutex<HashSet<String>>,
}

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    message: &'a str,
}

impl Messages {
    pub(super) fn new(out: Box<dyn Write + Send>, form: Form, colors: Colors) -> Self {
        Self { form, colors, quiet: false, verbosity: 0, out: Mutex::new(out), bars: None, warned: Mutex::default() }
    }

    pub(super) fn with_bars(mut self, bars: Option<MultiProgress>) -> Self {
        self.bars = bars;
        self
    }

    pub(super) fn with_volume(mut self, quiet: bool, verbosity: u8) -> Self {
        self.quiet = quiet;
        self.verbosity = verbosity;
        self
    }

    /// Says something that the user should know, once.
    pub(super) fn warn(&self, text: &str) {
        if self.quiet {
            return;
        }
        let mut warned = lock(&self.warned);
        if warned.len() > MAX_WARNINGS || !warned.insert(text.to_owned()) {
            return;
        }
        let full = warned.len() > MAX_WARNINGS;
        drop(warned);
        let text = if full { "further warnings are not shown" } else { text };
        self.say("warning", &self.colors.warning("warning:"), text);
    }

    /// Says what the user can do.
    pub(super) fn hint(&self, text: &str) {
        if !self.quiet {
            self.say("hint", &self.colors.hint("hint:"), text);
        }
    }

    /// Says what was done and why, to those who asked for more (`-v`).
    pub(super) fn note(&self, text: &str) {
        if !self.quiet && self.verbosity > 0 {
            self.say("note", "note:", text);
        }
    }

    /// Says what could not be done; quiet or not.
    pub(super) fn failure(&self, view: &FailureView) {
        match self.form {
            Form::Text => self.write(view.text(self.colors).as_bytes()),
            Form::Json => self.object(&view.fields()),
        }
    }

    /// Writes a line of the log as it is.
    pub(super) fn log(&self, line: &str) {
        match self.form {
            Form::Text => self.write(format!("{}\n", Shown(line)).as_bytes()),
            Form::Json => self.object(&Line { r#type: "log", message: line }),
        }
    }

    /// Writes a line of progress for people.
    pub(super) fn progress(&self, line: &str) {
        self.write(format!("{}\n", Shown(line)).as_bytes());
    }

    /// Writes an object on one line.
    pub(super) fn object(&self, value: &impl Serialize) {
        // These are our own flat types, which always have a JSON form.
        let Ok(json) = serde_json::to_vec(value) else { return };
        let mut line = Vec::with_capacity(json.len() + 1);
        let _ = Escaping::new(&mut line, Notation::Json).write_all(&json);
        line.push(b'\n');
        self.write(&line);
    }

    /// Does something to the terminal while no bar stands there.
    pub(super) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(work),
            None => work(),
        }
    }

    /// Writes a question and leaves the cursor behind it.
    pub(super) fn ask(&self, question: &str) {
        self.write(format!("{} ", Shown(question)).as_bytes());
    }

    fn say(&self, kind: &'static str, word: &str, text: &str) {
        match self.form {
            Form::Text => self.write(format!("{word} {}\n", Shown(text)).as_bytes()),
            Form::Json => self.object(&Line { r#type: kind, message: text }),
        }
    }

    fn write(&self, bytes: &[u8]) {
        self.aside(|| {
            let mut out = lock(&self.out);
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        });
    }
}
