//! The document as it is written: which keys there are, and how each becomes a value of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use url::Url;

use super::model::{Config, DEFAULT_CONCURRENCY, Limits, RemoteRegistry, Settings, Site};
use super::setting::SettingKey;
use crate::credentials::{Backend, CredentialRule, VaultSettings};
use crate::image::RegistryAddress;
use crate::yaml::{Completeness, Fields, Kind, Place, Read, Reader, Scalar, from_text, names_a_secret};

/// How many requests may run at once at all.
const MAX_CONCURRENCY: usize = 64;
/// How often a request may be tried again at all.
const MAX_RETRIES: u32 = 100;
/// The longest time limit.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);

pub(super) const DOCUMENT: Kind =
    Kind { shown: "the configuration", known: &["settings", "remote-registries", "vaults", "sites"], ignored: &[] };

pub(super) const SETTINGS: Kind = Kind { shown: "the settings", known: &SettingKey::WORDS, ignored: &[] };

pub(super) const REMOTE_REGISTRY: Kind = Kind {
    shown: "a remote registry",
    known: &[
        "address",
        "override-address",
        "ca-cert",
        "ca-cert-file",
        "client-cert-file",
        "client-key-file",
        "tls",
        "token-realms",
        "mirrors",
        "limits",
        "headers",
        "credentials",
    ],
    ignored: &["distribute"],
};

const LIMITS: Kind = Kind { shown: "the limits", known: &["concurrency", "bandwidth"], ignored: &[] };

const CREDENTIAL: Kind = Kind { shown: "a credential rule", known: &["repository", "vault", "secret"], ignored: &[] };

pub(super) const VAULT: Kind = Kind {
    shown: "a vault",
    known: &["name", "backend"],
    ignored: &["distribute", "allow-image-access", "max-versions", "cas-required", "delete-version-after"],
};

pub(super) const SITE: Kind = Kind { shown: "a site", known: &["name", "registries"], ignored: &["distribute"] };

/// Reads the whole document. `base` is the directory at which relative paths start.
pub(super) fn read_config(reader: &mut Reader, place: Place<'_>, base: &Path) -> Config {
    let Some(mut fields) = reader.fields(place, &DOCUMENT) else { return Config::default() };
    let settings = fields.place("settings");
    let settings = settings.map(|place| read_settings(fields.reader, place, base)).unwrap_or_default();
    let remote_registries =
        read_entries(&mut fields, "remote-registries", "address", |reader, place| read_registry(reader, place, base));
    let vaults = read_entries(&mut fields, "vaults", "name", read_vault);
    let sites = read_entries(&mut fields, "sites", "name", read_site);
    Config { settings, remote_registries, vaults, sites }
}

