//! What is said when everything is said: no secret, whichever way it came.

use serde_json::json;

use super::{CANARY, USER, program_of, run_once, stranger, wants_token_of};
use crate::support::content::hex;
use crate::support::images::image;
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Runs with everything said, in each form, and asserts that the secret is not in it, in no spelling.
fn say_all(program: &Program, words: &[&str]) -> Vec<Output> {
    let spellings = [
        CANARY.to_owned(),
        STANDARD.encode(CANARY),
        STANDARD.encode(format!("{USER}:{CANARY}")),
        hex(CANARY.as_bytes()),
        CANARY.to_lowercase(),
        CANARY.to_uppercase(),
    ];
    let forms: [&[&str]; 3] = [&["-vvv"], &["-vvv", "-o", "json", "--progress", "json"], &["-vvv", "-o", "yaml"]];
    let outputs = forms.iter().map(|form| run_once(program, &[words, form].concat()));
    outputs.map(|output| spellings.iter().fold(output, |output, secret| output.keeps_quiet_about(secret))).collect()
}

/// A token server that tells tokens in every spelling of the field, refresh tokens among them.
fn talkative_realm(status: u16) -> Scripted {
    let realm = stranger();
    let answer = Response::json(
        status,
        &json!({
            "token": CANARY, "access_token": CANARY, "Access_Token": CANARY, "refresh_token": CANARY,
            "id_token": CANARY, "expires_in": 300,
        }),
    );
    realm.rule(when("*", "/token"), Act::respond(answer.header("Set-Cookie", &format!("session={CANARY}"))));
    realm
}

#[test]
fn s15_no_secret_is_in_what_is_said() {
    let (storage, realm) = (stranger(), talkative_realm(200));
    let registry = Scripted::start();
    let one = image().build();
    registry.put("app", &one, &["v1"]);
    storage.put("app", &one, &[]);
    let signed = storage.url();
    registry.rule(
        when("GET", "/blobs/"),
        Act::answer(move |request| {
            let place = format!("{signed}{}?X-Amz-Signature={CANARY}&sig={CANARY}", request.target);
            Response::new(307).header("Location", &place).header("Set-Cookie", &format!("a={CANARY}"))
        }),
    );
    registry.rule(
        when("POST", "/uploads/"),
        Act::change(|_, response| {
            let place = response.headers.iter().find(|(name, _)| name == "Location").map(|(_, value)| value.clone());
            let place = place.unwrap_or_default();
            let joint = if place.contains('?') { '&' } else { '?' };
            response.header("Location", &format!("{place}{joint}_state={CANARY}")).header("X-Secret", CANARY)
        }),
    );
    wants_token_of(&registry, &format!("{}/token", realm.url()));
    let mut program = program_of(&[]);
    program.set("TRANSHIP_SECRET_CI_BOB_USERNAME", USER);
    program.set("TRANSHIP_SECRET_CI_BOB_PASSWORD", CANARY);
    program.configure(&format!(
        "remote-registries:\n- address: {}\n  token-realms: [\"{}\"]\n  headers: {{X-Team: {CANARY}}}\n  \
         credentials:\n  - {{repository: '*', vault: ci, secret: bob}}\nvaults:\n- {{name: ci, backend: environment}}\n",
        registry.address(),
        realm.url()
    ));
    let (image, other) = (format!("{}/app:v1", registry.address()), format!("{}/copy:v1", registry.address()));
    let repository = format!("{}/app", registry.address());
    for words in [
        &["resolve", image.as_str()][..],
        &["inspect", &image],
        &["tags", &repository, "-l"],
        &["repositories", &registry.address()],
        &["copy", &image, "store:app:v1"],
        &["copy", "store:app:v1", &other],
        &["copy", &image, "store:app:v1", "--dry-run"],
        &["pull", &image],
        &["tag", &image, "v2"],
        &["delete", &other, "--yes"],
        &["images"],
    ] {
        // What is done is done once: the first of the runs deletes.
        let outputs = say_all(&program, words);
        assert_eq!(outputs[0].code, Some(0), "{words:?}: {}", outputs[0].shown());
    }
    assert!(storage.count("GET", CANARY) > 0);
    assert!(realm.requests().iter().any(|request| request.header("authorization").is_some()));
}

