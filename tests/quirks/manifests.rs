//! Manifests: how they are asked for, told apart, refused.

use super::{at, copy, holding};
use crate::support::images::{Content, artifact, image, index};
use crate::support::program::Program;
use crate::support::scripted::{Ability, Act, Scripted, when};
use crate::support::server::{Request, Response};
use crate::support::token_server::{TokenServer, Tokens};

#[test]
fn q19_a_head_without_a_digest_is_followed_by_the_body() {
    let registry = Scripted::settings().without(Ability::TellDigest).start();
    let image = image().build();
    registry.put("a", &image, &["v1"]);
    let output = Program::new().run(&["resolve", "-q", &at(&registry, "a:v1")]).success();
    assert!(output.stdout.contains(image.digest()), "{}", output.shown());
    assert_eq!(registry.lines(), ["HEAD /v2/a/manifests/v1", "GET /v2/a/manifests/v1"]);
}

#[test]
fn q20_every_request_for_a_manifest_accepts_every_type() {
    let registry = Scripted::start();
    let both = index(vec![image().build(), image().architecture("arm64").build()]);
    registry.put("a", &both, &["v1"]);
    // With fewer types it hands out one of the children, as Docker Hub does.
    let child = both.children[0].manifest.clone();
    let narrow = move |request: &Request, response: Response| {
        let accepted = request.header("accept").unwrap_or_default().to_owned();
        let whole = ["oci.image.index.v1", "oci.image.manifest.v1", "manifest.list.v2", "distribution.manifest.v2"];
        if whole.iter().all(|part| accepted.contains(part)) {
            return response;
        }
        response.header("Docker-Content-Digest", &child.digest).body(child.bytes.clone())
    };
    registry.rule(when("GET", "/v2/a/manifests/v1"), Act::change(narrow.clone()));
    registry.rule(when("HEAD", "/v2/a/manifests/v1"), Act::change(narrow));
    let program = Program::new();
    let output = program.run(&["resolve", &at(&registry, "a:v1")]).success();
    assert!(output.stdout.contains(both.digest()), "{}", output.shown());
    assert_eq!(
        program.run(&["inspect", "--raw", &at(&registry, "a:v1")]).success().stdout.as_bytes(),
        both.manifest.bytes
    );
    copy(&program, &at(&registry, "a:v1"), &at(&registry, "b:v1")).success();
    assert!(registry.holds("b", &both));
}

