//! Runs that are killed in the midst of a big blob, and what the next run moves again. Bytes are counted at the servers.
//!
//! `TRANSHIP_TEST_MOMENTS` says how many times each run is killed, at moments that chance picks; twice where it
//! says nothing.

use std::path::PathBuf;

use crate::support::content::fresh_seed;
use crate::support::docker_registry::DockerRegistry;
use crate::support::eventually;
use crate::support::images::{Image, bulk};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::relay::Relay;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Delivery;

/// The bytes of a big blob.
const SIZE: usize = 256 * 1024 * 1024;
/// The most bytes of a blob that may be moved again.
const AGAIN: u64 = 8 * 1024 * 1024;

/// Moments at which a run is killed, in bytes of `size`.
fn moments(size: usize) -> impl Iterator<Item = u64> {
    let count = std::env::var("TRANSHIP_TEST_MOMENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(2);
    std::iter::repeat_with(move || fresh_seed() % size as u64).take(count)
}

/// Starts a run, kills it once `reached` says so, and waits until the servers have noticed.
fn kill(program: &Program, words: &[&str], servers: &[&Scripted], reached: impl Fn() -> bool) {
    let before: Vec<usize> = servers.iter().map(|server| server.connections()).collect();
    let running = program.invoke(words).start();
    // Where it has come and gone, the moment was too late.
    let is_over = |(server, before): (&&Scripted, &usize)| server.is_idle() && server.connections() > *before;
    eventually("the moment", || reached() || servers.iter().zip(&before).all(is_over));
    running.signal_if_running("KILL");
    running.finish();
    eventually("the servers have noticed", || servers.iter().all(|server| server.is_idle()));
}

/// Nothing is kept for another run.
#[track_caller]
fn assert_nothing_kept(program: &Program) {
    let kept = program.run(&["transfers", "list", "-o", "json"]).success();
    assert_eq!(kept.json(), serde_json::json!({"transfers": [], "partialBlobs": []}));
}

/// All bytes of an image's blobs.
fn bytes_of(image: &Image) -> u64 {
    image.all_blobs().iter().map(|blob| blob.bytes.len() as u64).sum()
}

#[test]
fn f38_a_copy_that_is_killed_goes_on_in_the_midst_of_its_blob() {
    let (source, image) = (Scripted::start(), bulk(&[SIZE]));
    source.put("a", &image, &["v1"]);
    for moment in moments(SIZE) {
        let (program, destination) = (Program::new(), Scripted::start());
        let (from, to) = (format!("{}/a:v1", source.address()), format!("{}/b:v1", destination.address()));
        let words = ["copy", "--attached", "none", &from, &to];
        kill(&program, &words, &[&source, &destination], || destination.received() >= moment);
        let (arrived, read) = (destination.received(), source.sent());
        program.run(&words).success();
        assert!(destination.holds("b", &image));
        let sent_again = destination.received().saturating_sub(bytes_of(&image) + image.manifest.bytes.len() as u64);
        assert!(sent_again <= AGAIN, "killed at {moment}, {arrived} had arrived: {sent_again} were sent again");
        let missing = bytes_of(&image).saturating_sub(arrived);
        let read = source.sent() - read;
        assert!(read <= missing + AGAIN, "killed at {moment}, {arrived} had arrived: {read} were read again");
        assert_nothing_kept(&program);
    }
}

#[test]
fn f38_a_push_that_is_killed_goes_on_in_the_midst_of_its_blob() {
    let (source, image, program) = (Scripted::start(), bulk(&[SIZE]), Program::new());
    source.put("a", &image, &["v1"]);
    program.run(&["pull", "--attached", "none", "--to", "a:v1", &format!("{}/a:v1", source.address())]).success();
    for moment in moments(SIZE) {
        let destination = Scripted::start();
        let words = ["push", "--attached", "none", "a:v1", &format!("{}/b:v1", destination.address())];
        kill(&program, &words, &[&destination], || destination.received() >= moment);
        let arrived = destination.received();
        program.run(&words).success();
        assert!(destination.holds("b", &image));
        let sent_again = destination.received().saturating_sub(bytes_of(&image) + image.manifest.bytes.len() as u64);
        assert!(sent_again <= AGAIN, "killed at {moment}, {arrived} had arrived: {sent_again} were sent again");
        assert_nothing_kept(&program);
    }
}

#[test]
fn f38_a_pull_that_is_killed_goes_on_in_the_midst_of_its_blob() {
    let (source, image) = (Scripted::start(), bulk(&[SIZE]));
    source.put("a", &image, &["v1"]);
    for moment in moments(SIZE) {
        let program = Program::new();
        let before = source.sent();
        let words = ["pull", "--attached", "none", &format!("{}/a:v1", source.address())];
        kill(&program, &words, &[&source], || source.sent() - before >= moment);
        let kept = program.run(&["transfers", "list", "-o", "json"]).success().json();
        let kept: u64 = kept["partialBlobs"].as_array().unwrap().iter().filter_map(|blob| blob["bytes"].as_u64()).sum();
        let is_whole = super::blobs_below(program.home()).contains_key(&image.blobs[1].digest);
        let kept = if is_whole { SIZE as u64 } else { kept };
        // What the source sent, but for what was in the buffers in between.
        assert!(kept + 32 * 1024 * 1024 >= moment, "killed at {moment}, {kept} were kept");
        let before = source.sent();
        program.run(&words).success();
        super::assert_store_holds(program.home(), &image);
        let (read, missing) = (source.sent() - before, bytes_of(&image) - kept);
        assert!(read <= missing + AGAIN, "killed at {moment}, {kept} were kept: {read} were read again");
        assert_nothing_kept(&program);
    }
}

/// A run that is killed in the midst of its only layer, and whose journal says so.
struct Half {
    program: Program,
    source: Scripted,
    destination: Scripted,
    image: Image,
}

impl Half {
    fn new() -> Self {
        let (source, destination, program) = (Scripted::start(), Scripted::start(), Program::new());
        let image = bulk(&[20_000_000]);
        source.put("a", &image, &["v1"]);
        source.rule(when("GET", &image.blobs[1].digest), Act::deliver(Delivery::StallAfter(15_000_000)));
        let half = Self { program, source, destination, image };
        let noted = || half.journal().is_some_and(|(_, text)| text.matches("\"read\"").count() > 1);
        let words = half.words();
        let running = half.program.invoke(&words.iter().map(String::as_str).collect::<Vec<_>>()).start();
        eventually("much of it is noted", || noted() && half.destination.received() > 14_000_000);
        running.signal("KILL");
        running.finish();
        half.source.behave();
        eventually("the servers have noticed", || half.destination.is_idle());
        half
    }

    fn words(&self) -> [String; 5] {
        let (from, to) = (format!("{}/a:v1", self.source.address()), format!("{}/b:v1", self.destination.address()));
        ["copy".to_owned(), "--attached".to_owned(), "none".to_owned(), from, to]
    }

    /// The file and the text of the journal.
    fn journal(&self) -> Option<(PathBuf, String)> {
        let files = std::fs::read_dir(self.program.home().join("state/tranship/transfers")).ok()?.flatten();
        let path = files.map(|file| file.path()).find(|path| path.extension().is_some_and(|end| end == "jsonl"))?;
        Some((path.clone(), std::fs::read_to_string(path).ok()?))
    }

    /// Changes what the journal says.
    fn rewrite(&self, change: impl Fn(String) -> String) {
        let (path, text) = self.journal().unwrap();
        let changed = change(text.clone());
        assert_ne!(text, changed);
        std::fs::write(path, changed).unwrap();
    }

    /// Runs the same again, which goes well; how many bytes were sent once more.
    #[track_caller]
    fn complete(&self) -> u64 {
        let words = self.words();
        self.program.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).success();
        assert!(self.destination.holds("b", &self.image));
        assert_nothing_kept(&self.program);
        self.destination.received().saturating_sub(bytes_of(&self.image) + self.image.manifest.bytes.len() as u64)
    }
}

