//! What `tranship serve` shows to those who watch over it: health, metrics, the access log, and webhooks that are
//! told.

use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit as _, Mac as _};

use super::password;
use crate::support::eventually;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::served::Served;
use crate::support::server::{Handler, Request, Response, Server};

#[test]
fn health_is_told_to_everybody_and_is_that_of_the_storage() {
    let program = Program::new();
    let served = Served::with(&program, &["--anonymous", "none"]);
    let asked = |path: &str| {
        let answer = served.registry().get(path);
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    for path in ["/healthz", "/readyz"] {
        assert_eq!(asked(path), (200, "ok\n".to_owned()), "{path}");
    }
    let left = std::fs::read_dir(program.path("data/tranship/store")).unwrap().flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("probe")));
    // A store that another tranship has taken over is not read, and not written.
    std::fs::write(program.path("data/tranship/store/store.json"), "{\"format\":999}\n").unwrap();
    eventually("it cannot be read", || asked("/healthz") == (503, "the storage cannot be read\n".to_owned()));
    eventually("it cannot be written", || asked("/readyz") == (503, "the storage cannot be written\n".to_owned()));
    let log = served.end("TERM");
    assert!(log.contains("the storage does not work") && log.contains("format 999"), "{log}");
}

/// The value of a metric.
fn value(text: &str, metric: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {metric} in\n{text}")).parse().unwrap()
}

