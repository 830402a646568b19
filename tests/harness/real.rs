//! docker-registry in its settings, skopeo, the relay, the program.

use std::time::{Duration, Instant};

use crate::support::certificates::Authority;
use crate::support::docker_registry::{DockerRegistry, PASSWORD, USER};
use crate::support::images::{artifact, docker_index, image, index};
use crate::support::parts::PARTS;
use crate::support::program::{Program, normal};
use crate::support::push::Registry;
use crate::support::relay::{Line, Relay};
use crate::support::skopeo::Skopeo;
use crate::support::token_server::{KeyName, TokenServer, Tokens};

#[test]
fn an_open_registry_takes_every_sort_of_image_and_skopeo_reads_them() {
    needs!("docker-registry", "skopeo");
    let server = DockerRegistry::open();
    let registry = Registry::at(&server.url());
    let one = image().annotation("org.example", "x").build();
    let platforms = [image().docker().build(), image().docker().architecture("arm64").build()];
    let all = [
        ("one", one.clone()),
        ("docker", image().docker().label("a", "b").build()),
        ("index", index(vec![image().build(), image().architecture("arm64").build()])),
        ("list", docker_index(platforms.to_vec())),
        ("artifact", artifact(&one.manifest, "application/vnd.example", b"file")),
        ("signature", image().subject(&one.manifest).build()),
    ];
    let skopeo = Skopeo::new();
    for (tag, image) in &all {
        registry.push("team/app", image, &[tag]);
        assert!(registry.holds("team/app", image), "{tag}");
        let raw = skopeo.inspect_raw(&format!("docker://{}/team/app:{tag}", server.address())).unwrap();
        assert_eq!(raw, image.manifest.bytes, "{tag}");
    }
    assert!(server.storage().join("docker/registry/v2/repositories/team/app").is_dir());
    assert_eq!(registry.get("/v2/team/app/manifests/none").status, 404);
}

#[test]
fn skopeo_copies_and_remembers_nothing_outside_its_home() {
    needs!("docker-registry", "skopeo");
    let server = DockerRegistry::open();
    let registry = Registry::at(&server.url());
    let image = image().build();
    registry.push("a", &image, &["v1"]);
    let skopeo = Skopeo::new();
    let place = |name: &str| format!("docker://{}/{name}", server.address());
    skopeo.copy(&place("a:v1"), &place("b:v1")).unwrap();
    assert!(registry.holds("b", &image));
    assert!(skopeo.remembers_at_home());
    assert!(skopeo.inspect_raw(&place("c:v1")).is_err());
}

#[test]
fn a_registry_with_passwords_speaks_tls_of_a_private_authority() {
    needs!("docker-registry", "htpasswd", "skopeo");
    let authority = Authority::new();
    let server = DockerRegistry::htpasswd(&authority);
    let anonymous = Registry::trusting(&server.url(), &authority);
    let refused = anonymous.get("/v2/");
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic realm="));
    assert_eq!(Registry::trusting(&DockerRegistry::secure(&authority).url(), &authority).get("/v2/").status, 200);
    let user = Registry::trusting(&server.url(), &authority).basic(USER, PASSWORD);
    let image = image().build();
    user.push("a", &image, &["v1"]);
    assert!(user.holds("a", &image));
    assert!(Registry::at(&server.url()).try_request("GET", "/v2/", &[], b"").is_err());

    let trusted = tempfile::tempdir().unwrap();
    std::fs::write(trusted.path().join("ca.crt"), authority.pem()).unwrap();
    let (certificates, user) = (trusted.path().to_str().unwrap(), format!("{USER}:{PASSWORD}"));
    let location = format!("docker://{}/a:v1", server.address());
    let raw = Skopeo::new().run(&["inspect", "--raw", "--cert-dir", certificates, "--creds", &user, &location]);
    assert_eq!(raw.unwrap(), image.manifest.bytes);
}

#[test]
fn a_registry_with_tokens_takes_those_of_the_token_server() {
    needs!("docker-registry", "skopeo");
    for key_name in [KeyName::X5c, KeyName::Kid] {
        let tokens = TokenServer::start(Tokens { key_name, ..Tokens::default() });
        let server = DockerRegistry::tokens(&tokens);
        let anonymous = Registry::at(&server.url());
        let challenge = anonymous.get("/v2/a/manifests/v1").header("www-authenticate").unwrap().to_owned();
        assert!(challenge.contains(&tokens.realm()) && challenge.contains("repository:a:pull"), "{challenge}");
        let image = image().build();
        Registry::at(&server.url()).token(&tokens.token(&["repository:a:pull,push"])).push("a", &image, &["v1"]);
        let reader = Registry::at(&server.url()).token(&tokens.token(&["repository:a:pull"]));
        assert!(reader.holds("a", &image));
        let refused = reader.request("POST", "/v2/a/blobs/uploads/", &[], b"");
        assert!(refused.header("www-authenticate").unwrap().contains("insufficient_scope"));

        let location = format!("docker://{}/a:v1", server.address());
        let raw = Skopeo::new().run(&["inspect", "--raw", "--tls-verify=false", "--creds", "bob:secret", &location]);
        assert_eq!(raw.unwrap(), image.manifest.bytes);
        let fetched = tokens.fetches();
        assert_eq!(fetched.last().unwrap().user.as_deref(), Some("bob"), "{fetched:?}");
        assert_eq!(fetched.last().unwrap().scopes, ["repository:a:pull"]);
    }
}

