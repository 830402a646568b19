//! `stream tag`: tags that are pointed at an image.

use std::io::{self, Write};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;
use serde::Serialize;

use super::fired::fire;
use super::{import_mode, stream_tag};
use crate::command::flags::RegistryFlags;
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::image::{Digest, ImageReference, Naming, StreamName, StreamReference, Tag};
use crate::output::{Page, Report};
use crate::session::{Registries, Session};
use crate::streams::{
    self, ImportMode, Looked, Missing, NewSource, SourceKind, StreamError, StreamSource, TagSource, Upstream as _,
    Wanted,
};

/// Flags of `stream tag`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Args, Debug)]
#[command(
    after_help = "What SRC means where `--source` does not say: with a registry or a path in front an image there,\n\
    with `@` an image of a stream, with `:` a tag of a stream. A tag of a stream stands for the image\n\
    that it points at now, unless `--alias` follows it. Streams that are not there are made.\n\n\
    Examples:\n  \
    $ tranship stream tag app:staging app:prod\n  \
    $ tranship stream tag registry.example.com/app:1.4 app:1.4 app:stable --scheduled\n  \
    $ tranship stream tag app@sha256:3f2a91c app:prod\n  \
    $ tranship stream tag -d app:old"
)]
pub(crate) struct TagArgs {
    /// The source and the tags that are pointed at it; with -d, the tags to remove
    #[arg(value_name = "SRC DST", required = true)]
    words: Vec<String>,

    /// Remove tags with their histories
    #[arg(short, long, conflicts_with_all = ["alias", "reference", "scheduled", "source"])]
    delete: bool,

    /// Follow the source, a tag of the same stream
    #[arg(long)]
    alias: bool,

    /// Note the name of the source alone, and ask it whenever the tag is used
    #[arg(long, conflicts_with_all = ["alias", "scheduled"])]
    reference: bool,

    /// Look the source up again and again (`tranship stream refresh`)
    #[arg(long)]
    scheduled: bool,

    /// What the source is
    #[arg(long, value_name = "KIND", value_parser = kind(), hide_possible_values = true)]
    source: Option<SourceKind>,

    /// What is kept of an image for several platforms
    #[arg(long, value_name = "MODE", value_parser = import_mode(), hide_possible_values = true)]
    import_mode: Option<ImportMode>,

    #[command(flatten)]
    registry: RegistryFlags,
}

fn kind() -> impl TypedValueParser<Value = SourceKind> {
    let words = [
        PossibleValue::new("docker").help("An image of a registry"),
        PossibleValue::new("istag").help("A tag of a stream"),
        PossibleValue::new("isimage").help("An image of a stream"),
    ];
    PossibleValuesParser::new(words).map(|word| match word.as_str() {
        "istag" => SourceKind::ImageStreamTag,
        "isimage" => SourceKind::ImageStreamImage,
        _ => SourceKind::DockerImage,
    })
}

/// Points the tags at the source, or removes them.
///
/// # Errors
/// The source is not there, or the flags do not go with it; tags are reported one by one.
pub(super) async fn run(args: TagArgs, session: &Session) -> CommandResult {
    if args.delete {
        return Ok(super::delete::remove_tags(&args.words, session));
    }
    let Some((text, destinations)) = args.words.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Err(CommandError::usage(
            "a source and a tag of a stream are needed: `tranship stream tag SRC NAME:TAG`",
        ));
    };
    let doing = format!("tag `{}`", text.escape_debug());
    let registries = session.registries(args.registry.access());
    let source = source(text, &args, &registries, session)?;
    let looked = match &source {
        TagSource::Image(image) if !args.reference => {
            let mode = args.import_mode.unwrap_or(ImportMode::PreserveOriginal);
            let wanted = Wanted { tag: Tag::latest(), from: image.to_string(), mode };
            Some(streams::look(wanted, &registries).await)
        }
        _ => None,
    };
    let (mut tagged, mut failures) = (Vec::new(), Vec::new());
    for text in destinations {
        match point(text, &source, looked.as_ref(), &args, session) {
            Ok((image, Some(error))) => {
                failures.push(CommandError::new(format!("cannot {doing} as `{image}`"), error));
            }
            Ok((image, None)) => tagged.push(image),
            Err(error) => failures.push(error),
        }
    }
    let mut streams: Vec<StreamName> = tagged.iter().map(|tagged| tagged.name.clone()).collect();
    streams.dedup();
    let succeeded = tagged.len();
    let outcome = Outcome::of_several(TagReport { tags: tagged }, succeeded, failures);
    Ok(fire(&streams, outcome, session).await)
}