#[test]
fn metrics_count_what_was_asked_and_name_nothing_of_it() {
    let program = Program::new();
    let served = Served::with(&program, &["--anonymous", "none"]);
    let (all, team) = (password(&program, &["--push"]), password(&program, &["--push", "--repository", "team"]));
    let owner = served.registry().basic("owner", &all);
    let image = image().layers(&[5000]).build();
    owner.push("team/hidden", &image, &["secret-tag"]);
    assert!(owner.holds("team/hidden", &image));
    owner.request("POST", "/v2/team/hidden/blobs/uploads/", &[], b"");
    owner.request("BREW", "/v2/team/hidden/tags/list", &[], b"");
    let metrics = || String::from_utf8(owner.get("/metrics").body).unwrap();
    eventually("all is counted", || {
        metrics().contains("tranship_requests_total{method=\"other\",route=\"tags\",status=\"405\"} 1")
    });
    let text = metrics();
    let line = |method: &str, route: &str, status: u16| {
        let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
        value(&text, &format!("tranship_requests_total{{{labels}}}"))
    };
    let blobs = image.all_blobs().len() as u64;
    assert_eq!(line("POST", "upload", 202), blobs + 1);
    assert_eq!((line("PUT", "upload", 201), line("GET", "blob", 200)), (blobs, blobs));
    assert!(value(&text, "tranship_received_bytes_total") >= 5000 && value(&text, "tranship_sent_bytes_total") >= 5000);
    assert_eq!((value(&text, "tranship_uploads"), value(&text, "tranship_storage_up")), (1, 1));
    assert!(value(&text, "tranship_connections") > 0 && text.contains("tranship_request_seconds_bucket{"));
    assert!(text.ends_with("# EOF\n") && !text.contains("hidden") && !text.contains("secret-tag"), "{text}");
    let kind = owner.get("/metrics");
    assert!(kind.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    // It tells of everything, so it is for those who may read everything.
    assert_eq!(served.registry().get("/metrics").status, 401);
    assert_eq!(served.registry().basic("any", &team).get("/metrics").status, 403);
    let open = Served::with(&Program::new(), &["--anonymous", "pull"]);
    assert_eq!(open.registry().get("/metrics").status, 200);
}

#[test]
fn what_upkeep_did_is_counted() {
    let program = Program::new();
    let served = Served::with(&program, &["--upkeep-every", "50ms"]);
    let image = image().build();
    served.registry().push("team/app", &image, &["v1"]);
    let metrics = || String::from_utf8(served.registry().get("/metrics").body).unwrap();
    eventually("it was collected, and looked what there is", || {
        let text = metrics();
        value(&text, "tranship_collections_total") >= 2 && value(&text, "tranship_kept_bytes") > 0
    });
    let text = metrics();
    for name in ["upkeep_failures", "collected_blobs", "damaged_blobs", "abandoned_uploads"] {
        assert_eq!(value(&text, &format!("tranship_{name}_total")), 0, "{name}");
    }
}

#[test]
fn every_request_leaves_one_line_that_holds_no_secret_and_nothing_that_acts() {
    for form in ["json", "logfmt"] {
        let program = Program::new();
        let add = ["htpasswd", "add", "users", "alice", "--password-stdin"];
        program.invoke(&add).stdin("cAnArY").run().success();
        let served = Served::with(&program, &["--users", "users", "--access-log", form]);
        let alice = served.registry().basic("alice", "cAnArY");
        let image = image().build();
        alice.push("a", &image, &["v1"]);
        alice.request("GET", "/v2/a/tags/list?cAnArY", &[("User-Agent", "evil\u{9b}31m \"quoted\" a=b")], b"");
        alice.get("/v2/%1b%5b31m%0aforged/tags/list");
        served.registry().basic("alice", "cAnArY-wrong").get("/v2/a/tags/list");
        let length = image.blobs[0].bytes.len();
        assert_eq!(alice.get(&format!("/v2/a/blobs/{}", image.blobs[0].digest)).body.len(), length);
        let log = served.end("TERM");
        assert!(!log.contains("cAnArY") && !log.contains(['\u{9b}', '\u{1b}']), "{log}");
        let about = |what: &str| log.lines().filter(|line| line.contains(what) && line.contains("received")).count();
        assert_eq!((about("tags/list"), about("manifests/v1")), (3, 1), "{log}");
        if form == "json" {
            let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let lines: Vec<_> = lines.filter(|line| line["type"] == "access").collect();
            let blob = lines.iter().find(|line| line["method"] == "GET" && line["sent"] == length as u64).unwrap();
            assert_eq!((&blob["user"], &blob["status"], &blob["cut"]), (&"alice".into(), &200.into(), &false.into()));
            assert!(blob["client"].as_str().unwrap().starts_with("127.0.0.1:"));
            assert!(blob["time"].as_str().is_some() && blob["milliseconds"].is_u64());
            assert_eq!(lines.iter().filter(|line| line["status"] == 401).count(), 1);
        } else {
            assert!(log.contains("method=GET path=/v2/a/tags/list status=200"), "{log}");
            assert!(log.contains("\\\"quoted\\\" a=b"), "{log}");
        }
    }
}

/// A webhook that keeps what it is told, and answers by how much that is.
struct Hook {
    told: Mutex<Vec<Request>>,
    answer: fn(usize) -> u16,
}

impl Handler for Hook {
    fn answer(&self, request: Request) -> Response {
        let mut told = self.told.lock().unwrap();
        told.push(request);
        Response::new((self.answer)(told.len()))
    }
}

fn hook(answer: fn(usize) -> u16) -> (Server, Arc<Hook>) {
    let hook = Arc::new(Hook { told: Mutex::default(), answer });
    (Server::start("127.0.0.1", None, Arc::<Hook>::clone(&hook)), hook)
}

/// The events that were posted, each with what came with it.
fn events(Hook { told, .. }: &Hook) -> Vec<serde_json::Value> {
    let bodies = told.lock().unwrap();
    let bodies = bodies.iter().map(|request| serde_json::from_slice::<serde_json::Value>(&request.body).unwrap());
    bodies.flat_map(|body| body["events"].as_array().unwrap().clone()).collect()
}

#[test]
fn webhooks_are_told_of_pushes_and_deletions_with_a_signature() {
    let program = Program::new();
    let (listener, told) = hook(|count| if count == 1 { 503 } else { 200 });
    std::fs::write(program.path("key"), "shared secret\n").unwrap();
    let hooks = format!("webhooks:\n- {{url: '{}/hook?x=1', secret-file: key}}\n", listener.url());
    std::fs::write(program.path("serve.yaml"), hooks).unwrap();
    let served = Served::with(&program, &["--serve-config", &program.path("serve.yaml")]);
    let (registry, image) = (served.registry().basic("ci", &password(&program, &["--push"])), image().build());
    registry.push("team/app", &image, &["v1", "latest"]);
    registry.request("DELETE", "/v2/team/app/manifests/latest", &[], b"");
    registry.request("DELETE", &format!("/v2/team/app/manifests/{}", image.digest()), &[], b"");
    registry.request("DELETE", "/v2/team/app/manifests/nowhere", &[], b"");
    let words = |event: &serde_json::Value| {
        let word = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        assert_eq!((&event["target"]["repository"], &event["actor"]["name"]), (&"team/app".into(), &"ci".into()));
        assert!(event["id"].as_str().is_some() && event["timestamp"].as_str().is_some());
        format!("{} {}", word(&event["action"]), word(&event["target"]["tag"]))
    };
    let expected = ["push -", "push v1", "push latest", "delete latest", "delete -"];
    // What was refused at first came again, and is the same.
    let all = || {
        let mut seen = std::collections::HashSet::new();
        let new = events(&told).into_iter().filter(|event| seen.insert(event["id"].to_string()));
        new.map(|event| words(&event)).collect::<Vec<_>>()
    };
    eventually("all is told, in order", || all() == expected);
    for request in told.told.lock().unwrap().iter() {
        assert_eq!(request.target, "/hook?x=1");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"shared secret").unwrap();
        mac.update(&request.body);
        let signature: Vec<String> = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(request.header("x-tranship-signature"), Some(format!("sha256={}", signature.concat()).as_str()));
    }
    let metrics = || String::from_utf8(registry.get("/metrics").body).unwrap();
    eventually("it is counted", || value(&metrics(), "tranship_notifications_delivered_total") == 5);
    assert_eq!(value(&metrics(), "tranship_notifications_lost_total"), 0);
}

