//! Registries with mirrors: what is asked of whom, and what becomes of a mirror that fails.

use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{Image, image, index};
use crate::support::program::{Output, Program};
use crate::support::push::Registry;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Delivery, Response};
use crate::support::token_server::basic;

/// The program that knows a registry with mirrors, `HOST:PORT[/PATH]`, and further entries.
fn program(origin: &str, mirrors: &[&str], more: &str) -> Program {
    let mirrors = mirrors.iter().map(|mirror| format!("'{mirror}'")).collect::<Vec<_>>().join(", ");
    let mut program = Program::new();
    program.configure(&format!(
        "settings: {{attached: none}}\nvaults: [{{name: test, backend: environment}}]\n\
         remote-registries:\n- address: '{origin}'\n  mirrors: [{mirrors}]\n{more}"
    ));
    for (secret, user) in [("ORIGIN", "of-origin"), ("MIRROR", "of-mirror")] {
        program.set(&format!("TRANSHIP_SECRET_TEST_{secret}_USERNAME"), user);
        program.set(&format!("TRANSHIP_SECRET_TEST_{secret}_PASSWORD"), "canary");
    }
    program
}

fn holding(image: &Image) -> Scripted {
    let registry = Scripted::start();
    registry.put("app", image, &["v1"]);
    registry
}

/// Copies `app:v1` of `origin` into the store, which then is asked for all of it.
fn copy(program: &Program, origin: &str) -> Output {
    let output = program.run(&["copy", &format!("{origin}/app:v1"), "store:app:v1"]);
    if output.code == Some(0) {
        program.run(&["inspect", "store:app:v1"]).success();
    }
    output
}

/// Where nothing listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn content_by_digest_comes_from_the_mirror_and_the_tag_from_the_registry() {
    let image = index(vec![image().build(), image().architecture("arm64").build()]);
    let (origin, mirror) = (holding(&image), Scripted::start());
    // What the mirror has under that tag is of no interest.
    mirror.put("cache/app", &image, &[]);
    mirror.put("cache/app", &crate::support::images::image().build(), &["v1"]);
    let path = format!("{}/cache", mirror.address());
    let output = copy(&program(&origin.address(), &[&path], ""), &origin.address()).success();
    assert!(output.stdout.contains(image.digest()), "{}", output.shown());
    assert_eq!(origin.lines(), ["GET /v2/app/manifests/v1"]);
    assert_eq!((mirror.count("GET", "/v2/cache/app/manifests/sha256"), mirror.count("GET", "/blobs/")), (2, 6));
    assert_eq!(mirror.count("*", "/manifests/v1"), 0);
}

#[test]
fn a_pull_through_registry_is_a_mirror() {
    needs!("docker-registry");
    let origin = DockerRegistry::open();
    let image = image().build();
    Registry::at(&origin.url()).push("app", &image, &["v1"]);
    let mirror = DockerRegistry::mirror_of(&origin.url());
    let program = program(origin.address(), &[mirror.address()], "");
    copy(&program, origin.address()).success();
    let blobs = mirror.storage().join("docker/registry/v2/repositories/app/_layers/sha256");
    assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 3);
}

#[test]
fn what_a_mirror_lacks_comes_from_the_next() {
    let image = image().layers(&[100, 200, 300]).build();
    let (origin, partial, empty) = (holding(&image), Scripted::start(), Scripted::start());
    partial.put_blob("app", &image.blobs[1]);
    let program = program(&origin.address(), &[&empty.address(), &partial.address()], "");
    let output = copy(&program, &origin.address()).success();
    assert!(!output.stderr.contains("left out"), "{}", output.shown());
    assert_eq!((empty.count("GET", "/blobs/"), partial.count("GET", "/blobs/")), (4, 4));
    assert_eq!(origin.count("GET", "/blobs/"), 3);
}

