//! The way of a blob into a registry.

use std::sync::Mutex;

use super::{at, copy, holding};
use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::relay::Relay;
use crate::support::scripted::{Ability, Act, Scripted, when};
use crate::support::server::{Request, Response};

/// More than goes in one request that is held in memory.
const BIG: usize = 3_000_000;

/// A registry that holds an image with one layer of so many bytes as `a:v1`.
fn with_layer(length: usize) -> (Scripted, Image) {
    let registry = Scripted::start();
    let image = image().layers(&[length]).build();
    registry.put("a", &image, &["v1"]);
    (registry, image)
}

fn location_of(response: &Response) -> Option<String> {
    response.headers.iter().find(|(name, _)| name == "Location").map(|(_, location)| location.clone())
}

/// Refuses bodies of more than a megabyte.
fn too_long() -> Act {
    Act::answer_if(|request| (request.body.len() > 1_000_000).then(|| Response::error(413, "UNKNOWN")))
}

/// Lets a function write every `Location` of an upload anew.
fn relocated(rewrite: impl Fn(&str) -> String + Send + Sync + 'static) -> Act {
    Act::change(move |_, response| match location_of(&response) {
        Some(location) => response.header("Location", &rewrite(&location)),
        None => response,
    })
}

#[test]
fn q39_an_upload_goes_on_wherever_its_location_says() {
    let (source, image) = with_layer(BIG);
    for form in 0..4 {
        let registry = Scripted::start();
        let url = registry.url();
        registry.rule(
            when("*", "/v2/b/blobs/uploads/"),
            relocated(move |location| match form {
                0 => format!("{url}{location}"),
                1 => location.rsplit('/').next().unwrap().to_owned(),
                2 => format!("{location}&state=a%2Bb%3D&x=y"),
                _ => location.split('?').next().unwrap().to_owned(),
            }),
        );
        copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        assert!(registry.holds("b", &image), "{form}");
        let lines = registry.lines();
        let closing: Vec<&String> = lines.iter().filter(|line| line.starts_with("PUT /v2/b/blobs/uploads/")).collect();
        assert_eq!(closing.len(), 2, "{lines:?}");
        for line in closing {
            assert!(line.contains("digest=sha256%3A"), "{line}");
            assert_eq!(line.contains("state=a%2Bb%3D&x=y&digest="), form == 2, "{line}");
        }
    }
}

