//! What is removed at a destination, and what never is.

use super::{sync, timeless, with_rules, write_rules};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Response;

const RULES: &str = "rules: [{from: SRC/app, to: DST/app, prune: {}}]\n";

/// A source with ten tags, and a destination with these and some more.
fn scene(more: &[&str]) -> (Scripted, Scripted) {
    let (source, destination) = (Scripted::start(), Scripted::start());
    let image = image().build();
    let tags: Vec<String> = (0..10).map(|number| format!("v{number}")).collect();
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    source.put("app", &image, &names);
    destination.put("app", &image, &names);
    for tag in more {
        destination.put("app", &crate::support::images::image().build(), &[tag]);
    }
    (source, destination)
}

#[test]
fn what_the_source_has_no_more_goes_where_that_is_asked_for() {
    let (source, destination) = scene(&["old", "older"]);
    let program = with_rules(&source, &destination, RULES);
    sync(&program, &[]).success();
    assert_eq!(destination.tags("app").len(), 12, "without `--prune` nothing goes");
    let dry = sync(&program, &["--prune", "--dry-run"]).success();
    assert!(dry.stdout.contains("would remove 127.0.0.1:") && dry.stdout.contains("2 to remove"), "{}", dry.shown());
    assert_eq!(destination.tags("app").len(), 12);
    let output = sync(&program, &["--prune"]).success();
    insta::assert_snapshot!(timeless(&output), @r"
    exit 0
    --- stdout
    0 copied, 10 unchanged, 2 removed; TIME
    removed 127.0.0.1:PORT/app:old
    removed 127.0.0.1:PORT/app:older
    --- stderr
    ");
    assert_eq!(destination.tags("app").len(), 10);
    assert_eq!(destination.count("DELETE", "sha256:"), 0, "tags go, and manifests stay for whoever names them");
}

#[test]
fn more_than_a_share_goes_by_force_alone() {
    let (source, destination) = scene(&["a", "b", "c"]);
    let program = with_rules(&source, &destination, RULES);
    let output = sync(&program, &["--prune"]);
    insta::assert_snapshot!(timeless(&output.code(7)), @r"
    exit 7
    --- stdout
    0 copied, 10 unchanged, 1 failed; TIME
    --- stderr
    error: cannot remove what is left over in `127.0.0.1:PORT/app`
      because: 3 of the 13 tags of `127.0.0.1:PORT/app` would be removed, and at most 20 % may be
    hint: see which with `--dry-run --force`, and remove them with `--force`; or raise `max-share`
    ");
    assert_eq!(destination.tags("app").len(), 13);
    write_rules(&program, &source, &destination, &RULES.replace("{}}", "{max-share: 25%}}"));
    sync(&program, &["--prune"]).success();
    assert_eq!(destination.tags("app").len(), 10);
    let (source, destination) = scene(&["a", "b", "c"]);
    write_rules(&program, &source, &destination, RULES);
    sync(&program, &["--prune", "--force"]).success();
    assert_eq!(destination.tags("app").len(), 10);
}

#[test]
fn nothing_goes_for_a_source_that_is_empty_or_not_known() {
    let (source, destination) = scene(&["old"]);
    let program = with_rules(&source, &destination, &RULES.replace("prune", "tags: {match: none}, prune"));
    sync(&program, &["--prune", "--force"]).code(3).says("no tag of 127.0.0.1:").says("is removed");
    write_rules(&program, &source, &destination, RULES);
    source.rule(when("GET", "/tags/list"), Act::respond(Response::error(404, "NAME_UNKNOWN")));
    sync(&program, &["--prune", "--force"]).code(3);
    source.behave();
    source.rule(when("GET", "/tags/list"), Act::respond(Response::error(403, "DENIED")));
    sync(&program, &["--prune", "--force"]).code(4);
    source.behave();
    source.rule(when("GET", "/tags/list"), Act::respond(Response::json(200, &serde_json::json!({"tags": []}))));
    sync(&program, &["--prune", "--force"]).code(3);
    assert_eq!(destination.tags("app").len(), 11);
}

#[test]
fn what_several_rules_put_into_one_repository_stays() {
    let (source, destination) = scene(&["old"]);
    source.put("other", &image().build(), &["w1"]);
    let both = "rules:\n- {from: SRC/app, to: DST/app, prune: {}}\n- {from: SRC/other, to: DST/app}\n";
    let program = with_rules(&source, &destination, both);
    sync(&program, &["--prune"]).success();
    let tags = destination.tags("app");
    assert!(tags.len() == 11 && tags.contains(&"w1".to_owned()) && !tags.contains(&"old".to_owned()), "{tags:?}");
    source.rule(when("GET", "/v2/other/tags/list"), Act::respond(Response::error(500, "UNKNOWN")));
    destination.put("app", &image().build(), &["old"]);
    sync(&program, &["--prune", "--retries", "0"]).code(7).says("not known which ones it is to have");
    assert_eq!(destination.tags("app").len(), 12);
}

#[test]
fn names_of_what_was_overwritten_and_of_attached_things_stay() {
    let (source, destination) = scene(&["v1-before-2020-01-01", "v1-before-2020-01-01-2", "old"]);
    let signed = format!("sha256-{}.sig", "a".repeat(64));
    destination.put("app", &image().build(), &[&signed]);
    let rules = "rules: [{from: SRC/app, to: DST/app, prune: {}, backup-tag: \"{tag}-before-{date}\"}]\n";
    let program = with_rules(&source, &destination, rules);
    sync(&program, &["--prune"]).success();
    let tags = destination.tags("app");
    assert_eq!(tags.len(), 13, "{tags:?}");
    assert!(tags.contains(&signed) && !tags.contains(&"old".to_owned()));
}

#[test]
fn a_registry_that_removes_no_single_tag_loses_no_digest_that_another_tag_needs() {
    needs!("docker-registry");
    let (source, destination) = (Scripted::start(), DockerRegistry::open());
    let (child, loner) = (image().build(), image().build());
    let both = index(vec![child.clone(), image().architecture("arm64").build()]);
    source.put("app", &both, &["all"]);
    let there = Registry::at(&destination.url());
    there.push("app", &both, &["all", "same"]);
    there.push("app", &child, &["child"]);
    there.push("app", &loner, &["loner"]);
    let program = Program::new();
    let rules =
        format!("rules: [{{from: {}/app, to: {}/app, prune: {{}}}}]\n", source.address(), destination.address());
    std::fs::write(program.path("rules.yaml"), rules).unwrap();
    let output = sync(&program, &["--prune", "--force"]).code(7);
    let output = output.says("the tag child stays: another tag needs its image").says("the tag same stays");
    assert!(output.stdout.contains("app:loner") && output.stdout.contains("1 removed, 2 failed"), "{}", output.shown());
    assert!(there.holds("app", &both) && there.holds("app", &child));
    assert!(there.manifest("app", loner.digest()).is_none());
}

#[test]
fn what_cannot_be_removed_is_said_before_anything_is_done() {
    let (source, destination) = scene(&["old"]);
    let program = with_rules(&source, &destination, "rules: [{from: SRC/app, to: DST/app}]\n");
    sync(&program, &["--prune"]).code(2).says("no rule has it").says("max-share");
    sync(&program, &["--force"]).code(2).says("--prune");
}
