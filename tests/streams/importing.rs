//! `stream import`: what is looked up, what is noted, what is refused.

use super::{digests, document, file, imported};
use crate::listing::timeless;
use crate::support::images::{image, index};
use crate::support::program::{Program, normal};
use crate::support::scripted::{Act, Scripted, when};

#[test]
fn a_tag_is_imported_and_what_it_pointed_at_stays_in_its_history() {
    let (one, two) = (image().build(), image().build());
    let (registry, program) = imported(&one);
    assert_eq!(registry.lines(), ["HEAD /v2/app/manifests/stable"], "the digest alone is asked for");
    let from = format!("{}/app:stable", registry.address());
    let unchanged = program.run(&["stream", "import", "app:prod"]).success();
    assert_eq!(unchanged.stdout, format!("app:prod@{}  (unchanged; from {from})\n", one.digest()));
    assert_eq!(digests(&program, "app:prod"), [one.digest()]);

    registry.put("app", &two, &["stable"]);
    let would = program.run(&["stream", "import", "app:prod", "--dry-run", "-o", "json"]).success().json();
    assert_eq!((&would["dryRun"], &would["tags"][0]["result"]), (&true.into(), &"updated".into()));
    assert_eq!(digests(&program, "app:prod"), [one.digest()]);
    let changed = program.run(&["stream", "import", "app:prod"]).success();
    let was = &one.digest()[7..19];
    assert_eq!(changed.stdout, format!("app:prod@{}  (it was {was}; from {from})\n", two.digest()));
    assert_eq!(digests(&program, "app:prod"), [two.digest(), one.digest()]);
    let items = &document(&program, "app")["status"]["tags"][0]["items"];
    assert!(items[0]["generation"].as_i64() > items[1]["generation"].as_i64(), "{items:?}");
    assert_eq!(items[0]["dockerImageReference"], format!("{}/app@{}", registry.address(), two.digest()).as_str());
}