#[test]
fn q21_schema_1_is_refused_by_its_name() {
    let registry = Scripted::start();
    let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let old =
        Content::new(media_type, r#"{"schemaVersion": 1, "name": "a", "tag": "v1", "fsLayers": [], "history": []}"#);
    registry.put_manifest("a", &old, &["v1"]);
    let output = Program::new().run(&["inspect", &at(&registry, "a:v1")]).code(6);
    output.says("schema 1");
    let program = Program::new();
    copy(&program, &at(&registry, "a:v1"), &at(&registry, "b:v1")).code(6).says("schema 1");
    assert!(registry.tags("b").is_empty());
}

#[test]
fn q22_a_wrong_or_missing_type_is_worked_out() {
    for wrong in ["", "text/plain", "application/octet-stream", "application/json", "application/json; charset=utf-8"] {
        let (registry, image) = holding("a");
        if wrong.is_empty() {
            registry.rule(when("*", "/manifests/"), Act::without_header("Content-Type"));
        } else {
            registry.rule(when("*", "/manifests/"), Act::header("Content-Type", wrong));
        }
        let (program, destination) = (Program::new(), Scripted::start());
        let output = copy(&program, &at(&registry, "a:v1"), &at(&destination, "b:v1")).success();
        assert!(destination.holds("b", &image), "{wrong}");
        if !wrong.is_empty() {
            output.says("warning:").says("its own mediaType was taken");
        }
    }
    // Not a word of its type anywhere: its fields tell.
    let registry = Scripted::start();
    let mut document = image().build().document();
    document.as_object_mut().unwrap().remove("mediaType");
    registry.put_manifest("a", &Content::new("text/plain", document.to_string()), &["v1"]);
    let output = Program::new().run(&["inspect", "--raw", &at(&registry, "a:v1")]).success();
    output.says("by its fields it is application/vnd.oci.image.manifest.v1+json");
}

#[test]
fn q23_forbidden_means_unknown_to_who_is_about_to_write() {
    let (source, image) = holding("a");
    let destination = Scripted::start();
    let hide = |_: &Request, response: Response| if response.status == 404 { Response::new(403) } else { response };
    destination.rule(when("HEAD", ""), Act::change(hide));
    destination.rule(when("GET", ""), Act::change(hide));
    copy(&Program::new(), &at(&source, "a:v1"), &at(&destination, "b:v1")).success();
    assert!(destination.holds("b", &image));
    // To who only reads it is what it says.
    Program::new().run(&["resolve", &at(&destination, "b:v2")]).code(4).says("HTTP 403");
}

#[test]
fn q24_the_status_says_not_found_whatever_the_code() {
    for code in ["UNKNOWN", "NOT_FOUND", "MANIFEST_UNKNOWN"] {
        let registry = Scripted::start();
        registry.rule(when("*", "/manifests/"), Act::respond(Response::error(404, code)));
        Program::new().run(&["resolve", &at(&registry, "a:v1")]).code(3);
        Program::new().run(&["inspect", &at(&registry, "a:v1")]).code(3);
    }
}

#[test]
fn q25_a_list_is_asked_for_as_json() {
    let (registry, _) = holding("a");
    let picky = |request: &Request, response: Response| {
        let accepts_json = request.header("accept").is_none_or(|accept| accept.contains("application/json"));
        if accepts_json { response } else { Response::error(406, "MANIFEST_INVALID") }
    };
    registry.rule(when("GET", "/tags/list"), Act::change(picky));
    assert_eq!(Program::new().run(&["tags", &at(&registry, "a")]).success().stdout, "v1\n");
    Program::new().run(&["repositories", &registry.address()]).success();
    let accepted: Vec<String> =
        registry.requests().iter().filter_map(|request| request.header("accept").map(str::to_owned)).collect();
    assert_eq!(accepted, ["application/json"; 2]);
}

#[test]
fn q26_nobody_is_invited_to_compress() {
    let (registry, image) = holding("a");
    // Says that layers are encoded, because they happen to be gzip: their bytes are hashed as they come.
    let encodes = |request: &Request, response: Response| {
        if request.header("accept-encoding") == Some("identity") {
            response.header("Content-Encoding", "gzip")
        } else {
            Response::error(500, "UNKNOWN")
        }
    };
    registry.rule(when("*", ""), Act::change(encodes));
    let destination = Scripted::start();
    copy(&Program::new(), &at(&registry, "a:v1"), &at(&destination, "b:v1")).success();
    assert!(destination.holds("b", &image));
    let everywhere = destination.requests();
    assert!(everywhere.iter().all(|request| request.header("accept-encoding") == Some("identity")));
}

#[test]
fn q27_what_is_written_here_names_its_type() {
    let source = Scripted::start();
    let three = ["amd64", "arm64", "s390x"].map(|architecture| image().architecture(architecture).build());
    source.put("a", &index(three.to_vec()), &["v1"]);
    source.put("a", &artifact(&three[0].manifest, "application/sbom", b"{}"), &["sbom"]);
    let registry = Scripted::settings().without(Ability::Referrers).start();
    let typed = |request: &Request, response: Response| {
        let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if document["mediaType"].is_string() { response } else { Response::error(405, "UNSUPPORTED") }
    };
    registry.rule(when("PUT", "/manifests/"), Act::change(typed));
    let program = Program::new();
    let narrowed = ["copy", "--attached", "none", "--platform", "linux/amd64", "--platform", "linux/arm64"];
    let (from, to) = (at(&source, "a:v1"), at(&registry, "b:v1"));
    program.run(&[&narrowed[..], &[&from, &to]].concat()).success();
    // An artifact is listed under the fallback tag, by a list that is made here.
    copy(&program, &at(&source, "a:sbom"), &at(&registry, "b:sbom")).success();
    assert_eq!(registry.tags("b").len(), 3, "{:?}", registry.tags("b"));
    let written = registry.requests();
    let written = written.iter().filter(|request| request.method == "PUT" && request.target.contains("/manifests/"));
    for request in written {
        let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(document["mediaType"].as_str(), request.header("content-type"));
    }
}

#[test]
fn q28_a_type_that_is_refused_is_named() {
    let source = Scripted::start();
    source.put("a", &image().docker().build(), &["v1"]);
    for (status, code) in [(415, "UNSUPPORTED"), (400, "MANIFEST_INVALID")] {
        let registry = Scripted::start();
        registry.rule(when("PUT", "/manifests/"), Act::respond(Response::error(status, code)));
        let output = copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).code(1);
        let output = output.says(code).says(&format!("HTTP {status}"));
        output.says("hint: the manifest is of the type application/vnd.docker.distribution.manifest.v2+json");
        assert_eq!(registry.count("PUT", "/manifests/"), 1, "a refusal for good is not repeated");
    }
}

#[test]
fn q29_an_artifact_type_that_is_refused_is_named() {
    let (source, image) = holding("a");
    source.put("a", &artifact(&image.manifest, "application/vnd.example.sbom", b"{}"), &["sbom"]);
    let registry = Scripted::start();
    registry.rule(when("PUT", "/manifests/"), Act::respond(Response::error(415, "MANIFEST_INVALID")));
    let output = copy(&Program::new(), &at(&source, "a:sbom"), &at(&registry, "b:sbom")).code(1);
    output.says("artifact type application/vnd.example.sbom");
}

#[test]
fn q30_the_reason_that_a_head_cannot_tell_is_read_by_get() {
    let registry = Scripted::start();
    let reason = serde_json::json!({"errors": [{"code": "DENIED", "message": "the account is suspended"}]});
    registry.rule(when("*", "/manifests/"), Act::respond(Response::json(403, &reason)));
    Program::new()
        .run(&["resolve", &at(&registry, "a:v1")])
        .code(4)
        .says("DENIED, the account is suspended (HTTP 403)");
    assert_eq!(registry.lines(), ["HEAD /v2/a/manifests/v1", "GET /v2/a/manifests/v1"]);

    let tokens = TokenServer::start(Tokens { anonymous_pull: false, ..Tokens::default() });
    let registry = Scripted::settings().tokens(&tokens).start();
    Program::new().run(&["resolve", &at(&registry, "a:v1")]).code(4).says("UNAUTHORIZED").says("tranship login");
}
