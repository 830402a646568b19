//! `tags`: order, picking, streaming, details.

use std::path::Path;
use std::time::{Duration, Instant};

use super::timeless;
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{artifact, image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;

const MANY: usize = 5000;
const PAGE: usize = 100;

/// A registry with a repository of many tags, in pages.
fn with_many_tags() -> Scripted {
    let server = Scripted::settings().page(PAGE).start();
    let image = image().build();
    let tags: Vec<String> = (0..MANY).map(|number| format!("v{number:04}")).collect();
    server.put("a", &image, &tags.iter().map(String::as_str).collect::<Vec<_>>());
    server
}

/// The program in a pipe of the shell.
fn in_shell(program: &Program, script: &str, words: &[&str]) -> crate::support::program::Output {
    let words = [&["-c", script, env!("CARGO_BIN_EXE_tranship")], words].concat();
    program.invoke_other("bash", &words).run()
}

#[test]
fn all_pages_are_followed() {
    let server = with_many_tags();
    let run = Program::new().run(&["tags", &format!("{}/a", server.address())]).success();
    let lines = run.lines();
    assert_eq!((lines.len(), lines[0], lines[MANY - 1]), (MANY, "v0000", "v4999"));
    assert_eq!(server.count("GET", "/tags/list"), MANY / PAGE);
}

#[test]
fn the_first_tags_come_before_the_second_page() {
    let server = with_many_tags();
    let program = Program::new();
    let file = program.path("first");
    let seen = file.clone();
    // The second page is answered when the first tag was read.
    let wait = move |_: &_| {
        let until = Instant::now() + Duration::from_secs(20);
        while !Path::new(&seen).exists() {
            if Instant::now() > until {
                return Response::new(404);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Response::json(200, &serde_json::json!({"name": "a", "tags": ["last"]}))
    };
    server.rule(when("GET", "last=").once(), Act::answer(wait));
    let script = r#""$0" tags "$1" | { read -r tag; echo "$tag" > "$2.part"; mv "$2.part" "$2"; cat; }"#;
    let run = in_shell(&program, script, &[&format!("{}/a", server.address()), &file]).success();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "v0000\n");
    assert_eq!((run.lines().len(), run.lines()[PAGE - 1]), (PAGE, "last"));
}

#[test]
fn a_closed_pipe_ends_quietly_and_asks_no_more() {
    let server = with_many_tags();
    let script = r#""$0" tags "$1" | head -n 1; echo "exit ${PIPESTATUS[0]}""#;
    let run = in_shell(&Program::new(), script, &[&format!("{}/a", server.address())]).success();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("v0000\nexit 0\n", ""));
    assert!(server.count("GET", "/tags/list") < MANY / PAGE, "{}", server.count("GET", "/tags/list"));
    let script = r#""$0" tags -o json "$1" | head -n 1; echo "exit ${PIPESTATUS[0]}""#;
    let run = in_shell(&Program::new(), script, &[&format!("{}/a", server.address())]).success();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("{\nexit 0\n", ""));
}

#[test]
fn a_limit_asks_for_no_more_pages_than_it_needs() {
    let server = with_many_tags();
    let run = Program::new().run(&["tags", "--limit", "150", &format!("{}/a", server.address())]).success();
    assert_eq!((run.lines().len(), server.count("GET", "/tags/list")), (150, 2));
}

