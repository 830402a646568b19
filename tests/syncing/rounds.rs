//! What a round does: it brings what is not there, looks at what is, and goes on where something fails.

use std::time::Duration;

use super::{sync, timeless, with_rules, write_rules};
use crate::support::eventually;
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Request, Response};

#[test]
fn a_repository_is_kept_the_same_at_several_places() {
    let (source, one, other) = (Scripted::start(), Scripted::start(), Scripted::start());
    let images = [image().build(), image().build(), image().build()];
    for (image, tag) in images.iter().zip(["1.0", "1.1", "2.0"]) {
        source.put("app", image, &[tag]);
    }
    let program = Program::new();
    let from = format!("{}/app", source.address());
    let to = [format!("{}/app", one.address()), format!("{}/mirror/app", other.address())];
    let words = ["sync", "--attached", "none", &from, &to[0], &to[1]];
    let output = program.run(&words).success();
    insta::assert_snapshot!(timeless(&output), @r"
    exit 0
    --- stdout
    127.0.0.1:PORT/app:1.0@sha256:DIGEST  (3 blobs sent, SIZE)
    127.0.0.1:PORT/app:1.1@sha256:DIGEST  (3 blobs sent, SIZE)
    127.0.0.1:PORT/app:2.0@sha256:DIGEST  (3 blobs sent, SIZE)
    127.0.0.1:PORT/mirror/app:1.0@sha256:DIGEST  (3 blobs sent, SIZE)
    127.0.0.1:PORT/mirror/app:1.1@sha256:DIGEST  (3 blobs sent, SIZE)
    127.0.0.1:PORT/mirror/app:2.0@sha256:DIGEST  (3 blobs sent, SIZE)
    6 copied (SIZE sent), 0 unchanged; TIME
    --- stderr
    ");
    assert!(images.iter().all(|image| one.holds("app", image) && other.holds("mirror/app", image)));
    assert_eq!(source.count("GET", "/blobs/"), 9, "every blob is read once for both");
    let moved = image().build();
    source.put("app", &moved, &["1.1"]);
    let output = program.run(&words).success();
    assert!(timeless(&output).contains("2 copied (SIZE sent), 4 unchanged"), "{}", output.shown());
    assert_eq!(one.tag("app", "1.1").as_deref(), Some(moved.digest()));
}

#[test]
fn a_thousand_unchanged_tags_cost_two_requests_each_and_no_manifest() {
    const TAGS: usize = 1000;
    let (source, destination) = (Scripted::settings().page(TAGS).start(), Scripted::start());
    let image = image().build();
    let tags: Vec<String> = (0..TAGS).map(|number| format!("v{number}")).collect();
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    source.put("app", &image, &names);
    destination.put("app", &image, &names);
    let program = with_rules(&source, &destination, "rules: [{from: SRC/app, to: DST/app}]\n");
    let output = sync(&program, &[]).success();
    assert!(output.stdout.starts_with("0 copied, 1000 unchanged; "), "{}", output.shown());
    assert_eq!((source.count("HEAD", "/manifests/"), destination.count("HEAD", "/manifests/")), (TAGS, TAGS));
    let lists = source.count("GET", "/tags/list");
    assert!(lists <= 2, "{lists} pages");
    assert_eq!(source.lines().len() + destination.lines().len(), 2 * TAGS + lists);
}

#[test]
fn f49_of_a_thousand_images_ten_fail_and_the_next_run_tries_ten() {
    const TAGS: usize = 1000;
    let (source, destination) = (Scripted::settings().page(TAGS).start(), Scripted::start());
    let images: Vec<_> = (0..TAGS).map(|_| image().layers(&[100]).build()).collect();
    for (number, image) in images.iter().enumerate() {
        source.put("app", image, &[&format!("v{number}")]);
    }
    let failing: Vec<String> =
        (0..TAGS).skip(42).step_by(100).map(|number| images[number].manifest.digest.clone()).collect();
    let layers: Vec<String> =
        (0..TAGS).skip(42).step_by(100).flat_map(|n| images[n].all_blobs()).map(|blob| blob.digest.clone()).collect();
    assert_eq!(failing.len(), 10);
    let refused = layers.clone();
    let refuse = move |request: &Request| {
        let fails = refused.iter().any(|digest| request.target.contains(digest.as_str()));
        fails.then(|| Response::error(403, "DENIED"))
    };
    source.rule(when("GET", "/blobs/"), Act::answer_if(refuse));
    let program = with_rules(&source, &destination, "rules: [{from: SRC/app, to: DST/app}]\n");
    let output = sync(&program, &[]).code(7).says("app:v42` to").says("app:v942` to");
    assert!(output.stdout.contains("990 copied"), "{}", output.shown());
    assert!(output.stdout.contains("0 unchanged, 10 failed; "), "{}", output.shown());
    assert_eq!(output.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 10);
    source.behave();
    source.forget_requests();
    let output = sync(&program, &[]).success();
    assert!(output.stdout.contains("10 copied") && output.stdout.contains("990 unchanged"), "{}", output.shown());
    let read: Vec<Request> = source.requests().into_iter().filter(|one| one.target.contains("/blobs/")).collect();
    assert_eq!(read.len(), layers.len(), "config and layer of those that failed");
    assert_eq!(source.count("GET", "/manifests/"), 10);
}

#[test]
fn a_dry_run_tells_the_bytes_and_does_nothing() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    let image = image().build();
    source.put("app", &image, &["1.0", "latest"]);
    let program = with_rules(&source, &destination, "rules: [{from: SRC/app, to: DST/app}]\n");
    let output = sync(&program, &["--dry-run"]).success();
    // The second tag is of the same image, whose blobs go once.
    let shown = timeless(&output);
    assert!(shown.contains("2 to copy (SIZE to send), 0 unchanged"), "{shown}");
    assert!(shown.contains("(3 blobs to send, SIZE)") && shown.contains("(3 blobs there, SIZE)"), "{shown}");
    assert!(output.stdout.contains("app:1.0 -> "), "{}", output.shown());
    assert!(destination.tags("app").is_empty());
    assert!(destination.lines().iter().all(|line| line.starts_with("HEAD")), "{:?}", destination.lines());
    let json = sync(&program, &["--dry-run", "-o", "json"]).success().json();
    assert_eq!((&json["summary"]["copied"], &json["summary"]["dryRun"]), (&2.into(), &true.into()));
    let bytes: usize = image.all_blobs().iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(json["summary"]["sent"]["bytes"], bytes);
    assert_eq!(json["images"].as_array().map(Vec::len), Some(2));
    assert!(json["images"][0]["blobs"].is_array(), "{json}");
}

