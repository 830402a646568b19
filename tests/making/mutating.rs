//! `mutate`: other words, other packing, another base; the files stay what they are.

use super::{extract, look};
use crate::support::archive::{Archive, image_of_archives};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{image, index};
use crate::support::layout::write_layout;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::tree::assert_same;

fn layers() -> [Archive; 3] {
    let base = Archive::new().directory("etc/").file("etc/a", b"a").file("etc/b", b"b");
    let middle = Archive::new().file("etc/.wh.b", b"").file("c", b"c");
    [base, middle, Archive::new().file("d", b"d")]
}

fn with_image(program: &Program, name: &str, archives: &[Archive]) -> String {
    let archives = archives.iter().map(|archive| archive.clone().finish());
    write_layout(&program.home().join(name), "v1", &image_of_archives(archives));
    format!("oci:{}:v1", program.path(name))
}

#[test]
fn documents_say_what_they_are_told_to_and_layers_stay() {
    let program = Program::new();
    let image = with_image(&program, "layout", &layers());
    let words = [
        "mutate",
        &image,
        "--to",
        "store:a:1",
        "-e",
        "A=1",
        "-e",
        "B=2",
        "--label",
        "l=m",
        "-a",
        "note=text",
        "--user",
        "7",
        "-w",
        "/w",
        "--expose",
        "80",
        "--entrypoint",
        "[\"/e\"]",
        "--cmd",
        "run it",
        "--volume",
        "/v",
        "-c",
        "STOPSIGNAL SIGINT",
    ];
    let first = program.run(&[&words[..], &["-q"]].concat()).success().stdout;
    assert_eq!(
        program.run(&[&words[..], &["-q"]].concat()).success().stdout,
        first,
        "nothing in it is the time of day"
    );
    let found = look(&program, "store:a:1");
    let config = &found["image"]["config"];
    assert_eq!(config["Env"], serde_json::json!(["A=1", "B=2"]));
    assert_eq!(config["Entrypoint"], serde_json::json!(["/e"]));
    assert_eq!(config["Cmd"], serde_json::json!(["/bin/sh", "-c", "run it"]));
    assert_eq!(
        (&config["User"], &config["WorkingDir"], &config["StopSignal"]),
        (&"7".into(), &"/w".into(), &"SIGINT".into())
    );
    assert_eq!((&config["Labels"]["l"], &found["annotations"]["note"]), (&"m".into(), &"text".into()));
    let old = look(&program, &image);
    assert_eq!(found["image"]["layers"], old["image"]["layers"]);
    program.run(&["mutate", "store:a:1", "--to", "store:a:2", "--unset-env", "A", "--remove-label", "l"]).success();
    assert_eq!(look(&program, "store:a:2")["image"]["config"]["Env"], serde_json::json!(["B=2"]));
    program.run(&["mutate", &image, "--to", "store:a:3", "--expose", "x"]).code(2).says("ports are wanted");
}

#[test]
fn layers_are_packed_anew_and_made_one_and_hold_the_same() {
    let program = Program::new();
    let image = with_image(&program, "layout", &layers());
    let original = extract(&program, &image, "original");
    for (number, flags, count, end) in [
        (1, &["--compress", "zstd:3"][..], 3, "tar+zstd"),
        (2, &["--compress", "none"], 3, "v1.tar"),
        (3, &["--squash"], 1, "tar+gzip"),
        (4, &["--squash", "--compress", "zstd"], 1, "tar+zstd"),
        (5, &["--media-types", "docker"], 3, "diff.tar.gzip"),
    ] {
        let to = format!("store:a:{number}");
        program.run(&[&["mutate", &image, "--to", &to], flags].concat()).success();
        let found = look(&program, &to);
        let layers = found["image"]["layers"].as_array().unwrap();
        assert_eq!(layers.len(), count, "{flags:?}");
        assert!(
            layers.iter().all(|layer| layer["mediaType"].as_str().unwrap().ends_with(end)),
            "{flags:?}: {layers:?}"
        );
        assert_same(&original, &extract(&program, &to, &format!("tree-{number}")));
        program.run(&["check", &to]).success();
    }
    program
        .run(&["mutate", "store:a:1", "--to", "store:a:6", "--media-types", "docker"])
        .code(2)
        .says("--compress gzip");
    program.run(&["mutate", &image, "--to", "store:a:6", "--compress", "lzma"]).code(2).says("zstd:22");
}

#[test]
fn what_stands_on_one_base_is_put_on_another() {
    let program = Program::new();
    let [base, middle, top] = layers();
    let image = with_image(&program, "layout", &[base.clone(), middle, top]);
    let old = with_image(&program, "old", &[base]);
    let new_base = Archive::new().directory("etc/").file("etc/a", b"newer").file("etc/b", b"b");
    let new = with_image(&program, "new", &[new_base, Archive::new().file("more", b"more")]);
    program.run(&["mutate", &image, "--to", "store:a:1", "--rebase", &old, &new]).success();
    assert_eq!(look(&program, "store:a:1")["image"]["layers"].as_array().unwrap().len(), 4);
    let tree = extract(&program, "store:a:1", "tree");
    assert_eq!(std::fs::read_to_string(tree.join("etc/a")).unwrap(), "newer");
    assert!(tree.join("more").exists() && tree.join("d").exists() && !tree.join("etc/b").exists());
    program.run(&["check", "store:a:1"]).success();
    program.run(&["mutate", &image, "--to", "store:a:2", "--rebase", &new, &old]).code(1).says("does not stand on");
}

#[test]
fn every_image_of_an_index_is_changed_and_nothing_travels_twice() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let program = Program::new();
    let both = index(vec![image().build(), image().architecture("arm64").build()]);
    Registry::at(&server.url()).push("a", &both, &["v1"]);
    let (from, to) = (format!("{}/a:v1", server.address()), format!("{}/b:v1", server.address()));
    let run = program.run(&["mutate", &from, "--to", &to, "-e", "A=1", "-o", "json"]).success();
    let moved = &run.json()["images"][0]["blobs"];
    assert_eq!((&moved["sent"]["count"], &moved["mounted"]["count"]), (&2.into(), &4.into()), "{moved}");
    for platform in ["linux/amd64", "linux/arm64"] {
        let found = program.run(&["inspect", &to, "--platform", platform, "-o", "json"]).success().json();
        assert_eq!(found["image"]["config"]["Env"][0], "A=1");
    }
    program.run(&["mutate", &from, "--to", &from, "-e", "A=2"]).success();
    program.run(&["mutate", &from, "--to", "store:one:1", "-e", "A=3", "--platform", "linux/arm64"]).success();
    assert!(look(&program, "store:one:1").get("platforms").is_none());
}
