//! Words of strangers on the way to a terminal, a pipe, or a reader of lines.

use serde_json::json;

use super::{program_of, run_once, wants_token_of};
use crate::support::images::{Content, Image, OCI_INDEX, OCI_MANIFEST, image};
use crate::support::program::{Output, Program};
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;

/// Sets the clipboard, clears the screen, overwrites the line, turns the direction of text, breaks the line, hides.
const HOSTILE: &str =
    "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\rok\u{8}\u{9b}31m\u{202e}txet\u{2066}\nfake line\u{200b}\u{7f}";

/// The characters that must not come through.
fn is_active(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn nothing_active(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains(is_active), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("fake line")), "{text}");
    }
}

/// An image with hostile words wherever words can be.
fn hostile_image() -> Image {
    let mut image = image().label("name", HOSTILE).label(HOSTILE, "x").annotation("note", HOSTILE).build();
    let mut config: serde_json::Value = serde_json::from_slice(&image.blobs[0].bytes).unwrap();
    config["config"]["Env"] = json!([format!("A={HOSTILE}")]);
    config["config"]["Entrypoint"] = json!([HOSTILE]);
    config["config"]["User"] = json!(HOSTILE);
    config["config"]["WorkingDir"] = json!(HOSTILE);
    config["config"]["StopSignal"] = json!(HOSTILE);
    config["config"]["ExposedPorts"] = json!({HOSTILE: {}});
    config["config"]["Volumes"] = json!({HOSTILE: {}});
    config["history"][0]["created_by"] = json!(HOSTILE);
    config["history"][0]["comment"] = json!(HOSTILE);
    config["author"] = json!(HOSTILE);
    image.blobs[0] = Content::new(&image.blobs[0].media_type, config.to_string());
    let mut document = image.document();
    document["config"] = image.blobs[0].descriptor();
    document["annotations"][HOSTILE] = json!("x");
    document["artifactType"] = json!(HOSTILE);
    document["layers"][0]["mediaType"] = json!(format!("application/vnd.{HOSTILE}"));
    image.blobs[1].media_type = format!("application/vnd.{HOSTILE}");
    image.manifest = Content::new(OCI_MANIFEST, document.to_string());
    image
}

#[test]
fn s27_what_an_image_says_of_itself_is_shown_and_does_nothing() {
    let registry = Scripted::start();
    let one = hostile_image();
    registry.put("app", &one, &["v1"]);
    let mut entry = one.manifest.descriptor();
    entry["platform"] = json!({"os": HOSTILE, "architecture": HOSTILE, "variant": HOSTILE});
    entry["annotations"] = json!({HOSTILE: HOSTILE});
    let several = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    registry.put_manifest("app", &Content::new(OCI_INDEX, several.to_string()), &["v2"]);
    let program = program_of(&[]);
    let name = |tag: &str| format!("{}/app:{tag}", registry.address());
    for words in [
        &["inspect", &name("v1")][..],
        &["inspect", &name("v2")],
        &["inspect", &name("v2"), "--platform", "linux/amd64"],
        &["tags", &format!("{}/app", registry.address()), "-l"],
        &["copy", &name("v1"), "store:app:v1"],
        &["copy", &name("v2"), "store:app:v2", "--progress", "plain"],
        &["copy", &name("v2"), "store:app:v2", "--platform", "linux/arm64"],
        &["copy", &name("v2"), "store:app:v3", "--dry-run"],
        &["images"],
        &["resolve", &name("v2")],
    ] {
        for form in ["text", "json", "yaml"] {
            let ended = program.run(&[words, &["-o", form]].concat());
            nothing_active(&ended);
            match form {
                "json" if !ended.stdout.is_empty() => assert!(ended.json().is_object(), "{words:?}"),
                _ => {}
            }
        }
    }
    let shown = program.run(&["inspect", &name("v1")]).success();
    assert!(shown.stdout.contains(r"\u{1b}]52;c;ZXZpbA=="), "{}", shown.stdout);
    let exact = program.run(&["inspect", &name("v1"), "-o", "json"]).success().json().to_string();
    assert!(
        exact.contains(&json!(HOSTILE).to_string().trim_matches('"').to_owned()),
        "the same text is in the document"
    );
}

#[test]
fn s27_what_a_registry_says_is_shown_and_does_nothing() {
    let program = program_of(&[]);
    let error = json!({"errors": [{"code": HOSTILE, "message": HOSTILE, "detail": HOSTILE}]});
    let hostile_header = HOSTILE.replace(['\u{1b}', '\u{7}', '\r', '\n', '\u{8}', '\u{7f}'], "");
    for status in [400, 401, 403, 404, 405, 409, 418, 500] {
        let registry = Scripted::start();
        registry.put("app", &image().build(), &["v1"]);
        let warning = format!("299 - \"{hostile_header}\"");
        let answer = Response::json(status, &error)
            .header("Warning", &warning)
            .header("Docker-Content-Digest", &hostile_header)
            .header("Retry-After", &hostile_header);
        registry.rule(when("GET", "/v2/"), Act::respond(answer));
        for words in [
            &["inspect", &format!("{}/app:v1", registry.address())][..],
            &["tags", &format!("{}/app", registry.address())],
            &["repositories", &registry.address()],
            &["copy", &format!("{}/app:v1", registry.address()), "store:app:v1", "-vvv"],
        ] {
            for form in ["text", "json"] {
                let ended = run_once(&program, &[words, &["-o", form]].concat());
                assert_ne!(ended.code, Some(0));
                nothing_active(&ended);
                for line in ended.stderr.lines().filter(|_| form == "json") {
                    assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
                }
            }
        }
    }
}

