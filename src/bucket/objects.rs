//! Objects by their keys: the few operations that the rest stands on, and how their failures are told.
//!
//! The one place that speaks to `object_store`. What it relies on is what all three providers promise: a read sees
//! the last write, a list sees every object that is there, an object is written whole or not at all, and a
//! conditional write has one winner.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};

use super::failed::{self, Doing};
use crate::registry::{ByteRange, Error, ErrorKind, Result};

/// A store of objects that takes big ones in parts.
pub(super) trait ObjectAccess: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> ObjectAccess for T {}

/// The objects of one bucket, below its prefix.
pub(super) struct Objects {
    access: Arc<dyn ObjectAccess>,
    prefix: String,
    shown: String,
}

/// One state of an object, so that it can be replaced only where it is still in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version(UpdateVersion);

/// A small object, read whole.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) bytes: Bytes,
    pub(super) version: Version,
    /// When it was written, by the bucket's clock.
    pub(super) modified: SystemTime,
}

/// An object in a list.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: u64,
    /// When it was written, by the bucket's clock.
    pub(super) modified: SystemTime,
    /// Another one where it was written with other content.
    pub(super) e_tag: Option<String>,
}

/// What came of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is written.
    Done(Version),
    /// The condition did not hold, and nothing was written.
    Refused,
}

impl Objects {
    /// The objects of `access` below `prefix`; `shown` is how errors name the bucket.
    pub(super) fn new(access: Arc<dyn ObjectAccess>, prefix: &str, shown: &str) -> Self {
        Self { access, prefix: prefix.to_owned(), shown: shown.to_owned() }
    }

