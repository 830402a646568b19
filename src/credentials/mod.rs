//! Secrets: where they are kept, and which one a request to a registry is made with.
//!
//! A [`VaultName`] and a [`SecretName`] name a secret; the configuration holds names alone, never a value. What
//! holds the values is a [`Vault`], of one of four kinds: the platform's keychain, an encrypted file, environment
//! variables, the files of docker and podman. [`Vaults::choose`] finds the credential for a repository.
//!
//! The configuration uses the types, the client sends what was chosen, and the commands `login`, `vault` and
//! `secret` write. Nothing here speaks to a registry.

mod credential;
mod data;
mod docker;
mod environment;
mod keychain;
mod login;
mod names;
mod rule;
mod sealed;
mod select;
mod variables;
mod vault;

pub use credential::{Chosen, Credential, Secret};
pub use data::{DataError, SecretData};
pub use docker::{DockerError, EntryError, HelperError};
pub use keychain::{KeychainError, Opener, Reason as KeychainReason};
pub use login::{Logins, LoginsError};
pub use names::{KeyName, SecretName, SecretPath, VaultName, WordError};
pub use rule::{Backend, BackendError, CredentialRule, RepositoryPattern, VaultSettings};
pub use sealed::{EnvelopeError, PassphraseError, SealedError};
pub use select::{ChooseError, Reason as ChooseReason, Wanted};
pub use variables::Variables;
pub use vault::{Prompt, Surroundings, Vault, VaultError, Vaults};