#[test]
fn what_is_overwritten_keeps_a_name() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    let images = [image().build(), image().build(), image().build()];
    source.put("app", &images[0], &["1.0", "same"]);
    let rules =
        "rules: [{from: SRC/app, to: DST/app, backup-tag: \"{tag}-before-{date}\", tags: {match: [\"1.0\", same]}}]\n";
    let program = with_rules(&source, &destination, rules);
    sync(&program, &[]).success();
    assert_eq!(destination.tags("app"), ["1.0", "same"], "what is new overwrites nothing");
    source.put("app", &images[1], &["1.0"]);
    let dry = sync(&program, &["--dry-run"]).success();
    assert!(dry.stdout.contains("would keep what was there as 1.0-before-2"), "{}", dry.shown());
    assert_eq!(destination.tags("app").len(), 2);
    let output = sync(&program, &["-o", "json"]).success().json();
    let first = output["images"][0]["backup"].as_str().unwrap().to_owned();
    assert!(first.starts_with("1.0-before-20"), "{output}");
    assert_eq!(output["summary"]["backups"], 1);
    source.put("app", &images[2], &["1.0"]);
    let output = sync(&program, &[]).success();
    assert_eq!(destination.tag("app", "1.0").as_deref(), Some(images[2].digest()));
    assert_eq!(destination.tag("app", &first).as_deref(), Some(images[0].digest()));
    // Where the day changed in between there is no second one of the same day.
    let kept = destination.tags("app");
    assert_eq!(kept.len(), 4, "{kept:?}\n{}", output.shown());
    assert!(kept.iter().any(|tag| destination.tag("app", tag).as_deref() == Some(images[1].digest())));
}

