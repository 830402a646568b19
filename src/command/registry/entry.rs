//! The flags for the keys of an entry of `remote-registries`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use url::Url;

use crate::command::flags::tls_mode;
use crate::command::input;
use crate::command::{CommandError, cannot};
use crate::config::{RemoteRegistry, TlsMode, read_bandwidth};
use crate::credentials::CredentialRule;
use crate::credentials::{RepositoryPattern, SecretPath};
use crate::image::{RegistryAddress, RegistryPath};

/// One flag for every key; what is not given is left as it is.
#[derive(Args, Debug)]
pub(super) struct EntryFlags {
    /// Contact this HOST[:PORT] instead
    #[arg(long, value_name = "ADDRESS")]
    override_address: Option<RegistryAddress>,

    /// Trust the certificates in this file, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "ca_cert_stdin")]
    ca_cert_file: Option<PathBuf>,

    /// Trust the certificates on standard input, PEM, and keep them in the configuration
    #[arg(long)]
    ca_cert_stdin: bool,

    /// Show this certificate to the registry, PEM; with --client-key-file
    #[arg(long, value_name = "FILE")]
    client_cert_file: Option<PathBuf>,

    /// The private key of that certificate, PEM
    #[arg(long, value_name = "FILE")]
    client_key_file: Option<PathBuf>,

    /// How its connection is secured
    #[arg(long, value_name = "MODE", value_parser = tls_mode())]
    tls: Option<TlsMode>,

    /// Let this place see the registry's credentials too, e.g. `https://auth.corp.example` (repeatable)
    #[arg(long = "token-realm", value_name = "URL")]
    token_realms: Vec<Url>,

    /// Ask this HOST[:PORT][/PATH] first for content by digest (repeatable, in this order)
    #[arg(long = "mirror", value_name = "REGISTRY")]
    mirrors: Vec<RegistryPath>,

    /// Read at most so many blobs at once, and write as many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrency: Option<u8>,

    /// Read and write at most so much in a second, e.g. 50MiB/s
    #[arg(long, value_name = "RATE", value_parser = read_bandwidth)]
    bandwidth: Option<u64>,

    /// Send this header, which may hold no secret, to the registry's own origin (repeatable)
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<Header>,

    /// Use this secret for a repository and those below it, `*` for all (repeatable)
    #[arg(long = "credential", value_name = "REPOSITORY=VAULT/SECRET")]
    credentials: Vec<Rule>,
}

/// `REPOSITORY=VAULT/SECRET`.
#[derive(Clone, Debug)]
struct Rule(CredentialRule);

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (repository, path) = text.split_once('=').ok_or("it is written REPOSITORY=VAULT/SECRET")?;
        let repository = repository.parse::<RepositoryPattern>().map_err(|error| error.to_string())?;
        let SecretPath { vault, secret } = path.parse::<SecretPath>().map_err(|error| error.to_string())?;
        Ok(Self(CredentialRule { repository, vault, secret }))
    }
}

/// `NAME=VALUE`.
#[derive(Clone, Debug)]
struct Header(String, String);

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
        Ok(Self(name.trim().to_owned(), value.trim().to_owned()))
    }
}

/// Flags that are whole: paths are absolute, and what stood on standard input is read.
pub(super) struct Entry {
    flags: EntryFlags,
    ca_cert: Option<String>,
}

impl EntryFlags {
    /// Completes what the words alone do not say.
    ///
    /// # Errors
    /// Standard input or the working directory cannot be read.
    pub(super) fn checked(mut self, doing: &str) -> Result<Entry, CommandError> {
        for path in [&mut self.ca_cert_file, &mut self.client_cert_file, &mut self.client_key_file] {
            // In the configuration a relative path starts at its own directory, on the command line here.
            *path = path.as_deref().map(absolute).transpose().map_err(|error| {
                CommandError::usage(format!("cannot {doing}: the path of a file cannot be completed: {error}"))
            })?;
        }
        let ca_cert = if self.ca_cert_stdin { Some(input::text().map_err(cannot(doing))?.to_string()) } else { None };
        Ok(Entry { flags: self, ca_cert })
    }
}

fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    std::path::absolute(path)
}

impl Entry {
    /// Puts what is given into an entry.
    pub(super) fn apply(self, entry: &mut RemoteRegistry) {
        let Self { flags, ca_cert } = self;
        if ca_cert.is_some() || flags.ca_cert_file.is_some() {
            (entry.ca_cert, entry.ca_cert_file) = (ca_cert, flags.ca_cert_file);
        }
        put(&mut entry.override_address, flags.override_address);
        put(&mut entry.client_cert_file, flags.client_cert_file);
        put(&mut entry.client_key_file, flags.client_key_file);
        put(&mut entry.limits.concurrency, flags.concurrency.map(usize::from));
        put(&mut entry.limits.bandwidth, flags.bandwidth);
        entry.tls = flags.tls.unwrap_or(entry.tls);
        if !flags.token_realms.is_empty() {
            entry.token_realms = flags.token_realms;
        }
        if !flags.mirrors.is_empty() {
            entry.mirrors = flags.mirrors;
        }
        entry.headers.extend(flags.headers.into_iter().map(|Header(name, value)| (name, value)));
        for Rule(rule) in flags.credentials {
            match entry.credentials.iter_mut().find(|old| old.repository == rule.repository) {
                Some(old) => *old = rule,
                None => entry.credentials.push(rule),
            }
        }
    }
}

fn put<T>(place: &mut Option<T>, given: Option<T>) {
    if given.is_some() {
        *place = given;
    }
}

/// A key that `registry set --unset` takes away.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EntryKey {
    OverrideAddress,
    CaCert,
    CaCertFile,
    ClientCertFile,
    ClientKeyFile,
    Tls,
    TokenRealms,
    Mirrors,
    Limits,
    Headers,
    Credentials,
}

impl EntryKey {
    /// Sets the key back to what an entry without it has.
    pub(super) fn unset(self, entry: &mut RemoteRegistry) {
        let bare = RemoteRegistry::unconfigured(entry.address.clone());
        match self {
            Self::OverrideAddress => entry.override_address = bare.override_address,
            Self::CaCert => entry.ca_cert = bare.ca_cert,
            Self::CaCertFile => entry.ca_cert_file = bare.ca_cert_file,
            Self::ClientCertFile => entry.client_cert_file = bare.client_cert_file,
            Self::ClientKeyFile => entry.client_key_file = bare.client_key_file,
            Self::Tls => entry.tls = bare.tls,
            Self::TokenRealms => entry.token_realms = bare.token_realms,
            Self::Mirrors => entry.mirrors = bare.mirrors,
            Self::Limits => entry.limits = bare.limits,
            Self::Headers => entry.headers = bare.headers,
            Self::Credentials => entry.credentials = bare.credentials,
        }
    }
}
