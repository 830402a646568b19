//! OCI layouts on disk, written without the code under test.

use std::path::Path;

use serde_json::json;

use super::images::{Content, Image};

/// Writes an image as the only one of a layout, under a name.
pub(crate) fn write_layout(directory: &Path, name: &str, image: &Image) {
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let put = |content: &Content| std::fs::write(blobs.join(&content.digest[7..]), &content.bytes).unwrap();
    image.all_blobs().into_iter().chain(image.all_manifests()).for_each(put);
    let mut entry = image.manifest.descriptor();
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    std::fs::write(directory.join("index.json"), index.to_string()).unwrap();
}
