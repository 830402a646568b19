//! Making a bundle: what the rules name now and the last bundle did not, packed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::beyond::Beyond;
use super::{BundleDocument, BundleError, BundledImage, DOCUMENT_TYPE, ENTRY, Packing};
use crate::failure::Failure;
use crate::image::{Algorithm, Descriptor, Digest, MediaType, RawManifest, Selector, Tag};
use crate::mirror::listing::{Wanted, repositories};
use crate::mirror::{Error, Means, Opened, Origin, RepositoryPath, Rule, Rules, Subject};
use crate::registry::{self, Begun, ImageDestination, Keep, TagCondition};
use crate::transfer::{Destination, Job, Source, TransferReport};

/// How many tags are looked at at once.
const LOOKS: usize = 8;

/// What came of making a bundle.
#[derive(Debug)]
pub struct Creation {
    /// What the bundle says of itself.
    pub document: BundleDocument,
    /// What was packed, image by image.
    pub reports: Vec<TransferReport>,
}

/// An image that is new since the last bundle.
struct Fresh {
    source: Source,
    bundled: BundledImage,
    rule: usize,
}

/// Packs what `rules` name now and `last` does not know as it is; nothing where there is no such thing.
///
/// One image that fails keeps the whole from being made: what is missing in a bundle nobody could ask for.
///
/// # Errors
/// What the rules name cannot be found out or read, or the archive cannot be written.
pub async fn create_bundle(
    rules: &Rules,
    means: Means<'_>,
    last: Option<&BundleDocument>,
    packing: impl AsyncFnOnce() -> Result<Arc<dyn Packing>, Box<dyn Failure>>,
) -> Result<Option<Creation>, BundleError> {
    let mut document = BundleDocument::behind(last, Timestamp::now());
    let mut fresh: BTreeMap<String, Fresh> = BTreeMap::new();
    for (number, rule) in rules.rules.iter().enumerate() {
        for image in of_rule(number, rule, means, &document).await? {
            fresh.entry(image.bundled.name()).or_insert(image);
        }
    }
    if fresh.is_empty() {
        return Ok(None);
    }
    let pack = packing().await.map_err(|failure| BundleError::Open(Opened(failure)))?;
    let mut reports = Vec::new();
    for (name, image) in fresh {
        let rule = &rules.rules[image.rule];
        reports.push(pack_image(&mut document, &*pack, &name, image, rule, means).await?);
    }
    let document = document.sealed();
    pack_document(&*pack, &document).await?;
    pack.finish().await?;
    Ok(Some(Creation { document, reports }))
}

/// The images of a rule that are not as the last bundle knows them.
async fn of_rule(
    number: usize,
    rule: &Rule,
    means: Means<'_>,
    document: &BundleDocument,
) -> Result<Vec<Fresh>, BundleError> {
    let failed = |what: &dyn std::fmt::Display| {
        let what = format!("`{what}`");
        move |source: Error| BundleError::Rule { what, source }
    };
    let mut found = Vec::new();
    for path in repositories(rule, means.places).await.map_err(failed(&rule.from))? {
        let images = of_repository(rule, &path, means).await.map_err(failed(&path))?;
        let origin = means.places.origin(&path).await.map_err(|error| failed(&path)(error.into()))?;
        let look = async |(selector, tag): (Selector, Option<Tag>)| look(&path, &origin, selector, tag).await;
        let looked: Result<Vec<_>, Error> = stream::iter(images).map(look).buffered(LOOKS).try_collect().await;
        for (source, bundled) in looked.map_err(failed(&path))? {
            if document.known.get(&bundled.name()) != Some(&bundled.digest) {
                found.push(Fresh { source, bundled, rule: number });
            }
        }
    }
    Ok(found)
}

/// The images of a repository that a rule wants.
async fn of_repository(
    rule: &Rule,
    path: &RepositoryPath,
    means: Means<'_>,
) -> Result<Vec<(Selector, Option<Tag>)>, Error> {
    if let Subject::Image { tag, digest, .. } = &rule.from {
        let selector = digest.clone().map(Selector::Digest).or_else(|| tag.clone().map(Selector::Tag));
        return Ok(vec![(selector.unwrap_or_else(|| Selector::Tag(Tag::latest())), tag.clone())]);
    }
    let origin = means.places.origin(path).await?;
    let mut tags = Vec::new();
    let wanted = Wanted { path, origin: &origin, tags: &rule.tags, places: means.places };
    match wanted.each(async |tag: Tag| tags.push((Selector::Tag(tag.clone()), Some(tag)))).await {
        Err(Error::NothingWanted { .. } | Error::NoTags) if rule.takes_several() => {}
        ended => ended?,
    }
    Ok(tags)
}

