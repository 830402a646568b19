//! The files in which docker and podman keep credentials: `config.json` and `auth.json`, which have one form.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::{Credential, Secret};
use crate::image::{RegistryAddress, RepositoryName};

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What such a file says. Everything else in it (colours, proxies, plugins) is of no interest.
#[derive(Default, Deserialize)]
pub(super) struct AuthFile {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct Entry {
    auth: Option<Secret>,
    username: Option<Secret>,
    password: Option<Secret>,
    #[serde(rename = "identitytoken")]
    identity_token: Option<Secret>,
    #[serde(rename = "registrytoken")]
    registry_token: Option<Secret>,
}

/// What a key of such a file names: a registry, and with podman also a path in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) registry: RegistryAddress,
    pub(super) path: Option<RepositoryName>,
}

impl Scope {
    /// Reads a key: `host[:port]`, `host[:port]/path`, or docker's old form of a URL, whose path means nothing.
    /// `None` for what names no registry, which then is for none.
    pub(super) fn parse(key: &str) -> Option<Self> {
        let url = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let (registry, path) = match url {
            Some(url) => (url.split('/').next()?, None),
            None => key.split_once('/').map_or((key, None), |(registry, path)| (registry, Some(path))),
        };
        let path = match path.map(|path| path.trim_end_matches('/')) {
            None | Some("") => None,
            Some(path) => Some(path.parse().ok()?),
        };
        Some(Self { registry: registry.parse().ok()?, path })
    }

    /// How specific it is for a repository of a registry; `None` where it is not for it.
    fn rank(&self, registry: &RegistryAddress, repository: Option<&RepositoryName>) -> Option<usize> {
        match (&self.path, repository) {
            _ if self.registry != *registry => None,
            (None, _) => Some(0),
            (Some(path), Some(repository)) => repository.is_within(path.as_str()).then(|| path.as_str().len()),
            (Some(_), None) => None,
        }
    }
}

/// An entry that is there and cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its entry `{}` cannot be understood: `auth` is not the base64 of `user:password`", .0.escape_debug())]
pub struct EntryError(pub String);

impl AuthFile {
    /// The program that keeps the credentials of a registry, where one is named: `credHelpers` before `credsStore`.
    pub(super) fn helper(&self, registry: &RegistryAddress) -> Option<&str> {
        let names_it = |key: &str| Scope::parse(key).is_some_and(|scope| scope.rank(registry, None).is_some());
        let own = self.helpers.iter().flatten().find(|(key, _)| names_it(key)).map(|(_, helper)| helper);
        // An empty name says that this registry's credentials are in the file.
        own.or(self.store.as_ref()).map(String::as_str).filter(|helper| !helper.is_empty())
    }

    /// The most specific entry that holds a credential, and this; entries that are empty are docker's marks for
    /// what a helper keeps.
    pub(super) fn credential(
        &self,
        registry: &RegistryAddress,
        repository: Option<&RepositoryName>,
    ) -> Result<Option<(&str, Credential)>, EntryError> {
        let ranked = self.auths.iter().flatten().filter_map(|(key, entry)| {
            let entry = entry.as_ref().filter(|entry| !entry.is_empty())?;
            Some((Scope::parse(key)?.rank(registry, repository)?, key, entry))
        });
        let Some((_, key, entry)) = ranked.max_by_key(|(rank, ..)| *rank) else { return Ok(None) };
        entry.credential().map(|credential| Some((key.as_str(), credential))).ok_or_else(|| EntryError(key.clone()))
    }

    /// What the file has something for.
    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        let auths = self.auths.iter().flatten().map(|(key, _)| key);
        let helpers = self.helpers.iter().flatten().map(|(key, _)| key);
        auths.chain(helpers).filter_map(|key| Scope::parse(key))
    }
}

impl Entry {
    fn is_empty(&self) -> bool {
        let fields = [&self.auth, &self.username, &self.password, &self.identity_token, &self.registry_token];
        fields.into_iter().all(|field| filled(field.as_ref()).is_none())
    }

    /// The credential, tokens before passwords; `None` where it cannot be understood.
    fn credential(&self) -> Option<Credential> {
        if let Some(token) = filled(self.identity_token.as_ref()) {
            return Some(Credential::IdentityToken(token.clone()));
        }
        if let Some(token) = filled(self.registry_token.as_ref()) {
            return Some(Credential::RegistryToken(token.clone()));
        }
        let Some(auth) = filled(self.auth.as_ref()) else {
            let username = filled(self.username.as_ref())?.expose().to_owned();
            return Some(Credential::of_user(username, filled(self.password.as_ref())?.clone()));
        };
        let decoded = Zeroizing::new(BASE64.decode(auth.expose().trim()).ok()?);
        let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        // Docker pads with zeros.
        let password = Secret::new(password.trim_end_matches('\0').to_owned());
        Some(Credential::of_user(username.to_owned(), password))
    }
}

