//! `app`: the images of application specs, from the file to the digests and back.

mod check;
mod images;
mod pin;
mod pull;

use clap::Subcommand;

use super::CommandResult;
use crate::session::Session;

/// What can be done with the images of application specs.
#[derive(Subcommand, Debug)]
#[command(after_help = "A spec is an Avassa application, Kubernetes manifests or a Compose file, in YAML or JSON,\n\
    with one or several documents.\n\n\
    Examples:\n  $ tranship app pull -f app.yaml --until-complete && tranship app check -f app.yaml\n  \
    $ helm template shop | tranship app images -f -")]
pub(crate) enum AppCommand {
    /// List the images that specs name, with the digests that they have now
    Images(images::ImagesArgs),
    /// Bring all images of specs home
    Pull(pull::PullArgs),
    /// Tell whether all images of specs are where they are needed
    Check(check::CheckArgs),
    /// Write digests behind the images of specs, and change nothing else
    Pin(pin::PinArgs),
}

/// Does it.
///
/// # Errors
/// What kept the command as a whole from being done.
pub(super) async fn run(command: AppCommand, session: &Session) -> CommandResult {
    match command {
        AppCommand::Images(args) => images::run(args, session).await,
        AppCommand::Pull(args) => pull::run(args, session).await,
        AppCommand::Check(args) => check::run(args, session).await,
        AppCommand::Pin(args) => pin::run(args, session).await,
    }
}
