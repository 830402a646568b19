//! What is kept for the next run, and who can read it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{program_of, users};
use crate::support::images::image;
use crate::support::program::{Output, Program};
use crate::support::scripted::Scripted;
use crate::support::token_server::TokenServer;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A registry with tokens, a program that may read there, and where its tokens are kept.
fn scene() -> (Scripted, TokenServer, Program, PathBuf) {
    let tokens = TokenServer::start(users());
    let registry = Scripted::settings().tokens(&tokens).start();
    for repository in ["a", "b", "c", "d"] {
        registry.put(repository, &image().build(), &["v1"]);
    }
    let program = program_of(&[&registry.address()]);
    let file = program.home().join("state/tranship/tokens.json");
    (registry, tokens, program, file)
}

/// Runs with a mask that forbids nobody anything.
fn unmasked(program: &Program, words: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_tranship");
    let script = "umask 000; exec \"$@\"";
    program.invoke_other("sh", &[&["-c", script, "sh", binary], words].concat()).run()
}

#[test]
fn s31_kept_tokens_are_for_their_owner_alone_whatever_the_mask() {
    let (registry, tokens, program, file) = scene();
    let image = |repository: &str| format!("{}/{repository}:v1", registry.address());
    unmasked(&program, &["resolve", &image("a")]).success();
    assert_eq!(mode(&file), 0o600);
    assert!(!std::fs::read_to_string(&file).unwrap().contains(super::CANARY));
    for entry in std::fs::read_dir(file.parent().unwrap()).unwrap().flatten() {
        assert_eq!(mode(&entry.path()) & 0o077, 0, "{}", entry.path().display());
    }
    // One that others could read is one that only the owner can, after the next change.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    unmasked(&program, &["resolve", &image("b")]).success();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(tokens.fetches().len(), 2);
    unmasked(&program, &["resolve", &image("a")]).success();
    assert_eq!(tokens.fetches().len(), 2, "the first is still kept");
    program.run(&["resolve", &image("c"), "--no-token-cache"]).success();
    assert!(!std::fs::read_to_string(&file).unwrap().contains("repository:c:"));
}

#[test]
fn s31_a_link_in_its_place_is_not_written_through() {
    let (registry, _tokens, program, file) = scene();
    let canary = program.home().join("canary");
    std::fs::write(&canary, "untouched").unwrap();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    symlink(&canary, &file).unwrap();
    unmasked(&program, &["resolve", &format!("{}/a:v1", registry.address())]).success();
    assert_eq!(std::fs::read_to_string(&canary).unwrap(), "untouched");
    assert!(!file.is_symlink());
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn s31_several_at_once_lose_nothing() {
    let (registry, tokens, program, file) = scene();
    let running: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| program.invoke(&["resolve", &format!("{}/{name}:v1", registry.address())]).start())
        .collect();
    for run in running {
        run.finish().success();
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    for name in ["a", "b", "c", "d"] {
        assert!(kept.contains(&format!("repository:{name}:pull")), "{kept}");
    }
    assert_eq!(tokens.fetches().len(), 4);
}

#[test]
fn s31_killed_at_any_time_it_leaves_what_was_there_or_what_is_new() {
    let (registry, _tokens, program, file) = scene();
    program.run(&["resolve", &format!("{}/a:v1", registry.address())]).success();
    for delay in 0..12 {
        let name = ["b", "c", "d"][delay % 3];
        let running = program.invoke(&["resolve", &format!("{}/{name}:v1", registry.address())]).start();
        std::thread::sleep(Duration::from_millis(5 * delay as u64));
        running.signal_if_running("KILL");
        let _ = running.finish();
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(kept.to_string().contains("repository:a:pull"), "{kept}");
        assert_eq!(mode(&file), 0o600);
    }
    program.run(&["resolve", &format!("{}/b:v1", registry.address())]).success();
}

#[test]
fn s31_the_store_and_layouts_are_as_open_as_the_user_wants() {
    let source = Scripted::start();
    source.put("app", &image().build(), &["v1"]);
    let program = program_of(&[]);
    program.run(&["copy", &format!("{}/app:v1", source.address()), "oci:layout:app"]).success();
    let index = program.home().join("layout/index.json");
    assert_eq!(mode(&index) & 0o022, 0, "what others are not to change");
}
