//! What the configuration says, as types that cannot hold a bad value.
//!
//! Every field is the key of the same name in kebab-case; its documentation is that of the key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::credentials::{Backend, CredentialRule, VaultName, VaultSettings};
use crate::image::{Attached, Naming, Platform, RegistryAddress, RegistryPath};

/// The whole configuration. Each list stands under its key at the top of the file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `settings`: what holds for everything.
    pub settings: Settings,
    /// `remote-registries`: the registries that are known, by `address`.
    pub remote_registries: Vec<RemoteRegistry>,
    /// `vaults`: the named keychains that credential rules look into, by `name`. The secrets are in the vaults.
    pub vaults: Vec<VaultSettings>,
    /// `sites`: where images are distributed to, by `name`.
    pub sites: Vec<Site>,
}

impl Config {
    /// What completes short names and tells registries from repositories.
    #[must_use]
    pub fn naming(&self) -> Naming {
        Naming {
            known: self.remote_registries.iter().map(|registry| registry.address.clone()).collect(),
            default: self.settings.default_remote_registry.clone(),
        }
    }

    /// The entry of the registry at `address`, where there is one.
    #[must_use]
    pub fn registry(&self, address: &RegistryAddress) -> Option<&RemoteRegistry> {
        self.remote_registries.iter().find(|registry| registry.address == *address)
    }

    /// The credential rules that name a vault which is not there, each with its registry.
    pub fn rules_without_vault(&self) -> impl Iterator<Item = (&RemoteRegistry, &CredentialRule)> {
        let rules =
            self.remote_registries.iter().flat_map(|entry| entry.credentials.iter().map(move |rule| (entry, rule)));
        rules.filter(|(_, rule)| !self.has_vault(&rule.vault))
    }

    /// Whether there is a vault of this name: that of `login` is there without being configured.
    #[must_use]
    pub fn has_vault(&self, name: &VaultName) -> bool {
        name.is_login() || self.vaults.iter().any(|vault| vault.name == *name)
    }

    /// The site called `name`, where there is one.
    #[must_use]
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.name.as_str() == name)
    }
}

/// `settings`: what holds for everything.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where a reference without a registry is looked up: `HOST[:PORT][/PATH]`. Unset, such a reference is an
    /// error; there is no built-in one.
    pub default_remote_registry: Option<RegistryPath>,
    /// Where pulled images land: `HOST[:PORT][/PATH]`. Unset, the local store.
    pub home_registry: Option<RegistryPath>,
    /// What keeps the secrets of vaults that are made without saying which: `keychain` (default), `file`,
    /// `environment` or `docker`.
    pub vault_backend: Backend,
    /// The platforms that are copied where a command names none, e.g. `[linux/amd64, linux/arm64]`. Unset or
    /// empty, all; narrowing an image changes its digest.
    pub platforms: Vec<Platform>,
    /// Which signatures, SBOMs and attestations come along: `none`, `image` (default) or `all`.
    pub attached: Attached,
    /// How many requests run at once for one registry, 1 to 64; the default is 6.
    pub concurrency: usize,
    /// The directory of the local store. Unset, the platform's place for data; `TRANSHIP_STORE` goes before it.
    pub store: Option<PathBuf>,
    /// How long a registry may be silent before a request counts as failed, e.g. `30s`; `--timeout` goes before it.
    pub timeout: Option<Duration>,
    /// How often a request that failed in passing is tried again, 0 to 100; `--retries` goes before it.
    pub retries: Option<u32>,
}

/// The `concurrency` where none is set.
pub const DEFAULT_CONCURRENCY: usize = 6;

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_remote_registry: None,
            home_registry: None,
            vault_backend: Backend::Keychain,
            platforms: Vec::new(),
            attached: Attached::default(),
            concurrency: DEFAULT_CONCURRENCY,
            store: None,
            timeout: None,
            retries: None,
        }
    }
}

