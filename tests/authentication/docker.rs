//! The credentials of docker and podman: where their files are, their helpers, and their entries for repositories.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{PASSWORD, USER, users};
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;

/// A registry for one user that holds an image as `app:v1`, and that name.
fn registry() -> (Scripted, String) {
    let registry = Scripted::settings().basic(USER, PASSWORD).start();
    registry.put("app", &image().build(), &["v1"]);
    let name = format!("{}/app:v1", registry.address());
    (registry, name)
}

/// A file with one entry for every key.
fn auth_file(entries: &[(&str, &str, &str)]) -> String {
    let entry = |(key, user, password): &(&str, &str, &str)| {
        format!(r#""{key}": {{"auth": "{}"}}"#, STANDARD.encode(format!("{user}:{password}")))
    };
    format!(r#"{{"auths": {{{}}}}}"#, entries.iter().map(entry).collect::<Vec<_>>().join(", "))
}

fn write(program: &Program, path: &str, text: &str) {
    let path = program.home().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn the_usual_places_are_read() {
    let (registry, name) = registry();
    let right = auth_file(&[(&registry.address(), USER, PASSWORD)]);
    for place in [".docker/config.json", "config/containers/auth.json", "run/containers/auth.json"] {
        let program = Program::new();
        write(&program, place, &right);
        let output = program.run(&["resolve", "-v", &name]).success();
        output.says(&format!("{place} has it")).keeps_quiet_about(PASSWORD);
    }
    Program::new().run(&["resolve", &name]).code(4);
}

#[test]
fn a_file_that_is_named_is_the_only_one() {
    let (registry, name) = registry();
    let right = auth_file(&[(&registry.address(), USER, PASSWORD)]);
    let program = Program::new();
    write(&program, ".docker/config.json", &auth_file(&[(&registry.address(), "mallory", "wrong")]));
    write(&program, "right.json", &right);
    write(&program, "docker/config.json", &right);
    program.run(&["resolve", &name]).code(4).says("check the credential that was used");
    program.run(&["resolve", &name, "--authfile", &program.path("right.json")]).success();
    program.invoke(&["resolve", &name]).env("REGISTRY_AUTH_FILE", &program.path("right.json")).run().success();
    program.invoke(&["resolve", &name]).env("DOCKER_CONFIG", &program.path("docker")).run().success();
    let absent = program.path("absent.json");
    let output = program.run(&["resolve", &name, "--authfile", &absent]).code(4);
    output.says(&absent).says("or name the credential: `--secret VAULT/SECRET`");
    write(&program, "broken.json", "{\"auths\": {\"x\": {\"auth\": \"canary");
    let output = program.run(&["resolve", &name, "--authfile", &program.path("broken.json")]).code(4);
    output.says("is not a file of registry credentials (line 1,").keeps_quiet_about("canary");
}

#[test]
fn a_helper_is_asked_for_its_registry() {
    let (registry, name) = registry();
    for file in
        [format!(r#"{{"credHelpers": {{"{}": "test"}}}}"#, registry.address()), r#"{"credsStore": "test"}"#.to_owned()]
    {
        let mut program = Program::new();
        write(&program, ".docker/config.json", &file);
        let answer = format!(r#"{{"ServerURL": "", "Username": "{USER}", "Secret": "{PASSWORD}"}}"#);
        let script = format!("#!/bin/sh\ncat > \"$0.asked\"\necho '{answer}'\n");
        write(&program, "bin/docker-credential-test", &script);
        let helper = program.home().join("bin/docker-credential-test");
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        program.set("PATH", &format!("{}:/usr/bin:/bin", program.path("bin")));
        program.run(&["resolve", &name, "-v"]).success().says("docker-credential-test").keeps_quiet_about(PASSWORD);
        let asked = std::fs::read_to_string(program.path("bin/docker-credential-test.asked")).unwrap();
        assert_eq!(asked.trim(), registry.address());
    }
}

#[test]
fn a_helper_that_fails_is_an_error_and_the_file_is_not_tried() {
    let (registry, name) = registry();
    let program = Program::new();
    let entry = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let file = format!(
        r#"{{"credHelpers": {{"{0}": "absent"}}, "auths": {{"{0}": {{"auth": "{entry}"}}}}}}"#,
        registry.address()
    );
    write(&program, ".docker/config.json", &file);
    program.run(&["resolve", &name]).code(4).says("docker-credential-absent").says(".docker/config.json names");
    assert!(registry.requests().is_empty());
}

#[test]
fn an_entry_for_a_repository_counts_there_alone() {
    let registry = Scripted::settings().basic(USER, PASSWORD).start();
    let image = image().build();
    for repository in ["app", "team/app", "teams"] {
        registry.put(repository, &image, &["v1"]);
    }
    let program = Program::new();
    let address = registry.address();
    let team = format!("{address}/team");
    write(&program, ".docker/config.json", &auth_file(&[(&address, "other", "wrong"), (&team, USER, PASSWORD)]));
    let name = |repository: &str| format!("{address}/{repository}:v1");
    program.run(&["resolve", &name("team/app")]).success();
    program.run(&["resolve", &name("app")]).code(4);
    program.run(&["resolve", &name("teams")]).code(4);
    // Two credentials of one file in one run are two.
    registry.forget_requests();
    program.run(&["resolve", &name("team/app"), &name("app")]).code(7);
    let shown: BTreeSet<String> = users(&registry.requests()).into_iter().flatten().collect();
    assert_eq!(shown.into_iter().collect::<Vec<_>>(), [USER, "other"], "they are asked side by side");
}
