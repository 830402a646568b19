//! `stream tag`, `rollback`, `history`, `delete`, `prune`.

use super::{digests, document, imported};
use crate::support::images::image;
use crate::support::program::{Program, normal};

#[test]
fn a_tag_gets_the_image_that_its_source_has_and_an_alias_follows_it() {
    let (one, two) = (image().build(), image().build());
    let (registry, program) = imported(&one);
    let run = program.run(&["stream", "tag", "app:prod", "app:kept", "other:kept"]).success();
    assert_eq!(run.stdout, format!("app:kept@{0}\nother:kept@{0}\n", one.digest()));
    program.run(&["stream", "tag", "--alias", "app:prod", "app:live"]).success();
    registry.put("app", &two, &["stable"]);
    program.run(&["stream", "import", "app:prod"]).success();
    assert_eq!(digests(&program, "app:live"), [two.digest(), one.digest()]);
    assert_eq!(digests(&program, "app:kept"), [one.digest()]);
    assert_eq!(digests(&program, "other:kept"), [one.digest()]);
    let spec = &document(&program, "app")["spec"]["tags"];
    let from: Vec<String> = spec
        .as_sequence()
        .unwrap()
        .iter()
        .map(|tag| format!("{} {}", tag["from"]["kind"].as_str().unwrap(), tag["from"]["name"].as_str().unwrap()))
        .collect();
    let expected = [
        format!("DockerImage {}/app:stable", registry.address()),
        format!("ImageStreamImage app@{}", one.digest()),
        "ImageStreamTag prod".to_owned(),
    ];
    assert_eq!(from, expected);
}

