//! Users of an htpasswd file, as Apache and docker-registry have it: `NAME:HASH` lines, bcrypt alone.
//!
//! The file is read again when it changes. A password that was right stays known for a while, because bcrypt is
//! slow on purpose and a push asks many times.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use secrecy::{ExposeSecret as _, SecretString};

use crate::failure::{Failure, FailureKind};
use crate::files::{self, FileError};
use crate::image::{Algorithm, Digest, Hasher};

/// The longest file that is read.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// What bcrypt looks at of a password.
const MAX_PASSWORD: usize = 72;
/// How often it is looked at whether the file changed.
const LOOK: Duration = Duration::from_secs(1);
/// How long a password that was right is known without bcrypt.
const KNOWN: Duration = Duration::from_mins(5);
/// The most passwords that are known so.
const MAX_KNOWN: usize = 10_000;
/// What a stranger's password is compared with, so that it takes as long as a user's.
const NOBODY: &str = "$2y$10$Rfv93zKBgyYaNWJ6DTXUJuqfca9LVg5yE981SqeUI1bMzwly7sSMy";

/// How much work a new password is, as bcrypt counts it.
const COST: u32 = 10;

/// The line of a file of users for one of them.
///
/// # Errors
/// The name is empty or would end early, or the password is empty or longer than bcrypt looks at.
pub fn password_line(name: &str, password: &str) -> Result<String, NewUserError> {
    if name.is_empty() || name.starts_with('#') || name.contains(|c: char| c == ':' || c.is_control()) {
        return Err(NewUserError::Name(name.to_owned()));
    }
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(NewUserError::Password);
    }
    let hash = bcrypt::hash(password, COST).map_err(|_| NewUserError::Password)?;
    Ok(format!("{name}:{hash}"))
}

/// Why somebody cannot become a user.
#[derive(Debug, thiserror::Error)]
pub enum NewUserError {
    /// Not a name.
    #[error("`{}` is no user's name: it is not empty, begins with no `#`, and holds no `:`", .0.escape_debug())]
    Name(String),
    /// Not a password.
    #[error("a password has 1 to {MAX_PASSWORD} bytes")]
    Password,
}

impl Failure for NewUserError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }
}

/// The users of a file.
pub(super) struct Users {
    file: PathBuf,
    state: RwLock<State>,
    salt: [u8; 32],
    known: Mutex<HashMap<Digest, Instant>>,
}

/// What was read, and of what.
struct State {
    hashes: HashMap<String, String>,
    seen: Option<(SystemTime, u64)>,
    looked: Instant,
}

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not there.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// A line is not what it should be.
    #[error("line {line} of {} is not `NAME:HASH` with a bcrypt hash", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// Nobody could come in.
    #[error("{} has no user", .0.display())]
    Nobody(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl Failure for UsersError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        let file = match self {
            Self::File(error) => return error.hints(),
            Self::Random => return Vec::new(),
            Self::Missing(file) | Self::Line { file, .. } | Self::Nobody(file) => file,
        };
        vec![format!("make one: `tranship htpasswd add {} NAME`", file.display())]
    }
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, has no user, or has a line that is none.
    pub(super) fn read(file: &Path) -> Result<Self, UsersError> {
        let (hashes, seen) = load(file)?;
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|_| UsersError::Random)?;
        let state = State { hashes, seen, looked: Instant::now() };
        Ok(Self { file: file.to_owned(), state: RwLock::new(state), salt, known: Mutex::default() })
    }

    /// Whether there is a user of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.look_again();
        self.state.read().unwrap_or_else(PoisonError::into_inner).hashes.contains_key(name)
    }

    /// Whether this is a user's password.
    pub(super) async fn know(&self, name: &str, password: &SecretString) -> bool {
        self.look_again();
        let hash = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            state.hashes.get(name).cloned()
        };
        let key = self.key(name, password, hash.as_deref().unwrap_or_default());
        if self.is_known(&key) {
            return true;
        }
        let (is_user, hash) = (hash.is_some(), hash.unwrap_or_else(|| NOBODY.to_owned()));
        let password = password.clone();
        // Slow on purpose, so not where others wait.
        let right = tokio::task::spawn_blocking(move || bcrypt::verify(password.expose_secret(), &hash));
        let right = matches!(right.await, Ok(Ok(true))) && is_user;
        if right {
            self.remember(key);
        }
        right
    }

    /// A word for name, password and hash that says nothing of them, and differs from run to run.
    fn key(&self, name: &str, password: &SecretString, hash: &str) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for part in [&self.salt[..], name.as_bytes(), password.expose_secret().as_bytes(), hash.as_bytes()] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finish()
    }

    fn is_known(&self, key: &Digest) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).is_some_and(|since| since.elapsed() < KNOWN)
    }

    fn remember(&self, key: Digest) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.retain(|_, since| since.elapsed() < KNOWN);
        }
        if known.len() < MAX_KNOWN {
            known.insert(key, Instant::now());
        }
    }

    /// Reads the file again where it changed. What cannot be read then changes nothing, and is told.
    fn look_again(&self) {
        let (seen, looked) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            (state.seen, state.looked)
        };
        if looked.elapsed() < LOOK {
            return;
        }
        let changed = look(&self.file) != seen;
        let loaded = changed.then(|| load(&self.file));
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.looked = Instant::now();
        match loaded {
            None => {}
            Some(Ok((hashes, seen))) => {
                tracing::info!(file = %self.file.display(), users = hashes.len(), "the users changed");
                state.hashes = hashes;
                state.seen = seen;
            }
            Some(Err(error)) => tracing::warn!(%error, "the users stay as they were"),
        }
    }
}

