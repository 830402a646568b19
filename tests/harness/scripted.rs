//! The scripted registry: right by default, wrong on demand, and always counting.

use std::time::{Duration, Instant};

use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::content::sha256;
use crate::support::images::{Content, artifact, image, index};
use crate::support::push::Registry;
use crate::support::scripted::{Ability, Act, Scripted, Settings, when};
use crate::support::server::{Delivery, Reading, Response};

fn client(scripted: &Scripted) -> Registry {
    Registry::at(&scripted.url())
}

/// A registry that holds one image as `a:v1`, and a client of it.
fn with_image() -> (Scripted, Registry, crate::support::images::Image) {
    let scripted = Scripted::start();
    let image = image().build();
    scripted.put("a", &image, &["v1"]);
    let client = client(&scripted);
    (scripted, client, image)
}

#[test]
fn it_takes_and_gives_images() {
    let scripted = Scripted::start();
    let registry = client(&scripted);
    let both = index(vec![image().build(), image().architecture("arm64").build()]);
    registry.push("team/app", &both, &["v1", "v2"]);
    assert!(registry.holds("team/app", &both) && scripted.holds("team/app", &both));
    assert_eq!(scripted.tag("team/app", "v1").as_deref(), Some(both.digest()));
    assert_eq!(scripted.tags("team/app"), ["v1", "v2"]);
    assert_eq!(scripted.manifest("team/app", both.digest()).unwrap().bytes, both.manifest.bytes);
    assert_eq!(scripted.count("POST", "/uploads/"), 6);
    assert_eq!(scripted.count("*", ""), scripted.requests().len());
    assert_eq!(scripted.requests().last().unwrap().connection + 1, scripted.connections());
    assert_eq!(scripted.lines()[0], "POST /v2/team/app/blobs/uploads/");
    scripted.forget_requests();
    assert!(scripted.requests().is_empty());
}

#[test]
fn it_is_strict_about_content() {
    let (scripted, registry, image) = with_image();
    scripted.lose_blob("a", &image.blobs[0].digest);
    let manifest = &image.manifest;
    let put = |name: &str, bytes: &[u8]| {
        registry.request("PUT", &format!("/v2/a/manifests/{name}"), &[("Content-Type", &manifest.media_type)], bytes)
    };
    let refused = put("v2", &manifest.bytes);
    assert_eq!(refused.status, 404);
    assert!(String::from_utf8_lossy(&refused.body).contains(&image.blobs[0].digest));
    assert_eq!(put(&sha256(b"x"), &manifest.bytes).status, 400);
    let begun = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_eq!(scripted.open_uploads(), 1);
    let closing = format!("{}&digest={}", begun.header("location").unwrap(), sha256(b"x"));
    assert_eq!(registry.request("PUT", &closing, &[], b"y").status, 400);
    assert_eq!(scripted.open_uploads(), 0);
    // What is put there behind its back may lie.
    let lie = Content { digest: sha256(b"right"), ..Content::new("text/plain", "wrong") };
    scripted.put_blob("a", &lie);
    scripted.put_manifest("a", &lie, &["lie"]);
    assert_eq!(scripted.blob("a", &lie.digest).unwrap(), b"wrong");
    assert_eq!(registry.manifest("a", "lie").unwrap().bytes, b"wrong");
}

