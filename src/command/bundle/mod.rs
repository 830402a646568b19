//! `bundle`: what is new in one archive, for networks without a way in.

mod archives;
mod create;
mod load;

use clap::Subcommand;

use super::CommandResult;
use crate::session::Session;

/// What is done with a bundle.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:\n  $ tranship bundle create -f rules.yaml monday.tar\n  \
    $ tranship bundle load monday.tar registry.internal:5000/mirror")]
pub(crate) enum BundleCommand {
    /// Write what the rules name and the last bundle did not into one archive
    Create(create::CreateArgs),
    /// Bring the images of a bundle in
    Load(load::LoadArgs),
}

/// Does it.
///
/// # Errors
/// Those of the command below.
pub(super) async fn run(command: BundleCommand, session: &Session) -> CommandResult {
    match command {
        BundleCommand::Create(args) => create::run(args, session).await,
        BundleCommand::Load(args) => load::run(args, session).await,
    }
}
