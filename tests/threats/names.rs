//! References that look like others, names that break out of where they stand, tags that move.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{program_of, run_once, through, was_left_alone};
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;
use crate::support::tunnel::Tunnel;

/// Runs against nothing but a tunnel that leads nowhere, and says what the tunnel was asked for.
fn asked_for(program: &mut Program, reference: &str) -> (Option<i32>, Vec<String>) {
    let tunnel = Tunnel::start();
    through(program, &tunnel);
    let ended = run_once(program, &["resolve", reference]);
    let mut targets = tunnel.targets();
    targets.dedup();
    (ended.code, targets)
}

#[test]
fn s34_a_reference_means_one_place() {
    let mut program = program_of(&[]);
    program.configure(
        "settings: {default-remote-registry: default.example/mirror}\nremote-registries:\n- address: short\n",
    );
    let cases = [
        ("docker.io/library/x", "registry-1.docker.io:443"),
        ("docker.io/x", "registry-1.docker.io:443"),
        ("index.docker.io/x", "registry-1.docker.io:443"),
        ("library/x", "default.example:443"),
        ("x", "default.example:443"),
        ("x:5000", "default.example:443"),
        ("a/b", "default.example:443"),
        ("a.b/c", "a.b:443"),
        ("a:5000/c", "a:5000"),
        ("short/c", "short:443"),
        ("shorter/c", "default.example:443"),
        ("a.example/b.example/c", "a.example:443"),
        ("A.Example/c", "a.example:443"),
    ];
    for (reference, place) in cases {
        let (code, targets) = asked_for(&mut program, reference);
        assert_eq!((code, targets), (Some(5), vec![place.to_owned()]), "{reference}");
    }
    let long = "a/".repeat(130) + "a";
    let upper = "a.example/UPPER".to_owned();
    for reference in [
        "a/b:5000/c",
        "a.example:x/c",
        "a.example:99999/c",
        "a.example/c:",
        "a.example/c@",
        "a.example/c@sha256:abc",
        "a.example/../c",
        "a.example//c",
        "a.example/c/",
        "/c",
        ".",
        "a.example/.c",
        "https://a.example/c",
        "user@a.example/c",
        "a.example/c d",
        "a.example/c?x=y",
        "a.example/c#x",
        "a.example/c%2fd",
        "",
        " ",
        "-c",
        "a..example/c",
        "a_b.example/c",
        "[::1/c",
        "[::g]/c",
        "a.example/\u{441}",
        "\u{430}.example/c",
        &long,
        &upper,
    ] {
        let (code, targets) = asked_for(&mut program, reference);
        assert_eq!((code, targets), (Some(2), Vec::new()), "{reference}");
    }
}

#[test]
fn s34_a_digest_beside_a_tag_decides() {
    let registry = Scripted::start();
    let (old, new) = (image().build(), image().build());
    registry.put("app", &old, &["old"]);
    registry.put("app", &new, &["v1"]);
    let program = program_of(&[]);
    let reference = format!("{}/app:v1@{}", registry.address(), old.digest());
    let resolved = program.run(&["resolve", &reference]).success();
    assert!(resolved.stdout.contains(old.digest()) && !resolved.stdout.contains(new.digest()));
    program.run(&["copy", &reference, "oci:layout:x"]).success();
    assert_eq!(registry.count("*", "/manifests/v1"), 0, "the tag is a label");
    let copied = std::fs::read_to_string(program.home().join("layout/index.json")).unwrap();
    assert!(copied.contains(old.digest()) && !copied.contains(new.digest()));
}

#[test]
fn s35_a_digest_counts_where_it_is_named() {
    let registry = Scripted::start();
    let image = image().build();
    registry.put("private", &image, &["v1"]);
    let program = program_of(&[]);
    program.run(&["copy", &format!("{}/private:v1", registry.address()), "store:private:v1"]).success();
    // The content is on this computer and in this registry, but not where the reference says.
    run_once(&program, &["copy", &format!("store:public@{}", image.digest()), "oci:x:x"]).code(3);
    run_once(&program, &["inspect", &format!("store:public:v1@{}", image.digest())]).code(3);
    run_once(&program, &["pull", &format!("{}/public:v1@{}", registry.address(), image.digest())]).code(3);
    let short = &image.digest()[..20];
    run_once(&program, &["inspect", &format!("store:public@{short}")]).code(3);
    run_once(&program, &["inspect", &format!("store:private@{short}")]).success();
}

