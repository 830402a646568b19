//! Removing, in the few ways that registries allow it.

use super::{at, copy, holding, known_as, logged_in};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Request, Response};
use crate::support::token_server::{TokenServer, Tokens};

fn delete(program: &Program, image: &str) -> crate::support::program::Output {
    program.run(&["delete", "--yes", image])
}

#[test]
fn q07_the_right_to_delete_is_called_delete_here_and_push_there() {
    let tokens = TokenServer::start(Tokens::default());
    let registry = Scripted::settings().tokens(&tokens).start();
    registry.put("a", &image().build(), &["v1", "v2"]);
    let program = logged_in(&registry.address(), "bob", "secret");
    delete(&program, &at(&registry, "a:v1")).success();
    let scopes: Vec<String> = tokens.fetches().into_iter().flat_map(|fetch| fetch.scopes).collect();
    assert!(scopes.contains(&"repository:a:pull,delete".to_owned()), "{scopes:?}");
    assert_eq!(registry.tags("a"), ["v2"]);

    // Here asking for `delete` spoils the token, or brings one that allows nothing.
    for spoilt in [true, false] {
        let tokens = TokenServer::start(Tokens {
            refuses: spoilt.then_some(("delete", 400)),
            narrows: (!spoilt).then_some("delete"),
            ..Tokens::default()
        });
        let registry = Scripted::settings().tokens(&tokens).start();
        registry.put("a", &image().build(), &["v1"]);
        let desk = tokens.desk();
        let by_push = move |request: &Request, refusal: Response| {
            let token = request.header("authorization").and_then(|shown| shown.strip_prefix("Bearer "));
            let may = desk.allows(token.unwrap_or_default(), "repository", "a", "push") == Some(true);
            if may { Response::new(202) } else { refusal }
        };
        registry.rule(when("DELETE", "/manifests/"), Act::change(by_push));
        let program = logged_in(&registry.address(), "bob", "secret");
        delete(&program, &at(&registry, "a:v1")).success();
        assert!(registry.count("DELETE", "") <= 5, "{:?}", registry.lines());
    }
}

#[test]
fn q07_docker_registry_calls_it_delete() {
    needs!("docker-registry");
    let tokens = TokenServer::start(Tokens::default());
    let registry = DockerRegistry::tokens(&tokens);
    let image = image().build();
    let client = Registry::at(&registry.url()).token(&tokens.token(&["repository:a:pull,push"]));
    client.push("a", &image, &["v1"]);
    let program = logged_in(registry.address(), "bob", "secret");
    let named = format!("{}/a@{}", registry.address(), image.digest());
    delete(&program, &named).success();
    assert!(client.manifest("a", "v1").is_none());
    let scopes: Vec<String> = tokens.fetches().into_iter().flat_map(|fetch| fetch.scopes).collect();
    assert!(scopes.contains(&"repository:a:pull,delete".to_owned()), "{scopes:?}");
}

#[test]
fn q15_a_job_token_of_gitlab_cannot_delete() {
    for status in [401, 403] {
        let (registry, _) = holding("group/app");
        registry.rule(when("DELETE", ""), Act::respond(Response::error(status, "UNAUTHORIZED")));
        let program = Program::new();
        known_as(&program, "registry.gitlab.com", &registry);
        let output = delete(&program, "registry.gitlab.com/group/app:v1").code(4);
        output.says("job token cannot delete").says("personal or project access token");
    }
}

#[test]
fn q50_where_the_protocol_removes_nothing_the_vendors_way_is_named() {
    let vendors = [
        ("docker.io", 405, "UNSUPPORTED", "Docker Hub removes tags only by its own API"),
        ("ghcr.io", 405, "UNSUPPORTED", "gh api -X DELETE"),
        ("123456789012.dkr.ecr.eu-north-1.amazonaws.com", 404, "NOT_FOUND", "aws ecr batch-delete-image"),
    ];
    for (name, status, code, hint) in vendors {
        let (registry, _) = holding("team/app");
        registry.rule(when("DELETE", ""), Act::respond(Response::error(status, code)));
        for flags in [&["--manifest", "--yes"][..], &[]] {
            let program = Program::new();
            known_as(&program, name, &registry);
            let image = format!("{name}/team/app:v1");
            let words = [&["delete"], flags, &[&image]].concat();
            let output = program.run(&words);
            let expected = if status == 404 { 3 } else { 1 };
            output.code(expected).says(hint);
        }
        assert_eq!(registry.tags("team/app"), ["v1"]);
    }
}

