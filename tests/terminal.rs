//! The program on a terminal: what it asks, and how it ends when the user has had enough.

use crate::support::docker_registry::DockerRegistry;
use crate::support::images::image;
use crate::support::program::{Output, Program};
use crate::support::push::Registry;

/// A program whose vaults are encrypted files.
fn with_vaults() -> Program {
    let mut program = Program::new();
    program.set("TRANSHIP_VAULT_PASSPHRASE", "correct horse");
    program.configure("settings: {vault-backend: file}\n");
    program
}

#[test]
fn a_question_is_answered_or_broken_off() {
    needs!("docker-registry", "script");
    let server = DockerRegistry::open();
    let registry = Registry::at(&server.url());
    let image = image().build();
    registry.push("app", &image, &["v1"]);
    let program = Program::new();
    let name = format!("{}/app:v1", server.address());
    let delete = |keys| program.type_at(&["delete", "--manifest", &name], "[y/N]", keys);
    delete(b"\x03").code(130);
    assert!(delete(b"n\r").code(1).stdout.contains("nothing was removed"));
    assert!(registry.holds("app", &image));
    delete(b"y\r").success();
    assert!(!registry.holds("app", &image));
}

#[test]
fn a_question_for_a_secret_is_broken_off() {
    needs!("script");
    let program = with_vaults();
    let ended = program.type_at(&["login", "registry.example", "--username", "bob"], "assword", b"sec\x03").code(130);
    assert!(!ended.stdout.contains("error"), "{}", ended.shown());
    ended.keeps_quiet_about("sec");
}

#[test]
fn a_question_can_be_broken_off_at_once_and_where_ctrl_c_was_ignored_before() {
    needs!("script");
    let program = with_vaults();
    // What a script starts in the background has the signal of Ctrl-C ignored.
    let ignoring = program.type_at_ignoring_interrupts(&["login", "registry.example"], "User name:", b"\x03");
    ignoring.code(130);
    let prompt = ["login", "registry.example", "--username", "bob"];
    program.type_at_ignoring_interrupts(&prompt, "assword", b"\x03").code(130);
}

#[test]
fn a_completion_asks_for_no_passphrase() {
    needs!("script");
    let mut program = Program::new();
    program.configure(
        "vaults:\n- {name: v, backend: file}\nremote-registries:\n- address: 127.0.0.1:1\n  \
         credentials: [{repository: '*', vault: v, secret: s}]\n",
    );
    let set = program.invoke(&["secret", "set", "v/s", "--username", "bob", "--password-stdin"]).stdin("hush");
    set.env("TRANSHIP_VAULT_PASSPHRASE", "open").run().success();
    let resolve = program.type_at(&["resolve", "127.0.0.1:1/app:v1"], "passphrase", b"\x03");
    assert!(resolve.stdout.contains("passphrase of the vault `v`"), "{}", resolve.shown());
    program.set("COMPLETE", "bash");
    program.set("_CLAP_COMPLETE_INDEX", "2");
    let completed = program.type_at(&["--", "tranship", "resolve", "127.0.0.1:1/app:"], "passphrase", b"\x03");
    assert_eq!(completed.success().stdout, "");
}

#[test]
fn a_mistyped_passphrase_is_asked_for_again() {
    needs!("script");
    let program = Program::new();
    program.configure("vaults:\n- {name: v, backend: file}\n");
    let set = program.invoke(&["secret", "set", "v/s", "--username", "bob", "--password-stdin"]).stdin("hush");
    set.env("TRANSHIP_VAULT_PASSPHRASE", "open").run().success();
    let list = |keys| program.type_at(&["secret", "list", "v"], "passphrase of", keys);
    let second = list(b"wrong\ropen\r").success();
    assert!(second.stdout.contains("this does not open it") && second.stdout.contains("s\r\n"), "{}", second.shown());
    let never = list(b"a\rb\rc\ropen\r").code(4);
    assert!(never.stdout.contains("the passphrase does not open the vault `v`"), "{}", never.shown());
    assert_eq!(never.stdout.matches("passphrase of the vault").count(), 3);
}

#[test]
fn what_is_pasted_at_once_is_not_shown_and_the_terminal_is_as_it_was_afterwards() {
    needs!("script");
    let program = with_vaults();
    program.run(&["vault", "create", "v"]).success();
    let set = "$tranship secret set v/s password=-; stty -a";
    let as_before = |output: &Output| {
        let words: Vec<&str> = output.stdout.split_whitespace().collect();
        ["echo", "isig", "icanon"].iter().all(|mode| words.contains(mode))
    };
    let pasted = program.type_in_shell(set, "password:", b"canary\r").success();
    assert!(pasted.stdout.contains("set `v/s` (password)") && as_before(&pasted), "{}", pasted.shown());
    pasted.keeps_quiet_about("canary");
    let broken_off = program.type_in_shell(set, "password:", b"can\x03").success();
    assert!(!broken_off.stdout.contains("set `v/s`") && as_before(&broken_off), "{}", broken_off.shown());
}
