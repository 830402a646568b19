//! `stream trigger`: what is done when a tag points at another image.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::fired;
use super::stream_and_tag;
use crate::command::flags::duration;
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::credentials::SecretPath;
use crate::failure::FailureKind;
use crate::image::StreamName;
use crate::output::{Page, Report, Table, age};
use crate::session::Session;
use crate::streams::{Action, StreamError, Trigger, TriggerName, Triggers};

/// What can be done with triggers.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "A trigger acts once on every change, however often the program is killed meanwhile. Where even the\n\
    process that runs its command is killed, nobody can tell whether the command did its work: it is\n\
    not run again by itself then, and the next run says so.\n\n\
    Examples:\n  \
    $ tranship stream trigger add app:prod -- systemctl --user restart app\n  \
    $ tranship stream trigger list app"
)]
pub(crate) enum TriggerCommand {
    /// Act on every change from now on
    Add(AddArgs),
    /// List the triggers, and what they did last
    List(ListArgs),
    /// Act on no change any more
    Remove(NamedArgs),
    /// Act once more on the change that a trigger acted on last
    Again(NamedArgs),
}

/// Flags of `stream trigger add`.
#[derive(Args, Debug)]
#[command(after_help = "A command finds TRANSHIP_STREAM, TRANSHIP_TAG, TRANSHIP_OLD_DIGEST, TRANSHIP_NEW_DIGEST,\n\
    TRANSHIP_IMAGE, TRANSHIP_GENERATION, TRANSHIP_TRIGGER and TRANSHIP_CHANGE in its environment, the\n\
    last being the same whenever it is run for the same change. What it says is in the file that\n\
    `stream trigger list -o json` names.\n\n\
    Examples:\n  \
    $ tranship stream trigger add app:prod -- systemctl --user restart app\n  \
    $ tranship stream trigger add app --shell 'echo \"$TRANSHIP_IMAGE\" >> images.txt'\n  \
    $ tranship stream trigger add app:prod --webhook https://ci.example.com --webhook-secret ci/hook")]
#[command(group = ArgGroup::new("action").required(true).args(["command", "shell", "webhook"]))]
pub(crate) struct AddArgs {
    /// The stream, or the tag of it, that is watched
    #[arg(value_name = "STREAM[:TAG]")]
    target: String,

    /// The trigger's name [default: what it does, with a number where that is taken]
    #[arg(long, value_name = "NAME")]
    name: Option<TriggerName>,

    /// Run this, which a shell reads
    #[arg(long, value_name = "WORDS")]
    shell: Option<String>,

    /// Post a JSON document to this URL
    #[arg(long, value_name = "URL")]
    webhook: Option<url::Url>,

    /// Sign the document with the only value of this secret, or its `token`
    #[arg(long, value_name = "VAULT/SECRET", requires = "webhook")]
    webhook_secret: Option<SecretPath>,

    /// End a command that takes longer
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    limit: Duration,

    /// Run the command again where nobody can tell whether it did its work: it may run twice for one change
    #[arg(long)]
    again: bool,

    /// Run this command
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<String>,
}

/// Flags of `stream trigger list`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  $ tranship stream trigger list app")]
pub(crate) struct ListArgs {
    /// The streams; all of them where none is named
    #[arg(value_name = "STREAM")]
    names: Vec<StreamName>,
}

/// Flags of `stream trigger remove` and `again`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  $ tranship stream trigger remove app restart\n  $ tranship stream trigger again app restart"
)]
pub(crate) struct NamedArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    stream: StreamName,

    /// The trigger
    #[arg(value_name = "TRIGGER")]
    trigger: TriggerName,
}

/// Does it.
///
/// # Errors
/// The stream or the trigger is not there, or the ledger cannot be written.
pub(super) async fn run(command: TriggerCommand, session: &Session) -> CommandResult {
    match command {
        TriggerCommand::Add(args) => add(args, session),
        TriggerCommand::List(args) => list(&args, session),
        TriggerCommand::Remove(args) => remove(args, session),
        TriggerCommand::Again(args) => again(args, session).await,
    }
}

fn add(args: AddArgs, session: &Session) -> CommandResult {
    let doing = format!("add a trigger to `{}`", args.target.escape_debug());
    let (stream, tag) = stream_and_tag(&args.target, &doing)?;
    let streams = session.streams();
    let known = streams.read(&stream).map_err(cannot(&doing))?;
    if let Some(tag) =
        tag.as_ref().filter(|tag| known.view().reference(tag).is_none() && known.view().history(tag).is_none())
    {
        session.console().warn(&format!("`{stream}` has no tag `{tag}` yet"));
    }
    let action = action(&args, &doing)?;
    // What is newer was changed after the trigger was asked for, and is acted on.
    let since = known.view().metadata.generation.unwrap_or_default();
    let since =
        known.view().status.tags.iter().flat_map(|tag| &tag.items).map(|item| item.generation).fold(since, i64::max);
    let trigger = streams
        .ledger()
        .edit(&stream, |triggers| {
            let name = name(args.name, &action, triggers)?;
            let trigger = Trigger { again: args.again, ..Trigger::new(name, tag, action, since) };
            triggers.triggers.push(trigger.clone());
            Ok(trigger)
        })
        .map_err(cannot(&doing))?;
    let log = streams.ledger().log(&stream, &trigger.name);
    Ok(Outcome::done(TriggerReport { triggers: vec![Line { stream, pending: 0, log, trigger }], added: true }))
}

