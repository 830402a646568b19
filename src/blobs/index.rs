//! The files `oci-layout` and `index.json` of a layout (image-spec image-layout.md).
//!
//! What other tools wrote into `index.json` and is not changed here stays as they wrote it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};

use super::{not_locked, storage};
use crate::files::{self, Access, Disk, Lock, Sharing};
use crate::image::{Descriptor, Digest, MediaType};
use crate::registry::{Error, ErrorKind, Result};

/// The annotation that names an image in `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that containerd and docker put the full name into, beside a bare tag in [`REF_NAME`].
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The longest `index.json` that is read: some 300,000 images.
pub const MAX_INDEX_BYTES: u64 = 128 * 1024 * 1024;
/// The content of `oci-layout`.
pub const LAYOUT_VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The longest `oci-layout` that is read.
pub const MAX_MARKER_BYTES: u64 = 4096;
/// How long another process may take to write `index.json`.
const PATIENCE: Duration = Duration::from_mins(1);

/// The content of an `oci-layout`.
#[derive(Deserialize)]
struct Marker {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

/// The content of an `index.json`.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// The fields beside `manifests`, as they were.
    others: BTreeMap<String, Box<RawValue>>,
    entries: Vec<Entry>,
}

/// One entry of an `index.json`.
#[derive(Clone, Debug)]
pub struct Entry {
    descriptor: Descriptor,
    raw: Box<RawValue>,
}

impl<'de> Deserialize<'de> for Entry {
    /// Each entry is read whole before the next: the first that is none ends it, however many come.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let descriptor = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self { descriptor, raw })
    }
}

impl Entry {
    fn new(name: Option<&str>, manifest: &Descriptor) -> Result<Self> {
        let mut descriptor = manifest.clone();
        if let Some(name) = name {
            descriptor.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        }
        let raw = to_raw_value(&descriptor).map_err(unwritable)?;
        Ok(Self { descriptor, raw })
    }

    /// The manifest.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The name that [`REF_NAME`] gives it: any text.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.descriptor.annotations.get(REF_NAME).map(String::as_str)
    }

    /// The full name that containerd and docker gave it.
    #[must_use]
    pub fn full_name(&self) -> Option<&str> {
        self.descriptor.annotations.get(CONTAINERD_NAME).map(String::as_str)
    }

    /// Whether it goes by `name`, also where only containerd's annotation says so.
    #[must_use]
    pub fn goes_by(&self, name: &str) -> bool {
        self.name() == Some(name) || self.full_name() == Some(name)
    }
}

impl Index {
    /// The entries, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Puts an image in, under `name` where there is one, in place of what has that name.
    ///
    /// # Errors
    /// `Storage` where the entry cannot be written as JSON.
    pub fn put(&mut self, name: Option<&str>, manifest: &Descriptor) -> Result<()> {
        let entry = Entry::new(name, manifest)?;
        let same = |old: &Entry| old.name() == name && (name.is_some() || old.descriptor.digest == manifest.digest);
        match self.entries.iter().position(same) {
            Some(place) => self.entries[place] = entry,
            None => self.entries.push(entry),
        }
        Ok(())
    }

    /// Puts an image in whose name is known to be free.
    ///
    /// # Errors
    /// As [`Index::put`].
    pub fn append(&mut self, name: &str, manifest: &Descriptor) -> Result<()> {
        self.entries.push(Entry::new(Some(name), manifest)?);
        Ok(())
    }

    /// Takes out what has this name.
    pub fn remove(&mut self, name: &str) {
        self.entries.retain(|entry| entry.name() != Some(name));
    }

