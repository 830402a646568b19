//! `tranship serve` as its users meet it: clients that others wrote, the store behind it, interruptions.

use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::served::Served;
use crate::support::skopeo::Skopeo;

#[test]
fn what_is_pushed_is_in_the_store_and_what_was_pulled_is_served() {
    let program = Program::new();
    let served = Served::of(&program);
    let pushed = image().build();
    served.registry().push("team/app", &pushed, &["v1"]);
    let listed = program.run(&["images", "-o", "json"]).success().json();
    assert_eq!(listed["images"][0]["repository"], "team/app");
    assert_eq!(listed["images"][0]["digest"], pushed.digest());
    let from = format!("{}/team/app:v1", served.address());
    program.run(&["copy", &from, "store:kept/app:v2"]).success();
    assert!(served.registry().holds("kept/app", &pushed));
}

#[test]
fn an_image_goes_through_unchanged_by_our_own_client() {
    let (client, program) = (Program::new(), Program::new());
    let served = Served::of(&program);
    let (single, platforms) = (
        image().layers(&[100, 3_000_000]).build(),
        index(vec![image().build(), image().architecture("arm64").build()]),
    );
    for (name, image) in [("single", &single), ("platforms", &platforms)] {
        let other = Program::new();
        let source = Served::of(&other);
        source.registry().push("from", image, &["v1"]);
        let (from, to) = (format!("{}/from:v1", source.address()), format!("{}/{name}:v1", served.address()));
        client.run(&["copy", &from, &to]).success();
        assert!(served.registry().holds(name, image));
        let again = client.run(&["copy", &from, &to]).success();
        assert!(again.stdout.contains("unchanged"), "{}", again.shown());
    }
}

#[test]
fn skopeo_writes_and_reads() {
    needs!("skopeo");
    let program = Program::new();
    let served = Served::of(&program);
    let (skopeo, image) = (Skopeo::new(), image().build());
    served.registry().push("a", &image, &["v1"]);
    let place = |name: &str| format!("docker://{}/{name}", served.address());
    skopeo.copy(&place("a:v1"), &place("b:v2")).unwrap();
    assert!(served.registry().holds("b", &image));
    assert_eq!(skopeo.inspect_raw(&place("b:v2")).unwrap(), image.manifest.bytes);
}

#[test]
fn what_was_acknowledged_outlives_the_server() {
    let program = Program::new();
    let served = Served::of(&program);
    let image = image().build();
    served.registry().push("a", &image, &["v1"]);
    let begun = served.registry().request("POST", "/v2/a/blobs/uploads/", &[], b"");
    let place = begun.header("location").unwrap().to_owned();
    assert_eq!(served.registry().request("PATCH", &place, &[], b"the first half, ").status, 202);
    served.end("KILL");
    let served = Served::of(&program);
    assert!(served.registry().holds("a", &image));
    let asked = served.registry().get(&place);
    assert_eq!((asked.status, asked.header("range")), (204, Some("0-15")));
    let digest = crate::support::content::sha256(b"the first half, the second");
    let target = format!("{place}?digest={digest}");
    assert_eq!(served.registry().request("PUT", &target, &[], b"the second").status, 201);
    assert_eq!(served.registry().get(&format!("/v2/a/blobs/{digest}")).body, b"the first half, the second");
    assert!(std::fs::read_dir(program.path("data/tranship/store/uploads")).is_ok_and(|left| left.count() == 0));
}

#[test]
fn a_signal_ends_it() {
    let program = Program::new();
    let log = Served::of(&program).end("TERM");
    assert!(log.contains("serving the store at http://127.0.0.1:"), "{log}");
}

#[test]
fn only_this_computer_is_served() {
    let program = Program::new();
    let run = program.run(&["serve", "--listen", "0.0.0.0:0"]).code(2);
    run.says("whoever reaches it could write to the store").says("hint: listen at 127.0.0.1");
}
