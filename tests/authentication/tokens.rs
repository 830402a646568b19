//! Tokens: how they are asked for, what is taken for one, and what happens where one is not enough.

use std::time::{Duration, Instant};

use super::{PASSWORD, USER, program, program_of_bob};
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Delivery, Response};
use crate::support::token_server::{SERVICE, TokenServer, Tokens};

/// A registry that wants tokens and holds one image of two layers as `team/app:v1`.
fn registry(tokens: &TokenServer) -> Scripted {
    let registry = Scripted::settings().tokens(tokens).start();
    registry.put("team/app", &image().build(), &["v1"]);
    registry
}

fn name(registry: &Scripted) -> String {
    format!("{}/team/app:v1", registry.address())
}

/// Who asked for the tokens so far, and in which way.
fn grants(tokens: &TokenServer) -> Vec<(String, Option<String>)> {
    tokens.fetches().into_iter().map(|fetch| (format!("{} {}", fetch.method, fetch.grant), fetch.user)).collect()
}

/// A 401 that says why, as the registry of `tokens` would give it.
fn challenge(tokens: &TokenServer, error: &str) -> Response {
    let value = format!(
        "Bearer realm=\"{}\",service=\"{SERVICE}\",scope=\"repository:team/app:pull\",error=\"{error}\"",
        tokens.realm()
    );
    Response::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &value)
}

#[test]
fn a_token_is_asked_for_by_get_with_or_without_a_password() {
    let tokens = TokenServer::start(Tokens::default());
    let registry = registry(&tokens);
    Program::new().run(&["resolve", &name(&registry)]).success();
    program_of_bob(&registry.address()).run(&["resolve", &name(&registry)]).success();
    let expected = [("GET anonymous".to_owned(), None), ("GET basic".to_owned(), Some(USER.to_owned()))];
    assert_eq!(grants(&tokens), expected);
    // What belongs to the token server is not shown to the registry.
    let shown = |request: &crate::support::server::Request| request.header("authorization").map(str::to_owned);
    assert!(registry.requests().iter().filter_map(shown).all(|shown| shown.starts_with("Bearer ")));
}

// Quirk 2.
#[test]
fn whatever_field_the_token_is_in_it_is_found() {
    let fields: [&[&str]; 3] = [&["token"], &["access_token"], &["token", "access_token"]];
    for fields in fields {
        for says_lifetime in [true, false] {
            let tokens = TokenServer::start(Tokens { says_lifetime, fields, ..Tokens::default() });
            let registry = registry(&tokens);
            let program = Program::new();
            program.run(&["inspect", &name(&registry)]).success();
            // A token that says nothing of its lifetime is good for a minute, so it is kept too.
            program.run(&["inspect", &name(&registry)]).success();
            assert_eq!(tokens.fetches().len(), 1, "{fields:?} {says_lifetime}");
        }
    }
}

// Fault 19.
#[test]
fn a_token_server_that_gives_no_token_is_named() {
    let cases: [(&[&str], Delivery, i32, &str); 2] = [
        (&[], Delivery::Whole, 1, "the auth server 127.0.0.1 answered with no token"),
        (&["token"], Delivery::CutAfter(10), 5, "the auth server 127.0.0.1 gave no answer"),
    ];
    for (fields, delivery, code, message) in cases {
        let tokens = TokenServer::start(Tokens { fields, delivery, ..Tokens::default() });
        let registry = registry(&tokens);
        Program::new().run(&["resolve", &name(&registry), "--retries", "0"]).code(code).says(message);
    }
}

