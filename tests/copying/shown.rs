//! What `copy` prints.

use super::Pair;
use crate::support::images::{image, index};
use crate::support::program::Output;

/// Two platforms, always the same bytes.
fn fixed() -> Pair {
    let pair = Pair::start();
    let child = |architecture, seed| image().seed(seed).layers(&[100_000, 2000]).architecture(architecture).build();
    let all = index(vec![child("amd64", 1), child("arm64", 2)]);
    pair.put("team/app", &all, &["v1"]);
    pair
}

fn copy(pair: &Pair, destination: &str, flags: &[&str]) -> Output {
    let (source, destination) = (pair.source("team/app:v1"), pair.destination(destination));
    pair.program.run(&[&["copy", source.as_str(), destination.as_str()], flags].concat())
}

#[test]
fn results() {
    needs!("docker-registry");
    let pair = fixed();
    insta::assert_snapshot!(copy(&pair, "b:v1", &["--dry-run"]).shown(), @r"
    exit 0
    --- stdout
    127.0.0.1:PORT/team/app:v1 -> 127.0.0.1:PORT/b:v1
      send   sha256:DIGEST  99.5 KiB
      send   sha256:DIGEST  99.5 KiB
      send   sha256:DIGEST  3.5 KiB
      send   sha256:DIGEST  3.5 KiB
      send   sha256:DIGEST  356 B
      send   sha256:DIGEST  356 B
      put    sha256:DIGEST  670 B
      put    sha256:DIGEST  670 B
      put    sha256:DIGEST  647 B
      6 blobs to send, 206.8 KiB
    --- stderr
    ");
    insta::assert_snapshot!(copy(&pair, "b:v1", &[]).shown(), @r"
    exit 0
    --- stdout
    127.0.0.1:PORT/b:v1@sha256:DIGEST  (6 blobs sent, 206.8 KiB)
    --- stderr
    ");
    insta::assert_snapshot!(copy(&pair, "b:v1", &[]).shown(), @r"
    exit 0
    --- stdout
    127.0.0.1:PORT/b:v1@sha256:DIGEST  (unchanged)
    --- stderr
    ");
    insta::assert_snapshot!(copy(&pair, "b:v2", &[]).shown(), @r"
    exit 0
    --- stdout
    127.0.0.1:PORT/b:v2@sha256:DIGEST  (6 blobs there, 206.8 KiB)
    --- stderr
    ");
    insta::assert_snapshot!(copy(&pair, "c:v1", &["--platform", "linux/arm64"]).shown(), @r"
    exit 0
    --- stdout
    127.0.0.1:PORT/c:v1@sha256:DIGEST  (3 blobs sent, 103.4 KiB; narrowed from 53701ed792d2)
    --- stderr
    ");
    insta::assert_snapshot!(copy(&pair, "b:v1", &["--dry-run"]).shown(), @r"
    exit 0
    --- stdout
    127.0.0.1:PORT/team/app:v1 -> 127.0.0.1:PORT/b:v1
      nothing to do: it has sha256:DIGEST
    --- stderr
    ");
}

#[test]
fn a_result_as_a_document() {
    needs!("docker-registry");
    let pair = fixed();
    insta::assert_snapshot!(copy(&pair, "d:v1", &["-o", "yaml"]).shown(), @r"
    exit 0
    --- stdout
    images:
    - source: 127.0.0.1:PORT/team/app:v1
      destination: 127.0.0.1:PORT/d:v1
      tags:
      - v1
      digest: sha256:DIGEST
      mediaType: application/vnd.oci.image.index.v1+json
      unchanged: false
      blobs:
        sent:
          count: 6
          bytes: 211758
        mounted:
          count: 0
          bytes: 0
        present:
          count: 0
          bytes: 0
        skipped:
          count: 0
          bytes: 0
        secondReads:
          count: 0
          bytes: 0
      manifests: 3
      attached: []
      warnings: []
    --- stderr
    ");
}

#[test]
fn errors() {
    needs!("docker-registry");
    let pair = fixed();
    insta::assert_snapshot!(copy(&pair, "b:v1", &["--platform", "linux/riscv64"]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/team/app:v1` to `127.0.0.1:PORT/b:v1`
      because: there is no image for linux/riscv64; there are linux/amd64, linux/arm64
    ");
    insta::assert_snapshot!(copy(&pair, "Bad:v1", &[]).shown(), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/team/app:v1` to `127.0.0.1:PORT/Bad:v1`
      because: `B` cannot stand in the repository part `Bad` (lower-case letters, digits, `.`, `_` and `-`)
    ");
    insta::assert_snapshot!(pair.program.run(&["copy", &pair.source("none"), "b"]).shown(), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/none:latest` to `b`
      because: `b` names no registry, and no default remote registry is set
    hint: run `tranship settings set default-remote-registry docker.io`, or write the registry in front: `docker.io/b`
    ");
    insta::assert_snapshot!(pair.program.run(&["copy", &pair.source("none"), &pair.destination("b")]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot copy `127.0.0.1:PORT/none:latest` to `127.0.0.1:PORT/b:latest`
      because: the registry does not have the manifest 127.0.0.1:PORT/none:latest: MANIFEST_UNKNOWN, manifest unknown (HTTP 404)
    hint: see what is there: `tranship tags 127.0.0.1:PORT/none`
    ");
    insta::assert_snapshot!(pair.program.run(&["copy", "http://x/a", &pair.destination("b")]).shown(), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot copy `http://x/a`
      because: an image is named without `http://`: `x/a`
    ");
    insta::assert_snapshot!(pair.program.run(&["copy", "sif:x", &pair.destination("b")]).shown(), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot copy `sif:x`
      because: `sif:` is not a kind of place that is known here
    hint: the kinds are `docker://`, `store:`, `oci:`, `oci-archive:`, `docker-archive:`, `dir:` and `stream:`; if an image of the name `sif` is meant, write `docker://sif:x`
    ");
}

#[test]
fn progress_is_said_as_asked() {
    needs!("docker-registry");
    let pair = fixed();
    for mode in ["none", "auto"] {
        // Short work is silent where lines were not asked for, and there is no terminal here.
        let run = copy(&pair, &format!("{mode}:v1"), &["--progress", mode]).success();
        assert_eq!(run.stderr, "", "{mode}");
    }
    let run = copy(&pair, "json:v1", &["--progress", "json"]).success();
    let events: Vec<serde_json::Value> = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |word: &str| events.iter().filter(|event| event["type"] == word).count();
    assert_eq!((count("planned"), count("ended")), (1, 1), "{}", run.stderr);
    assert_eq!((count("blobStarted"), count("blobFinished"), count("manifestPushed")), (6, 6, 3));
    let sizes =
        events.iter().filter(|event| event["type"] == "blobFinished").map(|event| event["size"].as_u64().unwrap());
    assert_eq!(events[0]["bytes"], sizes.sum::<u64>());
    let run = copy(&pair, "quiet:v1", &["--progress", "json", "-q"]).success();
    assert_eq!((run.stderr.as_str(), run.lines().len()), ("", 1));
}

#[test]
fn a_copy_that_moves_nothing_says_what_it_did() {
    needs!("docker-registry");
    let pair = fixed();
    let v1 = pair.source("team/app:v1");
    let told = |from: &str, to: &str| {
        let output = pair.program.run(&["copy", from, to]).success();
        output.stdout.split_once("  ").unwrap().1.trim_end().to_owned()
    };
    assert_eq!(told(&v1, &pair.source("team/app:v2")), "(tagged)");
    assert_eq!(told(&v1, &v1), "(unchanged)");
}

#[test]
fn plain_progress_says_the_beginning_and_the_end_where_it_was_asked_for() {
    needs!("docker-registry");
    let pair = fixed();
    let asked = copy(&pair, "c:v1", &["--progress", "plain"]).success();
    let title = pair.destination("c:v1");
    assert!(asked.stderr.starts_with(&format!("{title}: begins, 6 blobs, ")), "{}", asked.shown());
    asked.says(&format!("{title}: ended after "));
    assert_eq!(copy(&pair, "d:v1", &[]).success().stderr, "");
}
