//! Which repositories and tags are taken.

use super::{sync, with_rules, write_rules};
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::{Ability, Scripted};

/// The tags that a rule leaves at the destination, of a source that has these.
fn taken(tags: &str) -> Vec<String> {
    let (source, destination) = (Scripted::start(), Scripted::start());
    let all = ["3.9", "3.18", "3.18.4", "3.19", "3.20-rc1", "v4.0", "edge", "latest"];
    for (number, tag) in all.iter().enumerate() {
        source.put("app", &image().created(&format!("2026-02-{:02}T00:00:00Z", 20 - number)).build(), &[tag]);
    }
    let program =
        with_rules(&source, &destination, &format!("rules: [{{from: SRC/app, to: DST/app, tags: {tags}}}]\n"));
    sync(&program, &[]).success();
    destination.tags("app")
}

#[test]
fn tags_by_pattern_version_and_age() {
    let cases = [
        ("{match: [\"3.*\", latest]}", "3.18 3.18.4 3.19 3.20-rc1 3.9 latest"),
        ("{match: \"3.*\", exclude: \"*-rc*\"}", "3.18 3.18.4 3.19 3.9"),
        ("{regex: '3\\.\\d+'}", "3.18 3.19 3.9"),
        ("{semver: \">=3.18, <4\"}", "3.18 3.18.4 3.19"),
        ("{semver: \">=3\", newest: 2}", "3.19 v4.0"),
        ("{newest: 2, newest-by: semver}", "3.20-rc1 v4.0"),
        ("{newest: 3, newest-by: date}", "3.18 3.18.4 3.9"),
        (
            "{match: [\"3.*\", latest], exclude: [\"*-rc*\"], semver: \">=3.18\", newest: 5, newest-by: semver}",
            "3.18 3.18.4 3.19",
        ),
    ];
    for (tags, expected) in cases {
        assert_eq!(taken(tags).join(" "), expected, "{tags}");
    }
}

#[test]
fn flags_pick_tags_too() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    source.put("app", &image().build(), &["1.0", "1.1", "1.2-rc", "latest"]);
    let (from, to) = (format!("{}/app", source.address()), format!("{}/app", destination.address()));
    let words = ["sync", &from, &to, "--match", "1.*", "--exclude", "*rc*", "--newest", "1", "--attached", "none"];
    Program::new().run(&words).success();
    assert_eq!(destination.tags("app"), ["1.1"]);
    Program::new().run(&["sync", &from, &to, "--regex", "("]).code(2).says("not a regular expression");
    Program::new().run(&["sync", &from]).code(2).says("tranship sync -f RULES");
}

#[test]
fn a_namespace_is_what_the_catalogue_shows() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    for repository in ["team/a", "team/b/c", "team/skipped", "teams/x", "other"] {
        source.put(repository, &image().build(), &["1.0"]);
    }
    source.put("team/empty", &image().build(), &["unwanted"]);
    let rules = "rules:\n- from: SRC/team/*\n  to: DST/copy\n  repositories: {exclude: team/skipped}\n  tags: {match: \"1.*\"}\n";
    let program = with_rules(&source, &destination, rules);
    sync(&program, &[]).success();
    assert_eq!(destination.tags("copy/a"), ["1.0"]);
    assert_eq!(destination.tags("copy/b/c"), ["1.0"]);
    for absent in ["copy/skipped", "copy/x", "copy/empty"] {
        assert!(destination.tags(absent).is_empty(), "{absent}");
    }
    write_rules(&program, &source, &destination, "rules: [{from: SRC/*, to: DST/all}]\n");
    sync(&program, &[]).success();
    assert_eq!(destination.tags("all/teams/x"), ["1.0"]);
    assert_eq!(destination.tags("all/other"), ["1.0"]);
    write_rules(&program, &source, &destination, "rules: [{from: SRC/nothing/*, to: DST/all}]\n");
    sync(&program, &[]).code(3).says("the catalogue shows no repository there");
    let closed = Scripted::settings().without(Ability::Catalog).start();
    write_rules(&program, &closed, &destination, "rules: [{from: SRC/*, to: DST/all}]\n");
    sync(&program, &[]).code(1).says("cannot sync `127.0.0.1:");
}

#[test]
fn one_image_by_tag_or_digest_may_get_another_name() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    let image = image().build();
    source.put("app", &image, &["1.0"]);
    let rules = format!(
        "rules:\n- {{from: \"SRC/app:1.0\", to: [\"DST/app\", \"DST/other:mine\"]}}\n- {{from: \"SRC/app@{}\", to: DST/pinned}}\n",
        image.digest()
    );
    let program = with_rules(&source, &destination, &rules);
    let output = sync(&program, &[]).success();
    assert_eq!((destination.tags("app"), destination.tags("other")), (vec!["1.0".to_owned()], vec!["mine".to_owned()]));
    assert!(destination.holds("pinned", &image), "{}", output.shown());
}

#[test]
fn nothing_that_is_wanted_is_an_error() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    source.put("app", &image().build(), &["1.0"]);
    let program = with_rules(&source, &destination, "rules: [{from: SRC/app, to: DST/app, tags: {match: \"2.*\"}}]\n");
    sync(&program, &[]).code(3).says("none of its 1 tags is what the rule wants");
    write_rules(&program, &source, &destination, "rules: [{from: SRC/none, to: DST/app}]\n");
    sync(&program, &[]).code(3);
}