/// Reads a keyed list; the same key twice is a problem.
pub(super) fn read_entries<T>(
    fields: &mut Fields<'_, '_>,
    list: &str,
    key: &'static str,
    mut read: impl FnMut(&mut Reader, Place<'_>) -> Option<T>,
) -> Vec<T> {
    let places = fields.items(list);
    refuse_doubles(fields.reader, &places, key);
    places.into_iter().filter_map(|place| read(fields.reader, place)).collect()
}

fn refuse_doubles(reader: &mut Reader, places: &[Place<'_>], key: &str) {
    let mut seen = BTreeSet::new();
    for place in places {
        let Some(text) = place.value.get(key).and_then(|value| value.as_str()) else { continue };
        if !seen.insert(same_key(text)) {
            reader.problem(place, format!("the {key} `{}` stands twice", text.escape_debug()));
        }
    }
}

/// The one spelling of a key: addresses have several.
pub(super) fn same_key(text: &str) -> String {
    RegistryAddress::from_str(text).map_or_else(|_| text.to_owned(), |address| address.to_string())
}

/// Reads `settings`.
pub(super) fn read_settings(reader: &mut Reader, place: Place<'_>, base: &Path) -> Settings {
    let Some(mut fields) = reader.fields(place, &SETTINGS) else { return Settings::default() };
    Settings {
        default_remote_registry: fields.optional("default-remote-registry", from_text),
        home_registry: fields.optional("home-registry", from_text),
        vault_backend: fields.optional("vault-backend", from_text).unwrap_or_default(),
        platforms: fields.list("platforms", from_text),
        attached: fields.optional("attached", from_text).unwrap_or_default(),
        concurrency: fields.amount("concurrency", concurrency).unwrap_or(DEFAULT_CONCURRENCY),
        store: fields.optional("store", |text| path(text, base)),
        timeout: fields.amount("timeout", timeout),
        retries: fields.amount("retries", retries),
    }
}

/// Reads an entry of `remote-registries`.
pub(super) fn read_registry(reader: &mut Reader, place: Place<'_>, base: &Path) -> Option<RemoteRegistry> {
    let mut fields = reader.fields(place, &REMOTE_REGISTRY)?;
    let address: Option<RegistryAddress> = fields.required("address", from_text);
    let entry = RemoteRegistry {
        override_address: fields.optional("override-address", from_text),
        ca_cert: fields.optional("ca-cert", certificates),
        ca_cert_file: fields.optional("ca-cert-file", |text| path(text, base)),
        client_cert_file: fields.optional("client-cert-file", |text| path(text, base)),
        client_key_file: fields.optional("client-key-file", |text| path(text, base)),
        tls: fields.optional("tls", from_text).unwrap_or_default(),
        token_realms: fields.list("token-realms", token_realm),
        mirrors: fields.list("mirrors", from_text),
        limits: read_limits(&mut fields),
        headers: read_headers(&mut fields),
        credentials: read_entries(&mut fields, "credentials", "repository", read_rule),
        ..RemoteRegistry::unconfigured(address.clone().unwrap_or_else(RegistryAddress::docker_hub))
    };
    let named = |key: &str| fields.place(key).is_some();
    let whole = fields.reader.completeness == Completeness::Whole;
    if whole && named("client-cert-file") != named("client-key-file") {
        fields.problem("`client-cert-file` and `client-key-file` go together");
    }
    address.map(|_| entry)
}

fn read_limits(fields: &mut Fields<'_, '_>) -> Limits {
    let place = fields.place("limits");
    let Some(mut fields) = place.and_then(|place| fields.reader.fields(place, &LIMITS)) else {
        return Limits::default();
    };
    Limits { concurrency: fields.amount("concurrency", concurrency), bandwidth: fields.amount("bandwidth", bandwidth) }
}

fn read_headers(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let Some(place) = fields.place("headers").filter(|place| !place.value.is_null()) else { return BTreeMap::new() };
    let Some(mapping) = place.value.as_mapping() else {
        fields.reader.problem(&place, "names and values are expected for `headers`");
        return BTreeMap::new();
    };
    let mut headers = BTreeMap::new();
    for (name, value) in mapping {
        let name = name.as_str().unwrap_or_default();
        let path = place.path.iter().cloned().chain([name.into()]).collect();
        let below = Place { value, path };
        let text = fields.reader.parse(&below, name, Scalar::Text, |text| header(name, text));
        headers.extend(text.map(|text| (name.to_owned(), text)));
    }
    headers
}

fn read_rule(reader: &mut Reader, place: Place<'_>) -> Option<CredentialRule> {
    let mut fields = reader.fields(place, &CREDENTIAL)?;
    let repository = fields.required("repository", from_text);
    let vault = fields.required("vault", from_text);
    let secret = fields.required("secret", from_text);
    Some(CredentialRule { repository: repository?, vault: vault?, secret: secret? })
}

/// Reads an entry of `vaults`.
pub(super) fn read_vault(reader: &mut Reader, place: Place<'_>) -> Option<VaultSettings> {
    let mut fields = reader.fields(place, &VAULT)?;
    let name = fields.required("name", from_text);
    let backend = fields.optional("backend", from_text::<Backend>).unwrap_or_default();
    Some(VaultSettings { name: name?, backend })
}

/// Reads an entry of `sites`.
pub(super) fn read_site(reader: &mut Reader, place: Place<'_>) -> Option<Site> {
    let mut fields = reader.fields(place, &SITE)?;
    let name = fields.required("name", from_text);
    let listed = fields.items("registries").len();
    let registries = fields.list("registries", from_text);
    if listed == 0 && fields.reader.completeness == Completeness::Whole {
        fields.problem("a site needs at least one of `registries`");
    }
    Some(Site { name: name?, registries })
}

fn concurrency(text: &str) -> Read<usize> {
    let number = text.parse().ok().filter(|number| (1..=MAX_CONCURRENCY).contains(number));
    number.ok_or_else(|| format!("`{}` is not a number from 1 to {MAX_CONCURRENCY}", text.escape_debug()))
}

fn retries(text: &str) -> Read<u32> {
    let number = text.parse().ok().filter(|number| *number <= MAX_RETRIES);
    number.ok_or_else(|| format!("`{}` is not a number from 0 to {MAX_RETRIES}", text.escape_debug()))
}

pub(super) fn timeout(text: &str) -> Read<Duration> {
    let duration = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let good = duration.filter(|duration| !duration.is_zero() && *duration <= MAX_TIMEOUT);
    good.ok_or_else(|| format!("`{}` is not a time up to a day; one is written as in 30s or 5m", text.escape_debug()))
}

/// Reads a rate such as `50MiB/s`, in bytes per second.
///
/// # Errors
/// Says how a rate is written.
pub fn bandwidth(text: &str) -> Read<u64> {
    let size = text.strip_suffix("/s").unwrap_or(text).trim().parse::<bytesize::ByteSize>();
    let size = size.ok().map(|size| size.as_u64()).filter(|bytes| *bytes > 0);
    size.ok_or_else(|| format!("`{}` is not a rate; one is written as in 50MiB/s", text.escape_debug()))
}

pub(super) fn path(text: &str, base: &Path) -> Read<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return Err("the path is empty or holds a NUL character".to_owned());
    }
    Ok(base.join(text))
}

fn certificates(text: &str) -> Read<String> {
    check_certificates(text.as_bytes()).map(|()| text.to_owned())
}

/// Whether `pem` holds certificates, and each can be read.
pub(super) fn check_certificates(pem: &[u8]) -> Read<()> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the certificate cannot be read: {error}"))?;
        // Every certificate is an ASN.1 sequence.
        if certificate.first() != Some(&0x30) {
            return Err("what stands between BEGIN and END is no certificate".to_owned());
        }
        count += 1;
    }
    if count > 0 { Ok(()) } else { Err("there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)".to_owned()) }
}

fn token_realm(text: &str) -> Read<Url> {
    let url = Url::parse(text).map_err(|error| format!("`{}` is not a URL: {error}", text.escape_debug()))?;
    let loopback =
        url.host_str().is_some_and(|host| host.parse().is_ok_and(|host: RegistryAddress| host.is_loopback()));
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => Err("the URL names a user".to_owned()),
        "https" if url.has_host() => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(format!("`{}` is not an https URL; credentials go nowhere else", text.escape_debug())),
    }
}

fn header(name: &str, value: &str) -> Read<String> {
    if names_a_secret(name) {
        return Err("such a header holds a secret, and the configuration holds none".to_owned());
    }
    http::HeaderName::from_str(name).map_err(|_| "this is not the name of a header".to_owned())?;
    http::HeaderValue::from_str(value).map_err(|_| "a header cannot have this value".to_owned())?;
    Ok(value.to_owned())
}
