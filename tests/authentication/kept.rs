//! Tokens that one process leaves to the next.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use super::{PASSWORD, USER, program, program_of_bob};
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;
use crate::support::token_server::{TokenServer, Tokens};

/// A registry that wants tokens, holding `app:v1`, and that name.
fn start() -> (TokenServer, Scripted, String) {
    let tokens = TokenServer::start(Tokens::default());
    let registry = Scripted::settings().tokens(&tokens).start();
    registry.put("app", &image().build(), &["v1"]);
    let name = format!("{}/app:v1", registry.address());
    (tokens, registry, name)
}

fn file(program: &Program) -> PathBuf {
    program.home().join("state/tranship/tokens.json")
}

#[test]
fn they_are_for_their_owner_alone() {
    let (tokens, registry, name) = start();
    let program = program_of_bob(&registry.address());
    program.run(&["resolve", &name]).success();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file(&program)), 0o600);
    // A file that others could read is closed to them.
    std::fs::set_permissions(file(&program), std::fs::Permissions::from_mode(0o644)).unwrap();
    tokens.revoke_all();
    program.run(&["resolve", &name]).success();
    assert_eq!(mode(file(&program)), 0o600);
    let text = std::fs::read_to_string(file(&program)).unwrap();
    assert!(!text.contains(PASSWORD), "{text}");
}

#[test]
fn the_next_process_uses_them_and_one_that_is_refused_is_replaced() {
    let (tokens, registry, name) = start();
    let program = program_of_bob(&registry.address());
    program.run(&["resolve", &name]).success();
    program.run(&["resolve", &name]).success();
    assert_eq!((tokens.fetches().len(), registry.requests().len()), (1, 3));
    tokens.revoke_all();
    program.run(&["resolve", &name]).success();
    assert_eq!((tokens.fetches().len(), registry.requests().len()), (2, 5));
    program.run(&["resolve", &name]).success();
    assert_eq!((tokens.fetches().len(), registry.requests().len()), (2, 6));
}

#[test]
fn they_can_be_done_without() {
    let (tokens, registry, name) = start();
    let program = program_of_bob(&registry.address());
    program.run(&["resolve", &name, "--no-token-cache"]).success();
    assert!(!file(&program).exists());
    program.run(&["resolve", &name]).success();
    program.run(&["resolve", &name, "--no-token-cache"]).success();
    assert_eq!(tokens.fetches().len(), 3);
}

#[test]
fn another_credential_does_not_get_them() {
    let (tokens, registry, name) = start();
    tokens.change(|tokens| drop(tokens.users.insert("eve".to_owned(), "eavesdrop".to_owned())));
    let bob = program_of_bob(&registry.address());
    bob.run(&["resolve", &name]).success();
    bob.run(&["resolve", &name, "--anonymous"]).success();
    // The same name with another value is another credential.
    let eve = bob.invoke(&["resolve", &name]);
    let eve = eve.env("TRANSHIP_SECRET_TEST_BOB_USERNAME", "eve").env("TRANSHIP_SECRET_TEST_BOB_PASSWORD", "eavesdrop");
    eve.run().success();
    let users: Vec<Option<String>> = tokens.fetches().into_iter().map(|fetch| fetch.user).collect();
    assert_eq!(users, [Some(USER.to_owned()), None, Some("eve".to_owned())]);
}

// Fault 21.
#[test]
fn a_clock_that_was_set_makes_no_token_younger() {
    let (tokens, registry, name) = start();
    let program = program_of_bob(&registry.address());
    program.run(&["resolve", &name]).success();
    for hours in [1, -1] {
        let mut page: Value = serde_json::from_slice(&std::fs::read(file(&program)).unwrap()).unwrap();
        for entry in page["tokens"].as_array_mut().unwrap() {
            for key in ["received", "expires"] {
                entry[key] = (entry[key].as_i64().unwrap() + hours * 3600).into();
            }
        }
        std::fs::write(file(&program), page.to_string()).unwrap();
        tokens.forget_fetches();
        program.run(&["resolve", &name]).success();
        assert_eq!(tokens.fetches().len(), 1, "{hours}");
    }
}

#[test]
fn a_spoilt_file_is_no_file() {
    let (tokens, registry, name) = start();
    let program = program(&[("bob", USER, PASSWORD)], "[]");
    for spoilt in ["", "{\"tokens\": 7}", "[[[[", "\u{0}\u{0}"] {
        std::fs::create_dir_all(file(&program).parent().unwrap()).unwrap();
        std::fs::write(file(&program), spoilt).unwrap();
        tokens.forget_fetches();
        program.run(&["resolve", &name, "--secret", "test/bob"]).success();
        assert_eq!(tokens.fetches().len(), 1, "{spoilt:?}");
    }
    assert_eq!(registry.count("HEAD", "/manifests/v1"), 5);
}
