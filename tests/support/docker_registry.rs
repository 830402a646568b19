//! Debian's `docker-registry`, started by the test that needs it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::certificates::{Authority, LOOPBACK};
use super::token_server::{ISSUER, SERVICE, TokenServer};

/// The user that [`DockerRegistry::htpasswd`] lets in.
pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "wonder land+$";

/// A running registry. It ends, and its files go, when it is dropped.
pub(crate) struct DockerRegistry {
    child: Child,
    directory: tempfile::TempDir,
    address: String,
    scheme: &'static str,
}

impl DockerRegistry {
    /// Open to everyone over plain HTTP, with removing allowed.
    pub(crate) fn open() -> Self {
        Self::start(json!({}), directory(), "http")
    }

    /// As [`DockerRegistry::open`], with removing off, as it is by default.
    pub(crate) fn without_delete() -> Self {
        Self::start(json!({"storage": {"delete": {"enabled": false}}}), directory(), "http")
    }

    /// As [`DockerRegistry::open`], with more configuration.
    pub(crate) fn with(config: Value) -> Self {
        Self::start(config, directory(), "http")
    }

    /// Open to everyone over TLS with a certificate of `authority`.
    pub(crate) fn secure(authority: &Authority) -> Self {
        let directory = directory();
        let config = json!({"http": {"tls": certified(authority, directory.path())}});
        Self::start(config, directory, "https")
    }

    /// Only for who shows a certificate of `clients`, over TLS with a certificate of `authority`.
    pub(crate) fn mutual(authority: &Authority, clients: &Authority) -> Self {
        let directory = directory();
        let file = directory.path().join("clients.pem");
        std::fs::write(&file, clients.pem()).unwrap();
        let mut tls = certified(authority, directory.path());
        tls["clientcas"] = json!([file]);
        Self::start(json!({"http": {"tls": tls}}), directory, "https")
    }

    /// Only for [`USER`] with [`PASSWORD`], over TLS with a certificate of `authority`.
    pub(crate) fn htpasswd(authority: &Authority) -> Self {
        let directory = directory();
        let passwords = directory.path().join("htpasswd");
        let made = Command::new("htpasswd").args(["-Bbn", USER, PASSWORD]).output().unwrap();
        std::fs::write(&passwords, made.stdout).unwrap();
        let config = json!({
            "http": {"tls": certified(authority, directory.path())},
            "auth": {"htpasswd": {"realm": "test", "path": passwords}},
        });
        Self::start(config, directory, "https")
    }

    /// Only with tokens of `tokens`, over plain HTTP.
    pub(crate) fn tokens(tokens: &TokenServer) -> Self {
        let directory = directory();
        let bundle = directory.path().join("tokens.pem");
        std::fs::write(&bundle, tokens.trust_pem()).unwrap();
        let config = json!({"auth": {"token": {
            "realm": tokens.realm(), "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle,
        }}});
        Self::start(config, directory, "http")
    }

    /// A pull-through mirror of the registry at `upstream`, a URL; that has to be running.
    pub(crate) fn mirror_of(upstream: &str) -> Self {
        Self::start(json!({"proxy": {"remoteurl": upstream}}), directory(), "http")
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Where it keeps its files.
    pub(crate) fn storage(&self) -> PathBuf {
        self.directory.path().join("storage")
    }

    fn start(extra: Value, directory: tempfile::TempDir, scheme: &'static str) -> Self {
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {
                "filesystem": {"rootdirectory": directory.path().join("storage")},
                "delete": {"enabled": true},
                "maintenance": {"uploadpurging": {"enabled": false}},
            },
            // Port 0: the system picks one, and the log says which.
            "http": {"addr": "127.0.0.1:0", "secret": "a secret of the tests"},
        });
        merge(&mut config, extra);
        let file = directory.path().join("config.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let log = directory.path().join("log");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            // It would read REGISTRY_* as configuration, REGISTRY_AUTH_FILE among them.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut registry = Self { child, directory, address: String::new(), scheme };
        registry.address = registry.wait_for_address(&log);
        registry
    }

    /// Waits until the log says where it listens.
    fn wait_for_address(&mut self, log: &Path) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            if let Some((_, rest)) = text.split_once("listening on ") {
                let end = rest.find(['"', ',']).unwrap_or(rest.len());
                return rest[..end].to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "docker-registry did not start ({ended:?}):\n{text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A new certificate of `authority`, as the configuration names it.
fn certified(authority: &Authority, directory: &Path) -> Value {
    let (certificate, key) = authority.server(&LOOPBACK).write(directory, "server");
    json!({"certificate": certificate, "key": key})
}

fn merge(document: &mut Value, extra: Value) {
    match (document, extra) {
        (Value::Object(fields), Value::Object(extra)) => {
            for (key, value) in extra {
                merge(fields.entry(key).or_insert(Value::Null), value);
            }
        }
        (place, value) => *place = value,
    }
}
