//! `stream import`: what the sources of tags have now.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::fired::fire;
use super::{import_mode, stream_and_tag, wrong};
use crate::command::flags::RegistryFlags;
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::image::{ImageReference, StreamName, StreamReference, Tag};
use crate::output::{Page, Report, Shown};
use crate::session::{Registries, Session};
use crate::streams::{
    self, ImportMode, ImportPlan, ImportRequest, ImportResult, Imported, Looked, Missing, Upstream as _, View, Wanted,
    Which,
};

/// Flags of `stream import`.
#[derive(Args, Debug)]
#[command(
    after_help = "Nothing of an image is moved: its digest alone is noted, and what the tag pointed at before stays\n\
    in its history. A tag that fails keeps what it has, and says why in `stream show`.\n\n\
    Examples:\n  \
    $ tranship stream import app:prod --from registry.example.com/app:stable --scheduled --confirm\n  \
    $ tranship stream import app:prod\n  \
    $ tranship stream import alpine --all --from docker.io/library/alpine --confirm"
)]
pub(crate) struct ImportArgs {
    /// The stream, and the tag where it is not `latest`
    #[arg(value_name = "STREAM[:TAG]")]
    target: String,

    /// Where the image comes from from now on; with --all, a repository
    #[arg(long, value_name = "IMAGE")]
    from: Option<String>,

    /// Make the stream, or change where its images come from
    #[arg(long)]
    confirm: bool,

    /// Every tag of the stream, and of the repository that it follows
    #[arg(long)]
    all: bool,

    /// Look it up again and again from now on (`tranship stream refresh`); `=false` ends that
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    scheduled: Option<bool>,

    /// What is kept of an image for several platforms
    #[arg(long, value_name = "MODE", value_parser = import_mode(), hide_possible_values = true)]
    import_mode: Option<ImportMode>,

    /// With --all, take at most so many new tags of the repository
    #[arg(long, value_name = "N", default_value_t = 50)]
    at_most: usize,

