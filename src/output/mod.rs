//! The only place that writes to the terminal: results on standard output, everything else on standard error.
//!
//! A command makes a [`Report`] and hands it to the [`Console`], which knows the format, whether anybody reads,
//! and what stands on the screen. Errors, warnings, hints, progress and the log go to standard error, as lines
//! for people or as JSON lines with a `type`. Whatever a stranger wrote is escaped here. Nothing here
//! knows what a registry is; `cli` makes the console, `session` and `command` use it.

mod console;
mod escape;
mod failure;
mod log;
mod message;
mod page;
mod progress;
mod prompt;
mod quantity;
mod serial;
mod stream;
mod table;
mod terminal;

pub use console::{Console, Reader, Unasked};
pub use escape::{Shown, escape};
pub use page::{Page, Report};
pub use prompt::{Confirmation, PromptError};
pub use quantity::{age, duration, size};
pub use stream::ResultStream;
pub use table::Table;
pub use terminal::{ColorChoice, ConsoleOptions, OutputFormat, ProgressMode, Streams};

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::failure::{Failure, FailureKind};

/// Why a result could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Standard output took it not, e.g. a full disk. (A reader who went away is no error.)
    #[error("standard output cannot be written")]
    Write(#[source] io::Error),
    /// A terminal is to show bytes.
    #[error("standard output is a terminal, which is no place for an archive")]
    Terminal,
    /// Two results are to go there.
    #[error("standard output takes one archive, and another goes there already")]
    Taken,
    /// The result has no form in the format that was asked for.
    #[error("the result has no form as {}", format.word())]
    Serialise {
        /// The format.
        format: OutputFormat,
        /// What is in the way.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Failure for OutputError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Terminal | Self::Taken => FailureKind::Usage,
            Self::Write(_) | Self::Serialise { .. } => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Terminal => {
                vec![
                    "name a file in place of `-`, or send the output on: `… | gzip > FILE`, `… | docker load`"
                        .to_owned(),
                ]
            }
            Self::Write(_) | Self::Taken | Self::Serialise { .. } => Vec::new(),
        }
    }
}

/// Locks what no panic can leave half done: every holder here only moves counts and bytes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
