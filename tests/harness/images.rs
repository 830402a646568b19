//! Images by description.

use std::process::Command;

use crate::support::content::{fresh_seed, gzip, noise, sha256, tar};
use crate::support::images::{OCI_INDEX, artifact, image, index};

#[test]
fn equal_descriptions_make_equal_images() {
    let build = |seed| image().seed(seed).layers(&[10, 20, 30]).build();
    assert_eq!(build(1).digest(), build(1).digest());
    assert_ne!(build(1).digest(), build(2).digest());
    assert_ne!(image().build().digest(), image().build().digest());
    assert_eq!(build(1).all_blobs().len(), 4);
    assert_ne!(fresh_seed(), fresh_seed());
}

#[test]
fn documents_say_what_is_there() {
    let child = image().label("a", "b").annotation("c", "d").build();
    let document = child.document();
    assert_eq!(document["layers"][0]["digest"], sha256(&child.blobs[1].bytes));
    assert_eq!(document["annotations"]["c"], "d");
    let both = index(vec![child.clone(), image().architecture("arm64").build()]);
    assert_eq!(both.document()["manifests"][1]["platform"]["architecture"], "arm64");
    assert_eq!((both.manifest.media_type.as_str(), both.all_manifests().len()), (OCI_INDEX, 3));
    assert_eq!(artifact(&child.manifest, "x/y", b"z").document()["subject"]["digest"], child.digest());
}

#[test]
fn layers_are_what_tar_and_gzip_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("layer.tar.gz");
    let content = noise(7, 200_000);
    std::fs::write(&file, gzip(&tar(&[("a", b"first"), ("b/c", &content)]))).unwrap();
    let unpacked = Command::new("tar").arg("-xzf").arg(&file).current_dir(directory.path()).status().unwrap();
    assert!(unpacked.success());
    assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), b"first");
    assert_eq!(std::fs::read(directory.path().join("b/c")).unwrap(), content);
}