#[test]
fn f38_a_journal_is_believed_in_nothing_and_costs_bytes_at_most() {
    assert_eq!(Half::new().complete(), 0, "as it is");

    for status in [403, 404, 500] {
        let half = Half::new();
        half.destination.rule(when("GET", "/uploads/").once(), Act::status(status));
        let again = half.complete();
        assert_eq!(again == 0, status == 500, "HTTP {status}: what passes is asked for again, else it begins anew");
    }
    // The state of one place put in the place of another: the content seems wrong, and what travels again is right.
    // How much that is depends on whether the registry, which compares it too, has taken it by then.
    let half = Half::new();
    half.rewrite(|text| {
        let states: Vec<&str> =
            text.split("\"state\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        text.replace(states.last().unwrap(), states[0])
    });
    half.complete();
    // An upload of another server is not gone on with.
    let (half, other) = (Half::new(), Scripted::start());
    half.rewrite(|text| {
        let session = format!("http://{}/v2/", half.destination.address());
        text.replace(&session, &format!("http://{}/v2/", other.address()))
    });
    assert!(half.complete() > 13_000_000);
    assert_eq!(other.requests().len(), 0);
    // Nonsense is as good as nothing.
    let half = Half::new();
    half.rewrite(|text| text.replace('{', "["));
    assert!(half.complete() > 13_000_000);
}

/// Debian's registry loses an upload that is cut (quirk 63), but not what was closed before.
#[test]
fn f38_of_a_killed_copy_no_finished_blob_travels_again() {
    needs!("docker-registry");
    let sizes = [20_000_000; 8];
    let (source, image) = (Scripted::start(), bulk(&sizes));
    source.put("a", &image, &["v1"]);
    for moment in moments(sizes.iter().sum()) {
        let (program, registry) = (Program::new(), DockerRegistry::open());
        let relay = Relay::to(registry.address());
        let (from, to) = (format!("{}/a:v1", source.address()), format!("{}/b:v1", relay.address()));
        let words = ["copy", "--attached", "none", &from, &to];
        kill(&program, &words, &[&source], || relay.uploaded() >= moment);
        let there = Registry::at(&registry.url());
        let finished = |digest: &str| there.request("HEAD", &format!("/v2/b/blobs/{digest}"), &[], b"").status == 200;
        // The config is small enough to be the one that goes ahead unasked, to find out how the registry tells.
        let layers = image.blobs.iter().filter(|blob| blob.bytes.len() > 65_536);
        let finished: Vec<&str> = layers.map(|blob| blob.digest.as_str()).filter(|digest| finished(digest)).collect();
        source.forget_requests();
        program.run(&words).success();
        assert!(there.holds("b", &image));
        for digest in &finished {
            assert_eq!(source.count("GET", digest), 0, "killed at {moment}: {digest} was there");
        }
        assert_nothing_kept(&program);
    }
}

#[test]
fn f41_of_two_pulls_one_waits_for_the_blobs_of_the_other() {
    let (source, image, program) = (Scripted::start(), bulk(&[30_000_000, 20_000_000, 1000]), Program::new());
    source.put("a", &image, &["v1"]);
    let words = ["pull", "--attached", "none", &format!("{}/a:v1", source.address())];
    let both = [program.invoke(&words).start(), program.invoke(&words).start()];
    for running in both {
        running.finish().success();
    }
    super::assert_store_holds(program.home(), &image);
    for blob in image.all_blobs() {
        assert_eq!(source.count("GET", &blob.digest), 1, "{:?}", source.lines());
    }
}
