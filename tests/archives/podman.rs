//! podman as the judge of what it loads, and as the author of what it saves.

use serde_json::json;

use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::tarball::Tar;

/// podman with a store of its own in the program's home.
fn podman(program: &Program, words: &[&str]) -> String {
    let (root, state) = (program.path("podman"), program.path("podman-run"));
    let own = ["--root", &root, "--runroot", &state, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"];
    let run = program.invoke_other("podman", &[&own[..], &["--events-backend", "file"], words].concat()).run();
    run.success().stdout
}

/// The program with these images in its store, under `x.example/NAME:1`.
fn with_images(images: &[(&str, &Image)]) -> Program {
    let program = Program::new();
    for (name, image) in images {
        Tar::layout(image).index(&json!([image.manifest.descriptor()])).write(&program, "in.tar");
        program.run(&["load", "in.tar", "--to", &format!("x.example/{name}:1")]).success();
    }
    program
}

#[test]
fn it_loads_what_is_saved_here_and_what_it_saves_is_loaded_here() {
    needs!("podman");
    let (one, two) = (image().build(), image().docker().build());
    let program = with_images(&[("one", &one), ("two", &two)]);
    program.run(&["save", "both.tar", "x.example/one:1", "x.example/two:1"]).success();
    program.run(&["copy", "store:x.example/one:1", "oci-archive:oci.tar:x.example/alone:1"]).success();
    for file in ["both.tar", "oci.tar"] {
        podman(&program, &["load", "-q", "-i", file]);
    }
    let id = |image: &Image| image.blobs[0].digest.strip_prefix("sha256:").unwrap().to_owned();
    for (name, image) in [("one", &one), ("two", &two), ("alone", &one)] {
        let found = podman(&program, &["image", "inspect", "--format", "{{.Id}}", &format!("x.example/{name}:1")]);
        assert_eq!(found.trim(), id(image), "{name}");
    }
    // It keeps layers unpacked, so that manifests are new; the config, and so the image's id, stays.
    podman(&program, &["save", "-q", "-m", "-o", "docker.tar", "x.example/one:1", "x.example/two:1"]);
    podman(&program, &["save", "-q", "--format", "oci-archive", "-o", "podman-oci.tar", "x.example/alone:1"]);
    podman(&program, &["save", "-q", "--format", "docker-dir", "-o", "podman-dir", "x.example/two:1"]);
    let other = Program::new();
    for file in ["docker.tar", "podman-oci.tar"] {
        other.run(&["load", &program.path(file)]).success();
    }
    other.run(&["copy", &format!("dir:{}", program.path("podman-dir")), "store:x.example/dir:1"]).success();
    for (name, image) in [("one", &one), ("two", &two), ("alone", &one), ("dir", &two)] {
        let raw = other.run(&["inspect", "--raw", &format!("store:x.example/{name}:1")]).success().json();
        assert_eq!(raw["config"]["digest"], image.blobs[0].digest, "{name}");
    }
}
