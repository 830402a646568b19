//! `diff` and `check`: what differs between images, and whether an image is what it says.

use crate::support::archive::{Archive, image_of_archives};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{artifact, image, index};
use crate::support::layout::write_layout;
use crate::support::program::Program;
use crate::support::push::Registry;

#[test]
fn what_differs_is_said_and_what_is_shared() {
    let program = Program::new();
    let base =
        Archive::new().directory("etc/").file("etc/same", b"1").file("etc/gone", b"2").symlink("link", "etc/same");
    let first = image_of_archives([base.clone().finish(), Archive::new().file("only", b"3").finish()]);
    let top = Archive::new().file("etc/.wh.gone", b"").file("etc/same", b"other").symlink("link", "etc");
    let second = image_of_archives([base.finish(), top.file("new", b"4").finish()]);
    write_layout(&program.home().join("a"), "v1", &first);
    write_layout(&program.home().join("b"), "v1", &second);
    program
        .run(&["mutate", "oci:b:v1", "--to", "oci:c:v1", "-e", "A=1", "--label", "l=x", "--cmd", "[\"x\"]"])
        .success();
    let found = program.run(&["diff", "oci:a:v1", "oci:c:v1", "--files", "-o", "json"]).success().json();
    assert_eq!(found["layers"]["shared"].as_array().unwrap().len(), 1);
    assert_eq!(found["equal"], false);
    let files: Vec<String> = found["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            format!(
                "{} {} {}",
                file["path"].as_str().unwrap(),
                file["change"].as_str().unwrap(),
                file.get("what").unwrap_or(&"".into())
            )
        })
        .collect();
    let expected = [
        "etc/gone removed \"\"",
        "etc/same changed [\"content\"]",
        "link changed [\"target\"]",
        "new added \"\"",
        "only removed \"\"",
    ];
    assert_eq!(files, expected);
    let keys: Vec<&str> =
        found["config"].as_array().unwrap().iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["Cmd", "Env A", "Label l"]);
    let shown = program.run(&["diff", "oci:a:v1", "oci:c:v1", "--files"]).success().stdout;
    assert!(
        shown.contains("  + Env A: 1\n") && shown.contains("  ~ link  (target)\n") && shown.contains("  - only\n"),
        "{shown}"
    );
    let same = program.run(&["diff", "oci:a:v1", "oci:a:v1", "--files"]).success().stdout;
    assert!(same.starts_with("both are sha256:"), "{same}");
}

#[test]
fn what_is_right_is_good_at_every_place() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let program = Program::new();
    let all = index(vec![image().build(), image().docker().architecture("arm64").build()]);
    let file = artifact(&all.manifest, "application/vnd.example", b"file");
    let registry = Registry::at(&server.url());
    registry.push("a", &all, &["v1"]);
    registry.push("a", &file, &["file"]);
    write_layout(&program.home().join("layout"), "v1", &all);
    let (far, artifact) = (format!("{}/a:v1", server.address()), format!("{}/a:file", server.address()));
    program.run(&["copy", &far, "store:a:v1"]).success();
    let run = program.run(&["check", &far, "oci:layout:v1", "store:a:v1", &artifact, "-o", "json"]).success().json();
    let images = run["images"].as_array().unwrap();
    assert_eq!(images.len(), 4);
    assert!(images[..3].iter().all(|image| image["manifests"] == 3 && image["blobs"] == 6), "{images:?}");
    assert_eq!((&images[3]["manifests"], &images[3]["blobs"]), (&1.into(), &2.into()));
}

#[test]
fn what_is_wrong_is_named() {
    let program = Program::new();
    let good = image_of_archives([Archive::new().file("a", b"a").finish()]);
    let blob = |number: usize| program.home().join("layout/blobs/sha256").join(&good.blobs[number].digest[7..]);
    let fresh = || write_layout(&program.home().join("layout"), "v1", &good);
    let check = || program.run(&["check", "oci:layout:v1"]);
    fresh();
    check().success();
    let mut bytes = good.blobs[1].bytes.clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(blob(1), &bytes).unwrap();
    check().code(6);
    std::fs::write(blob(1), &bytes[1..]).unwrap();
    check().code(6).says(&good.blobs[1].digest[7..]);
    std::fs::remove_file(blob(1)).unwrap();
    check().code(3).says(&good.blobs[1].digest);
    // A layer that is what its digest says, and not what the config says.
    let mut lying = image_of_archives([Archive::new().file("a", b"a").finish()]);
    let text = String::from_utf8(lying.blobs[0].bytes.clone()).unwrap();
    let diff_id = crate::support::content::sha256(&Archive::new().file("a", b"a").finish());
    let config = text.replace(&diff_id, &crate::support::content::sha256(b"other"));
    lying.blobs[0] = crate::support::images::Content::new(&lying.blobs[0].media_type, config);
    let mut manifest = lying.document();
    manifest["config"] = lying.blobs[0].descriptor();
    lying.manifest = crate::support::images::Content::new(&lying.manifest.media_type, manifest.to_string());
    write_layout(&program.home().join("lying"), "v1", &lying);
    program.run(&["check", "oci:lying:v1"]).code(6).says("its config says").says(&diff_id);
    fresh();
    program.run(&["check", "oci:layout:v1", "oci:lying:v1"]).code(7);
}
