//! The credentials that docker and podman keep: their files, and the helpers that those name. Nothing is ever
//! written to them.
//!
//! The files, in this order: the one that `--authfile` or `REGISTRY_AUTH_FILE` names, and then no other; else
//! `$DOCKER_CONFIG/config.json`, `$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json`, and
//! `~/.docker/config.json` (where `DOCKER_CONFIG` is not set). The first that has an entry counts.

mod file;
mod helper;

pub use file::EntryError;
pub use helper::HelperError;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

use self::file::{AuthFile, Scope};
use super::vault::{Vault, VaultError};
use super::{Backend, Credential, SecretData, SecretName, Variables, VaultName};
use crate::failure::{Failure, FailureKind};
use crate::files::{FileError, read_following_links};
use crate::image::{RegistryAddress, RepositoryName};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// How long a helper may take; it may ask a person to unlock something, or a cloud for a token.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the files are, and how helpers are run.
#[derive(Clone, Debug)]
pub(super) struct DockerFiles {
    variables: Variables,
    authfile: Option<PathBuf>,
    patience: Duration,
}

/// A credential that was found, and where.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) credential: Credential,
    pub(super) file: PathBuf,
    /// What in the file gave it.
    pub(super) by: By,
}

/// What in a file gives a credential.
#[derive(Debug)]
pub(super) enum By {
    /// A program that it names.
    Helper(String),
    /// An entry of its own.
    Entry(String),
}

impl DockerFiles {
    pub(super) fn new(variables: Variables, authfile: Option<PathBuf>) -> Self {
        Self { variables, authfile, patience: PATIENCE }
    }

    /// The credential for a repository of a registry; `None` where no file has one.
    pub(super) async fn find(
        &self,
        registry: &RegistryAddress,
        repository: Option<&RepositoryName>,
    ) -> Result<Option<Found>, DockerError> {
        for (path, file) in self.files()? {
            if let Some(helper) = file.helper(registry) {
                let failed = |source| DockerError::Helper { path: path.clone(), source };
                let program = helper::program(helper).map_err(failed)?;
                let answer = helper::ask(&program, registry, &self.variables, self.patience).await;
                if let Some(credential) = answer.map_err(failed)? {
                    return Ok(Some(Found { credential, file: path, by: By::Helper(program) }));
                }
            }
            let failed = |source| DockerError::Entry { path: path.clone(), source };
            if let Some((entry, credential)) = file.credential(registry, repository).map_err(failed)? {
                return Ok(Some(Found { credential, by: By::Entry(entry.to_owned()), file: path }));
            }
        }
        Ok(None)
    }

