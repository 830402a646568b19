//! What refers to an image, where the registry keeps a list of it and where it does not.

use super::{at, holding};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{OCI_INDEX, artifact, image};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Ability, Act, Scripted, when};
use crate::support::server::{Request, Response};

/// The tag under which a list of referrers is kept where there is no API.
fn fallback_tag(digest: &str) -> String {
    digest.replace(':', "-")
}

/// A registry that holds an image as `a:v1`, with a signature.
fn signed() -> (Scripted, crate::support::images::Image, crate::support::images::Image) {
    let (source, image) = holding("a");
    let signature = artifact(&image.manifest, "application/vnd.example.signature", b"signed");
    source.put("a", &signature, &[]);
    (source, image, signature)
}

#[test]
fn q55_without_the_api_the_list_is_read_from_a_tag() {
    let answers = [
        Response::error(404, "NOT_FOUND"),
        Response::error(400, "UNSUPPORTED"),
        Response::error(405, "UNSUPPORTED"),
        Response::error(406, "UNSUPPORTED"),
        Response::new(200).header("Content-Type", "text/html").body("<html>welcome</html>"),
        Response::json(200, &serde_json::json!({})),
    ];
    for answer in answers {
        let (source, image, signature) = signed();
        let mut entry = signature.manifest.descriptor();
        entry["artifactType"] = serde_json::json!("application/vnd.example.signature");
        let list = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
        let list = crate::support::images::Content::new(OCI_INDEX, list.to_string());
        source.put_manifest("a", &list, &[&fallback_tag(image.digest())]);
        source.rule(when("GET", "/referrers/"), Act::respond(answer.clone()));
        let (program, destination) = (Program::new(), Scripted::start());
        program.run(&["copy", &at(&source, "a:v1"), &at(&destination, "b:v1")]).success();
        assert!(destination.holds("b", &signature) && destination.holds("b", &image), "{answer:?}");
        // That there is no API is remembered.
        program.run(&["copy", &at(&source, "a:v1"), &at(&destination, "c:v1")]).success();
        assert_eq!(source.count("GET", "/referrers/"), 1, "{answer:?}");
    }
}

#[test]
fn q55_without_the_api_the_list_is_written_under_a_tag() {
    needs!("docker-registry");
    let (source, image, signature) = signed();
    let server = DockerRegistry::open();
    let client = Registry::at(&server.url());
    let program = Program::new();
    program.run(&["copy", &at(&source, "a:v1"), &format!("{}/b:v1", server.address())]).success();
    assert!(client.holds("b", &image) && client.holds("b", &signature));
    let list = client.manifest("b", &fallback_tag(image.digest())).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list.bytes).unwrap();
    assert_eq!(list["manifests"][0]["digest"], signature.digest());
    assert_eq!(list["manifests"][0]["artifactType"], "application/vnd.example.signature");
    // And read from there by the next.
    program.run(&["copy", &format!("{}/b:v1", server.address()), "store:b:v1"]).success();
    let found = program.run(&["copy", "-o", "json", "store:b:v1", &at(&Scripted::start(), "c:v1")]).success();
    assert_eq!(found.json()["images"][0]["attached"][0]["digest"], signature.digest(), "{}", found.shown());

    // A registry that says `OCI-Subject` keeps the list itself.
    let destination = Scripted::start();
    program.run(&["copy", &at(&source, "a:v1"), &at(&destination, "b:v1")]).success();
    assert_eq!(destination.tags("b"), ["v1"]);
}

#[test]
fn q56_a_replaced_list_that_cannot_be_removed_stays() {
    for lacks_delete in [true, false] {
        let (source, image, first) = signed();
        let settings = Scripted::settings().without(Ability::Referrers);
        let destination = if lacks_delete { settings.without(Ability::Delete) } else { settings }.start();
        let program = Program::new();
        program.run(&["copy", &at(&source, "a:v1"), &at(&destination, "b:v1")]).success();
        let old = destination.tag("b", &fallback_tag(image.digest())).unwrap();
        let second = artifact(&image.manifest, "application/vnd.example.sbom", b"{}");
        source.put("a", &second, &[]);
        program.run(&["copy", &at(&source, "a:v1"), &at(&destination, "b:v1")]).success();
        let new = destination.tag("b", &fallback_tag(image.digest())).unwrap();
        let list = destination.manifest("b", &new).unwrap();
        let list = String::from_utf8(list.bytes).unwrap();
        assert!(list.contains(first.digest()) && list.contains(second.digest()), "{list}");
        assert_eq!(destination.manifest("b", &old).is_some(), lacks_delete);
        assert!(destination.count("DELETE", &old) > 0, "it was tried");
    }
}

#[test]
fn q55_a_list_that_lies_is_not_believed() {
    let (source, image, _) = signed();
    let stranger = image_of_another();
    source.put("a", &stranger, &[]);
    let lie = move |_: &Request, response: Response| {
        let entry = stranger.manifest.descriptor();
        let list = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
        response.body(list.to_string())
    };
    source.rule(when("GET", &format!("/referrers/{}", image.digest())), Act::change(lie));
    let destination = Scripted::start();
    let output = Program::new().run(&["copy", &at(&source, "a:v1"), &at(&destination, "b:v1")]).success();
    output.says("which it does not; it stays behind");
}

fn image_of_another() -> crate::support::images::Image {
    artifact(&image().build().manifest, "application/vnd.example.signature", b"for another")
}