#[test]
fn uploads_go_in_chunks_mounts_and_at_once() {
    let scripted = Scripted::settings().with(Ability::WholePost).start();
    let (registry, image) = (client(&scripted), image().build());
    scripted.put("a", &image, &["v1"]);
    let blob = Content::new("x/y", "chunks");
    let begun = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
    let location = begun.header("location").unwrap().to_owned();
    let chunk = |range: &str, bytes: &[u8]| registry.request("PATCH", &location, &[("Content-Range", range)], bytes);
    assert_eq!(chunk("0-2", b"chu").status, 202);
    assert_eq!(chunk("4-5", b"ks").status, 416);
    assert_eq!(registry.get(&location).header("range"), Some("0-2"));
    let closing = format!("{location}&digest={}", blob.digest);
    assert_eq!(registry.request("PUT", &closing, &[], b"nks").status, 201);
    assert_eq!(scripted.blob("a", &blob.digest).unwrap(), blob.bytes);

    let mount = |from: &str| format!("/v2/b/blobs/uploads/?mount={}&from={from}", image.blobs[0].digest);
    assert_eq!(registry.request("POST", &mount("a"), &[], b"").status, 201);
    assert_eq!(registry.request("POST", &mount("c"), &[], b"").status, 202);
    let whole = format!("/v2/b/blobs/uploads/?digest={}", blob.digest);
    assert_eq!(registry.request("POST", &whole, &[], &blob.bytes).status, 201);
    let cancelled = registry.request("POST", "/v2/b/blobs/uploads/", &[], b"");
    assert_eq!(registry.request("DELETE", cancelled.header("location").unwrap(), &[], b"").status, 204);
}

#[test]
fn lists_have_pages_ranges_have_parts_and_referrers_have_types() {
    let scripted = Scripted::settings().page(2).start();
    let registry = client(&scripted);
    let one = image().build();
    scripted.put("a", &one, &["v1", "v2", "v3"]);
    let first = registry.get("/v2/a/tags/list");
    assert_eq!(first.header("link"), Some("</v2/a/tags/list?n=2&last=v2>; rel=\"next\""));
    let second = registry.get("/v2/a/tags/list?n=2&last=v2");
    assert!(second.header("link").is_none() && String::from_utf8_lossy(&second.body).contains("[\"v3\"]"));
    assert!(String::from_utf8_lossy(&registry.get("/v2/_catalog?n=1").body).contains("[\"a\"]"));
    assert_eq!(registry.get("/v2/none/tags/list").status, 404);

    let blob = &one.blobs[1];
    let target = format!("/v2/a/blobs/{}", blob.digest);
    let part = registry.request("GET", &target, &[("Range", "bytes=5-9")], b"");
    assert_eq!((part.status, &part.body[..]), (206, &blob.bytes[5..10]));
    assert_eq!(part.header("content-range").unwrap(), format!("bytes 5-9/{}", blob.bytes.len()));
    assert_eq!(registry.request("GET", &target, &[("Range", "bytes=999999-")], b"").status, 416);
    let head = registry.request("HEAD", &target, &[], b"");
    assert_eq!(head.header("content-length").unwrap(), blob.bytes.len().to_string());

    let sbom = artifact(&one.manifest, "application/sbom", b"{}");
    scripted.put("a", &sbom, &[]);
    let list = registry.get(&format!("/v2/a/referrers/{}", one.digest()));
    assert!(String::from_utf8_lossy(&list.body).contains(sbom.digest()));
    let none = registry.get(&format!("/v2/a/referrers/{}?artifactType=other/type", one.digest()));
    assert!(none.header("oci-filters-applied").is_some() && !String::from_utf8_lossy(&none.body).contains("sbom"));
}

#[test]
fn it_can_be_without_an_ability() {
    let all = [
        Ability::Referrers,
        Ability::Delete,
        Ability::Ranges,
        Ability::WholePost,
        Ability::Mount,
        Ability::Catalog,
        Ability::CheckBlobs,
        Ability::KeepUploads,
        Ability::TellDigest,
    ];
    let scripted = all.into_iter().fold(Scripted::settings(), Settings::without).start();
    let registry = client(&scripted);
    let image = image().build();
    scripted.put("a", &image, &["v1"]);
    let blob = &image.blobs[1];
    let status = |method: &str, target: &str| registry.request(method, target, &[], b"").status;
    assert_eq!(status("GET", &format!("/v2/a/referrers/{}", image.digest())), 404);
    assert_eq!(status("DELETE", "/v2/a/manifests/v1"), 405);
    assert_eq!(status("GET", "/v2/_catalog"), 404);
    assert_eq!(status("POST", &format!("/v2/a/blobs/uploads/?digest={}", sha256(b""))), 202);
    assert_eq!(status("POST", &format!("/v2/b/blobs/uploads/?mount={}&from=a", blob.digest)), 202);
    assert!(registry.get("/v2/a/manifests/v1").header("docker-content-digest").is_none());
    let range = registry.request("GET", &format!("/v2/a/blobs/{}", blob.digest), &[("Range", "bytes=5-")], b"");
    assert_eq!((range.status, range.body.len()), (200, blob.bytes.len()));
    let headers = [("Content-Type", image.manifest.media_type.as_str())];
    assert_eq!(registry.request("PUT", "/v2/c/manifests/v1", &headers, &image.manifest.bytes).status, 201);
}

