//! Which image of a shelf is meant, and reading it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::shelf::Shelf;
use crate::blobs::{Entry, Index, blocking};
use crate::image::{Algorithm, Descriptor, Digest, LayoutSelector, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    BlobReader, ByteRange, Error, ErrorKind, Identity, ImageSource, Referrers, ReferrersFrom, Remedy, Result,
};

/// The most names that a message lists.
const SHOWN: usize = 10;

/// One image of a shelf: every tag means it, but for those of attached things. Clones are the same.
#[derive(Clone)]
pub struct Selection {
    view: Arc<View>,
}

/// One image of a shelf, for threads that may wait.
pub(super) struct View {
    shelf: Arc<dyn Shelf>,
    image: Image,
}

/// Which image is meant.
#[derive(Clone, Debug)]
pub(super) enum Image {
    /// One that is there.
    Source(LayoutSelector),
    /// One that is to be, under this name or none.
    Destination(Option<String>),
    /// The one that stands first, where any does: the place has but one.
    First,
}

impl Selection {
    /// An image, whether it is there or not.
    pub(super) fn new(shelf: Arc<dyn Shelf>, image: Image) -> Self {
        Self { view: Arc::new(View { shelf, image }) }
    }

    /// An image that is there.
    ///
    /// # Errors
    /// `NotFound` where it is not, `Conflict` where several could be meant, `Corrupt`, `Storage`.
    pub(super) async fn open(shelf: Arc<dyn Shelf>, selector: LayoutSelector) -> Result<Self> {
        let selection = Self::new(shelf, Image::Source(selector));
        selection.with(|view| view.image()?.map(|_| ()).ok_or_else(|| view.no_image())).await?;
        Ok(selection)
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&View) -> Result<T> + Send + 'static) -> Result<T> {
        let view = Arc::clone(&self.view);
        blocking(move || work(&view)).await
    }
}

#[async_trait]
impl ImageSource for Selection {
    fn identity(&self) -> &Identity {
        self.view.shelf.identity()
    }

    async fn resolve(&self, _: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        let selector = selector.clone();
        self.with(move |view| view.look_up(&selector)).await
    }

    async fn manifest(&self, _: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        let selector = selector.clone();
        self.with(move |view| match view.look_up(&selector)? {
            Some(found) => read(&*view.shelf, &found),
            None => Err(view.no_manifest(&selector)),
        })
        .await
    }

    async fn blob(&self, _: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        self.view.shelf.open(blob, range).await
    }

    /// A shelf has no list of referrers, so every entry is looked into.
    async fn referrers(&self, _: &RepositoryName, subject: &Digest, artifact_type: Option<&str>) -> Result<Referrers> {
        let subject = subject.clone();
        let mut manifests = self.with(move |view| view.referrers_of(&subject)).await?;
        manifests.retain(|found| artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted)));
        Ok(Referrers { manifests, from: ReferrersFrom::Api })
    }
}

