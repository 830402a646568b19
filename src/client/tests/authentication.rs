use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::failure::Failure as _;
use crate::registry::{ErrorKind, ImageDestination, ImageSource, Remedy};
use crate::wire::{Action, Scope};

/// A registry with its token server: tokens are `t1`, `t2`, …; `takes` says whether one is taken.
async fn bearer(takes: impl Fn(&str) -> bool + Send + Sync + 'static) -> Scripted {
    let tokens = AtomicU32::new(0);
    Scripted::start(move |asked| {
        if asked.target.starts_with("/token") {
            let token = tokens.fetch_add(1, Ordering::SeqCst) + 1;
            return Answer::status(200).body(format!(r#"{{"access_token":"t{token}","expires_in":300}}"#));
        }
        let host = asked.header("host").unwrap();
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="s",scope="repository:a/b:pull""#);
        match asked.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if takes(token) => found(&manifest_text("")),
            _ => refusal(401, "UNAUTHORIZED").header("www-authenticate", challenge),
        }
    })
    .await
}

fn token_requests(server: &Scripted) -> Vec<Asked> {
    server.asked().into_iter().filter(|asked| asked.target.starts_with("/token")).collect()
}

// Fault 17, the budgets "resolve" and "token fetches".
#[tokio::test]
async fn one_token_does_for_the_whole_plan_and_the_next_process() {
    let server = bearer(|token| token == "t1").await;
    let home = tempfile::tempdir().unwrap();
    let make = || {
        let mut settings = settings(&server.address);
        settings.chosen = bob();
        settings.state = Some(home.path().to_owned());
        Client::new(settings).unwrap()
    };
    let client = make();
    client.will([Scope::repository(&"c/d".parse().unwrap(), [Action::Pull])]);
    let repository = repository();
    assert!(ImageDestination::resolve(&client, &repository, &tag()).await.unwrap().is_some());
    assert_eq!(server.asked().len(), 3);
    let (selector, other) = (tag(), "c/d".parse().unwrap());
    tokio::try_join!(client.manifest(&repository, &selector), client.manifest(&other, &selector),).unwrap();
    let [token] = token_requests(&server).try_into().unwrap();
    assert_eq!(token.target, "/token?service=s&scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository%3Ac%2Fd%3Apull");
    assert_eq!(token.header("authorization"), Some("Basic Ym9iOmNhbmFyeQ=="));
    let before = server.asked().len();
    assert!(ImageSource::resolve(&make(), &repository, &tag()).await.unwrap().is_some());
    assert_eq!(server.asked().len(), before + 1, "one request with a kept token");
}

#[tokio::test]
async fn a_kept_token_that_is_not_taken_is_replaced() {
    let server = bearer(|token| token == "t2").await;
    let home = tempfile::tempdir().unwrap();
    let make = || {
        let mut settings = settings(&server.address);
        settings.state = Some(home.path().to_owned());
        Client::new(settings).unwrap()
    };
    // The first process keeps t1 because t2 is only asked for when t1 was refused.
    make().manifest(&repository(), &tag()).await.unwrap();
    assert_eq!(token_requests(&server).len(), 2);
    make().manifest(&repository(), &tag()).await.unwrap();
    assert_eq!(token_requests(&server).len(), 2, "the second token was kept");
}

// Fault 20.
#[tokio::test]
async fn a_token_that_allows_nothing_ends_in_a_refusal() {
    let server = bearer(|_| false).await;
    let mut settings = settings(&server.address);
    settings.chosen = bob();
    let error = Client::new(settings).unwrap().manifest(&repository(), &tag()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(error.hints(), [Remedy::CheckCredential("vault/bob".to_owned()).to_string()]);
    assert!(error.to_string().contains("UNAUTHORIZED, no (HTTP 401)"), "{error}");
    assert_eq!(token_requests(&server).len(), 2);
}

// S6.
#[tokio::test]
async fn a_credential_does_not_follow_a_realm_to_another_place() {
    let evil = Scripted::start_at("127.0.0.2", |_| Answer::status(200).body(r#"{"token":"x"}"#)).await;
    let challenge = format!(r#"Bearer realm="{}/token""#, evil.url());
    let server = Scripted::start(move |_| Answer::status(401).header("www-authenticate", challenge.clone())).await;
    let mut settings = settings(&server.address);
    settings.chosen = bob();
    let error = Client::new(settings).unwrap().manifest(&repository(), &tag()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy, "{error}");
    let hint = error.hints().concat();
    assert!(hint.contains(&format!("--token-realm {}", evil.url())), "{hint}");
    assert!(evil.asked().is_empty());
}

// S3.
#[tokio::test]
async fn a_challenge_of_the_storage_is_not_answered() {
    let realm = Scripted::start(|_| Answer::status(200).body(r#"{"token":"x"}"#)).await;
    let challenge = format!(r#"Bearer realm="{}/token""#, realm.url());
    let other =
        Scripted::start_at("127.0.0.2", move |_| Answer::status(401).header("www-authenticate", challenge.clone()))
            .await;
    let target = other.url();
    let server = Scripted::start(move |asked| match asked.header("authorization") {
        Some(_) => Answer::status(307).header("location", target.clone()),
        None => Answer::status(401).header("www-authenticate", "Basic realm=x"),
    })
    .await;
    let mut settings = settings(&server.address);
    settings.chosen = bob();
    let client = Client::new(settings).unwrap();
    let error = client.blob(&repository(), &blob_of(b"x"), crate::registry::ByteRange::ALL).await.unwrap_err();
    assert!(error.to_string().contains("storage that the registry redirected to"), "{error}");
    assert!(other.asked().iter().all(|asked| asked.header("authorization").is_none()));
    assert!(realm.asked().is_empty());
}

// Quirks 2, 9, 10.
#[tokio::test]
async fn identity_tokens_go_in_a_form_and_otherwise_as_a_password() {
    for speaks_form in [true, false] {
        let server = Scripted::start(move |asked| match (asked.method.as_str(), asked.header("authorization")) {
            ("POST", _) if !speaks_form => Answer::status(404),
            ("POST", _) => Answer::status(200).body(r#"{"access_token":"good"}"#),
            ("GET", _) if asked.target.starts_with("/token") => Answer::status(200).body(r#"{"token":"good"}"#),
            (_, Some("Bearer good")) => found(&manifest_text("")),
            _ => Answer::status(401).header(
                "www-authenticate",
                format!(r#"Bearer realm="http://{}/token""#, asked.header("host").unwrap()),
            ),
        })
        .await;
        let mut settings = settings(&server.address);
        let refresh = Secret::new("refresh&me".to_owned());
        settings.chosen = Chosen { credential: Credential::IdentityToken(refresh), ..bob() };
        Client::new(settings).unwrap().manifest(&repository(), &tag()).await.unwrap();
        let asked = server.asked();
        let form = String::from_utf8(asked[1].body.clone()).unwrap();
        assert!(form.contains("grant_type=refresh_token") && form.contains("refresh_token=refresh%26me"), "{form}");
        if !speaks_form {
            assert_eq!(asked[2].header("authorization"), Some("Basic PHRva2VuPjpyZWZyZXNoJm1l"));
        }
    }
}

// Quirk 1.
#[tokio::test]
async fn who_says_nothing_is_asked_at_the_front_door() {
    let server = Scripted::start(|asked| match (asked.target.as_str(), asked.header("authorization")) {
        (_, Some("Basic Ym9iOmNhbmFyeQ==")) => found(&manifest_text("")),
        ("/v2/", None) => Answer::status(401).header("www-authenticate", "Basic realm=\"x\""),
        _ => Answer::status(401),
    })
    .await;
    let mut settings = settings(&server.address);
    settings.chosen = bob();
    Client::new(settings).unwrap().manifest(&repository(), &tag()).await.unwrap();
    assert_eq!(server.lines(), ["GET /v2/a/b/manifests/v1", "GET /v2/", "GET /v2/a/b/manifests/v1"]);
}

// Quirk 4.
#[tokio::test]
async fn a_scope_that_the_token_server_dislikes_is_left_out() {
    let server = Scripted::start(|asked| {
        if asked.target.starts_with("/token") {
            return if asked.target.contains("foreign") {
                Answer::status(403)
            } else {
                Answer::status(200).body(r#"{"token":"good"}"#)
            };
        }
        match asked.header("authorization") {
            Some("Bearer good") => found(&manifest_text("")),
            _ => Answer::status(401).header(
                "www-authenticate",
                format!(r#"Bearer realm="http://{}/token""#, asked.header("host").unwrap()),
            ),
        }
    })
    .await;
    let client = client(&server);
    client.will([Scope::repository(&"foreign/x".parse().unwrap(), [Action::Pull])]);
    client.manifest(&repository(), &tag()).await.unwrap();
    assert_eq!(token_requests(&server).len(), 2);
}

#[tokio::test]
async fn a_registry_on_this_computer_may_be_plain_without_saying_so() {
    let server = Scripted::start(|asked| match asked.header("authorization") {
        Some(_) => found(&manifest_text("")),
        None => Answer::status(401).header("www-authenticate", "Basic realm=\"x\""),
    })
    .await;
    let mut settings = settings(&server.address);
    settings.registry.tls = crate::config::TlsMode::Verify;
    settings.chosen = bob();
    Client::new(settings).unwrap().manifest(&repository(), &tag()).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}
