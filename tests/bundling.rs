//! Bundles: what is new in one archive, out of one network and into another.

use std::fs;

use crate::support::images::{Image, image};
use crate::support::program::{Output, Program};
use crate::support::scripted::Scripted;

/// Two networks: a source that bundles are made of, and a registry that they are brought to.
struct Scene {
    source: Scripted,
    inside: Scripted,
    out: Program,
    far: Program,
    first: Image,
    second: Image,
}

impl Scene {
    fn start() -> Self {
        let (source, inside) = (Scripted::start(), Scripted::start());
        let (out, far) = (Program::new(), Program::new());
        let first = image().seed(900_001).layers(&[200_000, 3000]).build();
        // The first layer is that of the first image, and the second is its own.
        let second = image().seed(900_001).layers(&[200_000, 5000]).build();
        source.put("team/app", &first, &["1.0"]);
        let rules = format!("rules: [{{from: {}/team/*, attached: none}}]\n", source.address());
        fs::write(out.path("rules.yaml"), rules).unwrap();
        Self { source, inside, out, far, first, second }
    }

    fn create(&self, name: &str, words: &[&str]) -> Output {
        let (rules, file) = (self.out.path("rules.yaml"), self.out.path(name));
        self.out.run(&[&["bundle", "create", "-f", &rules, &file], words].concat())
    }

    fn load(&self, name: &str) -> Output {
        self.far.run(&["bundle", "load", &self.out.path(name), &format!("{}/mirror", self.inside.address())])
    }

    /// The repository inside.
    fn repository(&self) -> String {
        format!("mirror/{}/team/app", self.source.address().replace(':', "_"))
    }

    fn size(&self, name: &str) -> u64 {
        fs::metadata(self.out.path(name)).unwrap().len()
    }
}

#[test]
fn what_is_new_travels_and_nothing_else() {
    let scene = Scene::start();
    let made = scene.create("one.tar", &[]).success();
    let shown = made.lines();
    assert!(shown[0].starts_with("127.0.0.1_") && shown[0].contains("/team/app:1.0@sha256:"), "{}", made.shown());
    assert!(shown[0].contains("(3 blobs sent, ") && shown[1].contains(": 1 image, "), "{}", made.shown());
    let loaded = scene.load("one.tar").success();
    assert!(loaded.stdout.contains("mirror/") && loaded.stdout.contains(": 1 image\n"), "{}", loaded.shown());
    assert!(scene.inside.holds(&scene.repository(), &scene.first));
    let again = scene.create("none.tar", &[]).success();
    assert!(again.stdout.starts_with("nothing is new since "), "{}", again.shown());
    assert!(!fs::exists(scene.out.path("none.tar")).unwrap());
    scene.source.put("team/app", &scene.second, &["1.1"]);
    let made = scene.create("two.tar", &["-o", "json"]).success().json();
    assert_eq!(made["images"].as_array().map(Vec::len), Some(1));
    assert!(made["parent"].is_string());
    assert!(scene.size("two.tar") < 60_000 && scene.size("one.tar") > 200_000, "the shared layer stays behind");
    scene.load("two.tar").success();
    assert!(scene.inside.holds(&scene.repository(), &scene.second));
    assert_eq!(scene.inside.tags(&scene.repository()), ["1.0", "1.1"]);
    // Brought in once more, it changes nothing.
    let again = scene.load("two.tar").success();
    assert!(again.stdout.contains("(unchanged)"), "{}", again.shown());
}

#[test]
fn a_missing_earlier_bundle_is_named() {
    let scene = Scene::start();
    let id = scene.create("one.tar", &["-q"]).success().stdout.trim().to_owned();
    assert_eq!(id.len(), 12);
    scene.source.put("team/app", &scene.second, &["1.1"]);
    scene.create("two.tar", &[]).success();
    scene
        .load("two.tar")
        .code(3)
        .says("needs what an earlier bundle brought")
        .says(&format!("load the bundle {id} first"));
    assert!(scene.inside.tags(&scene.repository()).is_empty());
    scene.load("one.tar").success();
    scene.load("two.tar").success();
    assert!(scene.inside.holds(&scene.repository(), &scene.second));
}

#[test]
fn a_bundle_may_begin_behind_any_other_or_be_whole() {
    let scene = Scene::start();
    scene.create("one.tar", &[]).success();
    fs::remove_file(scene.out.path("rules.yaml.bundle.json")).unwrap();
    scene.source.put("team/app", &scene.second, &["1.1"]);
    scene.create("two.tar", &["--since", &scene.out.path("one.tar")]).success();
    assert!(scene.size("two.tar") < 60_000);
    scene.create("all.tar", &["--whole"]).success();
    scene.load("all.tar").success();
    assert!(
        scene.inside.holds(&scene.repository(), &scene.first) && scene.inside.holds(&scene.repository(), &scene.second)
    );
    // At home it lands in the store.
    let loaded = scene.far.run(&["bundle", "load", &scene.out.path("all.tar")]).success();
    assert!(loaded.stdout.contains("store:127.0.0.1_"), "{}", loaded.shown());
    // A bundle is an archive that others read too.
    let name = format!("oci-archive:{}:{}", scene.out.path("all.tar"), &scene.repository()["mirror/".len()..]);
    scene.far.run(&["inspect", &format!("{name}:1.0")]).success();
}

#[test]
fn what_is_no_bundle_and_what_was_changed_is_refused() {
    let scene = Scene::start();
    scene.create("one.tar", &[]).success();
    let mut bytes = fs::read(scene.out.path("one.tar")).unwrap();
    // In the midst of the big layer.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(scene.out.path("bad.tar"), bytes).unwrap();
    scene.load("bad.tar").code(6);
    assert!(scene.inside.tags(&scene.repository()).is_empty());
    let archive = format!("oci-archive:{}:app", scene.out.path("plain.tar"));
    let from = format!("{}/team/app:1.0", scene.source.address());
    scene.out.run(&["copy", "--attached", "none", &from, &archive]).success();
    scene.load("plain.tar").code(1).says("no bundle").says("tranship load");
    scene.load("gone.tar").code(3);
    fs::write(scene.out.path("rules.yaml.bundle.json"), "{\"version\": 9}").unwrap();
    scene.create("two.tar", &[]).code(1).says("version 9").says("--whole");
    // One image that cannot be read keeps the bundle from being made, and the state as it was.
    fs::remove_file(scene.out.path("rules.yaml.bundle.json")).unwrap();
    scene.source.lose_blob("team/app", &scene.first.all_blobs()[0].digest);
    scene.create("three.tar", &["--retries", "0"]).code(3);
    assert!(!fs::exists(scene.out.path("three.tar")).unwrap());
    assert!(!fs::exists(scene.out.path("rules.yaml.bundle.json")).unwrap());
}
