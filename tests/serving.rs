//! `tranship serve` as its users meet it: clients that others wrote, the store behind it, interruptions.

mod access;
mod examples;
mod page;
mod watched;

use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::eventually;
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
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
    let served = Served::of(&program);
    assert_eq!(served.registry().get("/v2/").status, 200);
    let log = served.end("TERM");
    assert!(log.contains("GET /v2/") && log.contains("status=200"), "{log}");
}

#[test]
fn nothing_is_handed_to_the_network_that_nobody_said_should_be() {
    let program = Program::new();
    let run = program.run(&["serve", "--listen", "0.0.0.0:0"]).code(2);
    run.says("whoever reaches it could write to the store").says("hint: say who may: `--users FILE`");
    let run = program.run(&["serve", "--listen", "0.0.0.0:0", "--anonymous", "pull"]).code(2);
    run.says("in the clear").says("hint: give `--tls-cert FILE --tls-key FILE`, or `--plain-http`");
    let run = program.run(&["serve", "--users", "nobody"]).code(2);
    run.says("there is no file nobody").says("hint: make one: `tranship htpasswd add nobody NAME`");
    let run = program.run(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", "x", "--tls-key", "y"]).code(2);
    run.says("x and y cannot be used for TLS");
}

#[test]
fn a_page_in_a_browser_does_not_reach_it_under_a_name_of_its_own() {
    let program = Program::new();
    let served = Served::of(&program);
    let asked = |host: &str| served.registry().request("GET", "/v2/", &[("Host", host)], b"").status;
    for host in ["localhost:5000", "127.0.0.1", "[::1]:5000"] {
        assert_eq!(asked(host), 200, "{host}");
    }
    for host in ["evil.example", "evil.example:5000", "127.0.0.1.evil.example"] {
        assert_eq!(asked(host), 421, "{host}");
    }
}

#[test]
fn users_push_and_everybody_pulls() {
    let program = Program::new();
    for (name, password) in [("alice", "wonder land"), ("bob", "builder"), ("alice", "looking-glass")] {
        let add = ["htpasswd", "add", "users", name, "--password-stdin"];
        program.invoke(&add).stdin(password).run().success().keeps_quiet_about(password);
    }
    let served = Served::with(&program, &["--users", "users", "--anonymous", "pull"]);
    let (stranger, image) = (served.registry(), image().build());
    for (target, body) in [("/v2/a/blobs/uploads/", &b""[..]), ("/v2/a/manifests/v1", b"{}")] {
        let method = if body.is_empty() { "POST" } else { "PUT" };
        let answer = stranger.request(method, target, &[], body);
        assert_eq!((answer.status, answer.header("www-authenticate").is_some()), (401, true), "{target}");
    }
    assert_eq!(served.registry().basic("alice", "wonder land").get("/v2/").status, 401, "that was before");
    assert_eq!(stranger.get("/v2/").status, 401, "a client asks here whether it has to say who it is");
    let alice = served.registry().basic("alice", "looking-glass");
    assert_eq!(alice.get("/v2/").status, 200);
    alice.push("team/app", &image, &["v1"]);
    assert!(stranger.holds("team/app", &image));
    // An upload is whose it was begun by.
    let place = alice.request("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").unwrap().to_owned();
    assert_eq!(alice.get(&place).status, 204);
    assert_eq!(served.registry().basic("bob", "builder").get(&place).status, 404);
}

#[test]
fn without_a_name_nothing_is_told() {
    let program = Program::new();
    program.invoke(&["htpasswd", "add", "users", "alice", "--password-stdin"]).stdin("secret").run().success();
    let served = Served::with(&program, &["--users", "users"]);
    served.registry().basic("alice", "secret").push("a", &image().build(), &["v1"]);
    for target in ["/v2/a/tags/list", "/v2/nowhere/tags/list", "/v2/_catalog", "/v2/a/manifests/v1"] {
        let answer = served.registry().get(target);
        assert_eq!(answer.status, 401, "{target}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("v1"));
    }
    // Our own client finds out by itself.
    let client = Program::new();
    let from = format!("{}/a:v1", served.address());
    client.run(&["resolve", &from]).code(4).says("tranship login");
}

#[test]
fn it_serves_over_tls_and_takes_a_new_certificate_without_a_pause() {
    let program = Program::new();
    let (old, new) = (Authority::new(), Authority::new());
    old.server(&LOOPBACK).write(program.home(), "server");
    let (certificate, key) = (program.path("server.crt"), program.path("server.key"));
    let served = Served::with(&program, &["--tls-cert", &certificate, "--tls-key", &key]);
    let url = format!("https://{}", served.address());
    assert_eq!(Registry::trusting(&url, &old).get("/v2/").status, 200);
    assert!(Registry::trusting(&url, &new).try_request("GET", "/v2/", &[], b"").is_err());
    new.server(&LOOPBACK).write(program.home(), "server");
    eventually("the new certificate is shown", || {
        Registry::trusting(&url, &new).try_request("GET", "/v2/", &[], b"").is_ok()
    });
}

/// A password of `tranship token create`.
fn password(program: &Program, flags: &[&str]) -> String {
    let run = program.run(&[&["token", "create"], flags].concat()).success();
    run.stdout.trim().to_owned()
}

#[test]
fn a_password_that_ends_by_itself_allows_what_it_says_and_where() {
    let program = Program::new();
    let served = Served::with(&program, &["--anonymous", "none"]);
    let as_any = |password: &str| served.registry().basic("any", password);
    let (all, team) = (password(&program, &["--push"]), password(&program, &["--push", "--repository", "team"]));
    let image = image().build();
    as_any(&all).push("other/app", &image, &["v1"]);
    as_any(&team).push("team/app", &image, &["v1"]);
    let status = |password: &str, method: &str, target: &str| as_any(password).request(method, target, &[], b"").status;
    assert_eq!(status(&team, "GET", "/v2/other/app/tags/list"), 403);
    assert_eq!(status(&team, "POST", "/v2/teams/blobs/uploads/"), 403, "a name that only begins alike");
    let seen = as_any(&team).get("/v2/_catalog");
    assert_eq!((seen.status, &*seen.body), (200, &br#"{"repositories":["team/app"]}"#[..]), "and nothing of others");
    let reader = password(&program, &[]);
    assert_eq!(status(&reader, "GET", "/v2/_catalog"), 200);
    assert_eq!(status(&reader, "GET", "/v2/other/app/manifests/v1"), 200);
    assert_eq!(status(&reader, "POST", "/v2/other/app/blobs/uploads/"), 403);
    assert_eq!(status(&reader, "DELETE", "/v2/other/app/manifests/v1"), 403);
    let over = password(&program, &["--ttl", "1s"]);
    eventually("it is over", || status(&over, "GET", "/v2/") == 401);
    assert_eq!(served.registry().get("/v2/_catalog").status, 401);
}

#[test]
fn s43_whoever_may_only_read_changes_nothing_by_any_way() {
    let program = Program::new();
    let served = Served::with(&program, &["--anonymous", "pull"]);
    let (writer, reader) = (password(&program, &["--push"]), password(&program, &[]));
    let writer = served.registry().basic("any", &writer);
    let image = image().build();
    writer.push("a", &image, &["v1"]);
    let place = writer.request("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").unwrap().to_owned();
    let (blob, digest) = (&image.blobs[0].digest, image.digest());
    let targets = [
        "/v2/".to_owned(),
        "/v2/_catalog".to_owned(),
        "/v2/a/tags/list".to_owned(),
        "/v2/a/manifests/v1".to_owned(),
        "/v2/a/manifests/v2".to_owned(),
        format!("/v2/a/manifests/{digest}"),
        format!("/v2/a/manifests/{digest}?tag=v3"),
        format!("/v2/a/blobs/{blob}"),
        format!("/v2/a/referrers/{digest}"),
        "/v2/a/blobs/uploads/".to_owned(),
        format!("/v2/a/blobs/uploads/?digest={blob}"),
        format!("/v2/b/blobs/uploads/?mount={blob}&from=a"),
        place.clone(),
        format!("{place}?digest={blob}"),
    ];
    for (who, expected) in [(served.registry(), 401), (served.registry().basic("any", &reader), 403)] {
        for target in &targets {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                let answer = who.request(method, target, &[], &image.manifest.bytes);
                assert!(answer.status == expected || answer.status == 405, "{method} {target} {answer:?}");
            }
        }
        assert_eq!(who.get(&place).status, expected, "how far an upload is, is whose it is to know");
    }
    assert!(writer.holds("a", &image) && writer.manifest("a", "v1").is_some());
    assert_eq!(writer.get("/v2/b/tags/list").status, 404);
    assert_eq!(writer.get(&place).header("range"), Some("0-0"));
}

#[test]
fn s44_what_one_may_not_read_cannot_be_mounted() {
    let program = Program::new();
    let served = Served::with(&program, &["--anonymous", "none"]);
    let (all, team) = (password(&program, &["--push"]), password(&program, &["--push", "--repository", "team"]));
    let image = image().build();
    served.registry().basic("any", &all).push("secret/app", &image, &["v1"]);
    let mount = |password: &str, blob: &str| {
        let target = format!("/v2/team/app/blobs/uploads/?mount={blob}&from=secret/app");
        served.registry().basic("any", password).request("POST", &target, &[], b"").status
    };
    let nowhere = crate::support::content::sha256(b"nowhere");
    assert_eq!(mount(&team, &image.blobs[0].digest), mount(&team, &nowhere), "there or not, it looks the same");
    assert_eq!(mount(&team, &image.blobs[0].digest), 202);
    assert_eq!(mount(&all, &image.blobs[0].digest), 201);
}

#[test]
fn with_tokens_our_own_client_gets_one_and_goes_on() {
    let program = Program::new();
    let user = ["htpasswd", "add", "users", "alice", "--password-stdin"];
    program.invoke(&user).stdin("wonder land").run().success();
    let served = Served::with(&program, &["--users", "users", "--auth", "token", "--anonymous", "pull"]);
    let image = image().build();
    let source = Served::of(&program);
    source.registry().push("from", &image, &["v1"]);
    let client = crate::support::program::Program::new();
    client.configure("vaults:\n- {name: v, backend: file}\n");
    let login = ["login", served.address(), "--username", "alice", "--password-stdin", "--vault", "v"];
    let login =
        |word: &str| client.invoke(&login).env("TRANSHIP_VAULT_PASSPHRASE", "open").stdin(word.to_owned()).run();
    login("wrong").code(4);
    login("wonder land").success();
    let (from, to) = (format!("{}/from:v1", source.address()), format!("{}/team/app:v1", served.address()));
    client.invoke(&["copy", &from, &to]).env("TRANSHIP_VAULT_PASSPHRASE", "open").run().success();
    // Reading is open, by a token that nobody had to be named for.
    crate::support::program::Program::new().run(&["resolve", &to]).success();
    let asked = served.registry().get("/v2/team/app/manifests/v1");
    let challenge = asked.header("www-authenticate").unwrap_or_default();
    assert_eq!((asked.status, challenge), (200, ""));
    let refused = served.registry().request("DELETE", "/v2/team/app/manifests/v1", &[], b"");
    let challenge = refused.header("www-authenticate").unwrap();
    let realm = format!("Bearer realm=\"http://{0}/token\",service=\"{0}\"", served.address());
    assert_eq!((refused.status, challenge), (401, format!("{realm},scope=\"repository:team/app:delete\"").as_str()));
}

#[test]
fn a_token_allows_only_what_whoever_asked_may_do() {
    let program = Program::new();
    let served = Served::with(&program, &["--auth", "token", "--anonymous", "pull"]);
    let team = password(&program, &["--push", "--repository", "team"]);
    let scopes = "scope=repository:team/app:pull,push&scope=repository:other:pull,push&scope=registry:catalog:*";
    let answer = served.registry().basic("any", &team).get(&format!("/token?{scopes}"));
    assert_eq!(answer.status, 200);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let token = served.registry().token(body["token"].as_str().unwrap());
    assert_eq!(token.request("POST", "/v2/team/app/blobs/uploads/", &[], b"").status, 202);
    assert_eq!(token.request("POST", "/v2/other/blobs/uploads/", &[], b"").status, 401);
    let seen = token.get("/v2/_catalog");
    assert_eq!((seen.status, &*seen.body), (200, &br#"{"repositories":[]}"#[..]), "and nothing of others");
    // Without the scope for it, the token is not good for it.
    let less = served.registry().basic("any", &team).get("/token?scope=repository:team/app:pull");
    let body: serde_json::Value = serde_json::from_slice(&less.body).unwrap();
    assert_eq!(served.registry().token(body["token"].as_str().unwrap()).get("/v2/_catalog").status, 401);
    // Docker's form of the same.
    let form = format!("grant_type=password&username=any&password={team}&scope=repository:team/app:push");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(served.registry().request("POST", "/token", &headers, form.as_bytes()).status, 200);
    let wrong = "grant_type=password&username=any&password=no";
    assert_eq!(served.registry().request("POST", "/token", &headers, wrong.as_bytes()).status, 401);
}
