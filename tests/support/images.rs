//! Images by description: documents and blobs in memory, made without the code under test.

use serde_json::{Value, json};

use super::content::{fresh_seed, gzip, noise, sha256, tar};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Bytes with their type and digest.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
}

impl Content {
    pub(crate) fn new(media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.to_owned(), digest: sha256(&bytes), bytes }
    }

    /// The descriptor in JSON.
    pub(crate) fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// A manifest and everything that it names: an image, an artifact, or an index with its children.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// The manifest.
    pub(crate) manifest: Content,
    /// Config and layers; empty for an index.
    pub(crate) blobs: Vec<Content>,
    /// The manifests that an index names.
    pub(crate) children: Vec<Image>,
}

impl Image {
    pub(crate) fn digest(&self) -> &str {
        &self.manifest.digest
    }

    /// The manifest as JSON.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_slice(&self.manifest.bytes).unwrap()
    }

    /// Every blob, those of the children included.
    pub(crate) fn all_blobs(&self) -> Vec<&Content> {
        self.blobs.iter().chain(self.children.iter().flat_map(Self::all_blobs)).collect()
    }

    /// Every manifest, children before their index.
    pub(crate) fn all_manifests(&self) -> Vec<&Content> {
        self.children.iter().flat_map(Self::all_manifests).chain([&self.manifest]).collect()
    }
}

/// Describes an image; [`ImageBuilder::build`] makes it.
#[derive(Clone, Debug)]
pub(crate) struct ImageBuilder {
    seed: u64,
    layers: Vec<usize>,
    docker: bool,
    architecture: String,
    created: String,
    labels: Value,
    annotations: Value,
    subject: Option<Value>,
}

/// An OCI image for linux/amd64 of two small layers that no other test has.
pub(crate) fn image() -> ImageBuilder {
    ImageBuilder {
        seed: fresh_seed(),
        layers: vec![1000, 2000],
        docker: false,
        architecture: "amd64".to_owned(),
        created: "2026-01-02T03:04:05Z".to_owned(),
        labels: json!({}),
        annotations: Value::Null,
        subject: None,
    }
}

impl ImageBuilder {
    /// The content's seed: equal descriptions with equal seeds are equal images.
    pub(crate) fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// One layer for each size, holding a file of so many bytes.
    pub(crate) fn layers(mut self, sizes: &[usize]) -> Self {
        self.layers = sizes.to_vec();
        self
    }

    /// With Docker's media types.
    pub(crate) fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    pub(crate) fn architecture(mut self, architecture: &str) -> Self {
        architecture.clone_into(&mut self.architecture);
        self
    }

    /// When its config says that it was made.
    pub(crate) fn created(mut self, time: &str) -> Self {
        time.clone_into(&mut self.created);
        self
    }

    pub(crate) fn label(mut self, key: &str, value: &str) -> Self {
        self.labels[key] = json!(value);
        self
    }

    pub(crate) fn annotation(mut self, key: &str, value: &str) -> Self {
        if self.annotations.is_null() {
            self.annotations = json!({});
        }
        self.annotations[key] = json!(value);
        self
    }

    /// As something that refers to `subject`.
    pub(crate) fn subject(mut self, subject: &Content) -> Self {
        self.subject = Some(subject.descriptor());
        self
    }

