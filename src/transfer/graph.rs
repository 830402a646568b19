//! What belongs to an image: its manifests, those that they name, and the blobs of all of them.
//!
//! Everything is asked for by digest, so that the whole walk sees one state however tags move meanwhile. What a
//! document says of its children is compared with what they are, and how deep and how much is taken is bounded.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Error, ManifestStep, Role, Source};
use crate::image::{Descriptor, Digest, RawManifest, Selector, Tag};

/// How deep indexes may hold indexes, and artifacts refer to artifacts.
pub(super) const MAX_DEPTH: usize = 16;
/// The most manifests that one transfer takes.
const MAX_MANIFESTS: usize = 2_000;
/// The most bytes that they may have together; all of them are held until they are pushed.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// How many manifests are asked for at once.
pub(super) const AT_ONCE: usize = 6;

/// A manifest that was found, and why.
pub(super) struct Node {
    pub(super) manifest: RawManifest,
    pub(super) role: Role,
    /// Tags of its own that it goes by at the destination, as cosign's artifacts do.
    pub(super) tags: Vec<Tag>,
}

/// A walk over what belongs to an image.
pub(super) struct Walk<'a> {
    source: &'a Source,
    seen: HashSet<Digest>,
    nodes: Vec<Node>,
    bytes: usize,
}

impl<'a> Walk<'a> {
    /// A walk that has seen nothing yet.
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, seen: HashSet::new(), nodes: Vec::new(), bytes: 0 }
    }

    /// The manifests that were found, parents before children.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Forgets the manifests, but not that they were seen: they are at the destination.
    pub(super) fn drop_nodes(&mut self) {
        self.nodes.clear();
    }

    /// Notes that a manifest is taken care of; `false` where it was before.
    pub(super) fn first_sight(&mut self, digest: &Digest) -> bool {
        self.seen.insert(digest.clone())
    }

    /// The manifests that were found, for good.
    pub(super) fn finish(self) -> Vec<Node> {
        self.nodes
    }

    /// Takes `root` without what it names.
    ///
    /// # Errors
    /// There is more than is taken.
    pub(super) fn add(&mut self, manifest: RawManifest, role: Role, tags: Vec<Tag>) -> Result<(), Error> {
        self.seen.insert(manifest.digest().clone());
        self.bytes = self.bytes.saturating_add(manifest.bytes().len());
        self.check_room(1)?;
        if self.bytes > MAX_BYTES {
            return Err(Error::Bounds("more than 64 MiB of manifests"));
        }
        self.nodes.push(Node { manifest, role, tags });
        Ok(())
    }

    /// Sees to it that so many manifests more can be taken, before they are asked for.
    ///
    /// # Errors
    /// That is more than is taken.
    pub(super) fn check_room(&self, more: usize) -> Result<(), Error> {
        let fits = self.nodes.len().saturating_add(more) <= MAX_MANIFESTS;
        if fits { Ok(()) } else { Err(Error::Bounds("more than 2,000 manifests")) }
    }

    /// Takes `root` and every manifest below it.
    ///
    /// # Errors
    /// A manifest cannot be read, is not what its parent says, or there is more than is taken.
    pub(super) async fn descend(&mut self, root: RawManifest, role: Role, tags: Vec<Tag>) -> Result<(), Error> {
        let below = if role == Role::Root { Role::Child } else { role };
        let mut wanted = self.unseen_children(&root);
        self.add(root, role, tags)?;
        for _ in 0..MAX_DEPTH {
            if wanted.is_empty() {
                return Ok(());
            }
            self.check_room(wanted.len())?;
            let source = self.source;
            let mut found = stream::iter(wanted).map(|child| child_of(source, child)).buffered(AT_ONCE);
            wanted = Vec::new();
            // Taken as they come, so that never more than a few are held beyond what is taken.
            while let Some(manifest) = found.try_next().await? {
                wanted.extend(self.unseen_children(&manifest));
                self.check_room(wanted.len())?;
                self.add(manifest, below, Vec::new())?;
            }
        }
        if wanted.is_empty() { Ok(()) } else { Err(Error::Bounds("indexes more than 16 deep")) }
    }

    fn unseen_children(&mut self, manifest: &RawManifest) -> Vec<Descriptor> {
        let children = manifest.manifest().children().iter();
        children.filter(|child| names_manifest(child) && self.seen.insert(child.digest.clone())).cloned().collect()
    }
}

