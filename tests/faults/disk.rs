//! Disks that are full or fail. That the Nth call fails, for every N, is tested beside the code.

use std::path::Path;
use std::process::Command;

use super::{assert_no_wrong_names, assert_store_holds};
use crate::support::images::{Image, image};
use crate::support::program::{Output, Program};
use crate::support::scripted::Scripted;

/// A registry with a small image and a big one.
fn registry() -> (Scripted, Image, Image) {
    let registry = Scripted::start();
    let (small, big) = (image().build(), image().layers(&[3_000_000, 1_000_000]).build());
    registry.put("a", &small, &["small"]);
    registry.put("a", &big, &["big"]);
    (registry, small, big)
}

/// Whether this user may mount a file system, in a name space of the process's own.
pub(crate) fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// Runs `script` with `$T` as the program. What it mounts is gone when it ends.
fn script(program: &Program, script: &str) -> Output {
    let words = ["-m", "sh", "-c", script];
    let run = program.invoke_other("unshare", &words).env("T", env!("CARGO_BIN_EXE_tranship"));
    run.env("TRANSHIP_HOME", &program.path("small")).limit(std::time::Duration::from_mins(2)).run()
}

/// The exit codes that a script printed as `code N`.
fn codes(output: &Output) -> Vec<i32> {
    output.lines().iter().filter_map(|line| line.strip_prefix("code ")?.parse().ok()).collect()
}

/// The digest behind the last `@` of a line that begins with `word`.
fn digest_after(output: &Output, word: &str) -> String {
    let line = output.lines().into_iter().rfind(|line| line.starts_with(word)).unwrap_or_default().to_owned();
    line.rsplit('@').next().unwrap_or_default().to_owned()
}

#[test]
fn f36_a_full_disk_leaves_the_store_as_it_was_and_room_makes_the_next_run_go_well() {
    if !may_mount() {
        return with_files_that_cannot_grow();
    }
    // How many KiB are left for what does not fit: at the first blob, in the midst, at the manifests and names.
    for left in [0, 8, 64, 900, 2000, 3500] {
        let (registry, small, big) = registry();
        let program = Program::new();
        std::fs::create_dir(program.home().join("small")).unwrap();
        let output = script(
            &program,
            &format!(
                "mount -t tmpfs -o size=8m tmpfs small
                 copy() {{ $T copy --attached none {0}/a:$1 store:b:v1 2>>err; echo code $?; }}
                 copy small
                 free=$(df -k --output=avail small | tail -n 1)
                 dd if=/dev/zero of=small/filler bs=1024 count=$((free - {left})) 2>/dev/null
                 copy big
                 echo \"then $($T resolve -q store:b:v1)\"
                 cp -r small then
                 rm small/filler
                 copy big
                 echo \"last $($T resolve -q store:b:v1)\"
                 cp -r small last",
                registry.address()
            ),
        );
        let said = std::fs::read_to_string(program.home().join("err")).unwrap();
        assert_eq!(codes(&output), [0, 1, 0], "{left} KiB left: {}{said}", output.shown());
        assert!(said.contains("No space left on device"), "{said}");
        assert_eq!(digest_after(&output, "then "), small.digest(), "{left} KiB left");
        assert_eq!(digest_after(&output, "last "), big.digest(), "{left} KiB left");
        assert_store_holds(&program.home().join("then"), &small);
        assert_store_holds(&program.home().join("last"), &big);
    }
}

#[test]
fn f36_a_full_disk_leaves_a_layout_as_it_was() {
    if !may_mount() {
        return;
    }
    for left in [0, 64, 2000] {
        let (registry, small, big) = registry();
        let program = Program::new();
        std::fs::create_dir(program.home().join("small")).unwrap();
        let output = script(
            &program,
            &format!(
                "mount -t tmpfs -o size=8m tmpfs small
                 copy() {{ $T copy --attached none {0}/a:$1 oci:small/layout:v1 2>>err; echo code $?; }}
                 copy small
                 free=$(df -k --output=avail small | tail -n 1)
                 dd if=/dev/zero of=small/filler bs=1024 count=$((free - {left})) 2>/dev/null
                 copy big
                 echo \"then $($T resolve -q oci:small/layout:v1)\"
                 cp -r small then
                 rm small/filler
                 copy big
                 echo \"last $($T resolve -q oci:small/layout:v1)\"
                 cp -r small last",
                registry.address()
            ),
        );
        let said = std::fs::read_to_string(program.home().join("err")).unwrap();
        assert_eq!(codes(&output), [0, 1, 0], "{left} KiB left: {}{said}", output.shown());
        assert!(said.contains("No space left on device"), "{said}");
        assert_eq!(digest_after(&output, "then "), small.digest(), "{left} KiB left");
        assert_eq!(digest_after(&output, "last "), big.digest(), "{left} KiB left");
        assert_store_holds(&program.home().join("then"), &small);
        assert_store_holds(&program.home().join("last"), &big);
        assert_eq!(super::left_over(&program.home().join("last")).len(), 0);
    }
}

