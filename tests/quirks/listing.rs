//! Lists of tags and repositories, page by page.

use super::{at, holding, known_as};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::program::{Output, Program};
use crate::support::push::Registry;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Request, Response};

fn tags(registry: &Scripted) -> Output {
    // Told how to speak to it, so that an answer of 400 is not taken for a sign of TLS.
    Program::new().run(&["tags", "--tls", "plain-http", &at(registry, "a")])
}

/// A registry with the tags `t0000`, `t0001`, … and pages of `page` entries.
fn many(count: usize, page: usize) -> (Scripted, Vec<String>) {
    let registry = Scripted::settings().page(page).start();
    let names: Vec<String> = (0..count).map(|number| format!("t{number:04}")).collect();
    registry.put("a", &image().build(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    (registry, names)
}

/// A page of tags with the link to the next one.
fn page(names: &[&str], next: Option<&str>) -> Response {
    let response = Response::json(200, &serde_json::json!({"name": "a", "tags": names}));
    match next {
        Some(next) => response.header("Link", &format!("<{next}>; rel=\"next\"")),
        None => response,
    }
}

#[test]
fn q31_a_page_size_that_is_too_big_is_left_out() {
    for status in [400, 413] {
        let (registry, names) = many(5, 2);
        let refused = Response::error(status, "PAGINATION_NUMBER_INVALID");
        registry.rule(when("GET", "n=1000"), Act::respond(refused));
        assert_eq!(tags(&registry).success().lines(), names, "{status}");
        assert_eq!(registry.lines()[..2], ["GET /v2/a/tags/list?n=1000", "GET /v2/a/tags/list"]);
    }
}

#[test]
fn q31_docker_registry_has_a_biggest_page_of_its_catalogue() {
    needs!("docker-registry");
    let registry = DockerRegistry::with(serde_json::json!({"catalog": {"maxentries": 2}}));
    let client = Registry::at(&registry.url());
    let names = ["a", "b/c", "d", "e", "f"];
    for name in names {
        client.push(name, &image().build(), &["v1"]);
    }
    let output = Program::new().run(&["repositories", registry.address()]).success();
    assert_eq!(output.lines(), names);
}

#[test]
fn q32_a_link_may_be_relative() {
    for next in ["/v2/a/tags/list?n=2&last=b", "list?n=2&last=b", "?n=2&last=b"] {
        let (registry, _) = holding("a");
        registry.rule(when("GET", "last=b"), Act::respond(page(&["c"], None)));
        registry.rule(when("GET", "/tags/list"), Act::respond(page(&["a", "b"], Some(next))));
        assert_eq!(tags(&registry).success().lines(), ["a", "b", "c"], "{next}");
    }
}

#[test]
fn q33_of_a_link_to_a_wrong_path_the_query_is_taken() {
    let (registry, names) = many(5, 2);
    let lost = |_: &Request, response: Response| {
        let link = response.headers.iter().find(|(name, _)| name == "Link").map(|(_, link)| link.clone());
        match link {
            Some(link) => response.header("Link", &link.replace("/v2/a/", "/repository/v2/")),
            None => response,
        }
    };
    registry.rule(when("GET", "/v2/a/tags/list"), Act::change(lost));
    assert_eq!(tags(&registry).success().lines(), names);
    assert!(registry.lines().iter().all(|line| line.starts_with("GET /v2/a/tags/list?")), "{:?}", registry.lines());
}

#[test]
fn q33_a_link_that_leads_nowhere_is_made_anew_from_the_last_name() {
    for status in [400, 404] {
        let (registry, names) = many(5, 2);
        registry.rule(when("GET", "cursor="), Act::respond(Response::error(status, "UNKNOWN")));
        let spoilt = |_: &Request, response: Response| match response.status {
            200 if response.headers.iter().any(|(name, _)| name == "Link") => {
                response.header("Link", "</v2/a/tags/list?cursor=lost>; rel=\"next\"")
            }
            _ => response,
        };
        registry.rule(when("GET", "/tags/list"), Act::change(spoilt));
        assert_eq!(tags(&registry).success().lines(), names, "{status}");
    }
}

#[test]
fn q34_after_a_full_page_without_a_link_the_next_is_asked_for() {
    let (registry, names) = many(1001, 1000);
    registry.rule(when("GET", "/tags/list"), Act::without_header("Link"));
    assert_eq!(tags(&registry).success().lines(), names);
    assert_eq!(registry.lines(), ["GET /v2/a/tags/list?n=1000", "GET /v2/a/tags/list?n=1000&last=t0999"]);
    // Where that brings nothing new, the list is at its end.
    let (registry, names) = many(1000, 1000);
    registry.rule(when("GET", "last="), Act::change(|_, response| response.body(r#"{"tags": ["t0000", "t0999"]}"#)));
    assert_eq!(tags(&registry).success().lines(), names);
}

#[test]
fn q35_a_cursor_of_its_own_is_followed_as_it_is() {
    let (registry, _) = holding("a");
    let next = |cursor: &str| format!("/v2/a/tags/list?next_page={cursor}");
    registry.rule(when("GET", "next_page=gAAA%3D"), Act::respond(page(&["m", "a"], Some(&next("gBBB")))));
    registry.rule(when("GET", "next_page=gBBB"), Act::respond(page(&["k", "z"], None)));
    registry.rule(when("GET", "/tags/list"), Act::respond(page(&["z", "b"], Some(&next("gAAA%3D")))));
    assert_eq!(tags(&registry).success().lines(), ["z", "b", "m", "a", "k"], "in the server's order, each once");
    let sorted = Program::new().run(&["tags", "--sort", "name", &at(&registry, "a")]).success();
    assert_eq!(sorted.lines(), ["a", "b", "k", "m", "z"]);
    // A cursor that comes again leads in a circle.
    registry.behave();
    registry.rule(when("GET", "/tags/list"), Act::respond(page(&["z"], Some(&next("gCCC")))));
    registry.forget_requests();
    tags(&registry).code(1).says("do not end");
    assert_eq!(registry.requests().len(), 2);
}

#[test]
fn q36_the_first_page_is_short_whatever_was_asked_for() {
    let (registry, names) = many(120, 50);
    assert_eq!(tags(&registry).success().lines(), names);
    assert_eq!(registry.requests().len(), 3);
}

#[test]
fn q37_what_is_no_tag_is_passed_over() {
    let (registry, image) = holding("a");
    let body = serde_json::json!({"name": "a", "tags": ["v1", null, image.digest(), "", "-x", "a b", "v2"]});
    registry.rule(when("GET", "/tags/list"), Act::respond(Response::json(200, &body)));
    assert_eq!(tags(&registry).success().lines(), ["v1", "v2"]);
    let body = serde_json::json!({"name": "a", "tags": null});
    registry.behave();
    registry.rule(when("GET", "/tags/list"), Act::respond(Response::json(200, &body)));
    assert_eq!(tags(&registry).success().stdout, "");
}

#[test]
fn q38_a_catalogue_that_is_not_for_us_is_explained() {
    let vendors = [
        ("docker.io", 404, "hub.docker.com/v2/repositories"),
        ("ghcr.io", 405, "api.github.com"),
        ("quay.io", 401, "quay.io/api/v1/repository"),
        ("123456789012.dkr.ecr.eu-north-1.amazonaws.com", 404, "aws ecr describe-repositories"),
        ("registry.gitlab.com", 403, "gitlab.com/api/v4"),
        ("harbor.example.com", 403, "administrators only"),
    ];
    for (name, status, hint) in vendors {
        let registry = Scripted::start();
        registry.rule(when("GET", "/v2/_catalog"), Act::respond(Response::error(status, "UNAUTHORIZED")));
        let program = Program::new();
        known_as(&program, name, &registry);
        let code = if matches!(status, 401 | 403) { 4 } else { 1 };
        let output = program.run(&["repositories", name]).code(code);
        output.says("does not show its repositories").says(hint);
    }
}

#[test]
fn q61_a_repository_that_is_not_there_has_no_tags() {
    needs!("docker-registry");
    let registry = DockerRegistry::open();
    let program = Program::new();
    program.run(&["tags", &format!("{}/none", registry.address())]).code(3).says("NAME_UNKNOWN");
}
