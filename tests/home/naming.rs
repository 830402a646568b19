//! Names in the store, and what can be said of them.

use super::{listed, name, with};
use crate::support::images::image;
use crate::support::program::Program;

#[test]
fn pulled_images_are_called_after_their_registry_or_as_asked() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let program = Program::new();
    let there = format!("{}/a:v1", server.address());
    program.run(&["pull", &there]).success();
    program.run(&["pull", "--to", "blessed", &there]).success();
    let run = program.run(&["pull", "--to", "team/app:v2", &there]).success();
    assert_eq!(
        run.stdout,
        format!("store:team/app:v2@{}  (3 blobs mounted, {})\n", image.digest(), sizes(&run.stdout))
    );
    assert_eq!(listed(&program), [format!("{}:v1", name(&server, "a")), "blessed:latest".into(), "team/app:v2".into()]);
    program.run(&["pull", "--to", "Team/App", &there]).code(2).says("`T` cannot stand");
    let run = program.run(&["pull", "--to", &format!("x@{}", image.digest()), &there]).code(2);
    run.says("is not a name at home: REPOSITORY or REPOSITORY:TAG");
}

/// The size in a summary, which is not what is tested.
fn sizes(text: &str) -> &str {
    text.split_once("mounted, ").unwrap().1.trim_end_matches(")\n")
}

#[test]
fn truncated_digests_are_taken_in_the_store_where_they_are_unique() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let program = Program::new();
    program.run(&["pull", "--to", "app:v1", &format!("{}/a:v1", server.address())]).success();
    for length in [7, 12, 63] {
        let cut = format!("store:app@{}", &image.digest()[..7 + length]);
        let run = program.run(&["inspect", "-q", &cut]).success();
        assert_eq!(run.stdout.trim(), image.digest());
    }
    program.run(&["inspect", &format!("store:app@{}", &image.digest()[..13])]).code(2).says("64 hex digits");
    program.run(&["inspect", "store:app@sha256:0000000"]).code(3).says("sha256:0000000");
    let run = program.run(&["copy", &format!("{}/a:v1", server.address()), "store:b@sha256:0000000"]).code(2);
    run.says("what is written needs a whole one, or a tag");
    let cut = format!("{}/a@{}", server.address(), &image.digest()[..19]);
    program.run(&["pull", &cut]).code(2).says("is a truncated digest; only the local store can look one up");
}

#[test]
fn the_store_stands_where_it_is_told_to() {
    needs!("docker-registry");
    let image = image().build();
    let server = with(&image);
    let mut program = Program::new();
    let there = format!("{}/a:v1", server.address());
    program.configure(&format!("settings: {{store: '{}'}}\n", program.path("configured")));
    program.run(&["pull", "--to", "a", &there]).success();
    assert!(program.home().join("configured/index.json").is_file());
    program.set("TRANSHIP_STORE", &program.path("elsewhere"));
    assert_eq!(listed(&program), Vec::<String>::new());
    program.run(&["pull", "--to", "a", &there]).success();
    assert!(program.home().join("elsewhere/index.json").is_file());
    std::fs::create_dir(program.path("full")).unwrap();
    std::fs::write(program.path("full/letter"), "dear").unwrap();
    program.set("TRANSHIP_STORE", &program.path("full"));
    program.run(&["pull", &there]).code(1).says("is no store of tranship, and is not empty");
    let mut home = Program::new();
    home.set("TRANSHIP_HOME", &home.path("all"));
    home.run(&["pull", "--to", "a", &there]).success();
    assert!(home.home().join("all/store/index.json").is_file());
}
