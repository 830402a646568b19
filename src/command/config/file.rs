//! The configuration file as a file: where it is, whether it is right, and editing it by hand.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::command::{CommandError, CommandResult, Outcome, cannot, input};
use crate::config::ConfigError;
use crate::failure::{Failure, FailureKind};
use crate::files::FileError;
use crate::output::{Confirmation, Page, Report};
use crate::session::Session;

/// Says where the file is, which need not exist.
pub(super) fn path(session: &Session) -> Outcome {
    Outcome::done(PathReport { path: session.config_file().path().to_owned() })
}

/// Checks the file, and says everything that is wrong.
///
/// # Errors
/// The file cannot be read.
pub(super) fn validate(session: &Session) -> CommandResult {
    let file = session.config_file();
    match file.validate() {
        Ok(warnings) => {
            for warning in &warnings {
                session.console().warn(&warning.to_string());
            }
            Ok(Outcome::done(ValidReport { path: file.path().to_owned(), valid: true }))
        }
        Err(ConfigError::Invalid(problems)) => {
            let failures = problems.iter().map(|problem| CommandError::usage(problem.to_string())).collect();
            Ok(Outcome { report: None, failures, failed: Some(FailureKind::Usage) })
        }
        Err(error) => Err(CommandError::new("cannot check the configuration", error)),
    }
}

/// Has the user edit a copy, and takes it over where it is right.
///
/// # Errors
/// The editor cannot be run, the text is wrong and the user gives up, or the file was changed meanwhile.
pub(super) fn edit(session: &Session) -> CommandResult {
    let doing = "edit the configuration";
    let editor = editor().ok_or_else(|| {
        CommandError::usage(format!("cannot {doing}: there is no terminal for an editor"))
            .with_hint("name an editor that needs none in VISUAL or EDITOR")
            .with_hint("or change it with `tranship config merge`, `tranship settings set` and their like")
    })?;
    let file = session.config_file();
    let before = file.text().map_err(cannot(doing))?;
    let copy = Copy::of(&before).map_err(cannot(doing))?;
    loop {
        run_editor(&editor, copy.path()).map_err(cannot(doing))?;
        let after = copy.text().map_err(cannot(doing))?;
        if after == before {
            return Ok(Outcome::done(EditReport { path: file.path().to_owned(), changed: false }));
        }
        let error = match file.rewrite(&before, &after) {
            Ok(()) => return Ok(Outcome::done(EditReport { path: file.path().to_owned(), changed: true })),
            Err(error) => CommandError::new("cannot take over what was edited", error),
        };
        let again = error.kind() == FailureKind::Usage && {
            session.console().failure(&error);
            session.console().confirm("Edit it again?").map_err(cannot(doing))? == Confirmation::Yes
        };
        if !again {
            let kept = copy.keep().map_err(cannot(doing))?;
            return Err(error.with_hint(format!("what was edited is in {}", kept.display())));
        }
    }
}

/// The text that is edited, in a file that only its owner can read.
struct Copy(tempfile::NamedTempFile);

impl Copy {
    fn of(text: &str) -> Result<Self, FileError> {
        let place = std::env::temp_dir();
        let make = tempfile::Builder::new().prefix("tranship-").suffix(".yaml").tempfile();
        let mut file = make.map_err(FileError::of("make a file in", &place))?;
        file.write_all(text.as_bytes()).map_err(FileError::of("write", file.path()))?;
        Ok(Self(file))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Reads it by its name: many editors put a new file in the place of the old one.
    fn text(&self) -> Result<String, FileError> {
        std::fs::read_to_string(self.path()).map_err(FileError::of("read", self.path()))
    }

    fn keep(self) -> Result<PathBuf, FileError> {
        let path = self.path().to_owned();
        let (_, path) = self.0.keep().map_err(|error| FileError::new("keep", &path, error.error))?;
        Ok(path)
    }
}

/// The editor that runs where the user names none.
const USUAL_EDITOR: &str = if cfg!(windows) { "notepad" } else { "vi" };

/// The user's editor; the usual one only where it has a terminal.
fn editor() -> Option<OsString> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let usual = || (cfg!(windows) || input::is_terminal()).then(|| USUAL_EDITOR.into());
    named("VISUAL").or_else(|| named("EDITOR")).or_else(usual)
}

/// Runs the editor and waits for its end.
fn run_editor(editor: &OsStr, path: &Path) -> Result<(), EditorError> {
    let failed = |reason: String| EditorError { editor: editor.to_owned(), reason };
    // `code --wait` and their like: a program and its options.
    let words = editor.to_string_lossy();
    let mut words = words.split_whitespace();
    let program = words.next().unwrap_or(USUAL_EDITOR);
    let status = Command::new(program).args(words).arg(path).status().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

/// The editor did not do its work.
#[derive(Debug, thiserror::Error)]
#[error("the editor `{}` failed: {reason}", editor.to_string_lossy().escape_debug())]
struct EditorError {
    editor: OsString,
    reason: String,
}

impl Failure for EditorError {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        vec!["name another in VISUAL or EDITOR".to_owned()]
    }
}

#[derive(Serialize)]
struct PathReport {
    path: PathBuf,
}

impl Report for PathReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.path.display())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.text(page)
    }
}

#[derive(Serialize)]
struct ValidReport {
    path: PathBuf,
    valid: bool,
}

impl Report for ValidReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{} is valid", self.path.display())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "valid")
    }
}

#[derive(Serialize)]
struct EditReport {
    path: PathBuf,
    changed: bool,
}

impl Report for EditReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let what = if self.changed { "changed" } else { "is as it was" };
        writeln!(page, "{} {what}", self.path.display())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.path.display())
    }
}