fn action(args: &AddArgs, doing: &str) -> Result<Action, CommandError> {
    let absolute = |path: &PathBuf| {
        std::path::absolute(path).map_err(|error| {
            CommandError::plain(FailureKind::Failed, format!("cannot {doing}: {}: {error}", path.display()))
        })
    };
    if let Some(url) = &args.webhook {
        let secret = args.webhook_secret.as_ref().map(ToString::to_string);
        return Ok(Action::Webhook { url: url.to_string(), secret });
    }
    let command = match &args.shell {
        Some(words) => vec!["sh".to_owned(), "-c".to_owned(), words.clone()],
        None => args.command.clone(),
    };
    Ok(Action::Run { command, directory: absolute(&PathBuf::from("."))?, seconds: args.limit.as_secs().max(1) })
}

/// The name that was given, or the first that is free.
fn name(given: Option<TriggerName>, action: &Action, triggers: &Triggers) -> Result<TriggerName, StreamError> {
    let refused = |what: String| StreamError::Refused { what, hint: None };
    if let Some(name) = given {
        return match triggers.named(&name) {
            Some(_) => Err(refused(format!("there is a trigger `{name}` already"))),
            None => Ok(name),
        };
    }
    let word = action.word();
    let names = std::iter::once(word.to_owned()).chain((2..).map(|number: u32| format!("{word}-{number}")));
    let mut free = names.filter_map(|name| name.parse().ok()).filter(|name| triggers.named(name).is_none());
    free.next().ok_or_else(|| refused("there is no free name".to_owned()))
}

fn list(args: &ListArgs, session: &Session) -> CommandResult {
    let doing = "list the triggers";
    let streams = session.streams();
    let names = match args.names.as_slice() {
        [] => streams.names().map_err(cannot(doing))?,
        named => named.to_vec(),
    };
    let mut lines = Vec::new();
    for stream in names {
        let known = streams.read(&stream).map_err(cannot(doing))?;
        for trigger in streams.ledger().read(&stream).map_err(cannot(doing))?.triggers {
            let log = streams.ledger().log(&stream, &trigger.name);
            lines.push(Line { stream: stream.clone(), pending: trigger.pending(known.view()).len(), log, trigger });
        }
    }
    Ok(Outcome::done(TriggerReport { triggers: lines, added: false }))
}

fn remove(args: NamedArgs, session: &Session) -> CommandResult {
    let NamedArgs { stream, trigger } = args;
    let doing = format!("remove the trigger `{trigger}` of `{stream}`");
    session.streams().read(&stream).map_err(cannot(&doing))?;
    session.streams().ledger().remove_trigger(&stream, &trigger).map_err(cannot(&doing))?;
    Ok(Outcome::done(RemovedReport { stream, trigger }))
}

async fn again(args: NamedArgs, session: &Session) -> CommandResult {
    let NamedArgs { stream, trigger } = args;
    let doing = format!("have the trigger `{trigger}` of `{stream}` act again");
    let streams = session.streams();
    streams.read(&stream).map_err(cannot(&doing))?;
    streams.ledger().unsettle(&stream, &trigger).map_err(cannot(&doing))?;
    let nothing = Outcome { report: None, failures: Vec::new(), failed: None };
    Ok(fired::fire(&[stream], nothing, session).await)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stream: StreamName,
    /// How many changes it has yet to act on.
    pending: usize,
    /// Where what its command said last is.
    log: PathBuf,
    #[serde(flatten)]
    trigger: Trigger,
}

#[derive(Serialize)]
struct TriggerReport {
    triggers: Vec<Line>,
    #[serde(skip)]
    added: bool,
}

impl Report for TriggerReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.added {
            return self.triggers.iter().try_for_each(|line| {
                let tag = line.trigger.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
                writeln!(page, "added {} to {}{tag}", line.trigger.name, line.stream)
            });
        }
        let now = Timestamp::now();
        let mut table = Table::new(["stream", "tag", "trigger", "does", "pending", "last"]);
        for Line { stream, pending, trigger, .. } in &self.triggers {
            let does = match &trigger.action {
                Action::Run { command, .. } => format!("runs {}", command.join(" ")),
                // The path and query of a hook often are its password.
                Action::Webhook { url, .. } => format!("calls {}", place(url)),
            };
            let last = trigger.last.as_ref().map(|last| format!("{}, {}", last.outcome.words(), age(last.at, now)));
            let pending = if *pending == 0 { String::new() } else { pending.to_string() };
            let tag = trigger.tag.as_ref().map_or_else(|| "every".to_owned(), ToString::to_string);
            table.row([stream.to_string(), tag, trigger.name.to_string(), does, pending, last.unwrap_or_default()]);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.triggers.iter().try_for_each(|line| writeln!(page, "{}", line.trigger.name))
    }
}

/// Scheme, host and port of a URL.
fn place(url: &str) -> String {
    url.parse::<url::Url>().map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

#[derive(Serialize)]
struct RemovedReport {
    stream: StreamName,
    trigger: TriggerName,
}

impl Report for RemovedReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "removed {} of {}", self.trigger, self.stream)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.trigger)
    }
}
