//! Archives and directories of images: `oci-archive:`, `docker-archive:`, `dir:`, `save` and `load`, with Debian's
//! skopeo as the judge of what is written, and as the author of what is read.

mod docker;
mod podman;
mod saving;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{Image, artifact, docker_index, image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::skopeo::Skopeo;

/// A registry with images of every sort in the repository `a`, under tags of their names.
fn with_images() -> (DockerRegistry, Vec<(&'static str, Image)>) {
    let server = DockerRegistry::open();
    let one = image().build();
    let all = vec![
        ("single", one.clone()),
        ("docker", image().docker().build()),
        ("index", index(vec![image().build(), image().architecture("arm64").build()])),
        ("list", docker_index(vec![image().docker().build(), image().docker().architecture("arm64").build()])),
        ("artifact", artifact(&one.manifest, "application/vnd.example", b"file")),
    ];
    for (tag, image) in &all {
        Registry::at(&server.url()).push("a", image, &[tag]);
    }
    (server, all)
}

/// The names of the files below a directory, in order.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in root.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// Turns the first byte of a blob of a registry around.
fn damage(server: &DockerRegistry, digest: &str) {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let path = server.storage().join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 0xff;
    std::fs::write(path, bytes).unwrap();
}

/// Runs the system's tar in the program's home.
fn system_tar(program: &Program, words: &[&str]) -> Vec<u8> {
    let run = Command::new("tar").args(words).current_dir(program.home()).output().unwrap();
    assert!(run.status.success(), "{words:?}: {}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

/// A document in an archive.
fn member(program: &Program, file: &str, name: &str) -> Value {
    serde_json::from_slice(&system_tar(program, &["-xOf", file, name])).unwrap()
}

#[test]
fn round_trips_keep_every_byte() {
    needs!("docker-registry");
    let (server, all) = with_images();
    let program = Program::new();
    for (tag, image) in &all {
        let places = [format!("oci-archive:{tag}.tar"), format!("docker-archive:{tag}-d.tar"), format!("dir:{tag}")];
        for place in places {
            if *tag == "artifact" && place.starts_with("docker") {
                continue;
            }
            let run = program.run(&["copy", "-q", &format!("{}/a:{tag}", server.address()), &place]).success();
            assert_eq!(run.stdout.trim(), image.digest(), "{tag} to {place}");
            let inspected = program.run(&["inspect", "--raw", &place]).success();
            assert_eq!(inspected.stdout.as_bytes(), image.manifest.bytes, "{place}");
            let repository = format!("b-{}", place.split(':').next().unwrap());
            let back = program.run(&["copy", "-q", &place, &format!("{}/{repository}:{tag}", server.address())]);
            assert_eq!(back.success().stdout.trim(), image.digest(), "{tag} from {place}");
            assert!(Registry::at(&server.url()).holds(&repository, image), "{tag} from {place}");
        }
    }
}

#[test]
fn what_is_written_here_skopeo_reads() {
    needs!("docker-registry", "skopeo");
    let (server, all) = with_images();
    let (program, skopeo) = (Program::new(), Skopeo::new());
    for (tag, image) in all.iter().filter(|(tag, _)| *tag != "artifact") {
        let from = format!("{}/a:{tag}", server.address());
        let (oci, docker, dir) = (program.path("o.tar"), program.path("d.tar"), program.path(&format!("dir-{tag}")));
        let (oci, docker, dir) =
            (format!("oci-archive:{oci}:v1"), format!("docker-archive:{docker}:x/app:{tag}"), format!("dir:{dir}"));
        program.run(&["copy", &from, &oci, &docker, &dir]).success();
        // skopeo sees nothing but OCI's own types in a layout.
        if !matches!(*tag, "list" | "docker") {
            assert_eq!(skopeo.inspect_raw(&oci).unwrap(), image.manifest.bytes, "{tag}");
            skopeo.copy(&oci, &format!("docker://{}/c:{tag}", server.address())).unwrap();
            assert!(Registry::at(&server.url()).holds("c", image), "{tag}");
        }
        skopeo.copy(&dir, &format!("docker://{}/d:{tag}", server.address())).unwrap();
        assert!(Registry::at(&server.url()).holds("d", image), "{tag}");
        // In docker's form it sees the config alone, of the image that this computer runs.
        let own = if image.children.is_empty() { image } else { &image.children[0] };
        let to = format!("docker://{}/e:{tag}", server.address());
        skopeo.run(&["copy", "--dest-tls-verify=false", &docker, &to]).unwrap();
        let came: Value = serde_json::from_slice(&skopeo.inspect_raw(&to).unwrap()).unwrap();
        if cfg!(target_arch = "x86_64") {
            assert_eq!(came["config"]["digest"], own.document()["config"]["digest"], "{tag}");
        }
    }
}

#[test]
fn what_skopeo_writes_is_read_here() {
    needs!("docker-registry", "skopeo");
    let (server, all) = with_images();
    let (program, skopeo) = (Program::new(), Skopeo::new());
    for (tag, image) in all.iter().filter(|(tag, _)| matches!(*tag, "single" | "index")) {
        let from = format!("docker://{}/a:{tag}", server.address());
        for kind in ["oci-archive", "dir"] {
            let place = format!("{kind}:{}", program.path(&format!("{tag}-{kind}")));
            skopeo.copy(&from, &place).unwrap();
            let run = program.run(&["copy", "-q", &place, &format!("{}/b-{kind}:{tag}", server.address())]).success();
            assert_eq!(run.stdout.trim(), image.digest(), "{place}");
            assert!(Registry::at(&server.url()).holds(&format!("b-{kind}"), image), "{place}");
        }
    }
    // skopeo unpacks the layers and makes a config of docker's; the archive alone says what arrives.
    let single = &all[0].1;
    let archive = format!("docker-archive:{}:x.example/app:1", program.path("d.tar"));
    skopeo
        .run(&["copy", "--src-tls-verify=false", &format!("docker://{}/a:single", server.address()), &archive])
        .unwrap();
    program.run(&["copy", &archive, &format!("{}/f:v1", server.address())]).success();
    let listed = member(&program, "d.tar", "manifest.json");
    let raw = program.run(&["inspect", "--raw", &format!("{}/f:v1", server.address())]).success().json();
    let config = raw["config"]["digest"].as_str().unwrap();
    assert_eq!(listed[0]["Config"], format!("{}.json", config.strip_prefix("sha256:").unwrap()));
    let config: Value = serde_json::from_slice(&single.blobs[0].bytes).unwrap();
    let layers: Vec<&Value> = raw["layers"].as_array().unwrap().iter().map(|layer| &layer["digest"]).collect();
    assert_eq!(layers, config["rootfs"]["diff_ids"].as_array().unwrap().iter().collect::<Vec<_>>());
    for words in [&["check-name", "x.example/app:1"], &["check-number", "@0"]] {
        let place = format!("docker-archive:d.tar:{}", words[1]);
        assert_eq!(program.run(&["inspect", "--raw", &place]).success().json(), raw, "{}", words[0]);
    }
}

#[test]
fn archives_go_through_pipes_compressed_or_not() {
    needs!("docker-registry");
    let (server, all) = with_images();
    let program = Program::new();
    let image = &all[2].1;
    let from = format!("{}/a:index", server.address());
    for form in ["oci-archive", "docker-archive"] {
        let to = format!("{form}:-");
        let written = program.command(&["copy", "-q", &from, &to]).output().unwrap();
        assert!(written.status.success());
        // The archive is the result, so that what was done is said beside it.
        assert_eq!(String::from_utf8_lossy(&written.stderr).trim(), image.digest());
        std::fs::write(program.path("plain.tar"), &written.stdout).unwrap();
        program.run(&["copy", &from, &format!("{form}:file.tar")]).success();
        assert_eq!(std::fs::read(program.path("file.tar")).unwrap(), written.stdout, "the same bytes every time");
        let inputs = [
            ("plain", written.stdout.clone()),
            ("gzip", filtered("gzip", &written.stdout)),
            ("zstd", zstd::encode_all(&written.stdout[..], 3).unwrap()),
        ];
        for (packing, bytes) in inputs {
            let digest = |run: crate::support::program::Output| run.success().stdout.trim().to_owned();
            let store = format!("store:{form}-{packing}");
            let read = program.invoke(&["copy", "-q", &format!("{form}:-"), &store]).stdin(bytes.clone()).run();
            assert_eq!(digest(read), image.digest(), "{form} {packing} from standard input");
            std::fs::write(program.path("packed"), bytes).unwrap();
            assert_eq!(digest(program.run(&["copy", "-q", &format!("{form}:packed"), &store])), image.digest());
        }
    }
}

/// What a program makes of bytes.
fn filtered(filter: &str, bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(filter).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let feed = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    output.stdout
}

#[test]
fn an_archive_is_replaced_as_a_whole_or_not_at_all() {
    needs!("docker-registry");
    let (server, all) = with_images();
    let program = Program::new();
    program.run(&["copy", &format!("{}/a:single", server.address()), "oci-archive:app.tar"]).success();
    let before = std::fs::read(program.path("app.tar")).unwrap();
    // A layer is gone at the registry.
    let broken = &all[1].1.blobs[2].digest;
    damage(&server, broken);
    let failed = program.run(&["copy", &format!("{}/a:docker", server.address()), "oci-archive:app.tar"]);
    assert_ne!(failed.code, Some(0), "{}", failed.shown());
    assert_eq!(std::fs::read(program.path("app.tar")).unwrap(), before);
    let kept = program.run(&["copy", "--no-clobber", &format!("{}/a:index", server.address()), "oci-archive:app.tar"]);
    insta::assert_snapshot!(kept.shown(), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/a:index` to `oci-archive:app.tar`
      because: there is a file of that name
    ");
    assert_eq!(std::fs::read(program.path("app.tar")).unwrap(), before);
    let left: Vec<String> = files(program.home()).into_iter().filter(|name| name.contains("tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
    // Onto a pipe what is broken has no end, and is an error there too.
    let cut = program.command(&["copy", &format!("{}/a:docker", server.address()), "oci-archive:-"]).output().unwrap();
    assert_ne!(cut.status.code(), Some(0));
    std::fs::write(program.path("cut.tar"), cut.stdout).unwrap();
    assert_ne!(program.run(&["inspect", "oci-archive:cut.tar"]).code, Some(0));
    // From itself into itself.
    program.run(&["copy", "oci-archive:app.tar", "oci-archive:app.tar:named"]).success();
    let named = program.run(&["inspect", "-q", "oci-archive:app.tar:named"]).success();
    assert_eq!(named.stdout.trim(), all[0].1.digest());
}

/// A program with archives, and things that are none.
fn with_files() -> (DockerRegistry, Program, String) {
    let (server, _) = with_images();
    let program = Program::new();
    let from = format!("{}/a:single", server.address());
    program.run(&["copy", &from, "oci-archive:app.tar:one"]).success();
    program.run(&["copy", &from, "docker-archive:d.tar:app:1"]).success();
    std::fs::create_dir(program.path("folder")).unwrap();
    std::fs::write(program.path("folder/letter"), "dear").unwrap();
    std::fs::write(program.path("letter"), "dear").unwrap();
    std::fs::write(program.path("letter.xz"), b"\xfd7zXZ\0\0\0").unwrap();
    (server, program, from)
}

#[test]
fn what_cannot_be_read_is_said() {
    needs!("docker-registry");
    let (_server, program, _) = with_files();
    let places = [
        "oci-archive:nowhere.tar",
        "oci-archive:app.tar:two",
        "oci-archive:app.tar:@3",
        "docker-archive:d.tar:app:2",
        "oci-archive:folder",
        "oci-archive:letter",
        "docker-archive:letter.xz",
        "dir:folder",
    ];
    let shown: Vec<String> = places.iter().map(|place| program.run(&["inspect", place]).shown()).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `oci-archive:nowhere.tar`
      because: there is no file nowhere.tar

    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `oci-archive:app.tar:two`
      because: app.tar holds no image `two`
    hint: it holds `oci-archive:app.tar:one`

    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `oci-archive:app.tar:@3`
      because: app.tar holds no image of the number 3
    hint: it holds `oci-archive:app.tar:one`

    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `docker-archive:d.tar:app:2`
      because: d.tar holds no image `docker.io/library/app:2`
    hint: it holds `docker-archive:d.tar:docker.io/library/app:1`

    exit 1
    --- stdout
    --- stderr
    error: cannot inspect `oci-archive:folder`
      because: folder is a directory, and not an archive
    hint: a layout is written `oci:folder`, skopeo's directory `dir:folder`

    exit 6
    --- stdout
    --- stderr
    error: cannot inspect `oci-archive:letter`
      because: letter cannot be used as an archive: it is too short to be one

    exit 1
    --- stdout
    --- stderr
    error: cannot inspect `docker-archive:letter.xz`
      because: letter.xz is compressed with xz
    hint: gzip and zstd are read; unpack it first

    exit 3
    --- stdout
    --- stderr
    error: cannot inspect `dir:folder`
      because: folder holds no image as skopeo writes it: there is no manifest.json
    ");
}

#[test]
fn what_cannot_be_written_is_said() {
    needs!("docker-registry");
    let (_server, program, from) = with_files();
    let runs: [&[&str]; 4] = [
        &["copy", &from, "dir:folder"],
        &["copy", &from, "oci-archive:folder"],
        &["copy", &from, "-"],
        &["tags", "docker-archive:d.tar"],
    ];
    let shown: Vec<String> = runs.iter().map(|words| program.run(words).shown()).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/a:single` to `dir:folder`
      because: folder is no directory of an image as skopeo writes it, and is not empty

    exit 1
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/a:single` to `oci-archive:folder`
      because: folder is a directory

    exit 2
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/a:single` to `-`
      because: `-` does not say in which form the image comes or goes
    hint: write `oci-archive:-` or `docker-archive:-`

    exit 2
    --- stdout
    --- stderr
    error: cannot list the tags of `docker-archive:d.tar`
      because: `docker-archive:d.tar` is an archive; a registry or the store is needed here
    hint: copy it there first: `tranship copy docker-archive:d.tar …`
    ");
    let on_terminal = program.type_at(&["copy", &from, "oci-archive:-"], "none", b"");
    insta::assert_snapshot!(on_terminal.shown(), @r"
    exit 2
    --- stdout
    error: cannot copy `127.0.0.1:PORT/a:single` to `oci-archive:-`
      because: standard output is a terminal, which is no place for an archive
    hint: name a file in place of `-`, or send the output on: `… | gzip > FILE`, `… | docker load`
    --- stderr
    ");
}

#[test]
fn a_directory_holds_the_last_image_that_came() {
    needs!("docker-registry");
    let (server, all) = with_images();
    let program = Program::new();
    for (tag, _) in &all {
        program.run(&["copy", &format!("{}/a:{tag}", server.address()), "dir:d"]).success();
    }
    let artifact = &all[4].1;
    let hex = |digest: &str| digest.strip_prefix("sha256:").unwrap().to_owned();
    let mut expected: Vec<String> = artifact.blobs.iter().map(|blob| hex(&blob.digest)).collect();
    expected.extend(["manifest.json".to_owned(), "version".to_owned()]);
    expected.sort();
    assert_eq!(files(&program.home().join("d")), expected);
    let again = program.run(&["copy", &format!("{}/a:artifact", server.address()), "dir:d"]).success();
    assert!(again.stdout.contains("(unchanged)"), "{}", again.shown());
}
