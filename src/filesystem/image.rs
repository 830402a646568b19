//! The layers of one image, united.

use std::io::Write;
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;

use super::Error;
use super::feed::{Fetching, Opened};
use crate::image::{Descriptor, Digest, ImageManifest};
use crate::layer::{ArchiveSink, DirectoriesLast, LayerError, Listing, Part, Sink, Union, Walk, replay};
#[cfg(unix)]
use crate::layer::{DirectorySink, Existing, Found, Left, MemberPath, Search, replay_one};
use crate::progress::{Event, Progress};
use crate::transfer::Source;

/// The file system of one image.
pub struct Filesystem {
    layers: Vec<Descriptor>,
    fetching: Arc<Fetching>,
    progress: Arc<dyn Progress>,
    title: Arc<str>,
}

/// What is to be extracted.
#[cfg(unix)]
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The name in the image; everything where it is the root.
    pub path: MemberPath,
    /// Whether what is in a directory is wanted, rather than the directory.
    pub inside: bool,
}

/// What was extracted.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// How many files, directories and links.
    pub files: u64,
    /// What they lack.
    pub left: Left,
    /// How many layers were read, of how many.
    pub layers_read: usize,
}

impl Filesystem {
    /// The file system of `image`, whose layers are at `source`; what travels is kept in `spool` while it is needed.
    ///
    /// # Errors
    /// The image is none that has a file system, or not all of it is there.
    pub fn new(
        source: &Source,
        image: &ImageManifest,
        spool: &Path,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, Error> {
        let layers = image.layers.iter().map(|layer| (layer.clone(), source.clone())).collect();
        Self::of_layers(layers, &source.shown, spool, progress)
    }

    /// The file system of layers that may be at several places, lowest first.
    ///
    /// # Errors
    /// As [`Filesystem::new`].
    pub fn of_layers(
        layers: Vec<(Descriptor, Source)>,
        shown: &str,
        spool: &Path,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, Error> {
        for (layer, _) in &layers {
            if layer.is_foreign() {
                return Err(Error::Foreign(Box::new(layer.clone())));
            }
            if !layer.media_type.is_layer() {
                return Err(Error::NoLayer(Box::new(layer.clone())));
            }
        }
        let (layers, sources): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
        let fetching = Arc::new(Fetching::of_each(sources, spool, Arc::clone(&progress)));
        Ok(Self { layers, fetching, progress, title: shown.into() })
    }

    /// Writes everything as one archive, and gives the writer back.
    ///
    /// # Errors
    /// A layer cannot be read or is refused, or the writer takes no more.
    pub async fn export<W: Write + Send + 'static>(self, writer: W) -> Result<W, Error> {
        self.on_thread(move |this| {
            let mut sink = DirectoriesLast::new(ArchiveSink::new(writer));
            this.stream(&Part::all(), &mut sink)?;
            sink.finish().and_then(ArchiveSink::finish).map_err(Error::Output)
        })
        .await
    }

    /// Lists everything.
    ///
    /// # Errors
    /// A layer cannot be read or is refused.
    pub async fn list(self) -> Result<Listing, Error> {
        self.on_thread(|this| {
            let mut listing = Listing::default();
            this.stream(&Part::all(), &mut listing)?;
            Ok(listing)
        })
        .await
    }

    /// Puts what is wanted into a directory. Of one file only the layers are read down to the one that has it.
    ///
    /// # Errors
    /// A layer cannot be read or is refused, nothing has that name, or the directory cannot be written.
    #[cfg(unix)]
    pub async fn extract(self, wanted: Wanted, directory: PathBuf, existing: Existing) -> Result<Extracted, Error> {
        self.on_thread(move |this| {
            let found = if wanted.path.is_root() || wanted.inside { None } else { this.search(&wanted.path)? };
            let open = || DirectorySink::open(&directory, existing).map_err(Error::Output);
            let own = wanted.path.split().map(|(_, own)| MemberPath::default().join(own)).unwrap_or_default();
            let (sink, layers_read) = if let Some((layer, number)) = found {
                let mut sink = open()?;
                let walk = Walk::new(this.open(layer)?);
                replay_one(walk, number, &own, &mut sink).map_err(|error| this.failed(layer, error))?;
                (sink, this.layers.len() - layer as usize)
            } else {
                let union = this.unite()?;
                let shown = || wanted.path.shown().into_owned();
                let from = union.find(&wanted.path).map_err(|problem| Error::Lost { name: shown(), problem })?;
                if !union.holds(&from) {
                    return Err(Error::Absent(shown()));
                }
                let to = if wanted.inside { MemberPath::default() } else { own };
                let mut sink = open()?;
                this.replay(union, &Part { from, to }, &mut sink)?;
                (sink, this.layers.len())
            };
            let (files, left) = sink.finish().map_err(Error::Output)?;
            Ok(Extracted { files, left, layers_read })
        })
        .await
    }

    /// Does work that blocks on a thread of its own.
    async fn on_thread<T: Send + 'static>(
        self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let bytes = self.layers.iter().map(|layer| layer.size).sum();
        self.progress.observe(&Event::Planned { title: Arc::clone(&self.title), blobs: self.layers.len(), bytes });
        let (progress, title) = (Arc::clone(&self.progress), Arc::clone(&self.title));
        let done = tokio::task::spawn_blocking(move || work(&self)).await.unwrap_or(Err(Error::BrokenOff));
        progress.observe(&Event::Ended { title });
        done
    }

