//! Challenges, tokens, and to whom a credential is shown.

use std::os::unix::fs::PermissionsExt as _;

use super::{at, copy, holding, known_as, logged_in, with_docker_entry};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;
use crate::support::token_server::{Several, TokenServer, Tokens, basic};

/// A registry behind `tokens` that holds one image as `NAME:v1` for every name.
fn guarded(tokens: &TokenServer, names: &[&str]) -> Scripted {
    let registry = Scripted::settings().tokens(tokens).start();
    for name in names {
        registry.put(name, &image().build(), &["v1"]);
    }
    registry
}

/// The scopes of every token that was asked for.
fn asked(tokens: &TokenServer) -> Vec<Vec<String>> {
    tokens.fetches().into_iter().map(|fetch| fetch.scopes).collect()
}

#[test]
fn q01_the_front_door_says_what_the_room_does_not() {
    let tokens = TokenServer::start(Tokens::default());
    let registry = guarded(&tokens, &["a"]);
    let silent = |request: &crate::support::server::Request, response: Response| {
        if request.path() == "/v2/" { response } else { response.without_header("WWW-Authenticate") }
    };
    registry.rule(when("*", ""), Act::change(silent));
    let program = Program::new();
    program.run(&["resolve", &at(&registry, "a:v1")]).success();
    assert_eq!(registry.lines(), ["HEAD /v2/a/manifests/v1", "GET /v2/", "HEAD /v2/a/manifests/v1"]);
    assert_eq!(asked(&tokens), [["repository:a:pull"]]);

    let registry = Scripted::settings().basic("bob", "secret").start();
    registry.put("a", &image().build(), &["v1"]);
    registry.rule(when("*", ""), Act::change(silent));
    logged_in(&registry.address(), "bob", "secret").run(&["resolve", &at(&registry, "a:v1")]).success();
}

