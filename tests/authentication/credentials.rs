//! Which credential counts: the command's, the configuration's, docker's; the first that is configured.

use super::{PASSWORD, USER, program, program_of_bob, users};
use crate::support::certificates::Authority;
use crate::support::docker_registry::{self, DockerRegistry};
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::Scripted;

/// A registry for one user, with an image in several repositories.
fn registry() -> Scripted {
    let registry = Scripted::settings().basic(USER, PASSWORD).start();
    let image = image().build();
    for repository in ["app", "team/app", "team/web/app", "teams"] {
        registry.put(repository, &image, &["v1"]);
    }
    registry
}

#[test]
fn a_password_is_shown_once_it_is_asked_for() {
    needs!("docker-registry", "htpasswd");
    let authority = Authority::new();
    let server = DockerRegistry::htpasswd(&authority);
    let image = image().build();
    let owner = Registry::trusting(&server.url(), &authority);
    owner.basic(docker_registry::USER, docker_registry::PASSWORD).push("app", &image, &["v1"]);
    let configured = |password: &str| {
        let pem = authority.pem().replace('\n', "\n    ");
        let entry = format!(
            "\n- address: {}\n  credentials: [{{repository: '*', vault: test, secret: alice}}]\n  ca-cert: |\n    {pem}\n",
            server.address()
        );
        program(&[("alice", docker_registry::USER, password)], &entry)
    };
    let name = format!("{}/app:v1", server.address());
    let output = configured(docker_registry::PASSWORD).run(&["resolve", &name]).success();
    assert_eq!(output.lines(), [format!("{name}@{}", image.digest())]);
    let output = configured("canary").run(&["resolve", &name]).code(4);
    output.says("UNAUTHORIZED").says("hint: check the credential: `tranship secret show test/alice`");
    let output = configured(docker_registry::PASSWORD).run(&["resolve", &name, "--anonymous"]).code(4);
    output.says(&format!("hint: run `tranship login {}`", server.address()));
}

#[test]
fn it_is_shown_to_nobody_who_does_not_ask() {
    let open = Scripted::start();
    open.put("app", &image().build(), &["v1"]);
    program_of_bob(&open.address()).run(&["inspect", &format!("{}/app:v1", open.address())]).success();
    assert_eq!(users(&open.requests()), [None, None]);
}

#[test]
fn a_known_scheme_saves_the_refusal() {
    let registry = registry();
    let program = program_of_bob(&registry.address());
    let name = format!("{}/app:v1", registry.address());
    program.run(&["resolve", &name]).success();
    program.run(&["resolve", &name]).success();
    let bob = Some(USER.to_owned());
    assert_eq!(users(&registry.requests()), [None, bob.clone(), bob]);
}

#[test]
fn the_longest_prefix_on_path_boundaries_wins() {
    let registry = registry();
    let rules = [("team", "team"), ("*", "all"), ("team/web", "web")]
        .map(|(pattern, secret)| format!("{{repository: '{pattern}', vault: test, secret: {secret}}}"));
    let entry = format!("\n- {{address: '{}', credentials: [{}]}}\n", registry.address(), rules.join(", "));
    let secrets = [("all", "of-all", PASSWORD), ("team", "of-team", PASSWORD), ("web", "of-web", PASSWORD)];
    for (repository, user) in
        [("app", "of-all"), ("teams", "of-all"), ("team/app", "of-team"), ("team/web/app", "of-web")]
    {
        registry.forget_requests();
        let name = format!("{}/{repository}:v1", registry.address());
        program(&secrets, &entry).run(&["resolve", &name]).code(4);
        assert_eq!(users(&registry.requests()).last().unwrap().as_deref(), Some(user), "{repository}");
    }
}

#[test]
fn a_command_names_another_secret_or_none() {
    let registry = registry();
    let entry = format!(
        "\n- {{address: '{}', credentials: [{{repository: '*', vault: test, secret: wrong}}]}}\n",
        registry.address()
    );
    let secrets = [("bob", USER, PASSWORD), ("wrong", "mallory", "wrong")];
    let name = format!("{}/app:v1", registry.address());
    program(&secrets, &entry).run(&["resolve", &name]).code(4).says("test/wrong");
    program(&secrets, &entry).run(&["resolve", &name, "--secret", "test/bob"]).success();
    registry.forget_requests();
    program(&secrets, &entry).run(&["resolve", &name, "--anonymous"]).code(4);
    assert!(users(&registry.requests()).iter().all(Option::is_none));
    program(&secrets, &entry).run(&["resolve", &name, "--anonymous", "--secret", "test/bob"]).code(2);
}

#[test]
fn each_side_of_a_copy_has_its_own_secret() {
    let from = Scripted::settings().basic("reader", "r").start();
    let to = Scripted::settings().basic("writer", "w").start();
    let image = image().build();
    from.put("app", &image, &["v1"]);
    let program = program(&[("from", "reader", "r"), ("to", "writer", "w")], "[]");
    let names = [format!("{}/app:v1", from.address()), format!("{}/app:v1", to.address())];
    let copy = ["copy", "--attached", "none", &names[0], &names[1]];
    program.run(&copy).code(4);
    let sides = ["--src-secret", "test/from", "--dest-secret", "test/to"];
    program.run(&[&copy[..], &sides].concat()).success();
    assert!(to.holds("app", &image));
    assert!(users(&from.requests()).iter().flatten().all(|user| user == "reader"));
    assert!(users(&to.requests()).iter().flatten().all(|user| user == "writer"));
}

#[test]
fn a_configured_credential_that_cannot_be_read_is_an_error_and_no_other_is_tried() {
    let registry = registry();
    let name = format!("{}/app:v1", registry.address());
    // Docker's file would have the right one.
    let docker = |program: &Program| {
        let entry = format!(r#"{{"auths":{{"{}":{{"auth":"Ym9iOnNlY3JldA=="}}}}}}"#, registry.address());
        std::fs::create_dir(program.path(".docker")).unwrap();
        std::fs::write(program.path(".docker/config.json"), entry).unwrap();
    };
    let with_docker = Program::new();
    docker(&with_docker);
    with_docker.run(&["resolve", &name]).success();
    registry.forget_requests();

    let rule = |vault: &str| {
        let rule = format!("{{repository: '*', vault: {vault}, secret: nobody}}");
        format!("\n- {{address: '{}', credentials: [{rule}]}}\n", registry.address())
    };
    let missing = program(&[], &rule("test"));
    docker(&missing);
    let cannot = format!("cannot use the credential `test/nobody` that is configured for {}", registry.address());
    let output = missing.run(&["resolve", &name]).code(4).says(&cannot).says("its vault has no such secret");
    output.says("hint: set it: `tranship secret set test/nobody`");
    let missing = program(&[], &rule("elsewhere"));
    docker(&missing);
    missing.run(&["resolve", &name]).code(4).says("`elsewhere`");
    assert!(registry.requests().is_empty());
}