    pub(crate) fn build(self) -> Image {
        let (manifest_type, config_type, layer_type) = if self.docker {
            (
                DOCKER_MANIFEST,
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            )
        } else {
            (OCI_MANIFEST, "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
        };
        let mut diff_ids = Vec::new();
        let mut layers = Vec::new();
        for (index, size) in self.layers.iter().enumerate() {
            let file = noise(self.seed.wrapping_add(index as u64 + 1), *size);
            let archive = tar(&[(&format!("layer-{index}"), &file)]);
            diff_ids.push(sha256(&archive));
            layers.push(Content::new(layer_type, gzip(&archive)));
        }
        let config = json!({
            "architecture": self.architecture, "os": "linux", "created": self.created,
            "config": {"Cmd": ["/layer-0"], "Labels": self.labels},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": diff_ids.iter().map(|_| json!({"created_by": "test"})).collect::<Vec<_>>(),
        });
        let config = Content::new(config_type, config.to_string());
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": manifest_type, "config": config.descriptor(),
            "layers": layers.iter().map(Content::descriptor).collect::<Vec<_>>(),
        });
        add(&mut manifest, "annotations", self.annotations);
        add(&mut manifest, "subject", self.subject.unwrap_or_default());
        let manifest = Content::new(manifest_type, pretty(&manifest));
        Image { manifest, blobs: [config].into_iter().chain(layers).collect(), children: Vec::new() }
    }
}

/// An OCI image for linux/amd64 of layers that are at hand, each with the digest of its archive.
pub(crate) fn image_of(layers: Vec<(Content, String)>) -> Image {
    let (layers, diff_ids): (Vec<Content>, Vec<String>) = layers.into_iter().unzip();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = Content::new("application/vnd.oci.image.config.v1+json", config.to_string());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(),
        "layers": layers.iter().map(Content::descriptor).collect::<Vec<_>>(),
    });
    let manifest = Content::new(OCI_MANIFEST, pretty(&manifest));
    Image { manifest, blobs: [config].into_iter().chain(layers).collect(), children: Vec::new() }
}

/// An image of one layer for each size, whose bytes are no archive but quick to make.
pub(crate) fn bulk(sizes: &[usize]) -> Image {
    // An odd length, so that a stretch in another place is other bytes.
    let piece = noise(fresh_seed(), 1_000_003);
    let layer = |(number, size): (usize, &usize)| {
        let mut bytes = Vec::with_capacity(size + piece.len());
        bytes.extend_from_slice(&piece[number..]);
        while bytes.len() < *size {
            bytes.extend_from_slice(&piece);
        }
        bytes.truncate(*size);
        let layer = Content::new("application/vnd.oci.image.layer.v1.tar", bytes);
        let diff_id = layer.digest.clone();
        (layer, diff_id)
    };
    image_of(sizes.iter().enumerate().map(layer).collect())
}

/// An index of `children`, each under the platform of its config.
pub(crate) fn index(children: Vec<Image>) -> Image {
    index_of(OCI_INDEX, children)
}

/// A Docker manifest list of `children`.
pub(crate) fn docker_index(children: Vec<Image>) -> Image {
    index_of(DOCKER_INDEX, children)
}

fn index_of(media_type: &str, children: Vec<Image>) -> Image {
    let entry = |child: &Image| {
        let mut entry = child.manifest.descriptor();
        if let Some(config) = child.blobs.first() {
            let config: Value = serde_json::from_slice(&config.bytes).unwrap();
            entry["platform"] = json!({"os": config["os"], "architecture": config["architecture"]});
        }
        entry
    };
    let entries: Vec<Value> = children.iter().map(entry).collect();
    let document = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
    Image { manifest: Content::new(media_type, pretty(&document)), blobs: Vec::new(), children }
}

/// An artifact of one file that refers to `subject` (OCI image-spec, "Guidelines for Artifact Usage").
pub(crate) fn artifact(subject: &Content, artifact_type: &str, file: &[u8]) -> Image {
    let config = Content::new(EMPTY, "{}");
    let layer = Content::new("application/octet-stream", file);
    let document = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
        "config": config.descriptor(), "layers": [layer.descriptor()], "subject": subject.descriptor(),
    });
    Image { manifest: Content::new(OCI_MANIFEST, pretty(&document)), blobs: vec![config, layer], children: Vec::new() }
}

fn add(document: &mut Value, key: &str, value: Value) {
    if !value.is_null() {
        document[key] = value;
    }
}

/// With spaces and a line end that no serialiser would write again, so that a manifest that was rewritten shows.
fn pretty(document: &Value) -> String {
    format!("{document:#}\n\n")
}
