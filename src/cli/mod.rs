//! The command line: words in, an exit code out.
//!
//! Reads the words, builds the console and the session, runs the command, and renders what it came to. Also
//! makes completions and manual pages, from the same definition. `main` alone calls it.

mod args;
mod complete;
mod signals;

use std::borrow::Cow;
use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use crate::command::{CommandError, CommandResult, cannot};
use crate::failure::{Failure, FailureKind};
use crate::output::{ColorChoice, Console, ConsoleOptions, Unasked, escape};
use crate::session::{Session, SessionOptions};

use args::{Cli, GlobalFlags};

/// Runs the program on these words and says how it ended.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    clap_complete::CompleteEnv::with_factory(complete::program).bin("tranship").complete();
    let cli = match read(words) {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    let console = Console::new(console_options(&cli.global));
    console.start_log(if cli.command.is_server() { Unasked::Warnings } else { Unasked::Nothing });
    match in_runtime(Threads::of(&cli), execute(cli, console.clone())) {
        Ok(code) => code,
        Err(error) => fail(&console, &error),
    }
}

fn read(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches_from(words)?;
    Cli::from_arg_matches(&matches)
}

/// Prints clap's own message: help and version are results, everything else is wrong usage.
fn usage(error: clap::Error) -> ExitCode {
    let error = shown(error);
    // Nobody is there to read it where this fails.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

/// The same message with the words of the command line made fit to be shown: they may be another's, by way of a script.
fn shown(mut error: clap::Error) -> clap::Error {
    let hostile: Vec<(ContextKind, String)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(word) if matches!(escape(word), Cow::Owned(_)) => Some((kind, word.clone())),
            _ => None,
        })
        .collect();
    for (kind, word) in hostile {
        error.insert(kind, ContextValue::String(escape(&word).into_owned()));
    }
    error
}

fn console_options(flags: &GlobalFlags) -> ConsoleOptions {
    ConsoleOptions {
        format: flags.output.into(),
        quiet: flags.quiet,
        verbosity: flags.verbose,
        color: if flags.no_color { ColorChoice::Never } else { ColorChoice::Auto },
        progress: flags.progress.into(),
    }
}

/// On how many threads the work goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threads {
    /// On one: hashing and disk work have threads of their own, and one reactor moves bytes cheapest.
    One,
    /// On as many as there are processors: strangers wait for each other as little as possible.
    Many,
}

impl Threads {
    const fn of(cli: &Cli) -> Self {
        if cli.command.is_server() { Self::Many } else { Self::One }
    }
}

fn in_runtime<T>(threads: Threads, work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| CommandError::plain(FailureKind::Failed, format!("cannot start: {error}")))?;
    let result = runtime.block_on(work);
    // A keychain or a disk that hangs must not keep the program from ending.
    runtime.shutdown_background();
    result
}

async fn execute(cli: Cli, console: Console) -> Result<ExitCode, CommandError> {
    let interrupted = signals::listen();
    let options = SessionOptions {
        config_file: cli.global.config.clone(),
        timeout: cli.global.timeout,
        retries: cli.global.retries,
        keep_tokens: !cli.global.no_token_cache,
    };
    let session = Session::open(options, console.clone()).map_err(cannot("start"))?;
    let work = cli.command.run(&session, Cli::command());
    tokio::select! {
        result = work => finish(&console, result),
        // What was begun is dropped as it stands: uploads and partial files keep what the next run can go on with.
        code = interrupted => {
            console.finish_progress();
            Ok(ExitCode::from(code))
        }
    }
}

fn finish(console: &Console, result: CommandResult) -> Result<ExitCode, CommandError> {
    let outcome = result?;
    console.finish_progress();
    if let Some(report) = &outcome.report {
        console.report(&**report).map_err(cannot("write the result"))?;
    }
    for failure in &outcome.failures {
        console.failure(failure);
    }
    Ok(outcome.failed.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind.exit_code())))
}

fn fail(console: &Console, error: &CommandError) -> ExitCode {
    console.finish_progress();
    console.failure(error);
    ExitCode::from(error.kind().exit_code())
}
