//! Debian's `skopeo`, as a second opinion.

use std::process::Command;

/// skopeo with a home of its own, so that it remembers nothing of other tests.
pub(crate) struct Skopeo {
    home: tempfile::TempDir,
}

impl Skopeo {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// The exact manifest that skopeo gets for `location`, e.g. `docker://127.0.0.1:5000/a:v1`.
    pub(crate) fn inspect_raw(&self, location: &str) -> Result<Vec<u8>, String> {
        self.run(&["inspect", "--raw", "--tls-verify=false", location])
    }

    /// Copies an image with everything that it holds, its digest kept.
    pub(crate) fn copy(&self, source: &str, destination: &str) -> Result<(), String> {
        let flags = ["--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
        self.run(&[&["copy"], &flags[..], &[source, destination]].concat()).map(drop)
    }

    /// Any other use; standard output, or else what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let output = Command::new("skopeo")
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("XDG_DATA_HOME", self.home.path().join("data"))
            .env("XDG_RUNTIME_DIR", self.home.path())
            // As root it would keep what it learns of blobs for the whole machine, and mount from there.
            .env("_CONTAINERS_ROOTLESS_UID", "65534")
            .output()
            .unwrap();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Whether it has kept anything in its own home, where it belongs.
    pub(crate) fn remembers_at_home(&self) -> bool {
        self.home.path().join("data/containers/cache").is_dir()
    }
}
