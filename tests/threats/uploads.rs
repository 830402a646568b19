//! Where a registry would like uploads to go.

use super::{CANARY, USER, program_of, run_once, stranger, trust_file, was_left_alone, was_told_nothing};
use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::images::image;
use crate::support::program::{Output, Program};
use crate::support::scripted::{Ability, Act, Scripted, when};
use crate::support::server::{Request, Response};

/// Pushes a fresh image from an open registry to `app:v1` of `registry`.
fn push(program: &Program, registry: &Scripted) -> Output {
    let source = Scripted::start();
    source.put("app", &image().build(), &["v1"]);
    run_once(program, &["copy", &format!("{}/app:v1", source.address()), &format!("{}/app:v1", registry.address())])
}

#[test]
fn s09_an_upload_that_is_to_go_elsewhere_in_the_clear_does_not() {
    let (evil, other_port) = (stranger(), Scripted::start());
    let host = evil.address();
    for location in [
        format!("{}/upload", evil.url()),
        format!("//{host}/upload"),
        format!("{}/upload", other_port.url()),
        format!("http://bob@{host}/upload"),
        "file:///tmp/upload".to_owned(),
        "gopher://127.0.0.2/upload".to_owned(),
        "http://169.254.169.254/upload".to_owned(),
        format!("http://127.0.0.2\\@{host}/upload"),
    ] {
        let registry = Scripted::settings().basic(USER, CANARY).start();
        registry.rule(when("POST", "/uploads/"), Act::header("Location", &location));
        let program = program_of(&[&registry.address()]);
        let failed = push(&program, &registry).keeps_quiet_about(CANARY);
        assert!(matches!(failed.code, Some(1 | 4)), "{location}: {}", failed.shown());
        was_left_alone(&evil);
        was_left_alone(&other_port);
        assert_eq!(registry.tag("app", "v1"), None);
    }
}

#[test]
fn s09_nor_one_that_is_led_away_on_its_way() {
    let evil = stranger();
    let registry = Scripted::settings().basic(USER, CANARY).without(Ability::CheckBlobs).start();
    let away = format!("{}/upload", evil.url());
    registry.rule(when("PATCH", "/uploads/"), Act::header("Location", &away));
    // Bodies that are too long for one request are sent in several, each to where the last answer says.
    let short = |request: &Request| Response::new(if request.body.len() > 1_000_000 { 413 } else { 201 });
    registry.rule(when("PUT", "/blobs/uploads/"), Act::answer(short));
    let program = program_of(&[&registry.address()]);
    let source = Scripted::start();
    source.put("app", &image().layers(&[3_000_000]).build(), &["v1"]);
    let to = format!("{}/app:v1", registry.address());
    let failed = run_once(&program, &["copy", &format!("{}/app:v1", source.address()), &to]).code(4);
    failed.says("which has to be on the registry itself");
    assert!(registry.count("PATCH", "/uploads/") > 0);
    was_left_alone(&evil);
}

#[test]
fn s09_storage_behind_tls_gets_the_bytes_and_nothing_else() {
    let authority = Authority::new();
    let cloud = Scripted::settings().ip("127.0.0.2").tls(authority.server(&LOOPBACK)).start();
    let registry = Scripted::settings().basic(USER, CANARY).start();
    let signed = format!("{}/v2/app/blobs/uploads/signed", cloud.url());
    cloud.rule(when("PUT", "/signed"), Act::status(201));
    registry.rule(when("POST", "/uploads/"), Act::header("Location", &format!("{signed}?signature=s")));
    let program = program_of(&[&registry.address()]);
    let ca = trust_file(&program, &authority);
    program.configure(&format!(
        "remote-registries:\n- address: {}\n  ca-cert-file: {ca}\n  headers: {{X-Team: {CANARY}}}\n",
        registry.address()
    ));
    let source = Scripted::start();
    let image = image().build();
    source.put("app", &image, &["v1"]);
    registry.put("app", &image, &[]);
    for blob in &image.blobs {
        registry.lose_blob("app", &blob.digest);
    }
    registry.rule(when("PUT", "/manifests/"), Act::status(201));
    let to = format!("{}/app:v1", registry.address());
    run_once(&program, &["copy", &format!("{}/app:v1", source.address()), &to]).success();
    assert_eq!(cloud.count("PUT", "signature=s"), 3);
    was_told_nothing(&cloud);
}
