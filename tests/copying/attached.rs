//! What refers to an image comes along, or stays: `--attached`, the referrers API, its fallback tag, cosign's tags.

use super::{Pair, tagged};
use crate::support::images::{Content, Image, OCI_INDEX, artifact, image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Ability, Scripted};

const SBOM: &str = "application/spdx+json";

/// Puts an artifact where registries without a referrers API keep it: listed under the subject's fallback tag.
fn attach(registry: &Registry, repository: &str, subject: &Content, attached: &Image) {
    registry.push(repository, attached, &[]);
    let mut entry = attached.manifest.descriptor();
    entry["artifactType"] = SBOM.into();
    let list = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    let list = Content::new(OCI_INDEX, list.to_string());
    registry.push_manifest(repository, &list, &subject.digest.replace(':', "-"));
}

#[test]
fn what_refers_to_the_image_comes_along_as_far_as_is_asked() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = index(vec![image().build(), image().architecture("arm64").build()]);
    let of_index = artifact(&image.manifest, SBOM, b"of the index");
    let of_child = artifact(&image.children[0].manifest, SBOM, b"of one image");
    let of_artifact = artifact(&of_index.manifest, "application/vnd.signature", b"of the list");
    let from = Registry::at(&pair.from.url());
    from.push("a", &image, &["v1"]);
    attach(&from, "a", &image.manifest, &of_index);
    attach(&from, "a", &image.children[0].manifest, &of_child);
    attach(&from, "a", &of_index.manifest, &of_artifact);

    // What arrives of: the index's, that one's own, the child's.
    let cases = [
        ("none", vec!["--attached", "none"], [false, false, false]),
        ("default", vec![], [true, true, false]),
        ("image", vec!["--attached", "image"], [true, true, false]),
        ("all", vec!["--attached", "all"], [true, true, true]),
    ];
    for (name, flags, expected) in cases {
        let (source, destination) = (pair.source("a:v1"), pair.destination(&format!("{name}:v1")));
        let words = [vec!["copy", "-o", "json", &source, &destination], flags].concat();
        let run = pair.program.run(&words).success();
        let arrived = [&of_index, &of_artifact, &of_child].map(|attached| pair.arrived().holds(name, attached));
        assert_eq!(arrived, expected, "{name}");
        let told = run.json()["images"][0]["attached"].as_array().unwrap().len();
        assert_eq!(told, expected.iter().filter(|came| **came).count(), "{name}");
        assert!(pair.arrived().holds(name, &image), "{name}");
        // Where it came, it is listed for its subject, so that the next who asks finds it.
        let fallback = pair.arrived().manifest(name, &image.digest().replace(':', "-"));
        let listed = fallback.is_some_and(|list| String::from_utf8(list.bytes).unwrap().contains(of_index.digest()));
        assert_eq!(listed, expected[0], "{name}");
    }
}

#[test]
fn cosigns_tags_come_along() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = image().build();
    pair.put("a", &image, &["v1"]);
    let hex = image.digest().replace(':', "-");
    let kept: Vec<(String, Image)> = ["sig", "att", "sbom"]
        .into_iter()
        .map(|end| (format!("{hex}.{end}"), crate::support::images::image().layers(&[500]).build()))
        .collect();
    for (tag, attached) in &kept {
        pair.put("a", attached, &[tag]);
    }
    pair.program.run(&["copy", "--attached", "none", &pair.source("a:v1"), &pair.destination("none:v1")]).success();
    assert_eq!(tagged(&pair.arrived(), "none", &kept[0].0), None);
    pair.program.run(&["copy", &pair.source("a:v1"), &pair.destination("b:v1")]).success();
    for (tag, attached) in &kept {
        assert_eq!(tagged(&pair.arrived(), "b", tag).as_deref(), Some(attached.digest()), "{tag}");
        assert!(pair.arrived().holds("b", attached), "{tag}");
    }
}

#[test]
fn a_new_signature_arrives_though_the_image_is_there() {
    needs!("docker-registry");
    let pair = Pair::start();
    let image = image().build();
    let from = Registry::at(&pair.from.url());
    from.push("a", &image, &["v1"]);
    let copy = || pair.program.run(&["copy", &pair.source("a:v1"), &pair.destination("b:v1")]).success();
    copy();
    let sbom = artifact(&image.manifest, SBOM, b"later");
    attach(&from, "a", &image.manifest, &sbom);
    assert!(copy().stdout.contains("1 attached"));
    assert!(pair.arrived().holds("b", &sbom));
    assert!(copy().stdout.contains("(unchanged)"));
}

#[test]
fn registries_with_the_referrers_api_need_no_tag() {
    let (from, to) = (Scripted::start(), Scripted::start());
    let image = image().build();
    let sbom = artifact(&image.manifest, SBOM, b"list");
    from.put("a", &image, &["v1"]);
    from.put("a", &sbom, &[]);
    let copy = |to: &Scripted| {
        let (source, destination) = (format!("{}/a:v1", from.address()), format!("{}/b:v1", to.address()));
        Program::new().run(&["copy", &source, &destination]).success()
    };
    copy(&to);
    assert!(to.holds("b", &sbom));
    assert_eq!(to.tags("b"), ["v1"]);
    assert_eq!(from.count("GET", "/referrers/"), 2, "of the image, and of what refers to it");
    assert_eq!(from.count("*", ".sig"), 0);

    // A destination without the API keeps the list under the subject's tag.
    let old = Scripted::settings().without(Ability::Referrers).start();
    copy(&old);
    let mut tags = vec![image.digest().replace(':', "-"), "v1".to_owned()];
    tags.sort();
    assert_eq!(old.tags("b"), tags);
}
