//! The commands: one file each, with its flags, one `run`, and its report.
//!
//! A command turns words into typed values, asks `session` for concrete sides, has `transfer` or a contract
//! do the work, and hands its report to the console. It builds no client and prints nothing itself.

mod app;
mod append;
#[cfg(unix)]
mod artifact;
#[cfg(unix)]
mod attach;
#[cfg(unix)]
mod attached;
mod blob;
mod bundle;
mod check;
mod completions;
mod config;
mod copy;
mod delete;
mod diff;
mod distribute;
mod document;
mod error;
mod export;
#[cfg(unix)]
mod extract;
#[cfg(unix)]
mod files_of;
mod flags;
mod htpasswd;
mod images;
mod import;
mod index;
mod input;
mod inspect;
mod kept;
mod load;
mod login;
mod logout;
mod making;
mod man;
mod moving;
mod mutate;
mod picked;
mod prune;
mod pull;
mod push;
mod registry;
mod replicas;
mod repositories;
mod resolve;
mod save;
mod secret;
mod serve;
mod settings;
mod several;
mod site;
mod specs;
mod stream;
mod sync;
mod tag;
mod tags;
mod target;
mod token;
mod transfers;
mod vault;
mod wanted;
mod whoami;

use clap::Subcommand;

use crate::failure::{Failure, FailureKind};
use crate::output::Report;
use crate::session::Session;

pub(crate) use error::{CommandError, cannot};
pub(crate) use flags::duration;

/// How many images or tags are looked at at the same time.
const LOOKS: usize = 6;

/// What a command came to: its report, and what of several things failed.
pub(crate) struct Outcome {
    /// What was done; `None` where it was printed as it came.
    pub(crate) report: Option<Box<dyn Report>>,
    /// What could not be done, though the command went on.
    pub(crate) failures: Vec<CommandError>,
    /// The kind that the exit code follows; `None` where all is well.
    pub(crate) failed: Option<FailureKind>,
}

impl Outcome {
    /// Everything was done.
    pub(crate) fn done(report: impl Report + 'static) -> Self {
        Self { report: Some(Box::new(report)), failures: Vec::new(), failed: None }
    }

    /// Everything was done, and printed as it came.
    #[must_use]
    pub(crate) fn printed() -> Self {
        Self { report: None, failures: Vec::new(), failed: None }
    }

    /// Of several things `succeeded` were done, and these were not.
    pub(crate) fn of_several(report: impl Report + 'static, succeeded: usize, failures: Vec<CommandError>) -> Self {
        let failed = FailureKind::of_several(failures.iter().map(Failure::kind), succeeded);
        let report: Option<Box<dyn Report>> = (succeeded > 0).then(|| Box::new(report) as Box<dyn Report>);
        Self { report, failures, failed }
    }
}

/// What every command comes to.
pub(crate) type CommandResult = Result<Outcome, CommandError>;

/// Everything that tranship can be told to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Bring images from remote registries into the home
    Pull(pull::PullArgs),
    /// Send images of the store to registries
    Push(push::PushArgs),
    /// Copy an image from any place to any places
    #[command(visible_alias = "cp")]
    Copy(copy::CopyArgs),
    /// Keep repositories the same, by rules or by name
    Sync(sync::SyncArgs),
    /// Carry what is new to networks without a way in
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Print the digests that images have now
    #[command(visible_alias = "digest")]
    Resolve(resolve::ResolveArgs),
    /// List the tags of a repository
    #[command(visible_aliases = ["ls", "list-tags"])]
    Tags(tags::TagsArgs),
    /// Show what an image consists of
    Inspect(inspect::InspectArgs),
    /// List the repositories of a registry
    Repositories(repositories::RepositoriesArgs),
    /// Give an image more tags
    Tag(tag::TagArgs),
    /// Remove a tag or a manifest
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteArgs),
    /// List the images at home
    Images(images::ImagesArgs),
    /// Write images into one archive that docker and podman load
    Save(save::SaveArgs),
    /// Bring the images of an archive home
    Load(load::LoadArgs),
    /// Keep histories of what tags point at, and act when that changes
    #[command(subcommand)]
    Stream(stream::StreamCommand),
    /// Remove what nothing names from the home
    Prune(prune::PruneArgs),
    /// Write the file system of an image as one archive
    Export(export::ExportArgs),
    /// Take files out of an image, safely
    #[cfg(unix)]
    Extract(extract::ExtractArgs),
    /// Make an image of a root file system
    Import(import::ImportArgs),
    /// Put layers on top of an image
    Append(append::AppendArgs),
    /// Change what an image says, how it is packed, or what it stands on
    Mutate(Box<mutate::MutateArgs>),
    /// Put images for several platforms under one name
    #[command(subcommand)]
    Index(index::IndexCommand),
    /// Compare two images
    Diff(diff::DiffArgs),
    /// Read everything of images and compare it with its digests
    Check(check::CheckArgs),
    /// Show what refers to an image: signatures, SBOMs, attestations
    #[cfg(unix)]
    Attached(attached::AttachedArgs),
    /// Attach files to an image
    #[cfg(unix)]
    Attach(attach::AttachArgs),
    /// Keep plain files in registries
    #[cfg(unix)]
    #[command(subcommand)]
    Artifact(artifact::ArtifactCommand),
    /// Fetch and put single blobs
    #[command(subcommand)]
    Blob(blob::BlobCommand),
    /// Fetch and put single manifests
    #[command(subcommand)]
    Manifest(blob::ManifestCommand),
    /// List and clean up what is kept of interrupted transfers
    #[command(subcommand)]
    Transfers(transfers::TransfersCommand),
    /// Work on all images that application specs name
    #[command(subcommand)]
    App(app::AppCommand),
    /// Send images to sites, each read once
    Distribute(distribute::DistributeArgs),
    /// Work on sites, and on what they hold
    #[command(subcommand)]
    Site(site::SiteCommand),
    /// Configure and test remote registries
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    /// Show and change settings
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// Work on the configuration with supctl's verbs, or on its file
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Keep a credential for a registry, after trying it there
    Login(login::LoginArgs),
    /// Forget the credential and the kept tokens of a registry
    Logout(logout::LogoutArgs),
    /// Show which credential is used for a registry, and why
    Whoami(whoami::WhoamiArgs),
    /// Make, list and delete vaults
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Keep secrets in vaults
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Serve the store as a registry
    Serve(serve::ServeArgs),
    /// Make the file of users that `serve` reads
    #[command(subcommand)]
    Htpasswd(htpasswd::HtpasswdCommand),
    /// Make passwords for `serve` that end by themselves
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Print the completion script of a shell
    Completions(completions::CompletionsArgs),
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man(man::ManArgs),
}