#[test]
#[expect(clippy::too_many_lines, reason = "the messages stand here as they are shown")]
fn what_a_source_means_can_be_seen_and_said() {
    let one = image().build();
    let (registry, program) = imported(&one);
    let there = format!("{}/app:stable", registry.address());
    program.run(&["stream", "tag", &there, "app:1", "--scheduled"]).success();
    program.run(&["stream", "tag", &there, "app:2", "--reference"]).success();
    program.run(&["stream", "tag", &format!("app@{}", &one.digest()[7..20]), "app:3"]).success();
    program.run(&["stream", "tag", "stream:app:3", "app:4"]).success();
    assert_eq!(digests(&program, "app:4"), [one.digest()]);
    // A name alone is asked for whenever it is used.
    let resolved = program.run(&["resolve", "stream:app:2"]).success();
    assert_eq!(resolved.stdout, format!("{there}@{}\n", one.digest()));
    let mut shown = String::new();
    for words in [
        &["app:prod"][..],
        &["app:prod", "app"],
        &["app:gone", "app:5"],
        &["nothing:1", "app:5"],
        &["app@sha256:0000000", "app:5"],
        &["app:prod", "app:5", "--scheduled"],
        &["--alias", "app:prod", "other:5"],
        &["--alias", "app:prod", "app:prod"],
        &["--alias", &there, "app:5"],
        &["--source", "docker", "nginx:1", "app:5"],
        &[&there, "app:b d"],
        &["-d", "app:gone"],
    ] {
        let run = program.run(&[&["stream", "tag"], words].concat());
        shown.extend([&normal(&words.join(" ")), ": ", &run.shown(), "\n"]);
    }
    insta::assert_snapshot!(shown, @r"
    app:prod: exit 2
    --- stdout
    --- stderr
    error: a source and a tag of a stream are needed: `tranship stream tag SRC NAME:TAG`

    app:prod app: exit 2
    --- stdout
    --- stderr
    error: cannot tag as `app`: `app` names no tag; write `app:TAG`

    app:gone app:5: exit 3
    --- stdout
    --- stderr
    error: cannot tag `app:gone`
      because: the stream `app` has no tag `gone`
    hint: see its tags: `tranship stream show app`

    nothing:1 app:5: exit 3
    --- stdout
    --- stderr
    error: cannot tag `nothing:1`
      because: there is no stream `nothing`
    hint: if an image of a registry is meant: `--source docker`
    hint: make it: `tranship stream import nothing --from IMAGE --confirm`

    app@sha256:DIGEST app:5: exit 2
    --- stdout
    --- stderr
    error: cannot tag `app@sha256:DIGEST`
      because: `app` has and had no image `sha256:DIGEST`
    hint: see what it had: `tranship stream history app`

    app:prod app:5 --scheduled: exit 2
    --- stdout
    --- stderr
    error: cannot tag `app:prod`: `--scheduled`, `--reference` and `--import-mode` go with an image of a registry, and this is one of a stream
    hint: if an image of a registry is meant: `--source docker`, or `docker://app:prod`

    --alias app:prod other:5: exit 2
    --- stdout
    --- stderr
    error: cannot tag as `other:5`
      because: `--alias` follows a tag of the same stream, and `app` is another than `other`
    hint: without it the tag gets the image that the other has now

    --alias app:prod app:prod: exit 2
    --- stdout
    --- stderr
    error: cannot tag as `app:prod`
      because: `app:prod` cannot follow itself

    --alias 127.0.0.1:PORT/app:stable app:5: exit 2
    --- stdout
    --- stderr
    error: cannot tag `127.0.0.1:PORT/app:stable`: `--alias` follows a tag of a stream, and this is an image of a registry
    hint: `--scheduled` looks it up again and again

    --source docker nginx:1 app:5: exit 2
    --- stdout
    --- stderr
    error: cannot tag `nginx:1`: `nginx` names no registry, and no default remote registry is set
    hint: run `tranship settings set default-remote-registry docker.io`, or write the registry in front: `docker.io/nginx`

    127.0.0.1:PORT/app:stable app:b d: exit 2
    --- stdout
    --- stderr
    error: cannot tag as `app:b d`: ` ` cannot stand in the tag `b d` (letters, digits, `_`, `.` and `-`)

    -d app:gone: exit 3
    --- stdout
    --- stderr
    error: cannot delete `app:gone`
      because: the stream `app` has no tag `gone`
    hint: see its tags: `tranship stream show app`
    ");
}

#[test]
fn a_tag_goes_back_without_a_push_and_stays_there() {
    let (one, two, three) = (image().build(), image().build(), image().build());
    let (registry, program) = imported(&one);
    for image in [&two, &three] {
        registry.put("app", image, &["stable"]);
        program.run(&["stream", "import", "app:prod"]).success();
    }
    registry.forget_requests();
    let run = program.run(&["stream", "rollback", "app:prod", "--dry-run", "-q"]).success();
    assert_eq!(run.stdout.trim(), two.digest());
    let run = program.run(&["stream", "rollback", "app:prod"]).success();
    assert_eq!(run.stdout, format!("app:prod@{}  (it was {})\n", two.digest(), &three.digest()[7..19]));
    run.says("it follows").says("--confirm`");
    assert_eq!(digests(&program, "app:prod"), [two.digest(), three.digest(), two.digest(), one.digest()]);
    program.run(&["stream", "rollback", "app:prod", "--to", "3"]).success();
    program.run(&["stream", "rollback", "app:prod", "--to", &two.digest()[7..19]]).success();
    assert_eq!(digests(&program, "app:prod")[..2], [two.digest(), one.digest()]);
    assert_eq!(registry.lines(), Vec::<String>::new(), "nobody is asked");
    program.run(&["stream", "rollback", "app:prod", "--to", "9"]).code(2).says("and no 9");
    program.run(&["stream", "import", "app:prod"]).code(2).says("nothing to import");
    program.run(&["stream", "refresh", "--now"]).success();
    assert_eq!(digests(&program, "app:prod")[0], two.digest(), "a refresh does not undo it");
    let again = format!("{}/app:stable", registry.address());
    program.run(&["stream", "import", "app:prod", "--from", &again, "--confirm"]).success();
    assert_eq!(digests(&program, "app:prod")[0], three.digest());
}

#[test]
fn tags_and_streams_are_removed() {
    let (_registry, program) = imported(&image().build());
    program.run(&["stream", "tag", "app:prod", "app:a", "app:b"]).success();
    let removed = program.run(&["stream", "tag", "-d", "app:a"]).success();
    assert_eq!(removed.stdout, "removed app:a\n");
    program.run(&["stream", "delete", "app:b", "app:nothing"]).code(7).says("has no tag `nothing`");
    let shown = program.run(&["stream", "show", "app", "-q"]).success();
    assert_eq!(shown.stdout, "prod\n");
    program.run(&["stream", "delete", "app"]).success();
    program.run(&["stream", "show", "app"]).code(3).says("there is no stream `app`");
    assert_eq!(program.run(&["stream", "list"]).success().stdout, "");
    let left: Vec<_> = program.home().join("data/tranship/streams").read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn histories_are_pruned_by_number_and_age() {
    let images: Vec<_> = (0..6).map(|_| image().build()).collect();
    let (registry, program) = imported(&images[0]);
    for image in &images[1..] {
        registry.put("app", image, &["stable"]);
        program.run(&["stream", "import", "app:prod"]).success();
    }
    let newest =
        |count: usize| images.iter().rev().take(count).map(crate::support::images::Image::digest).collect::<Vec<_>>();
    let run = program.run(&["stream", "prune"]).success();
    assert_eq!(run.stdout, "nothing to remove\n", "all of them are young");
    let run = program.run(&["stream", "prune", "app", "--keep", "4", "--dry-run"]).success();
    assert_eq!(run.lines().len(), 2);
    assert_eq!(digests(&program, "app:prod").len(), 6);
    program.run(&["stream", "prune", "app", "--keep", "4"]).success();
    assert_eq!(digests(&program, "app:prod"), newest(4));
    program.run(&["stream", "prune", "--keep-younger-than", "1h", "--keep", "1"]).success();
    assert_eq!(digests(&program, "app:prod"), newest(4));
}

#[test]
fn a_stream_can_carry_the_rule_by_which_its_history_is_kept() {
    let images: Vec<_> = (0..4).map(|_| image().build()).collect();
    let (registry, _) = imported(&images[0]);
    let program = Program::new();
    program.run(&["stream", "create", "app", "--keep", "2"]).success();
    let from = format!("{}/app:stable", registry.address());
    for image in &images {
        registry.put("app", image, &["stable"]);
        program.run(&["stream", "import", "app", "--from", &from, "--confirm"]).success();
    }
    assert_eq!(digests(&program, "app"), [images[3].digest(), images[2].digest()]);
}
