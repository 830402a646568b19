//! What a transfer will do, found out with the fewest requests before anything is written.
//!
//! The destination is asked what it has, then the source. Where they agree there is nothing to do; where the
//! destination has the manifest under another name only the tag moves; else everything that belongs to the image is walked.
//! The plan is a value that can be shown, compared and run; the run checks every belief in it again.

use serde::Serialize;

use super::attached::{self, Harvest, Subject};
use super::graph::{Blobs, Walk, waves};
use super::look::{Aim, Sight, look};
use super::{Destination, Error, Source};
use crate::image::{Attached, Descriptor, Digest, MediaType, Platform, RawManifest, RepositoryName, Tag};
use crate::registry::TagCondition;

/// What the user wants of a transfer.
#[derive(Clone, Debug)]
pub struct Options {
    /// The platforms that are wanted; all where none is named.
    pub platforms: Vec<Platform>,
    /// How much of what refers to the image comes along.
    pub attached: Attached,
    /// Whether a tag that points elsewhere is moved.
    pub clobber: Clobber,
}

impl Default for Options {
    /// Every platform, no attached things, tags are moved.
    fn default() -> Self {
        Self { platforms: Vec::new(), attached: Attached::None, clobber: Clobber::Move }
    }
}

/// What becomes of a tag at the destination that points at something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clobber {
    /// It moves.
    Move,
    /// It stays, and the transfer fails (`--no-clobber`).
    Refuse,
}

/// Why a manifest is part of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It is the image that was named.
    Root,
    /// The image names it.
    Child,
    /// It refers to the image.
    Attached,
}

/// A manifest to put in place.
#[derive(Clone, Debug)]
pub struct ManifestStep {
    /// Its exact bytes.
    pub manifest: RawManifest,
    /// Why.
    pub role: Role,
    /// The tags that it gets.
    pub tags: Vec<Tag>,
    /// When: what it names is in place once all earlier waves are. The root is the last.
    pub wave: usize,
}

/// What a transfer will do.
#[derive(Clone, Debug)]
pub struct TransferPlan {
    pub(super) source: Source,
    pub(super) destination: Destination,
    pub(super) options: Options,
    pub(super) digest: Digest,
    pub(super) media_type: Option<MediaType>,
    pub(super) narrowed_from: Option<Digest>,
    /// Whether the destination is believed to have all that the root names.
    pub(super) held: bool,
    pub(super) blobs: Vec<Descriptor>,
    pub(super) foreign: Vec<Descriptor>,
    pub(super) manifests: Vec<ManifestStep>,
    pub(super) attached_present: Vec<Descriptor>,
    pub(super) warnings: Vec<String>,
}

impl TransferPlan {
    /// Finds out what has to be done so that `destination` has what `source` names.
    ///
    /// Writes nothing. Asks at most one request of each side where nothing is to be done (attached things cost
    /// one more, and one for each of them).
    ///
    /// # Errors
    /// A side fails; the image, or one for a wanted platform, is not there; a tag exists that is not to be moved;
    /// what belongs to the image contradicts itself or is more than is taken.
    pub async fn make(source: &Source, destination: &Destination, options: &Options) -> Result<Self, Error> {
        let sight = look(source, destination, options).await?;
        if let Some(expected) = destination.expected.as_ref().filter(|expected| **expected != sight.aim.digest) {
            return Err(Error::OtherDigest { expected: expected.clone(), found: sight.aim.digest });
        }
        let mut plan = Self {
            source: source.clone(),
            destination: destination.clone(),
            options: options.clone(),
            digest: sight.aim.digest.clone(),
            media_type: sight.media_type.clone(),
            narrowed_from: sight.aim.narrowed_from.clone(),
            held: sight.content_held,
            blobs: Vec::new(),
            foreign: Vec::new(),
            manifests: Vec::new(),
            attached_present: Vec::new(),
            warnings: Vec::new(),
        };
        plan.fill(sight).await?;
        Ok(plan)
    }

    /// The same transfer, supposing that the destination has nothing: for when it turned out to lack what it
    /// was believed to have.
    pub(super) async fn whole(&self) -> Result<Self, Error> {
        let root = self.manifests.iter().find(|step| step.role == Role::Root);
        let manifest = root.map(|step| step.manifest.clone());
        let lacking = root.map_or_else(Vec::new, |step| step.tags.clone());
        let aim = Aim { manifest, ..Aim::known(self.digest.clone()) };
        let mut plan = Self { held: false, warnings: Vec::new(), attached_present: Vec::new(), ..self.clone() };
        let media_type = self.media_type.clone();
        plan.fill(Sight { aim, lacking, content_held: false, root_held: false, media_type }).await?;
        Ok(plan)
    }

