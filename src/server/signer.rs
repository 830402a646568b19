//! What the registry signs itself: tokens for a few minutes of work, and passwords that end by themselves.
//!
//! Both are JSON Web Tokens under one secret key that the user's state directory holds (RFC 7519; HMAC-SHA256, and nothing
//! else is taken, whatever a token says of itself). A token says what it allows in the words of the distribution's
//! token documentation; a password says how much and below which name.

use std::path::Path;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::access::Grant;
use super::rules::Identity;
use crate::failure::{Failure, FailureKind};
use crate::files::{self, FileError, LocalDisk, Lock, LockError, Sharing};
use crate::wire::Scope;

/// The file of the key.
const KEY_FILE: &str = "serve.key";
/// Its length.
const KEY_BYTES: usize = 32;
/// The longest token that is looked at.
const MAX_TOKEN: usize = 16 * 1024;
/// Who signs.
const ISSUER: &str = "tranship";
/// How long another process may be making the key.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a token is good.
pub(super) const LIFETIME: Duration = Duration::from_mins(5);

/// Signs tokens and passwords, and knows its own.
pub struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process is making it, and does not come to an end.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file holds something else.
    #[error("{} is no key", .0.display())]
    NotAKey(std::path::PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// It cannot be signed.
    #[error("cannot sign")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

impl Failure for SignerError {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::NotAKey(path) => vec![format!("remove {}; what was signed with it is void then", path.display())],
            _ => Vec::new(),
        }
    }
}

/// What stands in a token or a password.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// What it is for: `token` or `password`, so that the one is never taken for the other.
    aud: String,
    sub: String,
    iat: u64,
    exp: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    access: Vec<Allowed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<Grant>,
}

/// A scope, as it stands in a token.
#[derive(Debug, Serialize, Deserialize)]
struct Allowed {
    r#type: String,
    name: String,
    actions: Vec<String>,
}

const TOKEN: &str = "token";
const PASSWORD: &str = "password";

impl Signer {
    /// The signer whose key lies in `directory`; it is made where it is missing.
    ///
    /// # Errors
    /// The key cannot be read or made.
    pub fn kept_in(directory: &Path) -> Result<Self, SignerError> {
        let path = directory.join(KEY_FILE);
        let key = match read(&path)? {
            Some(key) => key,
            None => make(&path)?,
        };
        Ok(Self { encoding: EncodingKey::from_secret(&key), decoding: DecodingKey::from_secret(&key) })
    }

