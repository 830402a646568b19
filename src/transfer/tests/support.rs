//! Images by description, and an engine that does not wait long.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::place::Place;
use crate::image::{Algorithm, Descriptor, MediaType, RawManifest, RepositoryName, Tag};
use crate::progress::Silent;
use crate::registry::{Begun, ImageDestination, TagCondition};
use crate::store::Memory;
use crate::transfer::{self, Destination, Engine, Options, Settings, Source, TransferReport};

pub(super) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(super) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// An engine that does not wait long.
pub(super) fn engine() -> Engine {
    engine_with(Settings::default())
}

/// The same, with other limits.
pub(super) fn engine_with(settings: Settings) -> Engine {
    let settings = Settings { concurrency: 3, pause: Duration::from_millis(1), ..settings };
    Engine::new(settings, &std::env::temp_dir(), Arc::new(Silent))
}

pub(super) async fn copy(source: &Source, destination: &Destination) -> Result<TransferReport, transfer::Error> {
    engine().copy(source, destination, &Options::default()).await
}

/// Puts blobs and manifests into a repository.
pub(super) struct Builder<'a> {
    place: &'a Memory,
    repository: RepositoryName,
}

impl<'a> Builder<'a> {
    pub(super) fn new(place: &'a Place, repository: &str) -> Self {
        Self { place: &place.inner, repository: name(repository) }
    }

    pub(super) async fn blob(&self, content: &[u8]) -> Descriptor {
        let blob = Descriptor::of(MediaType::new("application/vnd.oci.image.layer.v1.tar"), content);
        if let Begun::Upload(mut upload) = self.place.begin_blob(&self.repository, &blob, None, None).await.unwrap() {
            if upload.offset() == 0 {
                upload.write(Bytes::copy_from_slice(content)).await.unwrap();
            }
            upload.commit().await.unwrap();
        }
        blob
    }

    /// An image of these layers; `extra` is further JSON of the manifest, each member with a comma behind it.
    pub(super) async fn image(&self, layers: &[&[u8]], extra: &str) -> RawManifest {
        let config = Descriptor { media_type: MediaType::oci_config(), ..self.blob(b"{\"a config\":1}").await };
        let mut entries = Vec::new();
        for layer in layers {
            entries.push(self.blob(layer).await);
        }
        self.image_of(&config, &entries, extra).await
    }

    pub(super) async fn image_of(&self, config: &Descriptor, layers: &[Descriptor], extra: &str) -> RawManifest {
        let (config, layers) = (json(config), json(layers));
        // Uneven spaces, so that a manifest that is written anew would not keep its digest.
        let text = format!(r#"{{ "schemaVersion":2,{extra}"config":  {config},"layers":{layers}  }}"#);
        self.push(&text, &MediaType::oci_manifest()).await
    }

    pub(super) async fn index(&self, children: &[Descriptor], extra: &str) -> RawManifest {
        let text = format!(r#"{{"schemaVersion":2,{extra} "manifests": {}}}"#, json(children));
        self.push(&text, &MediaType::oci_index()).await
    }

    async fn push(&self, text: &str, media_type: &MediaType) -> RawManifest {
        let manifest = RawManifest::parse(text.to_owned().into(), Some(media_type), Algorithm::Sha256).unwrap();
        self.place.push_manifest(&self.repository, &manifest, &[], TagCondition::Always).await.unwrap();
        manifest
    }

    pub(super) async fn tag(&self, manifest: &RawManifest, wanted: &str) {
        self.place.push_manifest(&self.repository, manifest, &[tag(wanted)], TagCondition::Always).await.unwrap();
    }

    /// Something that refers to `subject`.
    pub(super) async fn attach(&self, subject: &RawManifest, content: &[u8]) -> RawManifest {
        let subject = json(&Descriptor::new(
            subject.media_type().clone(),
            subject.digest().clone(),
            subject.bytes().len() as u64,
        ));
        self.image(&[content], &format!(r#""artifactType":"a/signature","subject":{subject},"#)).await
    }
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

/// `size` bytes that compress badly and differ by `seed`.
pub(super) fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// Waits until something is so, while other work goes on.
pub(super) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}
