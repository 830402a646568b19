//! `site status`: the table of images and sites.

use super::{Sites, compose};
use crate::support::images::image;

#[test]
fn which_site_holds_what() {
    let sites = Sites::of(&["kiruna", "lund", "stockholm", "stockholm"]);
    let (old, new) = (image().build(), image().build());
    let names = [sites.put("app:1", &new), sites.put("tool:2", &new)];
    let (app, tool) = (sites.there("app"), sites.there("tool"));
    sites.registries[0].put(&app, &new, &["1"]);
    sites.registries[0].put(&tool, &new, &["2"]);
    sites.registries[1].put(&app, &old, &["1"]);
    sites.registries[2].put(&app, &new, &["1"]);
    std::fs::write(sites.program.home().join("app.yaml"), compose(&names)).unwrap();
    let shown = |words: &[&str]| -> String {
        let text = sites.program.run(words).shown();
        let text = text
            .replace(&sites.origin.address().replace(':', "_"), "ORIGIN")
            .replace(&sites.origin.address(), "ORIGIN");
        let digests = [(&old, "OLD"), (&new, "NEW")];
        let text = digests.iter().fold(text, |text, (image, word)| text.replace(&image.digest()[7..19], word));
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
            .collect::<Vec<_>>()
            .concat()
    };
    insta::assert_snapshot!(shown(&["site", "status", "-f", "app.yaml"]), @r"
    exit 0
    --- stdout
    IMAGE KIRUNA LUND STOCKHOLM
    127.0.0.1:PORT/app:1 yes other 1/2
    127.0.0.1:PORT/tool:2 yes no no
    --- stderr
    ");
    insta::assert_snapshot!(shown(&["site", "status"]), @r"
    exit 0
    --- stdout
    IMAGE KIRUNA LUND STOCKHOLM
    127.0.0.1_PORT/app:1 NEW OLD 1/2
    127.0.0.1_PORT/tool:2 yes no no
    --- stderr
    ");
    let json = sites.program.run(&["site", "status", "-o", "json", &names[0], "--at", "lund"]).success().json();
    assert_eq!(json["images"][0]["digest"], new.digest());
    assert_eq!(json["images"][0]["sites"][0]["state"], "other");
    assert_eq!(json["images"][0]["sites"][0]["digest"], old.digest());
    assert_eq!(sites.program.run(&["site", "status", "-q", "-f", "app.yaml"]).success().lines(), names);
    let quiet = sites.program.run(&["site", "status", "-q", "-f", "app.yaml", "--at", "kiruna"]).success();
    assert_eq!(quiet.stdout, "");
}

#[test]
fn a_site_that_does_not_answer_has_its_column() {
    let sites = Sites::of(&["kiruna"]);
    let name = sites.put("app:1", &image().build());
    sites.program.run(&["site", "add", "nowhere", "127.0.0.1:1"]).success();
    sites.program.run(&["distribute", "-q", &name, "--to", "kiruna"]).success();
    for images in [&[name.as_str()][..], &[]] {
        let run = sites.program.run(&[&["site", "status", "--retries", "0"][..], images].concat()).code(7);
        assert!(run.stdout.contains("yes") && run.stdout.contains('?'), "{}", run.shown());
        assert_eq!(run.stderr.matches("error:").count(), 1, "{}", run.shown());
    }
}
