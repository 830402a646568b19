//! What a secret holds: named values, and the credential that they make.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{Credential, KeyName, Secret};
use crate::failure::{Failure, FailureKind};

/// The user name that goes with a token where none is given: registries look at the token alone.
const TOKEN_USERNAME: &str = "token";

/// The values of one secret, by their keys. They are bytes; those that a registry is to see must be text.
#[derive(Clone, Default)]
pub struct SecretData(BTreeMap<KeyName, SecretSlice<u8>>);

impl SecretData {
    /// The values `username` and `password`.
    #[must_use]
    pub fn of_user(username: &str, password: &str) -> Self {
        let mut data = Self::default();
        data.set(KeyName::known("username"), username);
        data.set(KeyName::known("password"), password);
        data
    }

    /// The value `token`, and the `username` that goes with it where there is one.
    #[must_use]
    pub fn of_token(token: &str, username: Option<&str>) -> Self {
        let mut data = Self::default();
        data.set(KeyName::known("token"), token);
        if let Some(username) = username {
            data.set(KeyName::known("username"), username);
        }
        data
    }

    /// Sets one value, in place of an older one.
    pub fn set(&mut self, key: KeyName, value: impl Into<Vec<u8>>) {
        self.0.insert(key, value.into().into());
    }

    /// Takes away one value, and says whether it was there.
    pub fn remove(&mut self, key: &KeyName) -> bool {
        self.0.remove(key).is_some()
    }

    /// Sets all values of `other`, in place of older ones; the others stay.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &KeyName> {
        self.0.keys()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of one value.
    #[must_use]
    pub fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(name, _)| name.as_str() == key).map(|(_, value)| value.expose_secret())
    }

    /// One value as text.
    ///
    /// # Errors
    /// It is there and is no UTF-8.
    pub fn text(&self, key: &str) -> Result<Option<Secret>, DataError> {
        let Some(bytes) = self.bytes(key) else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| DataError::NotText(key.to_owned()))?;
        Ok(Some(Secret::new(text.to_owned())))
    }

    /// The credential that the values make: of `identity-token`, `registry-token`, `username` with `password`, or
    /// `token` (with `username`, where that is there), in this order.
    ///
    /// # Errors
    /// The keys for it are missing, or a value is no text.
    pub fn credential(&self) -> Result<Credential, DataError> {
        if let Some(token) = self.text("identity-token")? {
            return Ok(Credential::IdentityToken(token));
        }
        if let Some(token) = self.text("registry-token")? {
            return Ok(Credential::RegistryToken(token));
        }
        let username = self.text("username")?.map(|name| name.expose().to_owned());
        match (username, self.text("password")?, self.text("token")?) {
            (Some(username), Some(password), _) => Ok(Credential::of_user(username, password)),
            (username, None, Some(token)) => {
                Ok(Credential::of_user(username.unwrap_or_else(|| TOKEN_USERNAME.to_owned()), token))
            }
            (None, Some(_), _) => Err(DataError::Without { has: "password", lacks: "username" }),
            (Some(_), None, None) => Err(DataError::Without { has: "username", lacks: "password" }),
            (None, None, None) => {
                Err(DataError::Unusable(self.keys().map(KeyName::as_str).collect::<Vec<_>>().join(", ")))
            }
        }
    }

    /// The values of a credential; nothing for [`Credential::Anonymous`].
    #[must_use]
    pub fn of_credential(credential: &Credential) -> Self {
        let mut data = Self::default();
        let mut set =
            |key: &'static str, value: &str| data.0.insert(KeyName::known(key), value.as_bytes().to_vec().into());
        match credential {
            Credential::Anonymous => None,
            Credential::Password { username, password } => {
                set("username", username);
                set("password", password.expose())
            }
            Credential::IdentityToken(token) => set("identity-token", token.expose()),
            Credential::RegistryToken(token) => set("registry-token", token.expose()),
        };
        data
    }

    /// The values as JSON, for a vault to seal.
    pub(super) fn to_json(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        serde_json::to_vec(&Exposed(self)).map(Zeroizing::new)
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

/// Values in the clear, on their way into a vault: text as a string, other bytes as `{"base64": …}`.
pub(super) struct Exposed<'a>(pub(super) &'a SecretData);

impl Serialize for Exposed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for (key, value) in &self.0.0 {
            if let Ok(text) = std::str::from_utf8(value.expose_secret()) {
                map.serialize_entry(key, text)?;
            } else {
                let base64 = Zeroizing::new(STANDARD.encode(value.expose_secret()));
                map.serialize_entry(key, &BTreeMap::from([("base64", base64.as_str())]))?;
            }
        }
        map.end()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Binary { base64: String },
}

