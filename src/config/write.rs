//! Values of the model as the document writes them; only what differs from the default.

use std::fmt::Display;
use std::path::PathBuf;

use super::model::{Limits, RemoteRegistry, Site, TlsMode};
use crate::credentials::{CredentialRule, VaultSettings};
use crate::yaml::{Mapping, Value};

/// An entry of `remote-registries`.
pub(super) fn registry(entry: &RemoteRegistry) -> Value {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let headers = entry.headers.iter().map(|(name, value)| (text(name), text(value)));
    mapping([
        ("address", Some(text(&entry.address))),
        ("override-address", entry.override_address.as_ref().map(text)),
        ("ca-cert", entry.ca_cert.as_ref().map(text)),
        ("ca-cert-file", path(&entry.ca_cert_file).map(Value::from)),
        ("client-cert-file", path(&entry.client_cert_file).map(Value::from)),
        ("client-key-file", path(&entry.client_key_file).map(Value::from)),
        ("tls", (entry.tls != TlsMode::default()).then(|| text(entry.tls))),
        ("token-realms", texts(&entry.token_realms)),
        ("mirrors", texts(&entry.mirrors)),
        ("limits", limits(entry.limits)),
        ("headers", filled(Value::Mapping(headers.collect()))),
        ("credentials", filled(Value::Sequence(entry.credentials.iter().map(rule).collect()))),
    ])
}

fn limits(limits: Limits) -> Option<Value> {
    filled(mapping([
        ("concurrency", limits.concurrency.map(|number| Value::from(number as u64))),
        ("bandwidth", limits.bandwidth.map(|bytes| Value::from(rate(bytes)))),
    ]))
}

/// The shortest exact way to write a rate in bytes per second.
fn rate(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let exact = units.into_iter().find(|(power, _)| bytes.trailing_zeros() >= *power);
    exact.map_or_else(|| format!("{bytes}B/s"), |(power, unit)| format!("{}{unit}/s", bytes >> power))
}

fn rule(rule: &CredentialRule) -> Value {
    mapping([
        ("repository", Some(text(&rule.repository))),
        ("vault", Some(text(&rule.vault))),
        ("secret", Some(text(&rule.secret))),
    ])
}

/// An entry of `vaults`.
pub(super) fn vault(vault: &VaultSettings) -> Value {
    mapping([("name", Some(text(&vault.name))), ("backend", Some(text(vault.backend)))])
}

/// An entry of `sites`.
pub(super) fn site(site: &Site) -> Value {
    mapping([("name", Some(text(&site.name))), ("registries", texts(&site.registries))])
}

fn mapping<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let present = entries.into_iter().filter_map(|(key, value)| Some((Value::from(key), value?)));
    Value::Mapping(present.collect::<Mapping>())
}

fn text(value: impl Display) -> Value {
    Value::from(value.to_string())
}

fn texts<T: Display>(values: &[T]) -> Option<Value> {
    filled(Value::Sequence(values.iter().map(text).collect()))
}

fn filled(value: Value) -> Option<Value> {
    let empty = match &value {
        Value::Mapping(mapping) => mapping.is_empty(),
        Value::Sequence(items) => items.is_empty(),
        _ => false,
    };
    (!empty).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_exact() {
        for (bytes, shown) in [(50 << 20, "50MiB/s"), (1 << 30, "1GiB/s"), (1536, "1536B/s"), (1 << 10, "1KiB/s")] {
            assert_eq!(rate(bytes), shown);
        }
    }
}