    /// Walks what has to travel and makes the steps of it.
    async fn fill(&mut self, sight: Sight) -> Result<(), Error> {
        let Sight { aim, lacking, content_held, root_held, .. } = sight;
        let (source, made_here) = (self.source.clone(), aim.made_here);
        let same_repository = self.is_within_one_repository();
        let every = self.options.attached == Attached::All && !same_repository;
        let done = root_held && lacking.is_empty();
        let mut walk = Walk::new(&source);
        let root = if done && !every { None } else { Some(aim.manifest(&source).await?) };
        if let Some(root) = &root {
            self.media_type = Some(root.media_type().clone());
            self.warnings.extend(root.warning().map(ToString::to_string));
            if !content_held || every {
                walk.descend(root.clone(), Role::Root, lacking.clone()).await?;
            }
        }
        let subjects = if same_repository { Vec::new() } else { self.subjects(&walk, made_here) };
        if content_held {
            walk.drop_nodes();
            if let Some(root) = root.filter(|_| !done) {
                walk.add(root, Role::Root, lacking)?;
            }
        }
        let checks = content_held || self.destination.registry.identity().local;
        let held = checks.then_some(&self.destination);
        let harvest = attached::collect(&mut walk, &source, subjects, held).await?;
        self.settle(walk, harvest)
    }

    /// The manifests whose attached things come along.
    fn subjects(&mut self, walk: &Walk<'_>, made_here: bool) -> Vec<Subject> {
        let subject = |digest: &Digest| Subject { digest: digest.clone(), image: true };
        let root = match self.options.attached {
            Attached::None => return Vec::new(),
            Attached::Image | Attached::All if made_here => {
                self.warnings
                    .push("what refers to the whole index stays behind, because the digest changes".to_owned());
                None
            }
            Attached::Image | Attached::All => Some(subject(&self.digest)),
        };
        let every = self.options.attached == Attached::All;
        let children = walk.nodes().iter().filter(|node| every && node.role == Role::Child);
        root.into_iter().chain(children.map(|node| subject(node.manifest.digest()))).collect()
    }

    fn settle(&mut self, walk: Walk<'_>, harvest: Harvest) -> Result<(), Error> {
        let nodes = walk.finish();
        let travels = |role: Role| role != Role::Root || !self.held;
        let blobs = Blobs::of(nodes.iter().filter(|node| travels(node.role)).map(|node| &node.manifest))?;
        (self.blobs, self.foreign) = (blobs.travelling, blobs.foreign);
        self.manifests = waves(nodes);
        self.attached_present = harvest.present;
        self.warnings.extend(harvest.warnings);
        Ok(())
    }

    /// The digest that the destination will have.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The digest of the index that was narrowed to the wanted platforms, where one was.
    #[must_use]
    pub const fn narrowed_from(&self) -> Option<&Digest> {
        self.narrowed_from.as_ref()
    }

    /// Whether the destination has everything already.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.manifests.is_empty()
    }

    /// The blobs that may have to travel, biggest first.
    #[must_use]
    pub fn blobs(&self) -> &[Descriptor] {
        &self.blobs
    }

    /// The manifests to put in place, in order.
    #[must_use]
    pub fn manifests(&self) -> &[ManifestStep] {
        &self.manifests
    }

    /// A repository of the destination that is believed to have every blob.
    pub(super) fn mount_from(&self) -> Option<&RepositoryName> {
        let other = self.source.repository != self.destination.repository;
        (other && self.destination.shares_place_with(&self.source)).then_some(&self.source.repository)
    }

    pub(super) fn is_within_one_repository(&self) -> bool {
        self.destination.is_repository_of(&self.source)
    }

    /// Under which condition the tags of `step` are moved.
    pub(super) fn condition(&self, step: &ManifestStep) -> TagCondition {
        match self.options.clobber {
            Clobber::Refuse if step.role == Role::Root => TagCondition::Absent,
            Clobber::Move | Clobber::Refuse => TagCondition::Always,
        }
    }
}
