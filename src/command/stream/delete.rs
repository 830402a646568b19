//! `stream delete`: streams, or tags of them, with their histories.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::{stream_and_tag, stream_tag};
use crate::command::{CommandError, Outcome, cannot};
use crate::image::{StreamName, StreamReference, Tag};
use crate::output::{Page, Report};
use crate::session::Session;

/// Flags of `stream delete`.
#[derive(Args, Debug)]
#[command(after_help = "No image is touched.\n\n\
    Examples:\n  $ tranship stream delete app:old\n  $ tranship stream delete app")]
pub(crate) struct DeleteArgs {
    /// The streams, or tags of them
    #[arg(value_name = "STREAM[:TAG]", required = true)]
    names: Vec<String>,
}

/// Removes them, one by one, and reports them so.
pub(super) fn run(args: &DeleteArgs, session: &Session) -> Outcome {
    each(&args.names, |text, doing| match stream_and_tag(text, doing)? {
        (name, Some(tag)) => remove_tag(name, tag, doing, session),
        (name, None) => {
            session.streams().delete(&name).map_err(cannot(doing))?;
            Ok(Removed { name, tag: None })
        }
    })
}

/// Removes tags, one by one: `stream tag -d`.
pub(super) fn remove_tags(texts: &[String], session: &Session) -> Outcome {
    each(texts, |text, doing| {
        let (name, tag) = stream_tag(text, doing)?;
        remove_tag(name, tag, doing, session)
    })
}

fn each(texts: &[String], remove: impl Fn(&str, &str) -> Result<Removed, CommandError>) -> Outcome {
    let (mut removed, mut failures) = (Vec::new(), Vec::new());
    for text in texts {
        match remove(text, &format!("delete `{}`", text.escape_debug())) {
            Ok(one) => removed.push(one),
            Err(error) => failures.push(error),
        }
    }
    let succeeded = removed.len();
    Outcome::of_several(DeleteReport { removed }, succeeded, failures)
}

fn remove_tag(name: StreamName, tag: Tag, doing: &str, session: &Session) -> Result<Removed, CommandError> {
    session.streams().remove_tag(&name, &tag).map_err(cannot(doing))?;
    Ok(Removed { name, tag: Some(tag) })
}

#[derive(Debug, Serialize)]
struct Removed {
    #[serde(rename = "stream")]
    name: StreamName,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Tag>,
}

impl Removed {
    fn shown(&self) -> String {
        match &self.tag {
            Some(tag) => StreamReference::of_tag(self.name.clone(), tag.clone()).to_string(),
            None => self.name.to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
struct DeleteReport {
    removed: Vec<Removed>,
}

impl Report for DeleteReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.removed.iter().try_for_each(|removed| writeln!(page, "removed {}", removed.shown()))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.removed.iter().try_for_each(|removed| writeln!(page, "{}", removed.shown()))
    }
}
