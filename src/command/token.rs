//! `token`: passwords for `serve` that end by themselves.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::flags::duration;
use super::{CommandResult, Outcome, cannot};
use crate::config::Rights;
use crate::image::RepositoryName;
use crate::output::{Page, Report};
use crate::server::Grant;
use crate::session::Session;

/// What is done with passwords for `serve`.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  $ tranship token create --push --repository team-a --ttl 1h")]
pub(crate) enum TokenCommand {
    /// Print a password for this user's `tranship serve` that ends by itself
    #[command(after_help = "It is taken with any user name, and cannot be taken back before its end.\n\n\
        Examples:\n  $ tranship token create --push --ttl 1h | docker login -u any --password-stdin a.example.com\n  \
        $ tranship token create --repository team-a")]
    Create(CreateArgs),
}

/// Flags of `token create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Allow writing and removing too; else reading alone
    #[arg(long)]
    push: bool,

    /// Only for this repository and those below it
    #[arg(long, value_name = "PREFIX")]
    repository: Option<RepositoryName>,

    /// How long it is good, e.g. 30m, 4h
    #[arg(long, value_name = "TIME", default_value = "4h", value_parser = duration)]
    ttl: Duration,
}

/// Makes passwords.
///
/// # Errors
/// The key cannot be read or made.
pub(super) fn run(command: TokenCommand, session: &Session) -> CommandResult {
    let TokenCommand::Create(args) = command;
    let doing = "make a password";
    let grant = Grant { rights: if args.push { Rights::Push } else { Rights::Pull }, below: args.repository };
    let signer = session.signer().map_err(cannot(doing))?;
    let password = signer.password(&grant, args.ttl).map_err(cannot(doing))?;
    let expires = Timestamp::now().checked_add(args.ttl).unwrap_or(Timestamp::MAX);
    Ok(Outcome::done(PasswordReport { password, grant, expires }))
}

/// A password.
#[derive(Serialize)]
struct PasswordReport {
    password: String,
    #[serde(flatten)]
    grant: Grant,
    expires: Timestamp,
}

impl Report for PasswordReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.password)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.text(page)
    }
}
