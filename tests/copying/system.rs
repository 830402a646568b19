//! A whole operating system as content: Debian's smallest, which goes through every sort of place and still runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Pair;
use crate::support::content::sha256;
use crate::support::images::{Content, image_of};

/// What goes into each layer; everything else goes into the first.
const PARTS: [&str; 2] = ["./usr/share", "./usr/lib"];

#[test]
fn an_operating_system_goes_through_every_sort_of_place_and_runs() {
    needs!("debootstrap", "docker-registry", "umoci");
    let pair = Pair::start();
    let layers = layers();
    let read = |(path, diff_id): &(PathBuf, String)| {
        let layer = Content::new("application/vnd.oci.image.layer.v1.tar+gzip", std::fs::read(path).unwrap());
        (layer, diff_id.clone())
    };
    let image = image_of(layers.iter().map(read).collect());
    pair.put("debian", &image, &["bookworm"]);
    let (there, layout) = (pair.destination("copied/debian:bookworm"), format!("oci:{}", pair.program.path("layout")));
    let run = |words: &[&str]| {
        let run = pair.program.run(&[words, &["-q", "--attached", "none"]].concat()).success();
        assert_eq!(run.stdout.trim(), image.digest(), "{words:?}");
    };
    run(&["copy", &pair.source("debian:bookworm"), &there]);
    assert!(pair.arrived().holds("copied/debian", &image));
    run(&["pull", "--to", "debian:bookworm", &there]);
    run(&["copy", "store:debian:bookworm", &format!("{layout}:bookworm")]);

    let bundle = pair.program.path("bundle");
    let layout = layout.strip_prefix("oci:").unwrap();
    succeed(Command::new("umoci").args(["unpack", "--image", &format!("{layout}:bookworm"), &bundle]));
    let system = Path::new(&bundle).join("rootfs");
    for (layer, _) in &layers {
        // Types, modes, owners, times, links and content of every file.
        succeed(Command::new("tar").arg("--compare").arg("-zf").arg(layer).arg("-C").arg(&system));
    }
    let packages = succeed(Command::new("chroot").arg(&system).args(["/usr/bin/dpkg", "--version"]));
    assert!(packages.contains("Debian"), "{packages}");
}

/// The layers of Debian's smallest system: gzipped archives, and the digest of each without gzip. What takes long
/// is done once, in the directory that cargo keeps for tests.
fn layers() -> Vec<(PathBuf, String)> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bookworm");
    if !kept.exists() {
        let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        make(work.path());
        std::fs::remove_dir_all(work.path().join("system")).unwrap();
        // Another process may have been faster.
        if std::fs::rename(work.path(), &kept).is_ok() {
            let _ = work.keep();
        }
    }
    let layer = |number: usize| {
        let diff_id = std::fs::read_to_string(kept.join(format!("{number}.diff-id"))).unwrap();
        (kept.join(format!("{number}.tar.gz")), diff_id)
    };
    (0..=PARTS.len()).map(layer).collect()
}

fn make(work: &Path) {
    let system = work.join("system");
    // The unpacking alone: what is set up afterwards takes as long again and adds little content.
    succeed(Command::new("debootstrap").args(["--foreign", "--variant=minbase", "bookworm"]).arg(&system));
    for number in 0..=PARTS.len() {
        let archive = work.join(format!("{number}.tar"));
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(&archive).arg("-C").arg(&system).arg("--one-file-system");
        match number.checked_sub(1) {
            Some(part) => tar.arg(PARTS[part]),
            None => tar.args(PARTS.map(|part| format!("--exclude={part}"))).arg("."),
        };
        succeed(&mut tar);
        std::fs::write(work.join(format!("{number}.diff-id")), sha256(&std::fs::read(&archive).unwrap())).unwrap();
        succeed(Command::new("gzip").arg("-1n").arg(&archive));
    }
}

/// Runs a program to its good end; what it printed.
#[track_caller]
fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout.into_owned()
}