    /// A password that allows `grant` for so long, whatever the name it is shown with.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn password(&self, grant: &Grant, lifetime: Duration) -> Result<String, SignerError> {
        self.sign(PASSWORD, "", Vec::new(), Some(grant.clone()), lifetime)
    }

    /// A token that allows `scopes` to somebody, as far as they may do that when they show it.
    pub(super) fn token(&self, who: &Identity, scopes: &[Scope]) -> Result<String, SignerError> {
        let allowed = |scope: &Scope| Allowed {
            r#type: scope.resource.to_string(),
            name: scope.name.to_string(),
            actions: scope.actions.iter().map(|action| action.word().to_owned()).collect(),
        };
        let grant = match who {
            Identity::Holder { grant, .. } => Some(grant.clone()),
            Identity::Nobody | Identity::User(_) => None,
        };
        self.sign(TOKEN, who.name(), scopes.iter().map(allowed).collect(), grant, LIFETIME)
    }

    fn sign(
        &self,
        audience: &str,
        name: &str,
        access: Vec<Allowed>,
        grant: Option<Grant>,
        lifetime: Duration,
    ) -> Result<String, SignerError> {
        let iat = jsonwebtoken::get_current_timestamp();
        let (iss, aud, sub) = (ISSUER.to_owned(), audience.to_owned(), name.to_owned());
        let claims = Claims { iss, aud, sub, iat, exp: iat.saturating_add(lifetime.as_secs()), access, grant };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?)
    }

    /// Whom a token is of, and what it allows; `None` where it is none of ours, or over.
    pub(super) fn read_token(&self, text: &str) -> Option<(Identity, Vec<Scope>)> {
        let claims = self.read(text, TOKEN)?;
        let scope = |allowed: &Allowed| {
            format!("{}:{}:{}", allowed.r#type, allowed.name, allowed.actions.join(",")).parse().ok()
        };
        let scopes = claims.access.iter().filter_map(scope).collect();
        let who = match claims.grant {
            Some(grant) => Identity::Holder { name: claims.sub, grant },
            None if claims.sub.is_empty() => Identity::Nobody,
            None => Identity::User(claims.sub),
        };
        Some((who, scopes))
    }

    /// What a password allows; `None` where it is none of ours, or over.
    pub(super) fn read_password(&self, text: &str) -> Option<Grant> {
        self.read(text, PASSWORD)?.grant
    }

    fn read(&self, text: &str, audience: &str) -> Option<Claims> {
        if text.len() > MAX_TOKEN {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_audience(&[audience]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        jsonwebtoken::decode(text, &self.decoding, &validation).ok().map(|read| read.claims)
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, SignerError> {
    match files::read_regular(path, KEY_BYTES as u64 + 1)? {
        Some(key) if key.len() == KEY_BYTES => Ok(Some(key)),
        Some(_) => Err(SignerError::NotAKey(path.to_owned())),
        None => Ok(None),
    }
}

fn make(path: &Path) -> Result<Vec<u8>, SignerError> {
    let lock = Lock::take(&path.with_extension("lock"), Sharing::Exclusive, PATIENCE)?;
    // Another process may have made it while the lock was waited for.
    let key = read(path)?.map_or_else(|| write_new(path), Ok)?;
    lock.remove();
    Ok(key)
}

fn write_new(path: &Path) -> Result<Vec<u8>, SignerError> {
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|_| SignerError::Random)?;
    files::write_atomically(&LocalDisk, path, &key, files::Access::Private)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rights;

    fn signer() -> (tempfile::TempDir, Signer) {
        let home = tempfile::tempdir().unwrap();
        let signer = Signer::kept_in(home.path()).unwrap();
        (home, signer)
    }

    fn grant() -> Grant {
        Grant { rights: Rights::Push, below: Some("team".parse().unwrap()) }
    }

    #[test]
    fn what_was_signed_is_known_by_the_next_process_and_by_no_other_key() {
        let (home, signer) = signer();
        let password = signer.password(&grant(), Duration::from_mins(1)).unwrap();
        let again = Signer::kept_in(home.path()).unwrap();
        assert_eq!(again.read_password(&password), Some(grant()));
        let (_other, stranger) = self::signer();
        assert_eq!(stranger.read_password(&password), None);
    }

    #[test]
    fn a_password_is_no_token_and_a_token_no_password() {
        let (_home, signer) = signer();
        let scopes = ["repository:a/b:pull,push".parse().unwrap()];
        let holder = Identity::Holder { name: "alice".to_owned(), grant: grant() };
        for who in [Identity::Nobody, Identity::User("alice".to_owned()), holder] {
            let token = signer.token(&who, &scopes).unwrap();
            assert_eq!(signer.read_token(&token), Some((who, scopes.to_vec())));
        }
        let token = signer.token(&Identity::Nobody, &scopes).unwrap();
        assert_eq!(signer.read_password(&token), None);
        let password = signer.password(&grant(), Duration::from_mins(1)).unwrap();
        assert_eq!(signer.read_token(&password), None);
    }

    #[test]
    fn s42_no_trick_makes_a_token_ours() {
        use base64::Engine as _;
        let (_home, signer) = signer();
        let good = signer.password(&grant(), Duration::from_mins(1)).unwrap();
        let parts: Vec<&str> = good.split('.').collect();
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let unsigned = encode(r#"{"alg":"none","typ":"JWT"}"#);
        let own_key = encode(r#"{"alg":"RS256","typ":"JWT","jwk":{"kty":"oct","k":"AAAA"},"kid":"serve"}"#);
        for forged in [
            format!("{unsigned}.{}.", parts[1]),
            format!("{unsigned}.{}.{}", parts[1], parts[2]),
            format!("{own_key}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}.{}", parts[0], encode(r#"{"sub":"","exp":99999999999}"#), parts[2]),
            "..".to_owned(),
            "x".repeat(10 * 1024 * 1024),
        ] {
            assert_eq!(signer.read_password(&forged), None);
        }
        let past = signer.password(&grant(), Duration::ZERO).unwrap();
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(signer.read_password(&past), None);
    }

    #[test]
    fn a_broken_key_is_told_and_not_replaced() {
        let (home, _) = signer();
        std::fs::write(home.path().join(KEY_FILE), "short").unwrap();
        assert!(matches!(Signer::kept_in(home.path()).map(drop), Err(SignerError::NotAKey(_))));
    }
}
