//! The real parts that tests need: programs of other people, which have to be installed.
//!
//! A part that is missing makes the test fail with the command that installs it. `TRANSHIP_TEST_SKIP=a,b`
//! skips the tests that need the parts `a` or `b`, loudly.

use std::io::{self, Write as _};
use std::path::Path;

/// The parts, and the Debian package that each is in.
pub(crate) const PARTS: [(&str, &str); 13] = [
    ("docker-registry", "docker-registry"),
    ("debootstrap", "debootstrap"),
    ("htpasswd", "apache2-utils"),
    ("skopeo", "skopeo"),
    ("umoci", "umoci"),
    ("podman", "podman"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("secret-tool", "libsecret-tools"),
    ("dbus-run-session", "dbus"),
    ("script", "bsdutils"),
    ("python3", "python3"),
    ("strace", "strace"),
    ("chromium", "chromium"),
];

/// The part that is no Debian package, and what installs it where `tests/run` does.
const MOTO: (&str, &str) =
    ("moto_server", "python3 -m venv target/moto && target/moto/bin/pip install 'moto[s3,server]==5.*'");

/// Whether the test may run: `false` where one of `names` is to be skipped.
///
/// # Panics
/// A part is not installed; the message is the command that installs it.
pub(crate) fn present(names: &[&str]) -> bool {
    let skipped = std::env::var("TRANSHIP_TEST_SKIP").unwrap_or_default();
    for name in names {
        let package = PARTS.iter().find(|(part, _)| part == name).map(|(_, package)| package);
        let install = match package {
            Some(package) => format!("apt-get install -y --no-install-recommends {package}"),
            None if *name == MOTO.0 => MOTO.1.to_owned(),
            None => panic!("no part `{name}`"),
        };
        if skipped.split(',').any(|skip| skip.trim() == *name) {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            // Written past the test runner, which keeps to itself what a passing test prints.
            let _ = writeln!(io::stderr(), "SKIPPED {test}: it needs {name}, and TRANSHIP_TEST_SKIP names it");
            return false;
        }
        assert!(is_installed(name), "`{name}` is missing; install it: {install}");
    }
    true
}

/// Whether a program is on PATH, or where `tests/run` puts what is no package.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto/bin");
    std::env::split_paths(&path).chain([ours]).any(|directory| Path::new(&directory).join(name).is_file())
}

/// At the head of a test: the real parts that it needs.
macro_rules! needs {
    ($($part:literal),+ $(,)?) => {
        if !$crate::support::parts::present(&[$($part),+]) {
            return;
        }
    };
}
