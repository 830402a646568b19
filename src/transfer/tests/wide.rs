//! How much memory one read for a fast and a slow destination takes, counted byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::place::Place;
use super::support::{Builder, engine, until};
use crate::image::{Descriptor, MediaType, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, BlobReader, BlobUpload, ByteRange, Identity, ImageDestination, ImageSource, NoSession, PushSession,
    Referrers, Result, TagCondition, UploadState, Verifier,
};
use crate::transfer::{Destination, Job, Options, Source};

const SIZE: usize = 64 * 1024 * 1024;
/// A piece as a connection hands it out.
const PIECE: usize = 64 * 1024;
/// What may be in memory at most: some pieces ahead of the fast one, a batch that waits for the disk, the same batch
/// while it is written, and one that was read back.
const MOST: usize = 3 * 1024 * 1024;

/// How many bytes of a blob are in memory.
#[derive(Default)]
struct Live {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Bytes that are counted as long as somebody has them.
struct Counted {
    bytes: Vec<u8>,
    live: Arc<Live>,
}

impl Counted {
    fn hand_out(bytes: Vec<u8>, live: &Arc<Live>) -> Bytes {
        let now = live.now.fetch_add(bytes.len(), Ordering::SeqCst) + bytes.len();
        live.most.fetch_max(now, Ordering::SeqCst);
        Bytes::from_owner(Self { bytes, live: Arc::clone(live) })
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.now.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

fn piece(number: usize) -> Vec<u8> {
    vec![u8::try_from(number % 251).unwrap(); PIECE]
}

/// A place whose big blob is made while it is read.
struct Spring {
    place: Arc<Place>,
    live: Arc<Live>,
}

#[async_trait]
impl ImageSource for Spring {
    fn identity(&self) -> &Identity {
        ImageSource::identity(&self.place.inner)
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        ImageSource::resolve(&*self.place, repository, selector).await
    }

    async fn manifest(&self, repository: &RepositoryName, selector: &Selector) -> Result<RawManifest> {
        self.place.manifest(repository, selector).await
    }

    async fn blob(&self, repository: &RepositoryName, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        if blob.size != SIZE as u64 {
            return self.place.blob(repository, blob, range).await;
        }
        let live = Arc::clone(&self.live);
        let pieces = (0..SIZE / PIECE).map(move |number| Ok(Counted::hand_out(piece(number), &live)));
        Ok(BlobReader::new(0, futures_util::stream::iter(pieces)))
    }

    async fn referrers(&self, _: &RepositoryName, _: &crate::image::Digest, _: Option<&str>) -> Result<Referrers> {
        Ok(Referrers::default())
    }
}

/// A destination that keeps nothing, and takes as fast as it is let.
struct Drain {
    identity: Identity,
    gate: Option<Arc<Semaphore>>,
    taken: Arc<AtomicUsize>,
}

struct Swallow {
    gate: Option<Arc<Semaphore>>,
    verifier: Verifier,
    taken: Arc<AtomicUsize>,
}

#[async_trait]
impl ImageDestination for Drain {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn resolve(&self, _: &RepositoryName, _: &Selector) -> Result<Option<Descriptor>> {
        Ok(None)
    }

    async fn has_blob(&self, _: &RepositoryName, _: &Descriptor) -> Result<bool> {
        Ok(false)
    }

    async fn begin_blob(
        &self,
        _: &RepositoryName,
        blob: &Descriptor,
        _: Option<&RepositoryName>,
        _: Option<&UploadState>,
    ) -> Result<Begun> {
        let (gate, taken) = (self.gate.clone(), Arc::clone(&self.taken));
        Ok(Begun::Upload(Box::new(Swallow { gate, verifier: Verifier::new(blob), taken })))
    }

    async fn push_manifest(&self, _: &RepositoryName, _: &RawManifest, _: &[Tag], _: TagCondition) -> Result<()> {
        Ok(())
    }

    async fn begin_session(&self, _: &RepositoryName) -> Result<Box<dyn PushSession>> {
        Ok(Box::new(NoSession))
    }
}

#[async_trait]
impl BlobUpload for Swallow {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.verifier.update(&chunk)?;
        self.taken.fetch_add(chunk.len(), Ordering::SeqCst);
        Ok(())
    }

    fn offset(&self) -> u64 {
        self.verifier.seen()
    }

    fn state(&self) -> Option<UploadState> {
        None
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.verifier.finish()
    }

    async fn abort(self: Box<Self>) {}
}

fn drain(place: &str, gate: Option<Arc<Semaphore>>) -> (Destination, Arc<AtomicUsize>) {
    let identity = Identity { place: place.to_owned(), credential: None, local: false };
    let taken = Arc::new(AtomicUsize::new(0));
    let registry = Arc::new(Drain { identity, gate, taken: Arc::clone(&taken) });
    let (repository, tags) = ("app".parse().unwrap(), vec!["v1".parse().unwrap()]);
    (Destination { registry, repository, tags, expected: None, named_by_digest: false, shown: place.to_owned() }, taken)
}

#[tokio::test]
async fn a_slow_and_a_fast_destination_take_little_memory() {
    let place = Place::new("a");
    let whole: Vec<u8> = (0..SIZE / PIECE).flat_map(piece).collect();
    let layer = Descriptor::of(MediaType::new("application/vnd.oci.image.layer.v1.tar"), &whole);
    let builder = Builder::new(&place, "app");
    // The manifest names a blob that the place has to have when it is put there.
    builder.blob(&whole).await;
    drop(whole);
    let config = builder.blob(b"{}").await;
    let image = builder.image_of(&config, std::slice::from_ref(&layer), "").await;
    builder.tag(&image, "v1").await;

    let live = Arc::new(Live::default());
    let registry = Arc::new(Spring { place: Arc::clone(&place), live: Arc::clone(&live) });
    let source = Source { registry, ..place.source("app", "v1") };
    let gate = Arc::new(Semaphore::new(10));
    let ((fast, fast_taken), (slow, slow_taken)) = (drain("fast", None), drain("slow", Some(Arc::clone(&gate))));
    let jobs = [Job { source, destinations: vec![fast, slow], options: Options::default() }];
    let engine = engine();
    let mut results = Vec::new();
    let release = async {
        until("the fast one has all", async || fast_taken.load(Ordering::SeqCst) >= SIZE).await;
        assert!(slow_taken.load(Ordering::SeqCst) <= 11 * PIECE);
        gate.add_permits(1_000_000);
    };
    tokio::join!(engine.copy_each(&jobs, |_, _, result| results.push(result)), release);
    for result in results {
        assert_eq!(result.unwrap().blobs.second_reads.count, 0);
    }
    assert_eq!(slow_taken.load(Ordering::SeqCst), SIZE + 2);
    let most = live.most.load(Ordering::SeqCst);
    assert!(most <= MOST, "{most} bytes in memory at once");
    assert_eq!(live.now.load(Ordering::SeqCst), 0);
}
