//! The vocabulary of container images: references, locations, digests, descriptors, manifests, platforms.
//!
//! Every type here is made by parsing and cannot hold a value that breaks its rule, so the code behind the
//! edge never checks a name twice. Nothing here reads a file, opens a connection or waits. Every other
//! module uses this one; it uses none of them but `failure`.

mod address;
mod attached;
mod config;
mod descriptor;
mod digest;
mod hasher;
mod location;
mod manifest;
mod media_type;
mod platform;
mod reference;
mod repository;
mod storage;
mod stream;
mod unambiguous;
mod version;

#[cfg(test)]
mod tests;

pub use address::{AddressError, RegistryAddress};
pub use attached::{Attached, AttachedError};
pub use config::{ConfigError, ImageConfig};
pub use descriptor::{Annotations, Descriptor};
pub use digest::{Algorithm, Digest, DigestError, DigestPrefix};
pub use hasher::{HashState, Hasher};
pub use location::{ArchiveFile, ArchiveForm, LayoutSelector, Location, LocationError, StoreSelector};
pub use manifest::{ImageManifest, IndexManifest, MAX_MANIFEST_BYTES, Manifest, ManifestError, RawManifest, Warning};
pub use media_type::MediaType;
pub use platform::{Platform, PlatformError};
pub use reference::{ImageReference, Naming, ReferenceError, RegistryPath, Selector};
pub use repository::{NameError, RepositoryName, Tag, TagError};
pub use storage::{BucketAddress, BucketAddressError, Provider, Storage, StorageWordError};
pub use stream::{StreamName, StreamNameError, StreamReference};
