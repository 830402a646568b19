//! `completions/` and `man/` are what the program prints; completion offers what is configured and what registries have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::Delivery;

/// The completion scripts, and the shell that each is for.
const SCRIPTS: [(&str, &str); 5] = [
    ("bash", "tranship.bash"),
    ("elvish", "tranship.elv"),
    ("fish", "tranship.fish"),
    ("powershell", "tranship.ps1"),
    ("zsh", "_tranship"),
];

/// How to bring the files up to date.
const REMEDY: &str = "run `tests/generate`, look at what changed, and commit it";

fn kept(directory: &str) -> BTreeMap<String, String> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory))
}

fn read(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn completion_scripts_are_what_the_program_prints() {
    let program = Program::new();
    let printed: BTreeMap<String, String> = SCRIPTS
        .iter()
        .map(|(shell, file)| ((*file).to_owned(), program.run(&["completions", shell]).success().stdout.clone()))
        .collect();
    assert!(kept("completions") == printed, "completions/ is not what the program prints: {REMEDY}");
}

#[test]
fn manual_pages_are_what_the_program_prints() {
    let program = Program::new();
    program.run(&["man", "pages"]).success();
    let printed = read(&program.home().join("pages"));
    let kept = kept("man");
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&printed), "man/ has other pages: {REMEDY}");
    for (name, page) in &printed {
        assert!(kept[name] == *page, "man/{name} is not what the program prints: {REMEDY}");
    }
}

/// What is offered behind these words; the last one is half typed.
fn offered(program: &Program, words: &[&str]) -> Vec<String> {
    let line: Vec<&str> = ["--", "tranship"].into_iter().chain(words.iter().copied()).collect();
    let index = words.len().to_string();
    let run = program.invoke(&line).env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", &index).env("_CLAP_IFS", "\n");
    run.run().success().stdout.lines().map(str::to_owned).collect()
}

#[test]
fn completion_offers_what_is_configured() {
    let program = Program::new();
    program.configure(
        "remote-registries:\n- address: registry.example.com:6000\n- address: other.example.com\n\
         vaults:\n- {name: registry-credentials, backend: environment}\n",
    );
    assert_eq!(offered(&program, &["registry", "show", "reg"]), ["registry.example.com:6000"]);
    assert_eq!(offered(&program, &["resolve", "oth"]), ["other.example.com/"]);
    assert_eq!(offered(&program, &["secret", "list", "reg"]), ["registry-credentials"]);
    let secret = "TRANSHIP_SECRET_REGISTRY_CREDENTIALS_TEAM_TOKEN";
    let line = ["--", "tranship", "resolve", "--secret", "registry"];
    let run = program.invoke(&line).env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "3").env(secret, "hush");
    assert_eq!(run.run().success().keeps_quiet_about("hush").stdout, "registry-credentials/team");
}

#[test]
fn completion_offers_the_tags_of_a_repository() {
    let registry = Scripted::start();
    registry.put("team/app", &image().build(), &["1.4", "1.5", "latest"]);
    let typed = format!("{}/team/app:1", registry.address());
    let expected = ["1.4", "1.5"].map(|tag| format!("{}/team/app:{tag}", registry.address()));
    assert_eq!(offered(&Program::new(), &["resolve", &typed]), expected);
}

#[test]
fn a_registry_that_does_not_answer_does_not_hold_up_the_shell() {
    let registry = Scripted::start();
    registry.rule(when("GET", "/tags/"), Act::deliver(Delivery::Silence));
    let typed = format!("{}/team/app:1", registry.address());
    assert_eq!(offered(&Program::new(), &["resolve", &typed]), [""; 0]);
}

#[test]
fn help_shows_an_example_for_every_command() {
    let program = Program::new();
    let help = program.run(&["--help"]).success().stdout.clone();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for command in commands.filter_map(|line| line.split_whitespace().next()).filter(|command| *command != "help") {
        let help = program.run(&[command, "--help"]).success().stdout.clone();
        assert!(help.contains("Example"), "`tranship {command} --help` shows no example");
    }
}
