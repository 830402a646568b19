//! `stream rollback`: a tag that goes back to an image of its history.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::fired::fire;
use super::stream_tag;
use crate::command::{CommandResult, Outcome, cannot};
use crate::image::{Digest, StreamName, StreamReference, Tag};
use crate::output::{Page, Report};
use crate::session::Session;
use crate::streams::{Missing, Revision, SourceKind, roll_back};

/// Flags of `stream rollback`.
#[derive(Args, Debug)]
#[command(after_help = "Nothing is pushed: the tag of the stream points at another digest. It stays there; what it\n\
    followed until then, it follows again after `tranship stream import STREAM:TAG --from IMAGE\n\
    --confirm`.\n\n\
    Examples:\n  \
    $ tranship stream rollback app:prod\n  \
    $ tranship stream rollback app:prod --to 3f2a91c")]
pub(crate) struct RollbackArgs {
    /// The tag
    #[arg(value_name = "STREAM:TAG")]
    target: String,

    /// How many steps back, as `tranship stream history` counts them, or the digest of an image, or its beginning
    #[arg(long, value_name = "REVISION", default_value = "1", value_parser = revision)]
    to: Revision,

    /// Say what would come of it, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// A number of at most six digits is a revision; so few digits are no digest's.
fn revision(text: &str) -> Result<Revision, String> {
    match text.parse::<usize>() {
        Ok(steps) if text.len() <= 6 => Ok(Revision::Steps(steps)),
        _ if text.is_empty() => Err("a revision or a digest is needed".to_owned()),
        _ => Ok(Revision::Image(text.to_owned())),
    }
}

/// Points the tag at an image of its history.
///
/// # Errors
/// The tag has no such image, or the stream cannot be written.
pub(super) async fn run(args: RollbackArgs, session: &Session) -> CommandResult {
    let doing = format!("roll back `{}`", args.target.escape_debug());
    let (name, tag) = stream_tag(&args.target, &doing)?;
    let streams = session.streams();
    let change = |draft: &mut crate::streams::Draft, view: &crate::streams::View| {
        roll_back(draft, view, &tag, &args.to, Timestamp::now())
    };
    let done = if args.dry_run {
        streams.preview(&name, Missing::Refused, change)
    } else {
        streams.edit(&name, Missing::Refused, change)
    };
    let (rolled, _) = done.map_err(cannot(&doing))?;
    if let Some(from) = rolled.unfollowed.filter(|from| !args.dry_run && from.kind == SourceKind::DockerImage) {
        let again = format!("tranship stream import {name}:{tag} --from {} --confirm", from.name);
        session.console().hint(&format!("it follows `{}` no more; to follow it again: `{again}`", from.name));
    }
    let (old_digest, digest) = (rolled.from, rolled.to);
    let report = RollbackReport { stream: name.clone(), tag, digest, old_digest, dry_run: args.dry_run };
    let outcome = Outcome::done(report);
    Ok(if args.dry_run { outcome } else { fire(&[name], outcome, session).await })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RollbackReport {
    stream: StreamName,
    tag: Tag,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_digest: Option<Digest>,
    /// Whether nothing was changed, and this is what would be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Report for RollbackReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let image = StreamReference::of_tag(self.stream.clone(), self.tag.clone());
        let words = match &self.old_digest {
            Some(old) if *old != self.digest => format!("it was {}", old.short()),
            _ => "unchanged".to_owned(),
        };
        writeln!(page, "{image}@{}  ({words})", self.digest)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.digest)
    }
}
