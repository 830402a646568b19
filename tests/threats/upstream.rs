//! The registry of one's own that pulls from others: their credentials stay between it and them.

use serde_json::json;

use super::{CANARY, program_of, stranger, users, wants_token_of, was_told_nothing};
use crate::support::images::image;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::served::Served;
use crate::support::server::Response;
use crate::support::token_server::TokenServer;

#[test]
fn s48_an_upstream_cannot_lead_its_credential_away_and_nobody_who_asks_sees_it() {
    let evil = stranger();
    evil.rule(when("*", "/token"), Act::respond(Response::json(200, &json!({"token": "t"}))));
    let upstream = Scripted::start();
    upstream.put("app", &image().build(), &["v1"]);
    let program = program_of(&[&upstream.address()]);
    program.configure(&format!("remote-registries:\n- address: {}\n", upstream.address()));
    wants_token_of(&upstream, &format!("{}/token", evil.url()));
    let served = Served::with(&program, &["--upstream"]);
    let target = format!("/v2/{}/app/manifests/v1", upstream.address().replace(':', "_"));
    let refused = served.registry().get(&target);
    assert_eq!(refused.status, 403, "{refused:?}");
    was_told_nothing(&evil);
    let answer = format!("{:?}{}", refused.headers, String::from_utf8_lossy(&refused.body));
    assert!(!answer.contains(CANARY) && !answer.contains(&evil.address()), "{answer}");
    assert!(!served.end("TERM").contains(CANARY));
    // Redirects of blobs take no credential along either.
    let desk = TokenServer::start(users());
    let upstream = Scripted::settings().tokens(&desk).start();
    let image = image().build();
    upstream.put("app", &image, &["v1"]);
    let program = program_of(&[&upstream.address()]);
    program.configure(&format!("remote-registries:\n- address: {}\n", upstream.address()));
    for blob in &image.blobs {
        upstream.rule(when("GET", &blob.digest), Act::redirect_to(307, &evil.url()));
    }
    let served = Served::with(&program, &["--upstream"]);
    let name = format!("{}/app", upstream.address().replace(':', "_"));
    assert!(served.registry().manifest(&name, "v1").is_some());
    let layer = format!("/v2/{name}/blobs/{}", image.blobs[0].digest);
    assert!(!served.registry().try_request("GET", &layer, &[], b"").is_ok_and(|answer| answer.status == 200));
    was_told_nothing(&evil);
}