/// Whether an entry of an index is a manifest; some build caches list blobs there.
fn names_manifest(child: &Descriptor) -> bool {
    child.media_type.is_manifest() || child.media_type.is_generic() || child.media_type.is_schema_1()
}

/// Reads what a document or a list names, and compares it with what is said there.
pub(super) async fn child_of(source: &Source, said: Descriptor) -> Result<RawManifest, Error> {
    let found = source.manifest(&Selector::Digest(said.digest.clone())).await?;
    let length = found.bytes().len() as u64;
    let (said_so, is) = if length != said.size {
        (format!("{} bytes long", said.size), format!("{length} bytes long"))
    } else if !said.media_type.is_generic() && said.media_type != *found.media_type() {
        (said.media_type.to_string(), found.media_type().to_string())
    } else {
        return Ok(found);
    };
    Err(Error::Contradiction { digest: said.digest, said: said_so.escape_debug().to_string(), found: is })
}

/// The blobs that manifests name, each once.
#[derive(Default)]
pub(super) struct Blobs {
    /// Those that travel, biggest first, because the biggest decides when all have arrived.
    pub(super) travelling: Vec<Descriptor>,
    /// Those that stay where their maker hands them out.
    pub(super) foreign: Vec<Descriptor>,
}

impl Blobs {
    /// Collects the blobs of `manifests`.
    ///
    /// # Errors
    /// One blob is said to have several sizes.
    pub(super) fn of<'m>(manifests: impl Iterator<Item = &'m RawManifest>) -> Result<Self, Error> {
        let mut sizes: HashMap<&Digest, u64> = HashMap::new();
        let (mut travelling, mut foreign) = (HashSet::new(), HashSet::new());
        let mut blobs = Self::default();
        for manifest in manifests {
            let view = manifest.manifest();
            let listed = view.children().iter().filter(|child| !names_manifest(child));
            for blob in view.blobs().chain(listed) {
                if let Some(size) = sizes.insert(&blob.digest, blob.size).filter(|size| *size != blob.size) {
                    let (said, found) = (format!("{size} bytes long"), format!("{} bytes long", blob.size));
                    return Err(Error::Contradiction { digest: blob.digest.clone(), said, found });
                }
                let (list, known) = if blob.is_foreign() {
                    (&mut blobs.foreign, &mut foreign)
                } else {
                    (&mut blobs.travelling, &mut travelling)
                };
                if known.insert(&blob.digest) {
                    list.push(blob.clone());
                }
            }
        }
        // What one manifest calls foreign and another does not, the other needs.
        blobs.foreign.retain(|blob| !travelling.contains(&blob.digest));
        blobs.travelling.sort_by_key(|blob| std::cmp::Reverse(blob.size));
        Ok(blobs)
    }
}

/// Puts manifests in the order in which they can be pushed: what one names is in an earlier wave, and the root
/// is in the last.
pub(super) fn waves(nodes: Vec<Node>) -> Vec<ManifestStep> {
    let mut heights = Heights {
        places: nodes.iter().enumerate().map(|(place, node)| (node.manifest.digest().clone(), place)).collect(),
        found: vec![None; nodes.len()],
        nodes: &nodes,
    };
    let heights: Vec<usize> = (0..nodes.len()).map(|place| heights.of(place)).collect();
    let last = heights.iter().max().map_or(0, |height| height + 1);
    let steps = nodes.into_iter().zip(heights).map(|(node, height)| {
        let wave = if node.role == Role::Root { last } else { height };
        ManifestStep { manifest: node.manifest, role: node.role, tags: node.tags, wave }
    });
    let mut steps: Vec<ManifestStep> = steps.collect();
    steps.sort_by_key(|step| step.wave);
    steps
}

/// How many waves of children each manifest has below it.
struct Heights<'n> {
    nodes: &'n [Node],
    places: HashMap<Digest, usize>,
    found: Vec<Option<usize>>,
}

impl Heights<'_> {
    fn of(&mut self, place: usize) -> usize {
        if let Some(height) = self.found[place] {
            return height;
        }
        // Digests make a circle impossible; were there one, it would end here.
        self.found[place] = Some(0);
        let nodes = self.nodes;
        let mut height = 0;
        for child in nodes[place].manifest.manifest().children() {
            if let Some(below) = self.places.get(&child.digest).copied() {
                height = height.max(self.of(below) + 1);
            }
        }
        self.found[place] = Some(height);
        height
    }
}
