//! `save` and `load`: several images in one archive.

use serde_json::{Value, json};

use super::{member, system_tar, with_images};
use crate::support::images::{bulk, image};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::skopeo::Skopeo;
use crate::support::tarball::Tar;

#[test]
fn several_images_are_one_archive_that_everybody_reads() {
    needs!("docker-registry", "skopeo");
    let (server, all) = with_images();
    let (program, other) = (Program::new(), Program::new());
    let seed = 77;
    let (one, two) = (image().seed(seed).build(), image().seed(seed).label("a", "b").build());
    for (tag, image) in [("one", &one), ("two", &two)] {
        Registry::at(&server.url()).push("team/app", image, &[tag]);
    }
    let name = |what: &str| format!("{}/{what}", server.address());
    program.run(&["pull", "-q", &name("team/app:one")]).success();
    let images =
        [name("team/app:one"), name("team/app:two"), name("a:index"), format!("docker://{}", name("a:docker"))];
    let words: Vec<&str> = ["save", "images.tar"].into_iter().chain(images.iter().map(String::as_str)).collect();
    insta::assert_snapshot!(program.run(&words).success().shown(), @r"
    exit 0
    --- stdout
    docker-archive:images.tar:127.0.0.1:PORT/team/app:one@sha256:DIGEST  (3 blobs sent, 6.4 KiB)
    docker-archive:images.tar:127.0.0.1:PORT/team/app:two@sha256:DIGEST  (1 blob sent, 363 B; 2 blobs there, 6.0 KiB)
    docker-archive:images.tar:127.0.0.1:PORT/a:index@sha256:DIGEST  (6 blobs sent, 12.8 KiB)
    docker-archive:images.tar:127.0.0.1:PORT/a:docker@sha256:DIGEST  (3 blobs sent, 6.4 KiB)
    --- stderr
    ");

    // What both have is there once.
    let listed = String::from_utf8(system_tar(&program, &["-tf", "images.tar"])).unwrap();
    let mut names: Vec<&str> = listed.lines().collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "{listed}");
    let list = member(&program, "images.tar", "manifest.json");
    assert_eq!(list.as_array().unwrap().len(), 4);
    assert_eq!(list[0]["RepoTags"], json!([name("team/app:one")]));
    assert_eq!(list[0]["Layers"], list[1]["Layers"]);
    let path = list[0]["Config"].as_str().unwrap();
    assert_eq!(path.strip_prefix("blobs/sha256/"), one.blobs[0].digest.strip_prefix("sha256:"));
    let index = member(&program, "images.tar", "index.json");
    let annotations: Vec<&Value> =
        index["manifests"].as_array().unwrap().iter().map(|entry| &entry["annotations"]).collect();
    let both = |name: String| json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
    assert_eq!(annotations[1], &both(name("team/app:two")));

    // skopeo reads each, by both forms.
    let skopeo = Skopeo::new();
    let file = program.path("images.tar");
    let raw = skopeo.inspect_raw(&format!("oci-archive:{file}:{}", name("team/app:two"))).unwrap();
    assert_eq!(raw, two.manifest.bytes);
    let config =
        skopeo.run(&["inspect", "--config", "--raw", &format!("docker-archive:{file}:{}", name("a:docker"))]).unwrap();
    assert_eq!(config, all[1].1.blobs[0].bytes);

    // And so does `load`, from a file and from standard input, with the digests that they had.
    let bytes = std::fs::read(&file).unwrap();
    let loaded = other.invoke(&["load", "-"]).stdin(bytes).run();
    // Which of two that share layers is first to bring them is not said, so the names alone are looked at.
    let loaded = loaded.success();
    let names: Vec<&str> = loaded.lines().into_iter().map(|line| line.split_once('@').unwrap().0).collect();
    let home = |what: &str| format!("store:{}/{what}", server.address().replace(':', "_"));
    assert_eq!(names, [home("team/app:one"), home("team/app:two"), home("a:index"), home("a:docker")]);
    let digests = |program: &Program| {
        let images = program.run(&["images", "-o", "json"]).success().json();
        let mut found: Vec<String> = images["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["digest"].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        found
    };
    let mut expected: Vec<String> =
        [&one, &two, &all[2].1, &all[1].1].into_iter().map(|image| image.digest().to_owned()).collect();
    expected.sort();
    assert_eq!(digests(&other), expected);
    let again = other.run(&["load", &file]).success();
    assert_eq!(again.stdout.matches("(unchanged)").count(), 4, "{}", again.shown());
}

#[test]
fn the_store_is_asked_before_the_registry() {
    needs!("docker-registry");
    let (server, all) = with_images();
    let program = Program::new();
    let name = format!("{}/a:single", server.address());
    program.run(&["pull", "-q", &name]).success();
    Registry::at(&server.url()).push("a", &all[1].1, &["single"]);
    let digest = |run: crate::support::program::Output| run.success().stdout.trim().to_owned();
    assert_eq!(digest(program.run(&["save", "-q", "kept.tar", &name])), all[0].1.digest());
    assert_eq!(digest(program.run(&["save", "-q", "new.tar", &format!("docker://{name}")])), all[1].1.digest());
    drop(server);
    assert_eq!(digest(program.run(&["save", "-q", "kept.tar", &name])), all[0].1.digest(), "without the registry");
}

#[test]
fn all_images_are_saved_or_none() {
    needs!("docker-registry");
    let (server, _) = with_images();
    let program = Program::new();
    std::fs::write(program.path("f.tar"), "what was there").unwrap();
    let good = format!("{}/a:single", server.address());
    for bad in ["a:none", "a:artifact"] {
        let failed = program.run(&["save", "f.tar", &good, &format!("{}/{bad}", server.address())]);
        assert!(failed.code.is_some_and(|code| code > 0) && failed.stdout.is_empty(), "{}", failed.shown());
        assert_eq!(std::fs::read_to_string(program.path("f.tar")).unwrap(), "what was there");
        assert!(
            program
                .home()
                .read_dir()
                .unwrap()
                .flatten()
                .all(|entry| !entry.file_name().to_string_lossy().contains("tmp"))
        );
    }
    let artifact = program.run(&["save", "f.tar", &format!("{}/a:artifact", server.address())]);
    insta::assert_snapshot!(artifact.shown(), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot save to `f.tar`
      because: sha256:DIGEST is no container image, which is all that docker's form holds
    hint: an archive of the other form takes it: `oci-archive:FILE`
    ");
    // A link is replaced, and what it leads to stays.
    std::fs::write(program.path("canary"), "untouched").unwrap();
    std::os::unix::fs::symlink(program.path("canary"), program.path("link.tar")).unwrap();
    program.run(&["save", "link.tar", &good]).success();
    assert_eq!(std::fs::read_to_string(program.path("canary")).unwrap(), "untouched");
    assert!(!program.home().join("link.tar").is_symlink());
}

#[test]
fn a_big_image_goes_through_little_memory() {
    /// Less than the image, also where the program was built for debugging and is big by itself.
    const LITTLE: u64 = 64 << 20;
    let program = Program::new();
    let image = bulk(&[80 << 20, 1 << 20]);
    Tar::layout(&image).index(&json!([image.manifest.descriptor()])).write(&program, "big.tar");
    let runs: [&[&str]; 5] = [
        &["copy", "-q", "oci-archive:big.tar", "store:big:1"],
        &["save", "-q", "saved.tar", "store:big:1"],
        &["load", "-q", "saved.tar", "--to", "again:1"],
        &["copy", "-q", "store:big:1", "oci-archive:/dev/null", "dir:d"],
        &["copy", "-q", "dir:d", "oci:layout"],
    ];
    for words in runs {
        let run = program.run(words).success();
        assert!(run.stdout.contains(image.digest()) && run.peak < LITTLE, "{words:?}: {} {}", run.peak, run.shown());
    }
    let bytes = std::fs::read(program.path("saved.tar")).unwrap();
    let piped = program.invoke(&["load", "-q", "-", "--to", "piped:1"]).stdin(bytes).run().success();
    assert!(piped.peak < LITTLE, "{}", piped.peak);
}
