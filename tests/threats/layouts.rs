//! Layout directories that somebody else has put in place.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{program_of, run_once};
use crate::support::images::{Content, Image, OCI_INDEX, OCI_MANIFEST, image};
use crate::support::program::Program;

/// Writes an image into a layout of the program's home, and says where a blob of it is.
fn layout(program: &Program, image: &Image) -> impl Fn(&Content) -> PathBuf + use<> {
    let root = program.home().join("layout");
    let _ = std::fs::remove_dir_all(&root);
    let place = {
        let root = root.clone();
        move |blob: &Content| root.join("blobs/sha256").join(blob.digest.strip_prefix("sha256:").unwrap())
    };
    std::fs::create_dir_all(root.join("blobs/sha256")).unwrap();
    std::fs::write(root.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    for content in image.all_blobs().into_iter().chain(image.all_manifests()) {
        std::fs::write(place(content), &content.bytes).unwrap();
    }
    let entry = image.manifest.descriptor();
    write_index(&root, &json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}));
    place
}

fn write_index(root: &Path, index: &Value) {
    std::fs::write(root.join("index.json"), index.to_string()).unwrap();
}

/// Puts something in the place of a file.
type Put = Box<dyn Fn(&Path)>;

/// How many things [`impostors`] has.
const IMPOSTORS: usize = 9;

/// What can stand in the place of a file.
fn impostors(program: &Program, honest: &[u8]) -> Vec<(&'static str, Put)> {
    let (elsewhere, fifo) = (program.home().join("elsewhere"), program.home().join("fifo"));
    std::fs::write(&elsewhere, honest).unwrap();
    if !fifo.exists() {
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    }
    let link = |to: PathBuf| Box::new(move |path: &Path| symlink(&to, path).unwrap()) as Put;
    vec![
        ("a link to the right content", link(elsewhere)),
        ("a link to /etc/shadow", link("/etc/shadow".into())),
        ("a link to an endless device", link("/dev/zero".into())),
        ("a link to itself", Box::new(|path: &Path| symlink(path, path).unwrap())),
        ("a link to a pipe", link(fifo)),
        ("a pipe", Box::new(|path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()))),
        ("a directory", Box::new(|path: &Path| std::fs::create_dir(path).unwrap())),
        ("a socket", Box::new(|path: &Path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()))),
        ("a device", Box::new(device)),
    ]
}

fn device(path: &Path) {
    // Only root makes devices; for everyone else there is none to be met in a directory of their own.
    let made = Command::new("mknod").arg(path).args(["c", "1", "5"]).output().unwrap();
    if !made.status.success() {
        std::fs::create_dir(path).unwrap();
    }
}

#[test]
fn s25_only_regular_files_are_read_as_blobs() {
    let image = image().build();
    for content in [&image.manifest, &image.blobs[0], &image.blobs[1]] {
        for kind in 0..IMPOSTORS {
            let program = program_of(&[]);
            let (what, put) = impostors(&program, &content.bytes).swap_remove(kind);
            let place = layout(&program, &image)(content);
            std::fs::remove_file(&place).unwrap();
            put(&place);
            let failed = run_once(&program, &["copy", "oci:layout", "store:app:v1"]);
            assert_eq!(failed.code, Some(6), "{what}: {}", failed.shown());
            assert!(!failed.stdout.contains("root:") && !failed.stderr.contains("root:"), "{}", failed.shown());
            assert_eq!(program.run(&["images", "-q"]).success().stdout, "", "{what}");
        }
    }
}

#[test]
fn s25_nor_as_the_index_or_the_marker() {
    let program = program_of(&[]);
    let image = image().build();
    for name in ["index.json", "oci-layout"] {
        drop(layout(&program, &image));
        let path = program.home().join("layout").join(name);
        let honest = std::fs::read(&path).unwrap();
        for (what, put) in impostors(&program, &honest) {
            if path.is_dir() {
                std::fs::remove_dir(&path).unwrap();
            } else {
                std::fs::remove_file(&path).unwrap();
            }
            put(&path);
            for words in [&["copy", "oci:layout", "store:app:v1"][..], &["copy", "store:other:v1", "oci:layout:new"]] {
                let failed = run_once(&program, words);
                assert!(failed.code.is_some_and(|code| code > 0), "{name} {what} {words:?}: {}", failed.shown());
            }
        }
    }
}