#[test]
fn platforms_and_attached_things_follow_the_rule() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    let (amd, arm) = (image().build(), image().architecture("arm64").build());
    let both = index(vec![amd.clone(), arm.clone()]);
    source.put("app", &both, &["1.0"]);
    let signature = crate::support::images::artifact(&both.manifest, "a/signature", b"signed");
    source.put("app", &signature, &[]);
    let rules = "defaults: {to: DST/mirror, attached: image}\nrules: [{from: SRC/app}]\n";
    let program = with_rules(&source, &destination, rules);
    let file = program.path("rules.yaml");
    program.run(&["sync", "-f", &file]).success();
    let repository = format!("mirror/{}/app", source.address().replace(':', "_"));
    assert!(destination.holds(&repository, &both) && destination.holds(&repository, &signature));
    write_rules(&program, &source, &destination, "rules: [{from: SRC/app, to: DST/arm, platforms: linux/arm64}]\n");
    sync(&program, &[]).success();
    assert_eq!(destination.tag("arm", "1.0").as_deref(), Some(arm.digest()));
    assert!(!destination.holds("arm", &amd));
    let again = sync(&program, &[]).success();
    assert!(again.stdout.starts_with("0 copied, 1 unchanged"), "{}", again.shown());
}

#[test]
fn the_store_is_a_place_as_any() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    let image = image().build();
    source.put("app", &image, &["1.0", "2.0"]);
    let program = with_rules(&source, &destination, "rules: [{from: SRC/app, to: \"store:kept/app\"}]\n");
    sync(&program, &[]).success();
    write_rules(&program, &source, &destination, "rules: [{from: \"store:kept/*\", to: DST/back}]\n");
    sync(&program, &[]).success();
    assert_eq!(destination.tags("back/app"), ["1.0", "2.0"]);
    assert!(destination.holds("back/app", &image));
}

#[test]
fn it_goes_on_for_ever_and_tells_what_rounds_came_to() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    source.put("app", &image().build(), &["1.0"]);
    let program = with_rules(&source, &destination, "rules: [{from: SRC/app, to: DST/app}]\n");
    let (file, metrics) = (program.path("rules.yaml"), program.path("sync.prom"));
    let words = ["sync", "--attached", "none", "-f", &file, "--every", "1s", "--metrics", &metrics];
    let running = program.invoke(&words).limit(Duration::from_mins(1)).start();
    let text = || std::fs::read_to_string(&metrics).unwrap_or_default();
    eventually("a second round", || text().contains("tranship_sync_rounds_total{result=\"done\"} 2"));
    assert!(text().contains("result=\"copied\"} 1"), "{}", text());
    // A file of rules that is wrong for a while, and what fails, end nothing.
    std::fs::write(&file, "rules: [{form: x}]\n").unwrap();
    write_rules(&program, &source, &destination, "rules: [{from: SRC/gone, to: DST/app}]\n");
    eventually("a failure", || text().contains("tranship_sync_rounds_total{result=\"failed\"}"));
    assert!(text().contains("tranship_sync_last_success_timestamp_seconds 1"), "{}", text());
    running.signal("TERM");
    let output = running.finish().code(143);
    assert!(
        output.stdout.contains("1 copied") && output.stdout.contains("0 copied, 1 unchanged"),
        "{}",
        output.shown()
    );
}

#[test]
fn parts_together_do_everything_once() {
    let source = Scripted::start();
    let image = image().build();
    let tags: Vec<String> = (0..30).map(|number| format!("v{number}")).collect();
    source.put("app", &image, &tags.iter().map(String::as_str).collect::<Vec<_>>());
    let mut all = Vec::new();
    for part in 0..3 {
        let destination = Scripted::start();
        let program = with_rules(&source, &destination, "rules: [{from: SRC/app, to: DST/app}]\n");
        sync(&program, &["--shard", &format!("{part}/3")]).success();
        let mine = destination.tags("app");
        assert!((2..20).contains(&mine.len()), "{mine:?}");
        all.extend(mine);
    }
    all.sort();
    let mut tags = tags;
    tags.sort();
    assert_eq!(all, tags);
    Program::new().run(&["sync", "a", "b", "--shard", "3/3"]).code(2).says("the last is 2");
}

#[test]
fn a_destination_that_is_down_keeps_none_from_the_others() {
    let (source, good) = (Scripted::start(), Scripted::start());
    source.put("app", &image().build(), &["1.0", "1.1"]);
    let down = "127.0.0.1:1";
    let program = Program::new();
    let from = format!("{}/app", source.address());
    let to = [format!("{}/app", good.address()), format!("{down}/app")];
    let output = program.run(&["sync", "--attached", "none", "--retries", "0", &from, &to[0], &to[1]]);
    let output = output.code(7).says("127.0.0.1:1/app:1.0`").says("registry test");
    assert!(output.stdout.contains("2 copied") && output.stdout.contains("2 failed"), "{}", output.shown());
    assert_eq!(good.tags("app"), ["1.0", "1.1"]);
}
