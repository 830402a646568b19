//! A vault in the platform's keychain: Secret Service, macOS Keychain, Windows Credential Manager.
//!
//! A secret is one entry of service `tranship/VAULT` and account `SECRET`; what it holds is a JSON object of keys
//! and values. Where there is no keychain, or it is locked, that is an error: secrets never go elsewhere by
//! themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyring_core::{CredentialStore, Error as PlatformError};
use zeroize::Zeroizing;

use super::vault::{Vault, VaultError, on_own_thread};
use super::{SecretData, SecretName, SecretPath, VaultName};
use crate::failure::{Failure, FailureKind};

/// How long a call may take. Unlocking asks the person at the desktop, so this is no network's time limit.
const PATIENCE: Duration = Duration::from_mins(1);

/// The account of an entry that only tries whether there can be one. No secret can have this name.
const PROBE: &str = "(trial)";

/// Reaches the keychain; it blocks.
pub type Opener = Arc<dyn Fn() -> Result<Arc<CredentialStore>, String> + Send + Sync>;

/// The keychain of the platform.
pub(super) fn platform_keychain() -> Opener {
    Arc::new(|| {
        if let Err(error) = keyring::Entry::store_status() {
            return Err(error.to_string());
        }
        keyring_core::get_default_store().ok_or_else(|| PlatformError::NoDefaultStore.to_string())
    })
}

/// One vault in the keychain.
pub(super) struct Keychain {
    vault: VaultName,
    open: Opener,
    patience: Duration,
}

impl Keychain {
    pub(super) fn new(vault: VaultName, open: Opener) -> Self {
        Self { vault, open, patience: PATIENCE }
    }

    fn service(&self) -> String {
        format!("tranship/{}", self.vault)
    }

    /// Does something with the keychain, on a thread that can be left behind when it does not answer in time.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CredentialStore) -> Result<T, PlatformError> + Send + 'static,
    ) -> Result<T, KeychainError> {
        let error = |reason| KeychainError { vault: self.vault.clone(), reason };
        let open = Arc::clone(&self.open);
        let answer = on_own_thread(move || match open() {
            Ok(store) => work(store.as_ref()).map_err(Reason::of),
            Err(reason) => Err(Reason::Absent(reason)),
        });
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(answer)) => answer.map_err(error),
            Ok(Err(thread)) => Err(error(Reason::Failed(thread.to_string()))),
            Err(_) => Err(error(Reason::Silent(self.patience))),
        }
    }
}

/// What to search for to find all entries of a service.
fn search_for(service: &str) -> HashMap<&'static str, String> {
    if cfg!(windows) {
        // Entries are named `ACCOUNT.SERVICE` there; no character of a vault's name means more than itself.
        HashMap::from([("pattern", format!(r"\.{service}$"))])
    } else {
        HashMap::from([("service", service.to_owned())])
    }
}

/// The accounts of a service, in order.
fn accounts(store: &CredentialStore, service: &str) -> Result<Vec<String>, PlatformError> {
    let search = search_for(service);
    let search = search.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let found = match store.search(&search) {
        Err(PlatformError::NoEntry) => Vec::new(),
        other => other?,
    };
    let specifiers = found.iter().filter_map(keyring_core::Entry::get_specifiers);
    let mut accounts: Vec<_> = specifiers.filter(|(of, _)| of == service).map(|(_, account)| account).collect();
    accounts.sort();
    accounts.dedup();
    Ok(accounts)
}

