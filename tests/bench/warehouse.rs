//! Images of any size, laid into the files of a registry as if they had been pushed.
//!
//! So a benchmark begins without gigabytes of requests, and nothing is ever in memory whole.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::content::{fresh_seed, hex, noise, sha256};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::OCI_MANIFEST;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// How a gzip stream begins: a layer that does not is compressed by some tools on its way. Nobody unpacks them here.
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// How much is made at a time.
const PIECE: usize = 1024 * 1024;

/// An image that a registry holds now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    /// The bytes of all its blobs.
    pub(crate) size: u64,
}

/// Lays an image with layers of these sizes into `repository`, under every one of `tags`.
pub(crate) fn put(registry: &DockerRegistry, repository: &str, tags: &[String], layers: &[u64]) -> Stored {
    let root = registry.storage().join("docker/registry/v2");
    let repository = root.join("repositories").join(repository);
    let layers: Vec<Value> = layers.iter().map(|size| layer(&root, &repository, *size)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| &layer["digest"]).collect::<Vec<_>>()},
    });
    let config = document(&root, &config);
    link(&repository.join("_layers"), &config.0);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config.0, "size": config.1}, "layers": layers,
    });
    let manifest = document(&root, &manifest);
    link(&repository.join("_manifests/revisions"), &manifest.0);
    for tag in tags {
        point(&repository, tag, &manifest.0);
    }
    let size = layers.iter().filter_map(|layer| layer["size"].as_u64()).sum::<u64>() + config.1 as u64;
    Stored { size }
}

/// Names as many tags as a repository is to list; they lead nowhere.
pub(crate) fn name_tags(registry: &DockerRegistry, repository: &str, count: usize) {
    let tags = registry.storage().join("docker/registry/v2/repositories").join(repository).join("_manifests/tags");
    for number in 0..count {
        fs::create_dir_all(tags.join(format!("v{number:06}"))).unwrap();
    }
}

/// The file that says where a tag points; it is written when a tag moves.
pub(crate) fn tag_file(registry: &DockerRegistry, repository: &str, tag: &str) -> PathBuf {
    let repository = registry.storage().join("docker/registry/v2/repositories").join(repository);
    repository.join("_manifests/tags").join(tag).join("current/link")
}

/// Makes a layer of noise, and describes it.
fn layer(root: &Path, repository: &Path, size: u64) -> Value {
    let incoming = root.join("incoming");
    fs::create_dir_all(root).unwrap();
    let mut file = BufWriter::with_capacity(PIECE, File::create(&incoming).unwrap());
    let (mut hash, mut left, mut seed) = (Sha256::new(), size, fresh_seed());
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = noise(seed, length);
        if left == size {
            let head = GZIP.len().min(length);
            piece[..head].copy_from_slice(&GZIP[..head]);
        }
        hash.update(&piece);
        file.write_all(&piece).unwrap();
        left -= length as u64;
        seed = seed.wrapping_add(0x1234_5678_9abc_def1);
    }
    file.flush().unwrap();
    let digest = format!("sha256:{}", hex(&hash.finalize()));
    let data = data(root, &digest);
    fs::rename(incoming, data).unwrap();
    link(&repository.join("_layers"), &digest);
    json!({"mediaType": LAYER, "digest": digest, "size": size})
}

/// Keeps a document; its digest and length.
fn document(root: &Path, document: &Value) -> (String, usize) {
    let bytes = document.to_string().into_bytes();
    let digest = sha256(&bytes);
    fs::write(data(root, &digest), &bytes).unwrap();
    (digest, bytes.len())
}

/// Where the content with this digest is kept; the directories are made.
fn data(root: &Path, digest: &str) -> PathBuf {
    let hex = digest.trim_start_matches("sha256:");
    let directory = root.join("blobs/sha256").join(&hex[..2]).join(hex);
    fs::create_dir_all(&directory).unwrap();
    directory.join("data")
}

/// Says in `directory` that the content with this digest belongs there.
fn link(directory: &Path, digest: &str) {
    let directory = directory.join("sha256").join(digest.trim_start_matches("sha256:"));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("link"), digest).unwrap();
}

fn point(repository: &Path, tag: &str, digest: &str) {
    let tag = repository.join("_manifests/tags").join(tag);
    link(&tag.join("index"), digest);
    fs::create_dir_all(tag.join("current")).unwrap();
    fs::write(tag.join("current/link"), digest).unwrap();
}
