//! `pull` into the store, and `images`.

use super::{listed, name, store, with};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{artifact, image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::skopeo::Skopeo;

#[test]
fn skopeo_reads_what_was_pulled() {
    needs!("docker-registry", "skopeo");
    let image = index(vec![image().build(), image().architecture("arm64").build()]);
    let server = with(&image);
    let (program, skopeo) = (Program::new(), Skopeo::new());
    let run = program.run(&["pull", "-q", &format!("{}/a:v1", server.address())]).success();
    assert_eq!((run.stdout.trim(), run.stderr.as_str()), (image.digest(), ""));
    let kept = format!("oci:{}:{}:v1", store(&program), name(&server, "a"));
    assert_eq!(skopeo.inspect_raw(&kept).unwrap(), image.manifest.bytes);
    skopeo.copy(&kept, &format!("docker://{}/b:v1", server.address())).unwrap();
    assert!(Registry::at(&server.url()).holds("b", &image));
    skopeo.copy(&kept, &format!("oci:{}:x", program.path("copied"))).unwrap();
}

#[test]
fn by_tag_by_digest_and_by_both() {
    needs!("docker-registry", "skopeo");
    let (old, new) = (image().build(), image().build());
    let server = with(&old);
    Registry::at(&server.url()).push("a", &new, &["v1"]);
    let (program, home) = (Program::new(), name(&server, "a"));
    let pull = |text: &str| program.run(&["pull", "-q", &format!("{}/{text}", server.address())]).success().stdout;
    assert_eq!(pull(&format!("a@{}", old.digest())).trim(), old.digest());
    assert_eq!(listed(&program), [format!("{home}@{}", old.digest())]);
    assert_eq!(pull("a:v1").trim(), new.digest());
    assert_eq!(listed(&program), [format!("{home}:v1"), format!("{home}@{}", old.digest())]);
    // Tag and digest: what the digest says, under that tag.
    assert_eq!(pull(&format!("a:pinned@{}", old.digest())).trim(), old.digest());
    assert_eq!(listed(&program), [format!("{home}:pinned"), format!("{home}:v1")]);
    let raw = Skopeo::new().inspect_raw(&format!("oci:{}:{home}:pinned", store(&program))).unwrap();
    assert_eq!(raw, old.manifest.bytes);
    // What came by its digest is kept for that, whatever becomes of tags.
    program.run(&["delete", &format!("store:{home}:pinned")]).success();
    assert_eq!(listed(&program), [format!("{home}:v1"), format!("{home}@{}", old.digest())]);
}

#[test]
fn what_is_pulled_by_digest_is_kept_though_a_tag_brought_it_first() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let (program, home) = (Program::new(), name(&server, "a"));
    let by_digest = format!("{}/a@{}", server.address(), image.digest());
    program.run(&["pull", &format!("{}/a:v1", server.address())]).success();
    program.run(&["pull", &by_digest]).success();
    assert!(program.run(&["pull", &by_digest]).success().stdout.contains("(unchanged)"));
    program.run(&["delete", &format!("store:{home}:v1")]).success();
    assert_eq!(listed(&program), [format!("{home}@{}", image.digest())]);
}

#[test]
fn what_is_pulled_by_tag_and_digest_stays_when_the_tag_moves() {
    needs!("docker-registry");
    let (old, new) = (image().build(), image().build());
    let server = with(&old);
    let (program, home) = (Program::new(), name(&server, "a"));
    let pull = |words: &[&str]| program.run(&[&["pull"], words].concat()).success();
    let both = format!("{}/a:v1@{}", server.address(), old.digest());
    pull(&[&both]);
    assert_eq!(listed(&program), [format!("{home}:v1")], "one image, one line");
    assert!(pull(&[&both]).stdout.contains("(unchanged)"));
    pull(&["--to", "app:kept", &both]);
    Registry::at(&server.url()).push("a", &new, &["v1"]);
    pull(&[&format!("{}/a:v1", server.address())]);
    pull(&["--to", "app:kept", &format!("{}/a:v1", server.address())]);
    let kept = |home: &str, tag: &str| [format!("{home}:{tag}"), format!("{home}@{}", old.digest())];
    assert_eq!(listed(&program), [kept(&home, "v1"), kept("app", "kept")].concat());
}

#[test]
fn a_second_pull_changes_nothing_and_a_moved_tag_is_followed() {
    needs!("docker-registry");
    let (old, new) = (image().build(), image().build());
    let server = with(&old);
    let program = Program::new();
    let there = format!("{}/a:v1", server.address());
    program.run(&["pull", &there]).success();
    let files = tree(&store(&program));
    let run = program.run(&["pull", "-o", "json", &there]).success();
    assert_eq!(run.json()["images"][0]["unchanged"], true);
    assert_eq!(tree(&store(&program)), files);
    Registry::at(&server.url()).push("a", &new, &["v1"]);
    assert_eq!(program.run(&["pull", "-q", &there]).success().stdout.trim(), new.digest());
    let digest = program.run(&["resolve", "-o", "json", &format!("store:{}:v1", name(&server, "a"))]).success();
    assert_eq!(digest.json()["images"][0]["digest"], new.digest());
}

