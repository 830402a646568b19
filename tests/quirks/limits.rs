//! Limits to how often and how fast a registry may be asked.

use super::{at, copy, holding};
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Request, Response};

#[test]
fn q57_checks_are_heads_and_what_is_known_by_digest_is_not_fetched_again() {
    let registry = Scripted::start();
    let both = index(vec![image().build(), image().architecture("arm64").build()]);
    registry.put("a", &both, &["v1"]);
    let program = Program::new();
    program.run(&["pull", "--attached", "none", &at(&registry, "a:v1")]).success();
    let gets = registry.count("GET", "/manifests/");
    assert_eq!(gets, 3, "one for each manifest: {:?}", registry.lines());
    registry.forget_requests();
    program.run(&["pull", "--attached", "none", &at(&registry, "a:v1")]).success();
    program.run(&["resolve", &at(&registry, "a:v1")]).success();
    assert_eq!(registry.lines(), ["HEAD /v2/a/manifests/v1"; 2], "a HEAD is free, a GET counts");
    // The same content under another tag is fetched by no one again.
    registry.put("a", &both, &["v2"]);
    registry.forget_requests();
    program.run(&["pull", "--attached", "none", &at(&registry, "a:v2")]).success();
    assert_eq!(registry.count("GET", "/blobs/"), 0, "{:?}", registry.lines());
}

#[test]
fn q57_a_limit_that_is_far_from_lifted_is_said_and_not_waited_for() {
    let (registry, _) = holding("a");
    let full = Response::error(429, "TOOMANYREQUESTS").header("Retry-After", "21600");
    registry.rule(when("*", "/manifests/"), Act::respond(full));
    let output = Program::new().run(&["resolve", &at(&registry, "a:v1")]).code(5);
    output.says("takes no more requests for now").says("hint: try again in 21600 s");
    assert!(registry.requests().len() <= 2, "{:?}", registry.lines());
}

#[test]
fn q57_what_is_used_up_is_said_and_not_asked_for_again() {
    let (registry, _) = holding("a");
    registry.rule(when("*", "/manifests/"), Act::respond(left("0;w=21600", Response::error(429, "TOOMANYREQUESTS"))));
    let output = Program::new().run(&["inspect", &at(&registry, "a:v1")]).code(5);
    output.says("all 100 in 6 h are used up").says("hint: try again in 21600 s");
    assert!(registry.requests().len() <= 2, "{:?}", registry.lines());
}

#[test]
fn q57_that_little_is_left_is_said_once() {
    let (registry, image) = holding("a");
    registry.put("a", &image, &["v2", "v3"]);
    let names = ["v1", "v2", "v3"].map(|tag| at(&registry, &format!("a:{tag}")));
    for (remaining, times) in [("10;w=21600", 0), ("9;w=21600", 1)] {
        registry.behave();
        registry.rule(when("*", "/manifests/"), Act::change(move |_, response| left(remaining, response)));
        let output = Program::new().run(&["resolve", &names[0], &names[1], &names[2]]).success();
        let said = "allows 100 in 6 h of these requests, and 9 are left";
        assert_eq!(output.stderr.matches(said).count(), times, "{}", output.shown());
    }
}

/// The answer of a registry that allows a hundred requests.
fn left(remaining: &str, response: Response) -> Response {
    response.header("RateLimit-Limit", "100;w=21600").header("RateLimit-Remaining", remaining)
}

#[test]
fn q57_what_is_left_of_a_limit_is_shown() {
    let registry = Scripted::start();
    registry.rule(when("*", ""), Act::change(|_, response| left("98;w=21600", response)));
    let output = Program::new().run(&["registry", "test", &registry.address()]).success();
    assert!(output.stdout.contains("100 in 6 h, 98 left"), "{}", output.shown());
    // Docker Hub tells it of manifests alone, and has one for that.
    let hub = Scripted::start();
    hub.rule(
        when("HEAD", "/v2/ratelimitpreview/test/manifests/latest"),
        Act::change(|_, response| left("76;w=21600", response)),
    );
    let program = Program::new();
    super::known_as(&program, "docker.io", &hub);
    let output = program.run(&["registry", "test", "docker.io"]).success();
    assert!(output.stdout.contains("100 in 6 h, 76 left"), "{}", output.shown());
    assert_eq!(hub.lines(), ["GET /v2/", "HEAD /v2/ratelimitpreview/test/manifests/latest"]);
}

