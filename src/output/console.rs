//! The console: one value that knows how this run shows results, messages and progress.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use indicatif::MultiProgress;
use secrecy::SecretString;

use super::failure::FailureView;
use super::message::{Colors, Form, Messages};
use super::page::{Page, Report};
use super::progress::{Bars, Lines, Plain, Short, WarningsOnly};
use super::prompt::{Confirmation, Input, PromptError};
use super::stream::ResultStream;
use super::terminal::{ColorChoice, ConsoleOptions, OutputFormat, ProgressMode, Streams};
use super::{OutputError, lock, log, serial};
use crate::failure::Failure;
use crate::progress::Progress;

/// Shows everything that a run has to show. Clones share the streams.
#[derive(Clone)]
pub struct Console {
    shared: Arc<Shared>,
}

struct Shared {
    options: ConsoleOptions,
    results: Mutex<Results>,
    width: Option<u16>,
    messages: Arc<Messages>,
    progress: Arc<dyn Progress>,
    bars: Option<Arc<Bars>>,
    input: Input,
}

struct Results {
    out: Box<dyn Write + Send>,
    reader: Reader,
    /// Where results go once standard output is handed out; taken then.
    aside: Option<Box<dyn Write + Send>>,
    terminal: bool,
}

/// Whether somebody still reads the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// As far as can be known.
    There,
    /// The pipe was closed: what else is shown goes nowhere, and that is no failure.
    Gone,
}

/// What is logged that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// Nothing.
    Nothing,
    /// What goes wrong.
    Warnings,
}

impl Console {
    /// A console on the standard streams.
    #[must_use]
    pub fn new(options: ConsoleOptions) -> Self {
        Self::on(Streams::standard(), options)
    }

    /// A console on these streams.
    #[must_use]
    pub fn on(streams: Streams, options: ConsoleOptions) -> Self {
        let json = options.format == OutputFormat::Json || options.progress == ProgressMode::Json;
        let colors = match options.color {
            ColorChoice::Auto if streams.colorful => Colors::On,
            ColorChoice::Auto | ColorChoice::Never => Colors::Off,
        };
        let mode = progress_mode(options, streams.screen.is_some(), json);
        let screen = streams.screen.filter(|_| mode == ProgressMode::Bar).map(MultiProgress::with_draw_target);
        let messages = Messages::new(streams.messages, if json { Form::Json } else { Form::Text }, colors)
            .with_volume(options.quiet, options.verbosity)
            .with_bars(screen.clone());
        let messages = Arc::new(messages);
        let bars = screen.map(|screen| Arc::new(Bars::new(Arc::clone(&messages), screen)));
        Self {
            shared: Arc::new(Shared {
                options,
                results: Mutex::new(Results {
                    out: streams.results,
                    reader: Reader::There,
                    aside: Some(streams.aside),
                    terminal: streams.terminal,
                }),
                width: streams.width,
                progress: listener(options, mode, &messages, bars.clone()),
                messages,
                bars,
                input: streams.input,
            }),
        }
    }

    /// Begins to log as verbosely as was asked. The log is the process's; only the first console's is heard. A
    /// server has nobody beside it, so what goes wrong in it is logged unasked.
    pub fn start_log(&self, unasked: Unasked) {
        if self.shared.options.verbosity > 0 || unasked == Unasked::Warnings {
            let log = log::subscriber(Arc::clone(&self.shared.messages), self.shared.options.verbosity);
            // Another console began before this one.
            let _ = tracing::subscriber::set_global_default(log);
        }
    }

    /// The form of results.
    #[must_use]
    pub fn format(&self) -> OutputFormat {
        self.shared.options.format
    }

    /// Shows a result: text or its essential words (`-q`), or a document; `-q` leaves documents whole.
    ///
    /// # Errors
    /// Where standard output cannot be written; a reader who went away is no error.
    pub fn report(&self, report: &dyn Report) -> Result<Reader, OutputError> {
        let text = match self.format() {
            OutputFormat::Text => self.page(report).map_err(OutputError::Write)?,
            OutputFormat::Json => serial::json(&report)? + "\n",
            OutputFormat::Yaml => serial::yaml(&report)? + "\n",
        };
        self.write(text.as_bytes())
    }

