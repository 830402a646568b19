//! What docker itself wrote over the years, member by member.

use serde_json::{Value, json};

use crate::support::content::{gzip, noise, sha256, tar};
use crate::support::images::{Content, OCI_INDEX, image};
use crate::support::program::Program;
use crate::support::tarball::{Tar, blob_name, docker_list};

/// Layers that are not compressed, and the config that names them.
fn plain(seed: u64) -> (Vec<Vec<u8>>, Vec<u8>) {
    let layers: Vec<Vec<u8>> = (0..2).map(|number| tar(&[("file", &noise(seed + number, 3000))])).collect();
    let diff_ids: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/file"]},
                        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    (layers, config.to_string().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    sha256(bytes).split_off("sha256:".len())
}

/// The id of the image in the store, and the digests of its layers.
fn stored(program: &Program, name: &str) -> (String, Vec<String>) {
    let raw = program.run(&["inspect", "--raw", name]).success().json();
    let layers = raw["layers"].as_array().unwrap().iter();
    let text = |value: &Value| value["digest"].as_str().unwrap().to_owned();
    (text(&raw["config"]), layers.map(text).collect())
}

#[test]
fn before_docker_25_a_directory_a_layer_and_links_among_them() {
    let program = Program::new();
    let (layers, config) = plain(1);
    let list = json!([
        {"Config": format!("{}.json", hex(&config)), "RepoTags": ["app:1", "team/app:2"],
         "Layers": ["aaaa/layer.tar", "bbbb/layer.tar"]},
        {"Config": format!("{}.json", hex(&config)), "RepoTags": null,
         "Layers": ["aaaa/layer.tar", "cccc/layer.tar"], "Parent": "sha256:0"},
    ]);
    Tar::new()
        .file("aaaa/VERSION", b"1.0")
        .file("aaaa/json", b"{}")
        .file("aaaa/layer.tar", &layers[0])
        .file("bbbb/layer.tar", &layers[1])
        .special("cccc/layer.tar", b'2', "../bbbb/layer.tar")
        .file(&format!("{}.json", hex(&config)), &config)
        .json("manifest.json", &list)
        .json("repositories", &json!({"app": {"1": "bbbb"}}))
        .write(&program, "old.tar");
    let loaded = program.run(&["load", "old.tar", "-q"]);
    assert_eq!(loaded.code, Some(7), "the third has no name: {}", loaded.shown());
    let expected = (sha256(&config), layers.iter().map(|layer| sha256(layer)).collect::<Vec<_>>());
    for name in ["store:docker.io/library/app:1", "store:docker.io/team/app:2"] {
        assert_eq!(stored(&program, name), expected, "{name}");
        program.run(&["inspect", name]).success();
    }
    for which in ["app:1", "docker.io/library/app:1", "@0", "@1"] {
        let place = format!("docker-archive:old.tar:{which}");
        program.run(&["copy", &place, "store:again:v1"]).success();
        assert_eq!(stored(&program, "store:again:v1"), expected, "{which}");
    }
    program.run(&["inspect", "docker-archive:old.tar:@2"]).code(3).says("no image of the number 2");
}

#[test]
fn compressed_layers_have_the_digest_of_what_is_there() {
    let program = Program::new();
    let (layers, config) = plain(2);
    let packed = [gzip(&layers[0]), zstd::encode_all(&layers[1][..], 3).unwrap()];
    // The names say what is not so.
    let names = [format!("{}.tar.gz", "0".repeat(64)), format!("blobs/sha256/{}", "1".repeat(64))];
    Tar::new()
        .file("config", &config)
        .file(&names[0], &packed[0])
        .file(&names[1], &packed[1])
        .json("manifest.json", &json!([{"Config": "config", "RepoTags": ["a.example/x:1"], "Layers": names}]))
        .write(&program, "packed.tar");
    program.run(&["load", "packed.tar"]).success();
    let digests = packed.iter().map(|layer| sha256(layer)).collect::<Vec<_>>();
    assert_eq!(stored(&program, "store:a.example/x:1"), (sha256(&config), digests));
}

#[test]
fn since_docker_25_a_layout_beside_it_whose_manifest_counts() {
    let program = Program::new();
    let image = image().build();
    let mut entry = image.manifest.descriptor();
    entry["annotations"] =
        json!({"io.containerd.image.name": "docker.io/library/app:1", "org.opencontainers.image.ref.name": "1"});
    Tar::layout(&image)
        .index(&json!([entry]))
        .json("manifest.json", &docker_list(&image, &json!(["app:1"])))
        .write(&program, "new.tar");
    let loaded = program.run(&["load", "-q", "new.tar"]).success();
    assert_eq!(loaded.stdout.trim(), image.digest());
    for place in ["oci-archive:new.tar", "oci-archive:new.tar:1", "docker-archive:new.tar:app:1"] {
        assert_eq!(program.run(&["inspect", "-q", place]).success().stdout.trim(), image.digest(), "{place}");
    }
}

#[test]
fn the_known_flaws_of_docker_25_are_passed_over() {
    let image = image().build();
    let without_layers = {
        let mut document = image.document();
        document["layers"] = json!([]);
        Content::new(&image.manifest.media_type, document.to_string())
    };
    let list = |manifests: Value| json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let gone = json!({"mediaType": OCI_INDEX, "size": 5, "digest": format!("sha256:{}", "0".repeat(64))});
    for (what, index) in [
        ("a manifest without layers", list(json!([without_layers.descriptor()]))),
        ("manifests that are null", list(Value::Null)),
        ("no entries", list(json!([]))),
        ("an entry of what is not there", list(json!([gone]))),
        ("no index at all", Value::Null),
        ("an index that is none", json!("index")),
    ] {
        let program = Program::new();
        let tar = Tar::layout(&image).file(&blob_name(&without_layers), &without_layers.bytes);
        let tar = if index.is_null() { tar } else { tar.json("index.json", &index) };
        tar.json("manifest.json", &docker_list(&image, &json!(["app:1"]))).write(&program, "flawed.tar");
        program.run(&["load", "flawed.tar"]).success();
        let layers = image.blobs[1..].iter().map(|layer| layer.digest.clone()).collect::<Vec<_>>();
        let expected = (image.blobs[0].digest.clone(), layers);
        assert_eq!(stored(&program, "store:docker.io/library/app:1"), expected, "{what}");
    }
}

#[test]
fn saved_by_digest_it_needs_a_name() {
    let program = Program::new();
    let image = image().build();
    Tar::layout(&image)
        .json("index.json", &json!({"schemaVersion": 2, "manifests": null}))
        .json("manifest.json", &docker_list(&image, &Value::Null))
        .write(&program, "nameless.tar");
    insta::assert_snapshot!(program.run(&["load", "nameless.tar"]).shown(), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot load `sha256:DIGEST`
      because: the archive has no name for it
    hint: say what it is to be called: `--to REPOSITORY:TAG`
    ");
    program.run(&["load", "nameless.tar", "--to", "team/app:3"]).success();
    program.run(&["inspect", "store:team/app:3"]).success();
}
