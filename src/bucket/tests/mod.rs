//! Buckets in memory: what several servers do to each other, and what a provider may do to all of them.

mod faults;
mod images;
mod upkeep;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::memory::InMemory;

use super::Bucket;
use super::objects::ObjectAccess;
use crate::image::{Algorithm, Descriptor, MediaType, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, BlobUpload, ByteRange, Host, HostedUpload, ImageDestination, ImageSource, TagCondition, read_verified,
};

/// Another server on the same bucket.
async fn server(access: &Arc<InMemory>) -> Bucket {
    over(Arc::clone(access) as Arc<dyn ObjectAccess>).await
}

async fn over(access: Arc<dyn ObjectAccess>) -> Bucket {
    Bucket::over(access, "some/prefix", "s3://test").await.unwrap()
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// An image of one layer and a config.
struct Sample {
    config: Bytes,
    layer: Bytes,
    manifest: RawManifest,
}

impl Sample {
    fn new(layer: &str) -> Self {
        Self::with(layer, "")
    }

    /// With more fields of the manifest, each followed by a comma.
    fn with(layer: &str, fields: &str) -> Self {
        let config = Bytes::from(format!(
            r#"{{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05Z","rootfs":{{"type":"layers","diff_ids":[]}},"config":{{"Labels":{{"l":"{layer}"}}}}}}"#
        ));
        let layer = Bytes::from(layer.to_owned());
        let text = |kind: MediaType, bytes: &Bytes| serde_json::to_string(&Descriptor::of(kind, bytes)).unwrap();
        let (config_text, layer_text) = (text(MediaType::oci_config(), &config), text(layer_type(), &layer));
        let manifest = format!(r#"{{"schemaVersion":2,{fields}"config":{config_text},"layers":[{layer_text}]}}"#);
        let manifest =
            RawManifest::parse(manifest.into(), Some(&MediaType::oci_manifest()), Algorithm::Sha256).unwrap();
        Self { config, layer, manifest }
    }

    fn blobs(&self) -> [Descriptor; 2] {
        [Descriptor::of(MediaType::oci_config(), &self.config), Descriptor::of(layer_type(), &self.layer)]
    }
}

fn layer_type() -> MediaType {
    MediaType::new("application/vnd.oci.image.layer.v1.tar")
}

/// Puts one blob into a repository, as a push of ours does.
async fn put(bucket: &Bucket, repository: &str, blob: &Descriptor, bytes: &Bytes) -> crate::registry::Result<()> {
    if let Begun::Upload(mut upload) = bucket.begin_blob(&name(repository), blob, None, None).await? {
        upload.write(bytes.clone()).await?;
        upload.commit().await?;
    }
    Ok(())
}

/// Puts an image in place under its tags.
async fn push(bucket: &Bucket, repository: &str, image: &Sample, tags: &[&str]) -> crate::registry::Result<()> {
    let [config, layer] = image.blobs();
    put(bucket, repository, &config, &image.config).await?;
    put(bucket, repository, &layer, &image.layer).await?;
    let tags: Vec<Tag> = tags.iter().map(|text| tag(text)).collect();
    bucket.push_manifest(&name(repository), &image.manifest, &tags, TagCondition::Always).await
}

/// Whether an image is there, every byte of it.
async fn is_whole(bucket: &Bucket, repository: &str, image: &Sample) -> bool {
    let repository = name(repository);
    let manifest = bucket.manifest(&repository, &Selector::Digest(image.manifest.digest().clone())).await;
    if !manifest.is_ok_and(|manifest| manifest.bytes() == image.manifest.bytes()) {
        return false;
    }
    for blob in image.blobs() {
        let Ok(reader) = bucket.blob(&repository, &blob, ByteRange::ALL).await else { return false };
        if read_verified(reader, &blob, u64::MAX).await.is_err() {
            return false;
        }
    }
    true
}

/// Takes up an upload that is there.
async fn reopen(bucket: &Bucket, word: &str) -> Box<dyn HostedUpload> {
    bucket.reopen_upload(&name("a"), "alice", word).await.unwrap().unwrap()
}