impl View {
    fn error(&self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, message).at(&self.shelf.identity().place)
    }

    /// The manifest that a selector picks. A digest may be that of any manifest on the shelf, listed or not.
    fn look_up(&self, selector: &Selector) -> Result<Option<Descriptor>> {
        match selector {
            Selector::Tag(tag) if is_of_attached(tag) => {
                let index = self.index()?;
                Ok(index.entries().iter().find(|entry| entry.goes_by(tag.as_str())).map(bare))
            }
            Selector::Tag(_) => self.image(),
            Selector::Digest(digest) => self.by_digest(digest),
        }
    }

    /// The image that this is about.
    pub(super) fn image(&self) -> Result<Option<Descriptor>> {
        let index = self.index()?;
        match &self.image {
            Image::Source(LayoutSelector::Only) => self.only(&index).map(Some),
            Image::Source(LayoutSelector::Digest(digest)) => self.by_digest(digest),
            Image::Source(LayoutSelector::Number(number)) => {
                Ok(self.shelf.by_number(*number)?.map(|found| bare_descriptor(&found)))
            }
            Image::Source(LayoutSelector::Name(name)) | Image::Destination(Some(name)) => {
                let found: Vec<&Entry> = index.entries().iter().filter(|entry| entry.goes_by(name)).collect();
                match one_of(&found) {
                    None if !found.is_empty() => {
                        let what = format!("{} images of the name `{}`", found.len(), name.escape_debug());
                        Err(self.several(&what, &found))
                    }
                    one => Ok(one),
                }
            }
            Image::First => Ok(index.entries().first().map(bare)),
            Image::Destination(None) => {
                Ok(index.entries().iter().find(|entry| entry.name().is_none() && self.is_image(entry)).map(bare))
            }
        }
    }

    /// The one image of the shelf: the only entry, or the only image beside attached things, or the only one with a
    /// name.
    fn only(&self, index: &Index) -> Result<Descriptor> {
        let all: Vec<&Entry> = index.entries().iter().collect();
        if all.is_empty() {
            return Err(self.error(ErrorKind::NotFound, format!("{} holds no image", self.shelf.shown())));
        }
        if let Some(one) = one_of(&all) {
            return Ok(one);
        }
        let images: Vec<&Entry> = all.into_iter().filter(|entry| self.is_image(entry)).collect();
        let named: Vec<&Entry> = images.iter().copied().filter(|entry| entry.name().is_some()).collect();
        one_of(&images)
            .or_else(|| one_of(&named))
            .ok_or_else(|| self.several(&format!("{} images", images.len()), &images))
    }

    /// Whether an entry is an image of its own, and not attached to another.
    pub(super) fn is_image(&self, entry: &Entry) -> bool {
        let attached = entry.name().is_some_and(is_name_of_attached);
        let read = || read(&*self.shelf, entry.descriptor());
        !attached && read().is_ok_and(|manifest| manifest.manifest().subject().is_none())
    }

    pub(super) fn by_digest(&self, digest: &Digest) -> Result<Option<Descriptor>> {
        if let Some(entry) = self.index()?.of(digest).next() {
            return Ok(Some(bare(entry)));
        }
        let Some(bytes) = self.shelf.document(digest)? else { return Ok(None) };
        // Any blob may have been asked for; one that is no manifest is none that is there.
        Ok(RawManifest::parse(bytes, None, digest.algorithm()).ok().map(|manifest| manifest.descriptor()))
    }

    /// What the shelf lists; nothing where a destination is not made yet.
    fn index(&self) -> Result<Arc<Index>> {
        match (self.shelf.index(), &self.image) {
            (Err(error), Image::Destination(_) | Image::First) if error.kind() == ErrorKind::NotFound => {
                Ok(Arc::default())
            }
            (read, _) => read,
        }
    }

    fn several(&self, what: &str, found: &[&Entry]) -> Error {
        let message = format!("{} holds {what}, and which of them is meant is not said", self.shelf.shown());
        self.error(ErrorKind::Conflict, message).with_remedy(self.choices(found))
    }

    pub(super) fn no_image(&self) -> Error {
        let wanted = match &self.image {
            Image::Source(LayoutSelector::Name(name)) | Image::Destination(Some(name)) => {
                format!("image `{}`", name.escape_debug())
            }
            Image::Source(LayoutSelector::Digest(digest)) => format!("manifest {digest}"),
            Image::Source(LayoutSelector::Number(number)) => format!("image of the number {number}"),
            Image::Source(LayoutSelector::Only) | Image::Destination(None) | Image::First => {
                "image without a name".to_owned()
            }
        };
        let error = self.error(ErrorKind::NotFound, format!("{} holds no {wanted}", self.shelf.shown()));
        match self.index() {
            Ok(index) if !index.entries().is_empty() => {
                let images: Vec<&Entry> = index.entries().iter().filter(|entry| self.is_image(entry)).collect();
                error.with_remedy(self.choices(&images))
            }
            _ => error,
        }
    }

    fn no_manifest(&self, selector: &Selector) -> Error {
        if let (Selector::Tag(_), Image::Source(_) | Image::First) = (selector, &self.image) {
            return self.no_image();
        }
        self.error(ErrorKind::NotFound, format!("{} holds no manifest `{selector}`", self.shelf.shown()))
    }

    /// Says how the images that are there are named.
    fn choices(&self, found: &[&Entry]) -> Remedy {
        let place = &self.shelf.identity().place;
        let written = |entry: &&Entry| match entry.name() {
            Some(name) => format!("`{place}:{}`", name.escape_debug()),
            None => format!("`{place}@{}`", entry.descriptor().digest),
        };
        let names: BTreeSet<String> = found.iter().map(written).collect();
        let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
        let shown: Vec<String> = names.into_iter().take(SHOWN).collect();
        Remedy::Other(format!("it holds {}{more}", shown.join(", ")))
    }

    fn referrers_of(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let mut found: Vec<Descriptor> = Vec::new();
        for entry in self.index()?.entries() {
            // What cannot be read is not known to refer to anything; whoever reads it by name hears why.
            let Ok(manifest) = read(&*self.shelf, entry.descriptor()) else { continue };
            let refers = manifest.manifest().subject().is_some_and(|own| own.digest == *subject);
            if refers && found.iter().all(|known| known.digest != *manifest.digest()) {
                let annotations = manifest.manifest().annotations().clone();
                found.push(Descriptor { annotations, ..manifest.descriptor() });
            }
        }
        Ok(found)
    }
}

