//! Manifests and configs: bytes are kept, and read in the same way whatever type is declared for them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tranship::image::{Algorithm, Digest, ImageConfig, MediaType, RawManifest};

fuzz_target!(|bytes: &[u8]| {
    let oci = [MediaType::oci_manifest(), MediaType::oci_index()];
    let docker = [MediaType::docker_manifest(), MediaType::docker_index()];
    let mut read: Option<RawManifest> = None;
    for declared in oci.into_iter().chain(docker).map(Some).chain([None]) {
        let Ok(manifest) = RawManifest::parse(bytes.to_vec().into(), declared.as_ref(), Algorithm::Sha256) else {
            continue;
        };
        assert!(*manifest.bytes() == bytes && *manifest.digest() == Digest::of(bytes));
        if let Some(before) = &read {
            let lists = before.manifest().children().is_empty() == manifest.manifest().children().is_empty();
            assert!(lists, "one document is an index and an image");
        }
        read = Some(manifest);
    }
    if let Ok(config) = ImageConfig::parse(bytes) {
        let _ = config.platform().to_string();
    }
});
