//! What the user asked for, and what standard input, output and error are: the console is made of both.

use std::io::{self, IsTerminal, Write};

use console::Term;
use indicatif::ProgressDrawTarget;

use super::prompt::Input;

/// The form of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

impl OutputFormat {
    /// The word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines elsewhere; nothing where standard error carries JSON lines alone.
    #[default]
    Auto,
    /// Bars; plain lines where standard error is no terminal.
    Bar,
    /// A line every few seconds.
    Plain,
    /// A JSON line for each event.
    Json,
    /// Nothing.
    None,
}

/// Whether messages are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal that has colours, and without `NO_COLOR`.
    #[default]
    Auto,
    /// Never.
    Never,
}

/// What the user asked of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// The form of results.
    pub format: OutputFormat,
    /// Whether only the essential word of each result is wanted, and no message but errors.
    pub quiet: bool,
    /// The number of `-v`.
    pub verbosity: u8,
    /// Whether messages are coloured.
    pub color: ColorChoice,
    /// How progress is shown.
    pub progress: ProgressMode,
}

/// Whether the terminal cannot move its cursor, as the shells of editors say it.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Where a console writes and what it knows of it; the three standard streams, or memory in tests.
pub struct Streams {
    pub(super) results: Box<dyn Write + Send>,
    /// Whether a terminal shows results.
    pub(super) terminal: bool,
    /// Where results go while something else goes to standard output.
    pub(super) aside: Box<dyn Write + Send>,
    /// The width of the terminal that shows results, where one does.
    pub(super) width: Option<u16>,
    pub(super) messages: Box<dyn Write + Send>,
    /// Where bars are drawn, where they can be.
    pub(super) screen: Option<ProgressDrawTarget>,
    /// Whether messages may be coloured when nobody says.
    pub(super) colorful: bool,
    pub(super) input: Input,
}

impl Streams {
    /// The streams of this process.
    #[must_use]
    pub fn standard() -> Self {
        let results = Term::stdout();
        let messages = Term::stderr();
        let attended = messages.features().is_attended() && !is_dumb();
        Self {
            width: results.size_checked().filter(|_| io::stdout().is_terminal()).map(|(_, columns)| columns),
            results: Box::new(io::stdout()),
            terminal: io::stdout().is_terminal(),
            aside: Box::new(io::stderr()),
            screen: attended.then(ProgressDrawTarget::stderr),
            colorful: messages.features().colors_supported(),
            messages: Box::new(io::stderr()),
            input: if io::stdin().is_terminal() && io::stderr().is_terminal() {
                Input::Terminal
            } else {
                Input::Nobody
            },
        }
    }

    /// Streams that are no terminal, with nobody to ask.
    #[must_use]
    pub fn plain(results: Box<dyn Write + Send>, messages: Box<dyn Write + Send>) -> Self {
        Self {
            results,
            terminal: false,
            aside: Box::new(io::sink()),
            width: None,
            messages,
            screen: None,
            colorful: false,
            input: Input::Nobody,
        }
    }
}
