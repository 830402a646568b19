//! `delete`: a tag, or a manifest with every tag on it.

use std::io::{self, Write};

use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::flags::RegistryFlags;
use super::resolve::missing;
use super::{CommandError, CommandResult, LOOKS, Outcome, cannot};
use crate::failure::FailureKind;
use crate::image::{Algorithm, Digest, MediaType, RawManifest, Selector, Tag};
use crate::output::{Confirmation, Page, Report};
use crate::registry::{Error, ErrorKind, TagCondition};
use crate::session::{Place, Purpose, Session};

/// Flags of `delete`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship delete registry.example.com/app:1.4-rc.1\n  \
    $ tranship delete registry.example.com/app:1.4 --manifest --yes")]
pub(crate) struct DeleteArgs {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,

    /// Remove the manifest that the tag points at, and so every tag on it
    #[arg(long)]
    manifest: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Where the registry cannot remove a single tag: put an empty image under the tag and remove that
    #[arg(long, conflicts_with = "manifest")]
    by_placeholder: bool,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Removes what is named, one by one.
///
/// # Errors
/// None as a whole: images are reported one by one.
pub(super) async fn run(args: DeleteArgs, session: &Session) -> CommandResult {
    let mut removed = Vec::new();
    let mut failures = Vec::new();
    for text in &args.images {
        match delete(text, &args, session).await {
            Ok(image) => removed.push(image),
            Err(error) => failures.push(error),
        }
    }
    let succeeded = removed.len();
    Ok(Outcome::of_several(DeleteReport { images: removed, dry_run: args.dry_run }, succeeded, failures))
}

async fn delete(text: &str, args: &DeleteArgs, session: &Session) -> Result<Removed, CommandError> {
    let doing = || format!("delete `{}`", text.escape_debug());
    let location = session.location(text).map_err(cannot(doing()))?;
    let place = session.place(&location, &args.registry.access(), Purpose::Reading).await.map_err(cannot(doing()))?;
    match &place.selector {
        Selector::Tag(tag) if !args.manifest => {
            // What is not there must not be made by a placeholder, nor blamed on the registry.
            let found = place.source().resolve(&place.repository, &place.selector).await.map_err(cannot(doing()))?;
            found.ok_or_else(|| CommandError::new(format!("cannot {}", doing()), missing(&location)))?;
            if !args.dry_run {
                remove_tag(&place, tag, args.by_placeholder).await.map_err(cannot(doing()))?;
            }
            Ok(Removed { reference: place.shown.clone(), digest: None, tags: vec![tag.clone()] })
        }
        selector => {
            let found = place.source().resolve(&place.repository, selector).await.map_err(cannot(doing()))?;
            let found = found.ok_or_else(|| CommandError::new(format!("cannot {}", doing()), missing(&location)))?;
            let tags = tags_on(&place, &found.digest).await.map_err(cannot(doing()))?;
            if !args.dry_run {
                confirm(&place, &found.digest, &tags, args.yes, session)?;
                place.registry.remove_manifest(&place.repository, &found.digest).await.map_err(cannot(doing()))?;
            }
            Ok(Removed { reference: place.shown.clone(), digest: Some(found.digest), tags })
        }
    }
}

async fn remove_tag(place: &Place, tag: &Tag, by_placeholder: bool) -> Result<(), Error> {
    match place.registry.remove_tag(&place.repository, tag).await {
        Err(error) if error.kind() == ErrorKind::Unsupported && by_placeholder => replace_and_remove(place, tag).await,
        other => other,
    }
}

/// Points the tag at an image that nothing else points at, and removes that image: the way round a registry
/// that removes manifests alone.
async fn replace_and_remove(place: &Place, tag: &Tag) -> Result<(), Error> {
    let mut unique = [0; 16];
    getrandom::fill(&mut unique)
        .map_err(|error| Error::new(ErrorKind::Storage, "no random numbers are to be had").caused_by(error))?;
    // An index of nothing needs no blob, and the note makes its digest one of a kind.
    let document = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::oci_index(),
        "manifests": [],
        "annotations": {"placeholder": format!("{:032x}", u128::from_ne_bytes(unique))},
    });
    let bytes = document.to_string().into_bytes().into();
    let placeholder = RawManifest::parse(bytes, Some(&MediaType::oci_index()), Algorithm::Sha256)
        .map_err(|error| Error::new(ErrorKind::Nonsense, "the placeholder is wrong").caused_by(error))?;
    place
        .registry
        .push_manifest(&place.repository, &placeholder, std::slice::from_ref(tag), TagCondition::Always)
        .await?;
    place.registry.remove_manifest(&place.repository, placeholder.digest()).await
}

/// Every tag of the repository that points at `digest`. A repository whose tags cannot be listed has none to tell.
async fn tags_on(place: &Place, digest: &Digest) -> Result<Vec<Tag>, Error> {
    let pages: Vec<Vec<Tag>> = match place.registry.tags(&place.repository).try_collect().await {
        Ok(pages) => pages,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let points_there = |tag: Tag| async move {
        let found = place.source().resolve(&place.repository, &Selector::Tag(tag.clone())).await?;
        Ok::<_, Error>(found.is_some_and(|found| found.digest == *digest).then_some(tag))
    };
    let tags = futures_util::stream::iter(pages.into_iter().flatten()).map(points_there).buffered(LOOKS);
    tags.try_filter_map(|tag| std::future::ready(Ok(tag))).try_collect().await
}

fn confirm(place: &Place, digest: &Digest, tags: &[Tag], yes: bool, session: &Session) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    let with = in_words(tags);
    let question = format!("Remove {digest} from {}, and {with} with it?", place.shown_repository);
    match session.console().confirm(&question).map_err(cannot("ask"))? {
        Confirmation::Yes => Ok(()),
        Confirmation::No => Err(CommandError::plain(FailureKind::Failed, "nothing was removed")),
        Confirmation::NoTerminal => Err(CommandError::usage(format!("removing {digest} takes {with} with it"))
            .with_hint("pass `--yes` to do so all the same")),
    }
}

/// Tags as part of a sentence.
fn in_words(tags: &[Tag]) -> String {
    match tags {
        [] => "no tag".to_owned(),
        [tag] => format!("the tag {tag}"),
        several => format!("the tags {}", several.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ")),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeleteReport {
    images: Vec<Removed>,
    /// Whether nothing was removed, and this is what would be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Report for DeleteReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let removed = if self.dry_run { "would remove" } else { "removed" };
        for image in &self.images {
            match &image.digest {
                None => writeln!(page, "{removed} {}", image.reference)?,
                Some(digest) => writeln!(page, "{removed} {digest} with {}", in_words(&image.tags))?,
            }
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(page, "{}", image.reference))
    }
}
