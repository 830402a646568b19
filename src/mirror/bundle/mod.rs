//! Bundles: what is new since the last one in one archive, for networks without a way in.
//!
//! A bundle is an archive of images under their names at home. One entry of it is no image but the bundle's own
//! document: its id, that of the bundle before it, which images it holds, and what the chain of bundles up to it has
//! brought. Blobs that an earlier bundle brought into the same repository are left out; manifests never are.

mod beyond;
mod create;
mod error;
mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::{Digest, RepositoryName, Selector, Tag};
use crate::registry::{self, ImageDestination, ImageSource};

pub use create::{Creation, create_bundle};
pub use error::BundleError;
pub use load::{Load, read_document};

/// The name of the entry that holds the bundle's document.
const ENTRY: &str = "tranship-bundle";
/// The type of the document.
const DOCUMENT_TYPE: &str = "application/vnd.tranship.bundle.v1+json";
/// The only version of it.
const VERSION: u32 = 1;
/// The longest document.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// An archive that is being written.
#[async_trait]
pub trait Packing: Send + Sync {
    /// A place in it for the image of this name.
    ///
    /// # Errors
    /// The name cannot stand in it.
    fn image(&self, name: &str) -> registry::Result<Arc<dyn ImageDestination>>;

    /// Is told of blobs that images may lack, because whoever reads the archive has them.
    async fn presume(&self, blobs: &BTreeSet<Digest>);

    /// Ends it: from now on it is there under its name.
    ///
    /// # Errors
    /// It cannot be written.
    async fn finish(&self) -> registry::Result<()>;
}

/// An archive that is read.
#[async_trait]
pub trait Unpacking: Send + Sync {
    /// The image of this name.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    async fn image(&self, name: &str) -> registry::Result<Arc<dyn ImageSource>>;
}

/// What a bundle says of itself. What the last one said is what the next one begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleDocument {
    /// The version of this form.
    version: u32,
    /// The bundle's name, which follows from its content.
    pub id: String,
    /// The bundle before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The images in it.
    pub images: Vec<BundledImage>,
    /// What every image of the chain is now, by its name.
    known: BTreeMap<String, Digest>,
    /// The blobs that the chain has brought, by repository.
    held: BTreeMap<String, BTreeSet<Digest>>,
}

/// An image of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundledImage {
    /// Its repository as at home: `docker.io/library/alpine`.
    pub repository: RepositoryName,
    /// Its tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// Its digest.
    pub digest: Digest,
}

impl BundledImage {
    /// Its name in the archive.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository),
            None => format!("{}{}", self.repository, Selector::Digest(self.digest.clone()).suffix()),
        }
    }
}

impl BundleDocument {
    /// The document of a bundle behind `last`, which holds nothing yet.
    fn behind(last: Option<&Self>, created: Timestamp) -> Self {
        Self {
            version: VERSION,
            id: String::new(),
            parent: last.map(|last| last.id.clone()),
            created,
            images: Vec::new(),
            known: last.map(|last| last.known.clone()).unwrap_or_default(),
            held: last.map(|last| last.held.clone()).unwrap_or_default(),
        }
    }

    /// Gives it the id that follows from what it says.
    fn sealed(self) -> Self {
        let id = Digest::of(self.text().as_bytes()).short().to_owned();
        Self { id, ..self }
    }

    /// The document as text.
    #[must_use]
    pub fn text(&self) -> String {
        // Names, digests and a time have a form in JSON.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is none, or of another version.
    pub fn parse(text: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(text).map_err(BundleError::Document)?;
        if version != VERSION {
            return Err(BundleError::Version(version));
        }
        serde_json::from_slice(text).map_err(BundleError::Document)
    }
}
