//! Files in registries: beside images, under names of their own, and piece by piece.

use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{artifact, image};
use crate::support::layout::write_layout;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::Scripted;

fn with_file(program: &Program, name: &str, text: &str) {
    std::fs::write(program.home().join(name), text).unwrap();
}

#[test]
fn what_is_attached_is_found_with_a_list_and_without_one() {
    needs!("docker-registry");
    // One has the referrers API, the other has not.
    let (scripted, server) = (Scripted::start(), DockerRegistry::open());
    let picture = image().build();
    scripted.put("a", &picture, &["v1"]);
    Registry::at(&server.url()).push("a", &picture, &["v1"]);
    for address in [scripted.address(), server.address().to_string()] {
        let program = Program::new();
        with_file(&program, "sbom.json", "{}");
        with_file(&program, "notes.txt", "notes");
        let image = format!("{address}/a:v1");
        let spdx = "application/spdx+json";
        program.run(&["attach", &image, "sbom.json:application/spdx+json", "--artifact-type", spdx]).success();
        program.run(&["attach", &image, "notes.txt", "-a", "k=v"]).success();
        let found = program.run(&["attached", &image, "-o", "json"]).success().json();
        let attached = found["attached"].as_array().unwrap();
        assert_eq!(attached.len(), 2, "{address}: {found}");
        assert_eq!(found["digest"], picture.digest());
        let on = attached[0]["digest"].as_str().unwrap();
        program.run(&["attach", &format!("{address}/a@{on}"), "notes.txt", "--artifact-type", "text/note"]).success();
        let shown = program.run(&["attached", &image]).success().stdout;
        assert!(shown.contains("├── ") && shown.contains("└── ") && shown.contains("text/note"), "{shown}");
        let one = program.run(&["attached", &image, "--artifact-type", spdx, "-q"]).success();
        assert_eq!(one.lines().len(), 1, "{}", one.stdout);
        program.run(&["attached", "get", &image, "out", "--artifact-type", spdx]).success();
        assert_eq!(std::fs::read_to_string(program.path("out/sbom.json")).unwrap(), "{}");
        assert!(!program.home().join("out/notes.txt").exists());
        program.run(&["attached", "get", &image, "--artifact-type", "text/none"]).code(3);
        // What is attached comes along.
        program.run(&["copy", &image, "oci:layout:v1"]).success();
        let copied = program.run(&["attached", "oci:layout:v1", "-o", "json"]).success().json();
        assert_eq!(copied["attached"].as_array().unwrap().len(), 2);
        program.run(&["attach", "oci:layout:v1", "sbom.json"]).success();
        program.run(&["copy", &image, "store:a:v1"]).success();
        program.run(&["attach", "store:a:v1", "sbom.json", "-q"]).success();
        let kept = program.run(&["attached", "store:a:v1", "-o", "json"]).success().json();
        assert_eq!(kept["attached"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn what_cosign_attached_is_found_by_its_tag() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let registry = Registry::at(&server.url());
    let (picture, signature) = (image().build(), image().build());
    registry.push("a", &picture, &["v1"]);
    registry.push("a", &signature, &[&format!("{}.sig", picture.digest().replace(':', "-"))]);
    let found = Program::new().run(&["attached", &format!("{}/a:v1", server.address()), "-o", "json"]).success().json();
    assert_eq!(found["attached"][0]["artifactType"], "cosign signature");
    assert_eq!(found["attached"][0]["digest"], signature.digest());
}

#[test]
fn files_go_under_a_name_and_come_back() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let program = Program::new();
    std::fs::create_dir(program.path("sub")).unwrap();
    with_file(&program, "model.bin", "weights");
    with_file(&program, "sub/README.md", "read me");
    let name = format!("{}/models/small:1", server.address());
    let words = [
        "artifact",
        "push",
        &name,
        "model.bin",
        "sub/README.md:text/markdown",
        "--artifact-type",
        "application/vnd.model",
    ];
    let digest = program.run(&[&words[..], &["-a", "k=v", "-q"]].concat()).success().stdout;
    let manifest: serde_json::Value =
        serde_json::from_str(&program.run(&["manifest", "get", &name]).success().stdout).unwrap();
    assert_eq!(manifest["artifactType"], "application/vnd.model");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(manifest["layers"][0]["annotations"]["org.opencontainers.image.title"], "model.bin");
    assert_eq!(manifest["layers"][1]["mediaType"], "text/markdown");
    assert_eq!(manifest["annotations"]["k"], "v");
    let again = program.run(&[&words[..], &["-a", "k=v", "-q"]].concat()).success().stdout;
    assert_eq!(digest, again, "the same files are the same artifact");
    program.run(&["artifact", "pull", &name, "got"]).success();
    assert_eq!(std::fs::read_to_string(program.path("got/model.bin")).unwrap(), "weights");
    assert_eq!(std::fs::read_to_string(program.path("got/sub/README.md")).unwrap(), "read me");
    program.run(&["artifact", "pull", &name, "got"]).code(1).says("there already").says("--overwrite");
    program.run(&["artifact", "pull", &name, "got", "--overwrite"]).success();
    program.run(&["artifact", "push", &name, "missing.bin"]).code(3).says("missing.bin");
    program.run(&["artifact", "push", &name, "model.bin", "./sub/../model.bin"]).code(2).says("two files are called");
    program.run(&["export", &name, "x.tar"]).code(1).says("no layer of a file system").says("artifact pull");
    let plain = artifact(&image().build().manifest, "text/x", b"untitled");
    Registry::at(&server.url()).push("a", &plain, &["plain"]);
    program.run(&["artifact", "pull", &format!("{}/a:plain", server.address())]).code(3).says("title");
}

#[test]
fn pieces_are_fetched_and_put_one_by_one() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let program = Program::new();
    let picture = image().build();
    Registry::at(&server.url()).push("a", &picture, &["v1"]);
    let (from, to) = (format!("{}/a:v1", server.address()), format!("{}/b", server.address()));
    for (number, blob) in picture.blobs.iter().enumerate() {
        let file = format!("blob-{number}");
        program.run(&["blob", "get", &from, &blob.digest, &file]).success();
        assert_eq!(std::fs::read(program.path(&file)).unwrap(), blob.bytes);
        let put = program.run(&["blob", "put", &to, &file, "-q"]).success();
        assert_eq!(put.stdout.trim(), blob.digest);
        program.run(&["blob", "put", &to, &file, "-q"]).success();
    }
    program.run(&["manifest", "get", &from, "manifest.json"]).success();
    assert_eq!(std::fs::read(program.path("manifest.json")).unwrap(), picture.manifest.bytes);
    program.run(&["manifest", "put", &format!("{to}:v2"), "manifest.json"]).success();
    assert!(Registry::at(&server.url()).holds("b", &picture));
    program.run(&["blob", "get", &from, &format!("sha256:{}", "0".repeat(64))]).code(3).says("no such blob");
    let other = format!("{to}@sha256:{}", "0".repeat(64));
    program.run(&["manifest", "put", &other, "manifest.json"]).code(6).says(picture.digest());
    with_file(&program, "text", "no manifest");
    program.run(&["manifest", "put", &format!("{to}:v3"), "text"]).code(6);
    // The same at home and in a layout.
    write_layout(&program.home().join("layout"), "v1", &picture);
    program.run(&["blob", "get", "oci:layout:v1", &picture.blobs[1].digest, "same"]).success();
    program.run(&["blob", "put", "store:mine", "same"]).success();
}
