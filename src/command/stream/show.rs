//! `stream show`: a stream as people read it, or as the file that it is.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::describe::describe;
use crate::command::{CommandResult, Outcome, cannot};
use crate::image::StreamName;
use crate::output::{Page, Report};
use crate::session::Session;
use crate::streams::ImageStream;

/// Flags of `stream show`.
#[derive(Args, Debug)]
#[command(after_help = "With `-o yaml` or `-o json` it is the stream's file, which `oc apply -f -` takes.\n\n\
    Examples:\n  $ tranship stream show app\n  $ tranship stream show app -o yaml | oc apply -f -")]
pub(crate) struct ShowArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    name: StreamName,
}

/// Shows it.
///
/// # Errors
/// It is not there, or is none.
pub(super) fn run(args: &ShowArgs, session: &Session) -> CommandResult {
    let doing = format!("show the stream `{}`", args.name);
    Ok(Outcome::done(ShowReport(session.streams().read(&args.name).map_err(cannot(doing))?)))
}

struct ShowReport(ImageStream);

impl Serialize for ShowReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.document().value().serialize(serializer)
    }
}

impl Report for ShowReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        describe(self.0.view(), Timestamp::now(), page)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.0.view().tags().into_iter().try_for_each(|tag| writeln!(page, "{tag}"))
    }
}
