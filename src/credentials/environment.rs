//! A vault of environment variables, for CI: `TRANSHIP_SECRET_<VAULT>_<SECRET>_<KEY>`.
//!
//! Names are in upper case there, and every character that a variable cannot hold is `_`. So vault `a` with secret
//! `b-c` and vault `a-b` with secret `c` are the same variables: who configures both wants that.

use async_trait::async_trait;

use super::vault::{Vault, VaultError};
use super::{Backend, KeyName, SecretData, SecretName, Variables, VaultName};

/// The keys that are looked for; of two with the same ending the longer stands first.
const KEYS: [&str; 5] = ["identity-token", "registry-token", "token", "username", "password"];

/// The variables of one vault. It cannot be written.
#[derive(Debug)]
pub(super) struct Environment {
    vault: VaultName,
    variables: Variables,
}

impl Environment {
    pub(super) fn new(vault: VaultName, variables: Variables) -> Self {
        Self { vault, variables }
    }

    fn prefix(&self) -> String {
        format!("TRANSHIP_SECRET_{}_", shout(self.vault.as_str()))
    }

    fn read_only(&self) -> VaultError {
        VaultError::ReadOnly { vault: self.vault.clone(), backend: Backend::Environment }
    }
}

/// A name as a part of a variable's name.
fn shout(name: &str) -> String {
    let shout = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(shout).collect()
}

#[async_trait]
impl Vault for Environment {
    async fn get(&self, secret: &SecretName) -> Result<Option<SecretData>, VaultError> {
        let mut data = SecretData::default();
        for key in KEYS {
            let name = format!("{}{}_{}", self.prefix(), shout(secret.as_str()), shout(key));
            if let Some(value) = self.variables.get(&name) {
                data.set(KeyName::known(key), value.as_encoded_bytes());
            }
        }
        Ok(Some(data).filter(|data| !data.is_empty()))
    }

    async fn put(&self, _: &SecretName, _: &SecretData) -> Result<(), VaultError> {
        Err(self.read_only())
    }

    async fn delete(&self, _: &SecretName) -> Result<bool, VaultError> {
        Err(self.read_only())
    }

    /// The names as the variables show them: in lower case, with `-` for every `_`.
    async fn list(&self) -> Result<Vec<SecretName>, VaultError> {
        let prefix = self.prefix();
        let name = |variable: &str| {
            let rest = &variable[prefix.len()..];
            let secret = KEYS.iter().find_map(|key| rest.strip_suffix(&shout(key))?.strip_suffix('_'))?;
            secret.to_ascii_lowercase().replace('_', "-").parse().ok()
        };
        let mut names: Vec<_> = self.variables.names(&prefix).filter_map(name).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn prepare(&self) -> Result<(), VaultError> {
        Ok(())
    }

    async fn clear(&self) -> Result<(), VaultError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Environment {
        let variables = [
            ("TRANSHIP_SECRET_MY_CI_REG_EXAMPLE_COM_5000_USERNAME", "bob"),
            ("TRANSHIP_SECRET_MY_CI_REG_EXAMPLE_COM_5000_PASSWORD", "canary"),
            ("TRANSHIP_SECRET_MY_CI_ACR_IDENTITY_TOKEN", "refresh"),
            ("TRANSHIP_SECRET_MY_CI_EMPTY_TOKEN", ""),
            ("TRANSHIP_SECRET_MY_CI_OTHER_THING", "x"),
            ("TRANSHIP_SECRET_MY_CIX_TOKEN", "x"),
            ("TRANSHIP_SECRET_OTHER_A_TOKEN", "x"),
        ];
        Environment::new("my-ci".parse().unwrap(), variables.into_iter().collect())
    }

    #[tokio::test]
    async fn values_come_from_variables() {
        let data = vault().get(&"reg.example.com:5000".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(data.credential().unwrap().username(), Some("bob"));
        let data = vault().get(&"acr".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(format!("{data:?}"), "{identity-token}");
        for absent in ["a", "empty", "reg"] {
            assert!(vault().get(&absent.parse().unwrap()).await.unwrap().is_none(), "{absent}");
        }
    }

    #[tokio::test]
    async fn names_are_listed_and_nothing_is_written() {
        let names = vault().list().await.unwrap();
        assert_eq!(names.iter().map(SecretName::as_str).collect::<Vec<_>>(), ["acr", "empty", "reg-example-com-5000"]);
        let secret = "a".parse().unwrap();
        let error = vault().put(&secret, &SecretData::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "the vault `my-ci` is of the environment kind, which tranship only reads");
        assert!(vault().delete(&secret).await.is_err());
    }
}