#[test]
fn tags_and_manifests_can_be_removed() {
    let (scripted, registry, image) = with_image();
    assert_eq!(registry.request("DELETE", "/v2/a/manifests/v1", &[], b"").status, 202);
    assert!(scripted.tags("a").is_empty() && scripted.manifest("a", image.digest()).is_some());
    assert_eq!(registry.request("DELETE", &format!("/v2/a/manifests/{}", image.digest()), &[], b"").status, 202);
    assert!(scripted.manifest("a", image.digest()).is_none());
}

#[test]
fn answers_are_cut_reset_stalled_and_dripped() {
    let (scripted, registry, image) = with_image();
    let target = format!("/v2/a/blobs/{}", image.blobs[1].digest);
    let try_get = || registry.try_request("GET", &target, &[], b"");
    let broken = [
        Delivery::CutAfter(100),
        Delivery::ResetAfter(100),
        Delivery::HangUp,
        Delivery::Reset,
        Delivery::Raw(b"nonsense\r\n\r\n".to_vec()),
    ];
    for delivery in broken {
        scripted.rule(when("GET", "/blobs/"), Act::deliver(delivery.clone()));
        assert!(try_get().is_err(), "{delivery:?}");
        scripted.behave();
    }
    for delivery in [Delivery::Chunked, Delivery::Drip(500, Duration::from_millis(1))] {
        scripted.rule(when("GET", "/blobs/"), Act::deliver(delivery.clone()));
        assert_eq!(try_get().unwrap().body, image.blobs[1].bytes, "{delivery:?}");
        scripted.behave();
    }
    for delivery in [Delivery::StallAfter(10), Delivery::Silence] {
        scripted.rule(when("GET", "/blobs/"), Act::deliver(delivery.clone()));
        let url = format!("{}{target}", scripted.url());
        let waited = crate::support::push::block_on(async {
            let read = async { reqwest::get(url).await?.bytes().await };
            tokio::time::timeout(Duration::from_millis(200), read).await
        });
        assert!(waited.is_err(), "{delivery:?}");
        scripted.behave();
    }
    let begun = Instant::now();
    drop(scripted);
    assert!(begun.elapsed() < Duration::from_secs(1), "stalled connections do not hold it up");
}

#[test]
fn rules_act_on_the_requests_that_they_are_for() {
    let (scripted, registry, _) = with_image();
    let status = || registry.get("/v2/a/manifests/v1").status;
    scripted.rule(when("GET", "/manifests/").skip(1).times(2), Act::status(503));
    assert_eq!([status(), status(), status(), status()], [200, 503, 503, 200]);
    scripted.behave();
    scripted.rule(when("GET", "/manifests/").once(), Act::header("Content-Type", "text/html"));
    scripted.rule(when("*", "/manifests/"), Act::without_header("Docker-Content-Digest"));
    let first = registry.get("/v2/a/manifests/v1");
    assert_eq!(first.header("content-type"), Some("text/html"));
    assert!(first.header("docker-content-digest").is_some(), "one rule acts on a request");
    assert!(registry.get("/v2/a/manifests/v1").header("docker-content-digest").is_none());
    scripted.behave();
    scripted.rule(when("GET", "/blobs/"), Act::redirect_to(307, "http://127.0.0.2:1"));
    scripted.rule(when("GET", "/tags/"), Act::redirect(302, "/elsewhere"));
    assert_eq!(registry.get("/v2/a/blobs/x").header("location"), Some("http://127.0.0.2:1/v2/a/blobs/x"));
    assert_eq!(registry.get("/v2/a/tags/list").header("location"), Some("/elsewhere"));
    scripted.rule(when("GET", "/v2/"), Act::answer(|request| Response::new(200).body(request.path().to_owned())));
    assert_eq!(registry.get("/v2/?x=y").body, b"/v2/");
    assert_eq!(scripted.requests().last().unwrap().query("x").as_deref(), Some("y"));
}

