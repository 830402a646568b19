//! What refers to an image: signatures, SBOMs, attestations, and what refers to those.
//!
//! Found by the referrers of a manifest, and where a registry has no such list also by cosign's tags. A list is
//! a stranger's word: what does not name the subject itself is left out.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::graph::{AT_ONCE, MAX_DEPTH, Walk, child_of};
use super::{Destination, Error, Role, Source};
use crate::image::{Descriptor, Digest, RawManifest, Selector, Tag};
use crate::registry::ReferrersFrom;

/// The ends of the tags under which cosign keeps what belongs to a manifest.
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];

/// A manifest whose attached things are looked for.
pub(super) struct Subject {
    pub(super) digest: Digest,
    /// Whether cosign's tags may name things of it: it is an image, no attached thing itself.
    pub(super) image: bool,
}

/// Something attached that was found.
struct Found {
    descriptor: Descriptor,
    /// The manifest that it has to name, where a list said that it refers to it.
    subject: Option<Digest>,
    tags: Vec<Tag>,
}

/// What the search for attached things brought beside manifests.
#[derive(Default)]
pub(super) struct Harvest {
    /// Those that the destination has already.
    pub(super) present: Vec<Descriptor>,
    pub(super) warnings: Vec<String>,
}

/// Adds what is attached to `subjects` to `walk`, and what is attached to that.
///
/// Where `held` is a destination, the subjects are there already; then what it has of the attached is left out.
///
/// # Errors
/// A list or a manifest cannot be read, or there is more than is taken.
pub(super) async fn collect(
    walk: &mut Walk<'_>,
    source: &Source,
    mut subjects: Vec<Subject>,
    held: Option<&Destination>,
) -> Result<Harvest, Error> {
    let mut harvest = Harvest::default();
    for _ in 0..MAX_DEPTH {
        let mut lists = stream::iter(subjects).map(|subject| list(source, subject)).buffered(AT_ONCE);
        let mut fresh: Vec<Found> = Vec::new();
        while let Some(found) = lists.try_next().await? {
            fresh.extend(found.into_iter().filter(|found| walk.first_sight(&found.descriptor.digest)));
            walk.check_room(fresh.len())?;
        }
        if fresh.is_empty() {
            return Ok(harvest);
        }
        let digests = fresh.iter().map(|found| Subject { digest: found.descriptor.digest.clone(), image: false });
        subjects = digests.collect();
        let mut read = stream::iter(fresh).map(|found| read(source, held, found)).buffered(AT_ONCE);
        while let Some((found, manifest)) = read.try_next().await? {
            let Some(manifest) = manifest else {
                harvest.present.push(found.descriptor);
                continue;
            };
            let subject = manifest.manifest().subject().map(|subject| &subject.digest);
            match &found.subject {
                Some(wanted) if subject != Some(wanted) => harvest.warnings.push(format!(
                    "the source lists {} as referring to {wanted}, which it does not; it stays behind",
                    found.descriptor.digest
                )),
                _ => walk.descend(manifest, Role::Attached, found.tags).await?,
            }
        }
    }
    Err(Error::Bounds("artifacts that refer to artifacts more than 16 deep"))
}

/// What refers to one manifest.
async fn list(source: &Source, subject: Subject) -> Result<Vec<Found>, Error> {
    let (registry, repository) = (&source.registry, &source.repository);
    let listed = registry.referrers(repository, &subject.digest, None).await.map_err(|error| source.failed(error))?;
    let mut found = Vec::new();
    // On this computer looking costs nothing, and what came from a registry without a list stands under tags here too.
    if subject.image && (listed.from == ReferrersFrom::FallbackTag || registry.identity().local) {
        let name = |end| format!("{}-{}.{end}", subject.digest.algorithm().word(), subject.digest.hex());
        // A SHA-512 digest makes no tag: it would be too long.
        let tags = COSIGN.iter().filter_map(|end| name(end).parse::<Tag>().ok()).collect::<Vec<_>>();
        let checks = stream::iter(tags).map(|tag| by_tag(source, tag));
        let tagged: Vec<Option<Found>> = checks.buffered(COSIGN.len()).try_collect().await?;
        found.extend(tagged.into_iter().flatten());
    }
    let refers = |descriptor| Found { descriptor, subject: Some(subject.digest.clone()), tags: Vec::new() };
    found.extend(listed.manifests.into_iter().map(refers));
    Ok(found)
}

async fn by_tag(source: &Source, tag: Tag) -> Result<Option<Found>, Error> {
    let selector = Selector::Tag(tag.clone());
    let found = source.registry.resolve(&source.repository, &selector).await.map_err(|error| source.failed(error))?;
    Ok(found.map(|descriptor| Found { descriptor, subject: None, tags: vec![tag] }))
}

/// Reads something attached, unless the destination that is asked has it.
async fn read(
    source: &Source,
    held: Option<&Destination>,
    found: Found,
) -> Result<(Found, Option<RawManifest>), Error> {
    if let Some(destination) = held {
        let digest = &found.descriptor.digest;
        let selector =
            found.tags.first().map_or_else(|| Selector::Digest(digest.clone()), |tag| Selector::Tag(tag.clone()));
        if destination.resolve(&selector).await?.is_some_and(|there| there.digest == *digest) {
            return Ok((found, None));
        }
    }
    let manifest = child_of(source, found.descriptor.clone()).await?;
    Ok((found, Some(manifest)))
}
