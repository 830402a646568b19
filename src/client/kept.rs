//! Tokens that the next process can use: one file that only its owner can read.
//!
//! A token belongs to a registry, a credential and scopes. Of the credential the file holds its name and a salted
//! hash, so that another value under the same name does not get the old one's tokens.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::state_file::StateFile;
use crate::credentials::{Chosen, Credential, Secret};
use crate::image::{Digest, RegistryAddress};
use crate::registry::{Error, ErrorKind, Result};
use crate::wire::Scope;

const FILE: &str = "tokens.json";
/// How many tokens are kept; the oldest go.
const MAX_TOKENS: usize = 200;
/// The longest token that is kept.
const MAX_TOKEN: usize = 16 * 1024;
/// How long before its end a kept token is not used any more: two clocks and a request lie in between.
const MARGIN: i64 = 10;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Page {
    salt: String,
    tokens: Vec<Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    registry: String,
    credential: String,
    scopes: Vec<String>,
    token: String,
    /// When it came and until when it is good, in seconds since 1970.
    received: i64,
    expires: i64,
}

/// A token from the file.
pub(super) struct KeptToken {
    pub(super) value: Secret,
    pub(super) scopes: Vec<Scope>,
    /// How long it is still good.
    pub(super) lifetime: Duration,
}

/// The kept tokens of one registry and credential.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    file: StateFile,
    registry: String,
    name: String,
    value: Secret,
}

impl Kept {
    pub(super) fn new(state: &Path, registry: &RegistryAddress, chosen: &Chosen) -> Self {
        let value = match &chosen.credential {
            Credential::Anonymous => Secret::new(String::new()),
            Credential::Password { username, password } => Secret::new(format!("{username}:{}", password.expose())),
            Credential::IdentityToken(token) | Credential::RegistryToken(token) => token.clone(),
        };
        let name = chosen.name.clone().unwrap_or_else(|| "anonymous".to_owned());
        Self { file: StateFile::new(state.join(FILE)), registry: registry.to_string(), name, value }
    }

    /// The tokens that are still good.
    pub(super) async fn load(&self) -> Vec<KeptToken> {
        let kept = self.clone();
        tokio::task::spawn_blocking(move || kept.read(Timestamp::now().as_second())).await.unwrap_or_default()
    }

    fn read(&self, now: i64) -> Vec<KeptToken> {
        let page: Page = self.file.read();
        let credential = self.credential(&page.salt);
        let ours = |entry: &Entry| entry.registry == self.registry && entry.credential == credential;
        // A clock that went back makes nothing younger.
        let good = |entry: &Entry| entry.received <= now + MARGIN && now + MARGIN < entry.expires;
        let tokens = page.tokens.into_iter().filter(|entry| ours(entry) && good(entry));
        tokens
            .map(|entry| KeptToken {
                value: Secret::new(entry.token),
                scopes: entry.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
                lifetime: Duration::from_secs(u64::try_from(entry.expires - MARGIN - now).unwrap_or_default()),
            })
            .collect()
    }