#[test]
fn s36_a_tag_that_moves_meanwhile_changes_nothing() {
    let (one, two) = (index(vec![image().build()]), index(vec![image().build()]));
    for moves_after in 1..4 {
        let registry = Scripted::start();
        registry.put("app", &two, &[]);
        registry.put("app", &one, &["v1"]);
        let asked = AtomicUsize::new(0);
        let other = two.manifest.clone();
        let flip = move |_: &_, response: Response| {
            if asked.fetch_add(1, Ordering::SeqCst) < moves_after {
                return response;
            }
            Response::new(200)
                .header("Content-Type", &other.media_type)
                .header("Docker-Content-Digest", &other.digest)
                .body(other.bytes.clone())
        };
        registry.rule(when("*", "/manifests/v1"), Act::change(flip));
        let destination = Scripted::start();
        let program = program_of(&[]);
        let name = |registry: &Scripted| format!("{}/app:v1", registry.address());
        let copied = program.run(&["copy", &name(&registry), &name(&destination), "--attached", "all"]).success();
        assert!(copied.stdout.contains(one.digest()), "{}", copied.stdout);
        assert_eq!(destination.tag("app", "v1").as_deref(), Some(one.digest()));
        assert!(destination.holds("app", &one));
        assert_eq!(destination.manifest("app", two.digest()).map(|manifest| manifest.digest), None);
    }
}

#[test]
fn s36_a_tag_that_is_another_thing_at_every_look() {
    let images: Vec<_> = (0..6).map(|_| index(vec![image().build()])).collect();
    let registry = Scripted::start();
    for image in &images {
        registry.put("app", image, &["v1"]);
    }
    let turns = AtomicUsize::new(0);
    let all: Vec<_> = images.iter().map(|image| image.manifest.clone()).collect();
    registry.rule(
        when("*", "/manifests/v1"),
        Act::answer(move |_| {
            let manifest = &all[turns.fetch_add(1, Ordering::SeqCst) % all.len()];
            Response::new(200)
                .header("Content-Type", &manifest.media_type)
                .header("Docker-Content-Digest", &manifest.digest)
                .body(manifest.bytes.clone())
        }),
    );
    let program = program_of(&[]);
    let image = format!("{}/app:v1", registry.address());
    for words in [&["copy", image.as_str(), "store:app:v1", "-q"][..], &["pull", &image, "-q"]] {
        let digest = program.run(words).success().stdout;
        let home = program.run(&["images", "-o", "json"]).success().stdout;
        assert!(home.contains(digest.trim()), "{digest} {home}");
    }
    let inspected = program.run(&["inspect", &image, "-o", "json"]).success().json().to_string();
    let named = images.iter().filter(|image| inspected.contains(image.digest())).count();
    assert_eq!(named, 1, "{inspected}");
}

#[test]
fn s40_names_cannot_break_out_of_a_request() {
    let registry = Scripted::start();
    registry.put("app", &image().build(), &["v1"]);
    let address = registry.address();
    let program = program_of(&[]);
    for bad in [
        "\r\nX-Evil: 1",
        "%0d%0aX-Evil:%201",
        "\nGET /v2/ HTTP/1.1",
        "%00",
        "/../../v2/_catalog",
        "?n=1",
        "#x",
        " HTTP/1.1",
        "\u{10d}",
        "@sha256:\r\n",
        "%2e%2e",
        "\\..\\x",
    ] {
        for reference in
            [format!("{address}/app{bad}"), format!("{address}/app:v1{bad}"), format!("{address}{bad}/app")]
        {
            for command in ["resolve", "inspect", "pull"] {
                let ended = run_once(&program, &[command, &reference]);
                assert_eq!(ended.code, Some(2), "{reference:?}: {}", ended.shown());
            }
        }
        run_once(&program, &["tags", &format!("{address}/app{bad}")]).code(2);
        run_once(&program, &["tag", &format!("{address}/app:v1"), &format!("v2{bad}")]).code(2);
    }
    was_left_alone(&registry);
    for header in ["\"X: y\": z", "X-A: \"a\\r\\nX-Evil: 1\"", "\"X\\n\": y", "X-A: \"\\0\""] {
        program.configure(&format!("remote-registries:\n- address: {address}\n  headers: {{{header}}}\n"));
        run_once(&program, &["resolve", &format!("{address}/app:v1")]).code(2);
    }
    was_left_alone(&registry);
}

#[test]
fn s40_what_a_registry_names_cannot_break_out_either() {
    let registry = Scripted::start();
    let one = image().build();
    registry.put("app", &one, &["v1"]);
    let link = "</v2/app/tags/list?last=a%0d%0aX-Evil:%201&n=1>; rel=\"next\"";
    registry.rule(when("GET", "/tags/list").once(), Act::header("Link", link));
    let realm = Scripted::start();
    realm.rule(when("*", "/token"), Act::respond(Response::json(200, &serde_json::json!({"token": "a\r\nX-Evil: 1"}))));
    let program = program_of(&[]);
    run_once(&program, &["tags", &format!("{}/app", registry.address())]).success();
    let challenge = format!("Bearer realm=\"{}/token?a=%0d%0ab\",service=\"s&scope=x y\"", realm.url());
    registry.rule(
        when("*", "/manifests/"),
        Act::respond(Response::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &challenge)),
    );
    run_once(&program, &["resolve", &format!("{}/app:v1", registry.address())]).code(1).says("no header can hold");
    let asked = realm.requests();
    assert_eq!(asked[0].query("service").as_deref(), Some("s&scope=x y"));
    for request in registry.requests().iter().chain(&asked) {
        assert!(request.header("x-evil").is_none(), "{request:?}");
    }
}
