//! A session bus with a real Secret Service on it, for the time of one script.

use std::os::unix::fs::PermissionsExt as _;

use super::program::{Output, Program};

/// Makes the keyring's collection and opens it; the keyring ends with its bus.
const OPEN: &str =
    "eval \"$(printf 'keyring password\\n' | gnome-keyring-daemon --unlock --components=secrets)\" 2>/dev/null";

/// Runs a bash script on a bus of its own, on which a keyring is open. `$tranship` is the program; the
/// script ends with the first command that fails.
pub(crate) fn with_keyring(program: &Program, script: &str) -> Output {
    on_a_bus(program, &format!("{OPEN}\n{script}"))
}

/// As [`with_keyring`], with a bus and nothing on it.
pub(crate) fn on_a_bus(program: &Program, script: &str) -> Output {
    let run = program.home().join("run");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700)).unwrap();
    program
        .invoke_other("dbus-run-session", &["--", "bash", "-euc", script])
        .env("tranship", env!("CARGO_BIN_EXE_tranship"))
        .run()
}
