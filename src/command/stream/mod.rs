//! `stream`: what a set of tags points at and pointed at, in files of OpenShift's form.

mod create;
mod delete;
mod describe;
mod fire;
mod fired;
mod history;
mod import;
mod list;
mod prune;
mod refresh;
mod rollback;
mod show;
mod tag;
mod trigger;

use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::{CommandError, CommandResult};
use crate::image::{Selector, StreamName, StreamReference, Tag};
use crate::session::Session;
use crate::streams::ImportMode;

/// What can be done with streams.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "A stream is a file in the form of OpenShift's ImageStream, in the data directory; `stream create\n\
    -f` takes what `oc get imagestream -o yaml` prints, and `stream show -o yaml` prints what `oc\n\
    apply -f -` takes. What a tag points at is a source everywhere: `tranship copy stream:app:prod\n\
    DST`.\n\n\
    Examples:\n  \
    $ tranship stream import app:prod --from registry.example.com/app:stable --scheduled --confirm\n  \
    $ tranship stream show app\n  \
    $ tranship stream rollback app:prod"
)]
pub(crate) enum StreamCommand {
    /// Make a stream, empty or from a file
    Create(create::CreateArgs),
    /// Look up what the sources of tags have now, and note it
    Import(import::ImportArgs),
    /// Point tags at an image, or remove them
    Tag(tag::TagArgs),
    /// Show a stream as people read it, or as the file that it is
    Show(show::ShowArgs),
    /// List what tags pointed at, and since when
    History(history::HistoryArgs),
    /// Point a tag at an image of its history
    Rollback(rollback::RollbackArgs),
    /// Look up what is scheduled and due, and act on what changed
    Refresh(refresh::RefreshArgs),
    /// Do that for ever
    Watch(refresh::WatchArgs),
    /// Act when a tag points at another image
    #[command(subcommand)]
    Trigger(trigger::TriggerCommand),
    /// Act on one change: the process of a trigger's command
    #[command(hide = true)]
    Fire(fire::FireArgs),
    /// Remove what is old from the histories
    Prune(prune::PruneArgs),
    /// List the streams
    List(list::ListArgs),
    /// Remove streams or tags of them
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteArgs),
}

/// Does it.
///
/// # Errors
/// What the command says.
pub(super) async fn run(command: StreamCommand, session: &Session) -> CommandResult {
    match command {
        StreamCommand::Create(args) => create::run(&args, session),
        StreamCommand::Import(args) => import::run(args, session).await,
        StreamCommand::Tag(args) => tag::run(args, session).await,
        StreamCommand::Show(args) => show::run(&args, session),
        StreamCommand::History(args) => history::run(&args, session),
        StreamCommand::Rollback(args) => rollback::run(args, session).await,
        StreamCommand::Refresh(args) => refresh::run(args, session).await,
        StreamCommand::Watch(args) => refresh::watch(args, session).await,
        StreamCommand::Trigger(command) => trigger::run(command, session).await,
        StreamCommand::Fire(args) => fire::run(args, session).await,
        StreamCommand::Prune(args) => prune::run(&args, session),
        StreamCommand::List(args) => list::run(&args, session),
        StreamCommand::Delete(args) => Ok(delete::run(&args, session)),
    }
}

/// Reads `NAME` or `NAME:TAG`; no tag is none.
fn stream_and_tag(text: &str, doing: &str) -> Result<(StreamName, Option<Tag>), CommandError> {
    let bare = text.strip_prefix("stream:").unwrap_or(text);
    let reference = StreamReference::parse(bare).map_err(|error| wrong(doing, &error))?;
    match reference.selector {
        Selector::Tag(tag) => Ok((reference.name, bare.contains(':').then_some(tag))),
        Selector::Digest(_) => Err(CommandError::usage(format!(
            "cannot {doing}: `{}` is one image; a tag is needed here, `{}:TAG`",
            text.escape_debug(),
            reference.name
        ))),
    }
}

/// Reads `NAME:TAG`.
fn stream_tag(text: &str, doing: &str) -> Result<(StreamName, Tag), CommandError> {
    match stream_and_tag(text, doing)? {
        (name, Some(tag)) => Ok((name, tag)),
        (name, None) => Err(CommandError::usage(format!(
            "cannot {doing}: `{}` names no tag; write `{name}:TAG`",
            text.escape_debug()
        ))),
    }
}

/// A word of the command line that is no name.
fn wrong(doing: &str, error: &impl std::fmt::Display) -> CommandError {
    CommandError::usage(format!("cannot {doing}: {error}"))
}

/// Reads what is kept of several platforms, in the words of `oc`.
fn import_mode() -> impl TypedValueParser<Value = ImportMode> {
    let words = [
        PossibleValue::new("PreserveOriginal").help("All of them, under the digest of the index"),
        PossibleValue::new("Legacy").help("One: linux/amd64, else the first"),
    ];
    PossibleValuesParser::new(words).map(|word| match word.as_str() {
        "Legacy" => ImportMode::Legacy,
        _ => ImportMode::PreserveOriginal,
    })
}
