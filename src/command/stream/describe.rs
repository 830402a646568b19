//! A stream in words, in the manner of `oc describe imagestream`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use jiff::Timestamp;

use crate::image::{Digest, Tag};
use crate::output::{Page, Shown, age};
use crate::streams::{SourceKind, TagHistory, TagReference, View};

/// The note in which `oc apply` keeps the whole document once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Writes all of a stream.
///
/// # Errors
/// Those of the page.
pub(super) fn describe(view: &View, now: Timestamp, page: &mut Page<'_>) -> io::Result<()> {
    let metadata = &view.metadata;
    writeln!(page, "Name:           {}", metadata.name)?;
    if let Some(namespace) = &metadata.namespace {
        writeln!(page, "Namespace:      {}", Shown(namespace))?;
    }
    if let Some(created) = metadata.creation_timestamp {
        writeln!(page, "Created:        {}", age(created, now))?;
    }
    for (head, notes) in [("Labels:", &metadata.labels), ("Annotations:", &metadata.annotations)] {
        for (index, (key, value)) in notes.iter().filter(|(key, _)| *key != LAST_APPLIED).enumerate() {
            let head = if index == 0 { head } else { "" };
            writeln!(page, "{head:<16}{}={}", Shown(key), Shown(value))?;
        }
    }
    let followed = view.spec.docker_image_repository.as_ref().or(view.status.docker_image_repository.as_ref());
    if let Some(repository) = followed {
        writeln!(page, "Image Repository: {}", Shown(repository))?;
    }
    writeln!(page, "Image Lookup:   local={}", view.spec.lookup_policy.local)?;
    let items = view.status.tags.iter().flat_map(|history| &history.items);
    let unique: BTreeSet<&Digest> = items.filter_map(|item| item.image.as_ref()).collect();
    writeln!(page, "Unique Images:  {}", unique.len())?;
    let tags = view.tags();
    writeln!(page, "Tags:           {}", tags.len())?;
    tags.into_iter().try_for_each(|tag| describe_tag(view, tag, now, page))
}

fn describe_tag(view: &View, tag: &Tag, now: Timestamp, page: &mut Page<'_>) -> io::Result<()> {
    let (reference, history) = (view.reference(tag), view.history(tag));
    writeln!(page, "\n{tag}")?;
    match reference {
        Some(reference) => describe_source(reference, page)?,
        None => writeln!(page, "  no spec tag")?,
    }
    if let Some(reference) = reference {
        describe_notes(reference, page)?;
        let is_asked = reference.from.as_ref().is_some_and(|from| from.kind == SourceKind::DockerImage);
        let is_new = history.is_none_or(|history| history.items.is_empty() && history.conditions.is_empty());
        if is_asked && !reference.reference && is_new {
            writeln!(page, "\n  ~ not imported yet")?;
        }
    }
    history.map_or(Ok(()), |history| describe_history(history, now, page))
}

/// Where the image comes from, and how it is looked up.
fn describe_source(reference: &TagReference, page: &mut Page<'_>) -> io::Result<()> {
    let Some(from) = &reference.from else {
        return writeln!(page, "  pushed image");
    };
    let name = Shown(&from.name);
    match from.kind {
        SourceKind::DockerImage if reference.reference => writeln!(page, "  reference to registry {name}")?,
        SourceKind::DockerImage if reference.import_policy.scheduled => {
            writeln!(page, "  updates automatically from registry {name}")?;
        }
        SourceKind::DockerImage | SourceKind::ImageStreamImage => writeln!(page, "  tagged from {name}")?,
        SourceKind::ImageStreamTag if reference.reference => writeln!(page, "  reference to {name}")?,
        SourceKind::ImageStreamTag => writeln!(page, "  follows {name}")?,
    }
    if reference.import_policy.insecure {
        writeln!(page, "    will use insecure HTTPS or HTTP connections in OpenShift")?;
    }
    if reference.reference_policy.kind.as_deref() == Some("Local") {
        writeln!(page, "    prefer registry pullthrough when referencing this tag in OpenShift")?;
    }
    Ok(())
}

fn describe_notes(reference: &TagReference, page: &mut Page<'_>) -> io::Result<()> {
    let note = |key: &str| reference.annotations.get(key).filter(|text| !text.is_empty());
    if let Some(text) = note("description") {
        writeln!(page, "\n  {}", Shown(text))?;
    }
    for (head, key) in [("Tags", "tags"), ("Supports", "supports"), ("Example Repo", "sampleRepo")] {
        if let Some(text) = note(key) {
            writeln!(page, "  {head}: {}", Shown(text))?;
        }
    }
    Ok(())
}

fn describe_history(history: &TagHistory, now: Timestamp, page: &mut Page<'_>) -> io::Result<()> {
    if history.failed_import().is_some() || !history.items.is_empty() {
        writeln!(page)?;
    }
    if let Some(failed) = history.failed_import() {
        writeln!(page, "  ! error: Import failed ({}): {}", Shown(&failed.reason), Shown(&failed.message))?;
        if let Some(since) = failed.last_transition_time {
            writeln!(page, "      {}", age(since, now))?;
        }
    }
    for (index, item) in history.items.iter().enumerate() {
        let mark = if index == 0 { '*' } else { ' ' };
        writeln!(page, "  {mark} {}", Shown(&item.docker_image_reference))?;
        // A reference by tag does not say which image it was.
        if let Some(digest) = item.image.as_ref().map(ToString::to_string)
            && !item.docker_image_reference.ends_with(&digest)
        {
            writeln!(page, "      {digest}")?;
        }
        if let Some(created) = item.created {
            writeln!(page, "      {}", age(created, now))?;
        }
    }
    Ok(())
}
