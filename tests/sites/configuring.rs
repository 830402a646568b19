//! `site add|list|remove`.

use crate::support::program::Program;

#[test]
fn sites_are_added_listed_and_removed() {
    let program = Program::new();
    program.configure("# mine\nsites: # near the customers\n- {name: malmö-is-none, registries: [a.example]}\n");
    program.run(&["site", "list"]).code(2).says("malmö-is-none");
    program.configure("# mine\n");
    insta::assert_snapshot!(program.run(&["site", "add", "stockholm", "a.example.net:5000", "b.example.net/edge"]).shown(), @r"
    exit 0
    --- stdout
    added the site `stockholm`: a.example.net:5000, b.example.net/edge
    --- stderr
    ");
    insta::assert_snapshot!(program.run(&["site", "add", "stockholm", "c.example.net"]).shown(), @r"
    exit 1
    --- stdout
    --- stderr
    error: cannot add the site `stockholm`
      because: the site `stockholm` is there already
    hint: remove it first: `tranship site remove stockholm`
    hint: use `replace` to put another in its place, or `merge` (`registry set`) to change parts of it
    ");
    program.run(&["site", "add", "kiruna", "c.example.net"]).success();
    insta::assert_snapshot!(program.run(&["site", "list"]).shown(), @r"
    exit 0
    --- stdout
    SITE       REGISTRIES
    stockholm  a.example.net:5000,b.example.net/edge
    kiruna     c.example.net
    --- stderr
    ");
    let json = program.run(&["site", "list", "-o", "json"]).success().json();
    assert_eq!(json["sites"][0]["registries"][1], "b.example.net/edge");
    assert_eq!(program.run(&["site", "remove", "-q", "stockholm"]).success().stdout, "stockholm\n");
    assert_eq!(program.run(&["site", "list", "-q"]).success().stdout, "kiruna\n");
    program.run(&["site", "remove", "stockholm"]).code(3);
    program.run(&["site", "add", "Kiruna", "c.example.net"]).code(2).says("lower-case letters");
    program.run(&["site", "add", "visby"]).code(2);
    let text = std::fs::read_to_string(program.config_file()).unwrap();
    assert!(text.starts_with("# mine\n"), "{text}");
}

#[test]
fn a_site_that_is_not_there_is_told_from_those_that_are() {
    let program = Program::new();
    program.run(&["distribute", "a.example/b:1", "--all"]).code(2).says("add one: `tranship site add");
    program.run(&["site", "add", "stockholm", "a.example.net:5000"]).success();
    program.run(&["distribute", "a.example/b:1", "--to", "stokholm"]).code(2).says("did you mean `stockholm`?");
    program.run(&["site", "status", "--at", "gothenburg"]).code(2).says("there is no site `gothenburg`");
    program.run(&["distribute", "--to", "stockholm"]).code(2);
    program.run(&["distribute", "--all"]).code(2).says("no image is named");
}