#[test]
fn q40_a_location_that_forgets_tls_or_the_port_is_put_right() {
    let authority = Authority::new();
    let (source, image) = holding("a");
    for lost in ["scheme", "scheme and port", "port"] {
        let registry = Scripted::settings().tls(authority.server(&LOOPBACK)).start();
        let address = registry.address();
        registry.rule(
            when("*", "/blobs/uploads/"),
            relocated(move |location| match lost {
                "scheme" => format!("http://{address}{location}"),
                "port" => format!("https://127.0.0.1{location}"),
                _ => format!("http://127.0.0.1{location}"),
            }),
        );
        let program = Program::new();
        std::fs::write(program.home().join("ca.pem"), authority.pem()).unwrap();
        program.configure(&format!(
            "remote-registries:\n- address: {}\n  ca-cert-file: {}\n",
            registry.address(),
            program.path("ca.pem")
        ));
        let output = copy(&program, &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        output.says("warning:").says("behind a proxy");
        assert!(registry.holds("b", &image), "{lost}");
    }
}

#[test]
fn q44_a_limit_of_4_mib_to_a_body_is_kept_to() {
    let (source, image) = with_layer(9_000_000);
    for (status, smallest) in [(416, None), (413, None), (413, Some(3_500_000))] {
        let registry = Scripted::start();
        registry.rule(
            when("*", "/uploads/"),
            Act::change(move |request: &Request, response: Response| {
                if request.body.len() > 4 * 1024 * 1024 {
                    return Response::error(status, "UNKNOWN");
                }
                match smallest {
                    Some(smallest) => response.header("OCI-Chunk-Min-Length", &usize::to_string(&smallest)),
                    None => response,
                }
            }),
        );
        let program = Program::new();
        copy(&program, &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        assert!(registry.holds("b", &image), "{status}");
        let chunks = registry.requests().into_iter().filter(|request| request.method == "PATCH");
        let sizes: Vec<usize> = chunks.map(|request| request.body.len()).collect();
        assert!(sizes.iter().all(|size| *size >= smallest.unwrap_or(0) && *size <= 4 * 1024 * 1024), "{sizes:?}");
        // It is remembered: the next blob goes in chunks at once.
        registry.forget_requests();
        copy(&program, &at(&source, "a:v1"), &at(&registry, "c:v1")).success();
        assert!(registry.requests().iter().all(|request| request.body.len() <= 4 * 1024 * 1024));
    }
}

#[test]
fn q45_chunks_go_by_our_own_count_and_the_last_comes_with_the_end() {
    let (source, image) = with_layer(9_000_000);
    let registry = Scripted::start();
    // As ECR: 201 in place of 202, a range that stays that of the first chunk, an end without a body is an error.
    registry.rule(
        when("PUT", "/uploads/"),
        Act::answer_if(|request| {
            let too_long = request.body.len() > 4_000_000;
            let empty = request.body.is_empty();
            if too_long {
                Some(Response::error(413, "UNKNOWN"))
            } else {
                empty.then(|| Response::error(500, "UNKNOWN"))
            }
        }),
    );
    let first: Mutex<Option<String>> = Mutex::new(None);
    registry.rule(
        when("PATCH", "/uploads/"),
        Act::change(move |_: &Request, response: Response| {
            let range = response.headers.iter().find(|(name, _)| name == "Range").unwrap().1.clone();
            let stale = first.lock().unwrap().get_or_insert(range).clone();
            Response { status: 201, ..response.header("Range", &stale) }
        }),
    );
    copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
    assert!(registry.holds("b", &image));
    assert!(registry.count("PATCH", "") >= 2, "{:?}", registry.lines());
    let requests = registry.requests();
    let ranges: Vec<&str> = requests.iter().filter_map(|request| request.header("content-range")).collect();
    assert!(ranges[0].starts_with("0-") && ranges.len() >= 3, "{ranges:?}");
}

#[test]
fn q46_one_stream_by_default_chunks_where_that_is_not_taken() {
    let (source, image) = with_layer(BIG);
    let registry = Scripted::start();
    copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
    assert_eq!(registry.count("PATCH", ""), 0);
    assert!(registry.requests().iter().any(|request| request.method == "PUT" && request.body.len() > BIG));

    // Nothing but PATCH may carry bytes.
    for status in [405, 501] {
        let registry = Scripted::start();
        registry.rule(
            when("PUT", "/uploads/"),
            Act::answer_if(move |request| (!request.body.is_empty()).then(|| Response::error(status, "UNSUPPORTED"))),
        );
        copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        assert!(registry.holds("b", &image), "{status}");
    }
    // No PATCH at all, though an earlier run has learnt that long bodies are not taken.
    let registry = Scripted::start();
    let program = Program::new();
    registry.rule(when("PUT", "/uploads/"), too_long());
    copy(&program, &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
    registry.behave();
    registry.rule(when("PATCH", "/uploads/"), Act::status(405));
    copy(&program, &at(&source, "a:v1"), &at(&registry, "c:v1")).success();
    assert!(registry.holds("c", &image));
}

#[test]
fn q47_the_end_of_an_upload_is_told_in_many_ways() {
    let (source, image) = with_layer(BIG);
    for status in [200, 201, 202, 204] {
        let registry = Scripted::start();
        registry.rule(when("PUT", "/uploads/"), Act::change(move |_, response| Response { status, ..response }));
        copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        assert!(registry.holds("b", &image), "{status}");
    }
    // A chunk that is called out of range: the registry says where it is, and the upload goes on there.
    let registry = Scripted::start();
    registry.rule(when("PUT", "/uploads/"), too_long());
    registry.rule(when("PATCH", "/uploads/").once(), Act::change(|_, response| Response { status: 416, ..response }));
    copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
    assert!(registry.holds("b", &image));
    assert_eq!(registry.count("GET", "/uploads/"), 1, "it was asked");
}

#[test]
fn q48_a_repository_that_has_to_be_made_first_is_told_of() {
    let hangs_up = Act::answer(|_| Response::new(500).deliver(crate::support::server::Delivery::HangUp));
    for act in [hangs_up, Act::respond(Response::error(404, "NAME_UNKNOWN"))] {
        let (source, _) = holding("a");
        let registry = Scripted::start();
        registry.rule(when("POST", "/uploads/"), act);
        let output = copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "team/b:v1")).code(3);
        output.says("team/b").says("create the repository team/b there first");
        assert!(registry.count("POST", "/uploads/") <= 3 * 3, "no storm: {:?}", registry.lines());
    }
}

/// The requests that opened an upload by bringing the blob.
fn brought(registry: &Scripted) -> Vec<Request> {
    registry.requests().into_iter().filter(|request| request.method == "POST" && !request.body.is_empty()).collect()
}

/// An image with such layers, as `c:v1`.
fn image_of_layers(registry: &Scripted, layers: &[usize]) -> Image {
    let image = image().layers(layers).build();
    registry.put("c", &image, &["v1"]);
    image
}

#[test]
fn q62_a_small_blob_goes_with_the_request_that_opens_its_upload_where_that_is_taken() {
    let (source, image) = with_layer(1000);
    for takes in [true, false] {
        let settings = Scripted::settings();
        let registry = if takes { settings.with(Ability::WholePost) } else { settings }.start();
        let program = Program::new();
        copy(&program, &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        assert!(registry.holds("b", &image), "{takes}");
        let [first] = brought(&registry).try_into().unwrap();
        assert!(first.query("digest").is_some() && first.query("mount").is_none(), "{}", first.line());
        assert_eq!(registry.count("PUT", "/uploads/"), if takes { 1 } else { 2 }, "{:?}", registry.lines());
        assert_eq!(registry.open_uploads(), 0);
        // What was learnt by one blob is kept. The first one finds out that the repository is fresh.
        registry.forget_requests();
        let other = image_of_layers(&source, &[100, 200, 300]);
        copy(&program, &at(&source, "c:v1"), &at(&registry, "c:v1")).success();
        assert!(registry.holds("c", &other), "{takes}");
        assert_eq!(brought(&registry).len(), if takes { 3 } else { 0 }, "{:?}", registry.lines());
        assert_eq!(registry.count("PUT", "/uploads/"), if takes { 1 } else { 4 }, "{:?}", registry.lines());
    }
}

#[test]
fn q62_neither_big_blobs_nor_such_as_can_be_mounted_go_so() {
    let source = Scripted::start();
    let image = image_of_layers(&source, &[64 * 1024 + 1, 1000, 2000, 3000]);
    let registry = Scripted::settings().with(Ability::WholePost).start();
    let program = Program::new();
    copy(&program, &at(&source, "c:v1"), &at(&registry, "b:v1")).success();
    let sent: Vec<usize> = brought(&registry).iter().map(|request| request.body.len()).collect();
    assert!(!sent.is_empty() && sent.iter().all(|sent| *sent <= 64 * 1024), "{sent:?}");
    registry.forget_requests();
    copy(&program, &at(&registry, "b:v1"), &at(&registry, "c:v1")).success();
    assert!(registry.holds("c", &image));
    assert_eq!(brought(&registry).len(), 0, "{:?}", registry.lines());
}

#[test]
fn q62_who_does_not_know_a_blob_in_that_request_is_asked_once() {
    let (source, image) = with_layer(1000);
    let refused = |status| Act::respond(Response::error(status, "UNSUPPORTED"));
    // 201 for an upload that was opened; refusals; no answer; the blob stored, but no answer.
    let opened = || Act::change(|_, response| Response { status: 201, ..response });
    let hangs_up = || Act::respond(Response::new(500).deliver(crate::support::server::Delivery::HangUp));
    let cases =
        [(opened(), true), (refused(400), true), (refused(404), true), (refused(405), true), (hangs_up(), false)];
    for (number, (act, is_kept)) in cases.into_iter().enumerate() {
        let registry = Scripted::start();
        registry.rule(when("POST", "?digest="), act);
        let program = Program::new();
        copy(&program, &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        assert!(registry.holds("b", &image), "{number}");
        assert_eq!(brought(&registry).len(), 1, "{number}: {:?}", registry.lines());
        copy(&program, &at(&source, "a:v1"), &at(&registry, "c:v1")).success();
        assert_eq!(brought(&registry).len(), if is_kept { 1 } else { 2 }, "{number}: {:?}", registry.lines());
    }
    let registry = Scripted::settings().with(Ability::WholePost).start();
    let lost = Act::change(|_, response| response.deliver(crate::support::server::Delivery::HangUp));
    registry.rule(when("POST", "?digest="), lost);
    copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
    assert!(registry.holds("b", &image));
    assert_eq!((brought(&registry).len(), registry.count("PUT", "/uploads/")), (1, 1), "{:?}", registry.lines());
}

#[test]
fn q63_after_a_cut_the_registry_says_where_it_goes_on() {
    for keeps in [true, false] {
        let (source, image) = with_layer(9_000_000);
        let settings = Scripted::settings();
        let registry = if keeps { settings } else { settings.without(Ability::KeepUploads) }.start();
        let layer = image.blobs[1].digest.rsplit(':').next().unwrap();
        registry.rule(when("PUT", layer).once(), Act::reset_request_after(5_000_000));
        copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        assert!(registry.holds("b", &image), "{keeps}");
        let asked = registry.requests().into_iter().filter(|request| request.target.contains("/uploads/session"));
        let asked: Vec<Request> = asked.filter(|request| request.method == "GET").collect();
        assert!(!asked.is_empty(), "it was asked: {:?}", registry.lines());
        let bytes: usize = registry.requests().iter().map(|request| request.body.len()).sum();
        let size = image.blobs.iter().map(|blob| blob.bytes.len()).sum::<usize>();
        if keeps {
            assert!(bytes <= size + image.manifest.bytes.len() + 64 * 1024, "{bytes} of {size}");
        }
    }
}

#[test]
fn q63_docker_registry_loses_a_cut_upload() {
    needs!("docker-registry");
    let (source, image) = with_layer(9_000_000);
    let server = DockerRegistry::open();
    let relay = Relay::to(server.address());
    relay.cut("PUT", 5_000_000);
    copy(&Program::new(), &at(&source, "a:v1"), &format!("{}/b:v1", relay.address())).success();
    assert!(Registry::at(&server.url()).holds("b", &image));
    assert!(relay.lines().iter().any(|line| line.starts_with("GET /v2/b/blobs/uploads/")), "{:?}", relay.lines());
}