    fn page(&self, report: &dyn Report) -> io::Result<String> {
        let mut text = Vec::new();
        let mut page = Page::new(&mut text, self.shared.width);
        if self.shared.options.quiet { report.quiet(&mut page) } else { report.text(&mut page) }?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Begins results that come one by one. In documents they are the elements of the field `list`, behind
    /// `fields`.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn stream(
        &self,
        fields: &[(&str, &dyn erased_serde::Serialize)],
        list: &'static str,
    ) -> Result<ResultStream<'_>, OutputError> {
        ResultStream::new(self, fields, list)
    }

    /// Writes bytes as they are: exact manifests, blobs, scripts. Nothing is escaped.
    ///
    /// # Errors
    /// Where standard output cannot be written; a reader who went away is no error.
    pub fn write(&self, bytes: &[u8]) -> Result<Reader, OutputError> {
        let mut results = lock(&self.shared.results);
        if results.reader == Reader::There {
            let written =
                self.shared.messages.aside(|| results.out.write_all(bytes).and_then(|()| results.out.flush()));
            match written {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => results.reader = Reader::Gone,
                Err(error) => return Err(OutputError::Write(error)),
            }
        }
        Ok(results.reader)
    }

    /// Hands standard output out for bytes that are the result themselves, such as an archive; what is still shown as
    /// a result goes to standard error.
    ///
    /// # Errors
    /// Where it is a terminal, which shows no bytes, or was handed out before.
    pub fn take_results(&self) -> Result<Box<dyn Write + Send>, OutputError> {
        let mut results = lock(&self.shared.results);
        if results.terminal {
            return Err(OutputError::Terminal);
        }
        let instead = results.aside.take().ok_or(OutputError::Taken)?;
        Ok(std::mem::replace(&mut results.out, instead))
    }

    /// Shows an error: what could not be done in its own words, why from its sources, what to do from its hints.
    pub fn failure(&self, failure: &dyn Failure) {
        self.shared.messages.failure(&FailureView::of(failure));
    }

    /// Says something that the user should know though the work goes on; each text once.
    pub fn warn(&self, text: &str) {
        self.shared.messages.warn(text);
    }

    /// Says what the user can do now.
    pub fn hint(&self, text: &str) {
        self.shared.messages.hint(text);
    }

    /// Says what was done and why, where `-v` asked for it.
    pub fn note(&self, text: &str) {
        self.shared.messages.note(text);
    }

    /// Writes a line beside the result as it is, for those who read lines: a log of what was asked for.
    pub fn line(&self, text: &str) {
        self.shared.messages.progress(text);
    }

    /// Writes an object on one line beside the result.
    pub fn object(&self, object: &impl serde::Serialize) {
        self.shared.messages.object(object);
    }

    /// The listener that shows progress in this run's way.
    #[must_use]
    pub fn progress(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.shared.progress)
    }

    /// Takes progress off the screen, whatever is still going on: for the end, an error, an interruption.
    pub fn finish_progress(&self) {
        if let Some(bars) = &self.shared.bars {
            bars.finish();
        }
    }

    /// Asks for a secret; what is typed is not shown.
    ///
    /// # Errors
    /// Where standard input is no terminal, or fails.
    pub fn prompt_secret(&self, question: &str) -> Result<SecretString, PromptError> {
        let hidden = self.shared.input.hide();
        self.ask(question, || self.shared.input.secret(question, hidden))
    }

    /// Asks for a word that may be seen.
    ///
    /// # Errors
    /// As [`Console::prompt_secret`].
    pub fn prompt(&self, question: &str) -> Result<String, PromptError> {
        self.ask(question, || self.shared.input.line(question))
    }

    /// Asks yes or no; no is what silence means.
    ///
    /// # Errors
    /// Where the terminal fails.
    pub fn confirm(&self, question: &str) -> Result<Confirmation, PromptError> {
        self.ask(&format!("{question} [y/N]"), || self.shared.input.confirmation())
    }

    fn ask<T>(&self, question: &str, read: impl FnOnce() -> T) -> T {
        if self.shared.input.is_there() {
            self.shared.messages.ask(question);
        }
        self.shared.messages.aside(read)
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Console").field(&self.shared.options).finish()
    }
}

/// The way that `auto` means here.
fn progress_mode(options: ConsoleOptions, screen: bool, json: bool) -> ProgressMode {
    match options.progress {
        ProgressMode::None => ProgressMode::None,
        _ if options.quiet => ProgressMode::None,
        ProgressMode::Auto | ProgressMode::Bar if screen => ProgressMode::Bar,
        ProgressMode::Auto | ProgressMode::Bar | ProgressMode::Plain if json => ProgressMode::None,
        ProgressMode::Auto | ProgressMode::Bar | ProgressMode::Plain => ProgressMode::Plain,
        ProgressMode::Json => ProgressMode::Json,
    }
}

fn listener(
    options: ConsoleOptions,
    mode: ProgressMode,
    messages: &Arc<Messages>,
    bars: Option<Arc<Bars>>,
) -> Arc<dyn Progress> {
    let messages = Arc::clone(messages);
    let short = if options.progress == ProgressMode::Plain { Short::Said } else { Short::Silent };
    match (mode, bars) {
        (_, Some(bars)) => bars,
        (ProgressMode::Json, None) => Arc::new(Lines::new(messages)),
        (ProgressMode::None, None) => Arc::new(WarningsOnly(messages)),
        (ProgressMode::Auto | ProgressMode::Bar | ProgressMode::Plain, None) => Arc::new(Plain::new(messages, short)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_progress_is_shown_follows_the_wish_and_the_terminal() {
        use ProgressMode::{Auto, Bar, Json, None, Plain};
        // What is asked for; whether bars can be drawn; whether standard error carries JSON lines; what is shown.
        let cases = [
            (Auto, true, false, Bar),
            (Auto, false, false, Plain),
            (Auto, true, true, Bar),
            (Auto, false, true, None),
            (Bar, false, false, Plain),
            (Plain, true, false, Plain),
            (Plain, true, true, None),
            (Json, true, true, Json),
            (None, true, false, None),
        ];
        for (progress, screen, json, shown) in cases {
            let options = ConsoleOptions { progress, ..ConsoleOptions::default() };
            assert_eq!(progress_mode(options, screen, json), shown, "{progress:?} {screen} {json}");
            let quiet = ConsoleOptions { quiet: true, ..options };
            assert_eq!(progress_mode(quiet, screen, json), None, "{progress:?} quiet");
        }
    }
}
