//! `import` and `append`: archives become images, and layers of them.

use std::process::Command;

use super::{extract, look};
use crate::support::archive::Archive;
use crate::support::content::sha256;
use crate::support::program::Program;
use crate::support::tree::assert_same;

fn archive() -> Vec<u8> {
    Archive::new().directory("etc/").file("etc/conf", b"text").symlink("link", "etc/conf").finish()
}

fn packed(program: &Program, tool: &str, name: &str) -> String {
    let output = Command::new(tool).arg("-c").arg(program.path("root.tar")).output().unwrap();
    std::fs::write(program.path(name), output.stdout).unwrap();
    name.to_owned()
}

#[test]
fn archives_of_every_packing_become_the_same_image() {
    let mut program = Program::new();
    program.set("SOURCE_DATE_EPOCH", "1700000000");
    std::fs::write(program.path("root.tar"), archive()).unwrap();
    let mut files = vec!["root.tar".to_owned()];
    for (tool, name) in [("gzip", "root.tgz"), ("xz", "root.xz"), ("bzip2", "root.bz2")] {
        files.push(packed(&program, tool, name));
    }
    std::fs::write(program.path("root.zst"), zstd::encode_all(&archive()[..], 3).unwrap()).unwrap();
    files.push("root.zst".to_owned());
    let mut digests = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let run =
            program.run(&["import", "-q", file, &format!("mine:{number}"), "-c", "CMD [\"sh\"]", "-m", "by hand"]);
        digests.push(run.success().stdout);
    }
    let piped = program.invoke(&["import", "-q", "-", "oci:layout:v1", "-c", "CMD [\"sh\"]", "-m", "by hand"]);
    digests.push(piped.stdin(archive()).run().success().stdout);
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
    let found = look(&program, "store:mine:0");
    let image = &found["image"];
    assert_eq!(image["config"]["Cmd"], serde_json::json!(["sh"]));
    assert_eq!(image["created"], "2023-11-14T22:13:20Z");
    assert_eq!(image["history"][0]["comment"], "by hand");
    let config: serde_json::Value =
        serde_json::from_str(&program.run(&["inspect", "--image-config", "store:mine:0"]).success().stdout).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([sha256(&archive())]));
    assert_eq!((&config["os"], &config["architecture"]), (&"linux".into(), &"amd64".into()));
}

#[test]
fn other_tools_read_what_was_imported() {
    needs!("umoci", "skopeo");
    let program = Program::new();
    std::fs::write(program.path("root.tar"), archive()).unwrap();
    let change = ["-c", "ENV A=b", "--image-platform", "linux/arm64", "--compress", "gzip:9"];
    program.run(&[&["import", "root.tar", "oci:layout:v1"], &change[..]].concat()).success();
    let skopeo = crate::support::skopeo::Skopeo::new();
    let config = skopeo.run(&["inspect", "--config", &format!("oci:{}:v1", program.path("layout"))]).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!((&config["config"]["Env"][0], &config["architecture"]), (&"A=b".into(), &"arm64".into()));
    let bundle = program.path("bundle");
    let image = format!("{}:v1", program.path("layout"));
    let unpacked = Command::new("umoci").args(["unpack", "--image", &image, &bundle]).output().unwrap();
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    let own = extract(&program, "oci:layout:v1", "own");
    assert_same(&std::path::Path::new(&bundle).join("rootfs"), &own);
}

#[test]
fn what_is_no_archive_and_what_says_nothing_is_refused() {
    let program = Program::new();
    std::fs::write(program.path("text"), "no archive").unwrap();
    std::fs::write(program.path("evil.tar"), Archive::new().file("../x", b"").finish()).unwrap();
    program.run(&["import", "text", "a:1"]).code(6).says("cut off");
    program.run(&["import", "evil.tar", "a:1"]).code(6).says("`../x`").says("leads out");
    program.run(&["import", "nothing", "a:1"]).code(3).says("nothing");
    program.run(&["import", "evil.tar", "a:1", "-c", "RUN x"]).code(2).says("CMD, ENTRYPOINT");
    program.run(&["import", "evil.tar", "A:1"]).code(2);
    assert!(program.run(&["images", "-o", "json"]).success().json()["images"].as_array().unwrap().is_empty());
}

#[test]
fn layers_are_put_on_top() {
    let mut program = Program::new();
    program.set("SOURCE_DATE_EPOCH", "1000000000");
    std::fs::write(program.path("root.tar"), archive()).unwrap();
    program.run(&["import", "root.tar", "base:1"]).success();
    std::fs::create_dir_all(program.path("build/opt")).unwrap();
    std::fs::write(program.path("build/opt/tool"), "tool").unwrap();
    let hiding = Archive::new().file("etc/.wh.conf", b"").file("etc/new", b"new").finish();
    std::fs::write(program.path("top.tar.zst"), zstd::encode_all(&hiding[..], 3).unwrap()).unwrap();
    let words = ["append", "store:base:1", "build", "top.tar.zst", "--to", "store:app:1", "-m", "today", "-q"];
    let first = program.run(&words).success().stdout;
    assert_eq!(first, program.run(&words).success().stdout, "the same layers are the same image");
    let found = look(&program, "store:app:1");
    let layers = found["image"]["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 3);
    assert_eq!(layers[0]["digest"], look(&program, "store:base:1")["image"]["layers"][0]["digest"]);
    assert!(layers[1]["mediaType"].as_str().unwrap().ends_with("tar+gzip"));
    assert!(layers[2]["mediaType"].as_str().unwrap().ends_with("tar+zstd"), "what is packed stays so");
    assert_eq!(found["image"]["history"][2]["comment"], "today");
    let tree = extract(&program, "store:app:1", "tree");
    assert_eq!(std::fs::read_to_string(tree.join("opt/tool")).unwrap(), "tool");
    assert_eq!(std::fs::read_to_string(tree.join("etc/new")).unwrap(), "new");
    assert!(!tree.join("etc/conf").exists());
    program.run(&["check", "store:app:1"]).success();
}
