//! The configuration document: what it can say, and how it is read, asked and changed.
//!
//! [`ConfigFile`] is the file, [`Config`] what it says, [`DocumentPath`] with [`Change`] are supctl's verbs on the
//! same document, [`load_serving`] reads the file of `serve`. The session and the commands use them. It names vaults and secrets and never holds the value of
//! one: what is written for a path into a vault becomes a [`SecretBody`], which the command hands to the vault.

mod change;
mod document;
mod error;
mod file;
mod model;
mod path;
mod schema;
mod secret;
mod serving;
mod setting;
#[cfg(test)]
mod tests;
mod validate;
mod write;

pub use change::{Body, Change};
pub use error::ConfigError;
pub use file::{ConfigFile, Mode};
pub use model::{
    Config, DEFAULT_CONCURRENCY, Limits, RemoteRegistry, Settings, Site, SiteName, SiteNameError, TlsMode, TlsModeError,
};
pub use path::{DocumentPath, PathError, Verb};
pub use schema::bandwidth as read_bandwidth;
pub use secret::SecretBody;
pub use serving::{
    AccessRule, AccessRuleError, Group, LogForm, Permission, RetentionEntry, Rights, Scheme, Serving, ServingLimits,
    ServingUpkeep, ServingUpstream, TagPattern, TagPatternError, WebhookEntry, Who, load_serving,
};
pub use setting::{SettingKey, SettingKeyError};
