//! `stream fire`: the process that runs the command of a trigger. Started by the program itself, for each command.

use clap::Args;

use crate::command::{CommandResult, Outcome, cannot};
use crate::image::{StreamName, Tag};
use crate::session::Session;
use crate::streams::{TriggerName, launch};

/// Flags of `stream fire`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  $ tranship stream fire app restart prod 7")]
pub(crate) struct FireArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    stream: StreamName,

    /// The trigger
    #[arg(value_name = "TRIGGER")]
    trigger: TriggerName,

    /// The tag
    #[arg(value_name = "TAG")]
    tag: Tag,

    /// The number of the change
    #[arg(value_name = "GENERATION")]
    generation: i64,
}

/// Acts on one change, where nobody did yet. How it ended is in the ledger.
///
/// # Errors
/// The ledger cannot be read or written.
pub(super) async fn run(args: FireArgs, session: &Session) -> CommandResult {
    let doing = format!("act on the change {} of `{}:{}`", args.generation, args.stream, args.tag);
    let streams = session.streams();
    let firing = streams.pending_one(&args.stream, &args.trigger, &args.tag, args.generation);
    if let Some(firing) = firing.map_err(cannot(&doing))? {
        launch(&streams, &firing, &session.hidden_variables()).await.map_err(cannot(&doing))?;
    }
    Ok(Outcome::printed())
}