#[test]
fn q02_a_token_stands_in_either_field_and_may_not_say_how_long_it_is_good() {
    for fields in [&["token"][..], &["access_token"], &["token", "access_token"]] {
        let tokens = TokenServer::start(Tokens { fields: fields.to_vec().leak(), ..Tokens::default() });
        let registry = guarded(&tokens, &["a"]);
        Program::new().run(&["resolve", &at(&registry, "a:v1")]).success();
        assert_eq!(tokens.fetches().len(), 1, "{fields:?}");
    }
    let tokens = TokenServer::start(Tokens { says_lifetime: false, ..Tokens::default() });
    let registry = guarded(&tokens, &["a"]);
    let program = Program::new();
    for _ in 0..2 {
        program.run(&["resolve", &at(&registry, "a:v1")]).success();
    }
    assert_eq!(tokens.fetches().len(), 1, "a token without a lifetime is good for a minute, also for the next run");
    let kept = std::fs::read(program.home().join("state/tranship/tokens.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let token = &kept["tokens"][0];
    assert_eq!(token["expires"].as_i64().unwrap() - token["received"].as_i64().unwrap(), 60);
}

#[test]
fn q03_only_the_first_scope_is_honoured() {
    let tokens = TokenServer::start(Tokens { several: Several::FirstAlone, ..Tokens::default() });
    let registry = guarded(&tokens, &["a"]);
    let program = logged_in(&registry.address(), "bob", "secret");
    copy(&program, &at(&registry, "a:v1"), &at(&registry, "b:v1")).success();
    let asked = asked(&tokens);
    assert!(asked.iter().any(|scopes| scopes[0] == "repository:b:pull,push"), "the missing one first: {asked:?}");
    assert!(asked.len() <= 12, "{asked:?}");
    assert!(registry.tag("b", "v1").is_some());
}

#[test]
fn q04_a_scope_that_spoils_the_token_is_left_out_and_others_registries_are_not_asked_for() {
    let tokens = TokenServer::start(Tokens { several: Several::Refused(1, 403), ..Tokens::default() });
    let registry = guarded(&tokens, &["a"]);
    let program = logged_in(&registry.address(), "bob", "secret");
    // The mount would need a token for both repositories, which is not to be had: the blobs travel.
    copy(&program, &at(&registry, "a:v1"), &at(&registry, "b:v1")).success();
    assert_eq!(registry.tag("b", "v1"), registry.tag("a", "v1"));
    assert_eq!(registry.count("PUT", "/v2/b/blobs/uploads/"), 3);

    let (source, image) = holding("elsewhere");
    let tokens = TokenServer::start(Tokens::default());
    let registry = guarded(&tokens, &[]);
    let program = logged_in(&registry.address(), "bob", "secret");
    copy(&program, &at(&source, "elsewhere:v1"), &at(&registry, "here:v1")).success();
    assert!(registry.holds("here", &image));
    assert_eq!(asked(&tokens), [["repository:here:pull,push"]]);
}

#[test]
fn q05_a_long_list_of_scopes_is_asked_for_in_parts() {
    let tokens = TokenServer::start(Tokens { several: Several::Refused(40, 414), ..Tokens::default() });
    let names: Vec<String> = (0..45).map(|number| format!("team/app-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let registry = guarded(&tokens, &names);
    let program = Program::new();
    let images: Vec<String> = names.iter().map(|name| at(&registry, &format!("{name}:v1"))).collect();
    let words: Vec<&str> = ["resolve"].into_iter().chain(images.iter().map(String::as_str)).collect();
    assert_eq!(program.run(&words).success().lines().len(), 45);
    let words: Vec<&str> =
        ["pull", "--attached", "none"].into_iter().chain(images.iter().map(String::as_str)).collect();
    assert_eq!(program.run(&words).success().lines().len(), 45);
    assert!(asked(&tokens).iter().all(|scopes| scopes.len() <= 40), "no request was one too long");
}

#[test]
fn q06_two_scopes_stand_in_one_quoted_string() {
    let tokens = TokenServer::start(Tokens::default());
    let registry = guarded(&tokens, &["a"]);
    let (desk, realm) = (tokens.desk(), tokens.realm());
    // It wants a right that nobody would guess, and names it beside the other.
    let both = move |request: &crate::support::server::Request, response: Response| {
        let token = request.header("authorization").and_then(|shown| shown.strip_prefix("Bearer ")).unwrap_or_default();
        if desk.allows(token, "repository", "group/all", "pull") == Some(true) {
            return response;
        }
        let scope = "repository:a:pull repository:group/all:pull";
        let challenge = format!("Bearer realm=\"{realm}\",service=\"registry.test\",scope=\"{scope}\"");
        Response::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &challenge)
    };
    registry.rule(when("*", "/a/"), Act::change(both));
    Program::new().run(&["resolve", &at(&registry, "a:v1")]).success();
    let asked = asked(&tokens);
    assert_eq!(asked.last().unwrap(), &["repository:a:pull", "repository:group/all:pull"], "{asked:?}");
}

#[test]
fn q08_a_token_is_granted_for_what_is_refused_afterwards() {
    let tokens = TokenServer::start(Tokens::default());
    let registry = guarded(&tokens, &[]);
    let denied = Response::error(403, "DENIED");
    registry.rule(when("POST", "/uploads/"), Act::respond(denied.clone()));
    registry.rule(when("PUT", ""), Act::respond(denied));
    let (source, _) = holding("a");
    let program = logged_in(&registry.address(), "bob", "secret");
    let output = copy(&program, &at(&source, "a:v1"), &at(&registry, "b:v1")).code(4);
    output.says("DENIED").says("HTTP 403").keeps_quiet_about("secret\n");
    assert!(registry.count("POST", "/uploads/") <= 2 * 3, "{:?}", registry.lines());
    assert!(registry.tags("b").is_empty());
}

#[test]
fn q08_rights_are_found_out_by_trying() {
    let tokens = TokenServer::start(Tokens::default());
    for (allows_push, rights) in [(true, "pull, push in team/app"), (false, "pull in team/app")] {
        let registry = guarded(&tokens, &["team/app"]);
        if !allows_push {
            registry.rule(when("POST", "/uploads/"), Act::respond(Response::error(403, "DENIED")));
        }
        let program = logged_in(&registry.address(), "bob", "secret");
        let output = program.run(&["registry", "test", &registry.address(), "--repository", "team/app"]).success();
        assert!(output.stdout.contains(rights), "{}", output.shown());
        assert_eq!(registry.open_uploads(), 0, "what was begun was cancelled");
    }
}

#[test]
fn q09_an_identity_token_is_a_password_where_the_form_is_not_spoken() {
    for oauth2 in [true, false] {
        let mut rules = Tokens { oauth2, ..Tokens::default() };
        rules.users.insert("<token>".to_owned(), "refresh-bob-0".to_owned());
        let tokens = TokenServer::start(rules);
        assert_eq!(tokens.refresh_token("bob"), "refresh-bob-0");
        let registry = guarded(&tokens, &["a"]);
        let entry = serde_json::json!({"auth": "", "identitytoken": "refresh-bob-0"});
        let program = with_docker_entry(&registry.address(), &entry);
        program.run(&["resolve", &at(&registry, "a:v1")]).success().keeps_quiet_about("refresh-bob-0");
        let ways: Vec<(String, u16)> = tokens
            .fetches()
            .into_iter()
            .map(|fetch| (format!("{} {}", fetch.method, fetch.grant), fetch.status))
            .collect();
        let form = "POST refresh_token".to_owned();
        if oauth2 {
            assert_eq!(ways, [(form, 200)]);
        } else {
            assert_eq!(ways, [(form, 404), ("GET basic".to_owned(), 200)]);
        }
    }
}

#[test]
fn q10_a_user_of_noughts_has_an_identity_token() {
    for user in ["00000000-0000-0000-0000-000000000000", "<token>"] {
        let tokens = TokenServer::start(Tokens::default());
        let registry = guarded(&tokens, &["a"]);
        let program = logged_in(&registry.address(), user, &tokens.refresh_token("bob"));
        program.run(&["resolve", &at(&registry, "a:v1")]).success();
        let fetches = tokens.fetches();
        let [fetch] = &fetches[..] else { panic!("{fetches:?}") };
        assert_eq!((fetch.grant.as_str(), fetch.user.as_deref()), ("refresh_token", Some("bob")), "{user}");
    }
}

#[test]
fn q11_a_helper_is_asked_anew_by_every_run() {
    let mut program = Program::new();
    std::fs::create_dir_all(program.home().join("bin")).unwrap();
    let helper = program.home().join("bin/docker-credential-of-today");
    let script =
        "#!/bin/sh\ncat >/dev/null; printf '{\"Username\":\"AWS\",\"Secret\":\"%s\"}' \"$(cat \"$HOME/today\")\"\n";
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.set("PATH", &format!("{}:{}", program.path("bin"), std::env::var("PATH").unwrap()));
    for today in ["monday's", "tuesday's"] {
        let registry = Scripted::settings().basic("AWS", today).start();
        registry.put("a", &image().build(), &["v1"]);
        std::fs::write(program.home().join("today"), today).unwrap();
        let file = program.path("auth.json");
        let helpers = serde_json::json!({"credHelpers": {registry.address(): "of-today"}});
        std::fs::write(&file, helpers.to_string()).unwrap();
        let run = program.invoke(&["resolve", &at(&registry, "a:v1")]).env("REGISTRY_AUTH_FILE", &file);
        run.run().success().keeps_quiet_about(today);
    }
}

#[test]
fn q12_docker_hub_is_one_registry_under_all_its_names() {
    let registry = Scripted::settings().basic("bob", "secret").start();
    let image = image().build();
    registry.put("team/app", &image, &["v1"]);
    let program = logged_in("https://index.docker.io/v1/", "bob", "secret");
    known_as(&program, "docker.io", &registry);
    for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        let output = program.run(&["resolve", &format!("{name}/team/app:v1")]).success();
        assert_eq!(output.stdout, format!("docker.io/team/app:v1@{}\n", image.digest()), "{name}");
    }
}

#[test]
fn q13_one_word_at_docker_hub_is_an_official_image() {
    let (registry, image) = holding("library/nginx");
    let program = Program::new();
    known_as(&program, "docker.io", &registry);
    for name in ["docker.io/nginx", "index.docker.io/nginx", "registry-1.docker.io/nginx", "docker.io/library/nginx"] {
        let output = program.run(&["resolve", &format!("{name}:v1")]).success();
        assert_eq!(output.stdout, format!("docker.io/library/nginx:v1@{}\n", image.digest()), "{name}");
    }
}

#[test]
fn q14_robots_have_dollars_and_pluses_in_their_names() {
    for (user, password) in [("robot$team+ci", "pass$HOME+word"), ("team+deploy", "a$b")] {
        let registry = Scripted::settings().basic(user, password).start();
        registry.put("a", &image().build(), &["v1"]);
        let mut program = Program::new();
        program.configure(&format!(
            "vaults:\n- {{name: ci, backend: environment}}\nremote-registries:\n- address: {}\n  credentials:\n  \
             - {{repository: '*', vault: ci, secret: robot}}\n",
            registry.address()
        ));
        program.set("TRANSHIP_SECRET_CI_ROBOT_USERNAME", user);
        program.set("TRANSHIP_SECRET_CI_ROBOT_PASSWORD", password);
        program.run(&["resolve", &at(&registry, "a:v1")]).success().keeps_quiet_about(password);
        let requests = registry.requests();
        let shown = requests.last().unwrap().header("authorization").and_then(basic);
        assert_eq!(shown, Some((user.to_owned(), password.to_owned())));
    }
}

#[test]
fn q16_a_store_behind_a_redirect_refuses_whoever_shows_a_credential() {
    let registry = Scripted::settings().basic("bob", "secret").start();
    let storage = Scripted::settings().ip("127.0.0.2").start();
    let image = image().build();
    registry.put("a", &image, &["v1"]);
    storage.put("a", &image, &[]);
    let one_way = |request: &crate::support::server::Request, response: Response| {
        if request.header("authorization").is_some() { Response::error(400, "InvalidArgument") } else { response }
    };
    storage.rule(when("*", ""), Act::change(one_way));
    for status in [301, 302, 303, 307, 308] {
        registry.behave();
        registry.rule(when("GET", "/blobs/"), Act::redirect_to(status, &storage.url()));
        let program = logged_in(&registry.address(), "bob", "secret");
        copy(&program, &at(&registry, "a:v1"), "store:a:v1").success();
    }
    assert_eq!(storage.requests().len(), 5 * 3);
    assert!(storage.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn q17_the_challenge_of_a_store_behind_a_redirect_is_not_answered() {
    let tokens = TokenServer::start_at("127.0.0.2", None, Tokens::default());
    let storage = Scripted::settings().ip("127.0.0.2").tokens(&tokens).start();
    let registry = Scripted::settings().basic("bob", "secret").start();
    let image = image().build();
    registry.put("a", &image, &["v1"]);
    storage.put("a", &image, &[]);
    registry.rule(when("GET", "/blobs/"), Act::redirect_to(307, &storage.url()));
    let program = logged_in(&registry.address(), "bob", "secret");
    let output = copy(&program, &at(&registry, "a:v1"), "store:a:v1").code(4);
    output.says("the storage that the registry redirected to refused").says("HTTP 401");
    assert_eq!(tokens.fetches(), [], "a stranger's realm hears nothing");
    assert!(storage.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn q18_nothing_is_followed_to_another_place_that_could_do_harm() {
    let evil = Scripted::settings().ip("127.0.0.2").start();
    let (registry, _) = holding("a");
    let program = Program::new();
    let link = format!("<{}/v2/a/tags/list?last=v1>; rel=\"next\"", evil.url());
    registry.rule(when("GET", "/tags/list"), Act::header("Link", &link));
    program.run(&["tags", &at(&registry, "a")]).code(4).says("127.0.0.2").says("the next page");
    let location = format!("{}/upload", evil.url());
    registry.rule(when("POST", "/uploads/"), Act::respond(Response::new(202).header("Location", &location)));
    copy(&program, &at(&registry, "a:v1"), &at(&registry, "b:v1")).code(4).says("127.0.0.2").says("an upload");

    let tokens = TokenServer::start_at("127.0.0.2", None, Tokens::default());
    let guarded = guarded(&tokens, &["a"]);
    let program = logged_in(&guarded.address(), "bob", "secret");
    let output = program.run(&["resolve", &at(&guarded, "a:v1")]).code(4).keeps_quiet_about("secret");
    output.says(&format!("--token-realm http://127.0.0.2:{}", tokens.realm().rsplit([':', '/']).nth(1).unwrap()));
    assert_eq!((evil.connections(), tokens.fetches()), (0, Vec::new()));
}

#[test]
fn q59_a_mirror_sees_its_own_credential_alone() {
    let registry = Scripted::settings().basic("bob", "upstream-secret").start();
    let mirror = Scripted::settings().ip("127.0.0.2").basic("ann", "mirror-secret").start();
    let image = image().build();
    registry.put("a", &image, &["v1"]);
    mirror.put("mirrored/a", &image, &[]);
    let mut program = Program::new();
    program.configure(&format!(
        "vaults:\n- {{name: v, backend: environment}}\nremote-registries:\n\
         - {{address: '{0}', mirrors: ['{1}/mirrored'], credentials: [{{repository: '*', vault: v, secret: up}}]}}\n\
         - {{address: '{1}', credentials: [{{repository: '*', vault: v, secret: mirror}}]}}\n",
        registry.address(),
        mirror.address()
    ));
    for (secret, user, password) in [("UP", "bob", "upstream-secret"), ("MIRROR", "ann", "mirror-secret")] {
        program.set(&format!("TRANSHIP_SECRET_V_{secret}_USERNAME"), user);
        program.set(&format!("TRANSHIP_SECRET_V_{secret}_PASSWORD"), password);
    }
    copy(&program, &at(&registry, "a:v1"), "store:a:v1").success();
    for blob in &image.blobs {
        assert!(mirror.count("GET", &blob.digest) > 0, "what has a constant name comes from the mirror");
    }
    assert_eq!(registry.count("GET", "/blobs/"), 0);
    let shown = |registry: &Scripted| -> Vec<String> {
        let users = registry.requests().into_iter().filter_map(|request| basic(request.header("authorization")?));
        users.map(|(user, _)| user).collect()
    };
    assert!(shown(&mirror).iter().all(|user| user == "ann") && shown(&registry).iter().all(|user| user == "bob"));
    assert!(mirror.requests().iter().all(|request| request.query("ns").is_none()));
}

#[test]
fn q38_the_catalogue_needs_a_scope_of_its_own() {
    needs!("docker-registry");
    let tokens = TokenServer::start(Tokens::default());
    let registry = DockerRegistry::tokens(&tokens);
    let client = Registry::at(&registry.url()).token(&tokens.token(&["repository:a:pull,push"]));
    client.push("a", &image().build(), &["v1"]);
    let program = logged_in(registry.address(), "bob", "secret");
    let output = program.run(&["repositories", registry.address()]).success();
    assert_eq!(output.stdout, "a\n");
    assert_eq!(asked(&tokens), [["registry:catalog:*"]]);
}
