//! Who may do what where: rules of the file, immutable tags, and a server where nothing is removed.

use std::sync::Barrier;

use super::password;
use crate::support::content::sha256;
use crate::support::eventually;
use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::push::{Answer, Registry};
use crate::support::served::Served;

/// Rules as a team with a public corner would write them.
pub(super) const RULES: &str = "users: users
anonymous: none
groups:
- name: dev
  users: [alice, bob]
access:
- repository: public
  to: [everyone]
  allow: [pull]
- to: [users]
  allow: [pull]
- repository: team-a
  to: ['group:dev']
  allow: [push]
- repository: team-a/cache
  to: ['user:bob']
  allow: [delete]
- repository: secret
  to: ['user:dave']
  allow: [push, delete]
";

fn add_user(program: &Program, name: &str) {
    let add = ["htpasswd", "add", "users", name, "--password-stdin"];
    program.invoke(&add).stdin(format!("{name}'s own")).run().success();
}

/// Serves by rules; the users' passwords are their names with `'s own` behind them.
pub(super) fn ruled(program: &Program, rules: &str, flags: &[&str]) -> Served {
    for name in ["alice", "bob", "carol"] {
        add_user(program, name);
    }
    std::fs::write(program.path("serve.yaml"), rules).unwrap();
    let file = program.path("serve.yaml");
    Served::with(program, &[&["--serve-config", &file][..], flags].concat())
}

pub(super) fn user(served: &Served, name: &str) -> Registry {
    served.registry().basic(name, &format!("{name}'s own"))
}

/// A password that everything is allowed with.
pub(super) fn owner(program: &Program, served: &Served) -> Registry {
    served.registry().basic("owner", &password(program, &["--push"]))
}

/// What somebody may do in a repository that holds `image`, as letters; every route of a kind has to agree.
fn letters(who: &Registry, repository: &str, image: &Image) -> String {
    let blob = &image.blobs[0].digest;
    let nothing = sha256(b"nothing");
    let asked = |kind: &[(&str, String)]| {
        let in_and_out: Vec<bool> = kind
            .iter()
            .map(|(method, rest)| {
                let answer = who.request(method, &format!("/v2/{repository}/{rest}"), &[], &image.manifest.bytes);
                !matches!(answer.status, 401 | 403)
            })
            .collect();
        assert!(in_and_out.iter().all(|is_in| *is_in == in_and_out[0]), "{repository}: {kind:?} {in_and_out:?}");
        in_and_out[0]
    };
    let pull = asked(&[
        ("GET", "manifests/v1".to_owned()),
        ("HEAD", format!("manifests/{}", image.digest())),
        ("GET", format!("blobs/{blob}")),
        ("GET", "tags/list".to_owned()),
        ("GET", format!("referrers/{}", image.digest())),
    ]);
    let push = asked(&[
        ("POST", "blobs/uploads/".to_owned()),
        ("POST", format!("blobs/uploads/?mount={blob}&from=public")),
        ("PATCH", "blobs/uploads/unknown".to_owned()),
        ("DELETE", "blobs/uploads/unknown".to_owned()),
        ("PUT", "manifests/v1".to_owned()),
    ]);
    // What is not there is asked for, so that nothing goes.
    let delete = asked(&[
        ("DELETE", "manifests/no-such-tag".to_owned()),
        ("DELETE", format!("manifests/{nothing}")),
        ("DELETE", format!("blobs/{nothing}")),
    ]);
    [(pull, 'l'), (push, 's'), (delete, 'd')].iter().filter(|(may, _)| *may).map(|(_, letter)| letter).collect()
}

#[test]
fn rules_say_who_may_do_what_where_on_every_route() {
    let program = Program::new();
    let served = ruled(&program, RULES, &[]);
    let (owner, image) = (owner(&program, &served), image().build());
    for repository in ["public/app", "publicity", "team-a", "team-a/cache/x", "team-ab", "secret/app"] {
        owner.push(repository, &image, &["v1"]);
    }
    let nobody = served.registry();
    let users = ["alice", "bob", "carol"].map(|name| user(&served, name));
    for (repository, nobodys, theirs) in [
        ("public/app", "l", ["l", "l", "l"]),
        ("publicity", "", ["l", "l", "l"]),
        ("team-a", "", ["ls", "ls", "l"]),
        ("team-a/cache/x", "", ["ls", "lsd", "l"]),
        ("team-ab", "", ["l", "l", "l"]),
    ] {
        assert_eq!(letters(&nobody, repository, &image), nobodys, "{repository}");
        for (who, expected) in users.iter().zip(theirs) {
            assert_eq!(letters(who, repository, &image), expected, "{repository}");
        }
    }
    // Nobody hears of the base before saying who they are.
    assert_eq!((nobody.get("/v2/").status, users[2].get("/v2/").status), (401, 200));
}

fn repositories(who: &Registry, target: &str) -> Vec<String> {
    let answer = who.get(target);
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    serde_json::from_value(body["repositories"].clone()).unwrap()
}

