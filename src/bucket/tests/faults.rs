//! A provider that fails, refuses, loses answers, is slow, or does not keep its promises.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::*;
use crate::bucket::layout;
use crate::failure::Failure as _;
use crate::registry::{ErrorKind, Maintenance as _};

/// What becomes of the call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing is done.
    Fails,
    /// It is done, and the answer is lost.
    Loses,
    /// It is refused, as is every one after it.
    Refuses,
    /// It takes a minute.
    Dawdles,
    /// Conditions are not heeded.
    Careless,
}

/// A bucket in memory of which one call goes wrong.
#[derive(Debug)]
struct Faulty {
    inner: Arc<InMemory>,
    fault: Fault,
    at: usize,
    calls: AtomicUsize,
    met: AtomicBool,
}

impl Faulty {
    fn new(inner: &Arc<InMemory>, fault: Fault, at: usize) -> Arc<Self> {
        let (inner, calls, met) = (Arc::clone(inner), AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { inner, fault, at, calls, met })
    }

    fn has_failed(&self) -> bool {
        self.met.load(Ordering::SeqCst)
    }

    /// Does what is asked for, unless this is the call that goes wrong.
    async fn call<T: Send>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let meets = call == self.at || (call > self.at && self.fault == Fault::Refuses);
        if !meets {
            return work.await;
        }
        self.met.store(true, Ordering::SeqCst);
        let failed = || object_store::Error::Generic { store: "test", source: "it failed".into() };
        match self.fault {
            Fault::Fails => Err(failed()),
            Fault::Loses => work.await.and_then(|_| Err(failed())),
            Fault::Refuses => Err(object_store::Error::PermissionDenied { path: "x".into(), source: "no".into() }),
            Fault::Dawdles => {
                tokio::time::sleep(Duration::from_mins(1)).await;
                work.await
            }
            Fault::Careless => work.await,
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        if self.fault == Fault::Careless {
            options.mode = PutMode::Overwrite;
        }
        self.call(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("parts are put one by one")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call >= self.at
            && matches!(self.fault, Fault::Fails | Fault::Refuses)
            && (call == self.at || self.fault == Fault::Refuses)
        {
            self.met.store(true, Ordering::SeqCst);
            let failed = object_store::Error::Generic { store: "test", source: "it failed".into() };
            return stream::iter([Err(failed)]).boxed();
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("nothing is copied")
    }
}

#[async_trait]
impl MultipartStore for Faulty {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.call(self.inner.create_multipart(path)).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, index: usize, data: PutPayload) -> Result<PartId> {
        self.call(self.inner.put_part(path, id, index, data)).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        self.call(self.inner.complete_multipart(path, id, parts)).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.call(self.inner.abort_multipart(path, id)).await
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_what_is_there_is_whole_and_a_rerun_succeeds() {
    let big = "layer ".repeat(1_000_000);
    let (old, new) = (Sample::new("old"), Sample::new(&big));
    for fault in [Fault::Fails, Fault::Loses] {
        for at in 0.. {
            let access: Arc<InMemory> = Arc::default();
            push(&server(&access).await, "a", &old, &["x"]).await.unwrap();
            let faulty = Faulty::new(&access, fault, at);
            let pushed = match Bucket::over(faulty.clone(), "some/prefix", "s3://test").await {
                Ok(bucket) => push(&bucket, "a", &new, &["x"]).await,
                Err(error) => Err(error),
            };
            assert!(pushed.is_ok() || faulty.has_failed(), "{fault:?} {at}");
            let bucket = server(&access).await;
            let found = ImageSource::resolve(&bucket, &name("a"), &Selector::Tag(tag("x"))).await.unwrap().unwrap();
            let expected = if found.digest == *new.manifest.digest() { &new } else { &old };
            assert!(pushed.is_err() || found.digest == *new.manifest.digest(), "{fault:?} {at}");
            assert!(is_whole(&bucket, "a", expected).await, "{fault:?} {at}");
            push(&bucket, "a", &new, &["x"]).await.unwrap();
            assert!(is_whole(&bucket, "a", &new).await, "{fault:?} {at}");
            if !faulty.has_failed() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn whichever_call_of_a_collection_fails_nothing_is_lost_and_the_next_ends_it() {
    let (kept, gone) = (Sample::new("kept"), Sample::new("gone"));
    for fault in [Fault::Fails, Fault::Loses] {
        for at in 0.. {
            let access: Arc<InMemory> = Arc::default();
            let clean = upkeep::hasty(&access).await;
            push(&clean, "a", &kept, &["x"]).await.unwrap();
            push(&clean, "a", &gone, &[]).await.unwrap();
            upkeep::later().await;
            // What opening the bucket asks for is not counted.
            let faulty = Faulty::new(&access, fault, at + 7);
            let collected = upkeep::hasty_over(faulty.clone()).await.collect(&upkeep::everything()).await;
            assert!(collected.is_ok() || faulty.has_failed(), "{fault:?} {at}");
            assert!(is_whole(&clean, "a", &kept).await, "{fault:?} {at}");
            // Whoever could not give up its place is replaced when its time is over.
            tokio::task::yield_now().await;
            clean.shared.objects.remove(layout::COLLECTOR).await.unwrap();
            clean.shared.objects.remove(layout::CONDEMNED).await.unwrap();
            upkeep::later().await;
            clean.collect(&upkeep::everything()).await.unwrap();
            assert!(is_whole(&clean, "a", &kept).await, "{fault:?} {at}");
            let contents: Vec<_> = clean.shared.objects.list("content").try_collect().await.unwrap();
            assert_eq!(contents.len(), 2, "{fault:?} {at}");
            if !faulty.has_failed() {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_is_waited_for() {
    let image = Sample::new("layer");
    for at in (0..30).step_by(3) {
        let access: Arc<InMemory> = Arc::default();
        let bucket = over(Faulty::new(&access, Fault::Dawdles, at)).await;
        push(&bucket, "a", &image, &["x"]).await.unwrap();
        assert!(is_whole(&bucket, "a", &image).await);
    }
}

#[tokio::test]
async fn a_provider_that_refuses_is_named_with_what_to_do() {
    let access: Arc<InMemory> = Arc::default();
    let error =
        Bucket::over(Faulty::new(&access, Fault::Refuses, 0), "p", "s3://images/p").await.map(drop).unwrap_err();
    assert_eq!(ErrorKind::Denied, error.kind());
    assert!(error.to_string().contains("s3://images/p"), "{error}");
    assert!(error.hints().join(" ").contains("--storage-secret"), "{:?}", error.hints());
    let bucket = over(Faulty::new(&access, Fault::Refuses, 20)).await;
    let error = push(&bucket, "a", &Sample::new("layer"), &["x"]).await.unwrap_err();
    assert_eq!(ErrorKind::Denied, error.kind());
}

#[tokio::test]
async fn a_provider_without_conditional_writes_is_not_used() {
    let access: Arc<InMemory> = Arc::default();
    let error = Bucket::over(Faulty::new(&access, Fault::Careless, 0), "p", "s3://images").await.map(drop).unwrap_err();
    assert_eq!(ErrorKind::Unsupported, error.kind());
    assert!(error.to_string().contains("cannot be shared by servers"), "{error}");
    assert!(error.hints().join(" ").contains("If-None-Match"));
}

#[tokio::test]
async fn what_is_of_another_format_or_of_something_else_is_left_alone() {
    for (marker, expected) in [("{\"format\":2}", ErrorKind::Unsupported), ("{\"name\":\"shop\"}", ErrorKind::Conflict)]
    {
        let access: Arc<InMemory> = Arc::default();
        access.put_opts(&Path::from("p/store.json"), marker.into(), PutOptions::default()).await.unwrap();
        let error = Bucket::over(access.clone(), "p", "s3://images").await.map(drop).unwrap_err();
        assert_eq!(expected, error.kind());
        assert_eq!(access.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
    }
}