fn source(
    text: &str,
    args: &TagArgs,
    registries: &Registries<'_>,
    session: &Session,
) -> Result<TagSource, CommandError> {
    let doing = format!("tag `{}`", text.escape_debug());
    let naming = session.config().map_err(cannot(&doing))?.naming();
    let has_registry = ImageReference::parse(text, &Naming { default: None, ..naming }).is_ok();
    let kind = args.source.unwrap_or_else(|| streams::guess(text, has_registry));
    if kind == SourceKind::DockerImage {
        if args.alias {
            let what =
                format!("cannot {doing}: `--alias` follows a tag of a stream, and this is an image of a registry");
            return Err(CommandError::usage(what).with_hint("`--scheduled` looks it up again and again"));
        }
        let image = registries.reference(text.strip_prefix("docker://").unwrap_or(text));
        return image.map(TagSource::Image).map_err(|failure| {
            let error = CommandError::usage(format!("cannot {doing}: {failure}"));
            failure.hints().into_iter().fold(error, CommandError::with_hint)
        });
    }
    if args.scheduled || args.reference || args.import_mode.is_some() {
        let what = "`--scheduled`, `--reference` and `--import-mode` go with an image of a registry";
        return Err(CommandError::usage(format!("cannot {doing}: {what}, and this is one of a stream"))
            .with_hint(format!("if an image of a registry is meant: `--source docker`, or `docker://{text}`")));
    }
    session.streams().source(text).map(TagSource::Stream).map_err(|error| {
        // A name of an image looks like a tag of a stream.
        let is_missing = matches!(error, StreamError::NoStream { .. });
        let error = CommandError::new(format!("cannot {doing}"), error);
        if is_missing { error.with_hint("if an image of a registry is meant: `--source docker`") } else { error }
    })
}

/// Points one tag at the source; what the registry refused is noted with the tag, and told.
fn point(
    text: &str,
    source: &TagSource,
    looked: Option<&Looked>,
    args: &TagArgs,
    session: &Session,
) -> Result<(Tagged, Option<streams::ImportFailure>), CommandError> {
    let doing = format!("tag as `{}`", text.escape_debug());
    let (name, tag) = stream_tag(text, &doing)?;
    let new = new_source(source, &name, &tag, args).map_err(cannot(&doing))?;
    let now = Timestamp::now();
    let change = |draft: &mut streams::Draft, _: &streams::View| {
        draft.set_source(&tag, &new);
        match (source, looked) {
            (TagSource::Stream(source), _) => draft.record(&tag, &source.found, now),
            (TagSource::Image(_), Some(looked)) => {
                let looked = Looked { wanted: Wanted { tag: tag.clone(), ..looked.wanted.clone() }, ..looked.clone() };
                streams::apply(draft, &[looked], now);
            }
            (TagSource::Image(_), None) => {}
        }
        Ok(draft.current(&tag).and_then(|current| current.image))
    };
    let (digest, _) = session.streams().edit(&name, Missing::Made, change).map_err(cannot(&doing))?;
    let failure = looked.and_then(|looked| looked.found.as_ref().err().cloned());
    Ok((Tagged { name, tag, from: new.from.name, digest }, failure))
}

fn new_source(source: &TagSource, name: &StreamName, tag: &Tag, args: &TagArgs) -> Result<NewSource, StreamError> {
    match source {
        TagSource::Image(image) => {
            let mode = args.import_mode.unwrap_or(ImportMode::PreserveOriginal);
            Ok(streams::from_image(image, args.reference, Some(args.scheduled), mode))
        }
        TagSource::Stream(source) if args.alias => StreamSource::alias(source, name, tag),
        TagSource::Stream(source) => Ok(source.pinned()),
    }
}

/// A tag, and what it points at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tagged {
    #[serde(rename = "stream")]
    pub(super) name: StreamName,
    pub(super) tag: Tag,
    pub(super) from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<Digest>,
}

impl std::fmt::Display for Tagged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        StreamReference::of_tag(self.name.clone(), self.tag.clone()).fmt(f)
    }
}

#[derive(Debug, Serialize)]
struct TagReport {
    tags: Vec<Tagged>,
}

impl Report for TagReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.tags {
            match &image.digest {
                Some(digest) => writeln!(page, "{image}@{digest}")?,
                None => writeln!(page, "{image} -> {}", image.from)?,
            }
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.tags.iter().filter_map(|image| image.digest.as_ref()).try_for_each(|digest| writeln!(page, "{digest}"))
    }
}
