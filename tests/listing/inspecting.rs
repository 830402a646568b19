//! `inspect`: what an image consists of.

use super::timeless;
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{artifact, image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::skopeo::Skopeo;

#[test]
fn an_index_and_the_image_for_this_machine() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let registry = Registry::at(&server.url());
    let child = |architecture, seed| image().seed(seed).architecture(architecture).label("org.example", "ü\u{1b}[0m");
    let all = index(vec![child("arm64", 1).build(), child("amd64", 2).build()]);
    registry.push("a", &all, &["v1"]);
    let there = format!("{}/a:v1", server.address());
    let program = Program::new();
    insta::assert_snapshot!(timeless(&program.run(&["inspect", "--platform", "linux/amd64", &there])), @r#"
    exit 0
    --- stdout
    Reference:  127.0.0.1:PORT/a:v1
    Digest:  sha256:DIGEST
    Media type:  application/vnd.oci.image.index.v1+json

    Platforms:
    PLATFORM  DIGEST  MEDIA TYPE
    linux/arm64  sha256:DIGEST  application/vnd.oci.image.manifest.v1+json
    linux/amd64  sha256:DIGEST  application/vnd.oci.image.manifest.v1+json

    Image for linux/amd64:
    Digest:  sha256:DIGEST
    Image id:  sha256:DIGEST
    Created:  2026-01-02T03:04:05Z (AGO)
    Size:  6.4 KiB in 2 layers
    Command:  ["/layer-0"]
    Labels:
      org.example=ü\u{1b}[0m

    Layers:
    DIGEST  SIZE  CREATED BY
    sha256:DIGEST  2.5 KiB  test
    sha256:DIGEST  3.5 KiB  test
    --- stderr
    "#);
    let report = program.run(&["inspect", "-o", "json", "--platform", "linux/arm64", &there]).success().json();
    let image = &all.children[0];
    assert_eq!((&report["digest"], &report["image"]["digest"]), (&all.digest().into(), &image.digest().into()));
    assert_eq!(report["image"]["id"], image.blobs[0].digest);
    assert_eq!(report["image"]["layers"][1]["digest"], image.blobs[2].digest);
    assert_eq!(report["image"]["config"]["Labels"]["org.example"], "ü\u{1b}[0m");
    assert_eq!(report["platforms"][1]["platform"], "linux/amd64");
    assert_eq!(program.run(&["inspect", "-q", &there]).success().stdout.trim(), all.digest());
    let yaml = program.run(&["inspect", "-o", "yaml", &there]).success();
    assert!(yaml.stdout.contains(&format!("digest: {}", all.digest())), "{}", yaml.shown());
    insta::assert_snapshot!(program.run(&["inspect", "--platform", "linux/s390x", &there]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `127.0.0.1:PORT/a:v1`
      because: there is no image for linux/s390x; there are linux/arm64, linux/amd64
    ");
    insta::assert_snapshot!(program.run(&["inspect", &format!("{}/a:none", server.address())]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `127.0.0.1:PORT/a:none`
      because: the registry does not have the manifest 127.0.0.1:PORT/a:none: MANIFEST_UNKNOWN, manifest unknown (HTTP 404)
    hint: see what is there: `tranship tags 127.0.0.1:PORT/a`
    ");
}

#[test]
fn the_exact_bytes_of_manifest_and_config() {
    needs!("docker-registry", "skopeo");
    let server = DockerRegistry::open();
    let all = index(vec![image().build(), image().architecture("arm64").build()]);
    Registry::at(&server.url()).push("a", &all, &["v1"]);
    let there = format!("{}/a:v1", server.address());
    let program = Program::new();
    let exact =
        |flags: &[&str]| program.run(&[&["inspect", there.as_str()], flags].concat()).success().stdout.into_bytes();
    assert_eq!(exact(&["--raw"]), Skopeo::new().inspect_raw(&format!("docker://{there}")).unwrap());
    assert_eq!(exact(&["--raw", "-o", "json"]), all.manifest.bytes);
    assert_eq!(exact(&["--raw", "--platform", "linux/arm64"]), all.children[1].manifest.bytes);
    assert_eq!(exact(&["--image-config", "--platform", "linux/arm64"]), all.children[1].blobs[0].bytes);
}

#[test]
fn an_artifact_has_no_config_to_show() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let subject = image().seed(1).build();
    let registry = Registry::at(&server.url());
    registry.push("a", &subject, &["v1"]);
    registry.push("a", &artifact(&subject.manifest, "application/vnd.example", b"text"), &["sbom"]);
    let there = format!("{}/a:sbom", server.address());
    let program = Program::new();
    insta::assert_snapshot!(program.run(&["inspect", &there]).shown(), @r"
    exit 0
    --- stdout
    Reference:     127.0.0.1:PORT/a:sbom
    Digest:        sha256:DIGEST
    Media type:    application/vnd.oci.image.manifest.v1+json
    Artifact type: application/vnd.example
    Refers to:     sha256:DIGEST
    Config:        sha256:DIGEST
    Size:          6 B in 1 layer

    Layers:
    DIGEST                                                                   SIZE  CREATED BY
    sha256:DIGEST  4 B   -
    --- stderr
    ");
    insta::assert_snapshot!(program.run(&["inspect", "--image-config", &there]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `127.0.0.1:PORT/a:sbom`
      because: it has no image config
    ");
}
