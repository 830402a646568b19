//! The token server, and the scripted registry behind it.

use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::images::image;
use crate::support::push::{Answer, Registry};
use crate::support::scripted::Scripted;
use crate::support::server::Delivery;
use crate::support::token_server::{TokenServer, Tokens};

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn get(server: &TokenServer, query: &str) -> Answer {
    Registry::at("").get(&format!("{}?{query}", server.realm()))
}

fn post(server: &TokenServer, form: &str) -> Answer {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    Registry::at("").request("POST", &server.realm(), &headers, form.as_bytes())
}

#[test]
fn get_gives_what_the_user_may_have() {
    let server = TokenServer::start(Tokens::default());
    let anonymous = json(&get(&server, "service=s&scope=repository:a:pull,push&scope=repository:b:pull"));
    assert_eq!(anonymous["expires_in"], 300);
    assert_eq!(anonymous["token"], anonymous["access_token"]);
    let token = anonymous["token"].as_str().unwrap();
    let allows = |name, action| server.desk().allows(token, "repository", name, action).unwrap();
    assert!(allows("a", "pull") && allows("b", "pull") && !allows("a", "push"));
    let bob = Registry::at("").basic("bob", "secret");
    let offline = json(&bob.get(&format!("{}?offline_token=true&scope=repository:a:push", server.realm())));
    assert!(offline["refresh_token"].is_string());
    let wrong = Registry::at("").basic("bob", "wrong").get(&server.realm());
    assert_eq!((wrong.status, json(&wrong)["details"].is_string()), (401, true));
    let fetches = server.fetches();
    assert_eq!(fetches[0].scopes, ["repository:a:pull,push", "repository:b:pull"]);
    assert_eq!((fetches[1].grant.as_str(), fetches[1].user.as_deref()), ("basic", Some("bob")));
    assert_eq!((fetches[2].status, fetches.len()), (401, 3));
}

#[test]
fn post_takes_passwords_and_refresh_tokens() {
    let server = TokenServer::start(Tokens { delivery: Delivery::Chunked, ..Tokens::default() });
    let password = "grant_type=password&username=bob&password=secret&access_type=offline&scope=repository:a:push";
    let refresh = json(&post(&server, password))["refresh_token"].as_str().unwrap().to_owned();
    let again = post(&server, &format!("grant_type=refresh_token&refresh_token={refresh}&scope=repository:a:push"));
    assert_eq!(json(&again)["refresh_token"], refresh);
    assert_eq!(post(&server, "grant_type=refresh_token&refresh_token=x").status, 400);
    let given = server.refresh_token("bob");
    assert_eq!(post(&server, &format!("grant_type=refresh_token&refresh_token={given}")).status, 200);
    let grants: Vec<_> = server.fetches().into_iter().map(|fetch| (fetch.grant, fetch.user)).collect();
    let bob = || Some("bob".to_owned());
    assert_eq!(grants[0], ("password".to_owned(), bob()));
    assert_eq!(grants[1], ("refresh_token".to_owned(), bob()));
    assert_eq!(grants[2], ("refresh_token".to_owned(), None));
    server.change(|tokens| tokens.oauth2 = false);
    assert_eq!(post(&server, password).status, 404);
}

#[test]
fn it_misbehaves_when_told() {
    let server = TokenServer::start(Tokens {
        fields: &["access_token"],
        says_lifetime: false,
        refuses: Some(("foreign", 403)),
        narrows: Some("secret"),
        ..Tokens::default()
    });
    let answer = json(&get(&server, "scope=repository:secret/a:pull"));
    assert!(answer.get("token").is_none() && answer.get("expires_in").is_none());
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(server.desk().allows(token, "repository", "secret/a", "pull"), Some(false));
    assert_eq!(get(&server, "scope=repository:foreign:pull").status, 403);
    server.change(|tokens| tokens.lifetime = Duration::ZERO);
    let stale = server.token(&["repository:a:pull"]);
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(server.desk().allows(&stale, "repository", "a", "pull"), None);
}

#[test]
fn a_scripted_registry_takes_its_tokens() {
    let server = TokenServer::start(Tokens::default());
    let scripted = Scripted::settings().tokens(&server).start();
    let image = image().build();
    scripted.put("a", &image, &["v1"]);
    let refused = Registry::at(&scripted.url()).request("POST", "/v2/a/blobs/uploads/?mount=x&from=b", &[], b"");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"repository:a:pull,push repository:b:pull\""), "{challenge}");
    let reader = Registry::at(&scripted.url()).token(&server.token(&["repository:a:pull"]));
    assert!(reader.holds("a", &image));
    let error = |answer: Answer| answer.header("www-authenticate").unwrap().rsplit_once("error=").unwrap().1.to_owned();
    assert_eq!(error(reader.request("PUT", "/v2/a/manifests/v2", &[], b"{}")), "\"insufficient_scope\"");
    server.revoke_all();
    assert_eq!(error(reader.get("/v2/a/manifests/v1")), "\"invalid_token\"");
    assert_eq!(Registry::at(&scripted.url()).get("/v2/_catalog").status, 401);
}

#[test]
fn it_speaks_tls_on_another_address() {
    let authority = Authority::new();
    let server = TokenServer::start_at("127.0.0.2", Some(&authority), Tokens::default());
    assert!(server.realm().starts_with("https://127.0.0.2:"));
    assert_eq!(Registry::trusting("", &authority).get(&server.realm()).status, 200);
}
