//! `app images`.

use super::{COMPOSE, SHOP, Site, TICKETS};
use crate::support::program::Program;

#[test]
fn the_images_of_every_sort_of_spec_are_resolved() {
    for (spec, count) in [(TICKETS, 3), (SHOP, 12), (COMPOSE, 4)] {
        let site = Site::of(spec);
        assert_eq!(site.images.len(), count);
        let run = site.program.run(&["app", "images", "-f", "app.yaml", "-q"]).success();
        let mut lines: Vec<String> = run.lines().into_iter().map(str::to_owned).collect();
        lines.sort();
        let mut pins: Vec<String> = site.images.keys().map(|name| site.pin(name)).collect();
        pins.sort();
        assert_eq!(lines, pins);
    }
}

#[test]
fn images_in_every_form() {
    let site = Site::of(COMPOSE);
    let run = site.program.run(&["app", "images", "-f", "app.yaml"]).success();
    let digests = site.images.values().map(|image| &image.digest()["sha256:".len()..][..12]);
    let text = digests.fold(run.shown(), |text, digest| text.replace(digest, "DIGEST------"));
    let text: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    exit 0
    --- stdout
    IMAGE DIGEST USED BY
    127.0.0.1:PORT/shop/worker:3 DIGEST------ service mail and 1 more
    127.0.0.1:PORT/shop/web:4.1.0 DIGEST------ service web
    127.0.0.1:PORT/shop/catalogue:2026.11 DIGEST------ service web, volume /catalogue
    127.0.0.1:PORT/shop/cache:7 DIGEST------ service cache
    --- stderr
    warning: app.yaml:23: service admin is built where it runs, and names no image
    ");
    let json = site.program.run(&["app", "images", "-f", "app.yaml", "-o", "json"]).success().json();
    let worker = &json["images"].as_array().unwrap()[0];
    assert_eq!(worker["reference"], format!("{}/shop/worker:3", site.registry.address()));
    assert_eq!(worker["digest"], site.images["shop/worker:3"].digest());
    assert_eq!(worker["uses"].as_array().unwrap().len(), 2, "{worker}");
    assert_eq!(worker["uses"][1]["user"], "service invoices");
}

#[test]
fn what_helm_prints_is_read_from_standard_input() {
    let site = Site::of(SHOP);
    let run = site.program.invoke(&["app", "images", "-f", "-", "-q"]).stdin(site.text.as_str()).run().success();
    assert_eq!(run.lines().len(), site.images.len());
    let both = site.program.run(&["app", "images", "-f", "app.yaml", "app.yaml", "-q"]).success();
    assert_eq!(both.lines().len(), site.images.len(), "each once");
}

#[test]
fn what_is_wrong_is_said_where_it_stands() {
    let program = Program::new();
    let shown = |text: &str| program.invoke(&["app", "images", "-f", "-"]).stdin(text).run().shown();
    insta::assert_snapshot!(shown("kind: x\n"), @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot read the spec
      because: standard input:1: this is neither an Avassa application nor a Kubernetes manifest nor a Compose file
    hint: say what it is: `--kind avassa`, `kubernetes` or `compose`
    ");
    insta::assert_snapshot!(shown("services:\n  a: {image: 'reg.example.com/a:${TAG}'}\n  b: {image: b}\n"), @r"
    exit 2
    --- stdout
    --- stderr
    error: standard input:2: cannot tell the image of service a
      because: `reg.example.com/a:${TAG}` holds a variable that is not filled in
    hint: fill it in first: `docker compose config | tranship app … -f -`, or `envsubst < FILE | …`
    error: standard input:3: cannot tell the image of service b
      because: `b` names no registry, and no default remote registry is set
    hint: run `tranship settings set default-remote-registry docker.io`, or write the registry in front: `docker.io/b`
    ");
    insta::assert_snapshot!(shown("services: {}\n"), @r"
    exit 0
    --- stdout
    --- stderr
    warning: standard input names no image
    ");
    insta::assert_snapshot!(program.run(&["app", "images", "-f", "none.yaml"]).shown(), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot read the spec
      because: cannot read none.yaml
      because: there is no such file
    ");
}

#[test]
fn what_is_not_there_is_told_and_the_rest_is_listed() {
    let site = Site::of(COMPOSE);
    site.write(&site.text.replace("cache:7", "cache:8"));
    let run = site.program.run(&["app", "images", "-f", "app.yaml", "-q"]).code(7).says("shop/cache:8");
    assert_eq!(run.lines().len(), 3);
}