#[test]
fn a_failed_import_is_kept_with_its_reason_and_goes_with_the_next_success() {
    let one = image().build();
    let (registry, program) = imported(&one);
    registry.rule(when("HEAD", "manifests/stable").times(1), Act::status(404));
    let run = program.run(&["stream", "import", "app:prod"]);
    insta::assert_snapshot!(run.shown(), @r"
    exit 3
    --- stdout
    --- stderr
    error: cannot import `app:prod` from `127.0.0.1:PORT/app:stable`
      because: there is no image `127.0.0.1:PORT/app:stable`
    hint: see what is there: `tranship tags 127.0.0.1:PORT/app`
    ");
    insta::assert_snapshot!(timeless(&program.run(&["stream", "show", "app"])), @r"
    exit 0
    --- stdout
    Name:  app
    Created:  AGO
    Image Lookup:  local=false
    Unique Images:  1
    Tags:  1

    prod
      updates automatically from registry 127.0.0.1:PORT/app:stable

      ! error: Import failed (NotFound): there is no image `127.0.0.1:PORT/app:stable`
      AGO
      * 127.0.0.1:PORT/app@sha256:DIGEST
      AGO
    --- stderr
    ");
    let condition = &document(&program, "app")["status"]["tags"][0]["conditions"][0];
    assert_eq!((condition["type"].as_str(), condition["status"].as_str()), (Some("ImportSuccess"), Some("False")));
    assert_eq!(condition["reason"], "NotFound");
    program.run(&["stream", "import", "app:prod"]).success();
    assert!(document(&program, "app")["status"]["tags"][0].get("conditions").is_none());
}

#[test]
fn all_tags_of_a_repository_are_imported_as_far_as_they_are_asked_for() {
    let registry = Scripted::start();
    let images = [image().build(), image().build(), image().build()];
    for (number, image) in images.iter().enumerate() {
        registry.put("app", image, &[&format!("v{number}")]);
    }
    let program = Program::new();
    let from = format!("{}/app", registry.address());
    let words = ["stream", "import", "app", "--all", "--from", &from];
    program.run(&words).code(2).says("`--confirm` makes it");
    let run = program.run(&[&words[..], &["--confirm", "--at-most", "2"]].concat()).success();
    assert_eq!(run.lines().len(), 2);
    run.says("the repository has more tags");
    let run = program.run(&["stream", "import", "app", "--all"]).success();
    assert_eq!(run.lines().len(), 3);
    for (number, image) in images.iter().enumerate() {
        assert_eq!(digests(&program, &format!("app:v{number}")), [image.digest()]);
    }
    registry.rule(when("HEAD", "manifests/v1"), Act::status(404));
    program.run(&["stream", "import", "app", "--all"]).code(7).says("cannot import `app:v1`");
    let listed = program.run(&["stream", "list", "-o", "json"]).success().json();
    assert_eq!(listed["streams"][0]["failing"], serde_json::json!(["v1"]));
}

#[test]
#[expect(clippy::too_many_lines, reason = "the messages stand here as they are shown")]
fn what_cannot_be_imported_is_said() {
    let one = image().build();
    let (registry, program) = imported(&one);
    let other = format!("{}/other:1", registry.address());
    let pinned = format!("{}/app@{}", registry.address(), one.digest());
    program.run(&["stream", "tag", "--alias", "app:prod", "app:live"]).success();
    program.run(&["stream", "tag", "app:prod", "app:kept"]).success();
    let mut shown = String::new();
    for words in [
        &["nothing"][..],
        &["app:gone"],
        &["app:prod", "--all"],
        &[&format!("app@{}", one.digest())],
        &["app:prod", "--from", &other],
        &["app:new", "--from", &pinned, "--confirm"],
        &["app:kept"],
        &["app", "--all", "--from", &other],
        &["team/app:1"],
        &["App"],
    ] {
        let run = program.run(&[&["stream", "import"], words].concat());
        shown.extend([&normal(&words.join(" ")), ": ", &run.shown(), "\n"]);
    }
    insta::assert_snapshot!(shown, @r"
    nothing: exit 2
    --- stdout
    --- stderr
    error: cannot import `nothing`
      because: there is no stream `nothing`
    hint: `--confirm` makes it; `--from IMAGE` says where its image comes from

    app:gone: exit 3
    --- stdout
    --- stderr
    error: cannot import `app:gone`
      because: the stream `app` has no tag `gone`
    hint: see its tags: `tranship stream show app`

    app:prod --all: exit 2
    --- stdout
    --- stderr
    error: cannot import `app:prod`: `--all` means every tag, and one is named

    app@sha256:DIGEST: exit 2
    --- stdout
    --- stderr
    error: cannot import `app@sha256:DIGEST`
      because: `app@sha256:DIGEST` is one image for ever, so there is nothing to import
    hint: point a tag at it: `tranship stream tag app@sha256:DIGEST app:TAG`

    app:prod --from 127.0.0.1:PORT/other:1: exit 2
    --- stdout
    --- stderr
    error: cannot import `app:prod`
      because: the tag `prod` comes from `127.0.0.1:PORT/app:stable`, and not from `127.0.0.1:PORT/other:1`
    hint: `--confirm` changes that

    app:new --from 127.0.0.1:PORT/app@sha256:DIGEST --confirm: exit 2
    --- stdout
    --- stderr
    error: cannot import `app:new`
      because: a digest is the same image for ever, so there is nothing to import
    hint: point a tag at it: `tranship stream tag IMAGE@DIGEST app:TAG`

    app:kept: exit 2
    --- stdout
    --- stderr
    error: cannot import `app:kept`
      because: the tag `kept` comes from ImageStreamImage `app@sha256:DIGEST`, so that there is nothing to import
    hint: say where its image comes from: `--from IMAGE --confirm`

    app --all --from 127.0.0.1:PORT/other:1: exit 2
    --- stdout
    --- stderr
    error: cannot import `app`
      because: the stream follows no repository yet
    hint: `--confirm` has it follow the one of `--from`

    team/app:1: exit 2
    --- stdout
    --- stderr
    error: cannot import `team/app:1`: `team/app` cannot be a stream's name: it holds a `/`

    App: exit 2
    --- stdout
    --- stderr
    error: cannot import `App`: the stream's name is wrong: `A` cannot stand in the repository part `App` (lower-case letters, digits, `.`, `_` and `-`)
    ");
    // What follows another tag is imported by way of it.
    let run = program.run(&["stream", "import", "app:live"]).success();
    assert!(run.stdout.starts_with("app:prod@"), "{}", run.stdout);
    // And where nothing but the source is changed, that is confirmed.
    registry.put("other", &one, &["1"]);
    program.run(&["stream", "import", "app:prod", "--from", &other, "--confirm"]).success();
    assert_eq!(digests(&program, "app:prod"), [one.digest()], "the same image is no change");
    assert!(std::fs::read_to_string(file(&program, "app")).unwrap().contains("/other@sha256:"));
}

#[test]
fn one_platform_is_kept_where_that_is_asked_for() {
    let (arm, amd) = (image().architecture("arm64").build(), image().build());
    let both = index(vec![arm, amd.clone()]);
    let (registry, program) = imported(&both);
    assert_eq!(digests(&program, "app:prod"), [both.digest()]);
    program.run(&["stream", "import", "app:prod", "--import-mode", "Legacy"]).success();
    assert_eq!(digests(&program, "app:prod"), [amd.digest(), both.digest()]);
    program.run(&["stream", "import", "app:prod"]).success();
    assert_eq!(digests(&program, "app:prod"), [amd.digest(), both.digest()], "the choice stays");
    drop(registry);
}

#[test]
fn a_stream_is_a_source_everywhere_and_nothing_else() {
    let (one, two) = (image().build(), image().build());
    let (registry, program) = imported(&one);
    registry.put("app", &two, &["stable"]);
    let there = format!("{}/app:stable", registry.address());
    let resolved = program.run(&["resolve", "stream:app:prod"]).success();
    assert_eq!(resolved.stdout, format!("{there}@{}\n", one.digest()), "by the digest that was imported");
    let copied = program.run(&["copy", "-q", "stream:app:prod", &format!("{}/b:1", registry.address())]).success();
    assert_eq!(copied.stdout.trim(), one.digest());
    program.run(&["inspect", "stream:app:prod"]).success();
    let pulled = program.run(&["pull", "stream:app:prod"]).success();
    assert!(pulled.stdout.contains("/app:stable@"), "{}", pulled.stdout);
    program.run(&["copy", &format!("stream:app@{}", one.digest()), "store:x:1"]).success();
    let mut shown = String::new();
    for words in [
        &["copy", "store:x:1", "stream:app:prod"][..],
        &["delete", "stream:app:prod"],
        &["tag", "stream:app:prod", "x"],
        &["tags", "stream:app"],
        &["resolve", "stream:app:gone"],
        &["resolve", "stream:ap:prod"],
        &["pull", "stream:nothing"],
    ] {
        shown.extend([&words.join(" "), ": ", &program.run(words).shown(), "\n"]);
    }
    insta::assert_snapshot!(shown, @r"
    copy store:x:1 stream:app:prod: exit 2
    --- stdout
    --- stderr
    error: cannot copy `store:x:1` to `stream:app:prod`
      because: `stream:app:prod` is an image of a stream, which can only be read
    hint: what a stream's tag points at is set by `tranship stream tag SRC app:prod`

    delete stream:app:prod: exit 2
    --- stdout
    --- stderr
    error: cannot delete `stream:app:prod`
      because: `stream:app:prod` is an image of a stream, which can only be read
    hint: what a stream's tag points at is set by `tranship stream tag SRC app:prod`

    tag stream:app:prod x: exit 2
    --- stdout
    --- stderr
    error: cannot tag `stream:app:prod`
      because: `stream:app:prod` is an image of a stream, which can only be read
    hint: what a stream's tag points at is set by `tranship stream tag SRC app:prod`

    tags stream:app: exit 2
    --- stdout
    --- stderr
    error: cannot list the tags of `stream:app`
      because: `stream:app` is an image of a stream, which can only be read
    hint: see its tags: `tranship stream show app`

    resolve stream:app:gone: exit 3
    --- stdout
    --- stderr
    error: cannot resolve `stream:app:gone`
      because: the stream `app` has no tag `gone`
    hint: see its tags: `tranship stream show app`

    resolve stream:ap:prod: exit 3
    --- stdout
    --- stderr
    error: cannot resolve `stream:ap:prod`
      because: there is no stream `ap`; did you mean `app`?
    hint: see which there are: `tranship stream list`

    pull stream:nothing: exit 3
    --- stdout
    --- stderr
    error: cannot pull `stream:nothing`
      because: there is no stream `nothing`
    hint: make it: `tranship stream import nothing --from IMAGE --confirm`
    ");
}
