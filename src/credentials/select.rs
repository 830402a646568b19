//! Which credential a request is made with.
//!
//! In this order: the one that the command names, the registry's `credentials` rules, what `login` keeps, the files
//! of docker and podman, none. The first that is **configured** counts. Where that one cannot be read, it is an
//! error: going on to the next would use another identity than the user set up, and not say so.

use super::docker::{By, Found};
use super::vault::{VaultError, Vaults};
use super::{Chosen, CredentialRule, DataError, RepositoryPattern, SecretData, SecretName, SecretPath};
use crate::failure::{Failure, FailureKind, did_you_mean};
use crate::image::{RegistryAddress, RepositoryName};

/// What the command says about the credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: what is configured.
    #[default]
    Configured,
    /// This secret (`--secret`).
    Secret(SecretPath),
    /// None at all (`--anonymous`).
    Anonymous,
}

impl Vaults {
    /// Chooses the credential for a repository of a registry; `rules` are those of the registry's own entry in the
    /// configuration. Without a repository (a log-in, a catalogue) only rules for all repositories hold.
    ///
    /// # Errors
    /// The credential that is configured cannot be read, or makes none.
    pub async fn choose(
        &self,
        wanted: &Wanted,
        registry: &RegistryAddress,
        repository: Option<&RepositoryName>,
        rules: &[CredentialRule],
    ) -> Result<Chosen, ChooseError> {
        match wanted {
            Wanted::Anonymous => return Ok(Chosen::anonymous("`--anonymous` asks for none")),
            Wanted::Secret(path) => return self.choose_secret(path, registry, "`--secret` names it".to_owned()).await,
            Wanted::Configured => {}
        }
        if let Some(rule) = CredentialRule::most_specific(rules, repository) {
            let why = match &rule.repository {
                RepositoryPattern::All => format!("the rule of {registry} for all repositories names it"),
                RepositoryPattern::Prefix(prefix) => format!("the rule of {registry} for `{prefix}` names it"),
            };
            return self.choose_secret(&rule.path(), registry, why).await;
        }
        if let Some(chosen) = self.choose_login(registry).await? {
            return Ok(chosen);
        }
        if let Some(chosen) = self.choose_docker(registry, repository).await? {
            return Ok(chosen);
        }
        Ok(Chosen::anonymous(format!("no credential is configured for {registry}")))
    }

    async fn choose_secret(
        &self,
        path: &SecretPath,
        registry: &RegistryAddress,
        why: String,
    ) -> Result<Chosen, ChooseError> {
        let failed = |reason| ChooseError::new(path.to_string(), registry, Remedy::SetSecret(path.clone()), reason);
        let vault = self.named(&path.vault).map_err(|error| failed(error.into()))?;
        let data = vault.get(&path.secret).await.map_err(|error| failed(error.into()))?;
        let Some(data) = data else { return Err(failed(Reason::Missing(self.meant(path).await))) };
        chosen(&data, path.to_string(), why).map_err(failed)
    }

    async fn choose_login(&self, registry: &RegistryAddress) -> Result<Option<Chosen>, ChooseError> {
        let failed = |reason| ChooseError::new("login", registry, Remedy::LogIn(registry.clone()), reason);
        let settings = self.logins().map_err(|error| failed(error.into()))?.remove(registry);
        let Some(settings) = settings else { return Ok(None) };
        let data = self.open(&settings).get(&SecretName::of_registry(registry)).await;
        let data = data.map_err(|error| failed(error.into()))?;
        let why = format!("`tranship login {registry}` kept it in the vault `{}`", settings.name);
        let data = data.ok_or_else(|| failed(Reason::Missing(None)))?;
        chosen(&data, "login".to_owned(), why).map(Some).map_err(failed)
    }

    async fn choose_docker(
        &self,
        registry: &RegistryAddress,
        repository: Option<&RepositoryName>,
    ) -> Result<Option<Chosen>, ChooseError> {
        let found = self.docker().find(registry, repository).await;
        let failed = |error: VaultError| ChooseError::new("docker", registry, Remedy::None, error.into());
        let found = found.map_err(|error| failed(error.into()))?;
        Ok(found.map(|Found { credential, file, by }| {
            let file = file.display();
            let (name, why) = match by {
                By::Helper(helper) => (file.to_string(), format!("{helper}, which {file} names, has it")),
                // By its entry: others of the same file are other credentials.
                By::Entry(entry) => (format!("{} of {file}", entry.escape_debug()), format!("{file} has it")),
            };
            Chosen { credential, name: Some(name), why }
        }))
    }
}

fn chosen(data: &SecretData, name: String, why: String) -> Result<Chosen, Reason> {
    let credential = data.credential()?;
    Ok(Chosen { credential, name: Some(name), why })
}

/// The credential that is configured for a registry cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the credential `{name}` that is configured for {registry}")]
pub struct ChooseError {
    /// What it is called.
    pub name: String,
    /// The registry that it is for.
    pub registry: RegistryAddress,
    /// Why it cannot be used.
    #[source]
    pub reason: Reason,
    remedy: Remedy,
}

/// What puts a secret right that is missing or no use.
#[derive(Clone, Debug)]
enum Remedy {
    SetSecret(SecretPath),
    LogIn(RegistryAddress),
    None,
}

impl ChooseError {
    fn new(name: impl Into<String>, registry: &RegistryAddress, remedy: Remedy, reason: Reason) -> Self {
        Self { name: name.into(), registry: registry.clone(), reason, remedy }
    }
}

/// Why a credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The vault has no such secret; the one that was probably meant.
    #[error("its vault has no such secret{}", did_you_mean(.0.as_ref()))]
    Missing(Option<SecretName>),
    /// The secret makes no credential.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Failure for ChooseError {
    fn kind(&self) -> FailureKind {
        FailureKind::Denied
    }

    fn hints(&self) -> Vec<String> {
        if let Reason::Vault(error) = &self.reason {
            return error.hints();
        }
        match &self.remedy {
            Remedy::SetSecret(path) => vec![format!("set it: `tranship secret set {path}`")],
            Remedy::LogIn(registry) => {
                vec![format!("log in again: `tranship login {registry}`, or forget it: `tranship logout {registry}`")]
            }
            Remedy::None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
