//! The whole command line, as clap reads it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, ValueEnum};

use crate::command::{Command, duration};
use crate::output::{OutputFormat, ProgressMode};

/// Names, finds, pins, moves, mirrors, keeps and hands out container images.
#[derive(Parser, Debug)]
#[command(
    name = "tranship",
    version,
    max_term_width = 100,
    propagate_version = false,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found, 4 denied, 5 unreachable,\n\
                  6 content is not what its digest says, 7 some of several failed, 130 and 143 interrupted."
)]
pub(super) struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub(super) global: GlobalFlags,

    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Flags that every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalFlags {
    /// The form of results
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(super) output: FormatWord,

    /// Print the essential word of each result and nothing else
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,

    /// Say more (-v which credentials, -vv requests, -vvv everything)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,

    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// How progress is shown: bars, plain lines, JSON lines; auto has bars on a terminal
    #[arg(long, global = true, value_name = "HOW", default_value = "auto")]
    pub(super) progress: ProgressWord,

    /// Give up on a registry that is silent for so long, e.g. 10s, 2m [default: 30s]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Option<Duration>,

    /// How often a request that failed in passing is tried again; a blob that was cut off goes on all the same [default: 5]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(super) retries: Option<u32>,

    /// No colours (as `NO_COLOR` does)
    #[arg(long, global = true)]
    pub(super) no_color: bool,

    /// Keep no tokens for the next run, and use none that were kept
    #[arg(long, global = true)]
    pub(super) no_token_cache: bool,
}

/// The words of `--output`. What they mean stands in the flag's help: a line for each would make every help
/// text three times as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatWord {
    Text,
    Json,
    Yaml,
}

impl From<FormatWord> for OutputFormat {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Text => Self::Text,
            FormatWord::Json => Self::Json,
            FormatWord::Yaml => Self::Yaml,
        }
    }
}

/// The words of `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressWord {
    Auto,
    Bar,
    Plain,
    Json,
    None,
}

impl From<ProgressWord> for ProgressMode {
    fn from(word: ProgressWord) -> Self {
        match word {
            ProgressWord::Auto => Self::Auto,
            ProgressWord::Bar => Self::Bar,
            ProgressWord::Plain => Self::Plain,
            ProgressWord::Json => Self::Json,
            ProgressWord::None => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command, name: &str) {
            for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
                let name = format!("{name} {}", below.get_name());
                let help = below.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example") && help.contains(&name), "{name}: {help}");
                check(below, &name);
            }
        }
        check(&Cli::command(), "tranship");
    }

    #[test]
    fn no_line_behind_the_options_is_broken_anywhere() {
        fn long(command: &clap::Command, name: &str, found: &mut Vec<String>) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            // Help is at most this wide; a line without spaces cannot be broken.
            let is_long = |line: &&str| line.chars().count() > 100 && line.trim().contains(' ');
            found.extend(help.lines().filter(is_long).map(|line| format!("{name}: {line}")));
            for below in command.get_subcommands() {
                long(below, &format!("{name} {}", below.get_name()), found);
            }
        }
        let mut found = Vec::new();
        long(&Cli::command(), "tranship", &mut found);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