#[test]
fn removing_is_allowed_or_not() {
    needs!("docker-registry");
    for (server, status) in [(DockerRegistry::open(), 202), (DockerRegistry::without_delete(), 405)] {
        let registry = Registry::at(&server.url());
        let image = image().build();
        registry.push("a", &image, &["v1"]);
        let target = format!("/v2/a/manifests/{}", image.digest());
        assert_eq!(registry.request("DELETE", &target, &[], b"").status, status);
    }
}

#[test]
fn a_mirror_keeps_what_went_through_it() {
    needs!("docker-registry");
    let upstream = DockerRegistry::open();
    let image = image().build();
    Registry::at(&upstream.url()).push("a", &image, &["v1"]);
    let mirror = DockerRegistry::mirror_of(&upstream.url());
    let registry = Registry::at(&mirror.url());
    assert!(registry.holds("a", &image));
    assert_eq!(registry.manifest("a", "v1").unwrap().bytes, image.manifest.bytes);
    assert_eq!(registry.request("POST", "/v2/a/blobs/uploads/", &[], b"").status, 405);
}

#[test]
fn a_relay_counts_and_slows_what_goes_through_it() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let relay = Relay::to(server.address());
    let registry = Registry::at(&format!("http://{}", relay.address()));
    let image = image().layers(&[200_000]).build();
    registry.push("a", &image, &["v1"]);
    assert!(registry.holds("a", &image));
    let lines = relay.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("POST /v2/a/blobs/uploads/")).count(), 2, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("PUT /v2/a/manifests/")).count(), 2);
    assert!(relay.connections() > 0);
    relay.forget();
    assert!(relay.lines().is_empty());

    let slow = Relay::slow(server.address(), Duration::from_millis(80));
    let begun = Instant::now();
    assert_eq!(Registry::at(&format!("http://{}", slow.address())).get("/v2/").status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(80));
}

#[test]
fn a_relay_narrows_and_cuts_what_goes_through_it() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let image = image().layers(&[400_000]).build();
    Registry::at(&server.url()).push("a", &image, &["v1"]);
    let layer = &image.blobs[1];
    let target = format!("/v2/a/blobs/{}", layer.digest);

    let narrow = Relay::over(server.address(), Line { rate: Some(4_000_000), ..Line::default() });
    let begun = Instant::now();
    assert_eq!(Registry::at(&format!("http://{}", narrow.address())).get(&target).body, layer.bytes);
    assert!(begun.elapsed() >= Duration::from_millis(90), "{:?}", begun.elapsed());
    assert_eq!(narrow.downloaded(), layer.bytes.len() as u64);

    let cutting = Relay::to(server.address());
    cutting.cut_answers(2, 1000);
    let registry = Registry::at(&format!("http://{}", cutting.address()));
    let cut = || registry.try_request("GET", &target, &[], b"").is_err();
    assert_eq!([cut(), cut(), cut()], [true, true, false]);
    assert_eq!(cutting.downloaded(), layer.bytes.len() as u64 + 2000);
}

#[test]
fn the_program_runs_in_an_empty_home() {
    let mut program = Program::new();
    program.set("TRANSHIP_TEST", "1");
    assert!(program.path("x").starts_with(program.home().to_str().unwrap()));
    program.configure("settings: {}\n");
    assert!(program.config_file().is_file());
    program.run(&["--version"]).success().keeps_quiet_about("PANIC");
    let script = r#"printf '{"a": "%s %s"}' "$TRANSHIP_TEST" "$A"; cat; echo "in $HOME" >&2; exit 3"#;
    let run =
        program.invoke_other("sh", &["-c", script]).stdin("\n").env("A", "b").limit(Duration::from_secs(20)).run();
    let output = run.code(3).says("in ");
    assert_eq!(output.json()["a"], "1 b");
    assert_eq!(output.lines(), [r#"{"a": "1 b"}"#]);
    assert_eq!(output.shown(), "exit 3\n--- stdout\n{\"a\": \"1 b\"}\n--- stderr\nin HOME/\n");
}

#[test]
fn a_program_that_is_stopped_says_by_what() {
    let program = Program::new();
    let running = program.invoke(&["--version"]).start();
    running.signal("KILL");
    let output = running.finish();
    assert!(matches!(output.code, None | Some(0)), "{}", output.shown());
}

#[test]
fn the_script_installs_every_part() {
    let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run")).unwrap();
    for (program, package) in PARTS {
        assert!(script.contains(&format!("\n  {program}:{package}\n")), "tests/run does not know {program}");
    }
}

#[test]
fn what_varies_is_made_equal() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let text = format!("127.0.0.1:4711/a@{digest} localhost_80/ü and 127.0.0.1:x");
    assert_eq!(normal(&text), "127.0.0.1:PORT/a@sha256:DIGEST localhost_PORT/ü and 127.0.0.1:x");
}