fn delete(store: &CredentialStore, service: &str, account: &str) -> Result<bool, PlatformError> {
    match store.build(service, account, None)?.delete_credential() {
        Ok(()) => Ok(true),
        Err(PlatformError::NoEntry) => Ok(false),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Vault for Keychain {
    async fn get(&self, secret: &SecretName) -> Result<Option<SecretData>, VaultError> {
        let (service, account) = (self.service(), secret.to_string());
        let value = self.ask(move |store| match store.build(&service, &account, None)?.get_secret() {
            Ok(value) => Ok(Some(Zeroizing::new(value))),
            Err(PlatformError::NoEntry) => Ok(None),
            Err(error) => Err(error),
        });
        let Some(value) = value.await? else { return Ok(None) };
        // What the parser says could show a part of the value.
        let data = serde_json::from_slice(&value).map_err(|_| {
            let path = SecretPath { vault: self.vault.clone(), secret: secret.clone() };
            KeychainError { vault: self.vault.clone(), reason: Reason::Foreign(path) }
        })?;
        Ok(Some(data))
    }

    async fn put(&self, secret: &SecretName, data: &SecretData) -> Result<(), VaultError> {
        let (service, account) = (self.service(), secret.to_string());
        let failed = |error: serde_json::Error| KeychainError {
            vault: self.vault.clone(),
            reason: Reason::Failed(error.to_string()),
        };
        let value = data.to_json().map_err(failed)?;
        Ok(self.ask(move |store| store.build(&service, &account, None)?.set_secret(&value)).await?)
    }

    async fn delete(&self, secret: &SecretName) -> Result<bool, VaultError> {
        let (service, account) = (self.service(), secret.to_string());
        Ok(self.ask(move |store| delete(store, &service, &account)).await?)
    }

    async fn list(&self) -> Result<Vec<SecretName>, VaultError> {
        let service = self.service();
        let accounts = self.ask(move |store| accounts(store, &service)).await?;
        // An account that is no secret's name was not made by tranship.
        Ok(accounts.iter().filter_map(|account| account.parse().ok()).collect())
    }

    /// Writes an entry that is no secret's and removes it: a keychain that can be searched may still have no place
    /// to write to.
    async fn prepare(&self) -> Result<(), VaultError> {
        let service = self.service();
        let work = move |store: &CredentialStore| {
            store.build(&service, PROBE, None)?.set_secret(b"{}")?;
            delete(store, &service, PROBE).map(drop)
        };
        Ok(self.ask(work).await?)
    }

    async fn clear(&self) -> Result<(), VaultError> {
        let service = self.service();
        let work = move |store: &CredentialStore| {
            accounts(store, &service)?.iter().try_for_each(|account| delete(store, &service, account).map(drop))
        };
        Ok(self.ask(work).await?)
    }
}

/// The keychain did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the keychain for the vault `{vault}`: {reason}")]
pub struct KeychainError {
    /// The vault.
    pub vault: VaultName,
    /// Why.
    pub reason: Reason,
}

/// Why the keychain did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// There is none: no session bus, no service on it.
    #[error("this session has none ({0})")]
    Absent(String),
    /// It is locked and was not unlocked, or nobody has made a collection in it yet.
    #[error("it is locked, not set up, or refuses ({0})")]
    Locked(String),
    /// It did not answer.
    #[error("it did not answer within {} s; it may be waiting to be unlocked", .0.as_secs())]
    Silent(Duration),
    /// The entry holds something else.
    #[error("the entry `{0}` does not hold what tranship writes")]
    Foreign(SecretPath),
    /// Anything else that it said.
    #[error("{0}")]
    Failed(String),
}

impl Reason {
    fn of(error: PlatformError) -> Self {
        match error {
            PlatformError::NoStorageAccess(reason) => Self::Locked(reason.to_string()),
            PlatformError::PlatformFailure(reason) => Self::Failed(reason.to_string()),
            // These two carry the entry's value.
            PlatformError::BadEncoding(_) | PlatformError::BadDataFormat(..) => {
                Self::Failed("the entry cannot be decoded".to_owned())
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Failure for KeychainError {
    fn kind(&self) -> FailureKind {
        FailureKind::Denied
    }

    fn hints(&self) -> Vec<String> {
        let vault = &self.vault;
        match &self.reason {
            Reason::Foreign(path) => vec![format!("set it anew: `tranship secret set {path}`")],
            Reason::Locked(_) | Reason::Silent(_) => vec![
                "unlock the keychain and run it again".to_owned(),
                format!("or keep the vault in an encrypted file: `tranship vault create {vault} --backend file`"),
            ],
            Reason::Absent(_) | Reason::Failed(_) => {
                vec![format!("keep the vault in an encrypted file: `tranship vault create {vault} --backend file`")]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    fn bob() -> SecretData {
        serde_json::from_str(r#"{"username":"bob","password":"canary"}"#).unwrap()
    }

    /// A keychain that holds nothing but what the test puts there.
    fn mock() -> (Keychain, Arc<CredentialStore>) {
        let store: Arc<CredentialStore> = keyring_core::mock::Store::new().unwrap();
        let opened = Arc::clone(&store);
        (Keychain::new("v".parse().unwrap(), Arc::new(move || Ok(Arc::clone(&opened)))), store)
    }

    #[tokio::test]
    async fn a_secret_is_one_entry_of_the_vaults_service() {
        let (keychain, store) = mock();
        assert!(keychain.get(&name("a")).await.unwrap().is_none());
        keychain.put(&name("a"), &bob()).await.unwrap();
        let entry = store.build("tranship/v", "a", None).unwrap();
        assert_eq!(entry.get_password().unwrap(), r#"{"password":"canary","username":"bob"}"#);
        let read = keychain.get(&name("a")).await.unwrap().unwrap();
        assert_eq!(read.bytes("password"), Some(&b"canary"[..]));
        assert!(keychain.delete(&name("a")).await.unwrap());
        assert!(!keychain.delete(&name("a")).await.unwrap());
        assert!(keychain.get(&name("a")).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn only_the_vaults_own_secrets_are_listed_and_cleared() {
        let (keychain, store) = mock();
        for (service, account) in
            [("tranship/v", "b"), ("tranship/v", "a"), ("tranship/v2", "c"), ("tranship/v", "d d")]
        {
            store.build(service, account, None).unwrap().set_password("{}").unwrap();
        }
        assert_eq!(keychain.list().await.unwrap(), [name("a"), name("b")]);
        keychain.clear().await.unwrap();
        assert!(keychain.get(&name("a")).await.unwrap().is_none());
        assert!(store.build("tranship/v2", "c", None).unwrap().get_password().is_ok());
    }

    #[tokio::test]
    async fn preparing_tries_to_write_and_leaves_nothing() {
        let (keychain, store) = mock();
        keychain.prepare().await.unwrap();
        let trial = store.build("tranship/v", PROBE, None).unwrap();
        assert!(matches!(trial.get_secret(), Err(PlatformError::NoEntry)));
        assert!(PROBE.parse::<SecretName>().is_err());
        let mock = trial.as_any().downcast_ref::<keyring_core::mock::Cred>().unwrap();
        mock.set_error(PlatformError::NoStorageAccess("no collection".into()));
        assert!(keychain.prepare().await.unwrap_err().to_string().contains("not set up"));
    }

    #[tokio::test]
    async fn a_foreign_entry_is_told_without_its_value() {
        let (keychain, store) = mock();
        for value in ["canary", r#"{"a":["canary"]}"#, r#"{"canary canary":"x"}"#] {
            store.build("tranship/v", "a", None).unwrap().set_password(value).unwrap();
            let error = keychain.get(&name("a")).await.unwrap_err();
            assert!(error.to_string().contains("`v/a` does not hold"), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_missing_a_locked_and_a_silent_keychain_name_the_file_vault() {
        let vault = || "v".parse::<VaultName>().unwrap();
        let absent = Keychain::new(vault(), Arc::new(|| Err("no bus".to_owned())));
        let mut silent = Keychain::new(
            vault(),
            Arc::new(|| {
                std::thread::sleep(Duration::from_secs(5));
                Err(String::new())
            }),
        );
        silent.patience = Duration::from_millis(20);
        let (locked, store) = mock();
        let entry = store.build("tranship/v", "a", None).unwrap();
        let mock = entry.as_any().downcast_ref::<keyring_core::mock::Cred>().unwrap();
        mock.set_error(PlatformError::NoStorageAccess("object locked".into()));
        for (keychain, part) in [(absent, "has none (no bus)"), (locked, "is locked"), (silent, "did not answer")] {
            let error = keychain.get(&name("a")).await.unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.kind(), FailureKind::Denied);
            assert!(error.hints().iter().any(|hint| hint.contains("vault create v --backend file")), "{part}");
        }
    }
}
