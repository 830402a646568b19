//! Reading archives: images in one tar, of either form.
//!
//! A file is gone through once, by its headers, and read in place. What comes once (standard input, a pipe) or is
//! compressed is put aside on disk, as far as it can be needed.

mod docker;
mod input;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::selection::{Selection, is_name_of_attached, read};
use super::shelf::Shelf;
use super::tar::{Found, Members};
use crate::blobs::{Entry, Index, MAX_INDEX_BYTES, MAX_MARKER_BYTES, blocking, check_marker};
use crate::image::{ArchiveFile, ArchiveForm, Descriptor, Digest, LayoutSelector, MAX_MANIFEST_BYTES};
use crate::registry::{BlobReader, ByteRange, Error, ErrorKind, Identity, Remedy, Result};

/// An archive that is read. Clones are the same.
#[derive(Clone)]
pub struct Archive {
    shelf: Arc<Packed>,
}

/// An image of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name that the archive gives it: any text.
    pub name: Option<String>,
    /// The digest of its manifest.
    pub digest: Digest,
}

impl Archive {
    /// Opens an archive. What has to be put aside goes to the directory `spool`.
    ///
    /// # Errors
    /// `NotFound` where there is no such file, or none of this form in it; `Corrupt` where it cannot be understood,
    /// or can be understood in two ways; `Storage`.
    pub async fn open(file: &ArchiveFile, form: ArchiveForm, spool: &Path) -> Result<Self> {
        let (file, spool) = (file.clone(), spool.to_owned());
        let shelf = blocking(move || {
            let place = format!("{}:{file}", form.word());
            let members = input::open(&file, &spool).map_err(|error| error.at(&place))?;
            Packed::read(members, form, &place).map_err(|error| error.at(&place))
        });
        Ok(Self { shelf: Arc::new(shelf.await?) })
    }

    /// Picks one of its images.
    ///
    /// # Errors
    /// `NotFound` where it is not there, `Conflict` where several could be meant, `Corrupt`, `Storage`.
    pub async fn select(&self, selector: &LayoutSelector) -> Result<Selection> {
        Selection::open(Arc::clone(&self.shelf) as Arc<dyn Shelf>, selector.clone()).await
    }

    /// Its images, each under every name that it has there, without what is attached to them.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn images(&self) -> Result<Vec<Listed>> {
        let packed = Arc::clone(&self.shelf);
        blocking(move || {
            // What cannot be read is no less an image: whoever reads it hears why.
            let is_image = |entry: &&Entry| {
                let read = read(&*packed, entry.descriptor());
                !entry.name().is_some_and(is_name_of_attached)
                    && read.map_or(true, |manifest| manifest.manifest().subject().is_none())
            };
            let images = packed.index.entries().iter().filter(is_image);
            let listed = images.map(|entry| Listed {
                name: entry.full_name().or_else(|| entry.name()).map(str::to_owned),
                digest: entry.descriptor().digest.clone(),
            });
            Ok(listed.collect())
        })
        .await
    }
}

/// What an archive holds.
struct Packed {
    members: Members,
    identity: Identity,
    contents: Contents,
    index: Arc<Index>,
}

/// What is said of the content of an archive, beside the names of its members.
#[derive(Default)]
struct Contents {
    index: Index,
    /// The images by number, where the index does not list them one by one.
    numbered: Option<Vec<Descriptor>>,
    /// Manifests that were made here, because the archive has none.
    made: HashMap<Digest, Bytes>,
    /// Content that does not go by its digest.
    blobs: HashMap<Digest, Found>,
}

impl Packed {
    fn read(members: Members, form: ArchiveForm, place: &str) -> Result<Self> {
        let mut contents = match form {
            ArchiveForm::Docker if members.find(docker::MANIFEST)?.is_some() => docker::read(&members)?,
            ArchiveForm::Docker if members.find("index.json")?.is_none() => {
                let message =
                    format!("{} holds no images: there is neither manifest.json nor index.json", members.shown());
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            ArchiveForm::Oci | ArchiveForm::Docker => {
                Contents { index: layout_index(&members)?, ..Contents::default() }
            }
        };
        let index = Arc::new(std::mem::take(&mut contents.index));
        let identity = Identity { place: place.to_owned(), credential: None, local: true };
        Ok(Self { members, identity, contents, index })
    }

    fn find(&self, digest: &Digest) -> Result<Option<Found>> {
        match self.contents.blobs.get(digest) {
            Some(found) => Ok(Some(found.clone())),
            None => self.members.find(&blob_name(digest)),
        }
    }
}

#[async_trait]
impl Shelf for Packed {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn shown(&self) -> String {
        self.members.shown().to_owned()
    }

    fn index(&self) -> Result<Arc<Index>> {
        Ok(Arc::clone(&self.index))
    }

    fn by_number(&self, number: usize) -> Result<Option<Descriptor>> {
        match &self.contents.numbered {
            Some(numbered) => Ok(numbered.get(number).cloned()),
            None => Ok(self.index.entries().get(number).map(|entry| entry.descriptor().clone())),
        }
    }

    fn document(&self, digest: &Digest) -> Result<Option<Bytes>> {
        if let Some(made) = self.contents.made.get(digest) {
            return Ok(Some(made.clone()));
        }
        let Some(found) = self.find(digest)? else { return Ok(None) };
        document(&self.members, &found, digest).map(Some)
    }

    async fn open(&self, blob: &Descriptor, range: ByteRange) -> Result<BlobReader> {
        let missing = || {
            let message = format!("{} lacks the blob {}", self.members.shown(), blob.digest);
            Error::new(ErrorKind::NotFound, message)
        };
        let found = self.find(&blob.digest)?.ok_or_else(missing)?;
        if found.size != blob.size {
            let why = format!("has {} bytes, not the {} that were announced", found.size, blob.size);
            return Err(self.members.refused(&found.name, &why));
        }
        self.members.blob(&found, range)
    }
}

/// Reads a document and compares it with its digest.
fn document(members: &Members, found: &Found, digest: &Digest) -> Result<Bytes> {
    let bytes = members.read(found, MAX_MANIFEST_BYTES as u64)?;
    let is = digest.algorithm().digest(&bytes);
    if is == *digest { Ok(bytes.into()) } else { Err(members.refused(&found.name, &format!("holds {is}"))) }
}

/// Reads the index of the layout in an archive.
fn layout_index(members: &Members) -> Result<Index> {
    let none = |what: &str| {
        let message = format!("{} is no archive of an OCI image layout: there is no {what}", members.shown());
        let error = Error::new(ErrorKind::NotFound, message);
        match members.find(docker::MANIFEST) {
            Ok(Some(_)) => error.with_remedy(Remedy::Other("docker saved it: write `docker-archive:FILE`".to_owned())),
            _ => error,
        }
    };
    let marker = members.document("oci-layout", MAX_MARKER_BYTES)?.ok_or_else(|| none("oci-layout"))?;
    check_marker(&marker, &format!("the oci-layout of {}", members.shown()))?;
    let index = members.document("index.json", MAX_INDEX_BYTES)?.ok_or_else(|| none("index.json"))?;
    Index::parse(&index).map_err(|error| members.refused("index.json", "cannot be understood").caused_by(error))
}

/// The member that holds a blob of a layout.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().word(), digest.hex())
}
