//! The real parts that tests need: programs of other people, which have to be installed.
//!
//! A part that is missing makes the test fail with the command that installs it. `TRANSHIP_TEST_SKIP=a,b`
//! skips the tests that need the parts `a` or `b`, loudly.

use std::io::{self, Write as _};
use std::path::Path;

/// The parts, and the Debian package that each is in.
pub(crate) const PARTS: [(&str, &str); 9] = [
    ("docker-registry", "docker-registry"),
    ("debootstrap", "debootstrap"),
    ("htpasswd", "apache2-utils"),
    ("skopeo", "skopeo"),
    ("umoci", "umoci"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("secret-tool", "libsecret-tools"),
    ("dbus-run-session", "dbus"),
    ("script", "bsdutils"),
];

/// Whether the test may run: `false` where one of `names` is to be skipped.
///
/// # Panics
/// A part is not installed; the message is the command that installs it.
pub(crate) fn present(names: &[&str]) -> bool {
    let skipped = std::env::var("TRANSHIP_TEST_SKIP").unwrap_or_default();
    for name in names {
        let (_, package) = PARTS.iter().find(|(part, _)| part == name).unwrap_or_else(|| panic!("no part `{name}`"));
        if skipped.split(',').any(|skip| skip.trim() == *name) {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            // Written past the test runner, which keeps to itself what a passing test prints.
            let _ = writeln!(io::stderr(), "SKIPPED {test}: it needs {name}, and TRANSHIP_TEST_SKIP names it");
            return false;
        }
        assert!(
            is_installed(name),
            "`{name}` is missing; install it: apt-get install -y --no-install-recommends {package}"
        );
    }
    true
}

/// Whether a program is on PATH.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(name).is_file())
}

/// At the head of a test: the real parts that it needs.
macro_rules! needs {
    ($($part:literal),+ $(,)?) => {
        if !$crate::support::parts::present(&[$($part),+]) {
            return;
        }
    };
}
