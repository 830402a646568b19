//! What `serve` hands out: the local store, or a bucket.

use std::sync::Arc;

use super::{Session, SessionError};
use crate::credentials::{DataError, SecretPath, VaultError};
use crate::failure::{Failure, FailureKind};
use crate::files::LocalDisk;
use crate::image::{BucketAddress, Storage};
use crate::registry::{Follower, Host};
use crate::store::{ServedStore, Store};

/// Where what is served is kept, and how that is reached.
#[derive(Clone, Debug)]
pub struct StorageOptions {
    /// Where.
    pub storage: Storage,
    /// Where the bucket's provider is, where that is not its usual place.
    pub endpoint: Option<url::Url>,
    /// The bucket's region, where the environment does not say it.
    pub region: Option<String>,
    /// The secret that opens the bucket, where the environment does not.
    pub secret: Option<SecretPath>,
}

/// Why a storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A value of the secret is no text.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The vault has no such secret.
    #[error("there is no secret {0}, which is to open the storage")]
    Missing(SecretPath),
    /// The secret has no value that could open a bucket.
    #[error("the secret {0} holds no `password` and no `token`, so it opens no storage")]
    NoKey(SecretPath),
    /// Buckets were left out when the program was built.
    #[error("{0} is object storage, which this tranship was built without")]
    NotBuilt(BucketAddress),
}

impl Failure for StorageError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::NotBuilt(_) => FailureKind::Usage,
            Self::Vault(error) => error.kind(),
            Self::Data(_) | Self::Missing(_) | Self::NoKey(_) => FailureKind::Denied,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Vault(error) => error.hints(),
            Self::Data(_) => Vec::new(),
            Self::Missing(path) => vec![format!("set it: `tranship secret set {path}`")],
            Self::NoKey(path) => vec![format!(
                "set `username` to the access key's name and `password` to the key: `tranship secret set {path}`"
            )],
            Self::NotBuilt(_) => vec!["use one that has it: `cargo build --features object-storage`".to_owned()],
        }
    }
}

/// What is handed out to others.
pub struct Hosted {
    /// Where it is kept.
    pub host: Arc<dyn Host>,
    /// The same, where it can keep what automatic pull brings.
    pub follower: Option<Arc<dyn Follower>>,
    /// The note that a store is served, for as long as this is held; a bucket needs none.
    pub served: Option<ServedStore>,
}

impl Session {
    /// What is handed out to others.
    ///
    /// # Errors
    /// The store cannot be opened; the bucket cannot be reached, or not shared by servers.
    pub async fn host(&self, options: &StorageOptions) -> Result<Hosted, SessionError> {
        let store = match &options.storage {
            Storage::Local(None) => self.store()?,
            Storage::Local(Some(directory)) => Store::open(directory, Arc::new(LocalDisk))?,
            Storage::Bucket(address) => {
                return Ok(Hosted { host: self.bucket(address, options).await?, follower: None, served: None });
            }
        };
        let served = Some(store.serve()?);
        let follower: Arc<dyn Follower> = Arc::new(store.clone());
        Ok(Hosted { host: Arc::new(store), follower: Some(follower), served })
    }

    #[cfg(feature = "object-storage")]
    async fn bucket(&self, address: &BucketAddress, options: &StorageOptions) -> Result<Arc<dyn Host>, SessionError> {
        use crate::bucket::{Bucket, Connection};
        let key = match &options.secret {
            Some(path) => Some(self.storage_key(path).await?),
            None => None,
        };
        let (endpoint, region) = (options.endpoint.clone(), options.region.clone());
        Ok(Arc::new(Bucket::open(&Connection { address: address.clone(), endpoint, region, key }).await?))
    }

    #[cfg(not(feature = "object-storage"))]
    #[expect(clippy::unused_async, reason = "it is async where it can do something")]
    async fn bucket(&self, address: &BucketAddress, _: &StorageOptions) -> Result<Arc<dyn Host>, SessionError> {
        Err(StorageError::NotBuilt(address.clone()).into())
    }

    /// The key that a secret holds: `username` and `password`, or `token` where there is no name to it.
    #[cfg(feature = "object-storage")]
    async fn storage_key(&self, path: &SecretPath) -> Result<crate::bucket::Key, SessionError> {
        let vault = self.vaults(None)?.named(&path.vault).map_err(StorageError::from)?;
        let data = vault.get(&path.secret).await.map_err(StorageError::from)?;
        let data = data.ok_or_else(|| StorageError::Missing(path.clone()))?;
        let text = |key: &str| data.text(key).map_err(StorageError::from);
        let secret = text("password")?.or(text("token")?).ok_or_else(|| StorageError::NoKey(path.clone()))?;
        let name = text("username")?.map(|name| name.expose().to_owned());
        Ok(crate::bucket::Key { name, secret: secret.expose().to_owned().into() })
    }
}
