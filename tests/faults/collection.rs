//! The registry of one's own under faults: disks that are full or fail, kills, and collection that never rests.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::disk::may_mount;
use crate::support::content::sha256;
use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::served::Served;

/// Pushes as a client does that asks first what is there, and fails where it is told something else later.
fn push(registry: &Registry, repository: &str, image: &Image, tag: &str) {
    for blob in image.all_blobs() {
        let there = registry.request("HEAD", &format!("/v2/{repository}/blobs/{}", blob.digest), &[], b"");
        if there.status == 404 {
            registry.push_blob(repository, blob);
        } else {
            assert_eq!(there.status, 200);
        }
    }
    registry.push_manifest(repository, &image.manifest, tag);
}

#[test]
fn f42_collection_that_never_rests_takes_nothing_from_a_push_or_a_pull() {
    let program = Program::new();
    let served = Served::with(&program, &["--upkeep-every", "20ms", "--upkeep-grace", "1m"]);
    let blobs = program.home().join("data/tranship/store/blobs/sha256");
    let collected = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (registry, blobs, collected) = (served.registry(), &blobs, &collected);
            scope.spawn(move || {
                let image = image().layers(&[20_000, 30_000]).build();
                let repository = format!("team/app{client}");
                for round in 0..15 {
                    push(&registry, &repository, &image, "latest");
                    assert!(registry.holds(&repository, &image), "round {round}");
                    let manifest = format!("/v2/{repository}/manifests/{}", image.digest());
                    assert_eq!(registry.request("DELETE", &manifest, &[], b"").status, 202);
                    // Nobody asked for it for an hour, so it goes; or the next push asks for it first.
                    let files = image.all_blobs().into_iter().chain(image.all_manifests());
                    for content in files.map(|content| blobs.join(&content.digest[7..])) {
                        match std::fs::File::open(content) {
                            Ok(file) => file.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap(),
                            Err(_) => collected.store(true, Ordering::SeqCst),
                        }
                    }
                    if round % 3 == 0 {
                        std::thread::sleep(Duration::from_millis(30));
                    }
                }
                push(&registry, &repository, &image, "latest");
                assert!(registry.holds(&repository, &image));
            });
        }
    });
    let left = std::fs::read_dir(&blobs).unwrap().count();
    assert!(left <= 4 * 4 + 4, "{left} files are left");
}

#[test]
fn f36_a_full_disk_is_told_and_the_registry_goes_on() {
    if !may_mount() {
        return;
    }
    let program = Program::new();
    std::fs::create_dir(program.home().join("small")).unwrap();
    let script = "mount -t tmpfs -o size=8m tmpfs small && exec $T serve --listen 127.0.0.1:0 -q -v";
    let served = Served::by(
        program
            .command_of("unshare", &["-m", "sh", "-c", script])
            .env("T", env!("CARGO_BIN_EXE_tranship"))
            .env("TRANSHIP_STORE", program.home().join("small/store")),
    );
    let registry = served.registry();
    let (small, big) = (image().build(), image().layers(&[5_000_000, 5_000_000]).build());
    registry.push("a", &small, &["v1"]);
    for _ in 0..3 {
        let refused = big.all_blobs().iter().any(|blob| {
            let begun = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
            let Some(place) = begun.header("location") else { return true };
            let done = registry.request("PUT", &format!("{place}?digest={}", blob.digest), &[], &blob.bytes);
            assert!(matches!(done.status, 201 | 507), "{done:?}");
            done.status == 507
        });
        assert!(refused, "10 MB went into 8");
        assert!(registry.holds("a", &small), "what is there is handed out");
    }
    let manifest = registry.request("DELETE", &format!("/v2/a/manifests/{}", small.digest()), &[], b"");
    assert_eq!(manifest.status, 202, "what is full can be emptied");
}

#[test]
fn f37_an_error_of_the_disk_is_never_acknowledged() {
    needs!("strace");
    let image = image().layers(&[100_000]).build();
    for when in 1..=6 {
        let program = Program::new();
        // What is made at the first start is there, so that it is pushes which fail.
        Served::of(&program).end("TERM");
        let inject = format!("inject=fsync:error=EIO:when={when}");
        // The tracer is no parent, so that the server is what ends.
        let traced = ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", &inject];
        let words = [&traced[..], &[env!("CARGO_BIN_EXE_tranship")]].concat();
        let serve = ["serve", "--listen", "127.0.0.1:0", "-q", "-v"];
        let served = Served::by(&mut program.command_of("strace", &[&words[..], &serve[..]].concat()));
        let registry = served.registry();
        let mut acknowledged = Vec::new();
        for blob in image.all_blobs() {
            let begun = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
            let Some(place) = begun.header("location") else { continue };
            let done = registry.request("PUT", &format!("{place}?digest={}", blob.digest), &[], &blob.bytes);
            assert!(matches!(done.status, 201 | 500 | 507), "{done:?}");
            if done.status == 201 {
                acknowledged.push(blob.clone());
            }
        }
        let target = "/v2/a/manifests/v1";
        let headers = [("Content-Type", image.manifest.media_type.as_str())];
        let done = registry.request("PUT", target, &headers, &image.manifest.bytes);
        drop(served);
        // Whoever comes next finds what was acknowledged, and can put the rest right.
        let served = Served::of(&program);
        let registry = served.registry();
        for blob in &acknowledged {
            assert_eq!(registry.get(&format!("/v2/a/blobs/{}", blob.digest)).body, blob.bytes, "{when}");
        }
        if done.status == 201 {
            assert!(registry.holds("a", &image), "{when}");
        }
        registry.push("a", &image, &["v1"]);
        assert!(registry.holds("a", &image), "{when}");
    }
}

#[test]
fn f38_what_was_acknowledged_is_there_however_often_the_server_is_killed() {
    let program = Program::new();
    let mut acknowledged: Vec<(String, Vec<u8>)> = Vec::new();
    let mut served = Served::with(&program, &["--upkeep-every", "50ms"]);
    for round in 0..6 {
        let registry = served.registry();
        let pushing = std::thread::spawn(move || {
            let mut done = Vec::new();
            for number in 0..1000 {
                let bytes = format!("{round} {number} ").repeat(2000).into_bytes();
                let target = format!("/v2/a/blobs/uploads/?digest={}", sha256(&bytes));
                match registry.try_request("POST", &target, &[], &bytes) {
                    Ok(answer) if answer.status == 201 => done.push((sha256(&bytes), bytes)),
                    _ => break,
                }
            }
            done
        });
        std::thread::sleep(Duration::from_millis(60 + 37 * round));
        served.end("KILL");
        acknowledged.extend(pushing.join().unwrap());
        served = Served::with(&program, &["--upkeep-every", "50ms"]);
    }
    assert!(!acknowledged.is_empty());
    for (digest, bytes) in &acknowledged {
        assert_eq!(served.registry().get(&format!("/v2/a/blobs/{digest}")).body, *bytes);
    }
    let listed = Command::new("ls").arg(program.path("data/tranship/store/leases")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "");
}