    /// What the files have entries for, in order.
    fn names(&self) -> Result<Vec<SecretName>, DockerError> {
        let files = self.files()?;
        let scopes = files.iter().flat_map(|(_, file)| file.scopes());
        let mut names: Vec<_> = scopes.filter_map(|scope| secret_name(&scope)).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The files that are there, read.
    fn files(&self) -> Result<Vec<(PathBuf, AuthFile)>, DockerError> {
        let named = self.authfile.as_deref().or_else(|| self.variables.get("REGISTRY_AUTH_FILE").map(Path::new));
        if let Some(named) = named {
            let missing = || FileError::absent("read", named);
            let file = read(named)?.ok_or_else(missing)?;
            return Ok(vec![(named.to_owned(), file)]);
        }
        let mut files = Vec::new();
        for path in self.usual_places() {
            if let Some(file) = read(&path)? {
                files.push((path, file));
            }
        }
        Ok(files)
    }

    fn usual_places(&self) -> Vec<PathBuf> {
        let directory = |variable| self.variables.get(variable).map(PathBuf::from);
        let home = || directory("HOME").or_else(|| directory("USERPROFILE"));
        let docker = directory("DOCKER_CONFIG");
        let runtime = directory("XDG_RUNTIME_DIR").map_or_else(system_runtime, |path| Some(path.join("containers")));
        let config = directory("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
        let own = if docker.is_some() { None } else { home().map(|home| home.join(".docker")) };
        [
            docker.map(|path| path.join("config.json")),
            runtime.map(|path| path.join("auth.json")),
            config.map(|path| path.join("containers/auth.json")),
            own.map(|path| path.join("config.json")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Where podman keeps its file for a user without a session's directory, as root mostly is.
fn system_runtime() -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        let user = std::fs::metadata("/proc/self").ok()?.uid();
        Some(PathBuf::from(format!("/run/containers/{user}")))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Reads one file; `None` where it is not there. An empty one says nothing.
fn read(path: &Path) -> Result<Option<AuthFile>, DockerError> {
    let Some(text) = read_following_links(path, MAX_FILE)?.map(Zeroizing::new) else { return Ok(None) };
    if text.trim_ascii().is_empty() {
        return Ok(Some(AuthFile::default()));
    }
    // Only the place of a mistake is told: what the parser says could show a part of a secret.
    let mistake = |error: serde_json::Error| DockerError::Form {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    };
    serde_json::from_slice(&text).map(Some).map_err(mistake)
}

fn secret_name(Scope { registry, path }: &Scope) -> Option<SecretName> {
    match path {
        Some(path) => format!("{registry}/{path}").parse().ok(),
        None => Some(SecretName::of_registry(registry)),
    }
}

/// The same as a vault: its secrets are named by registry, `HOST[:PORT][/PATH]`. It cannot be written.
#[derive(Debug)]
pub(super) struct Docker {
    vault: VaultName,
    files: DockerFiles,
}

impl Docker {
    pub(super) fn new(vault: VaultName, files: DockerFiles) -> Self {
        Self { vault, files }
    }

    fn read_only(&self) -> VaultError {
        VaultError::ReadOnly { vault: self.vault.clone(), backend: Backend::Docker }
    }
}

#[async_trait]
impl Vault for Docker {
    async fn get(&self, secret: &SecretName) -> Result<Option<SecretData>, VaultError> {
        let Some(Scope { registry, path }) = Scope::parse(secret.as_str()) else { return Ok(None) };
        let found = self.files.find(&registry, path.as_ref()).await?;
        Ok(found.map(|found| SecretData::of_credential(&found.credential)))
    }

    async fn put(&self, _: &SecretName, _: &SecretData) -> Result<(), VaultError> {
        Err(self.read_only())
    }

    async fn delete(&self, _: &SecretName) -> Result<bool, VaultError> {
        Err(self.read_only())
    }

    async fn list(&self) -> Result<Vec<SecretName>, VaultError> {
        Ok(self.files.names()?)
    }

    async fn prepare(&self) -> Result<(), VaultError> {
        Ok(())
    }

    async fn clear(&self) -> Result<(), VaultError> {
        Ok(())
    }
}

/// Why the credentials of docker and podman were not read.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// A file that is there cannot be read, or one that was named is not there.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not what docker and podman write.
    #[error("{} is not a file of registry credentials (line {line}, column {column})", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong, from 1.
        line: usize,
        /// Where it goes wrong, from 1.
        column: usize,
    },
    /// An entry cannot be understood.
    #[error("cannot use {}: {source}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Which, and what is wrong.
        source: EntryError,
    },
    /// A helper gave no answer.
    #[error("{source}, which {} names", path.display())]
    Helper {
        /// The file that names it.
        path: PathBuf,
        /// What is wrong.
        source: HelperError,
    },
}

impl Failure for DockerError {
    fn kind(&self) -> FailureKind {
        FailureKind::Denied
    }

    fn hints(&self) -> Vec<String> {
        let path = match self {
            Self::File(FileError { path, .. })
            | Self::Form { path, .. }
            | Self::Entry { path, .. }
            | Self::Helper { path, .. } => path,
        };
        vec![
            format!("put {} right, or name another with `--authfile`", path.display()),
            "or name the credential: `--secret VAULT/SECRET`, or `--anonymous` for none".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests;
