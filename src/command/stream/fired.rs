//! What triggers did after a command changed streams: done, and told with the command's own result.

use std::io::{self, Write};

use serde::Serialize;

use crate::command::{CommandError, Outcome};
use crate::failure::FailureKind;
use crate::image::StreamName;
use crate::output::{Page, Report};
use crate::session::Session;
use crate::streams::{Fired, StreamError};

/// Has the triggers of streams act on what is pending, and adds what came of it to what the command came to.
pub(super) async fn fire(names: &[StreamName], outcome: Outcome, session: &Session) -> Outcome {
    let streams = session.streams();
    let (mut fired, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match streams.fire(name, &session.actions()).await {
            Ok(more) => fired.extend(more),
            Err(error) => failures.push(not_fired(name, error)),
        }
    }
    with(fired, failures, outcome)
}

/// The error for a stream whose triggers could not be asked.
pub(super) fn not_fired(name: &StreamName, error: StreamError) -> CommandError {
    CommandError::new(format!("cannot have the triggers of `{name}` act"), error)
}

/// The error for a trigger that did not end well.
pub(super) fn failure(fired: &Fired) -> Option<CommandError> {
    let firing = &fired.firing;
    let ended = fired.failure()?;
    let doing = format!("the trigger `{}` of `{}:{}`", firing.trigger, firing.stream, firing.change.tag);
    Some(CommandError::new(doing, ended))
}

fn with(fired: Vec<Fired>, mut failures: Vec<CommandError>, outcome: Outcome) -> Outcome {
    failures.extend(fired.iter().filter_map(failure));
    let mut outcome = outcome;
    if !failures.is_empty() {
        let worked = outcome.report.is_some() || fired.iter().any(|fired| fired.failure().is_none());
        outcome.failed = match outcome.failed {
            None if worked => Some(FailureKind::Partial),
            None => Some(FailureKind::Failed),
            failed => failed,
        };
        outcome.failures.extend(failures);
    }
    if !fired.is_empty() {
        outcome.report = Some(match outcome.report.take() {
            Some(report) => Box::new(WithTriggers { report, triggers: fired }),
            None => Box::new(FiredReport { triggers: fired }),
        });
    }
    outcome
}

/// One line for what a trigger did.
pub(super) fn line(fired: &Fired, page: &mut Page<'_>) -> io::Result<()> {
    let firing = &fired.firing;
    let image = format!("{}:{}", firing.stream, firing.change.tag);
    let digest = firing.change.new.short();
    writeln!(page, "trigger {} of {image} for {digest}: {}", firing.trigger, fired.outcome.words())
}

/// A command's own result, with what triggers did about it.
#[derive(Serialize)]
struct WithTriggers {
    #[serde(flatten)]
    report: Box<dyn Report>,
    triggers: Vec<Fired>,
}

impl Report for WithTriggers {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.report.text(page)?;
        self.triggers.iter().try_for_each(|fired| line(fired, page))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.report.quiet(page)
    }
}

/// What triggers did, where nothing else is to be told.
#[derive(Serialize)]
pub(super) struct FiredReport {
    pub(super) triggers: Vec<Fired>,
}

impl Report for FiredReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.triggers.iter().try_for_each(|fired| line(fired, page))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.triggers.iter().try_for_each(|fired| writeln!(page, "{}", fired.firing.trigger))
    }
}