    /// Keeps a token.
    pub(super) async fn keep(&self, value: &Secret, scopes: &[Scope], lifetime: Duration) {
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        if lifetime <= MARGIN || value.expose().len() > MAX_TOKEN {
            return;
        }
        let received = Timestamp::now().as_second();
        let mut entry = Entry {
            registry: self.registry.clone(),
            credential: String::new(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            token: value.expose().to_owned(),
            received,
            expires: received.saturating_add(lifetime),
        };
        let kept = self.clone();
        self.file
            .note(move |page: &mut Page| {
                if page.salt.is_empty() {
                    page.salt = random_salt();
                }
                entry.credential = kept.credential(&page.salt);
                let same = |other: &Entry| {
                    (&other.registry, &other.credential, &other.scopes)
                        == (&entry.registry, &entry.credential, &entry.scopes)
                };
                page.tokens.retain(|other| other.expires > received && !same(other));
                page.tokens.push(entry);
                let surplus = page.tokens.len().saturating_sub(MAX_TOKENS);
                page.tokens.drain(..surplus);
            })
            .await;
    }

    /// Drops a token that the registry did not take.
    pub(super) async fn drop_token(&self, value: &Secret) {
        let value = value.clone();
        self.file.note(move |page: &mut Page| page.tokens.retain(|entry| entry.token != value.expose())).await;
    }

    fn credential(&self, salt: &str) -> String {
        let hash = Digest::of(format!("{salt}:{}", self.value.expose()).as_bytes());
        format!("{}#{}", self.name, hash.short())
    }
}

/// Drops every kept token of a registry, for `logout`; says how many there were. Blocks.
///
/// # Errors
/// The file cannot be written.
pub fn forget_tokens(state: &Path, registry: &RegistryAddress) -> Result<usize> {
    let path = state.join(FILE);
    if !path.try_exists().map_err(|error| Error::new(ErrorKind::Storage, error.to_string()))? {
        return Ok(0);
    }
    let registry = registry.to_string();
    StateFile::new(path).change(|page: &mut Page| {
        let before = page.tokens.len();
        page.tokens.retain(|entry| entry.registry != registry);
        before - page.tokens.len()
    })
}

fn random_salt() -> String {
    let mut bytes = [0; 16];
    // Without randomness the hash is unsalted, which only matters to who can read the tokens anyway.
    let _ = getrandom::fill(&mut bytes);
    format!("{:032x}", u128::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(home: &Path, registry: &str, password: &str) -> Kept {
        let credential = Credential::of_user("bob".to_owned(), Secret::new(password.to_owned()));
        let chosen = Chosen { credential, name: Some("vault/bob".to_owned()), why: String::new() };
        Kept::new(home, &registry.parse().unwrap(), &chosen)
    }

    #[tokio::test]
    async fn a_token_comes_back_to_its_registry_and_credential_alone() {
        let home = tempfile::tempdir().unwrap();
        let ours = kept(home.path(), "a.example", "canary");
        let scopes: Vec<Scope> = vec!["repository:x:pull".parse().unwrap()];
        for token in ["one", "two"] {
            ours.keep(&Secret::new(token.to_owned()), &scopes, Duration::from_mins(5)).await;
        }
        ours.keep(&Secret::new("short".to_owned()), &scopes, Duration::from_secs(5)).await;
        let [found] = ours.load().await.try_into().ok().unwrap();
        assert_eq!((found.value.expose(), &found.scopes), ("two", &scopes));
        assert!(found.lifetime <= Duration::from_secs(290), "{:?}", found.lifetime);
        assert!(kept(home.path(), "a.example", "other").load().await.is_empty());
        assert!(kept(home.path(), "a.example:5000", "canary").load().await.is_empty());
        let now = Timestamp::now().as_second();
        assert!(ours.read(now + 291).is_empty() && ours.read(now - 3600).is_empty());
        let text = std::fs::read_to_string(home.path().join(FILE)).unwrap();
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(forget_tokens(home.path(), &"b.example".parse().unwrap()).unwrap(), 0);
        assert_eq!(forget_tokens(home.path(), &"a.example".parse().unwrap()).unwrap(), 1);
        assert!(ours.load().await.is_empty());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_for_its_owner_and_bounded() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let ours = kept(home.path(), "a.example", "x");
        let many = (0..=MAX_TOKENS).map(|n| Entry {
            registry: "b".to_owned(),
            credential: String::new(),
            scopes: vec![n.to_string()],
            token: n.to_string(),
            received: 0,
            expires: i64::MAX,
        });
        let page = Page { salt: String::new(), tokens: many.collect() };
        ours.file.change(|old: &mut Page| *old = page).unwrap();
        ours.keep(&Secret::new("t".to_owned()), &[], Duration::from_mins(5)).await;
        let page: Page = ours.file.read();
        assert_eq!((page.tokens.len(), page.tokens.last().unwrap().token.as_str()), (MAX_TOKENS, "t"));
        assert!(!page.salt.is_empty());
        let mode = std::fs::metadata(home.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
