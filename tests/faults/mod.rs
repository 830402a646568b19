//! What happens when things go wrong: one test for every fault, run through the real program.
//!
//! The numbers in the names are those of `tests/tables/faults.md`. Whatever the fault, the same holds: the tag at
//! the destination is the old one or the complete new one; nothing lies under a name that is not its hash; a run
//! after the fault completes; no secret is told; no request is repeated without end; the exit code says the class.

mod disk;
mod images;
mod network;
mod processes;
mod ranges;
mod reading;
mod requests;
mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;

use crate::support::content::sha256;
use crate::support::images::{Content, Image, image};
use crate::support::program::{Output, Program};
use crate::support::scripted::{Scripted, Settings};
use crate::support::server::Request;

/// The password that no output may show.
pub(super) const CANARY: &str = "canary-5f0c9d";
/// How often one request is sent at most.
const TRIES: usize = 6;

/// An image at one registry that is to replace another one elsewhere.
pub(super) struct Scene {
    pub(super) program: Program,
    pub(super) source: Scripted,
    pub(super) destination: Scripted,
    /// What `a:v1` is at the source.
    pub(super) image: Image,
    /// What `b:v1` is at the destination and in the store before.
    pub(super) old: Image,
}

/// Where the image is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    Registry,
    Store,
}

pub(super) const SINKS: [Sink; 2] = [Sink::Registry, Sink::Store];

impl Scene {
    /// With one layer for each size.
    pub(super) fn new(layers: &[usize]) -> Self {
        Self::of(image().layers(layers).build())
    }

    pub(super) fn of(image: Image) -> Self {
        Self::with(image, Scripted::settings(), Scripted::settings())
    }

    /// With registries of the caller's choice; the source asks for a password.
    pub(super) fn with(new: Image, source: Settings, destination: Settings) -> Self {
        let (source, destination) = (source.basic("bob", CANARY).start(), destination.start());
        let old = image().build();
        source.put("a", &new, &["v1"]);
        source.put("a", &old, &["old"]);
        destination.put("b", &old, &["v1"]);
        let mut program = Program::new();
        let password = base64::engine::general_purpose::STANDARD.encode(format!("bob:{CANARY}"));
        let entry = serde_json::json!({"auths": {source.address(): {"auth": password}}});
        std::fs::write(program.home().join("auth.json"), entry.to_string()).unwrap();
        program.set("REGISTRY_AUTH_FILE", &program.path("auth.json"));
        let scene = Self { program, source, destination, image: new, old };
        scene.run(&["copy", "--attached", "none", &scene.named("a:old"), "store:b:v1"]).success();
        scene.source.forget_requests();
        scene
    }

    fn run(&self, words: &[&str]) -> Output {
        self.program.run(words)
    }

    /// `IP:PORT/NAME` at the source.
    pub(super) fn named(&self, name: &str) -> String {
        format!("{}/{name}", self.source.address())
    }

    /// The words of the command that brings the image to `sink`.
    pub(super) fn words(&self, sink: Sink) -> Vec<String> {
        let to = match sink {
            Sink::Registry => format!("{}/b:v1", self.destination.address()),
            Sink::Store => "store:b:v1".to_owned(),
        };
        let words = ["copy", "--attached", "none", "--timeout", "1", &self.named("a:v1"), &to];
        words.iter().map(ToString::to_string).collect()
    }

    /// Brings the image to `sink`.
    pub(super) fn bring(&self, sink: Sink) -> Output {
        let words = self.words(sink);
        self.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The biggest layer.
    pub(super) fn layer(&self) -> &Content {
        self.image.all_blobs().into_iter().max_by_key(|blob| blob.bytes.len()).unwrap()
    }

    /// What stands for the biggest layer in every request about it.
    pub(super) fn layer_word(&self) -> &str {
        self.layer().digest.rsplit(':').next().unwrap()
    }

    /// The digest of `b:v1` at `sink`.
    pub(super) fn standing(&self, sink: Sink) -> String {
        match sink {
            Sink::Registry => self.destination.tag("b", "v1").unwrap_or_default(),
            Sink::Store => {
                let output = self.run(&["resolve", "-q", "store:b:v1"]).success();
                output.stdout.trim().rsplit('@').next().unwrap().to_owned()
            }
        }
    }

    /// Asserts that the image came, whole, and that nothing else is wrong.
    #[track_caller]
    pub(super) fn arrived(&self, sink: Sink, output: Output) -> Output {
        let output = output.success().keeps_quiet_about(CANARY);
        assert_eq!(self.standing(sink), self.image.digest(), "{}", output.shown());
        match sink {
            Sink::Registry => assert!(self.destination.holds("b", &self.image), "{}", output.shown()),
            Sink::Store => assert_store_holds(self.program.home(), &self.image),
        }
        self.no_storm();
        output
    }

    /// Asserts that it failed with `code` and changed nothing, and that it goes well once the fault is gone.
    #[track_caller]
    pub(super) fn failed(&self, sink: Sink, output: Output, code: i32) -> Output {
        let output = output.code(code).keeps_quiet_about(CANARY);
        assert_eq!(self.standing(sink), self.old.digest(), "the tag is where it was");
        self.no_storm();
        assert_no_wrong_names(self.program.home());
        self.source.behave();
        self.destination.behave();
        self.arrived(sink, self.bring(sink));
        output
    }

    /// Asserts that no request was sent more often than is allowed without getting on.
    #[track_caller]
    pub(super) fn no_storm(&self) {
        for registry in [&self.source, &self.destination] {
            let mut seen = BTreeMap::<String, usize>::new();
            // A request that opens an upload does not say of which blob.
            let nameless = |request: &Request| request.method == "POST" && request.target.ends_with("/uploads/");
            let opened = registry.requests().iter().filter(|request| nameless(request)).count();
            assert!(opened <= TRIES * self.image.all_blobs().len(), "{opened} uploads were opened");
            for request in registry.requests().into_iter().filter(|request| !nameless(request)) {
                let range = request.header("range").unwrap_or_default();
                *seen.entry(format!("{} {} {range}", request.method, request.target)).or_default() += 1;
            }
            let most = seen.iter().max_by_key(|(_, count)| **count);
            assert!(most.is_none_or(|(_, count)| *count <= TRIES), "{most:?}");
        }
    }
}

/// Every file below `directory`.
pub(super) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// The blobs of every layout below `directory`, by the digest that they are named after.
pub(super) fn blobs_below(directory: &Path) -> BTreeMap<String, PathBuf> {
    let files = files_below(directory).into_iter().filter(|file| file.parent().unwrap().ends_with("blobs/sha256"));
    files.map(|file| (format!("sha256:{}", file.file_name().unwrap().to_str().unwrap()), file)).collect()
}

/// Asserts that every blob below `directory` is what it is named after.
#[track_caller]
pub(super) fn assert_no_wrong_names(directory: &Path) {
    for (digest, file) in blobs_below(directory) {
        assert_eq!(sha256(&std::fs::read(&file).unwrap()), digest, "{}", file.display());
    }
}

/// Asserts that everything of `image` lies below `directory`, and nothing under a wrong name.
#[track_caller]
pub(super) fn assert_store_holds(directory: &Path, image: &Image) {
    assert_no_wrong_names(directory);
    let blobs = blobs_below(directory);
    let wanted = image.all_blobs().into_iter().chain(image.all_manifests());
    for content in wanted {
        assert!(blobs.contains_key(&content.digest), "{} is missing", content.digest);
    }
}
