//! What a request is authenticated with.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};

/// A text that must not be seen: it has no `Display`, its `Debug` shows nothing, and its memory is wiped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends or seals it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// What a request to a registry is authenticated with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing.
    Anonymous,
    /// A user name and a password, or a token that is sent as one.
    Password {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An `OAuth2` refresh token: docker's `identitytoken`, and what ACR's null-GUID user and the user `<token>` mean.
    IdentityToken(Secret),
    /// A bearer token that is sent as it is: docker's `registrytoken`.
    RegistryToken(Secret),
}

/// The user name with which Azure's registry marks a refresh token.
const NULL_GUID: &str = "00000000-0000-0000-0000-000000000000";
/// The user name with which docker's helpers mark a refresh token.
const TOKEN_USER: &str = "<token>";

impl Credential {
    /// A user name and a password, where the name does not say that the password is an identity token.
    #[must_use]
    pub fn of_user(username: String, password: Secret) -> Self {
        match username.as_str() {
            NULL_GUID | TOKEN_USER => Self::IdentityToken(password),
            _ => Self::Password { username, password },
        }
    }

    /// The user's name, where there is one.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } => Some(username),
            Self::Anonymous | Self::IdentityToken(_) | Self::RegistryToken(_) => None,
        }
    }
}

/// The credential for a registry and a repository, and how it came to be chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What requests are authenticated with.
    pub credential: Credential,
    /// What it is called: `VAULT/SECRET`, `login`, an entry of a docker file, or such a file whose helper has it.
    /// `None` where there is none. Of one registry, no two credentials have the same name.
    pub name: Option<String>,
    /// Why this one, as a sentence without a full stop.
    pub why: String,
}

impl Chosen {
    /// No credential, and why.
    #[must_use]
    pub fn anonymous(why: impl Into<String>) -> Self {
        Self { credential: Credential::Anonymous, name: None, why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn secrets_show_nothing() {
        let credentials = [
            Credential::of_user("bob".to_owned(), secret("canary")),
            Credential::IdentityToken(secret("canary")),
            Credential::RegistryToken(secret("canary")),
        ];
        for credential in credentials {
            let shown = format!("{credential:?} {credential:#?}");
            assert!(!shown.contains("canary") && shown.contains("[hidden]"), "{shown}");
        }
        assert_eq!(secret("canary").expose(), "canary");
    }

    // Quirk 10.
    #[test]
    fn two_user_names_mean_an_identity_token() {
        for name in ["00000000-0000-0000-0000-000000000000", "<token>"] {
            let credential = Credential::of_user(name.to_owned(), secret("refresh"));
            assert!(matches!(credential, Credential::IdentityToken(token) if token.expose() == "refresh"), "{name}");
        }
        // Quirks 11 and 14: these are names like any other.
        for name in ["AWS", "robot$team+ci", ""] {
            assert_eq!(Credential::of_user(name.to_owned(), secret("p")).username(), Some(name));
        }
    }
}
