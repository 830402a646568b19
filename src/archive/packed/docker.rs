//! What `docker save` writes (moby `image/tarexport`), before and since docker 25, and what podman and skopeo write
//! in that form.
//!
//! `manifest.json` names a config and layers for each image by the paths of members. What a path looks like says
//! nothing of a digest. Where the archive holds an OCI manifest that says the same of the image, that is the image's
//! manifest; else one is made here.

use std::collections::HashMap;
use std::io::{self, Read};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Contents, blob_name, document, layout_index};
use crate::archive::selection::is_name_of_attached;
use crate::archive::tar::{Found, Members};
use crate::blobs::Index;
use crate::compression::Compression;
use crate::image::{
    Algorithm, Descriptor, Digest, Hasher, ImageManifest, ImageReference, Manifest, MediaType, Naming, RawManifest,
};
use crate::registry::{Error, ErrorKind, Result};

/// The member that lists the images.
pub(super) const MANIFEST: &str = "manifest.json";
/// The longest such list that is read.
const MAX_LIST_BYTES: u64 = 16 * 1024 * 1024;
/// The most images that are taken.
const MAX_IMAGES: usize = 10_000;
/// The longest config that is read.
const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

/// One image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// What a config says of its layers.
#[derive(Deserialize)]
struct Config {
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// The manifest that is made of an image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made<'m> {
    schema_version: u32,
    media_type: MediaType,
    config: &'m Descriptor,
    layers: &'m [Descriptor],
}

/// Reads what there is.
///
/// # Errors
/// `Corrupt` where it contradicts itself, or names what is not there; `Storage`.
pub(super) fn read(members: &Members) -> Result<Contents> {
    let list = members.document(MANIFEST, MAX_LIST_BYTES)?.unwrap_or_default();
    let items: Vec<Item> = serde_json::from_slice::<Option<_>>(&list)
        .map_err(|error| members.refused(MANIFEST, "cannot be understood").caused_by(error))?
        .unwrap_or_default();
    if items.len() > MAX_IMAGES {
        return Err(members.refused(MANIFEST, &format!("lists {} images; at most {MAX_IMAGES} are taken", items.len())));
    }
    // A layout beside it is a help, and no more: some that docker wrote are empty or wrong.
    let layout = layout_index(members).unwrap_or_default();
    let mut reading = Reading { members, layout, contents: Contents::default(), layers: HashMap::new() };
    let mut numbered = Vec::new();
    for item in items {
        let image = reading.image(&item)?;
        reading.list(&item, &image)?;
        numbered.push(image);
    }
    reading.list_attached()?;
    Ok(Contents { numbered: Some(numbered), ..reading.contents })
}

struct Reading<'m> {
    members: &'m Members,
    layout: Index,
    contents: Contents,
    /// What is known of layers, by the member that holds them and the digest of what is in them.
    layers: HashMap<(Found, Digest), Descriptor>,
}