/// Every file below a directory with its time and length.
fn tree(root: &str) -> Vec<(String, std::time::SystemTime, u64)> {
    let mut found = Vec::new();
    let mut waiting = vec![std::path::PathBuf::from(root)];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else {
                found.push((entry.path().display().to_string(), metadata.modified().unwrap(), metadata.len()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn several_images_are_reported_one_by_one() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let program = Program::new();
    let (there, gone) = (format!("{}/a:v1", server.address()), format!("{}/a:gone", server.address()));
    let run = program.run(&["pull", "-o", "json", &gone, &there]).code(7);
    assert_eq!(run.json()["images"][0]["source"], there);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert!(error["message"].as_str().unwrap().contains(&gone));
    program.run(&["pull", &gone, &format!("{}/none", server.address())]).code(3);
    program.run(&["pull", "--to", "x", &there, &gone]).code(2).says("`--to` names one image");
    program.run(&["pull", "store:a"]).code(2).says("not an image of a remote registry");
}

#[test]
fn platforms_and_attached_things_are_picked_as_in_copies() {
    needs!("docker-registry");
    let all = index(vec![image().build(), image().architecture("arm64").build()]);
    let server = with(&all);
    let registry = Registry::at(&server.url());
    let signature = artifact(&all.manifest, "application/vnd.signature", b"x");
    registry.push("a", &signature, &[&format!("{}.sig", all.digest().replace(':', "-"))]);
    let program = Program::new();
    let there = format!("{}/a:v1", server.address());
    let run = program.run(&["pull", "-q", "--platform", "linux/arm64", "--to", "one:v1", &there]).success();
    assert_eq!(run.stdout.trim(), all.children[1].digest());
    program.run(&["pull", "-q", "--attached", "none", "--to", "bare:v1", &there]).success();
    program.run(&["pull", "-q", "--to", "signed:v1", &there]).success();
    let signature = format!("signed:{}.sig", all.digest().replace(':', "-"));
    assert_eq!(listed(&program), ["bare:v1", "one:v1", &signature, "signed:v1"]);
    // From the store it goes on with what is attached to it.
    program.run(&["push", "signed:v1", &format!("{}/b:v1", server.address())]).success();
    assert!(registry.manifest("b", &signature["signed:".len()..]).is_some());
}

#[test]
fn images_in_every_form() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let registry = Registry::at(&server.url());
    registry.push("team/app", &image().seed(1).layers(&[100_000]).build(), &["v1"]);
    let multi = index(vec![image().seed(2).build(), image().seed(3).architecture("arm64").build()]);
    registry.push("team/tool", &multi, &["v2"]);
    let program = Program::new();
    assert_eq!(program.run(&["images"]).success().stdout, "");
    assert_eq!(program.run(&["images", "-o", "json"]).success().json(), serde_json::json!({"images": []}));
    for image in ["team/app:v1".to_owned(), format!("team/tool@{}", multi.digest())] {
        program.run(&["pull", "-q", &format!("{}/{image}", server.address())]).success();
    }
    program.run(&["pull", "-q", "--to", "short:x", &format!("{}/team/app:v1", server.address())]).success();
    let text = crate::home::shown(&program.run(&["images"]), &server);
    insta::assert_snapshot!(text, @r"
    exit 0
    --- stdout
    REPOSITORY  TAG  DIGEST  SIZE  SHARED  CREATED  STORED
    127.0.0.1_PORT/team/app  v1  16992a28e882  100.3 KiB  100.3 KiB  AGO  AGO
    127.0.0.1_PORT/team/tool  -  0e47669590db  14.7 KiB  0 B  AGO  AGO
    short  x  16992a28e882  100.3 KiB  100.3 KiB  AGO  AGO
    --- stderr
    ");
    let json = program.run(&["images", "-o", "json"]).success().json();
    let first = &json["images"][0];
    assert_eq!(first["repository"], name(&server, "team/app"));
    assert_eq!((&first["tag"], &first["created"]), (&"v1".into(), &"2026-01-02T03:04:05Z".into()));
    assert!(first["stored"].is_string() && first["size"].as_u64().unwrap() > 100_000);
    let yaml = program.run(&["images", "-o", "yaml", "short"]).success();
    assert!(yaml.stdout.starts_with("images:\n- repository: short\n  tag: x\n  digest: sha256:"), "{}", yaml.stdout);
    let below = program.run(&["images", "-q", &server.address().replace(':', "_")]).success();
    assert_eq!(below.lines().len(), 2);
}

#[test]
fn what_would_be_pulled_is_said_and_nothing_is() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let program = Program::new();
    let there = format!("{}/a:v1", server.address());
    let run = program.run(&["pull", "--dry-run", &there]).success();
    assert!(run.stdout.starts_with(&format!("{there} -> store:{}:v1\n", name(&server, "a"))), "{}", run.shown());
    assert!(run.stdout.contains("  3 blobs to send"), "{}", run.shown());
    assert_eq!(program.run(&["images", "-q"]).success().stdout, "");
}

#[test]
fn images_are_found_by_the_name_that_they_have_in_their_registry() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let program = Program::new();
    let there = format!("{}/a:v1", server.address());
    program.run(&["pull", "-q", &there]).success();
    for text in [there.as_str(), server.address(), "a", "a:v1", &format!("{}/a/", server.address())] {
        let found = program.run(&["images", "-q", text]).success();
        assert_eq!(found.stdout, format!("{}:v1\n", name(&server, "a")), "{text}");
    }
    for text in ["b", "a:v2"] {
        let none = program.run(&["images", text]).success();
        assert_eq!(none.stdout, "");
        none.says(&format!("hint: no image at home is called `{text}`"));
    }
    program.run(&["images", "A?"]).code(2);
}
