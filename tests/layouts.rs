//! OCI layout directories, `oci:DIR`: what skopeo writes is read here, and what is written here skopeo reads.

use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{Image, artifact, docker_index, image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::skopeo::Skopeo;

/// A registry with images of every sort under tags of their names.
fn with_images() -> (DockerRegistry, Vec<(&'static str, Image)>) {
    let server = DockerRegistry::open();
    let one = image().build();
    let all = vec![
        ("single", one.clone()),
        ("index", index(vec![image().build(), image().architecture("arm64").build()])),
        ("list", docker_index(vec![image().docker().build(), image().docker().architecture("arm64").build()])),
        ("artifact", artifact(&one.manifest, "application/vnd.example", b"file")),
    ];
    for (tag, image) in &all {
        Registry::at(&server.url()).push("a", image, &[tag]);
    }
    (server, all)
}

#[test]
fn what_is_written_here_skopeo_reads() {
    needs!("docker-registry", "skopeo");
    let (server, all) = with_images();
    let (program, skopeo) = (Program::new(), Skopeo::new());
    let layout = program.path("layout");
    for (tag, image) in &all {
        let run =
            program.run(&["copy", "-q", &format!("{}/a:{tag}", server.address()), &format!("oci:{layout}:{tag}")]);
        assert_eq!(run.success().stdout.trim(), image.digest(), "{tag}");
    }
    // skopeo sees nothing but OCI's own types in a layout.
    for (tag, image) in all.iter().filter(|(tag, _)| *tag != "list") {
        let raw = skopeo.inspect_raw(&format!("oci:{layout}:{tag}")).unwrap();
        assert_eq!(raw, image.manifest.bytes, "{tag}");
        if *tag != "artifact" {
            skopeo.copy(&format!("oci:{layout}:{tag}"), &format!("docker://{}/b:{tag}", server.address())).unwrap();
            assert!(Registry::at(&server.url()).holds("b", image), "{tag}");
        }
    }
}

#[test]
fn what_skopeo_writes_is_read_here() {
    needs!("docker-registry", "skopeo");
    let (server, all) = with_images();
    let (program, skopeo) = (Program::new(), Skopeo::new());
    for (tag, image) in &all[..2] {
        let layout = program.path(tag);
        skopeo.copy(&format!("docker://{}/a:{tag}", server.address()), &format!("oci:{layout}:{tag}")).unwrap();
        // The only image needs no name.
        let run = program.run(&["copy", "-q", &format!("oci:{layout}"), &format!("{}/c:{tag}", server.address())]);
        assert_eq!(run.success().stdout.trim(), image.digest(), "{tag}");
        assert!(Registry::at(&server.url()).holds("c", image), "{tag}");
        let raw = program.run(&["inspect", "--raw", &format!("oci:{layout}:{tag}")]).success();
        assert_eq!(raw.stdout.as_bytes(), image.manifest.bytes);
    }
}

#[test]
fn both_write_into_one_layout() {
    needs!("docker-registry", "skopeo");
    let (server, all) = with_images();
    let (program, skopeo) = (Program::new(), Skopeo::new());
    let layout = program.path("layout");
    let place = |tag: &str| format!("docker://{}/a:{tag}", server.address());
    skopeo.copy(&place("single"), &format!("oci:{layout}:one")).unwrap();
    program.run(&["copy", &place("index"), &format!("oci:{layout}:two")]).success();
    skopeo.copy(&place("single"), &format!("oci:{layout}:three")).unwrap();
    for (name, (_, image)) in [("one", &all[0]), ("two", &all[1]), ("three", &all[0])] {
        let raw = skopeo.inspect_raw(&format!("oci:{layout}:{name}")).unwrap();
        assert_eq!(raw, image.manifest.bytes, "{name}");
        let digest = program.run(&["inspect", "-q", &format!("oci:{layout}:{name}")]).success().stdout;
        assert_eq!(digest.trim(), image.digest(), "{name}");
    }
    // A name is moved, and the rest stays.
    program.run(&["copy", &place("index"), &format!("oci:{layout}:one")]).success();
    assert_eq!(skopeo.inspect_raw(&format!("oci:{layout}:one")).unwrap(), all[1].1.manifest.bytes);
    assert_eq!(skopeo.inspect_raw(&format!("oci:{layout}:three")).unwrap(), all[0].1.manifest.bytes);
}

#[test]
fn which_image_of_several_is_meant_has_to_be_said() {
    needs!("docker-registry");
    let (server, all) = with_images();
    let program = Program::new();
    for tag in ["single", "index"] {
        program.run(&["copy", "-q", &format!("{}/a:{tag}", server.address()), &format!("oci:images:{tag}")]).success();
    }
    insta::assert_snapshot!(program.run(&["inspect", "oci:images"]).shown(), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot inspect `oci:images`
      because: images holds 2 images, and which of them is meant is not said
    hint: it holds `oci:images:index`, `oci:images:single`
    ");
    insta::assert_snapshot!(program.run(&["inspect", "oci:images:none"]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `oci:images:none`
      because: images holds no image `none`
    hint: it holds `oci:images:index`, `oci:images:single`
    ");
    insta::assert_snapshot!(program.run(&["copy", "oci:nowhere:x", "oci:y"]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot copy `oci:nowhere:x`
      because: nowhere is no OCI image layout: there is no oci-layout file
    ");
    insta::assert_snapshot!(program.run(&["tags", "oci:images"]).shown(), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot list the tags of `oci:images`
      because: `oci:images` is a layout; a registry or the store is needed here
    hint: copy it there first: `tranship copy oci:images …`
    ");
    let by_digest = format!("oci:images@{}", all[1].1.children[0].digest());
    let run = program.run(&["resolve", &by_digest]).success();
    assert_eq!(run.stdout, format!("oci:images@{}\n", all[1].1.children[0].digest()));
}

#[test]
fn from_layout_to_layout_to_store_and_back() {
    needs!("docker-registry");
    let (server, all) = with_images();
    let program = Program::new();
    let image = &all[1].1;
    program.run(&["copy", &format!("{}/a:index", server.address()), "oci:one:app:1.0"]).success();
    program.run(&["copy", "oci:one", "oci:two:docker.io/library/app:1.0"]).success();
    program.run(&["copy", "oci:two:docker.io/library/app:1.0", "store:app:v1"]).success();
    let run = program.run(&["copy", "-o", "json", "store:app:v1", "oci:three"]).success();
    assert_eq!(run.json()["images"][0]["digest"], image.digest());
    let raw = program.run(&["inspect", "--raw", "oci:three"]).success();
    assert_eq!(raw.stdout.as_bytes(), image.manifest.bytes);
    insta::assert_snapshot!(program.run(&["copy", "store:app:v1", "oci:three"]).shown(), @r"
    exit 0
    --- stdout
    oci:three@sha256:DIGEST  (unchanged)
    --- stderr
    ");
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    needs!("docker-registry");
    let (server, _) = with_images();
    let program = Program::new();
    std::fs::create_dir(program.path("full")).unwrap();
    std::fs::write(program.path("full/letter"), "dear").unwrap();
    let run = program.run(&["copy", &format!("{}/a:single", server.address()), "oci:full"]);
    insta::assert_snapshot!(run.shown(), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/a:single` to `oci:full`
      because: full is no OCI image layout, and is not empty
    ");
    assert_eq!(std::fs::read_dir(program.path("full")).unwrap().count(), 1);
}
