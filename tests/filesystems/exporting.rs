//! `export`: one archive of what all layers come to.

use std::process::Command;

use super::{file, judged_by_umoci, layout, sparse, succeed, ten_layers, unpacked_by_tar};
use crate::support::archive::{Archive, image_of_archives};
use crate::support::content::sha256;
use crate::support::docker_registry::DockerRegistry;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::tree::{assert_same, tree};

#[test]
fn an_export_is_what_umoci_unpacks() {
    needs!("umoci");
    let program = Program::new();
    let image = layout(&program, "layout", &ten_layers());
    let judge = judged_by_umoci(&program, "layout");
    assert!(tree(&judge).len() > 25, "{:#?}", tree(&judge));
    program.run(&["export", &image, "all.tar"]).success();
    unpacked_by_tar(&program.home().join("all.tar"), &program.home().join("tar"));
    assert_same(&judge, &program.home().join("tar"));
    program.run(&["extract", &image, "extracted"]).success();
    assert_same(&judge, &program.home().join("extracted"));
    // The same comes from a pipe, and always.
    let script =
        format!("set -o pipefail; $tranship export {image} - | cmp - all.tar && $tranship export {image} - | true");
    let script = script.replace("$tranship", env!("CARGO_BIN_EXE_tranship"));
    program.invoke_other("bash", &["-c", &script]).run().success();
}

#[test]
fn files_with_holes_keep_them() {
    needs!("umoci");
    let program = Program::new();
    let image = image_of_archives(["0.0", "0.1", "1.0"].map(sparse));
    let image = layout(&program, "layout", &image);
    let judge = judged_by_umoci(&program, "layout");
    program.run(&["export", &image, "all.tar"]).success();
    assert!(std::fs::metadata(program.path("all.tar")).unwrap().len() < 1 << 20);
    unpacked_by_tar(&program.home().join("all.tar"), &program.home().join("tar"));
    assert_same(&judge, &program.home().join("tar"));
    program.run(&["extract", &image, "extracted"]).success();
    assert_same(&judge, &program.home().join("extracted"));
    // umoci does not know the oldest form.
    std::fs::write(program.path("old.tar"), sparse("old")).unwrap();
    unpacked_by_tar(&program.home().join("old.tar"), &program.home().join("judge"));
    let old = layout(&program, "old", &image_of_archives([sparse("old")]));
    program.run(&["extract", &old, "old-extracted"]).success();
    assert_same(&program.home().join("judge"), &program.home().join("old-extracted"));
}

#[test]
fn a_registrys_image_is_read_once() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let program = Program::new();
    let image = ten_layers();
    Registry::at(&server.url()).push("a", &image, &["v1"]);
    let local = layout(&program, "layout", &image);
    program.run(&["export", &local, "local.tar"]).success();
    let run = program.run(&["export", &format!("{}/a:v1", server.address()), "far.tar", "-o", "json"]).success();
    assert_eq!(run.json()["digest"], image.digest());
    let read = |name: &str| sha256(&std::fs::read(program.path(name)).unwrap());
    assert_eq!(read("local.tar"), read("far.tar"));
}

#[test]
fn what_is_no_image_and_what_is_not_there_is_said() {
    let program = Program::new();
    let image = layout(&program, "layout", &ten_layers());
    std::fs::write(program.path("file"), "").unwrap();
    program.run(&["export", &image, "file/all.tar"]).code(1).says("file");
    program.run(&["export", &image, "all.tar", "--platform", "linux/arm64"]).success();
    program.run(&["export", "oci:nowhere", "all.tar"]).code(3);
    let before = std::fs::read(program.path("all.tar")).unwrap();
    // What fails leaves the file as it was.
    let mut broken = image_of_archives([file(Archive::new(), "a", b"a").finish()]);
    broken.blobs[1].bytes.truncate(40);
    let broken = layout(&program, "broken", &broken);
    program.run(&["export", &broken, "all.tar"]).code(6);
    assert_eq!(std::fs::read(program.path("all.tar")).unwrap(), before);
    let left: Vec<_> = std::fs::read_dir(program.home()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(".tmp")), "{left:?}");
}

#[test]
fn an_export_takes_little_memory_whatever_the_image() {
    let program = Program::new();
    let peak = |name: &str, length: usize| {
        let content = crate::support::content::noise(7, length);
        let image = layout(&program, name, &image_of_archives([file(Archive::new(), "big", &content).finish()]));
        program.run(&["export", &image, "all.tar"]).success().peak
    };
    let (small, big) = (peak("small", 4 << 20), peak("large", 64 << 20));
    assert!(big < small + (16 << 20), "{small} and {big} bytes");
    succeed(Command::new("tar").arg("-tf").arg(program.path("all.tar")));
}