#[test]
fn s15_no_secret_is_in_what_is_said_of_failures() {
    let (storage, program) = (stranger(), program_of(&[]));
    let registry = Scripted::start();
    registry.put("app", &image().build(), &["v1"]);
    let image = format!("{}/app:v1", registry.address());
    let repository = format!("{}/app", registry.address());
    let places = [
        format!("{}/x?X-Amz-Signature={CANARY}", storage.url()),
        format!("http://{USER}:{CANARY}@127.0.0.2/x"),
        format!("http://127.0.0.2:1/x?token={CANARY}"),
        format!("ftp://{CANARY}@127.0.0.2/x#{CANARY}"),
        format!("http://[{USER}:{CANARY}@x/"),
        format!("https://127.0.0.2:1/x?{CANARY}"),
    ];
    for place in places {
        registry.behave();
        registry.rule(when("GET", "/blobs/"), Act::redirect(307, &place));
        registry.rule(when("POST", "/uploads/"), Act::header("Location", &place));
        registry.rule(when("GET", "/tags/"), Act::header("Link", &format!("<{place}>; rel=\"next\"")));
        say_all(&program, &["inspect", &image]);
        say_all(&program, &["tags", &repository]);
        // Where TLS is spoken, an upload may go; the rest is refused and takes no time.
        if !place.starts_with("https:") {
            let source = Scripted::start();
            source.put("app", &crate::support::images::image().build(), &["v1"]);
            say_all(&program, &["copy", &format!("{}/app:v1", source.address()), &format!("{repository}:new")]);
        }
        registry.behave();
        wants_token_of(&registry, &place);
        say_all(&program, &["resolve", &image]);
    }
    for status in [200, 400, 401, 403, 500] {
        let realm = talkative_realm(status);
        registry.behave();
        wants_token_of(&registry, &format!("{}/token", realm.url()));
        if status == 200 {
            let refusal = Response::error(401, "UNAUTHORIZED").header("Set-Cookie", &format!("a={CANARY}"));
            registry.behave();
            let challenge = format!("Bearer realm=\"{}/token\"", realm.url());
            registry.rule(when("*", "/v2/"), Act::respond(refusal.header("WWW-Authenticate", &challenge)));
        }
        for output in say_all(&program, &["resolve", &image]) {
            assert_ne!(output.code, Some(0), "{}", output.shown());
        }
    }
}

#[test]
fn s15_files_with_secrets_are_not_quoted_when_they_are_wrong() {
    let registry = Scripted::start();
    registry.put("app", &image().build(), &["v1"]);
    let image = format!("{}/app:v1", registry.address());
    let program = program_of(&[]);
    for text in [
        format!("{{\"auths\": {{\"x\": {{\"auth\": {CANARY}}}}}}}"),
        format!("{{\"auths\": {{\"{}\": {{\"auth\": \"{CANARY}\"}}}}}}", registry.address()),
        format!("{{\"auths\": {{\"{}\": {{\"auth\": \"{}\"}}}}}}", registry.address(), STANDARD.encode(CANARY)),
        format!("{{\"auths\": \"{CANARY}\"}}"),
        CANARY.to_owned(),
    ] {
        std::fs::write(program.home().join("auth.json"), text).unwrap();
        for output in say_all(&program, &["resolve", &image, "--authfile", "auth.json"]) {
            assert_eq!(output.code, Some(4), "{}", output.shown());
        }
    }
    for yaml in [
        format!("remote-registries:\n- address: a.example\n  headers: {{Authorization: {CANARY}}}\n"),
        format!("remote-registries:\n- address: a.example\n  headers: {{X-Api-Key: {CANARY}}}\n"),
        format!("vaults:\n- {{name: v, password: {CANARY}}}\n"),
        format!("remote-registries:\n- {{address: a.example, password: {CANARY}}}\n"),
        format!("remote-registries:\n- {{address: \"https://{USER}:{CANARY}@a.example\"}}\n"),
        format!("remote-registries:\n- address: a.example\n  credentials: [{{repository: '*', token: {CANARY}}}]\n"),
    ] {
        program.configure(&yaml);
        for output in say_all(&program, &["resolve", &image]) {
            assert_eq!(output.code, Some(2), "{}", output.shown());
        }
    }
}