// Quirk 9.
#[test]
fn an_identity_token_is_posted_and_where_that_is_not_spoken_shown_as_a_password() {
    for oauth2 in [true, false] {
        let tokens = TokenServer::start(Tokens { oauth2, ..Tokens::default() });
        let refresh = tokens.refresh_token(USER);
        tokens.change(|tokens| drop(tokens.users.insert("<token>".to_owned(), refresh.clone())));
        let registry = registry(&tokens);
        let program = Program::new();
        let file = format!(r#"{{"auths":{{"{}":{{"identitytoken":"{refresh}"}}}}}}"#, registry.address());
        std::fs::create_dir(program.path(".docker")).unwrap();
        std::fs::write(program.path(".docker/config.json"), file).unwrap();
        program.run(&["resolve", &name(&registry)]).success().keeps_quiet_about(&refresh);
        let methods: Vec<String> = grants(&tokens).into_iter().map(|(grant, _)| grant).collect();
        let expected: &[&str] = if oauth2 { &["POST refresh_token"] } else { &["POST refresh_token", "GET basic"] };
        assert_eq!(methods, expected);
        assert!(registry.requests().iter().all(|request| !format!("{request:?}").contains(&refresh)));
    }
}

// Fault 17.
#[test]
fn a_token_that_is_not_taken_any_more_is_renewed_once_and_the_work_goes_on() {
    for (method, fragment) in [("GET", "/blobs/"), ("POST", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/")]
    {
        let tokens = TokenServer::start(Tokens::default());
        let registry = registry(&tokens);
        registry.rule(when(method, fragment).once(), Act::respond(challenge(&tokens, "invalid_token")));
        let program = program_of_bob(&registry.address());
        let destination = Scripted::start();
        let (from, to) = if method == "GET" {
            (name(&registry), format!("{}/copy:v1", destination.address()))
        } else {
            destination.put("team/app", &image().build(), &["v1"]);
            (name(&destination), format!("{}/other/app:v1", registry.address()))
        };
        program.run(&["copy", "--attached", "none", &from, &to]).success();
        assert_eq!(tokens.fetches().len(), 2, "{method} {fragment}: {:#?}", tokens.fetches());
        assert_eq!(registry.open_uploads() + destination.open_uploads(), 0);
    }
}

// Fault 18.
#[test]
fn tokens_of_a_second_are_renewed_as_often_as_the_work_takes_seconds() {
    let tokens = TokenServer::start(Tokens { lifetime: Duration::from_secs(1), ..Tokens::default() });
    let registry = Scripted::settings().tokens(&tokens).start();
    let image = image().layers(&[30_000; 6]).build();
    registry.put("team/app", &image, &["v1"]);
    // Each blob takes half a second.
    registry.rule(when("GET", "/blobs/"), Act::deliver(Delivery::Drip(3000, Duration::from_millis(50))));
    let program = program(&[("bob", USER, PASSWORD)], "[]\nsettings: {concurrency: 1, attached: none}\n");
    let begun = Instant::now();
    program.run(&["copy", "--secret", "test/bob", &name(&registry), "store:app:v1"]).success();
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let fetches = tokens.fetches().len();
    assert!((2..=seconds + 2).contains(&fetches), "{fetches} tokens in {seconds} s");
}

// Fault 20.
#[test]
fn where_nothing_is_granted_it_ends_after_two_tokens() {
    let tokens = TokenServer::start(Tokens { narrows: Some("team/app"), ..Tokens::default() });
    let registry = registry(&tokens);
    let program = program_of_bob(&registry.address());
    let output = program.run(&["resolve", &name(&registry)]).code(4);
    output.says("UNAUTHORIZED").says("hint: check the credential: `tranship secret show test/bob`");
    // Without a token, with one, with one for this alone; and once more by GET for the reason.
    assert_eq!((tokens.fetches().len(), registry.requests().len()), (2, 4), "{:#?}", registry.lines());
    let output = Program::new().run(&["resolve", &name(&registry)]).code(4);
    output.says(&format!("hint: run `tranship login {}`", registry.address()));
}

#[test]
fn a_password_that_the_token_server_does_not_take_is_an_error_at_once() {
    let tokens = TokenServer::start(Tokens::default());
    tokens.change(|tokens| drop(tokens.users.insert(USER.to_owned(), "another".to_owned())));
    let registry = registry(&tokens);
    let output = program_of_bob(&registry.address()).run(&["resolve", &name(&registry)]).code(4);
    output
        .says("the auth server 127.0.0.1 gave no token")
        .says("check the credential: `tranship secret show test/bob`");
    assert_eq!(tokens.fetches().len(), 1);
}

// Quirk 4.
#[test]
fn a_scope_that_the_token_server_does_not_like_is_left_out() {
    let tokens = TokenServer::start(Tokens { refuses: Some(("repository:team/app:", 403)), ..Tokens::default() });
    let registry = Scripted::settings().tokens(&tokens).start();
    let image = image().build();
    let source = Scripted::start();
    source.put("a", &image, &["v1"]);
    registry.put("other/app", &image, &["v1"]);
    let program = program_of_bob(&registry.address());
    // One destination is refused, which costs the other nothing.
    let to = |repository: &str| format!("{}/{repository}:v1", registry.address());
    let from = format!("{}/a:v1", source.address());
    program.run(&["copy", "--attached", "none", &from, &to("team/app"), &to("new/app")]).code(7);
    assert!(registry.holds("new/app", &image));
}

#[test]
fn a_token_that_lacks_something_is_asked_for_again_for_that_alone() {
    let tokens = TokenServer::start(Tokens::default());
    let registry = registry(&tokens);
    registry.rule(when("HEAD", "").skip(1).once(), Act::respond(challenge(&tokens, "insufficient_scope")));
    program_of_bob(&registry.address()).run(&["resolve", &name(&registry)]).success();
    assert_eq!(tokens.fetches().len(), 2);
    assert_eq!(registry.count("HEAD", "/manifests/v1"), 3);
}

#[test]
fn a_password_that_is_not_taken_is_shown_once() {
    let tokens = TokenServer::start(Tokens::default());
    let registry = registry(&tokens);
    let mut program = program_of_bob(&registry.address());
    // The second run goes by the challenge that the first one met.
    let other = name(&registry).replace("team/app", "team/other");
    program.run(&["copy", "--attached", "none", &name(&registry), &other]).success();
    program.set("TRANSHIP_SECRET_TEST_BOB_PASSWORD", "wrong");
    for words in [["resolve", &name(&registry), &other], ["resolve", &other, &name(&registry)]] {
        tokens.forget_fetches();
        let output = program.run(&words).code(4);
        output.says("gave no token").says("HTTP 401");
        let shown = tokens.fetches().into_iter().filter(|fetch| fetch.status == 401).count();
        assert!(shown <= 2, "once for each image: {:?}", tokens.fetches());
    }
    tokens.forget_fetches();
    program.run(&["copy", "--attached", "none", &name(&registry), &format!("{other}-b")]).code(4);
    assert_eq!(tokens.fetches().len(), 1, "{:?}", tokens.fetches());
}
