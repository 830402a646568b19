//! What the shell offers behind half-typed words, as it asks for it.

use crate::support::program::Program;

/// What is offered for the last word of a line, without the flags that fit everywhere.
fn offered(program: &Program, line: &str) -> Vec<String> {
    let words: Vec<&str> = std::iter::once("--").chain(line.split(' ')).collect();
    let index = (words.len() - 2).to_string();
    let asked =
        program.invoke(&words).env("COMPLETE", "zsh").env("_CLAP_COMPLETE_INDEX", &index).env("_CLAP_IFS", "\n");
    let output = asked.run().success();
    assert_eq!(output.stderr, "", "{}", output.shown());
    // Zsh puts a description behind an unescaped colon.
    let word = |line: &&str| line.replace("\\:", "\u{0}").split(':').next().unwrap_or_default().replace('\u{0}', ":");
    output.lines().iter().map(word).filter(|word| !word.starts_with('-')).collect()
}

fn program() -> Program {
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", "correct horse");
    program.configure(
        "settings: {vault-backend: file}\nremote-registries:\n- address: a.example:5000\n- address: b.example\n\
         vaults:\n- {name: ours, backend: file}\nsites:\n- {name: stockholm, registries: [s.example]}\n",
    );
    for secret in ["hub", "ghcr"] {
        let set = program.invoke(&["secret", "set", &format!("ours/{secret}"), "--token-stdin"]);
        set.stdin("t").run().success();
    }
    program
}

#[test]
fn configured_names_are_offered() {
    let program = program();
    assert_eq!(offered(&program, "tranship login "), ["a.example:5000", "b.example"]);
    assert_eq!(offered(&program, "tranship registry show b"), ["b.example"]);
    assert_eq!(offered(&program, "tranship secret list "), ["ours"]);
    assert_eq!(offered(&program, "tranship secret show ours/"), ["ours/ghcr", "ours/hub"]);
    assert_eq!(offered(&program, "tranship settings set home"), ["home-registry"]);
    assert_eq!(offered(&program, "tranship pull a"), ["a.example:5000/"]);
}

#[test]
fn paths_are_offered_word_by_word() {
    let program = program();
    let path = |words: &str| offered(&program, &format!("tranship config show {words}"));
    assert_eq!(path(""), ["image-registry", "strongbox"]);
    assert_eq!(path("image-registry "), ["settings", "remote-registries", "sites"]);
    assert_eq!(path("image-registry remote-registries "), ["a.example:5000", "b.example"]);
    assert_eq!(path("image-registry sites s"), ["stockholm"]);
    assert_eq!(path("image-registry settings re"), ["retries"]);
    assert_eq!(path("strongbox vaults "), ["ours"]);
    assert_eq!(path("strongbox vaults ours secrets "), ["ghcr", "hub"]);
    assert_eq!(path("strongbox vaults ours secrets hub "), Vec::<String>::new());
    assert_eq!(offered(&program, "tranship config topdc create strong"), ["strongbox"]);
}

#[test]
fn what_goes_wrong_offers_nothing_and_says_nothing() {
    let program = program();
    program.configure("settings: [");
    assert_eq!(offered(&program, "tranship login "), Vec::<String>::new());
    program.configure("vaults:\n- {name: ours, backend: file}\n");
    let words = ["--", "tranship", "secret", "show", "ours/"];
    let asked = program.invoke(&words).env("COMPLETE", "zsh").env("_CLAP_COMPLETE_INDEX", "3");
    let output = asked.env("TRANSHIP_VAULT_PASSPHRASE", "").run().success();
    assert!(!output.stdout.contains("ours/") && output.stderr.is_empty(), "{}", output.shown());
}

#[test]
fn what_can_be_pushed_is_what_the_store_holds() {
    let server = crate::support::scripted::Scripted::start();
    server.put("team/app", &crate::support::images::image().build(), &["v1"]);
    let program = program();
    let name = format!("{}/team/app:v1", server.address());
    program.run(&["pull", "-q", &name]).success();
    program.run(&["pull", "-q", "--to", "short:x", &name]).success();
    assert_eq!(offered(&program, "tranship push "), [name.as_str(), "short:x"]);
    assert_eq!(offered(&program, "tranship push sh"), ["short:x"]);
    assert_eq!(offered(&program, "tranship push short:x a"), ["a.example:5000/"]);
}