impl Reading<'_> {
    /// The manifest of an image.
    fn image(&mut self, item: &Item) -> Result<Descriptor> {
        let config = self.member(&item.config)?;
        let bytes = self.members.read(&config, MAX_CONFIG_BYTES)?;
        let id = Digest::of(&bytes);
        let parsed: Config = serde_json::from_slice(&bytes)
            .map_err(|error| self.members.refused(&config.name, "is no config of an image").caused_by(error))?;
        let diff_ids = parsed.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
        let paths = item.layers.as_deref().unwrap_or_default();
        if paths.len() != diff_ids.len() {
            let why = format!("lists {} layers for `{}`, which names {}", paths.len(), config.name, diff_ids.len());
            return Err(self.members.refused(MANIFEST, &why));
        }
        let names = names(item);
        if let Some(found) = self.of_layout(&id, diff_ids.len(), &names) {
            return Ok(found);
        }
        let size = bytes.len() as u64;
        let described = Descriptor::new(MediaType::docker_config(), id.clone(), size);
        self.contents.blobs.insert(id, config);
        let layers = paths.iter().zip(diff_ids).map(|(path, diff_id)| self.layer(path, diff_id));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        self.make(&described, &layers)
    }

    fn make(&mut self, config: &Descriptor, layers: &[Descriptor]) -> Result<Descriptor> {
        let made = Made { schema_version: 2, media_type: MediaType::docker_manifest(), config, layers };
        let unwritable = |error| Error::new(ErrorKind::Storage, "a manifest cannot be written").caused_by(error);
        let bytes: Bytes = serde_json::to_vec(&made).map_err(unwritable)?.into();
        let manifest = Descriptor::of(MediaType::docker_manifest(), &bytes);
        self.contents.made.insert(manifest.digest.clone(), bytes);
        Ok(manifest)
    }

    /// Describes a layer, each once.
    fn layer(&mut self, path: &str, diff_id: Digest) -> Result<Descriptor> {
        let found = self.member(path)?;
        let key = (found, diff_id);
        if let Some(known) = self.layers.get(&key) {
            return Ok(known.clone());
        }
        let (found, diff_id) = &key;
        let described = self.describe_layer(found, diff_id)?;
        self.contents.blobs.insert(described.digest.clone(), found.clone());
        self.layers.insert(key, described.clone());
        Ok(described)
    }

    /// One that is not compressed has the digest that the config names; whoever stores it compares. What is compressed
    /// is read to know its own.
    fn describe_layer(&self, found: &Found, diff_id: &Digest) -> Result<Descriptor> {
        let unreadable =
            |error| Error::new(ErrorKind::Storage, format!("{} cannot be read", self.members.shown())).caused_by(error);
        let mut first = Vec::new();
        let content = || self.members.reader(found, 0);
        content().take(Compression::MAGIC_BYTES as u64).read_to_end(&mut first).map_err(unreadable)?;
        let suffix = match Compression::detect(&first) {
            Compression::None => {
                return Ok(Descriptor::new(MediaType::docker_layer(), diff_id.clone(), found.size));
            }
            Compression::Gzip => ".gzip",
            Compression::Zstd => ".zstd",
            other => {
                let why = format!("is compressed with {}, for which layers have no type", other.word());
                return Err(self.members.refused(&found.name, &why));
            }
        };
        let digest = digest_of(content()).map_err(unreadable)?;
        let media_type = MediaType::new(&format!("{}{suffix}", MediaType::docker_layer()));
        Ok(Descriptor::new(media_type, digest, found.size))
    }

    /// The file that a path in `manifest.json` names.
    fn member(&self, path: &str) -> Result<Found> {
        let missing =
            || self.members.refused(MANIFEST, &format!("names `{}`, which is not there", path.escape_debug()));
        self.members.find(path.trim_start_matches("./"))?.ok_or_else(missing)
    }

    /// What the layout in the archive has as manifest of the image with this config, under one of these names where it
    /// has several.
    fn of_layout(&self, config: &Digest, layers: usize, names: &[String]) -> Option<Descriptor> {
        let mut entries: Vec<_> = self.layout.entries().iter().collect();
        entries.sort_by_key(|entry| !names.iter().any(|name| entry.goes_by(name)));
        entries.into_iter().find_map(|entry| self.matching(entry.descriptor(), config, layers))
    }

    /// `root` itself, or the image of it that has this config, where that is whole.
    fn matching(&self, root: &Descriptor, config: &Digest, layers: usize) -> Option<Descriptor> {
        let manifest = self.manifest(root)?;
        let fits = |image: &ImageManifest| image.config.digest == *config && image.layers.len() == layers;
        match manifest.manifest() {
            Manifest::Image(image) => (fits(image) && self.is_whole(&manifest)).then(|| root.clone()),
            Manifest::Index(index) => {
                let children: Vec<_> = index.manifests.iter().map(|child| (child, self.manifest(child))).collect();
                let mut whole = true;
                let mut own = None;
                for (child, manifest) in &children {
                    let complete = manifest.as_ref().is_some_and(|manifest| self.is_whole(manifest));
                    whole &= complete;
                    if let Some(Manifest::Image(image)) = manifest.as_ref().map(RawManifest::manifest)
                        && complete
                        && fits(image)
                    {
                        own = Some((*child).clone());
                    }
                }
                own.map(|own| if whole { root.clone() } else { own })
            }
        }
    }

    fn manifest(&self, said: &Descriptor) -> Option<RawManifest> {
        let found = self.members.find(&blob_name(&said.digest)).ok()??;
        let bytes = document(self.members, &found, &said.digest).ok()?;
        RawManifest::parse(bytes, Some(&said.media_type), said.digest.algorithm()).ok()
    }

    /// Whether everything is there that an image names.
    fn is_whole(&self, manifest: &RawManifest) -> bool {
        let has = |blob: &Descriptor| {
            let found = self.members.find(&blob_name(&blob.digest));
            blob.is_foreign() || found.is_ok_and(|found| found.is_some_and(|found| found.size == blob.size))
        };
        manifest.manifest().children().is_empty() && manifest.manifest().blobs().all(has)
    }

    /// Lists an image under its names.
    fn list(&mut self, item: &Item, image: &Descriptor) -> Result<()> {
        let names = names(item);
        if names.is_empty() {
            return self.contents.index.put(None, image);
        }
        names.iter().try_for_each(|name| self.contents.index.put_reference(name, image))
    }

    /// Lists what the layout has beside the images.
    fn list_attached(&mut self) -> Result<()> {
        for entry in self.layout.entries() {
            let is_attached = entry.name().is_some_and(is_name_of_attached)
                || self.manifest(entry.descriptor()).is_some_and(|found| found.manifest().subject().is_some());
            if is_attached {
                self.contents.index.put(entry.name(), entry.descriptor())?;
            }
        }
        Ok(())
    }
}

/// The names of an image in full, as docker completes them; what is no reference stays as it is.
fn names(item: &Item) -> Vec<String> {
    let full = |tag: &String| {
        let reference = ImageReference::parse(tag, &Naming::of_docker());
        reference.map_or_else(|_| tag.clone(), |reference| reference.to_string())
    };
    item.repo_tags.iter().flatten().map(full).collect()
}

/// The digest of all that comes.
fn digest_of(mut content: impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut piece = vec![0; 256 * 1024];
    loop {
        match content.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&piece[..read]),
        }
    }
}