/// A token for scopes.
fn token(who: &Registry, served: &Served, scopes: &[&str]) -> Registry {
    let query: Vec<String> = scopes.iter().map(|scope| format!("scope={scope}")).collect();
    let answer = who.get(&format!("/token?{}", query.join("&")));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    served.registry().token(body["token"].as_str().unwrap())
}

#[test]
fn s52_lists_show_what_may_be_read_and_mounts_take_no_more() {
    let program = Program::new();
    let rules = RULES.replace("- to: [users]\n  allow: [pull]\n", "");
    let served = ruled(&program, &format!("{rules}auth: token\n"), &[]);
    let (owner, image) = (owner(&program, &served), image().build());
    for repository in ["public/app", "team-a/app", "secret/app", "other"] {
        owner.push(repository, &image, &["v1"]);
    }
    let alice = user(&served, "alice");
    assert_eq!(repositories(&served.registry(), "/v2/_catalog"), ["public/app"]);
    assert_eq!(repositories(&alice, "/v2/_catalog"), ["public/app", "team-a/app"]);
    assert_eq!(repositories(&owner, "/v2/_catalog").len(), 4);
    // A page is of what may be read, and its end says nothing of the rest.
    let page = alice.get("/v2/_catalog?n=1");
    assert_eq!(page.header("link"), Some("</v2/_catalog?n=1&last=public%2Fapp>; rel=\"next\""));
    assert!(alice.get("/v2/_catalog?n=1&last=public/app").header("link").is_none());
    let scopes = ["registry:catalog:*", "repository:secret/app:pull", "repository:team-a/app:pull,push,delete"];
    let token = token(&alice, &served, &scopes);
    assert_eq!(repositories(&token, "/v2/_catalog"), ["public/app", "team-a/app"]);
    assert_eq!(token.get("/v2/secret/app/tags/list").status, 401);
    assert_eq!(token.request("DELETE", "/v2/team-a/app/manifests/v1", &[], b"").status, 401);
    for who in [&alice, &token] {
        let mount = |from: &str| {
            let target = format!("/v2/team-a/new/blobs/uploads/?mount={}&from={from}", image.blobs[0].digest);
            who.request("POST", &target, &[], b"").status
        };
        assert!(matches!(mount("secret/app"), 202 | 401));
    }
    let mount = format!("/v2/team-a/new/blobs/uploads/?mount={}&from=public/app", image.blobs[0].digest);
    assert_eq!(alice.request("POST", &mount, &[], b"").status, 201);
}

#[test]
fn s46_what_was_taken_away_is_gone_at_the_next_request() {
    let program = Program::new();
    let served = ruled(&program, &format!("{RULES}auth: token\n"), &[]);
    owner(&program, &served).push("team-a", &image().build(), &["v1"]);
    let bob = user(&served, "bob");
    let token = token(&bob, &served, &["repository:team-a:pull,push"]);
    for who in [&bob, &token] {
        assert_eq!(who.get("/v2/team-a/tags/list").status, 200);
    }
    let users = std::fs::read_to_string(program.path("users")).unwrap();
    let others: Vec<&str> = users.lines().filter(|line| !line.starts_with("bob:")).collect();
    std::fs::write(program.path("users"), others.join("\n")).unwrap();
    eventually("he is no user any more", || bob.get("/v2/team-a/tags/list").status == 401);
    assert_eq!(token.get("/v2/team-a/tags/list").status, 401, "nor is his token good");
    assert_eq!(user(&served, "alice").get("/v2/team-a/tags/list").status, 200);
}

fn put(who: &Registry, image: &Image, tag: &str) -> Answer {
    let manifest = &image.manifest;
    let target = format!("/v2/a/manifests/{tag}");
    who.request("PUT", &target, &[("Content-Type", &manifest.media_type)], &manifest.bytes)
}

#[test]
fn s45_an_immutable_tag_is_made_once_however_many_come_at_once() {
    let program = Program::new();
    let served = Served::with(&program, &["--immutable-tag", "v*", "--immutable-tag", "a:latest"]);
    let images: Vec<Image> = (0..8).map(|_| image().build()).collect();
    for image in &images {
        served.registry().push("a", image, &["free"]);
    }
    for tag in ["latest", "v1", "v1.0.0-RC"] {
        let start = Barrier::new(images.len());
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let one = |image| {
                let (served, start) = (&served, &start);
                scope.spawn(move || {
                    let registry = served.registry();
                    start.wait();
                    put(&registry, image, tag)
                })
            };
            let running: Vec<_> = images.iter().map(one).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won: Vec<usize> = (0..images.len()).filter(|index| answers[*index].status == 201).collect();
        assert_eq!(won.len(), 1, "{tag}: {answers:?}");
        let lost: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 201).collect();
        assert!(lost.iter().all(|answer| answer.status == 403), "{lost:?}");
        let told = String::from_utf8_lossy(&lost[0].body);
        assert!(told.contains("DENIED") && told.contains("is immutable"), "{told}");
        let winner = &images[won[0]];
        assert_eq!(served.registry().manifest("a", tag).unwrap().bytes, winner.manifest.bytes);
        assert_eq!(put(&served.registry(), winner, tag).status, 201, "the same again is no change");
    }
}