#[test]
fn tags_are_picked_and_sorted() {
    let server = Scripted::settings().page(3).start();
    let image = image().build();
    let tags = ["3.9", "3.10.1", "v3.18.0", "3.18.1-rc.1", "3.18", "4.0.0", "edge", "latest", "nightly-2026", "Z"];
    server.put("a", &image, &tags);
    let repository = format!("{}/a", server.address());
    let list = |flags: &[&str]| {
        let run = Program::new().run(&[&["tags", repository.as_str()], flags].concat()).success();
        run.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // In the server's order, which here is by bytes.
    assert_eq!(list(&[])[..3], ["3.10.1", "3.18", "3.18.1-rc.1"]);
    assert_eq!(list(&["--match", "3.*"]), ["3.10.1", "3.18", "3.18.1-rc.1", "3.9"]);
    assert_eq!(list(&["--match", "edge", "--match", "lat*"]), ["edge", "latest"]);
    assert_eq!(list(&["--match", "3.*", "--exclude", "*-rc*", "--exclude", "3.9"]), ["3.10.1", "3.18"]);
    assert_eq!(list(&["--semver", ">=3.10, <4", "--sort", "semver"]), ["3.18", "v3.18.0", "3.10.1"]);
    assert_eq!(list(&["--sort", "semver", "--limit", "2"]), ["4.0.0", "3.18.1-rc.1"]);
    assert_eq!(list(&["--sort", "name", "--limit", "1"]), ["3.10.1"]);
    assert_eq!(list(&["--match", "nothing*"]), Vec::<String>::new());
    assert_eq!(list(&["-o", "json", "--match", "e*"]).concat(), r#"{  "tags": [    "edge"  ]}"#);
    assert_eq!(list(&["-o", "yaml", "--match", "none"]), ["tags: []"]);
    Program::new().run(&["tags", &repository, "--semver", "new"]).code(2).says("--semver");
    Program::new().run(&["tags", &repository, "--match", "["]).code(2).says("a tag pattern is wrong");
    Program::new().run(&["tags", &format!("{repository}:v1")]).code(2).says("without tag and digest");
}

#[test]
fn the_newest_come_first() {
    let server = Scripted::start();
    for (tag, created) in [("b", "2026-03-01T00:00:00Z"), ("a", "2026-01-01T00:00:00Z"), ("c", "2026-02-01T00:00:00Z")]
    {
        server.put("a", &image().created(created).build(), &[tag]);
    }
    let repository = format!("{}/a", server.address());
    let run = Program::new().run(&["ls", "--sort", "newest", &repository]).success();
    assert_eq!(run.lines(), ["b", "c", "a"]);
    let run = Program::new().run(&["list-tags", "--sort", "newest", "--limit", "1", &repository]).success();
    assert_eq!(run.lines(), ["b"]);
}

#[test]
fn details_of_each_tag() {
    needs!("docker-registry");
    let server = DockerRegistry::open();
    let registry = Registry::at(&server.url());
    let one = image().seed(1).build();
    registry.push("a", &one, &["v1", "latest"]);
    registry.push(
        "a",
        &index(vec![image().seed(2).build(), image().seed(3).architecture("arm64").build()]),
        &["multi"],
    );
    registry.push("a", &artifact(&one.manifest, "application/vnd.example", b"text"), &["artifact"]);
    let repository = format!("{}/a", server.address());
    let program = Program::new();
    insta::assert_snapshot!(timeless(&program.run(&["tags", "-l", "--sort", "name", &repository])), @r"
    exit 0
    --- stdout
    TAG  DIGEST  CREATED  SIZE  PLATFORMS
    artifact  sha256:DIGEST  -  6 B  -
    latest  sha256:DIGEST  AGO  6.4 KiB  linux/amd64
    multi  sha256:DIGEST  AGO  6.4 KiB  linux/amd64,linux/arm64
    v1  sha256:DIGEST  AGO  6.4 KiB  linux/amd64
    --- stderr
    ");
    insta::assert_snapshot!(timeless(&program.run(&["tags", "-l", "-o", "json", "--match", "v1", &repository])), @r#"
    exit 0
    --- stdout
    {
      "tags": [
      {"tag":"v1","digest":"sha256:DIGEST","created":"2026-01-02T03:04:05Z","size":6546,"platforms":["linux/amd64"]}
      ]
    }
    --- stderr
    "#);
    assert_eq!(program.run(&["tags", "-l", "-q", "--match", "v1", &repository]).success().stdout, "v1\n");
    insta::assert_snapshot!(program.run(&["tags", &format!("{}/none", server.address())]).shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot list the tags of `127.0.0.1:PORT/none`
      because: the registry does not have the tags of 127.0.0.1:PORT/none: NAME_UNKNOWN, repository name not known to registry (HTTP 404)
    ");
}

#[test]
fn what_a_registry_calls_its_tags_is_shown_escaped() {
    let server = Scripted::start();
    let list = serde_json::json!({"name": "a", "tags": ["v1", "bad\u{1b}[31mtag", "v2"]});
    server.rule(when("GET", "/tags/list"), Act::respond(Response::json(200, &list)));
    let run = Program::new().run(&["tags", &format!("{}/a", server.address())]);
    run.keeps_quiet_about("\u{1b}");
}

#[test]
fn details_stand_in_columns_over_all_pages() {
    let server = Scripted::settings().page(2).start();
    let image = image().build();
    server.put("a", &image, &["1", "2", "long-name", "z"]);
    let run = Program::new().run(&["tags", "-l", &format!("{}/a", server.address())]).success();
    let lines = run.lines();
    assert_eq!(lines.len(), 5, "{}", run.shown());
    assert!(lines[0].starts_with("TAG  DIGEST  ") && lines[0].ends_with("  SIZE  PLATFORMS"), "{}", run.shown());
    let column = |line: &str, word: &str| line.find(word).unwrap();
    assert_eq!(column(lines[0], "PLATFORMS"), column(lines[1], "linux/"));
    assert_eq!(column(lines[3], "sha256:"), "long-name  ".len());
    assert_eq!(column(lines[4], "sha256:"), "long-name  ".len());
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let server = with_many_tags();
    let run = Program::new().run(&["tags", "--limit", "0", &format!("{}/a", server.address())]).code(2);
    run.says("it is a number from 1");
    assert!(server.requests().is_empty());
}