/// The same by a limit to the length of files, which every user may set for himself.
fn with_files_that_cannot_grow() {
    let (registry, _, big) = registry();
    let program = Program::new();
    let name = format!("{}/a:big", registry.address());
    // Without the signal the write fails, as on a full disk.
    let limited = "trap '' XFSZ; prlimit --fsize=500000 \"$T\" copy --attached none \"$1\" store:b:v1";
    let run = program.invoke_other("sh", &["-c", limited, "sh", &name]).env("T", env!("CARGO_BIN_EXE_tranship"));
    run.run().code(1).says("File too large");
    assert_no_wrong_names(program.home());
    program.run(&["copy", "--attached", "none", &name, "store:b:v1"]).success();
    assert_store_holds(program.home(), &big);
}

#[test]
fn f36_a_file_that_cannot_grow_is_as_a_full_disk() {
    with_files_that_cannot_grow();
}

#[test]
fn f36_a_full_disk_leaves_the_configuration_and_the_vault_as_they_were() {
    if !may_mount() {
        return;
    }
    let program = Program::new();
    std::fs::create_dir(program.home().join("small")).unwrap();
    let output = script(
        &program,
        "export TRANSHIP_VAULT_PASSPHRASE=pass
         mount -t tmpfs -o size=1m tmpfs small
         secret() { printf $1 | $T secret set v/s password=- >>err 2>&1; echo code $?; }
         setting() { $T settings set concurrency $1 >>err 2>&1; echo code $?; }
         $T vault create v --backend file >>err 2>&1; echo code $?
         secret first
         setting 3
         dd if=/dev/zero of=small/filler bs=1024 2>/dev/null
         secret second
         setting 4
         cp -r small then
         rm small/filler
         echo concurrency $($T settings show concurrency)
         secret third
         setting 5
         echo concurrency $($T settings show concurrency)",
    );
    let said = std::fs::read_to_string(program.home().join("err")).unwrap();
    assert_eq!(codes(&output), [0, 0, 0, 1, 1, 0, 0], "{}{said}", output.shown());
    assert!(said.contains("No space left on device") && !said.contains("second"), "{said}");
    let shown: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("concurrency")).collect();
    assert!(shown[0].ends_with('3') && shown[1].ends_with('5'), "{shown:?}");
    let left_over = |directory: &Path| {
        let names = super::files_below(directory).into_iter().map(|file| file.file_name().unwrap().to_owned());
        names.filter(|name| name.to_string_lossy().contains("tmp")).count()
    };
    assert_eq!(left_over(&program.home().join("then")), 0, "no file of half a write is left");
}

#[test]
fn f37_an_error_of_the_disk_is_not_taken_for_success() {
    let (registry, _, big) = registry();
    let program = Program::new();
    let name = format!("{}/a:big", registry.address());
    if !Command::new("strace").arg("--version").output().is_ok_and(|run| run.status.success()) {
        return;
    }
    for (calls, fault) in
        [("fsync,fdatasync", "EIO"), ("rename,renameat,renameat2", "EIO"), ("write,pwrite64,writev", "ENOSPC")]
    {
        let inject = format!("inject={calls}:error={fault}:when=3+");
        // Only what lies in the store fails, not what is said on the terminal.
        let store = program.path("data");
        std::fs::create_dir_all(&store).unwrap();
        let words = ["-f", "-qq", "-o", "/dev/null", "-e", &inject, env!("CARGO_BIN_EXE_tranship"), "copy"];
        let words = [&words[..], &["--attached", "none", "-q", &name, "store:b:v1"]].concat();
        let output = program.invoke_other("strace", &words).run();
        assert_ne!(output.code, Some(0), "{calls}: {}", output.shown());
        assert_no_wrong_names(program.home());
        assert_ne!(program.run(&["resolve", "store:b:v1"]).code, Some(0), "{calls}: nothing was published");
    }
    program.run(&["copy", "--attached", "none", &name, "store:b:v1"]).success();
    assert_store_holds(program.home(), &big);
}
