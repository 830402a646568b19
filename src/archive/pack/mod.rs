//! Writing archives: one or several images, and whatever else belongs into the same tar.
//!
//! A tar is written in order, so one blob is taken after the other. What is taken stays: a blob that several images
//! have is there once. The lists of images come last; a file gets its name after them, and until then whatever had
//! it is whole.

mod destination;
mod lists;

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::packed::blob_name;
use super::tar::{Output, TarSink};
use crate::blobs::{Index, LAYOUT_VERSION, blocking, storage};
use crate::files::{Access, Disk, FileError, Replacement};
use crate::image::{ArchiveForm, Descriptor, Digest, LayoutSelector, RawManifest};
use crate::registry::{Error, ErrorKind, Identity, Result};

pub use destination::PackedImage;

/// An archive that is being written. Clones are the same. Dropped before it is finished, a file leaves nothing.
#[derive(Clone)]
pub struct Pack {
    shared: Arc<Shared>,
}

struct Shared {
    identity: Identity,
    form: ArchiveForm,
    /// Whether a file had the name when the writing began.
    replaces: bool,
    state: Arc<Mutex<State>>,
}

/// When an archive is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its one image.
    WithImage,
    /// When [`Pack::finish`] is called.
    WhenTold,
}

/// What is written so far.
struct State {
    /// `None` once the archive is finished.
    tar: Option<TarSink>,
    blobs: HashMap<Digest, u64>,
    /// Blobs that manifests may name though they are not here.
    elsewhere: HashSet<Digest>,
    manifests: HashMap<Digest, RawManifest>,
    index: Index,
    images: Vec<lists::Image>,
}

impl Pack {
    /// Begins an archive in a file. What is there is replaced at the end; a pipe or a device is written through.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn to_file(path: &Path, form: ArchiveForm, disk: Arc<dyn Disk>) -> Result<Self> {
        let (place, path) = (format!("{}:{}", form.word(), path.display()), path.to_owned());
        let (output, replaces) = blocking(move || {
            let there = path.metadata().ok();
            if there.as_ref().is_some_and(std::fs::Metadata::is_dir) {
                let message = format!("{} is a directory", path.display());
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            if there.as_ref().is_some_and(|there| !there.is_file()) {
                let opened = std::fs::OpenOptions::new().write(true).open(&path);
                let device = opened.map_err(|error| storage(FileError::new("write", &path, error)))?;
                return Ok((Output::Stream(Box::new(device)), false));
            }
            let file = Replacement::begin(disk, &path, Access::Shared).map_err(storage)?;
            Ok((Output::File(file), there.is_some()))
        })
        .await?;
        Ok(Self::new(output, form, place, replaces))
    }

    /// Begins an archive on a stream, such as standard output.
    #[must_use]
    pub fn to_stream(stream: Box<dyn Write + Send>, form: ArchiveForm) -> Self {
        Self::new(Output::Stream(stream), form, format!("{}:-", form.word()), false)
    }

    fn new(output: Output, form: ArchiveForm, place: String, replaces: bool) -> Self {
        let state = State {
            tar: Some(TarSink::new(output)),
            blobs: HashMap::new(),
            elsewhere: HashSet::new(),
            manifests: HashMap::new(),
            index: Index::default(),
            images: Vec::new(),
        };
        let identity = Identity { place, credential: None, local: true };
        Self { shared: Arc::new(Shared { identity, form, replaces, state: Arc::new(Mutex::new(state)) }) }
    }

    /// A place in it for one image, under the name that `selector` holds.
    ///
    /// # Errors
    /// `Rejected` where a digest or a number stands for the name.
    pub fn image(&self, selector: &LayoutSelector, ending: Ending) -> Result<PackedImage> {
        let name = super::name_to_write(selector, "an archive")?;
        Ok(PackedImage::new(self.clone(), name, ending))
    }

    /// From now on images may lack these blobs: whoever reads the archive is to have them from elsewhere.
    pub async fn presume(&self, blobs: impl IntoIterator<Item = Digest>) {
        self.shared.state.lock().await.elsewhere.extend(blobs);
    }

    /// Adds a member that is no part of an image.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn add(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let name = name.to_owned();
        self.with(move |state| state.tar()?.document(&name, &bytes)).await
    }

    /// Writes the lists and puts the archive in place, durably where it is a file.
    ///
    /// # Errors
    /// `Unsupported` where the form cannot hold what came; `Storage`.
    pub async fn finish(&self) -> Result<()> {
        let form = self.shared.form;
        self.with(move |state| state.finish(form)).await
    }

    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut State) -> Result<T> + Send + 'static) -> Result<T> {
        let mut state = Arc::clone(&self.shared.state).lock_owned().await;
        let worked = blocking(move || work(&mut state)).await;
        worked.map_err(|error| error.at(&self.shared.identity.place))
    }
}

impl State {
    fn tar(&mut self) -> Result<&mut TarSink> {
        self.tar.as_mut().ok_or_else(|| Error::new(ErrorKind::Conflict, "the archive is finished already"))
    }

    /// Whether content is in the archive.
    fn has(&self, content: &Descriptor) -> bool {
        let manifest = || self.manifests.get(&content.digest).map(|manifest| manifest.bytes().len() as u64);
        self.blobs.get(&content.digest).copied().or_else(manifest) == Some(content.size)
    }

    /// Writes a manifest, once.
    fn put_manifest(&mut self, manifest: &RawManifest) -> Result<()> {
        super::require_content(manifest, "the archive", |content| {
            Ok(self.has(content) || self.elsewhere.contains(&content.digest))
        })?;
        if !self.manifests.contains_key(manifest.digest()) {
            self.tar()?.document(&blob_name(manifest.digest()), manifest.bytes())?;
            self.manifests.insert(manifest.digest().clone(), manifest.clone());
        }
        Ok(())
    }

    fn finish(&mut self, form: ArchiveForm) -> Result<()> {
        let list = match form {
            ArchiveForm::Oci => None,
            ArchiveForm::Docker => Some(lists::for_docker(&self.images, &self.manifests)?),
        };
        let index = self.index.bytes()?;
        let tar = self.tar()?;
        tar.document("index.json", &index)?;
        if let Some(list) = list {
            tar.document("manifest.json", &list)?;
        }
        tar.document("oci-layout", LAYOUT_VERSION)?;
        match self.tar.take() {
            Some(tar) => tar.finish(),
            None => Ok(()),
        }
    }

    /// What is known of a manifest that was written.
    fn manifest(&self, digest: &Digest) -> Option<Descriptor> {
        self.manifests.get(digest).map(RawManifest::descriptor)
    }
}
