//! `index`: images for several platforms under one name.

use super::look;
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::layout::write_layout;
use crate::support::program::Program;
use crate::support::push::Registry;

#[test]
fn an_index_is_made_added_to_taken_from_and_annotated() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let program = Program::new();
    let registry = Registry::at(&server.url());
    let [amd64, arm64, newer] = ["amd64", "arm64", "arm64"].map(|name| image().architecture(name).build());
    registry.push("a", &amd64, &["amd64"]);
    registry.push("b", &arm64, &["arm64"]);
    write_layout(&program.home().join("newer"), "v1", &newer);
    let at = |name: &str| format!("{}/{name}", server.address());
    let platforms = |image: &str| -> Vec<String> {
        let found = look(&program, image);
        let entries = found["platforms"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| format!("{} {}", entry["platform"].as_str().unwrap(), entry["digest"].as_str().unwrap()))
            .collect()
    };
    let index = at("a:all");
    program.run(&["index", "create", &index, &at("a:amd64"), &at("b:arm64"), "--annotation", "k=v"]).success();
    let both = [format!("linux/amd64 {}", amd64.digest()), format!("linux/arm64 {}", arm64.digest())];
    assert_eq!(platforms(&index), both);
    assert_eq!(look(&program, &index)["annotations"]["k"], "v");
    assert!(registry.holds("a", &arm64), "images come along");
    program.run(&["index", "add", &index, "oci:newer:v1"]).success();
    assert_eq!(platforms(&index), [both[0].clone(), format!("linux/arm64 {}", newer.digest())]);
    program.run(&["index", "annotate", &index, "k=", "l=m"]).success();
    let notes = look(&program, &index)["annotations"].clone();
    assert_eq!(notes, serde_json::json!({"l": "m"}));
    program.run(&["index", "annotate", &index, "x=y", "--entry", "linux/arm64"]).success();
    program.run(&["index", "remove", &index, "linux/arm64", "--to", "oci:out:v1"]).success();
    assert_eq!(platforms("oci:out:v1"), both[..1]);
    program.run(&["index", "remove", &index, "linux/s390x"]).code(3).says("no entry `linux/s390x`").says("linux/amd64");
    program.run(&["index", "add", &at("a:amd64"), "oci:newer:v1"]).code(1).says("no index");
}