    fn stream(&self, part: &Part, sink: &mut dyn Sink) -> Result<(), Error> {
        let union = self.unite()?;
        self.replay(union, part, sink)
    }

    /// Finds out which names there are: reads every layer once, to its end, and makes sure that it is right.
    fn unite(&self) -> Result<Union, Error> {
        let mut union = Union::default();
        for number in 0..self.count() {
            let mut walk = Walk::new(self.open(number)?);
            union.begin_layer();
            while let Some(member) = walk.advance().map_err(|error| self.failed(number, error))? {
                union.add(member).map_err(|error| self.failed(number, error))?;
            }
            walk.into_reader().finish()?;
        }
        Ok(union)
    }

    fn replay(&self, union: Union, part: &Part, sink: &mut dyn Sink) -> Result<(), Error> {
        let mut layer = 0;
        let mut refused = None;
        let open = |number: u32| {
            layer = number;
            self.open(number).map_err(|error| {
                refused = Some(error);
                LayerError::Archive("it cannot be opened again".to_owned())
            })
        };
        let done = replay(union, part, open, sink);
        done.map_err(|error| refused.take().unwrap_or_else(|| self.failed(layer, error)))
    }

    /// Looks for one name from the top: where it is, or `None` where that takes all layers.
    #[cfg(unix)]
    fn search(&self, wanted: &MemberPath) -> Result<Option<(u32, u32)>, Error> {
        let absent = || Error::Absent(wanted.shown().into_owned());
        let mut search = Search::new(wanted.clone());
        let mut left = self.count();
        while left > 0 {
            let layer = left - 1;
            let mut walk = Walk::new(self.open(layer)?);
            let found = search.read(&mut walk).map_err(|error| self.failed(layer, error))?;
            walk.into_reader().finish()?;
            left = match found {
                Found::Member(number) => return Ok(Some((layer, number))),
                Found::Directory => return Ok(None),
                Found::Absent => return Err(absent()),
                Found::Nothing => layer,
                Found::Linked => left,
                Found::Elsewhere => self.count(),
            };
        }
        Err(absent())
    }

    fn count(&self) -> u32 {
        u32::try_from(self.layers.len()).unwrap_or(u32::MAX)
    }

    fn open(&self, layer: u32) -> Result<Opened, Error> {
        self.fetching.open_at(layer as usize, &self.layers[layer as usize])
    }

    fn failed(&self, layer: u32, error: LayerError) -> Error {
        let digest: &Digest = &self.layers[layer as usize].digest;
        Error::of_layer(digest, error)
    }
}