#[test]
fn s27_places_that_a_registry_leads_to_are_shown_and_do_nothing() {
    let header = |text: &str| text.replace(HOSTILE, "\u{9b}31m\u{202e}txet\u{2066}");
    let program = program_of(&[]);
    for place in [
        header(&format!("http://{HOSTILE}.example/x")),
        header(&format!("http://127.0.0.2:1/{HOSTILE}")),
        header(&format!("{HOSTILE}://x")),
        "http://127.0.0.2:1/%1b%5d52;c;x%07".to_owned(),
        "http://%1b%5b2J.example/".to_owned(),
        "http://ex\u{430}mple.example/".to_owned(),
    ] {
        let registry = Scripted::start();
        registry.put("app", &image().build(), &["v1"]);
        registry.rule(when("GET", "/blobs/"), Act::redirect(307, &place));
        let listed = format!("<{place}>; rel=\"next\"");
        registry.rule(when("GET", "/tags/"), Act::header("Link", &listed));
        let image = format!("{}/app:v1", registry.address());
        for words in [&["inspect", image.as_str()][..], &["tags", &format!("{}/app", registry.address())]] {
            let ended = run_once(&program, &[words, &["-vvv"]].concat());
            assert_ne!(ended.code, Some(0), "{}", ended.shown());
            nothing_active(&ended);
        }
        registry.behave();
        wants_token_of(&registry, &place);
        nothing_active(&run_once(&program, &["resolve", &image, "-vvv"]));
    }
}

#[test]
fn s27_words_of_the_command_line_are_shown_and_do_nothing() {
    let program = program_of(&[]);
    for word in [HOSTILE, &format!("127.0.0.1:1/{HOSTILE}"), &format!("oci:{HOSTILE}"), &format!("store:{HOSTILE}")] {
        for command in ["inspect", "resolve", "tags", "repositories", "pull", "push", "delete"] {
            nothing_active(&run_once(&program, &[command, word]));
        }
        nothing_active(&run_once(&program, &["copy", word, "store:x"]));
        nothing_active(&run_once(&program, &["copy", "oci:nowhere", word]));
    }
    program.configure(&format!("settings:\n  \"{}\": 1\n", HOSTILE.escape_default()));
    nothing_active(&run_once(&program, &["images"]));
}

/// Runs the program on a terminal of its own, and says what that got.
fn on_a_terminal(program: &Program, words: &[&str]) -> String {
    let command = [&[env!("CARGO_BIN_EXE_tranship")], words].concat().join(" ");
    let ended = program.invoke_other("script", &["-qec", &command, "/dev/null"]).env("TERM", "xterm").run();
    ended.stdout
}

#[test]
fn s27_bars_on_a_terminal_carry_no_words_that_act() {
    needs!("script");
    let registry = Scripted::start();
    let one = hostile_image();
    registry.put("app", &one, &["v1"]);
    registry.rule(when("GET", "/blobs/"), Act::header("Warning", "299 - \"\u{9b}2J\u{202e}txet\""));
    let program = program_of(&[]);
    let source = format!("{}/app:v1", registry.address());
    let shown = on_a_terminal(&program, &["copy", &source, "store:app:v1", "--progress", "bar"]);
    assert!(shown.contains("says:"), "{shown:?}");
    let shown = shown + &on_a_terminal(&program, &["inspect", &source]);
    assert!(shown.contains("Environment"), "{shown:?}");
    for active in ["\u{1b}]52", "\u{9b}", "\u{202e}", "\u{2066}", "\u{200b}", "\u{7f}", "\u{8}"] {
        assert!(!shown.contains(active), "{active:?} in {shown:?}");
    }
}

#[test]
fn s28_one_record_is_one_line() {
    let registry = Scripted::start();
    registry.put("app", &hostile_image(), &["v1"]);
    let tags = ["v1", "a\nb", "c\r\nd", "e\u{0}f", "g,h", "\"i\"", "", "../x", "v2"];
    registry.rule(when("GET", "/tags/list"), Act::respond(Response::json(200, &json!({"name": "app", "tags": tags}))));
    let names = ["app", "x\ny", "../../etc", "UPPER", "ok/two"];
    registry.rule(when("GET", "/_catalog"), Act::respond(Response::json(200, &json!({"repositories": names}))));
    let program = program_of(&[]);
    let listed = program.run(&["tags", &format!("{}/app", registry.address())]).success();
    assert_eq!(listed.lines(), ["v1", "v2"]);
    let listed = program.run(&["repositories", &registry.address()]).success();
    assert_eq!(listed.lines().len(), 2, "{}", listed.stdout);
    let image = format!("{}/app:v1", registry.address());
    for (words, lines) in [
        (&["resolve", image.as_str()][..], 1),
        (&["inspect", &image, "-q"], 1),
        (&["copy", &image, "store:app:v1", "-q"], 1),
        (&["images", "-q"], 1),
    ] {
        let ended = program.run(words).success();
        assert_eq!(ended.lines().len(), lines, "{words:?}: {}", ended.stdout);
    }
}
