//! Files that are seen to be in use while they are written, so that those which a killed process left can be told.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::lock::{is_at, try_lock};
use super::{Access, Sharing, open_regular};

/// How old a file has to be that is taken for left over on a file system without locks.
const OLD: Duration = Duration::from_hours(1);

/// Makes a new file and locks it; `None` where another has the name and is in use. One that is not is removed.
pub(super) fn create(path: &Path, access: Access) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    access.apply(&mut options);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !remove_abandoned(path) {
                return Ok(None);
            }
            match options.open(path) {
                // Another was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                opened => opened?,
            }
        }
        opened => opened?,
    };
    match try_lock(&file, Sharing::Exclusive) {
        // Between its making and its lock it may have been taken for left over, and removed.
        Ok(()) => Ok(is_at(&file, path).then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}

/// Removes what nobody uses, and says whether it is gone. Only who holds the lock of a file removes or renames
/// it, so that between the look at it and its removal it does not become another's.
fn remove_abandoned(path: &Path) -> bool {
    let Ok(Some((file, _))) = open_regular(path) else { return false };
    let is_abandoned = match try_lock(&file, Sharing::Exclusive) {
        Ok(()) => is_at(&file, path),
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => is_old(&file),
    };
    is_abandoned && fs::remove_file(path).is_ok()
}

fn is_old(file: &File) -> bool {
    let age = file.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
    age.is_ok_and(|age| age.is_ok_and(|age| age >= OLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_gets_the_file_and_none_loses_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        for _ in 0..50 {
            fs::write(&path, "left over").unwrap();
            std::thread::scope(|scope| {
                let tries: Vec<_> = (0..4).map(|_| scope.spawn(|| create(&path, Access::Shared).unwrap())).collect();
                let got: Vec<File> = tries.into_iter().filter_map(|tried| tried.join().unwrap()).collect();
                assert!(got.len() <= 1, "{} have it", got.len());
                assert!(got.iter().all(|file| is_at(file, &path) && file.metadata().unwrap().len() == 0));
            });
        }
    }
}