/// What an image is now. From here on it goes by its digest, however its tag moves.
async fn look(
    path: &RepositoryPath,
    origin: &Origin,
    selector: Selector,
    tag: Option<Tag>,
) -> Result<(Source, BundledImage), Error> {
    let shown = path.image(&selector);
    let digest: Digest = match &selector {
        Selector::Digest(digest) => digest.clone(),
        Selector::Tag(_) => {
            let found = origin.images.resolve(&path.repository, &selector).await?;
            found.ok_or(Error::NothingWanted { there: 0 })?.digest
        }
    };
    let bundled = BundledImage { repository: path.at_home()?, tag, digest: digest.clone() };
    let (registry, repository) = (Arc::clone(&origin.images), path.repository.clone());
    Ok((Source { registry, repository, selector: Selector::Digest(digest), shown }, bundled))
}

async fn pack_image(
    document: &mut BundleDocument,
    pack: &dyn Packing,
    name: &str,
    image: Fresh,
    rule: &Rule,
    means: Means<'_>,
) -> Result<TransferReport, BundleError> {
    let Fresh { source, mut bundled, .. } = image;
    let wanted = bundled.digest.clone();
    let held = document.held.entry(bundled.repository.to_string()).or_default();
    pack.presume(held).await;
    let beyond = Arc::new(Beyond::new(pack.image(name)?, held.clone()));
    let destination = Destination {
        registry: Arc::clone(&beyond) as Arc<dyn ImageDestination>,
        repository: bundled.repository.clone(),
        tags: vec![Tag::latest()],
        expected: None,
        named_by_digest: false,
        shown: name.to_owned(),
    };
    let shown = source.shown.clone();
    let job = Job { source, destinations: vec![destination], options: rule.options(means.options) };
    let mut reports = means.engine.copy_job(&job).await;
    let failed = |source| BundleError::Image { image: format!("`{shown}`"), source };
    let Some(report) = reports.pop() else { return Err(BundleError::NoBundle) };
    let report = report.map_err(failed)?;
    held.extend(beyond.asked());
    // What the source has is what the next bundle is compared with; what was made of it is what this one holds.
    document.known.insert(name.to_owned(), wanted);
    bundled.digest = report.digest.clone();
    document.images.push(bundled);
    Ok(report)
}

/// Puts the document into the archive, as an artifact of one blob.
async fn pack_document(pack: &dyn Packing, document: &BundleDocument) -> registry::Result<()> {
    let place = pack.image(ENTRY)?;
    let (Ok(repository), tag) = ("bundle".parse(), Tag::latest()) else { return Ok(()) };
    let text = Bytes::from(document.text());
    let blob = Descriptor::of(MediaType::new(DOCUMENT_TYPE), &text);
    let config = Descriptor::of(MediaType::new("application/vnd.oci.empty.v1+json"), b"{}");
    let session = place.begin_session(&repository).await?;
    for (blob, bytes) in [(&blob, text), (&config, Bytes::from_static(b"{}"))] {
        if let Begun::Upload(mut upload) = place.begin_blob(&repository, blob, None, None).await? {
            upload.write(bytes).await?;
            upload.commit().await?;
        }
    }
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::oci_manifest(),
        "artifactType": DOCUMENT_TYPE,
        "config": config,
        "layers": [blob],
    });
    let manifest = RawManifest::parse(manifest.to_string().into(), Some(&MediaType::oci_manifest()), Algorithm::Sha256);
    let manifest = manifest.map_err(|error| {
        registry::Error::new(registry::ErrorKind::Nonsense, "the bundle's manifest is wrong").caused_by(error)
    })?;
    place.push_manifest(&repository, &manifest, &[tag], TagCondition::Always).await?;
    session.finish(manifest.digest(), Keep::ForItsTags).await
}