    /// Takes out every entry that `keep` does not want.
    pub fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(keep);
    }

    /// Puts an image in under a full reference, in the annotations of both schools, in place of what has that name.
    ///
    /// # Errors
    /// As [`Index::put`].
    pub fn put_reference(&mut self, reference: &str, manifest: &Descriptor) -> Result<()> {
        let mut noted = manifest.clone();
        noted.annotations.insert(CONTAINERD_NAME.to_owned(), reference.to_owned());
        self.put(Some(reference), &noted)
    }

    /// Reads the text of an `index.json`.
    ///
    /// # Errors
    /// It is no JSON, or not that of an index.
    pub fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut others: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(bytes)?;
        let manifests = others.remove("manifests");
        let entries = match &manifests {
            Some(manifests) => serde_json::from_str::<Option<_>>(manifests.get())?.unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Self { others, entries })
    }

    /// The text of it.
    ///
    /// # Errors
    /// `Storage` where it cannot be written as JSON.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut document = self.others.clone();
        let raws: Vec<&RawValue> = self.entries.iter().map(|entry| &*entry.raw).collect();
        document.insert("manifests".to_owned(), to_raw_value(&raws).map_err(unwritable)?);
        if !document.contains_key("schemaVersion") {
            document.insert("schemaVersion".to_owned(), to_raw_value(&2).map_err(unwritable)?);
            document.insert("mediaType".to_owned(), to_raw_value(&MediaType::oci_index()).map_err(unwritable)?);
        }
        serde_json::to_vec(&document).map_err(unwritable)
    }

    /// The entries that hold a manifest of this digest.
    pub fn of<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.descriptor.digest == *digest)
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Storage, "index.json cannot be written").caused_by(error)
}

/// Makes an empty layout at `root` where there is none.
///
/// # Errors
/// `Storage`.
pub fn prepare(disk: &dyn Disk, root: &Path) -> Result<()> {
    let marker = root.join("oci-layout");
    if marker.exists() && root.join("index.json").exists() {
        return Ok(());
    }
    files::create_directories(disk, &root.join("blobs").join("sha256")).map_err(storage)?;
    update_index(disk, root, |index| match index {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Index::default()),
        other => other,
    })?;
    files::write_atomically(disk, &marker, LAYOUT_VERSION, Access::Shared).map_err(storage)
}

/// Sees to it that `root` says of itself that it is a layout of a version that is known here.
///
/// # Errors
/// `NotFound` where it does not; `Unsupported` where the version is another; `Storage`.
pub fn check(root: &Path) -> Result<()> {
    let path = root.join("oci-layout");
    let Some(bytes) = files::read_regular(&path, MAX_MARKER_BYTES).map_err(storage)? else {
        let message = format!("{} is no OCI image layout: there is no oci-layout file", root.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    check_marker(&bytes, &path.display().to_string())
}

/// Sees to it that the text of an `oci-layout`, which is shown as `place`, is of a version that is known here.
///
/// # Errors
/// `Unsupported` where the version is another.
pub fn check_marker(text: &[u8], place: &str) -> Result<()> {
    let known = serde_json::from_slice::<Marker>(text).is_ok_and(|marker| marker.version.starts_with("1."));
    if known {
        return Ok(());
    }
    let message = format!("{place} does not say that this is an OCI image layout of version 1");
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Reads `index.json`.
///
/// # Errors
/// `NotFound` where there is none; `Corrupt` where it cannot be understood; `Storage`.
pub fn read_index(root: &Path) -> Result<Index> {
    let path = root.join("index.json");
    let Some(bytes) = files::read_regular(&path, MAX_INDEX_BYTES).map_err(storage)? else {
        let message = format!("{} is no OCI image layout: there is no index.json", root.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    Index::parse(&bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("{} cannot be understood", path.display())).caused_by(error)
    })
}

/// Changes `index.json` while no other process does: `change` gets what is there and returns what is to be.
///
/// # Errors
/// Those of `change`; `Storage`.
pub fn update_index(disk: &dyn Disk, root: &Path, change: impl FnOnce(Result<Index>) -> Result<Index>) -> Result<()> {
    let lock = Lock::take(&root.join(".index.lock"), Sharing::Exclusive, PATIENCE).map_err(not_locked)?;
    let written = replace_index(disk, root, change);
    // Nothing of ours stays in a directory that may be handed on.
    lock.remove();
    written
}

fn replace_index(disk: &dyn Disk, root: &Path, change: impl FnOnce(Result<Index>) -> Result<Index>) -> Result<()> {
    let current = read_index(root);
    let before = current.as_ref().ok().map(Index::bytes).transpose()?;
    let after = change(current)?.bytes()?;
    if before.as_ref() == Some(&after) {
        return Ok(());
    }
    files::write_atomically(disk, &root.join("index.json"), &after, Access::Shared).map_err(storage)
}
