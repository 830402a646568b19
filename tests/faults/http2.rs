//! Errors of HTTP/2: streams that are reset, and connections that go away.

use h2::Reason;

use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::http2::{Ending, Http2};
use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::scripted::Scripted;

/// A registry behind HTTP/2 that holds `a:v1`, and a program that trusts it.
struct Scene {
    registry: Scripted,
    front: Http2,
    program: Program,
    image: Image,
}

impl Scene {
    fn new(ending: Ending) -> Self {
        let (authority, registry, image) = (Authority::new(), Scripted::start(), image().layers(&[300_000; 3]).build());
        registry.put("a", &image, &["v1"]);
        let front = Http2::before(&registry, &authority.server(&LOOPBACK), ending);
        let program = Program::new();
        std::fs::write(program.home().join("ca.pem"), authority.pem()).unwrap();
        let (address, file) = (front.address(), program.path("ca.pem"));
        program.configure(&format!("remote-registries:\n- {{address: '{address}', ca-cert-file: {file}}}\n"));
        Self { registry, front, program, image }
    }

    /// Copies the image to another repository and from there to the store.
    fn copies_well(&self) {
        let name = |name: &str| format!("{}/{name}:v1", self.front.address());
        // Nothing is to be gained by mounting, so that bytes travel both ways.
        let plain = Scripted::start();
        plain.put("a", &self.image, &["v1"]);
        let from = format!("{}/a:v1", plain.address());
        self.program.run(&["copy", "--attached", "none", &from, &name("b")]).success();
        assert!(self.registry.holds("b", &self.image));
        self.program.run(&["copy", "--attached", "none", &name("b"), "store:b:v1"]).success();
        super::assert_store_holds(self.program.home(), &self.image);
    }
}

#[test]
fn f45_small_requests_share_a_connection_and_bytes_have_their_own() {
    let scene = Scene::new(Ending::Well);
    scene.copies_well();
    let streams = scene.front.streams();
    assert!(streams.iter().any(|line| line == "HEAD /v2/b/manifests/v1"), "{streams:?}");
    assert!(streams.iter().any(|line| line == "PUT /v2/b/manifests/v1"), "{streams:?}");
    assert!(!streams.iter().any(|line| line.starts_with("GET /v2/b/blobs/")), "{streams:?}");
    assert!(scene.front.old_connections() > 0);
}

#[test]
fn f45_streams_that_are_reset_again_and_again_end_http_2() {
    for reason in [Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::REFUSED_STREAM] {
        let scene = Scene::new(Ending::Reset(reason));
        scene.copies_well();
        let streams = scene.front.streams();
        // Two in each of the two runs; the library tries a refused stream once more by itself.
        let most = if reason == Reason::REFUSED_STREAM { 12 } else { 4 };
        assert!(!streams.is_empty() && streams.len() <= most, "{reason:?}: {streams:?}");
        assert!(scene.front.old_connections() > 0);
    }
}

#[test]
fn f45_connections_that_go_away_are_made_anew_or_given_up() {
    let scene = Scene::new(Ending::GoAwayAfterOne);
    scene.copies_well();
    assert!(scene.front.streams().len() > 2, "{:?}", scene.front.streams());
    for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let scene = Scene::new(Ending::GoAway(reason));
        scene.copies_well();
        assert!(scene.front.old_connections() > 0, "{reason:?}");
    }
}