/// Reads a manifest of a shelf, and compares it with what is said of it.
pub(super) fn read(shelf: &dyn Shelf, described: &Descriptor) -> Result<RawManifest> {
    let digest = &described.digest;
    let error = |kind, message| Error::new(kind, message).at(&shelf.identity().place);
    let bytes = shelf
        .document(digest)?
        .ok_or_else(|| error(ErrorKind::NotFound, format!("{} lacks the manifest {digest}", shelf.shown())))?;
    if bytes.len() as u64 != described.size {
        let message = format!("the manifest {digest} has {} bytes, not {}", bytes.len(), described.size);
        return Err(error(ErrorKind::Corrupt, message));
    }
    RawManifest::parse(bytes, Some(&described.media_type), digest.algorithm())
        .map_err(|cause| error(ErrorKind::Corrupt, format!("the manifest {digest} cannot be used")).caused_by(cause))
}

/// Whether the name of an entry is such a tag.
pub(super) fn is_name_of_attached(name: &str) -> bool {
    name.parse().is_ok_and(|tag| is_of_attached(&tag))
}

/// Whether a tag is one of those under which things are attached to an image: `sha256-HEX`, `sha256-HEX.sig`, ….
pub(super) fn is_of_attached(tag: &Tag) -> bool {
    [Algorithm::Sha256, Algorithm::Sha512].into_iter().any(|algorithm| {
        let hex = tag.as_str().strip_prefix(algorithm.word()).and_then(|rest| rest.strip_prefix('-'));
        hex.and_then(|hex| hex.split('.').next()).is_some_and(|hex| {
            // A tag is too short for a whole SHA-512, which is cut then.
            hex.len() >= 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    })
}

/// The one manifest that all of these entries name.
fn one_of(entries: &[&Entry]) -> Option<Descriptor> {
    let (first, others) = entries.split_first()?;
    let same = |other: &&Entry| other.descriptor().digest == first.descriptor().digest;
    others.iter().all(same).then(|| bare(first))
}

/// The manifest of an entry without the notes on it.
fn bare(entry: &Entry) -> Descriptor {
    bare_descriptor(entry.descriptor())
}

fn bare_descriptor(descriptor: &Descriptor) -> Descriptor {
    Descriptor::new(descriptor.media_type.clone(), descriptor.digest.clone(), descriptor.size)
}
