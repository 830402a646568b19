//! `site prune`, and `distribute --prune`.

use super::{Sites, compose, configuration};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{artifact, image, index};
use crate::support::program::Program;
use crate::support::push::Registry;
use crate::support::scripted::{Ability, Scripted};

/// A site that holds what is needed, and what was.
fn with_old_images() -> Sites {
    let sites = Sites::of(&["kiruna"]);
    let site = &sites.registries[0];
    let shared = image().build();
    let (current, former) = (index(vec![shared.clone(), image().build()]), index(vec![shared, image().build()]));
    let there = sites.there("app");
    site.put(&there, &former, &["1"]);
    site.put(&there, &current, &["2", "latest"]);
    site.put(&sites.there("gone"), &image().build(), &["1", "2"]);
    let signature = artifact(&former.manifest, "application/vnd.signature", b"x");
    site.put(&there, &signature, &[&format!("{}.sig", former.digest().replace(':', "-"))]);
    std::fs::write(sites.program.home().join("app.yaml"), compose(&[format!("{}/app:2", sites.origin.address())]))
        .unwrap();
    sites
}

#[test]
fn what_no_spec_needs_goes_when_that_is_agreed_to() {
    let sites = with_old_images();
    let (there, gone) = (sites.there("app"), sites.there("gone"));
    let prune = ["site", "prune", "kiruna", "-f", "app.yaml"];
    let dry = sites.program.run(&[&prune[..], &["--dry-run"]].concat()).success();
    assert_eq!(dry.stdout.matches("kiruna: would remove ").count(), 5, "{}", dry.shown());
    assert!(dry.stdout.contains(&format!("{there}:latest (the tag alone)")), "{}", dry.shown());
    sites.program.run(&prune).code(2).says("pass `--yes`");
    assert_eq!(sites.registries[0].tags(&there).len(), 4, "nothing has gone yet");
    let run = sites.program.run(&[&prune[..], &["--yes", "-o", "json"]].concat()).success();
    assert_eq!(run.json()["removed"].as_array().unwrap().len(), 5, "{}", run.shown());
    assert_eq!(sites.registries[0].tags(&there), ["2"]);
    assert!(sites.registries[0].tags(&gone).is_empty());
    let again = sites.program.run(&[&prune[..], &["--yes"]].concat()).success();
    assert_eq!(again.stdout, "");
}

#[test]
fn whoever_sits_at_the_terminal_is_asked() {
    needs!("script");
    let sites = with_old_images();
    let words = ["site", "prune", "kiruna", "-f", "app.yaml"];
    let run = sites.program.type_at(&words, "[y/N]", b"n\n");
    assert!(run.stdout.contains("would remove") && run.stdout.contains("Remove 5 things?"), "{}", run.shown());
    assert_eq!(sites.registries[0].tags(&sites.there("gone")).len(), 2);
    let run = sites.program.type_at(&words, "[y/N]", b"y\n");
    assert!(run.stdout.contains("kiruna: removed"), "{}", run.shown());
    assert!(sites.registries[0].tags(&sites.there("gone")).is_empty());
}

#[test]
fn a_real_registry_is_pruned_and_one_that_cannot_remove_is_explained() {
    needs!("docker-registry");
    let (open, closed) = (DockerRegistry::open(), DockerRegistry::without_delete());
    let program = Program::new();
    program.configure(&configuration([("closed", closed.address().to_owned()), ("open", open.address().to_owned())]));
    let images = [image().build(), image().build()];
    for registry in [&open, &closed] {
        let registry = Registry::at(&registry.url());
        registry.push("docker.io/library/app", &images[0], &["1"]);
        registry.push("docker.io/library/app", &images[1], &["2"]);
        registry.push("docker.io/library/old", &images[0], &["1"]);
    }
    std::fs::write(program.home().join("app.yaml"), compose(&["docker.io/library/app:2"])).unwrap();
    let run = program.run(&["site", "prune", "--all", "-f", "app.yaml", "--yes"]).code(7);
    assert_eq!(run.stdout.matches("open: removed").count(), 2, "{}", run.shown());
    assert_eq!(run.stderr.matches("error:").count(), 1, "told once: {}", run.shown());
    assert!(run.stderr.contains("storage.delete.enabled"), "{}", run.shown());
    let tagged = |registry: &DockerRegistry, tag: &str| {
        Registry::at(&registry.url()).manifest("docker.io/library/app", tag).is_some()
    };
    assert_eq!([tagged(&open, "1"), tagged(&open, "2")], [false, true]);
    assert_eq!([tagged(&closed, "1"), tagged(&closed, "2")], [true, true]);
}

#[test]
fn nothing_goes_while_it_is_not_known_what_is_needed() {
    let sites = with_old_images();
    let prune = ["site", "prune", "kiruna", "-f", "app.yaml", "--yes"];
    let write = |text: &str| std::fs::write(sites.program.home().join("app.yaml"), text).unwrap();
    let tags = || sites.registries[0].tags(&sites.there("app")).len();
    write(&compose(&["reg.example.com/a:${TAG}"]));
    sites.program.run(&prune).code(2).says("nothing is removed while");
    write("services: {}\n");
    sites.program.run(&prune).code(2).says("everything would go");
    write("services: [\n");
    sites.program.run(&prune).code(2);
    assert_eq!(tags(), 4);
    // Where an image does not come, nothing that may be its forerunner goes.
    write(&compose(&[format!("{}/app:3", sites.origin.address())]));
    sites
        .program
        .run(&["distribute", "-f", "app.yaml", "--all", "--prune", "--yes"])
        .code(3)
        .says("nothing is removed");
    sites.program.run(&["distribute", "-f", "app.yaml", "--all", "--prune"]).code(2).says("pass `--yes`");
    assert_eq!(tags(), 4);
}

#[test]
fn what_is_no_longer_needed_goes_with_the_distribution_of_what_is() {
    let sites = with_old_images();
    sites.put("app:3", &image().build());
    std::fs::write(sites.program.home().join("app.yaml"), compose(&[format!("{}/app:3", sites.origin.address())]))
        .unwrap();
    let words = ["distribute", "-f", "app.yaml", "--all", "--prune", "--yes"];
    let run = sites.program.run(&words).success();
    assert!(run.stdout.contains("kiruna: removed"), "{}", run.shown());
    assert_eq!(sites.registries[0].tags(&sites.there("app")), ["3"]);
    assert_eq!(sites.program.run(&words).success().stdout.matches("removed").count(), 0);
}

#[test]
fn what_lies_beside_the_path_of_a_site_and_what_cannot_be_listed_is_left_alone() {
    let site = Scripted::settings().without(Ability::Catalog).start();
    let program = Program::new();
    program.configure(&configuration([("kiruna", format!("{}/edge", site.address()))]));
    for (repository, tag) in [("edge/docker.io/library/app", "1"), ("edge/docker.io/library/app", "2"), ("other", "1")]
    {
        site.put(repository, &image().build(), &[tag]);
    }
    std::fs::write(program.home().join("app.yaml"), compose(&["docker.io/library/app:2"])).unwrap();
    let run = program.run(&["site", "prune", "kiruna", "-f", "app.yaml", "--yes"]).success();
    let run = run.says("does not list its repositories");
    assert_eq!(run.lines().len(), 1, "{}", run.shown());
    assert_eq!(
        (site.tags("edge/docker.io/library/app"), site.tags("other")),
        (vec!["2".to_owned()], vec!["1".to_owned()])
    );
}