impl<'de> Deserialize<'de> for SecretData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut data = Self::default();
        for (key, value) in BTreeMap::<KeyName, Stored>::deserialize(deserializer)? {
            let bytes = match value {
                Stored::Text(text) => text.into_bytes(),
                // What base64 says about a value could show a part of it.
                Stored::Binary { base64 } => {
                    STANDARD.decode(base64).map_err(|_| serde::de::Error::custom("a value is no base64"))?
                }
            };
            data.set(key, bytes);
        }
        Ok(data)
    }
}

/// Why the values of a secret make no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// A value is not UTF-8.
    #[error("the value of `{0}` is not text")]
    NotText(String),
    /// Half of a pair.
    #[error("it has a `{has}` and no `{lacks}`")]
    Without {
        /// The key that is there.
        has: &'static str,
        /// The key that is missing.
        lacks: &'static str,
    },
    /// None of the keys that a registry needs.
    #[error(
        "it holds neither `username` and `password` nor a `token`{}",
        if .0.is_empty() { String::new() } else { format!(" (its keys: {})", .0) }
    )]
    Unusable(String),
}

impl Failure for DataError {
    fn kind(&self) -> FailureKind {
        FailureKind::Denied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Values<'a> = &'a [(&'a str, &'a [u8])];

    fn data(values: Values) -> SecretData {
        let mut data = SecretData::default();
        for (key, value) in values {
            data.set(key.parse().unwrap(), *value);
        }
        data
    }

    fn summary(values: Values) -> String {
        match data(values).credential() {
            Ok(Credential::Anonymous) => "anonymous".to_owned(),
            Ok(Credential::Password { username, password }) => format!("{username}:{}", password.expose()),
            Ok(Credential::IdentityToken(token)) => format!("identity {}", token.expose()),
            Ok(Credential::RegistryToken(token)) => format!("registry {}", token.expose()),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn values_make_a_credential() {
        let cases: [(Values, &str); 11] = [
            (&[("username", b"bob"), ("password", b"p:1")], "bob:p:1"),
            (&[("token", b"t")], "token:t"),
            (&[("username", b"bob"), ("token", b"t")], "bob:t"),
            (&[("username", b"bob"), ("password", b"p"), ("token", b"t")], "bob:p"),
            (&[("identity-token", b"i"), ("username", b"bob"), ("password", b"p")], "identity i"),
            (&[("registry-token", b"r")], "registry r"),
            (&[("username", b"00000000-0000-0000-0000-000000000000"), ("password", b"p")], "identity p"),
            (&[("username", b"bob")], "error: it has a `username` and no `password`"),
            (&[("password", b"p")], "error: it has a `password` and no `username`"),
            (
                &[("tls.key", b"x")],
                "error: it holds neither `username` and `password` nor a `token` (its keys: tls.key)",
            ),
            (&[("username", b"bob"), ("password", b"\xff")], "error: the value of `password` is not text"),
        ];
        for (values, expected) in cases {
            assert_eq!(summary(values), expected);
        }
        assert_eq!(summary(&[]), "error: it holds neither `username` and `password` nor a `token`");
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", data(&[("password", b"canary")]));
        assert_eq!(shown, "{password}");
    }

    #[test]
    fn merging_replaces_values_and_keeps_the_rest() {
        let mut merged = data(&[("username", b"bob"), ("password", b"old")]);
        merged.merge(data(&[("password", b"new")]));
        assert_eq!(merged.bytes("password"), Some(&b"new"[..]));
        assert_eq!(merged.bytes("username"), Some(&b"bob"[..]));
        assert!(merged.remove(&"username".parse().unwrap()) && merged.bytes("username").is_none());
    }

    #[test]
    fn credentials_become_values_again() {
        for credential in [
            Credential::of_user("bob".to_owned(), Secret::new("p".to_owned())),
            Credential::IdentityToken(Secret::new("i".to_owned())),
            Credential::RegistryToken(Secret::new("r".to_owned())),
        ] {
            let again = SecretData::of_credential(&credential).credential().unwrap();
            assert_eq!(std::mem::discriminant(&again), std::mem::discriminant(&credential));
        }
        assert!(SecretData::of_credential(&Credential::Anonymous).is_empty());
    }

    proptest! {
        #[test]
        fn values_survive_their_json(values in proptest::collection::btree_map("[a-z][a-z.-]{0,5}", proptest::collection::vec(any::<u8>(), 0..20), 0..4)) {
            let mut data = SecretData::default();
            for (key, value) in &values {
                data.set(key.parse().unwrap(), value.clone());
            }
            let read: SecretData = serde_json::from_slice(&data.to_json().unwrap()).unwrap();
            let read: BTreeMap<_, _> = read.keys().map(|key| (key.to_string(), read.bytes(key.as_str()).unwrap().to_vec())).collect();
            prop_assert_eq!(read, values);
        }
    }
}
