//! Who gets which credential, and the programs that are asked for one.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{CANARY, USER, program_of, run_once, tells_on_us, through, trust_file, was_told_nothing};
use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;
use crate::support::tunnel::Tunnel;

fn docker_file(program: &Program, document: &serde_json::Value) {
    std::fs::create_dir_all(program.home().join(".docker")).unwrap();
    std::fs::write(program.home().join(".docker/config.json"), document.to_string()).unwrap();
}

/// Puts a program of this text where programs are looked for.
fn helper(program: &mut Program, name: &str, script: &str) {
    let directory = program.home().join("bin");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.set("PATH", &format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default()));
}

#[test]
fn s29_names_of_helpers_are_names_and_nothing_else() {
    let registry = Scripted::settings().basic(USER, CANARY).start();
    registry.put("app", &image().build(), &["v1"]);
    let image = format!("{}/app:v1", registry.address());
    let names = [
        "../../evil",
        "/bin/sh",
        "a/b",
        "a b",
        "-c",
        "--help",
        "x;touch pwned",
        "$(touch pwned)",
        "`touch pwned`",
        "a\nb",
        "a\u{0}b",
        "é",
        "x|y",
    ];
    for name in names {
        for key in ["credHelpers", "credsStore"] {
            let mut program = program_of(&[]);
            // Wherever the name would lead, something waits there that leaves a trace.
            helper(&mut program, "docker-credential-evil", "#!/bin/sh\ntouch \"$HOME/pwned\"\n");
            std::fs::copy(program.home().join("bin/docker-credential-evil"), program.home().join("evil")).unwrap();
            let entry = if key == "credsStore" { json!(name) } else { json!({registry.address(): name}) };
            docker_file(&program, &json!({key: entry}));
            let failed = run_once(&program, &["resolve", &image]).code(4);
            failed.says("cannot name a credential helper");
            assert!(!program.home().join("pwned").exists());
        }
    }
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn s29_helpers_are_asked_over_their_input_and_bounded() {
    let registry = Scripted::settings().basic(USER, CANARY).start();
    registry.put("app", &image().build(), &["v1"]);
    let image = format!("{}/app:v1", registry.address());
    let with = |script: &str| {
        let mut program = program_of(&[]);
        helper(&mut program, "docker-credential-test", script);
        program.set("TRANSHIP_VAULT_PASSPHRASE", "pAssPhrAse");
        docker_file(&program, &json!({"credsStore": "test"}));
        program
    };
    let good = with(&format!(
        "#!/bin/sh\necho \"$@\" > \"$HOME/arguments\"\nenv > \"$HOME/environment\"\ncat > \"$HOME/input\"\n\
         printf '{{\"Username\":\"{USER}\",\"Secret\":\"{CANARY}\"}}'\n"
    ));
    good.run(&["resolve", &image]).success().keeps_quiet_about(CANARY);
    let noted = |name: &str| std::fs::read_to_string(good.home().join(name)).unwrap();
    assert_eq!((noted("arguments").as_str(), noted("input").trim()), ("get\n", registry.address().as_str()));
    assert!(!noted("environment").contains("pAssPhrAse"));
    for script in [
        "#!/bin/sh\nyes | head -c 100000000\n".to_owned(),
        format!("#!/bin/sh\nprintf '{{\"Username\":\"{USER}\",\"Secret\":\"{CANARY}\"'\n"),
        format!("#!/bin/sh\nprintf '{{\"Secret\":\"{CANARY}\"}}'; exit 1\n"),
        "#!/bin/sh\nprintf '\\033]52;c;x\\007'; exit 1\n".to_owned(),
        "#!/nowhere/sh\n".to_owned(),
    ] {
        let failed = run_once(&with(&script), &["resolve", &image]).code(4).keeps_quiet_about(CANARY);
        assert!(!failed.stderr.contains('\u{1b}'), "{:?}", failed.stderr);
    }
}

#[test]
fn s30_no_flag_takes_a_secret() {
    let program = program_of(&[]);
    let help = program.run(&["--help"]).success().stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert!(commands.len() > 8 && commands.contains(&"copy"), "{commands:?}");
    for command in commands.iter().filter(|command| **command != "help") {
        for flag in ["--password", "--token", "--creds", "--src-creds", "--dest-creds", "--registry-token"] {
            program.run(&[command, flag, CANARY, "x"]).code(2);
        }
    }
}

/// A secret of one test alone: others hand theirs to commands that refuse it, at the same time.
const UNSEEN: &str = "in-no-list-of-processes";

#[test]
fn s30_secrets_are_in_no_list_of_processes() {
    let registry = Scripted::settings().basic(USER, UNSEEN).start();
    registry.put("app", &image().layers(&[4_000_000]).build(), &["v1"]);
    let mut program = program_of(&[]);
    // Whatever runs while the credential is in use is seen by a helper that looks around.
    helper(
        &mut program,
        "docker-credential-spy",
        &format!(
            "#!/bin/sh\nfor process in /proc/[0-9]*; do tr '\\0' ' ' < $process/cmdline; done >> \"$HOME/seen\" \
             2>/dev/null\nprintf '{{\"Username\":\"{USER}\",\"Secret\":\"%s\"}}' \"$(cat \"$HOME/secret\")\"\n"
        ),
    );
    std::fs::write(program.home().join("secret"), UNSEEN).unwrap();
    docker_file(&program, &json!({"credsStore": "spy"}));
    let source = format!("{}/app:v1", registry.address());
    let running = program.invoke(&["copy", &source, "store:app:v1"]).start();
    running.finish().success();
    let seen = std::fs::read_to_string(program.home().join("seen")).unwrap();
    assert!(seen.contains("tranship") && !seen.contains(UNSEEN), "{seen}");
}

#[test]
fn s32_a_keychain_that_is_not_there_is_an_error_and_nothing_else_is_used() {
    let registry = Scripted::settings().basic(USER, CANARY).start();
    registry.put("app", &image().build(), &["v1"]);
    // The docker file has the password too, but it is not what the user set up.
    let mut program = program_of(&[&registry.address()]);
    program.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    program.configure(&format!(
        "remote-registries:\n- address: {}\n  credentials:\n  - {{repository: '*', vault: mine, secret: bob}}\n\
         vaults:\n- {{name: mine, backend: keychain}}\n",
        registry.address()
    ));
    let failed = run_once(&program, &["resolve", &format!("{}/app:v1", registry.address())]).code(4);
    failed.says("mine/bob").says("hint:");
    assert_eq!(registry.requests().len(), 0);
    let data = program.home().join("data/tranship");
    assert!(!data.exists() || std::fs::read_dir(data).unwrap().next().is_none(), "no file takes the keychain's place");
}

#[test]
fn s33_a_password_is_for_exactly_its_registry() {
    let cases = [
        ("reg.acme.example", "reg.acme.example", true),
        ("reg.acme.example", "REG.Acme.Example", true),
        ("https://reg.acme.example/v1/", "reg.acme.example", true),
        ("reg.acme.example", "reg.acme.example:5000", false),
        ("reg.acme.example:5000", "reg.acme.example", false),
        ("reg.acme.example", "acme.example", false),
        ("acme.example", "reg.acme.example", false),
        ("reg.acme.example", "reg.acme.example.evil.example", false),
        ("reg.acme.example", "evil-reg.acme.example", false),
        ("reg.acme.example@evil.example", "evil.example", false),
        ("reg.acme.example", "xn--rg-rka.acme.example", false),
        ("index.docker.io", "docker.io", true),
        ("https://index.docker.io/v1/", "registry-1.docker.io", true),
        ("docker.io", "docker.io.evil.example", false),
        ("hub.docker.com", "docker.io", false),
        ("reg.acme.example/team", "reg.acme.example", false),
        ("reg.acme.example/library", "reg.acme.example", true),
    ];
    for (key, address, gets_it) in cases {
        let authority = Authority::new();
        let contacted = if address.ends_with("docker.io") { "registry-1.docker.io" } else { address };
        let (host, place) = match contacted.split_once(':') {
            Some((host, _)) => (host.to_lowercase(), contacted.to_lowercase()),
            None => (contacted.to_lowercase(), format!("{}:443", contacted.to_lowercase())),
        };
        let registry = Scripted::settings().tls(authority.server(&[&host])).basic(USER, CANARY).start();
        registry.put("library/app", &image().build(), &["v1"]);
        let tunnel = Tunnel::start();
        tunnel.lead(&place, &registry.address());
        let mut program = program_of(&[key]);
        through(&mut program, &tunnel);
        let ca = trust_file(&program, &authority);
        program.configure(&format!("remote-registries:\n- address: \"{address}\"\n  ca-cert-file: {ca}\n"));
        let ended = run_once(&program, &["resolve", &format!("{address}/library/app:v1")]);
        assert_eq!(ended.code, Some(if gets_it { 0 } else { 4 }), "{key} for {address}: {}", ended.shown());
        let told = registry.requests().iter().any(tells_on_us);
        assert_eq!(told, gets_it, "{key} for {address}");
    }
}

#[test]
fn s33_a_rule_is_for_its_path_and_a_mirror_is_not_the_registry() {
    let registry = Scripted::settings().basic(USER, CANARY).start();
    let mirror = Scripted::settings().ip("127.0.0.2").basic("other", "x").start();
    let image = image().build();
    for repository in ["team/app", "teams/app"] {
        registry.put(repository, &image, &["v1"]);
    }
    let mut program = program_of(&[]);
    program.set("TRANSHIP_SECRET_CI_BOB_USERNAME", USER);
    program.set("TRANSHIP_SECRET_CI_BOB_PASSWORD", CANARY);
    program.configure(&format!(
        "remote-registries:\n- address: {}\n  mirrors: [\"{}\"]\n  credentials:\n  \
         - {{repository: team, vault: ci, secret: bob}}\nvaults:\n- {{name: ci, backend: environment}}\n",
        registry.address(),
        mirror.address()
    ));
    let name = |repository: &str| format!("{}/{repository}:v1", registry.address());
    run_once(&program, &["copy", &name("team/app"), "store:app:v1"]).success();
    assert!(mirror.connections() > 0);
    was_told_nothing(&mirror);
    registry.forget_requests();
    run_once(&program, &["copy", &name("teams/app"), "store:app:v1"]).code(4);
    was_told_nothing(&registry);
}

#[test]
fn s33_what_one_registry_was_given_another_is_not() {
    let authority = Authority::new();
    let one = Scripted::settings().tls(authority.server(&LOOPBACK)).basic(USER, CANARY).start();
    let two = Scripted::settings().ip("127.0.0.2").tls(authority.server(&LOOPBACK)).basic(USER, CANARY).start();
    let image = image().build();
    one.put("app", &image, &["v1"]);
    two.put("app", &image, &["v1"]);
    let program = program_of(&[&one.address()]);
    let ca = trust_file(&program, &authority);
    program.configure(&format!(
        "remote-registries:\n- {{address: \"{}\", ca-cert-file: {ca}}}\n- {{address: \"{}\", ca-cert-file: {ca}}}\n",
        one.address(),
        two.address()
    ));
    let name = |registry: &Scripted| format!("{}/app:v1", registry.address());
    run_once(&program, &["copy", &name(&one), &name(&two)]).code(4);
    was_told_nothing(&two);
    run_once(&program, &["copy", &name(&two), &name(&one)]).code(4);
    was_told_nothing(&two);
}
