//! Questions to the user: a secret that is not shown while it is typed, a word that is, and yes or no.
//!
//! They are asked only where a person sits at a terminal; a script gets an error or [`Confirmation::NoTerminal`].

use std::io::{self, BufRead};

use secrecy::SecretString;

use crate::failure::{Failure, FailureKind};

/// Where answers come from.
pub(super) enum Input {
    /// A person at a terminal.
    Terminal,
    /// A pipe, a file, or nothing.
    Nobody,
    /// Answers that were thought of before, for tests.
    #[cfg(test)]
    Prepared(std::sync::Mutex<Vec<&'static str>>),
}

/// What the user said to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Yes.
    Yes,
    /// No, or nothing.
    No,
    /// There was nobody to ask.
    NoTerminal,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// Standard input is not a terminal.
    #[error("\"{0}\" cannot be asked: standard input is not a terminal")]
    NoTerminal(String),
    /// The terminal failed.
    #[error("the answer cannot be read")]
    Read(#[source] io::Error),
}

impl Failure for PromptError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::NoTerminal(_) => FailureKind::Usage,
            Self::Read(_) => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoTerminal(_) => {
                vec!["give it on standard input, with the option that ends in `-stdin`".to_owned()]
            }
            Self::Read(_) => Vec::new(),
        }
    }
}

/// Waits for the end of the program: Ctrl-C became a signal, and there is no answer to go on with.
fn ending() -> ! {
    loop {
        std::thread::park();
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped.
pub(super) struct Hidden {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Hidden {
    /// What is typed from now on is not shown, and Ctrl-C is a key like any other. Where standard input is no
    /// terminal, nothing changes.
    #[cfg(unix)]
    fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin()).ok();
        if let Some(mut modes) = before.clone() {
            modes.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
            // Where it fails, it is tried again by the one that reads.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
        }
        Self { before }
    }

    /// The console of this platform has no such state before somebody reads.
    #[cfg(not(unix))]
    const fn begin() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
}

impl Input {
    /// Hides what is typed, before a question for a secret stands on the screen: who pastes the answer is fast.
    pub(super) fn hide(&self) -> Option<Hidden> {
        matches!(self, Self::Terminal).then(Hidden::begin)
    }

    /// Reads a line without showing it; the question stands on the screen already.
    pub(super) fn secret(&self, question: &str, hidden: Option<Hidden>) -> Result<SecretString, PromptError> {
        match self {
            Self::Terminal => match rpassword::read_password() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    drop(hidden);
                    ending()
                }
                answer => answer.map(SecretString::from).map_err(PromptError::Read),
            },
            Self::Nobody => Err(PromptError::NoTerminal(question.to_owned())),
            #[cfg(test)]
            Self::Prepared(answers) => Ok(SecretString::from(super::lock(answers).pop().unwrap_or_default())),
        }
    }

    /// Reads a line; the question stands on the screen already.
    pub(super) fn line(&self, question: &str) -> Result<String, PromptError> {
        let mut line = String::new();
        match self {
            Self::Terminal => {
                io::stdin().lock().read_line(&mut line).map_err(PromptError::Read)?;
            }
            Self::Nobody => return Err(PromptError::NoTerminal(question.to_owned())),
            #[cfg(test)]
            Self::Prepared(answers) => line += super::lock(answers).pop().unwrap_or_default(),
        }
        Ok(line.trim().to_owned())
    }

    /// Reads yes or no; the question stands on the screen already.
    pub(super) fn confirmation(&self) -> Result<Confirmation, PromptError> {
        let mut line = String::new();
        match self {
            Self::Terminal => {
                io::stdin().lock().read_line(&mut line).map_err(PromptError::Read)?;
            }
            Self::Nobody => return Ok(Confirmation::NoTerminal),
            #[cfg(test)]
            Self::Prepared(answers) => line += super::lock(answers).pop().unwrap_or_default(),
        }
        Ok(match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Confirmation::Yes,
            _ => Confirmation::No,
        })
    }

    pub(super) const fn is_there(&self) -> bool {
        !matches!(self, Self::Nobody)
    }
}