/// An entry of `remote-registries`: how one registry is reached, and with which credentials.
#[derive(Clone, Debug)]
pub struct RemoteRegistry {
    /// The `HOST[:PORT]` that stands in references. Required; the key of the list.
    pub address: RegistryAddress,
    /// The `HOST[:PORT]` that is contacted instead.
    pub override_address: Option<RegistryAddress>,
    /// The certificates that are trusted for this registry, PEM, one or more; the registry's own certificate is
    /// good as well. Unset, the system's.
    pub ca_cert: Option<String>,
    /// A file that holds what `ca-cert` would; a relative path starts at the configuration file's directory.
    pub ca_cert_file: Option<PathBuf>,
    /// The certificate that this client shows, PEM; goes with `client-key-file`.
    pub client_cert_file: Option<PathBuf>,
    /// The private key of `client-cert-file`, PEM.
    pub client_key_file: Option<PathBuf>,
    /// `verify` (default), `skip-verify` (any certificate is taken) or `plain-http`.
    pub tls: TlsMode,
    /// Further places that may see this registry's credentials: the `https://HOST[:PORT]` of its token server.
    pub token_realms: Vec<Url>,
    /// Registries that are tried first, for content by digest: `HOST[:PORT][/PATH]`, in this order.
    pub mirrors: Vec<RegistryPath>,
    /// What is asked of this registry at most.
    pub limits: Limits,
    /// Headers that are sent with every request to this registry's own origin. None may hold a secret.
    pub headers: BTreeMap<String, String>,
    /// Which secret is used for which repositories; the longest prefix that fits wins.
    pub credentials: Vec<CredentialRule>,
}

impl RemoteRegistry {
    /// The entry that a registry has which the configuration does not know.
    #[must_use]
    pub fn unconfigured(address: RegistryAddress) -> Self {
        Self {
            address,
            override_address: None,
            ca_cert: None,
            ca_cert_file: None,
            client_cert_file: None,
            client_key_file: None,
            tls: TlsMode::default(),
            token_realms: Vec::new(),
            mirrors: Vec::new(),
            limits: Limits::default(),
            headers: BTreeMap::new(),
            credentials: Vec::new(),
        }
    }
}

/// `tls` of a remote registry: how its connection is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// TLS, and the certificate must be good. A registry on this computer may be plain without saying so.
    #[default]
    Verify,
    /// TLS, with whatever certificate.
    SkipVerify,
    /// No TLS.
    PlainHttp,
}

impl TlsMode {
    /// Every mode, the safest first.
    pub const ALL: [Self; 3] = [Self::Verify, Self::SkipVerify, Self::PlainHttp];

    /// The word for it on the command line and in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::SkipVerify => "skip-verify",
            Self::PlainHttp => "plain-http",
        }
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for TlsMode {
    type Err = TlsModeError;

    fn from_str(text: &str) -> Result<Self, TlsModeError> {
        let found = Self::ALL.into_iter().find(|mode| mode.word() == text);
        found.ok_or_else(|| TlsModeError(text.to_owned()))
    }
}

/// A word that is no TLS mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of verify, skip-verify, plain-http", .0.escape_debug())]
pub struct TlsModeError(pub String);

/// `limits` of a remote registry: what is asked of it at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many blobs are read at once, and how many are written, 1 to 64. Unset, `settings.concurrency` is the limit.
    pub concurrency: Option<usize>,
    /// How many bytes are read and written in a second, written as in `50MiB/s`. Unset, no limit.
    pub bandwidth: Option<u64>,
}

/// An entry of `sites`: registries near where containers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The site's name. Required; the key of the list.
    pub name: SiteName,
    /// Its registries, each a replica of the others: `HOST[:PORT][/PATH]`. At least one.
    pub registries: Vec<RegistryPath>,
}

/// The name of a site: lower-case letters, digits and `-`, with a letter or digit at both ends, at most 63.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteName(String);

impl SiteName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SiteName {
    type Err = SiteNameError;

    fn from_str(text: &str) -> Result<Self, SiteNameError> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if (1..=63).contains(&text.len()) && text.chars().all(good) && ends {
            return Ok(Self(text.to_owned()));
        }
        Err(SiteNameError(text.to_owned()))
    }
}

/// A text that is not a site's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a name: lower-case letters, digits and `-`, 1 to 63, no `-` at either end", .0.escape_debug())]
pub struct SiteNameError(pub String);