    /// Say what would come of it, and note nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Asks the registries, and notes what they say.
///
/// # Errors
/// Something has to be confirmed, or there is nothing to import; tags are reported one by one.
pub(super) async fn run(args: ImportArgs, session: &Session) -> CommandResult {
    let doing = format!("import `{}`", args.target.escape_debug());
    let registries = session.registries(args.registry.access());
    let (name, tag) = target(&args, &registries, &doing)?;
    let known = session.streams().find(&name).map_err(cannot(&doing))?;
    let view = known.as_ref().map(streams::ImageStream::view);
    let from = from(&args, view, &registries, &doing)?;
    let mut request = ImportRequest {
        name: name.clone(),
        which: if args.all { Which::All(Vec::new()) } else { Which::One(tag.unwrap_or_else(Tag::latest)) },
        from,
        confirm: args.confirm,
        scheduled: args.scheduled,
        mode: args.import_mode,
    };
    request.check(view).map_err(cannot(&doing))?;
    let (new, more) = new_tags(&args, request.from.as_ref(), view, &registries, &doing).await?;
    if args.all {
        request.which = Which::All(new);
    }
    let plan = request.plan(view).map_err(cannot(&doing))?;
    let looked = streams::look_each(plan.wanted.clone(), &registries).await;
    let tags = note(&args, &name, &plan, &looked, session).map_err(cannot(&doing))?;
    if more {
        let hint = format!("the repository has more tags; `--at-most N` takes more than {} at once", args.at_most);
        session.console().hint(&hint);
    }
    let outcome = outcome(name.clone(), tags, &looked, args.dry_run);
    Ok(if args.dry_run { outcome } else { fire(&[name], outcome, session).await })
}

/// Which stream, and which tag where one is named.
fn target(
    args: &ImportArgs,
    registries: &Registries<'_>,
    doing: &str,
) -> Result<(StreamName, Option<Tag>), CommandError> {
    if args.target.contains('@') {
        let reference = StreamReference::parse(&args.target).map_err(|error| wrong(doing, &error))?;
        streams::tag_to_import(&reference.name, &reference.selector).map_err(cannot(doing))?;
    }
    let (name, tag) =
        stream_and_tag(&args.target, doing).map_err(|error| match registries.reference(&args.target) {
            Ok(image) if args.from.is_none() && args.target.contains('/') => {
                let name = image.repository.parts().last().unwrap_or_default().to_owned();
                error.with_hint(format!("name the stream: `tranship stream import {name} --from {image} --confirm`"))
            }
            _ => error,
        })?;
    if args.all && tag.is_some() {
        return Err(CommandError::usage(format!("cannot {doing}: `--all` means every tag, and one is named")));
    }
    Ok((name, tag))
}

/// Where the image comes from from now on. A new stream is imported from the image of its name, where nobody says
/// otherwise, as `oc` does it.
fn from(
    args: &ImportArgs,
    view: Option<&View>,
    registries: &Registries<'_>,
    doing: &str,
) -> Result<Option<ImageReference>, CommandError> {
    let text = match (&args.from, view) {
        (Some(from), _) => from.as_str(),
        (None, None) if args.confirm => args.target.trim_start_matches("stream:"),
        (None, _) => return Ok(None),
    };
    let cannot_read = |failure: Box<dyn crate::failure::Failure>| {
        let error = CommandError::usage(format!("cannot {doing}: {failure}"));
        failure.hints().into_iter().fold(error, CommandError::with_hint)
    };
    registries.reference(text).map(Some).map_err(cannot_read)
}

/// The tags of the repository that the stream does not have yet, with `--all`, and whether there are more than are
/// taken.
async fn new_tags(
    args: &ImportArgs,
    from: Option<&ImageReference>,
    view: Option<&View>,
    registries: &Registries<'_>,
    doing: &str,
) -> Result<(Vec<Tag>, bool), CommandError> {
    if !args.all {
        return Ok((Vec::new(), false));
    }
    let followed = view.and_then(|view| view.spec.docker_image_repository.as_deref());
    let repository = match (from, followed) {
        (Some(from), _) => from.clone(),
        (None, Some(text)) => {
            registries.reference(text).map_err(|error| CommandError::usage(format!("cannot {doing}: {error}")))?
        }
        (None, None) => return Ok((Vec::new(), false)),
    };
    let known = |tag: &Tag| view.is_some_and(|view| view.reference(tag).is_some());
    let most = args.at_most.saturating_add(view.map_or(0, |view| view.spec.tags.len()));
    let found = streams::tags(&repository, registries, most).await.map_err(cannot(doing))?;
    let mut new: Vec<Tag> = found.into_iter().filter(|tag| !known(tag)).collect();
    let more = new.len() > args.at_most;
    new.truncate(args.at_most);
    Ok((new, more))
}

fn note(
    args: &ImportArgs,
    name: &StreamName,
    plan: &ImportPlan,
    looked: &[Looked],
    session: &Session,
) -> Result<Vec<Imported>, streams::StreamError> {
    let missing = if args.confirm { Missing::Made } else { Missing::Refused };
    let change = |draft: &mut streams::Draft, _: &View| {
        plan.prepare(draft);
        Ok(streams::apply(draft, looked, Timestamp::now()))
    };
    let streams = session.streams();
    let done = if args.dry_run { streams.preview(name, missing, change) } else { streams.edit(name, missing, change) };
    Ok(done?.0)
}

/// What was imported, and what was not.
fn outcome(name: StreamName, tags: Vec<Imported>, looked: &[Looked], dry_run: bool) -> Outcome {
    let failures: Vec<CommandError> = looked.iter().filter_map(|looked| not_imported(&name, looked)).collect();
    let tags: Vec<Imported> = tags.into_iter().filter(|tag| tag.result != ImportResult::Failed).collect();
    let succeeded = tags.len();
    Outcome::of_several(ImportReport { stream: name, tags, dry_run }, succeeded, failures)
}

/// The error for a tag whose source has no image, or did not say.
pub(super) fn not_imported(name: &StreamName, looked: &Looked) -> Option<CommandError> {
    let failure = looked.found.as_ref().err()?.clone();
    let Wanted { tag, from, .. } = &looked.wanted;
    let doing = format!("cannot import `{name}:{tag}` from `{}`", from.escape_debug());
    Some(CommandError::new(doing, failure))
}

/// One line for what became of a tag.
pub(super) fn line(stream: &StreamName, tag: &Imported, page: &mut Page<'_>) -> io::Result<()> {
    let image = StreamReference::of_tag(stream.clone(), tag.tag.clone());
    let digest = tag.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    let words = match (tag.result, &tag.old_digest) {
        (ImportResult::Updated, Some(old)) => format!("it was {}", old.short()),
        (ImportResult::Updated, None) => "new".to_owned(),
        (ImportResult::Unchanged, _) => "unchanged".to_owned(),
        (ImportResult::Failed, _) => "failed".to_owned(),
        (ImportResult::Overtaken, _) => "its source was changed meanwhile".to_owned(),
    };
    writeln!(page, "{image}{digest}  ({words}; from {})", Shown(&tag.from))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportReport {
    stream: StreamName,
    tags: Vec<Imported>,
    /// Whether nothing was noted, and this is what would be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Report for ImportReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.tags.iter().try_for_each(|tag| line(&self.stream, tag, page))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.tags.iter().filter_map(|tag| tag.digest.as_ref()).try_for_each(|digest| writeln!(page, "{digest}"))
    }
}