/// What tells one state of a file from another.
fn look(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

type Loaded = (HashMap<String, String>, Option<(SystemTime, u64)>);

fn load(file: &Path) -> Result<Loaded, UsersError> {
    // Before it is read: what is written in between is seen at the next look.
    let seen = look(file);
    let bytes = files::read_following_links(file, MAX_FILE)?.ok_or_else(|| UsersError::Missing(file.to_owned()))?;
    let mut hashes = HashMap::new();
    for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let user = line.split_once(':').filter(|(name, hash)| !name.is_empty() && is_bcrypt(hash));
        let (name, hash) = user.ok_or_else(|| UsersError::Line { file: file.to_owned(), line: number + 1 })?;
        hashes.insert(name.to_owned(), hash.to_owned());
    }
    if hashes.is_empty() { Err(UsersError::Nobody(file.to_owned())) } else { Ok((hashes, seen)) }
}

fn is_bcrypt(hash: &str) -> bool {
    hash.len() == 60 && ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    #[tokio::test]
    async fn users_are_known_by_their_passwords_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("users");
        std::fs::write(&file, format!("# people\n\nalice:{}\nbob:{}\n", hash("a"), hash("b:b"))).unwrap();
        let users = Users::read(&file).unwrap();
        let know = async |name: &str, password: &str| users.know(name, &SecretString::from(password)).await;
        for _ in 0..2 {
            assert!(know("alice", "a").await && know("bob", "b:b").await);
            assert!(!know("alice", "b:b").await && !know("carol", "a").await && !know("", "").await);
        }
        std::fs::write(&file, format!("alice:{}\n", hash("new"))).unwrap();
        users.state.write().unwrap().looked -= LOOK;
        assert!(know("alice", "new").await && !know("alice", "a").await && !know("bob", "b:b").await);
        // What is broken changes nothing.
        std::fs::write(&file, "alice:plain\n").unwrap();
        users.state.write().unwrap().looked -= LOOK;
        assert!(know("alice", "new").await);
    }

    #[test]
    fn a_file_that_lets_nobody_in_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("users");
        let error = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Users::read(&file).map(drop).expect_err(text)
        };
        assert!(matches!(error("alice:$apr1$x"), UsersError::Line { line: 1, .. }));
        assert!(matches!(error("# x\nalice\n"), UsersError::Line { line: 2, .. }));
        assert!(matches!(error("\n"), UsersError::Nobody(_)));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(Users::read(&file).map(drop), Err(UsersError::Missing(_))));
    }

    #[test]
    fn strangers_are_compared_with_a_real_hash() {
        assert!(is_bcrypt(NOBODY));
        assert!(bcrypt::verify("x", NOBODY).is_ok_and(|right| !right));
    }
}
