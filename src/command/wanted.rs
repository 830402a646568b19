//! The images that sites are to have: from specs and by name, with the one name that each has at every site.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;

use super::specs::{Images, KindFlag, read_all, tell_notes};
use super::{CommandError, cannot};
use crate::application::Kind;
use crate::failure::FailureKind;
use crate::image::{Digest, ImageReference, Location, RegistryPath, RepositoryName, Selector, StoreSelector, Tag};
use crate::session::{Access, Session, SessionError};
use crate::sites::Needed;
use crate::transfer::Source;

/// Which images: those that specs name, and others.
#[derive(Args, Clone, Debug)]
pub(super) struct WantedFlags {
    /// Images; `store:NAME` is one of the store
    #[arg(value_name = "IMAGE")]
    pub(super) images: Vec<String>,

    /// Every image that this file names; `-` is standard input (repeatable)
    #[arg(short = 'f', long = "file", value_name = "SPEC")]
    pub(super) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) kind: KindFlag,
}

/// An image that sites are to have.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// As it is named.
    pub(super) shown: String,
    /// Its repository, by the name that every site has for it.
    pub(super) repository: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
    /// Where it can be read: the home, and else where it comes from.
    places: Vec<Location>,
}

impl WantedFlags {
    /// Reads the specs and the names; what cannot be told of some stands beside the rest.
    ///
    /// # Errors
    /// A spec cannot be read, or nothing is named at all.
    pub(super) fn read(&self, session: &Session) -> Result<(Vec<Wanted>, Vec<CommandError>), CommandError> {
        if self.images.is_empty() && self.files.is_empty() {
            return Err(CommandError::usage("no image is named").with_hint("name some, or specs with `-f SPEC`"));
        }
        let specs = read_all(&self.files, self.kind.kind)?;
        tell_notes(&specs, session.console());
        let Images { named, mut failures, .. } = Images::of(&specs, session)?;
        let named =
            named.into_iter().map(|image| (image.reference.to_string(), Ok(Location::Registry(image.reference))));
        let words = self.images.iter().map(|word| (word.clone(), session.location(word)));
        let mut wanted = Vec::new();
        for (shown, location) in named.chain(words) {
            match location.and_then(|location| Wanted::of(&location, session)) {
                Ok(image) => wanted.push(image),
                Err(error) => failures.push(CommandError::new(format!("cannot use `{}`", shown.escape_debug()), error)),
            }
        }
        Ok((wanted, failures))
    }
}

impl Wanted {
    fn of(location: &Location, session: &Session) -> Result<Self, SessionError> {
        let shown = location.to_string();
        match location {
            Location::Registry(reference) => {
                let repository = session.common_name(reference)?;
                let mut places = vec![session.at_home(reference)?, location.clone()];
                places.dedup();
                let (tag, digest) = (reference.tag().cloned(), reference.digest().cloned());
                Ok(Self { shown, repository, tag, digest, places })
            }
            Location::Store { repository, selector } => {
                let (tag, digest) = match selector {
                    StoreSelector::Tag(tag) => (Some(tag.clone()), None),
                    StoreSelector::Digest(digest, tag) => (tag.clone(), Some(digest.clone())),
                    StoreSelector::Prefix(prefix) => return Err(SessionError::Truncated(prefix.to_string())),
                };
                Ok(Self { shown, repository: repository.clone(), tag, digest, places: vec![location.clone()] })
            }
            Location::Stream(reference) => {
                let location = Location::Registry(session.stream_image(reference)?);
                Ok(Self { shown, ..Self::of(&location, session)? })
            }
            Location::Layout { .. } => Err(SessionError::Files { shown, what: "a layout" }),
            Location::Archive { .. } => Err(SessionError::Files { shown, what: "an archive" }),
            Location::Directory(_) => Err(SessionError::Files { shown, what: "a directory" }),
        }
    }

    /// Finds the image: at home, else where it comes from. From here on it is its digest, wherever a tag moves.
    ///
    /// # Errors
    /// It is nowhere, or a place cannot be asked.
    pub(super) async fn find(&self, access: &Access, session: &Session) -> Result<Found, CommandError> {
        let doing = || format!("find `{}`", self.shown);
        for place in &self.places {
            let source = session.source(place, access).await.map_err(cannot(doing()))?;
            let found = source.registry.resolve(&source.repository, &source.selector).await.map_err(cannot(doing()))?;
            if let Some(found) = found {
                let selector = Selector::Digest(found.digest.clone());
                return Ok(Found { digest: found.digest, source: Source { selector, ..source } });
            }
        }
        let message = format!("cannot {}: it is neither at home nor where it comes from", doing());
        Err(CommandError::plain(FailureKind::NotFound, message))
    }

    /// The tag that it has at sites. Upkeep of many registries takes what has none.
    pub(super) fn tag_for(&self, digest: &Digest) -> Tag {
        self.tag.clone().unwrap_or_else(|| tag_of(digest))
    }

    /// Its name at a registry of a site: by its digest where that is meant, else by its tag.
    ///
    /// # Errors
    /// The name would be too long.
    pub(super) fn name_at(&self, path: &RegistryPath) -> Result<ImageReference, SessionError> {
        let selector = match (&self.digest, &self.tag) {
            (Some(digest), _) => Selector::Digest(digest.clone()),
            (None, tag) => Selector::Tag(tag.clone().unwrap_or_else(Tag::latest)),
        };
        Ok(ImageReference::new(path.registry.clone(), path.repository(&self.repository)?, selector))
    }
}

/// An image, and where it is read.
pub(super) struct Found {
    pub(super) digest: Digest,
    pub(super) source: Source,
}

/// The tag of an image that is named by its digest alone.
pub(super) fn tag_of(digest: &Digest) -> Tag {
    // Twelve digits are a tag.
    format!("digest-{}", digest.short()).parse().unwrap_or_else(|_| Tag::latest())
}

/// The digests that the images of specs have at home. One that is not there has none to be kept.
///
/// # Errors
/// A spec cannot be read, it cannot be told of every image what it is, or the home cannot be asked.
pub(super) async fn used_at_home(
    files: &[PathBuf],
    kind: Option<Kind>,
    access: &Access,
    session: &Session,
) -> Result<BTreeSet<Digest>, CommandError> {
    let mut used = BTreeSet::new();
    let Images { named, mut failures, .. } = Images::of(&read_all(files, kind)?, session)?;
    if let Some(error) = failures.pop() {
        return Err(error.with_hint("nothing is removed while it is not known of every image what it is"));
    }
    for image in named {
        let doing = || format!("find `{}` at home", image.reference);
        let home = session.at_home(&image.reference).map_err(cannot(doing()))?;
        let source = session.source(&home, access).await.map_err(cannot(doing()))?;
        let found = source.registry.resolve(&source.repository, &source.selector).await.map_err(cannot(doing()))?;
        used.extend(found.map(|found| found.digest));
    }
    Ok(used)
}

/// What is needed of every repository, by the name that sites have for it.
pub(super) fn needed(wanted: &[Wanted]) -> BTreeMap<RepositoryName, Needed> {
    let mut needed: BTreeMap<RepositoryName, Needed> = BTreeMap::new();
    for image in wanted {
        let of_repository = needed.entry(image.repository.clone()).or_default();
        of_repository.tags.extend(image.tag.clone());
        of_repository.digests.extend(image.digest.clone());
    }
    needed
}
