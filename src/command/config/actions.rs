//! `config do`: supctl's actions.

use clap::{Args, Subcommand};

use super::remote_images::{self, DigestLength};
use crate::command::flags::{ContentFlags, RegistryFlags};
use crate::command::{CommandResult, pull};
use crate::session::Session;

const EXAMPLE: &str = "Example:\n  $ tranship config do image-registry pull --image docker.io/library/alpine:3.20";

/// What `config do` can act on.
#[derive(Subcommand, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) enum DoCommand {
    /// Work on images
    #[command(subcommand)]
    ImageRegistry(ImageRegistryAction),
}

/// The actions on images.
#[derive(Subcommand, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) enum ImageRegistryAction {
    /// Bring an image from a remote registry into the home
    #[command(after_help = EXAMPLE)]
    Pull(PullAction),
    /// Show what a remote registry has under a name, of a repository every tag
    #[command(after_help = "Example:\n  \
        $ tranship config do image-registry list-remote-images --image docker.io/library/alpine:3.20")]
    ListRemoteImages(ListAction),
}

/// Parameters of `pull`.
#[derive(Args, Debug)]
pub(crate) struct PullAction {
    /// The image
    #[arg(long, value_name = "IMAGE")]
    image: String,

    /// The name at home, REPOSITORY[:TAG]
    #[arg(long, value_name = "NAME")]
    to: Option<String>,

    #[command(flatten)]
    content: ContentFlags,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Parameters of `list-remote-images`.
#[derive(Args, Debug)]
pub(crate) struct ListAction {
    /// The image, or the repository
    #[arg(long, value_name = "IMAGE")]
    image: String,

    /// Leave out what is in an image
    #[arg(long)]
    brief: bool,

    /// How many characters of a digest are shown: full, short (12) or a number
    #[arg(long, value_name = "LENGTH", default_value = "full")]
    digest_length: DigestLength,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Runs an action.
///
/// # Errors
/// Those of the action.
pub(super) async fn run(command: DoCommand, session: &Session) -> CommandResult {
    let DoCommand::ImageRegistry(action) = command;
    match action {
        ImageRegistryAction::Pull(PullAction { image, to, content, registry }) => {
            pull::run(pull::PullArgs::of_action(image, to, content, registry), session).await
        }
        ImageRegistryAction::ListRemoteImages(ListAction { image, brief, digest_length, registry }) => {
            let depth = if brief { remote_images::Depth::Brief } else { remote_images::Depth::Full };
            remote_images::list(&image, depth, digest_length, &registry.access(), session).await
        }
    }
}