#[test]
fn a_webhook_that_does_not_answer_holds_up_nobody_and_what_is_lost_is_said() {
    let program = Program::new();
    let (refusing, _) = hook(|_| 400);
    // A port where nobody listens any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hooks = format!("webhooks:\n- {{url: '{}'}}\n- {{url: 'http://{gone}/'}}\n", refusing.url());
    std::fs::write(program.path("serve.yaml"), hooks).unwrap();
    let served = Served::with(&program, &["--serve-config", &program.path("serve.yaml")]);
    let (registry, image) = (served.registry(), image().build());
    registry.push("a", &image, &["v1"]);
    assert!(registry.holds("a", &image));
    let metrics = || String::from_utf8(registry.get("/metrics").body).unwrap();
    eventually("what was refused is lost", || value(&metrics(), "tranship_notifications_lost_total") >= 2);
    let log = served.end("TERM");
    assert!(log.contains("answered 400"), "{log}");
    assert!(log.contains("is not told of") || log.contains("notifications are lost, because the server ends"), "{log}");
}

#[test]
fn a_webhook_that_cannot_be_signed_for_is_told_at_once() {
    let program = Program::new();
    let file = program.path("serve.yaml");
    std::fs::write(&file, "webhooks:\n- {url: 'http://127.0.0.1:9/x', secret: hooks/ci}\n").unwrap();
    program.run(&["serve", "--serve-config", &file]).code(3).says("there is no vault `hooks`");
    std::fs::write(&file, "webhooks:\n- {url: 'http://127.0.0.1:9/x', secret-file: nowhere}\n").unwrap();
    program.run(&["serve", "--serve-config", &file]).code(2).says("holds nothing that could be signed with");
}
