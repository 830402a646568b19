//! A place in memory that counts what it is asked, and fails on cue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::support::{name, tag};
use crate::image::{Descriptor, Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, BlobReader, BlobUpload, ByteRange, Error, ErrorKind, Identity, ImageDestination, ImageSource, PushSession,
    Referrers, ReferrersFrom, Result, TagCondition, UploadState,
};
use crate::store::Memory;
use crate::transfer::{Destination, Source};

/// What happens to the requests at a place.
#[derive(Default)]
pub(super) struct Faults {
    /// Reads of a blob end with `Cut` after so many bytes, this often.
    pub(super) cuts: Vec<usize>,
    /// Reads of a blob have the byte at this offset flipped, this often.
    pub(super) flips: Vec<usize>,
    /// Ranges are ignored: the blob always comes from its first byte.
    pub(super) no_ranges: bool,
    /// Blobs come with this put behind them.
    pub(super) longer: &'static [u8],
    /// Blobs come without so many of their last bytes, and nothing says so.
    pub(super) shorter: usize,
    /// Writes fail so often after so many bytes; the kind says how.
    pub(super) writes: Vec<(usize, ErrorKind)>,
    /// Commits fail so, in this order; `true` where the blob arrived nevertheless.
    pub(super) commits: Vec<(ErrorKind, bool)>,
    /// Manifests that cannot be read.
    pub(super) absent: Vec<Digest>,
    /// A tag that moves to this digest as soon as it was looked at.
    pub(super) moves: Option<(Tag, RawManifest)>,
    /// Manifests that are handed out for others.
    pub(super) swapped: BTreeMap<Digest, RawManifest>,
    /// There is no list of referrers.
    pub(super) no_referrers: bool,
    /// What is lost behind the back of whoever pushes, before the first manifest.
    pub(super) loses: Vec<(RepositoryName, Digest)>,
}

/// A place in memory whose requests are counted and fail on cue.
pub(super) struct Place {
    pub(super) inner: Memory,
    pub(super) faults: Arc<Mutex<Faults>>,
    pub(super) log: Mutex<Vec<String>>,
    /// How many blob bytes were handed out.
    pub(super) read: Arc<Mutex<usize>>,
    held: Gates,
    /// Held by whoever reads a blob, where only so many may at once.
    readers: Mutex<Option<Arc<Semaphore>>>,
    /// Whether uploads compare by themselves.
    verifies: bool,
}

/// What requests of a kind wait for.
type Gates = Arc<Mutex<BTreeMap<&'static str, Arc<Semaphore>>>>;

async fn pass(gates: &Gates, word: &str) {
    let gate = gates.lock().unwrap().get(word).cloned();
    if let Some(gate) = gate {
        gate.acquire().await.unwrap().forget();
    }
}

impl Place {
    pub(super) fn new(place: &str) -> Arc<Self> {
        Arc::new(Self::make(place, false, false))
    }

    /// A place like the store: on this computer, and uploads compare by themselves.
    pub(super) fn local(place: &str) -> Arc<Self> {
        Arc::new(Self::make(place, true, true))
    }

    fn make(place: &str, local: bool, verifies: bool) -> Self {
        let identity = Identity { place: place.to_owned(), credential: None, local };
        Self {
            inner: Memory::new(identity),
            faults: Arc::default(),
            log: Mutex::default(),
            read: Arc::default(),
            held: Gates::default(),
            readers: Mutex::default(),
            verifies,
        }
    }

    /// From now on whoever reads a blob waits until nobody else does.
    pub(super) fn one_reader_at_a_time(&self) {
        *self.readers.lock().unwrap() = Some(Arc::new(Semaphore::new(1)));
    }

    /// From now on `resolve`, `begin` or `write` (of an upload) wait until the gate that this returns lets them pass.
    pub(super) fn hold(&self, word: &'static str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.held.lock().unwrap().insert(word, Arc::clone(&gate));
        gate
    }