#[test]
fn q51_docker_registry_removes_nothing_unless_it_is_told_to() {
    needs!("docker-registry");
    let registry = DockerRegistry::without_delete();
    Registry::at(&registry.url()).push("a", &image().build(), &["v1"]);
    let name = format!("{}/a:v1", registry.address());
    let output = Program::new().run(&["delete", "--manifest", "--yes", &name]).code(1);
    output.says("UNSUPPORTED").says("storage.delete.enabled").says("garbage collection");
    let registry = DockerRegistry::open();
    let client = Registry::at(&registry.url());
    let image = image().build();
    client.push("a", &image, &["v1"]);
    Program::new().run(&["delete", "--manifest", "--yes", &format!("{}/a:v1", registry.address())]).success();
    assert!(client.manifest("a", "v1").is_none());
    let blob = client.get(&format!("/v2/a/blobs/{}", image.blobs[1].digest));
    assert_eq!(blob.status, 200, "blobs stay until it collects");
}

#[test]
fn q52_a_digest_takes_all_its_tags_with_it_and_that_is_said_before() {
    let (registry, first) = holding("a");
    registry.put("a", &first, &["stable", "v1.0"]);
    registry.put("a", &image().build(), &["v2"]);
    let program = Program::new();
    for words in [&["delete", "--manifest"][..], &["delete"]] {
        let name = if words.len() == 1 { format!("a@{}", first.digest()) } else { "a:v1".to_owned() };
        let output = program.run(&[words, &[&at(&registry, &name)]].concat()).code(2);
        output.says("takes the tags stable, v1, v1.0 with it").says("--yes");
    }
    assert_eq!(registry.tags("a").len(), 4);
    let output = program.run(&["delete", "--manifest", "--yes", &at(&registry, "a:v1")]).success();
    assert_eq!(output.stdout, format!("removed {} with the tags stable, v1, v1.0\n", first.digest()));
    assert_eq!(registry.tags("a"), ["v2"]);
}

#[test]
fn q53_docker_registry_removes_no_single_tag_but_a_placeholder_does() {
    needs!("docker-registry");
    let registry = DockerRegistry::open();
    let client = Registry::at(&registry.url());
    let image = image().build();
    client.push("a", &image, &["v1", "v2"]);
    let (program, name) = (Program::new(), format!("{}/a:v1", registry.address()));
    program.run(&["delete", &name]).code(1).says("removes no single tag").says("--by-placeholder");
    assert!(client.manifest("a", "v1").is_some());
    program.run(&["delete", "--by-placeholder", &name]).success();
    assert!(client.manifest("a", "v1").is_none(), "the tag is gone");
    assert_eq!(client.manifest("a", "v2").unwrap().digest, image.digest(), "the image is not");
    assert!(client.holds("a", &image));
}

#[test]
fn q54_what_is_still_named_is_removed_from_the_outside_in() {
    for code in ["GOOGLE_MANIFEST_DANGLING_TAG", "GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE"] {
        let (registry, image) = holding("a");
        registry.rule(when("DELETE", ""), Act::respond(Response::error(400, code)));
        let output = delete(&Program::new(), &at(&registry, &format!("a@{}", image.digest()))).code(1);
        output.says(code).says("remove its tags first, then the indexes that name it");
    }
}

#[test]
fn q49_an_upload_that_may_not_be_cancelled_is_left() {
    for status in [401, 403, 404, 405] {
        let (source, image) = holding("a");
        // Mounts tell nothing here, so that an upload is opened for a blob that is there already.
        let registry = Scripted::settings().without(crate::support::scripted::Ability::Mount).start();
        registry.put("b", &image, &[]);
        registry.rule(when("DELETE", "/uploads/"), Act::respond(Response::error(status, "DENIED")));
        copy(&Program::new(), &at(&source, "a:v1"), &at(&registry, "b:v1")).success();
        assert_eq!(registry.tag("b", "v1").as_deref(), Some(image.digest()), "{status}");
        assert!(registry.count("DELETE", "/uploads/") > 0, "it was tried");
    }
}