    /// How errors name the bucket.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Reads an object of at most `at_most` bytes; `None` where there is none.
    pub(super) async fn read(&self, key: &str, at_most: u64) -> Result<Option<Found>> {
        let failed = |error| self.failed(Doing::Read, key, error);
        let got = match self.access.get(&self.path(key)).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if got.meta.size > at_most {
            let message = format!("{key} in {} has {} bytes; at most {at_most} are read", self.shown, got.meta.size);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let (version, modified) = (version(&got.meta), modified(&got.meta));
        let bytes = got.bytes().await.map_err(failed)?;
        Ok(Some(Found { bytes, version, modified }))
    }

    /// When an object was written, and how long it is; `None` where there is none.
    pub(super) async fn look(&self, key: &str) -> Result<Option<Listed>> {
        match self.access.head(&self.path(key)).await {
            Ok(meta) => {
                Ok(Some(Listed { key: key.to_owned(), size: meta.size, modified: modified(&meta), e_tag: meta.e_tag }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(Doing::Read, key, error)),
        }
    }

    /// Opens a part of an object that has `size` bytes.
    pub(super) async fn open(&self, key: &str, range: ByteRange) -> Result<BoxStream<'static, Result<Bytes>>> {
        let asked = match (range.from, range.to) {
            (0, None) => None,
            (from, None) => Some(GetRange::Offset(from)),
            (from, Some(to)) => Some(GetRange::Bounded(from..to)),
        };
        let options = GetOptions { range: asked, ..GetOptions::default() };
        let got = self.access.get_opts(&self.path(key), options).await;
        let got = got.map_err(|error| self.failed(Doing::Read, key, error))?;
        let (shown, key) = (self.shown.clone(), key.to_owned());
        Ok(got.into_stream().map_err(move |error| failed::explain(&shown, Doing::Read, &key, error)).boxed())
    }

    /// Writes an object, whatever is there.
    pub(super) async fn write(&self, key: &str, content: impl Into<PutPayload>) -> Result<Version> {
        let put = self.access.put(&self.path(key), content.into()).await;
        put.map(|put| Version(put.into())).map_err(|error| self.failed(Doing::Write, key, error))
    }

    /// Writes an object that is not there yet. Of several who do so at once one is told `Done`.
    pub(super) async fn create(&self, key: &str, content: impl Into<PutPayload>) -> Result<Put> {
        self.put(key, content.into(), PutMode::Create).await
    }

    /// Replaces an object that is still in the state `version`. Of several who do so at once one is told `Done`.
    pub(super) async fn update(&self, key: &str, content: impl Into<PutPayload>, version: &Version) -> Result<Put> {
        self.put(key, content.into(), PutMode::Update(version.0.clone())).await
    }

    async fn put(&self, key: &str, content: PutPayload, mode: PutMode) -> Result<Put> {
        use object_store::Error::{AlreadyExists, NotFound, Precondition};
        let creates = mode == PutMode::Create;
        match self.access.put_opts(&self.path(key), content, PutOptions::from(mode)).await {
            Ok(put) => Ok(Put::Done(Version(put.into()))),
            Err(AlreadyExists { .. } | Precondition { .. }) => Ok(Put::Refused),
            // What is not there any more is in no state.
            Err(NotFound { .. }) if !creates => Ok(Put::Refused),
            Err(error) => Err(self.failed(Doing::Write, key, error)),
        }
    }

    /// Removes an object; one that is not there is removed.
    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        match self.access.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(Doing::Remove, key, error)),
        }
    }

    /// Every object below `directory`, in the order of their keys, page by page as it is polled.
    pub(super) fn list(&self, directory: &str) -> BoxStream<'static, Result<Listed>> {
        let skipped = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let (shown, named) = (self.shown.clone(), directory.to_owned());
        let listed = move |meta: ObjectMeta| Listed {
            key: meta.location.as_ref().get(skipped..).unwrap_or_default().to_owned(),
            size: meta.size,
            modified: modified(&meta),
            e_tag: meta.e_tag,
        };
        let failed = move |error| failed::explain(&shown, Doing::List, &named, error);
        self.access.list(Some(&self.path(directory))).map_ok(listed).map_err(failed).boxed()
    }

    /// The names right below `directory` that other names begin with.
    pub(super) async fn directories(&self, directory: &str) -> Result<Vec<String>> {
        let listed = self.access.list_with_delimiter(Some(&self.path(directory))).await;
        let listed = listed.map_err(|error| self.failed(Doing::List, directory, error))?;
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// Begins an object that comes in parts, and says what the parts are given under.
    pub(super) async fn begin_parts(&self, key: &str) -> Result<String> {
        let begun = self.access.create_multipart(&self.path(key)).await;
        begun.map_err(|error| self.failed(Doing::Write, key, error))
    }

    /// Gives one part, and says what it goes by. `Gone` where the provider has given the whole up.
    pub(super) async fn put_part(&self, key: &str, id: &str, index: usize, content: PutPayload) -> Result<String> {
        let put = self.access.put_part(&self.path(key), &id.to_owned(), index, content).await;
        put.map(|part| part.content_id).map_err(|error| self.failed(Doing::Extend, key, error))
    }

    /// Makes an object of the parts.
    pub(super) async fn end_parts(&self, key: &str, id: &str, parts: Vec<String>) -> Result<()> {
        let parts = parts.into_iter().map(|content_id| PartId { content_id }).collect();
        let ended = self.access.complete_multipart(&self.path(key), &id.to_owned(), parts).await;
        ended.map(drop).map_err(|error| self.failed(Doing::Extend, key, error))
    }

    /// Gives the parts up; those that are gone are given up.
    pub(super) async fn drop_parts(&self, key: &str, id: &str) -> Result<()> {
        match self.access.abort_multipart(&self.path(key), &id.to_owned()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(Doing::Remove, key, error)),
        }
    }

    fn failed(&self, doing: Doing, key: &str, error: object_store::Error) -> Error {
        failed::explain(&self.shown, doing, key, error)
    }

    /// The whole key. Everything that is made a key here is of letters that need no escaping.
    fn path(&self, key: &str) -> Path {
        if self.prefix.is_empty() { Path::from(key) } else { Path::from(format!("{}/{key}", self.prefix)) }
    }
}

fn version(meta: &ObjectMeta) -> Version {
    Version(UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() })
}

fn modified(meta: &ObjectMeta) -> SystemTime {
    let since = u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(since)
}
