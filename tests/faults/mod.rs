//! What happens when things go wrong: one test for every fault, run through the real program.
//!
//! The numbers in the names are those of `tests/tables/faults.md`. Whatever the fault, the same holds, and
//! [`Scene::arrived`] and [`Scene::failed`] see to it: the tag at the destination is the old one or the complete new
//! one; nothing lies under a name that is not its hash, though the destination itself compares nothing; a run after
//! the fault completes, and moves only what is missing; no secret is told; no run takes more than a minute; no
//! request is repeated without end; the exit code says the class; nothing half done is left lying about.

mod answers;
mod collection;
pub(crate) mod disk;
mod http2;
mod images;
mod network;
mod processes;
mod ranges;
mod reading;
mod requests;
mod resumed;
mod several;
mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;

use crate::support::content::sha256;
use crate::support::images::{Content, Image, image};
use crate::support::program::{Output, Program};
use crate::support::scripted::{Ability, Scripted, Settings};
use crate::support::server::Request;

/// The password that no output may show.
pub(super) const CANARY: &str = "canary-5f0c9d";
/// How often one request is sent at most.
const TRIES: usize = 6;
/// How many bytes manifests, errors and their like take at most.
const SMALL: usize = 64 * 1024;

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

    /// With registries of the caller's choice; the source asks for a password, the destination takes what comes.
    pub(super) fn with(new: Image, source: Settings, destination: Settings) -> Self {
        let source = source.basic("bob", CANARY).start();
        let destination = destination.without(Ability::CheckDigests).start();
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
        self.nothing_is_wrong();
        assert_eq!(left_over(self.program.home()), Vec::<PathBuf>::new(), "{}", output.shown());
        output
    }

    /// Asserts that it failed with `code` and changed nothing, and that it goes well once the fault is gone.
    #[track_caller]
    pub(super) fn failed(&self, sink: Sink, output: Output, code: i32) -> Output {
        let output = output.code(code).keeps_quiet_about(CANARY);
        assert_eq!(self.standing(sink), self.old.digest(), "the tag is where it was");
        self.no_storm();
        self.nothing_is_wrong();
        self.source.behave();
        self.destination.behave();
        self.rest_arrives(sink);
        output
    }

    /// Asserts that another run completes, and moves only what is missing.
    #[track_caller]
    pub(super) fn rest_arrives(&self, sink: Sink) {
        let missing: usize = self.missing(sink).iter().map(|blob| blob.bytes.len()).sum();
        let (sent, taken, open) = (self.source.sent(), self.uploaded(), self.destination.open_uploads());
        self.arrived(sink, self.bring(sink));
        let read = usize::try_from(self.source.sent() - sent).unwrap();
        assert!(read <= missing + SMALL, "{read} bytes were read, and {missing} missing");
        let written = self.uploaded() - taken;
        assert!(written <= missing + SMALL, "{written} bytes were written, and {missing} missing");
        assert!(self.destination.open_uploads() <= open, "no upload is left open");
    }

    /// The blobs that are not at `sink`.
    pub(super) fn missing(&self, sink: Sink) -> Vec<&Content> {
        let stored = blobs_below(self.program.home());
        let there = |digest: &str| match sink {
            Sink::Registry => self.destination.blob("b", digest).is_some(),
            Sink::Store => stored.contains_key(digest),
        };
        self.image.all_blobs().into_iter().filter(|blob| !there(&blob.digest)).collect()
    }

    /// How many bytes of blobs came to the destination.
    fn uploaded(&self) -> usize {
        let uploads = self.destination.requests().into_iter().filter(|request| request.target.contains("/uploads/"));
        uploads.map(|request| request.body.len()).sum()
    }

    /// Asserts that every blob is what it is named after.
    #[track_caller]
    fn nothing_is_wrong(&self) {
        assert_no_wrong_names(self.program.home());
        assert_eq!(self.destination.wrong_blobs(), Vec::<String>::new());
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

/// What is on its way into a store or into place below `directory`. An empty lock is none: one that a killed run left
/// is taken by the next that needs it.
pub(super) fn left_over(directory: &Path) -> Vec<PathBuf> {
    let has_extension = |file: &PathBuf, wanted: &str| file.extension().is_some_and(|extension| extension == wanted);
    let is_temporary = |file: &PathBuf| has_extension(file, "tmp");
    let is_partial = |file: &PathBuf| {
        file.parent().is_some_and(|parent| parent.ends_with("uploads")) && !has_extension(file, "lock")
    };
    files_below(directory).into_iter().filter(|file| is_temporary(file) || is_partial(file)).collect()
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
