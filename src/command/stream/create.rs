//! `stream create`: a stream, empty or from a file.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::command::flags::duration;
use crate::command::{CommandError, CommandResult, Outcome, cannot, input};
use crate::files::{FileError, read_following_links};
use crate::image::StreamName;
use crate::output::{Page, Report};
use crate::session::Session;
use crate::streams::{ImageStream, KeepRule, StreamError};
use crate::yaml;

/// Flags of `stream create`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship stream create app --keep 10\n  \
    $ oc get imagestream -o yaml | tranship stream create -f -")]
pub(crate) struct CreateArgs {
    /// Its name
    #[arg(value_name = "STREAM", required_unless_present = "file", conflicts_with = "file")]
    name: Option<StreamName>,

    /// Take the streams of this file, `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Keep so many images of each tag, whatever their age
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep: Option<u64>,

    /// Keep images that became old less than this ago, whatever their number, e.g. 24h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    keep_younger_than: Option<Duration>,
}

/// Makes the streams.
///
/// # Errors
/// One is there already, or the file holds none; what was made before that stays.
pub(super) fn run(args: &CreateArgs, session: &Session) -> CommandResult {
    let streams = session.streams();
    let doing = "create the stream";
    let given = match (&args.name, &args.file) {
        (Some(name), _) => vec![streams.empty(name).map_err(cannot(doing))?],
        (None, Some(file)) => ImageStream::parse_all(&read(file)?)
            .map_err(|error| CommandError::new(format!("cannot take streams from {}", file.display()), error))?,
        (None, None) => Vec::new(),
    };
    let rule = KeepRule { revisions: args.keep, younger_than: args.keep_younger_than };
    let (mut made, mut failures) = (Vec::new(), Vec::new());
    for stream in given {
        let name = stream.view().metadata.name.clone();
        let tags = stream.view().tags().len();
        let create = || {
            let mut draft = stream.draft();
            rule.note(&mut draft);
            streams.create(&stream.changed(draft).map_err(StreamError::from)?)
        };
        match create() {
            Ok(()) => made.push(Created { file: streams.path(&name), name, tags }),
            Err(error) => failures.push(CommandError::new(format!("cannot create the stream `{name}`"), error)),
        }
    }
    let succeeded = made.len();
    Ok(Outcome::of_several(CreateReport { streams: made }, succeeded, failures))
}

fn read(file: &PathBuf) -> Result<String, CommandError> {
    let doing = format!("take streams from {}", file.display());
    if file.as_os_str() == "-" {
        return Ok(input::text().map_err(cannot(doing))?.to_string());
    }
    let bytes = read_following_links(file, yaml::MAX_BYTES as u64);
    let bytes = bytes.and_then(|bytes| bytes.ok_or_else(|| FileError::absent("read", file)));
    let bytes = bytes.map_err(cannot(doing.as_str()))?;
    let not_text = |error| FileError::new("read", file, io::Error::new(io::ErrorKind::InvalidData, error));
    String::from_utf8(bytes).map_err(not_text).map_err(cannot(doing))
}

#[derive(Debug, Serialize)]
struct Created {
    name: StreamName,
    file: PathBuf,
    #[serde(skip)]
    tags: usize,
}

#[derive(Debug, Serialize)]
struct CreateReport {
    streams: Vec<Created>,
}

impl Report for CreateReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for stream in &self.streams {
            let tags = if stream.tags == 1 { "tag" } else { "tags" };
            writeln!(page, "created {} with {} {tags} ({})", stream.name, stream.tags, stream.file.display())?;
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.streams.iter().try_for_each(|stream| writeln!(page, "{}", stream.name))
    }
}
