//! Single requests that fail, are refused for now, or need another token.

use std::sync::Arc;
use std::time::Duration;

use super::answers::{STEPS, side};
use super::{CANARY, SINKS, Scene, Sink};
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Delivery, Request, Response};
use crate::support::token_server::{TokenServer, Tokens};

#[test]
fn f04_a_reset_before_or_behind_the_head_is_tried_again() {
    let scene = Scene::new(&[100_000]);
    for (of, method, fragment) in STEPS.into_iter().filter(|(_, method, _)| matches!(*method, "GET" | "HEAD")) {
        side(&scene, of).rule(when(method, fragment).once(), Act::deliver(Delivery::Reset));
    }
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    let scene = Scene::new(&[100_000]);
    let manifest = format!("/manifests/{}", scene.image.digest());
    scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::ResetAfter(0)));
    scene.source.rule(when("GET", &manifest).once(), Act::deliver(Delivery::ResetAfter(100)));
    scene.arrived(Sink::Store, scene.bring(Sink::Store));
}

#[test]
fn f16_a_limit_slows_all_requests_to_that_registry_down() {
    let limited = || Act::respond(Response::error(429, "TOOMANYREQUESTS").header("Retry-After", "1"));
    let scene = || {
        let scene = Scene::new(&[1000; 12]);
        scene.program.configure("settings: {concurrency: 8}\n");
        scene
    };
    for (sink, method, fragment) in [(Sink::Store, "GET", "/blobs/"), (Sink::Registry, "PUT", "/uploads/")] {
        let (usual, limits) = (scene(), scene());
        let side = |scene: &Scene| if sink == Sink::Store { scene.source.lines() } else { scene.destination.lines() };
        usual.arrived(sink, usual.bring(sink));
        let usual = side(&usual).len();
        let registry = if sink == Sink::Store { &limits.source } else { &limits.destination };
        registry.rule(when(method, fragment).skip(3).times(5), limited());
        limits.arrived(sink, limits.bring(sink));
        let limited = side(&limits).len();
        assert!(limited < 2 * usual, "{limited} requests in place of {usual}");
    }
}

/// A registry with tokens that holds `a:v1`, and a home that has its password.
fn with_tokens(
    rules: Tokens,
    layers: &[usize],
) -> (Arc<TokenServer>, Scripted, Program, crate::support::images::Image) {
    let mut rules = rules;
    rules.users.insert("bob".to_owned(), CANARY.to_owned());
    let tokens = Arc::new(TokenServer::start(rules));
    let registry = Scripted::settings().tokens(&tokens).start();
    let image = image().layers(layers).build();
    registry.put("a", &image, &["v1"]);
    let program = crate::quirks::logged_in(&registry.address(), "bob", CANARY);
    (tokens, registry, program, image)
}

#[test]
fn f17_a_token_that_ends_on_the_way_is_replaced_once() {
    // Reading, and writing: by a chunk, by one request, by the manifest.
    for (method, fragment, chunks) in
        [("GET", "/blobs/", false), ("PATCH", "", true), ("PUT", "/uploads/", false), ("PUT", "/manifests/", false)]
    {
        let (tokens, registry, program, image) = with_tokens(Tokens::default(), &[3_000_000]);
        let plain = Scripted::start();
        plain.put("a", &image, &["v1"]);
        if chunks {
            let too_long = |request: &Request| (request.body.len() > 2_000_000).then(|| Response::new(413));
            registry.rule(when("PUT", "/uploads/"), Act::answer_if(too_long));
            registry.rule(when("PATCH", "/uploads/"), Act::answer_if(too_long));
        }
        let revoking = Arc::clone(&tokens);
        let once = std::sync::Once::new();
        let revoke = move |_: &Request| {
            once.call_once(|| revoking.revoke_all());
            None
        };
        registry.rule(when(method, fragment).once(), Act::answer_if(revoke));
        let (here, there) = (format!("{}/a:v1", registry.address()), format!("{}/a:v1", plain.address()));
        let (from, to) =
            if method == "GET" { (here, "store:b:v1".to_owned()) } else { (there, here.replace("/a:", "/b:")) };
        let output = program.run(&["copy", "--attached", "none", &from, &to]).success();
        output.keeps_quiet_about(CANARY);
        if method != "GET" {
            assert!(registry.holds("b", &image), "{method} {fragment}");
        }
        assert_eq!(tokens.fetches().len(), 2, "{method} {fragment}: {:?}", tokens.fetches());
    }
}

#[test]
fn f18_tokens_that_are_good_for_a_second_do_for_longer_work() {
    let rules = Tokens { lifetime: Duration::from_secs(1), ..Tokens::default() };
    let (tokens, registry, program, image) = with_tokens(rules, &[1000; 8]);
    let slowly = Delivery::Drip(700, Duration::from_millis(500));
    registry.rule(when("GET", "/blobs/"), Act::deliver(slowly));
    let name = format!("{}/a:v1", registry.address());
    program.run(&["copy", "--attached", "none", &name, "store:b:v1"]).success();
    super::assert_store_holds(program.home(), &image);
    assert!((2..=8).contains(&tokens.fetches().len()), "{}", tokens.fetches().len());
}

