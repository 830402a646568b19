//! The process that runs a trigger's command: it outlives whoever started it, and writes down how far it comes.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use tokio::process::{Child, Command};

use super::fire::{Firing, still_awaited};
use super::model::{Action, Begun, Outcome, Settled, Triggers};
use crate::files::FileError;
use crate::streams::error::StreamError;
use crate::streams::kept::Streams;

/// How long another may act for the same trigger before this one: as long as the longest command may take, and more.
const PATIENCE: Duration = Duration::from_hours(25);
/// How much of what a command said last is kept with its failure, in bytes.
const LAST_WORDS: u64 = 300;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launched {
    /// The change was acted on, or what kept from that is in the ledger.
    Settled(Outcome),
    /// Another acted on it, or nobody is to any more.
    Nothing,
}

/// Acts on one change for one trigger whose action is a command: the steps 2 to 5 of the protocol. `hidden` are
/// variables of the environment that the command does not get to see.
///
/// # Errors
/// The ledger cannot be read or written, or another holds the claim for too long. The change is pending then, or its
/// end will be found unknown.
pub async fn launch(streams: &Streams, firing: &Firing, hidden: &[OsString]) -> Result<Launched, StreamError> {
    let ledger = streams.ledger();
    let _claim = ledger.claim(&firing.stream, &firing.trigger, PATIENCE)?;
    let action = match ledger.edit(&firing.stream, |triggers| Ok(begin(triggers, firing)))? {
        Beginning::Now(action) => action,
        Beginning::Lost => return Ok(Launched::Settled(Outcome::Unknown)),
        Beginning::Never => return Ok(Launched::Nothing),
    };
    let Action::Run { command, directory, seconds } = &action else {
        return Ok(Launched::Nothing);
    };
    let log = ledger.log(&firing.stream, &firing.trigger);
    let started = open_log(&log).and_then(|output| start(command, directory, output, firing, hidden));
    let (outcome, detail) = match started {
        Ok(child) => {
            let process = child.id();
            ledger.edit(&firing.stream, |triggers| {
                note_process(triggers, firing, process);
                Ok(())
            })?;
            end(child, Duration::from_secs(*seconds), &log).await
        }
        Err(error) => {
            let program = command.first().map(String::as_str).unwrap_or_default();
            (Outcome::Postponed, Some(format!("`{program}` cannot be run: {error}")))
        }
    };
    ledger.edit(&firing.stream, |triggers| {
        settle(triggers, firing, outcome, detail);
        Ok(())
    })?;
    Ok(Launched::Settled(outcome))
}

/// Whether a change is acted on.
enum Beginning {
    /// From now on, so.
    Now(Action),
    /// A process that was killed had begun with it, and its end cannot be known any more.
    Lost,
    /// Nobody waits for that.
    Never,
}

/// Writes down that the change is acted on from now on, unless somebody has begun with it.
fn begin(triggers: &mut Triggers, firing: &Firing) -> Beginning {
    let Some(trigger) = still_awaited(triggers, firing) else {
        return Beginning::Never;
    };
    let now = Timestamp::now();
    if let Some(begun) = trigger.begun.take().filter(|_| !trigger.again) {
        let is_this = (&begun.tag, begun.generation) == (&firing.change.tag, firing.change.generation);
        let detail = match begun.process {
            Some(process) => {
                format!("it ran as process {process}, and whoever watched over it was killed")
            }
            None => "whoever was about to run it was killed".to_owned(),
        };
        let Begun { tag, generation, .. } = begun;
        let detail = Some(detail);
        trigger.settle(Settled { tag, generation, at: now, outcome: Outcome::Unknown, detail });
        if is_this {
            return Beginning::Lost;
        }
    }
    let (tag, generation) = (firing.change.tag.clone(), firing.change.generation);
    trigger.begun = Some(Begun { tag, generation, at: now, process: None });
    Beginning::Now(trigger.action.clone())
}

fn note_process(triggers: &mut Triggers, firing: &Firing, process: Option<u32>) {
    let found = triggers.triggers.iter_mut().find(|trigger| trigger.name == firing.trigger);
    if let Some(begun) = found.and_then(|trigger| trigger.begun.as_mut()) {
        begun.process = process;
    }
}

/// Writes down how acting on a change ended.
pub(super) fn settle(triggers: &mut Triggers, firing: &Firing, outcome: Outcome, detail: Option<String>) {
    // The trigger may have been removed meanwhile.
    if let Some(trigger) = triggers.triggers.iter_mut().find(|trigger| trigger.name == firing.trigger) {
        let (tag, generation) = (firing.change.tag.clone(), firing.change.generation);
        trigger.settle(Settled { tag, generation, at: Timestamp::now(), outcome, detail });
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn start(
    command: &[String],
    directory: &Path,
    output: File,
    firing: &Firing,
    hidden: &[OsString],
) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("no command is named"))?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).envs(firing.variables());
    for name in hidden {
        command.env_remove(name);
    }
    // A file, and no pipe: the command goes on where this process is killed.
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    command.spawn()
}

async fn end(mut child: Child, limit: Duration, log: &Path) -> (Outcome, Option<String>) {
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(Ok(status)) if status.success() => (Outcome::Done, None),
        Ok(Ok(status)) => (Outcome::Failed, Some(excuse(status, log))),
        Ok(Err(error)) => (Outcome::Unknown, Some(error.to_string())),
        Err(_) => {
            // It may have ended by itself just now.
            let _ = child.kill().await;
            (Outcome::Failed, Some(format!("it took longer than {} s and was killed", limit.as_secs())))
        }
    }
}

/// How a command failed, and what it said last.
fn excuse(status: ExitStatus, log: &Path) -> String {
    let words = last_words(log).unwrap_or_default();
    let line = words.trim().lines().last().unwrap_or_default();
    if line.is_empty() {
        format!("it ended with {status}")
    } else {
        format!("it ended with {status} and said `{line}`")
    }
}

fn last_words(log: &Path) -> Result<String, FileError> {
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_err(FileError::of("read", log))
}