#[test]
fn s25_what_is_written_replaces_links_and_does_not_follow_them() {
    let program = program_of(&[]);
    let image = image().build();
    drop(layout(&program, &image));
    run_once(&program, &["copy", "oci:layout", "store:app:v1"]).success();
    let (canary, target) = (program.home().join("canary"), program.home().join("target"));
    std::fs::write(&canary, "untouched").unwrap();
    std::fs::create_dir_all(target.join("blobs/sha256")).unwrap();
    std::fs::write(target.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    write_index(&target, &json!({"schemaVersion": 2, "manifests": []}));
    for blob in image.all_blobs().into_iter().chain(image.all_manifests()) {
        symlink(&canary, target.join("blobs/sha256").join(blob.digest.strip_prefix("sha256:").unwrap())).unwrap();
    }
    let copied = run_once(&program, &["copy", "store:app:v1", "oci:target:app"]);
    assert_eq!(std::fs::read_to_string(&canary).unwrap(), "untouched");
    if copied.code == Some(0) {
        for blob in image.all_blobs() {
            let path = target.join("blobs/sha256").join(blob.digest.strip_prefix("sha256:").unwrap());
            assert!(!path.is_symlink() && std::fs::read(path).unwrap() == blob.bytes);
        }
    }
}

#[test]
fn s25_an_index_that_is_endless_or_names_paths() {
    let program = program_of(&[]);
    let image = image().build();
    drop(layout(&program, &image));
    let root = program.home().join("layout");
    for digest in ["sha256:../../../etc/shadow", "../../index.json", ""] {
        let entry = json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 5});
        write_index(&root, &json!({"schemaVersion": 2, "manifests": [entry]}));
        run_once(&program, &["copy", "oci:layout", "store:app:v1"]).code(6);
    }
    // A file of 20 GiB that takes no room on the disk.
    let sparse = std::fs::OpenOptions::new().write(true).open(root.join("index.json")).unwrap();
    sparse.set_len(20 << 30).unwrap();
    let failed = run_once(&program, &["copy", "oci:layout", "store:app:v1"]).code(6);
    assert!(failed.peak < 128 << 20, "{}", failed.peak);
    // Entries that are none, by the million.
    let many = format!("{{\"schemaVersion\":2,\"manifests\":[{}0]}}", "0,".repeat(10_000_000));
    std::fs::write(root.join("index.json"), many).unwrap();
    let failed = run_once(&program, &["copy", "oci:layout", "store:app:v1"]).code(6);
    assert!(failed.peak < 128 << 20, "{}", failed.peak);
    // A manifest that is as long.
    let place = layout(&program, &image)(&image.manifest);
    std::fs::OpenOptions::new().write(true).open(place).unwrap().set_len(20 << 30).unwrap();
    let failed = run_once(&program, &["copy", "oci:layout", "store:app:v1"]).code(6);
    assert!(failed.peak < 128 << 20, "{}", failed.peak);
}

#[test]
fn s26_names_in_a_layout_are_never_paths() {
    let program = program_of(&[]);
    let image = image().build();
    drop(layout(&program, &image));
    let root = program.home().join("layout");
    let before = listing(program.home());
    for name in ["../../escaped", "/tmp/escaped", "a\nb", "\u{1b}[2J", "x/../../y", "CON", "a\u{202e}b"] {
        let mut entry = image.manifest.descriptor();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        let other = json!({"mediaType": OCI_MANIFEST, "digest": format!("sha256:{}", "0".repeat(64)), "size": 5,
                           "annotations": {"org.opencontainers.image.ref.name": "other"}});
        write_index(&root, &json!({"schemaVersion": 2, "manifests": [entry, other]}));
        run_once(&program, &["copy", &format!("oci:layout:{name}"), "store:app:v1"]).success();
        let missing = run_once(&program, &["copy", "oci:layout:missing", "store:app:v1"]).code(3);
        assert!(!missing.stderr.contains(['\u{1b}', '\u{202e}']), "{:?}", missing.stderr);
        run_once(&program, &["copy", "store:app:v1", &format!("oci:made:{name}")]).success();
        let made = std::fs::read_to_string(program.home().join("made/index.json")).unwrap();
        assert!(made.contains(&json!(name).to_string()), "{made}");
    }
    let new: Vec<String> = listing(program.home()).into_iter().filter(|path| !before.contains(path)).collect();
    assert!(new.iter().all(|path| path.starts_with("made") || path.starts_with("data")), "{new:?}");
}

/// The entries of a directory and of those in it.
fn listing(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).unwrap().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
