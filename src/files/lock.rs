//! Locks between processes, held on a file of their own beside what they protect.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::FileError;
use crate::failure::{Failure, FailureKind};

/// Who else may hold the lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody.
    Exclusive,
    /// Others that share it.
    Shared,
}

/// A held lock. The system lets it go when this is dropped, also when the process is killed.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock at `path`, waiting up to `patience` for others. The file is made where it is missing. It
    /// stays, or is removed or renamed by whoever holds the lock: those that waited for it begin again with the
    /// file that has the name then. Blocks the thread.
    ///
    /// # Errors
    /// Someone else held it all the time, or the file cannot be opened.
    pub fn take(path: &Path, sharing: Sharing, patience: Duration) -> Result<Self, LockError> {
        let mut file = open(path)?;
        let until = Instant::now() + patience;
        let mut pause = Duration::from_millis(2);
        loop {
            match try_lock(&file, sharing) {
                Ok(()) if is_at(&file, path) => return Ok(Self { path: path.to_owned(), _file: file }),
                Ok(()) => file = open(path)?,
                Err(TryLockError::Error(error)) => return Err(FileError::new("lock", path, error).into()),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(LockError::Held { path: path.to_owned(), waited: patience });
                }
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(100));
                }
            }
        }
    }

    /// Whether somebody holds the lock at `path`, or that cannot be told. One that is not there nobody holds.
    #[must_use]
    pub fn is_held(path: &Path) -> bool {
        match File::open(path) {
            Ok(file) => matches!(try_lock(&file, Sharing::Shared), Err(TryLockError::WouldBlock)),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Lets go of the lock and leaves no file behind, where the system can remove one that is open.
    pub fn remove(self) {
        // A file that stays is taken again by the next who locks.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The sole right to write a file, held by a lock beside it: on some systems a lock on the file itself would keep
/// its own holder from writing. Given back, it leaves nothing behind; what a kill leaves of it is taken over.
#[derive(Debug)]
pub struct Claim(Option<Lock>);

/// What the name of a claim's lock ends with.
const CLAIM: &str = ".lock";

impl Claim {
    /// Claims the file at `path`, whether or not it is there; `None` where another has claimed it.
    ///
    /// # Errors
    /// The lock cannot be opened.
    pub fn on(path: &Path) -> Result<Option<Self>, LockError> {
        match Lock::take(&claim_of(path), Sharing::Exclusive, Duration::ZERO) {
            Ok(lock) => Ok(Some(Self(Some(lock)))),
            Err(LockError::Held { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether another has claimed the file at `path`.
    #[must_use]
    pub fn is_on(path: &Path) -> bool {
        Lock::is_held(&claim_of(path))
    }

    /// The name of the file that is claimed by the file of this name; `None` where that is no claim.
    #[must_use]
    pub fn claimed(name: &str) -> Option<&str> {
        name.strip_suffix(CLAIM)
    }
}

/// The lock of a claim on the file at `path`.
fn claim_of(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(CLAIM);
    lock.into()
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(lock) = self.0.take() {
            lock.remove();
        }
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(FileError::of("make the directory", parent))?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    super::Access::Private.apply(&mut options).open(path).map_err(FileError::of("open the lock", path))
}

/// Whether `path` still names the file that was opened.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let same = |ours: &std::fs::Metadata, named: &std::fs::Metadata| {
            (ours.dev(), ours.ino()) == (named.dev(), named.ino())
        };
        matches!((file.metadata(), path.metadata()), (Ok(ours), Ok(named)) if same(&ours, &named))
    }
    // Elsewhere a file that is open does not lose its name.
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

pub(super) fn try_lock(file: &File, sharing: Sharing) -> Result<(), TryLockError> {
    let locked = match sharing {
        Sharing::Exclusive => file.try_lock(),
        Sharing::Shared => file.try_lock_shared(),
    };
    match locked {
        // A signal in between is no answer.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => Err(TryLockError::WouldBlock),
        other => other,
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another process holds {} (waited {} s)", path.display(), waited.as_secs())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Failure for LockError {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Held { .. } => vec!["wait for the other tranship process to end, then run it again".to_owned()],
            Self::File(error) => error.hints(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x/lock");
        let held = Lock::take(&path, Sharing::Exclusive, Duration::ZERO).unwrap();
        let error = Lock::take(&path, Sharing::Exclusive, Duration::from_millis(10)).unwrap_err();
        assert!(matches!(error, LockError::Held { .. }), "{error}");
        drop(held);
        let _one = Lock::take(&path, Sharing::Shared, Duration::ZERO).unwrap();
        let _two = Lock::take(&path, Sharing::Shared, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_claim_is_for_one_and_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let claim = Claim::on(&path).unwrap().unwrap();
        assert!(Claim::on(&path).unwrap().is_none() && Claim::is_on(&path));
        let names: Vec<_> = home.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.iter().map(|name| Claim::claimed(name.to_str()?)).collect::<Vec<_>>(), [Some("file")]);
        drop(claim);
        assert_eq!(home.path().read_dir().unwrap().count(), 0);
        assert!(!Claim::is_on(&path));
        // What a killed process left.
        std::fs::write(home.path().join("file.lock"), "").unwrap();
        drop(Claim::on(&path).unwrap().unwrap());
        assert_eq!(home.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn who_waited_for_a_file_that_was_removed_locks_the_next_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let held = Lock::take(&path, Sharing::Exclusive, Duration::ZERO).unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path, Sharing::Exclusive, Duration::from_secs(10)).unwrap()
        });
        std::thread::sleep(Duration::from_millis(20));
        std::fs::remove_file(&path).unwrap();
        drop(held);
        let _next = waiting.join().unwrap();
        assert!(Lock::take(&path, Sharing::Exclusive, Duration::ZERO).is_err());
    }
}