    pub(super) fn fault(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.faults.lock().unwrap());
    }

    /// The requests since the last call, each a word: `resolve`, `manifest`, `blob`, `referrers`, `begin`, `push`.
    pub(super) fn requests(&self) -> String {
        let mut log = std::mem::take(&mut *self.log.lock().unwrap());
        log.sort();
        let words = log.chunk_by(|a, b| a == b).map(|same| match same.len() {
            1 => same[0].clone(),
            count => format!("{count} {}", same[0]),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn bytes_read(&self) -> usize {
        std::mem::take(&mut *self.read.lock().unwrap())
    }

    fn note(&self, word: &str) {
        self.log.lock().unwrap().push(word.to_owned());
    }

    pub(super) fn source(self: &Arc<Self>, repository: &str, selector: &str) -> Source {
        let selector = selector.parse().map_or_else(|_| Selector::Tag(tag(selector)), Selector::Digest);
        let shown = format!("{}/{repository}:{selector}", ImageSource::identity(&**self));
        Source { registry: self.clone(), repository: name(repository), selector, shown }
    }

    pub(super) fn destination(self: &Arc<Self>, repository: &str, tags: &[&str]) -> Destination {
        let shown = format!("{}/{repository}:{}", ImageSource::identity(&**self), tags.join(","));
        let tags = tags.iter().map(|text| tag(text)).collect();
        Destination {
            registry: self.clone(),
            repository: name(repository),
            tags,
            expected: None,
            named_by_digest: false,
            shown,
        }
    }

    pub(super) async fn tagged(&self, repository: &str, wanted: &str) -> Option<Digest> {
        let found = ImageSource::resolve(&self.inner, &name(repository), &Selector::Tag(tag(wanted))).await.unwrap();
        found.map(|found| found.digest)
    }

    pub(super) async fn has(&self, repository: &str, blob: &Descriptor) -> bool {
        self.inner.has_blob(&name(repository), blob).await.unwrap()
    }
}

#[async_trait]
impl ImageSource for Place {
    fn identity(&self) -> &Identity {
        ImageSource::identity(&self.inner)
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        self.note("resolve");
        pass(&self.held, "resolve").await;
        let found = ImageSource::resolve(&self.inner, repository, selector).await;
        let moves = self.faults.lock().unwrap().moves.take();
        if let Some((tag, manifest)) = moves {
            self.inner.push_manifest(repository, &manifest, &[tag], TagCondition::Always).await.unwrap();
        }
        found
    }

    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        self.note("manifest");
        if let Selector::Digest(digest) = selector {
            let faults = self.faults.lock().unwrap();
            if faults.absent.contains(digest) {
                return Err(Error::new(ErrorKind::NotFound, format!("there is no manifest {digest}")));
            }
            if let Some(other) = faults.swapped.get(digest) {
                return Ok(other.clone());
            }
        }
        self.inner.manifest(repository, selector).await
    }

    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        self.note("blob");
        let readers = self.readers.lock().unwrap().clone();
        let turn = match readers {
            Some(readers) => readers.acquire_owned().await.ok(),
            None => None,
        };
        let (cut, flip, longer, shorter, range) = {
            let mut faults = self.faults.lock().unwrap();
            let cut = (!faults.cuts.is_empty()).then(|| faults.cuts.remove(0));
            let flip = (!faults.flips.is_empty()).then(|| faults.flips.remove(0));
            let range = if faults.no_ranges { ByteRange::ALL } else { range };
            (cut, flip, faults.longer, faults.shorter, range)
        };
        let mut whole = self.inner.blob(repository, blob, ByteRange::ALL).await?;
        let mut bytes = whole.next().await?.unwrap_or_default().to_vec();
        bytes.truncate(bytes.len() - shorter.min(bytes.len()));
        bytes.extend_from_slice(longer);
        if let Some(byte) = flip.and_then(|flip| bytes.get_mut(flip)) {
            *byte ^= 1;
        }
        let from = usize::try_from(range.from).unwrap().min(bytes.len());
        let until = cut.map_or(bytes.len(), |cut| bytes.len().min(from + cut));
        let read = self.read.clone();
        let mut pieces: Vec<Result<Bytes>> =
            bytes[from..until].chunks(16 * 1024).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        if cut.is_some() {
            pieces.push(Err(Error::new(ErrorKind::Cut, "the body ended early")));
        }
        let counted = pieces.into_iter().inspect(move |piece| {
            let _held = &turn;
            *read.lock().unwrap() += piece.as_ref().map_or(0, Bytes::len);
        });
        Ok(BlobReader::new(from as u64, futures_util::stream::iter(counted)))
    }

    fn distrust(&self, _: &Digest, _: &Error) {
        self.note("distrust");
    }

    async fn referrers(&self, repository: &RepositoryName, subject: &Digest, kind: Option<&str>) -> Result<Referrers> {
        self.note("referrers");
        if self.faults.lock().unwrap().no_referrers {
            return Ok(Referrers { manifests: Vec::new(), from: ReferrersFrom::FallbackTag });
        }
        self.inner.referrers(repository, subject, kind).await
    }
}

