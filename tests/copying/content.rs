//! What arrives is what was named, byte for byte, whatever sort of image it is.

use std::process::Command;

use super::{Pair, tagged};
use crate::support::content::{gzip, sha256};
use crate::support::images::{Content, Image, artifact, docker_index, image, index};
use crate::support::skopeo::Skopeo;

#[test]
fn every_sort_of_image_arrives_as_skopeo_reads_it() {
    needs!("docker-registry", "skopeo");
    let pair = Pair::start();
    let skopeo = Skopeo::new();
    let one = image().annotation("org.example", "x").build();
    let all = [
        ("single", one.clone()),
        ("index", index(vec![image().build(), image().architecture("arm64").build()])),
        ("docker", image().docker().build()),
        ("list", docker_index(vec![image().docker().build(), image().docker().architecture("s390x").build()])),
        ("artifact", artifact(&one.manifest, "application/vnd.example", b"file")),
    ];
    for (tag, image) in &all {
        pair.put("team/app", image, &[tag]);
        let (source, destination) = (pair.source(&format!("team/app:{tag}")), pair.destination(&format!("b/{tag}:v1")));
        let run = pair.program.run(&["copy", "-q", "--attached", "none", &source, &destination]).success();
        assert_eq!(run.stdout, format!("{}\n", image.digest()), "{tag}");
        assert_eq!(run.stderr, "", "{tag}");
        assert!(pair.arrived().holds(&format!("b/{tag}"), image), "{tag}");
        for place in [&source, &destination] {
            let raw = skopeo.inspect_raw(&format!("docker://{place}")).unwrap();
            assert_eq!(raw, image.manifest.bytes, "{tag} at {place}");
        }
    }
}

#[test]
fn an_image_is_copied_by_digest_with_or_without_a_tag_and_by_tag_and_digest() {
    needs!("docker-registry");
    let pair = Pair::start();
    let (old, new) = (image().build(), image().build());
    pair.put("a", &old, &["v1"]);
    pair.put("a", &new, &["v1"]);
    let copy = |source: &str, destination: &str| {
        let run = pair.program.run(&["copy", "-q", &pair.source(source), &pair.destination(destination)]).success();
        run.stdout.trim().to_owned()
    };
    let by_digest = format!("a@{}", old.digest());
    assert_eq!(copy(&by_digest, "by-digest:v1"), old.digest());
    assert_eq!(tagged(&pair.arrived(), "by-digest", "v1").as_deref(), Some(old.digest()));
    // A tag beside a digest is a label: the digest decides.
    assert_eq!(copy(&format!("a:v1@{}", old.digest()), "labelled:v1"), old.digest());
    assert_eq!(copy(&by_digest, &format!("untagged@{}", old.digest())), old.digest());
    assert!(pair.arrived().holds("untagged", &old));
    assert!(!String::from_utf8_lossy(&pair.arrived().get("/v2/untagged/tags/list").body).contains("latest"));
    assert_eq!(copy("a:v1", "by-tag"), new.digest());
    assert_eq!(tagged(&pair.arrived(), "by-tag", "latest").as_deref(), Some(new.digest()));
}

/// Real files of this machine make the layers: programs, libraries, texts.
#[test]
fn real_files_for_several_platforms_arrive_whole() {
    needs!("docker-registry", "skopeo");
    let pair = Pair::start();
    let layers = [real_files("bin", 14_000_000), real_files("share", 8_000_000), real_files("lib", 12_000_000)];
    let bytes: usize = layers.iter().map(|layer| layer.bytes.len()).sum();
    assert!(bytes > 20_000_000, "{bytes}");
    let [programs, texts, libraries] = layers;
    let amd64 = image_of("amd64", vec![programs, texts.clone()]);
    let both = index(vec![amd64, image_of("arm64", vec![texts, libraries])]);
    pair.put("real", &both, &["v1"]);
    let (source, destination) = (pair.source("real:v1"), pair.destination("real:v1"));
    let run = pair.program.run(&["copy", "-o", "json", "--attached", "none", &source, &destination]).success();
    // Two images share a layer: three layers and two configs travel.
    let report = &run.json()["images"][0];
    assert_eq!(report["blobs"]["sent"]["count"], 5);
    assert_eq!(report["digest"], both.digest());
    assert!(pair.arrived().holds("real", &both));
    let layout = pair.program.path("layout");
    Skopeo::new().copy(&format!("docker://{destination}"), &format!("oci:{layout}:v1")).unwrap();
}

/// A layer of files below `/usr/DIRECTORY`, in the order of their names, up to about so many bytes.
fn real_files(directory: &str, at_most: u64) -> Content {
    let script = r#"cd /usr && find "$0" -xdev -type f -readable -size -4000k -printf '%s %p\n' | LC_ALL=C sort -k2 |
        awk -v most="$1" '{ sum += $1; if (sum > most) exit; sub(/^[0-9]+ /, ""); print }' |
        tar --create --no-recursion --mtime=@0 --owner=0 --group=0 --numeric-owner --files-from=-"#;
    let output = Command::new("sh").args(["-c", script, directory, &at_most.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Content::new("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&output.stdout))
}

fn image_of(architecture: &str, layers: Vec<Content>) -> Image {
    let base = image().architecture(architecture).layers(&[]).build();
    let mut config: serde_json::Value = serde_json::from_slice(&base.blobs[0].bytes).unwrap();
    let archives = layers.iter().map(|layer| sha256(&layer.bytes)).collect::<Vec<_>>();
    config["rootfs"]["diff_ids"] = serde_json::json!(archives);
    let config = Content::new(&base.blobs[0].media_type, config.to_string());
    let mut manifest = base.document();
    manifest["config"] = config.descriptor();
    manifest["layers"] = layers.iter().map(Content::descriptor).collect();
    let manifest = Content::new(&base.manifest.media_type, format!("{manifest:#}"));
    Image { manifest, blobs: [config].into_iter().chain(layers).collect(), children: Vec::new() }
}