fn filled(field: Option<&Secret>) -> Option<&Secret> {
    field.filter(|text| !text.expose().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, registry: &str, repository: &str) -> String {
        let file: AuthFile = serde_json::from_str(file).unwrap();
        let repository = Some(repository).filter(|text| !text.is_empty()).map(|text| text.parse().unwrap());
        let found = file.credential(&registry.parse().unwrap(), repository.as_ref());
        match found.map(|found| found.map(|(_, credential)| credential)) {
            Ok(None) => "none".to_owned(),
            Ok(Some(Credential::Anonymous)) => "anonymous".to_owned(),
            Ok(Some(Credential::Password { username, password })) => format!("{username}:{}", password.expose()),
            Ok(Some(Credential::IdentityToken(token))) => format!("identity {}", token.expose()),
            Ok(Some(Credential::RegistryToken(token))) => format!("registry {}", token.expose()),
            Err(error) => error.to_string(),
        }
    }

    fn auth(user_and_password: &str) -> String {
        format!(r#"{{"auth":"{}"}}"#, BASE64.encode(user_and_password))
    }

    // Threat S33 and quirk 12: keys of other spellings are the same registry, look-alikes are not.
    #[test]
    fn a_key_is_for_exactly_its_registry() {
        let cases = [
            ("reg.example.com", "reg.example.com", true),
            ("REG.Example.com", "reg.example.com", true),
            ("https://reg.example.com", "reg.example.com", true),
            ("https://reg.example.com/v2/", "reg.example.com", true),
            ("http://reg.example.com:5000/x", "reg.example.com:5000", true),
            ("reg.example.com/", "reg.example.com", true),
            ("reg.example.com", "reg.example.com:5000", false),
            ("reg.example.com:5000", "reg.example.com", false),
            ("reg.example.com:443", "reg.example.com", false),
            ("reg.example.com", "reg.example.com.evil", false),
            ("reg.example.com.evil", "reg.example.com", false),
            ("example.com", "reg.example.com", false),
            ("reg.example.com@evil", "reg.example.com", false),
            ("user@reg.example.com", "reg.example.com", false),
            ("https://evil/reg.example.com", "reg.example.com", false),
            ("https://reg.example.com@evil/", "reg.example.com", false),
            ("*.example.com", "reg.example.com", false),
            ("xn--rg-example", "reg.example.com", false),
            ("ręg.example.com", "reg.example.com", false),
            ("", "reg.example.com", false),
            ("https://", "reg.example.com", false),
            ("https://index.docker.io/v1/", "docker.io", true),
            ("index.docker.io", "docker.io", true),
            ("docker.io", "registry-1.docker.io", true),
            ("registry-1.docker.io", "index.docker.io", true),
            ("auth.docker.io", "docker.io", false),
            ("docker.io:5000", "docker.io", false),
            ("[0::1]:5000", "[::1]:5000", true),
        ];
        for (key, registry, expected) in cases {
            let file = format!(r#"{{"auths":{{"{key}":{}}}}}"#, auth("bob:p"));
            let expected = if expected { "bob:p" } else { "none" };
            assert_eq!(found(&file, registry, "team/app"), expected, "{key} for {registry}");
        }
    }

    #[test]
    fn the_longest_path_wins() {
        let file = format!(
            r#"{{"auths":{{"quay.io":{},"quay.io/team":{},"quay.io/team/app":{},"quay.io/team/marked":{{}}}}}}"#,
            auth("all:1"),
            auth("team:2"),
            auth("app:3")
        );
        let cases = [
            ("", "all:1"),
            ("other", "all:1"),
            ("team", "team:2"),
            ("team/x", "team:2"),
            ("teams/x", "all:1"),
            ("team/app", "app:3"),
            ("team/app/x", "app:3"),
            ("team/marked", "team:2"),
        ];
        for (repository, expected) in cases {
            assert_eq!(found(&file, "quay.io", repository), expected, "{repository}");
        }
        let scoped = format!(r#"{{"auths":{{"quay.io/team":{}}}}}"#, auth("team:2"));
        assert_eq!(found(&scoped, "quay.io", ""), "none");
        assert_eq!(found(&scoped, "quay.io:443", "team"), "none");
    }

    // Quirks 10 and 14.
    #[test]
    fn entries_hold_passwords_and_tokens() {
        let file = |entry: &str| format!(r#"{{"auths":{{"r.io":{entry}}}}}"#);
        let nul = auth("00000000-0000-0000-0000-000000000000:refresh");
        let cases = [
            (auth("bob:p:1"), "bob:p:1"),
            (auth("robot$team+ci:p"), "robot$team+ci:p"),
            (auth("bob:"), "bob:"),
            (auth("bob:p\0\0"), "bob:p"),
            (auth("<token>:refresh"), "identity refresh"),
            (nul, "identity refresh"),
            (r#"{"auth":"Ym9iOnA"}"#.to_owned(), "bob:p"),
            (r#"{"username":"bob","password":"p"}"#.to_owned(), "bob:p"),
            (r#"{"auth":"Ym9iOnA=","identitytoken":"i"}"#.to_owned(), "identity i"),
            (r#"{"registrytoken":"t"}"#.to_owned(), "registry t"),
            ("{}".to_owned(), "none"),
            ("null".to_owned(), "none"),
            (r#"{"auth":"","email":"x"}"#.to_owned(), "none"),
        ];
        for (entry, expected) in cases {
            assert_eq!(found(&file(&entry), "r.io", "a"), expected, "{entry}");
        }
        for bad in [r#"{"auth":"!"}"#, r#"{"auth":"Ym9i"}"#, r#"{"auth":"/w=="}"#, r#"{"username":"bob"}"#] {
            let said = found(&file(bad), "r.io", "a");
            assert!(said.starts_with("its entry `r.io` cannot be understood"), "{bad}: {said}");
        }
    }

    #[test]
    fn a_registrys_own_helper_stands_before_the_store() {
        let file: AuthFile = serde_json::from_str(
            r#"{"credsStore":"desktop","credHelpers":{"gcr.io":"gcloud","https://index.docker.io/v1/":"pass","plain.io":""}}"#,
        )
        .unwrap();
        let helper = |registry: &str| file.helper(&registry.parse().unwrap());
        assert_eq!(helper("gcr.io"), Some("gcloud"));
        assert_eq!(helper("docker.io"), Some("pass"));
        assert_eq!(helper("gcr.io:5000"), Some("desktop"));
        assert_eq!(helper("plain.io"), None);
        assert_eq!(AuthFile::default().helper(&"gcr.io".parse().unwrap()), None);
    }
}