#[async_trait]
impl ImageDestination for Place {
    fn identity(&self) -> &Identity {
        ImageSource::identity(&self.inner)
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        ImageSource::resolve(self, repository, selector).await
    }

    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        self.note("has");
        self.inner.has_blob(repository, blob).await
    }

    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Begun> {
        self.note(match (from, resume) {
            (_, Some(_)) => "resume",
            (Some(_), None) => "mount",
            (None, None) => "begin",
        });
        pass(&self.held, "begin").await;
        Ok(match self.inner.begin_blob(repository, blob, from, resume).await? {
            Begun::Upload(inner) => {
                let (faults, held, verifies) = (self.faults.clone(), self.held.clone(), self.verifies);
                Begun::Upload(Box::new(FaultyUpload { inner, faults, held, verifies, written: 0 }))
            }
            begun => begun,
        })
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        self.note("push");
        let loses = std::mem::take(&mut self.faults.lock().unwrap().loses);
        for (repository, digest) in loses {
            self.inner.lose_blob(&repository, &digest);
        }
        self.inner.push_manifest(repository, manifest, tags, condition).await
    }

    async fn begin_session(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        self.inner.begin_session(repository).await
    }
}

struct FaultyUpload {
    inner: Box<dyn BlobUpload>,
    faults: Arc<Mutex<Faults>>,
    held: Gates,
    verifies: bool,
    written: usize,
}

#[async_trait]
impl BlobUpload for FaultyUpload {
    async fn write(&mut self, mut chunk: Bytes) -> Result<()> {
        pass(&self.held, "write").await;
        let fault = self.faults.lock().unwrap().writes.first().copied();
        if let Some((after, kind)) = fault
            && self.written + chunk.len() > after
        {
            self.faults.lock().unwrap().writes.remove(0);
            chunk.truncate(after.saturating_sub(self.written));
            self.inner.write(chunk).await?;
            return Err(Error::new(kind, "the upload broke off"));
        }
        self.written += chunk.len();
        self.inner.write(chunk).await
    }

    fn offset(&self) -> u64 {
        self.inner.offset()
    }

    fn verifies(&self) -> bool {
        self.verifies
    }

    fn state(&self) -> Option<UploadState> {
        self.inner.state()
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            (!faults.commits.is_empty()).then(|| faults.commits.remove(0))
        };
        match fault {
            None => self.inner.commit().await,
            Some((kind, arrived)) => {
                if arrived {
                    self.inner.commit().await?;
                }
                Err(Error::new(kind, "the commit failed"))
            }
        }
    }

    async fn abort(self: Box<Self>) {
        self.inner.abort().await;
    }
}