// Fault 47.
#[test]
fn a_mirror_that_fails_is_left_out_and_the_next_one_takes_over() {
    let image = image().layers(&[100_000; 5]).build();
    let wrong = || Act::change(|_, response: Response| Response { body: vec![0; response.body.len()], ..response });
    let failing: [(&str, Option<Act>); 5] = [
        ("is not there", None),
        ("is down", Some(Act::status(503))),
        ("says nothing", Some(Act::deliver(Delivery::Silence))),
        ("stops in the middle", Some(Act::deliver(Delivery::StallAfter(100)))),
        ("hands out something else", Some(wrong())),
    ];
    for (failure, act) in failing {
        let (origin, bad, good) = (holding(&image), holding(&image), holding(&image));
        let bad_address = if act.is_none() { nobody() } else { bad.address() };
        if let Some(act) = act {
            bad.rule(when("GET", ""), act);
        }
        let program = program(&origin.address(), &[&bad_address, &good.address()], "");
        let words = ["copy", "--timeout", "1s", &format!("{}/app:v1", origin.address()), "store:app:v1"];
        let output = program.run(&words).success();
        let warnings = output.stderr.matches(&format!("the mirror {bad_address} is left out from now on")).count();
        assert_eq!(warnings, 1, "{failure}: {}", output.shown());
        // How many of them the failing one still hands out whole is a matter of chance.
        assert_eq!(origin.count("GET", "/blobs/"), 0, "{failure}");
        assert!((1..=6).contains(&good.count("GET", "/blobs/")), "{failure}");
        // Only what was under way already is asked of it, twice, and once more to find out whether it speaks TLS.
        assert!(bad.count("GET", "/blobs/") <= 3 * 6, "{failure}: {:#?}", bad.lines());
    }
}

#[test]
fn without_any_mirror_left_the_registry_has_it() {
    let image = image().build();
    let origin = holding(&image);
    let program = program(&origin.address(), &[&nobody(), &nobody()], "");
    let output = copy(&program, &origin.address()).success();
    assert_eq!(output.stderr.matches("is left out from now on").count(), 2, "{}", output.shown());
    assert_eq!(origin.count("GET", "/blobs/"), 3);
}

#[test]
fn where_the_registry_is_out_of_reach_a_mirrors_tag_is_taken_with_a_warning() {
    let image = image().build();
    let mirror = holding(&image);
    let origin = nobody();
    let program = program(&origin, &[&mirror.address()], "");
    let name = format!("{origin}/app:v1");
    let output = program.run(&["copy", "--retries", "0", &name, "store:app:v1"]).success();
    output.says(&format!("{origin} cannot be reached")).says("`v1` is what a mirror has under that tag");
    let output = program.run(&["resolve", "--retries", "0", &name]).success();
    assert_eq!(output.lines(), [format!("{name}@{}", image.digest())]);
    mirror.rule(when("*", ""), Act::status(404));
    program.run(&["resolve", "--retries", "0", &name]).code(5).says(&origin);
}

#[test]
fn what_the_registry_says_of_a_tag_is_final() {
    for status in [404, 401, 403] {
        let (origin, mirror) = (Scripted::start(), holding(&image().build()));
        origin.rule(when("*", ""), Act::status(status));
        let program = program(&origin.address(), &[&mirror.address()], "");
        let code = if status == 404 { 3 } else { 4 };
        program.run(&["resolve", &format!("{}/app:v1", origin.address())]).code(code);
        assert!(mirror.requests().is_empty(), "{status}");
    }
}

// Quirk 59.
#[test]
fn a_mirror_sees_its_own_credential_alone() {
    let image = image().build();
    let origin = Scripted::settings().basic("of-origin", "canary").start();
    let mirror = Scripted::settings().basic("of-mirror", "canary").start();
    for registry in [&origin, &mirror] {
        registry.put("app", &image, &["v1"]);
    }
    let rule = |secret: &str| format!("  credentials: [{{repository: '*', vault: test, secret: {secret}}}]\n");
    let with_both = format!("{}- address: '{}'\n{}", rule("origin"), mirror.address(), rule("mirror"));
    copy(&program(&origin.address(), &[&mirror.address()], &with_both), &origin.address()).success();
    let users = |registry: &Scripted| {
        let shown = |request: &crate::support::server::Request| request.header("authorization").and_then(basic);
        let mut users: Vec<String> = registry.requests().iter().filter_map(shown).map(|(user, _)| user).collect();
        users.dedup();
        users
    };
    assert_eq!((users(&origin), users(&mirror)), (vec!["of-origin".to_owned()], vec!["of-mirror".to_owned()]));
    assert_eq!(origin.count("GET", "/blobs/"), 0);

    // Without one of its own it is asked as anyone, and what the command names is for the registry.
    mirror.forget_requests();
    let program = program(&origin.address(), &[&mirror.address()], "");
    let name = format!("{}/app:v1", origin.address());
    let output = program.run(&["copy", "--src-secret", "test/origin", &name, "store:app:v1"]).success();
    output.says("is left out from now on");
    assert!(users(&mirror).is_empty());
    assert!(mirror.requests().iter().all(|request| request.query("ns").is_none()));
}