impl Command {
    /// Whether it answers others, many at once, rather than doing one thing for its user.
    pub(crate) const fn is_server(&self) -> bool {
        matches!(self, Self::Serve(_))
    }

    /// Does it.
    ///
    /// `program` is the definition of the whole command line, which completions and manual pages are made from.
    ///
    /// # Errors
    /// What kept the command as a whole from being done.
    pub(crate) async fn run(self, session: &Session, program: clap::Command) -> CommandResult {
        match self {
            Self::Pull(args) => pull::run(args, session).await,
            Self::Push(args) => push::run(args, session).await,
            Self::Copy(args) => copy::run(args, session).await,
            Self::Sync(args) => sync::run(args, session).await,
            Self::Bundle(command) => bundle::run(command, session).await,
            Self::Resolve(args) => resolve::run(args, session).await,
            Self::Tags(args) => tags::run(args, session).await,
            Self::Inspect(args) => inspect::run(args, session).await,
            Self::Repositories(args) => repositories::run(args, session).await,
            Self::Tag(args) => tag::run(args, session).await,
            Self::Delete(args) => delete::run(args, session).await,
            Self::Images(args) => images::run(args, session).await,
            Self::Save(args) => save::run(args, session).await,
            Self::Load(args) => load::run(args, session).await,
            Self::Stream(command) => stream::run(command, session).await,
            Self::Prune(args) => prune::run(args, session).await,
            Self::Export(args) => export::run(args, session).await,
            #[cfg(unix)]
            Self::Extract(args) => extract::run(args, session).await,
            Self::Import(args) => import::run(args, session).await,
            Self::Append(args) => append::run(args, session).await,
            Self::Mutate(args) => mutate::run(*args, session).await,
            Self::Index(command) => index::run(command, session).await,
            Self::Diff(args) => diff::run(args, session).await,
            Self::Check(args) => check::run(args, session).await,
            #[cfg(unix)]
            Self::Attached(args) => attached::run(args, session).await,
            #[cfg(unix)]
            Self::Attach(args) => attach::run(args, session).await,
            #[cfg(unix)]
            Self::Artifact(command) => artifact::run(command, session).await,
            Self::Blob(command) => blob::run(command, session).await,
            Self::Manifest(command) => blob::run_manifest(command, session).await,
            Self::Transfers(command) => transfers::run(command, session).await,
            Self::App(command) => app::run(command, session).await,
            Self::Distribute(args) => distribute::run(args, session).await,
            Self::Site(command) => site::run(command, session).await,
            Self::Registry(command) => registry::run(command, session).await,
            Self::Settings(command) => settings::run(command, session),
            Self::Config(command) => config::run(command, session).await,
            Self::Login(args) => login::run(args, session).await,
            Self::Logout(args) => logout::run(args, session).await,
            Self::Whoami(args) => whoami::run(args, session).await,
            Self::Vault(command) => vault::run(command, session).await,
            Self::Secret(command) => secret::run(command, session).await,
            Self::Serve(args) => serve::run(args, session).await,
            Self::Htpasswd(command) => htpasswd::run(command, session),
            Self::Token(command) => token::run(command, session),
            Self::Completions(args) => completions::run(&args, session),
            Self::Man(args) => man::run(&args, program),
        }
    }
}
