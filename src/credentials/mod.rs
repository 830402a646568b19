//! Secrets: where they are kept, and which one a request to a registry is made with.
//!
//! A [`VaultName`] and a [`SecretName`] name a secret; the configuration holds names alone, never a value. The
//! configuration, the client and the commands use this module. Nothing here speaks to a registry.

mod credential;
mod names;
mod rule;

pub use credential::{Chosen, Credential, Secret};
pub use names::{KeyName, SecretName, SecretPath, VaultName, WordError};
pub use rule::{Backend, BackendError, CredentialRule, RepositoryPattern, VaultSettings};
