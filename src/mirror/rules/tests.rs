//! What rules of this program's form become.

use super::*;
use crate::transfer::Clobber;

fn reading<'a>(naming: &'a Naming, to: &'a [String]) -> Reading<'a> {
    Reading { naming, to, scoping: Scoping::Usual, destinations: Destinations::Needed }
}

fn read(text: &str, to: &[String]) -> Vec<Rule> {
    let naming = Naming::default();
    Rules::parse(text, &Origin::Input, Format::Tranship, reading(&naming, to)).unwrap().rules
}

/// Where the images of a repository go by a rule.
fn targets(rule: &Rule, source: &str) -> Vec<String> {
    let source = RepositoryPath::parse(source, &Naming::default()).unwrap();
    rule.to.iter().map(|to| to.resolve(&rule.from, &source).unwrap().to_string()).collect()
}

const RULES: &str = r#"
defaults: {to: [registry.internal:5000/mirror], attached: image, platforms: [linux/amd64, linux/arm64]}
rules:
- from: docker.io/library/alpine
  tags: {match: ["3.*", latest], exclude: ["*-rc*"], semver: ">=3.18", newest: 5, newest-by: semver}
  to: [registry.internal:5000/alpine]
- from: quay.io/prometheus/*
  prune: {max-share: 0.2}
  backup-tag: "{tag}-before-{date}"
- from: docker.io/library/alpine:3.20
- from: quay.io/prometheus/*
  to: [registry.internal:5000/prom, "store:prom"]
"#;

#[test]
fn where_images_go() {
    let rules = read(RULES, &[]);
    assert_eq!(targets(&rules[0], "docker.io/library/alpine"), ["registry.internal:5000/alpine"]);
    assert_eq!(
        targets(&rules[1], "quay.io/prometheus/node/exporter"),
        ["registry.internal:5000/mirror/quay.io/prometheus/node/exporter"]
    );
    assert_eq!(
        targets(&rules[2], "docker.io/library/alpine"),
        ["registry.internal:5000/mirror/docker.io/library/alpine"]
    );
    assert_eq!(
        targets(&rules[3], "quay.io/prometheus/node/exporter"),
        ["registry.internal:5000/prom/node/exporter", "store:prom/node/exporter"]
    );
    // What the command line says goes before the defaults, and not before a rule.
    let rules = read(RULES, &["other.example".to_owned()]);
    assert_eq!(targets(&rules[0], "docker.io/library/alpine"), ["registry.internal:5000/alpine"]);
    assert_eq!(targets(&rules[2], "docker.io/library/alpine"), ["other.example/docker.io/library/alpine"]);
}

#[test]
fn what_a_rule_leaves_open_the_defaults_say() {
    let rules = read(RULES, &[]);
    let usual = Options { platforms: Vec::new(), attached: Attached::All, clobber: Clobber::Move };
    for rule in &rules {
        let options = rule.options(&usual);
        assert_eq!((options.platforms.len(), options.attached), (2, Attached::Image));
    }
    assert!(rules[0].prune.is_none() && rules[1].prune == Some(Share::USUAL));
    assert_eq!(rules[1].backup.as_ref().map(ToString::to_string).as_deref(), Some("{tag}-before-{date}"));
    assert!(rules[0].tags.newest.is_some() && rules[1].tags.newest.is_none());
    let bare = read("rules: [{from: a.example/x, to: b.example/x}]\n", &[]);
    assert_eq!(bare[0].options(&usual).attached, Attached::All);
    assert!(bare[0].tags.filter.is_all());
}

#[test]
fn the_example_can_be_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sync/rules.yaml");
    let naming = Naming::default();
    assert_eq!(Rules::read(&file, Format::Tranship, reading(&naming, &[])).unwrap().rules.len(), 2);
}