/// A registry whose tokens come from a scripted place under `/token`.
fn with_scripted_realm() -> (Scripted, Scripted, Program) {
    let realm = Scripted::start();
    let registry = Scripted::start();
    registry.put("a", &image().build(), &["v1"]);
    let challenge = format!("Bearer realm=\"{}/token\",service=\"s\"", realm.url());
    registry.rule(
        when("*", ""),
        Act::answer_if(move |request: &Request| {
            let shown = request.header("authorization") == Some("Bearer good");
            (!shown).then(|| Response::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &challenge))
        }),
    );
    let program = crate::quirks::logged_in(&registry.address(), "bob", CANARY);
    (registry, realm, program)
}

#[test]
fn f19_a_token_server_may_fail_in_passing_and_is_named_where_it_stays_so() {
    let good = || Act::respond(Response::json(200, &serde_json::json!({"token": "good"})));
    for passing in
        [Response::new(503).header("Retry-After", "0"), Response::new(500), Response::new(1).deliver(Delivery::HangUp)]
    {
        let (registry, realm, program) = with_scripted_realm();
        realm.rule(when("GET", "/token").once(), Act::respond(passing));
        realm.rule(when("GET", "/token"), good());
        program.run(&["resolve", &format!("{}/a:v1", registry.address())]).success();
        assert_eq!(realm.count("GET", "/token"), 2);
    }
    let html = Response::new(200).header("Content-Type", "text/html").body("<html>Welcome</html>");
    let stays = [
        (Response::error(503, "DOWN").header("Retry-After", "0"), 5),
        (html, 1),
        (Response::json(200, &serde_json::json!({"expires_in": 300})), 1),
        (Response::new(200).deliver(Delivery::Silence), 5),
    ];
    for (answer, code) in stays {
        let (registry, realm, program) = with_scripted_realm();
        realm.rule(when("GET", "/token"), Act::respond(answer));
        let name = format!("{}/a:v1", registry.address());
        let output = program.run(&["resolve", "--timeout", "1", "--retries", "1", &name]).code(code);
        output.says("the auth server 127.0.0.1").keeps_quiet_about(CANARY);
        assert!(realm.requests().len() <= 6, "{:?}", realm.lines());
    }
}

#[test]
fn f20_a_token_that_allows_nothing_ends_in_a_refusal() {
    let (tokens, registry, program, image) = with_tokens(Tokens { narrows: Some("b"), ..Tokens::default() }, &[1000]);
    let plain = Scripted::start();
    plain.put("a", &image, &["v1"]);
    let (from, to) = (format!("{}/a:v1", plain.address()), format!("{}/b:v1", registry.address()));
    let output = program.run(&["copy", "--attached", "none", &from, &to]).code(4).keeps_quiet_about(CANARY);
    output.says("UNAUTHORIZED").says("hint:");
    assert!(tokens.fetches().len() <= 6, "no loop: {:?}", tokens.fetches());
    let mut lines = registry.lines();
    lines.sort_unstable();
    // Without a token, with one, and once more with one that is asked for anew.
    assert!(lines.chunk_by(|a, b| a == b).all(|same| same.len() <= 3), "{lines:?}");
    assert_eq!(registry.count("POST", ""), 0, "{lines:?}");
    assert!(registry.tags("b").is_empty());
}

#[test]
fn f21_clocks_that_differ_by_an_hour_make_no_token_old_or_young() {
    for skew in [-3600, 3600] {
        let rules = Tokens { clock_skew: skew, lifetime: Duration::from_mins(5), ..Tokens::default() };
        let (tokens, registry, program, image) = with_tokens(rules, &[1000, 2000]);
        let name = format!("{}/a:v1", registry.address());
        program.run(&["copy", "--attached", "none", &name, "store:b:v1"]).success();
        super::assert_store_holds(program.home(), &image);
        assert_eq!(tokens.fetches().len(), 1, "for the whole run: {:?}", tokens.fetches());
        program.run(&["resolve", &name]).success();
        assert_eq!(tokens.fetches().len(), 1, "and for the next");
    }
    // One that is at its end when it comes is used once, however late the server's clock is.
    let rules = Tokens { clock_skew: 3600, lifetime: Duration::from_secs(1), ..Tokens::default() };
    let (tokens, registry, program, _) = with_tokens(rules, &[1000]);
    let name = format!("{}/a:v1", registry.address());
    program.run(&["resolve", &name]).success();
    std::thread::sleep(Duration::from_millis(1100));
    program.run(&["resolve", &name]).success();
    assert_eq!(tokens.fetches().len(), 2, "its time was counted here");
}

#[test]
fn f33_what_head_does_not_tell_is_read() {
    for sink in SINKS {
        for odd in ["405", "501", "no length", "no digest", "no type"] {
            let scene = Scene::of(index(vec![image().build(), image().architecture("arm64").build()]));
            for registry in [&scene.source, &scene.destination] {
                let act = match odd {
                    "no length" => Act::header("Content-Length", ""),
                    "no digest" => Act::without_header("Docker-Content-Digest"),
                    "no type" => Act::without_header("Content-Type"),
                    status => Act::status(status.parse().unwrap()),
                };
                registry.rule(when("HEAD", ""), act);
            }
            scene.arrived(sink, scene.bring(sink));
        }
    }
}
