//! `site`: the sites of the configuration, what they hold, and the removal of what they need no more.

mod entry;
mod prune;
mod status;

use clap::Subcommand;

use super::CommandResult;
use crate::session::Session;

pub(super) use prune::{Consent, Gone, prune, tell_gone};

/// What can be done with sites.
#[derive(Subcommand, Debug)]
#[command(after_help = "A site is one or more registries near where containers run, each a replica of the others.\n\
    `tranship distribute` sends images there.\n\n\
    Example:\n  $ tranship site add stockholm site1.example.net:5000 site2.example.net:5000\n  \
    $ tranship site status -f app.yaml")]
pub(crate) enum SiteCommand {
    /// Add a site
    #[command(after_help = "Example:\n  $ tranship site add stockholm site1.example.net:5000 site2.example.net/edge")]
    Add(entry::AddArgs),
    /// List the sites
    #[command(after_help = "Example:\n  $ tranship site list")]
    List,
    /// Remove a site from the configuration; its registries are left alone
    #[command(after_help = "Example:\n  $ tranship site remove stockholm")]
    Remove(entry::RemoveArgs),
    /// Show which site holds what
    Status(status::StatusArgs),
    /// Remove at sites what no given spec needs
    Prune(prune::PruneArgs),
}

/// Does it.
///
/// # Errors
/// What kept the command as a whole from being done.
pub(super) async fn run(command: SiteCommand, session: &Session) -> CommandResult {
    match command {
        SiteCommand::Add(args) => entry::add(args, session),
        SiteCommand::List => entry::list(session),
        SiteCommand::Remove(args) => entry::remove(&args, session),
        SiteCommand::Status(args) => status::run(args, session).await,
        SiteCommand::Prune(args) => prune::run(args, session).await,
    }
}
