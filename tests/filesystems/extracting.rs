//! `extract`: what is asked for, into a directory, from as few layers as will do.

use super::{file, layout};
use crate::support::archive::{Archive, image_of_archives};
use crate::support::program::Program;
use crate::support::scripted::Scripted;

fn three_layers() -> crate::support::images::Image {
    let lowest = file(Archive::new().symlink("bin", "usr/bin").directory("usr/"), "usr/bin/sh", b"shell");
    let lowest = file(lowest, "etc/conf", b"old").hard_link("etc/twin", "etc/conf");
    let middle = file(file(Archive::new(), "etc/conf", b"new"), "etc/other", b"other");
    let highest = file(Archive::new().file("etc/.wh.other", b""), "top", b"top");
    image_of_archives([lowest, middle, highest].map(Archive::finish))
}

#[test]
fn one_file_comes_from_the_highest_layer_that_has_it() {
    let registry = Scripted::start();
    let image = three_layers();
    registry.put("a", &image, &["v1"]);
    let program = Program::new();
    for (path, content, layers) in [
        ("/top", "top", 1),
        ("/etc/conf", "new", 2),
        ("/usr/bin/sh", "shell", 3),
        ("/bin/sh", "shell", 3),
        ("/etc/twin", "old", 3),
    ] {
        let before = registry.requests().len();
        let run = program.run(&[
            "extract",
            &format!("{}/a:v1:{path}", registry.address()),
            "out",
            "-o",
            "json",
            "--overwrite",
        ]);
        assert_eq!(run.clone().success().json()["layersRead"], layers, "{path}");
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(std::fs::read_to_string(program.home().join("out").join(name)).unwrap(), content, "{path}");
        let blobs = registry.requests()[before..].iter().filter(|request| request.target.contains("/blobs/")).count();
        assert_eq!(blobs, layers, "{path}: no layer is read twice, and none beneath the one that has it");
    }
    for path in ["/etc/other", "/nothing", "/top/below", "/etc/conf/x"] {
        program.run(&["extract", &format!("{}/a:v1:{path}", registry.address()), "out"]).code(3).says(path);
    }
    program.run(&["extract", &format!("{}/a:v1:/../x", registry.address()), "out"]).code(2);
}

#[test]
fn a_directory_comes_with_its_name_or_without() {
    let program = Program::new();
    let image = layout(&program, "layout", &three_layers());
    program.run(&["extract", &format!("{image}:/etc"), "with"]).success();
    assert_eq!(std::fs::read_to_string(program.path("with/etc/conf")).unwrap(), "new");
    assert_eq!(std::fs::read_to_string(program.path("with/etc/twin")).unwrap(), "old");
    assert!(!program.home().join("with/etc/other").exists());
    program.run(&["extract", &format!("{image}:/usr/bin/"), "without"]).success();
    assert_eq!(std::fs::read_to_string(program.path("without/sh")).unwrap(), "shell");
    // What is there stays, unless it is said otherwise.
    std::fs::write(program.path("with/etc/conf"), "mine").unwrap();
    program.run(&["extract", &format!("{image}:/etc"), "with"]).code(1).says("there already").says("--overwrite");
    assert_eq!(std::fs::read_to_string(program.path("with/etc/conf")).unwrap(), "mine");
    program.run(&["extract", &format!("{image}:/etc"), "with", "--overwrite"]).success();
    assert_eq!(std::fs::read_to_string(program.path("with/etc/conf")).unwrap(), "new");
}
