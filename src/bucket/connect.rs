//! How a bucket is reached: its provider's client, made of an address, an endpoint and a key.
//!
//! What is not said is looked for where the provider's own programs look: environment variables, the instance.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{ClientOptions, RetryConfig};
use secrecy::{ExposeSecret as _, SecretString};

use super::Bucket;
use super::objects::ObjectAccess;
use crate::image::{BucketAddress, Provider};
use crate::registry::{Error, ErrorKind, Remedy, Result};

/// How long a provider may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(5);
/// How often a request is tried again, which the crate does by itself.
const RETRIES: usize = 4;

/// What leads to a bucket.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Which bucket.
    pub address: BucketAddress,
    /// Where the provider is, where that is not its usual place.
    pub endpoint: Option<url::Url>,
    /// The region, where it is not in the environment.
    pub region: Option<String>,
    /// The key, where it is not in the environment.
    pub key: Option<Key>,
}

/// What opens a bucket.
#[derive(Clone, Debug)]
pub struct Key {
    /// The access key of S3, or the account of Azure; nothing with Google.
    pub name: Option<String>,
    /// The secret access key, the account's key, or Google's service account as JSON.
    pub secret: SecretString,
}

impl Bucket {
    /// Opens a bucket.
    ///
    /// # Errors
    /// `Settings` where what is said cannot be used, or there is no such bucket; `Unsupported` where a newer tranship
    /// made what is there, or several servers could not share it; `Denied`, `Unavailable`.
    pub async fn open(connection: &Connection) -> Result<Self> {
        let shown = connection.address.to_string();
        let access = access(connection).map_err(|error| {
            let message = format!("{shown} cannot be opened with what is said of it");
            let remedy = "see `--storage-endpoint`, `--storage-region`, `--storage-secret` and the provider's \
                          environment variables";
            let remedy = Remedy::Other(remedy.to_owned());
            Error::new(ErrorKind::Settings, message).with_remedy(remedy).caused_by(error)
        })?;
        Self::over(access, &connection.address.prefix, &shown).await
    }
}

fn access(connection: &Connection) -> object_store::Result<Arc<dyn ObjectAccess>> {
    match connection.address.provider {
        Provider::S3 => s3(connection),
        Provider::Google => google(connection),
        Provider::Azure => azure(connection),
    }
}

fn s3(Connection { address, endpoint, region, key }: &Connection) -> object_store::Result<Arc<dyn ObjectAccess>> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&address.bucket)
        .with_client_options(options(endpoint.as_ref()))
        .with_retry(retries());
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(Key { name, secret }) = key {
        builder =
            builder.with_access_key_id(name.clone().unwrap_or_default()).with_secret_access_key(secret.expose_secret());
    }
    Ok(Arc::new(builder.build()?))
}

fn google(Connection { address, endpoint, key, .. }: &Connection) -> object_store::Result<Arc<dyn ObjectAccess>> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&address.bucket)
        .with_client_options(options(endpoint.as_ref()))
        .with_retry(retries());
    if let Some(endpoint) = endpoint {
        builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
    }
    if let Some(Key { secret, .. }) = key {
        builder = builder.with_service_account_key(secret.expose_secret());
    }
    Ok(Arc::new(builder.build()?))
}

fn azure(Connection { address, endpoint, key, .. }: &Connection) -> object_store::Result<Arc<dyn ObjectAccess>> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(&address.bucket)
        .with_client_options(options(endpoint.as_ref()))
        .with_retry(retries());
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned());
    }
    if let Some(Key { name, secret }) = key {
        builder = builder.with_access_key(secret.expose_secret());
        if let Some(account) = name {
            builder = builder.with_account(account);
        }
    }
    Ok(Arc::new(builder.build()?))
}

/// Plain HTTP is spoken where the endpoint says so, and nowhere else. A big object may take its time, as long as
/// something comes.
fn options(endpoint: Option<&url::Url>) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.scheme() == "http"))
        .with_timeout_disabled()
        .with_read_timeout(SILENCE)
        .with_connect_timeout(CONNECTING)
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: SILENCE, ..RetryConfig::default() }
}