#[test]
fn q58_too_many_requests_are_waited_out_with_and_without_a_word_how_long() {
    let (registry, image) = holding("a");
    registry.rule(when("*", "/manifests/v1").once(), Act::status(429));
    registry.rule(when("GET", "/blobs/").times(2), Act::respond(Response::new(429).header("Retry-After", "0")));
    let destination = Scripted::start();
    let output = copy(&Program::new(), &at(&registry, "a:v1"), &at(&destination, "b:v1")).success();
    assert!(destination.holds("b", &image));
    assert_eq!(registry.count("*", "/manifests/v1"), 2, "{}", output.shown());
}

#[test]
fn q58_a_passing_failure_of_either_side_is_tried_again() {
    let (registry, image) = holding("a");
    let destination = Scripted::start();
    registry.rule(when("*", "/manifests/v1").once(), Act::status(408));
    registry.rule(when("GET", "/manifests/").skip(1).once(), Act::status(500));
    registry.rule(when("GET", "/blobs/").once(), Act::status(502));
    destination.rule(when("HEAD", "/manifests/").once(), Act::status(408));
    destination.rule(when("HEAD", "/manifests/").skip(1).once(), Act::status(503));
    destination.rule(when("PUT", "/blobs/").once(), Act::status(522));
    destination.rule(when("PUT", "/manifests/").once(), Act::status(499));
    copy(&Program::new(), &at(&registry, "a:v1"), &at(&destination, "b:v1")).success();
    assert!(destination.holds("b", &image));
    assert_eq!(destination.count("PUT", "/manifests/"), 2);
}

#[test]
fn q58_what_fails_for_good_is_tried_six_times() {
    for status in [429, 503] {
        let (registry, _) = holding("a");
        registry.rule(when("*", "/manifests/"), Act::respond(Response::new(status).header("Retry-After", "0")));
        Program::new().run(&["tags", "-l", &at(&registry, "a")]).code(5).says(&format!("HTTP {status}"));
        assert!(registry.count("HEAD", "/manifests/") <= 6, "{:?}", registry.lines());
        assert!(registry.count("GET", "/manifests/") <= 6, "{:?}", registry.lines());
    }
    // And what can do no good is tried once.
    for status in [400, 401, 403, 404, 409, 410, 501] {
        let (registry, _) = holding("a");
        registry.rule(when("*", "/manifests/"), Act::status(status));
        assert_ne!(Program::new().run(&["inspect", "--tls", "plain-http", &at(&registry, "a:v1")]).code, Some(0));
        assert!(registry.count("GET", "/manifests/") <= 1, "{status}: {:?}", registry.lines());
    }
}

#[test]
fn q58_a_body_that_comes_but_once_is_not_sent_again_without_its_beginning() {
    let source = Scripted::start();
    let image = image().layers(&[3_000_000]).build();
    source.put("a", &image, &["v1"]);
    let destination = Scripted::start();
    let whole = |request: &Request| request.body.len() > 1_000_000;
    let once = std::sync::atomic::AtomicBool::new(false);
    destination.rule(
        when("PUT", "/blobs/"),
        Act::answer_if(move |request| {
            let first = whole(request) && !once.swap(true, std::sync::atomic::Ordering::SeqCst);
            first.then(|| Response::new(503).header("Retry-After", "0"))
        }),
    );
    copy(&Program::new(), &at(&source, "a:v1"), &at(&destination, "b:v1")).success();
    assert!(destination.holds("b", &image));
    let long = destination.requests().into_iter().filter(whole);
    let layer = image.blobs[1].bytes.len();
    assert!(long.into_iter().all(|request| request.body.len() == layer), "each time from its first byte");
}
