//! `config`: supctl's verbs on the configuration, and the file itself.
//!
//! `verbs` changes and shows the document, `secrets` does the same with what is in vaults, `actions` is `do`, and
//! `file` is about the file as a file.

mod actions;
mod file;
mod remote_images;
mod secrets;
mod verbs;

use clap::{Args, Subcommand};

use super::CommandResult;
use crate::config::{Mode, Verb};
use crate::session::Session;

use actions::DoCommand;

/// What can be done with the configuration.
#[derive(Subcommand, Debug)]
#[command(after_help = "Paths:\n  image-registry settings [KEY]\n  image-registry remote-registries [ADDRESS]\n  \
    image-registry sites [NAME]\n  strongbox vaults [VAULT [secrets [SECRET]]]\n\n\
    Example:\n  $ tranship config create image-registry settings <<EOF\n  default-remote-registry: docker.io\n  EOF\n\n\
    A supctl script runs with `supctl` replaced by `tranship config`.")]
pub(crate) enum ConfigCommand {
    #[command(flatten)]
    Verb(VerbCommand),
    /// supctl's word for the configuration as a whole
    #[command(subcommand, hide = true)]
    Topdc(VerbCommand),
    /// Open the configuration in an editor, and take it over where it is right
    #[command(after_help = "Example:\n  $ EDITOR=nano tranship config edit")]
    Edit,
    /// Print where the configuration file is
    #[command(after_help = "Example:\n  $ tranship config path")]
    Path,
    /// Check the configuration file and the files that it names
    #[command(after_help = "Example:\n  $ tranship config validate")]
    Validate,
}

/// supctl's verbs.
#[derive(Subcommand, Debug)]
pub(crate) enum VerbCommand {
    /// Add an entry, or set an object; YAML on standard input
    #[command(after_help = "Example:\n  $ tranship config create image-registry remote-registries <<EOF\n  \
        address: registry.example.com:6000\n  credentials:\n  - repository: '*'\n    vault: registry-credentials\n    \
        secret: example-registry\n  EOF")]
    Create(ChangeArgs),
    /// Show what is there, of secrets the keys alone
    #[command(after_help = "Example:\n  $ tranship config show image-registry remote-registries docker.io")]
    Show(PathArgs),
    /// List the keys of what is there
    #[command(after_help = "Example:\n  $ tranship config list strongbox vaults")]
    List(PathArgs),
    /// Put another whole in the place of what is there; YAML on standard input
    #[command(after_help = "Example:\n  $ tranship config replace image-registry settings home-registry <<EOF\n  \
        registry.acme.example.net\n  EOF")]
    Replace(ChangeArgs),
    /// Put parts into what is there, and remove nothing; YAML on standard input
    #[command(after_help = "Example:\n  $ tranship config merge image-registry remote-registries docker.io <<EOF\n  \
        mirrors: ['mirror.internal:5000']\n  EOF")]
    Merge(ChangeArgs),
    /// Remove what is there
    #[command(after_help = "Example:\n  $ tranship config delete image-registry remote-registries docker.io")]
    Delete(ChangeArgs),
    /// Run an action
    #[command(subcommand)]
    Do(DoCommand),
}

/// Flags of the verbs that change something.
#[derive(Args, Debug)]
pub(crate) struct ChangeArgs {
    /// What to change
    #[arg(value_name = "PATH", required = true)]
    path: Vec<String>,

    /// Check it and change nothing
    #[arg(long)]
    validate: bool,
}

impl ChangeArgs {
    const fn mode(&self) -> Mode {
        if self.validate { Mode::Validate } else { Mode::Apply }
    }
}

/// Flags of the verbs that change nothing.
#[derive(Args, Debug)]
pub(crate) struct PathArgs {
    /// What to show; everything where it is left out
    #[arg(value_name = "PATH")]
    path: Vec<String>,
}

/// Works on the configuration.
///
/// # Errors
/// The path or the body is wrong, what should be there is not, or the file cannot be written.
pub(super) async fn run(command: ConfigCommand, session: &Session) -> CommandResult {
    match command {
        ConfigCommand::Verb(verb) | ConfigCommand::Topdc(verb) => match verb {
            VerbCommand::Create(args) => verbs::change(Verb::Create, &args, session).await,
            VerbCommand::Show(args) => verbs::show(&args, session).await,
            VerbCommand::List(args) => verbs::list(&args, session).await,
            VerbCommand::Replace(args) => verbs::change(Verb::Replace, &args, session).await,
            VerbCommand::Merge(args) => verbs::change(Verb::Merge, &args, session).await,
            VerbCommand::Delete(args) => verbs::change(Verb::Delete, &args, session).await,
            VerbCommand::Do(action) => actions::run(action, session).await,
        },
        ConfigCommand::Edit => file::edit(session),
        ConfigCommand::Path => Ok(file::path(session)),
        ConfigCommand::Validate => file::validate(session),
    }
}