#[test]
fn requests_can_be_cut_and_what_arrived_is_kept() {
    let (scripted, registry, _) = with_image();
    let begun = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
    let location = begun.header("location").unwrap().to_owned();
    let big = vec![7; 3_000_000];
    scripted.rule(when("PATCH", "/uploads/").once(), Act::reset_request_after(1000));
    assert!(registry.try_request("PATCH", &location, &[], &big).is_err());
    assert_eq!(registry.get(&location).header("range"), Some("0-999"));
    assert_eq!(registry.request("PATCH", &location, &[("Content-Range", "1000-")], &big[1000..]).status, 202);
    let closing = format!("{location}&digest={}", sha256(&big));
    assert_eq!(registry.request("PUT", &closing, &[], b"").status, 201);
    assert_eq!(scripted.requests()[1].body.len(), 1000);
    assert!(scripted.received() > 3_000_000 - 1000, "{}", scripted.received());
    assert_eq!(registry.get(&format!("/v2/a/blobs/{}", sha256(&big))).body, big);
    assert!((3_000_000..3_001_000).contains(&scripted.sent()), "{}", scripted.sent());
    drop(registry);
    crate::support::eventually("all have gone", || scripted.is_idle());
    let registry = client(&scripted);

    scripted.behave();
    scripted.rule(when("PATCH", "/uploads/"), Act::Read(Reading::AnswerAfter(0)));
    let early = registry.try_request("PATCH", "/v2/a/blobs/uploads/none", &[], b"body");
    assert_eq!(early.unwrap().status, 404);

    let forgetful = Scripted::settings().without(Ability::KeepUploads).start();
    let registry = client(&forgetful);
    let begun = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
    forgetful.rule(when("PATCH", ""), Act::reset_request_after(1000));
    assert!(registry.try_request("PATCH", begun.header("location").unwrap(), &[], &big).is_err());
    assert_eq!(registry.get(begun.header("location").unwrap()).status, 404);
}

#[test]
fn it_wants_passwords_certificates_and_speaks_tls_on_two_addresses() {
    let authority = Authority::new();
    let scripted = Scripted::settings().ip("127.0.0.2").tls(authority.server(&LOOPBACK)).basic("bob", "secret").start();
    assert!(scripted.url().starts_with("https://127.0.0.2:") && scripted.address().starts_with("127.0.0.2:"));
    let registry = Registry::trusting(&scripted.url(), &authority);
    assert_eq!(registry.get("/v2/").header("www-authenticate"), Some("Basic realm=\"scripted\""));
    assert_eq!(Registry::trusting(&scripted.url(), &authority).basic("bob", "secret").get("/v2/").status, 200);
    assert_eq!(scripted.requests()[1].header("authorization"), Some("Basic Ym9iOnNlY3JldA=="));

    let expired = Scripted::settings().tls(authority.expired_server()).start();
    assert!(Registry::trusting(&expired.url(), &authority).try_request("GET", "/v2/", &[], b"").is_err());

    let clients = Authority::new();
    let card = clients.client("bob");
    let mutual = Scripted::settings().mutual_tls(authority.server(&["localhost"]), clients).start();
    let url = mutual.url().replace("127.0.0.1", "localhost");
    assert!(Registry::trusting(&url, &authority).try_request("GET", "/v2/", &[], b"").is_err());
    assert_eq!(Registry::with_certificate(&url, &authority, &card).get("/v2/").status, 200);
}
