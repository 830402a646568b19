//! `htpasswd`: the file of users that `serve --users` reads.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{CommandError, CommandResult, Outcome, cannot, input};
use crate::files::{Access, LocalDisk, Lock, Sharing, read_following_links, write_atomically};
use crate::output::{Page, Report, Shown};
use crate::server::password_line;
use crate::session::Session;

/// The longest file that is changed.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// How long another process may be at the file.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What is done with the users of a file.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  $ tranship htpasswd add users alice\n  $ tranship serve --users users")]
pub(crate) enum HtpasswdCommand {
    /// Add a user to an htpasswd file, or give one another password
    #[command(after_help = "The file is made where it is missing, for its owner alone. A running\n\
        `tranship serve` reads it again.\n\n\
        Examples:\n  $ tranship htpasswd add users alice\n  \
        $ printf %s \"$PASSWORD\" | tranship htpasswd add users alice --password-stdin")]
    Add(AddArgs),
}

/// Flags of `htpasswd add`.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The user's name
    #[arg(value_name = "NAME")]
    name: String,

    /// Read the password from standard input; else it is asked for at the terminal
    #[arg(long)]
    password_stdin: bool,
}

/// Changes the users of a file.
///
/// # Errors
/// The name or the password is none, or the file cannot be read or written.
pub(super) fn run(command: HtpasswdCommand, session: &Session) -> CommandResult {
    let HtpasswdCommand::Add(args) = command;
    let doing = format!("add a user to {}", args.file.display());
    let password = if args.password_stdin {
        input::secret("password").map_err(cannot(&doing))?
    } else {
        let typed = session.console().prompt_secret("Password: ").map_err(cannot(&doing))?;
        Zeroizing::new(secrecy::ExposeSecret::expose_secret(&typed).to_owned())
    };
    let line = password_line(&args.name, &password).map_err(cannot(&doing))?;
    let change = put(&args.file, &args.name, &line, &doing)?;
    Ok(Outcome::done(UserReport { file: args.file, name: args.name, change }))
}

/// What became of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Change {
    Added,
    Changed,
}

/// Puts a user's line in the place of the one that was there, or behind all others.
fn put(file: &Path, name: &str, line: &str, doing: &str) -> Result<Change, CommandError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".lock");
    let lock = Lock::take(Path::new(&beside), Sharing::Exclusive, PATIENCE).map_err(cannot(doing))?;
    let text = read_following_links(file, MAX_FILE).map_err(cannot(doing))?.unwrap_or_default();
    let text =
        String::from_utf8(text).map_err(|_| CommandError::usage(format!("cannot {doing}: it is no file of users")))?;
    let mut lines: Vec<&str> = text.lines().collect();
    let is_theirs = |old: &str| old.split_once(':').is_some_and(|(other, _)| other == name);
    let old = lines.iter().position(|old| is_theirs(old));
    match old {
        Some(number) => lines[number] = line,
        None => lines.push(line),
    }
    let text = lines.join("\n") + "\n";
    write_atomically(&LocalDisk, file, text.as_bytes(), Access::Private).map_err(cannot(doing))?;
    lock.remove();
    Ok(if old.is_some() { Change::Changed } else { Change::Added })
}

/// A user of a file.
#[derive(Debug, Serialize)]
struct UserReport {
    file: PathBuf,
    name: String,
    change: Change,
}

impl Report for UserReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let done = match self.change {
            Change::Added => "added",
            Change::Changed => "has a new password",
        };
        writeln!(page, "{} {done}", Shown(&self.name))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", Shown(&self.name))
    }
}