#[test]
fn s45_an_immutable_tag_stays_by_every_way() {
    let program = Program::new();
    std::fs::write(program.path("serve.yaml"), "immutable-tags: ['a:*']\n").unwrap();
    let served = Served::with(&program, &["--serve-config", &program.path("serve.yaml")]);
    let (first, second) = (image().build(), image().build());
    let registry = served.registry();
    registry.push("a", &first, &["v1"]);
    registry.push("a", &second, &["v2"]);
    let delete = |reference: &str| registry.request("DELETE", &format!("/v2/a/manifests/{reference}"), &[], b"").status;
    assert_eq!(delete("v1"), 403);
    assert_eq!(delete(first.digest()), 403, "a manifest goes with its tags");
    // Several tags at once: what is refused changes none of them.
    let manifest = &second.manifest;
    let several = format!("/v2/a/manifests/{}?tag=v3&tag=v1", manifest.digest);
    let answer = registry.request("PUT", &several, &[("Content-Type", &manifest.media_type)], &manifest.bytes);
    assert_eq!((answer.status, registry.manifest("a", "v3").is_none()), (403, true));
    let several = several.replace("tag=v1", "tag=v2");
    let answer = registry.request("PUT", &several, &[("Content-Type", &manifest.media_type)], &manifest.bytes);
    assert_eq!((answer.status, registry.manifest("a", "v3").is_some()), (201, true));
    assert_eq!(registry.manifest("a", "v1").unwrap().bytes, first.manifest.bytes);
    registry.push("ab", &first, &["v1"]);
    registry.push("ab", &second, &["v1"]);
    // Our own client says so too.
    let (from, to) = (format!("{}/a:v2", served.address()), format!("{}/a:v1", served.address()));
    Program::new().run(&["copy", &from, &to]).code(4).says("immutable");
}

#[test]
fn s43_where_nothing_is_removed_no_way_leads_round_it() {
    for by_file in [false, true] {
        let program = Program::new();
        std::fs::write(program.path("serve.yaml"), "deletes: false\n").unwrap();
        let file = program.path("serve.yaml");
        let flags: &[&str] = if by_file { &["--serve-config", &file] } else { &["--no-delete"] };
        let served = Served::with(&program, flags);
        let (registry, image) = (served.registry(), image().build());
        registry.push("a", &image, &["v1"]);
        let begun = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
        let upload = begun.header("location").unwrap().to_owned();
        let (blob, digest) = (&image.blobs[0].digest, image.digest());
        for target in [
            "/v2/".to_owned(),
            "/v2/_catalog".to_owned(),
            "/v2/a/tags/list".to_owned(),
            "/v2/a/manifests/v1".to_owned(),
            format!("/v2/a/manifests/{digest}"),
            format!("/v2/a/blobs/{blob}"),
            format!("/v2/a/referrers/{digest}"),
            "/v2/a/blobs/uploads/".to_owned(),
            upload.clone(),
        ] {
            let answer = registry.request("DELETE", &target, &[], b"");
            assert_eq!(answer.status, 405, "{target}");
            assert!(!answer.header("allow").unwrap().contains("DELETE"), "{target}: {answer:?}");
        }
        assert!(registry.holds("a", &image) && registry.manifest("a", "v1").is_some());
        assert_eq!(registry.get(&upload).status, 204);
    }
}

#[test]
fn what_the_file_says_wrong_is_told_and_flags_win_over_it() {
    let program = Program::new();
    let file = program.path("serve.yaml");
    std::fs::write(&file, "listen: 127.0.0.1:0\nimmutabel-tags: [v1]\nweb: maybe\n").unwrap();
    let run = program.run(&["serve", "--serve-config", &file]).code(2);
    let run = run.says("serve.yaml:2: unknown key `immutabel-tags` in what `serve` is told; did you mean");
    run.says("serve.yaml:3: `web` is `true` or `false`");
    program.run(&["serve", "--serve-config", "nowhere.yaml"]).code(2).says("there is no file nowhere.yaml");
    std::fs::write(&file, "listen: 0.0.0.0:0\nusers: users\n").unwrap();
    program.run(&["serve", "--serve-config", &file]).code(2).says("in the clear");
    std::fs::write(&file, "tls-cert: x\ntls-key: y\n").unwrap();
    program.run(&["serve", "--serve-config", &file]).code(2).says("x and").says("cannot be used for TLS");
    program.run(&["serve", "--tls-cert", "x"]).code(2).says("go together");
    std::fs::write(&file, "listen: 192.0.2.1:5000\nanonymous: none\nusers: no-such-file\n").unwrap();
    add_user(&program, "alice");
    let served = Served::with(&program, &["--serve-config", &file, "--users", "users", "--anonymous", "pull"]);
    assert_eq!(served.registry().get("/v2/_catalog").status, 200);
}
