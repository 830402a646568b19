//! Whole-file writes that leave the old content or the new, whatever happens in between.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, DiskFile, FileError};

/// How many may write the same file at once before their temporary files have names that nobody finds again.
const PLACES: usize = 4;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone (0600).
    Private,
    /// Everyone, as far as the umask allows (0644).
    Shared,
}

impl Access {
    /// Applies it to a file that is made.
    pub(super) fn apply(self, options: &mut OpenOptions) -> &mut OpenOptions {
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(match self {
                Self::Private => 0o600,
                Self::Shared => 0o644,
            });
        }
        options
    }
}

/// Replaces the content of `path`: a new file beside it, synced, renamed over it, and the directory synced.
///
/// The directory is made where it is missing. A symbolic link at `path` is replaced, not followed.
///
/// # Errors
/// The path and what the system said. The old content is whole then, and no temporary file is left behind
/// as far as it can be removed; a failed sync of the directory leaves the new content, not known to be durable.
pub fn write_atomically(disk: &dyn Disk, path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let directory = parent(path);
    create_directories(disk, directory)?;
    let (temporary, mut file) = temporary_file(disk, path, access).map_err(FileError::of("write", path))?;
    // The file is held until it has its name: what nobody holds is taken for what a killed process left.
    let written = file.write(bytes).and_then(|()| file.sync()).and_then(|()| disk.rename(&temporary, path));
    if let Err(error) = written {
        // The write has failed already; that its temporary file stays is the lesser evil.
        let _ = disk.remove(&temporary);
        return Err(FileError::new("write", path, error));
    }
    drop(file);
    disk.sync_directory(directory).map_err(FileError::of("write", path))
}

/// Makes a directory and those above it, with durable names; nothing is done where it is there.
///
/// # Errors
/// The path and what the system said.
pub fn create_directories(disk: &dyn Disk, path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.is_dir()).collect();
    disk.create_directories(path).map_err(FileError::of("make the directory", path))?;
    for made in missing.into_iter().filter(|path| !path.as_os_str().is_empty()).rev() {
        disk.sync_directory(parent(made)).map_err(FileError::of("make the directory", made))?;
    }
    Ok(())
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// A file beside `path` that nobody else writes. Its name is one of a few, so that what a killed process left
/// is met by the next that writes the same, without a look at all the directory.
pub(super) fn temporary_file(disk: &dyn Disk, path: &Path, access: Access) -> io::Result<(PathBuf, Box<dyn DiskFile>)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for place in 0..PLACES {
        let temporary = path.with_file_name(format!(".{name}.{place}.tmp"));
        if let Some(file) = disk.create_held(&temporary, access)? {
            return Ok((temporary, file));
        }
    }
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", unused_word()?));
    let file = disk.create_new(&temporary, access)?;
    Ok((temporary, file))
}

/// 16 hex digits that nobody else has come to.
///
/// # Errors
/// The system gives no random bytes.
pub fn unused_word() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Failing, FaultyDisk, LocalDisk};

    #[test]
    fn content_is_replaced_and_nothing_is_left_behind() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/file");
        for content in ["one", "two"] {
            write_atomically(&LocalDisk, &path, content.as_bytes(), Access::Private).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_killed_writes_left_is_collected_by_the_next_and_what_is_held_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let names = || {
            let entries = home.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        // As a kill in the midst leaves it: there, and held by nobody.
        drop(temporary_file(&LocalDisk, &path, Access::Shared).unwrap());
        assert_eq!(names(), [".file.0.tmp"]);
        let (held, mut file) = temporary_file(&LocalDisk, &path, Access::Private).unwrap();
        assert_eq!(names(), [".file.0.tmp"], "the next takes its place");
        write_atomically(&LocalDisk, &path, b"content", Access::Shared).unwrap();
        assert_eq!(names(), [".file.0.tmp", "file"]);
        file.write(b"ours").unwrap();
        assert_eq!(std::fs::read(held).unwrap(), b"ours");
        let others = [(); PLACES].map(|()| temporary_file(&LocalDisk, &path, Access::Shared).unwrap());
        assert_eq!(names().len(), 1 + PLACES + 1, "however many there are, each has a file");
        drop((file, others));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_temporary_file_is_not_written_through() {
        let home = tempfile::tempdir().unwrap();
        let (path, canary) = (home.path().join("file"), home.path().join("canary"));
        std::fs::write(&canary, "untouched").unwrap();
        std::os::unix::fs::symlink(&canary, home.path().join(".file.0.tmp")).unwrap();
        std::fs::hard_link(&canary, home.path().join(".file.1.tmp")).unwrap();
        write_atomically(&LocalDisk, &path, b"content", Access::Shared).unwrap();
        assert_eq!(std::fs::read_to_string(&canary).unwrap(), "untouched");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "content");
    }

    #[test]
    fn whichever_call_fails_the_content_is_old_or_new() {
        for failing in Failing::ALL {
            for fails_at in 0.. {
                let home = tempfile::tempdir().unwrap();
                let path = home.path().join("a/file");
                write_atomically(&LocalDisk, &path, b"old", Access::Shared).unwrap();
                let disk = FaultyDisk::new(fails_at, failing, io::ErrorKind::StorageFull);
                let written = write_atomically(&disk, &path, b"new", Access::Shared);
                let content = std::fs::read(&path).unwrap();
                assert!(content == b"new" || written.is_err() && content == b"old", "{failing:?} {fails_at}");
                if !disk.has_failed() {
                    break;
                }
                assert!(written.is_err(), "{failing:?} {fails_at}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_tightened_and_a_link_is_replaced() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let home = tempfile::tempdir().unwrap();
        let (path, canary) = (home.path().join("file"), home.path().join("canary"));
        std::fs::write(&canary, "untouched").unwrap();
        symlink(&canary, &path).unwrap();
        write_atomically(&LocalDisk, &path, b"secret", Access::Private).unwrap();
        assert_eq!(std::fs::read_to_string(&canary).unwrap(), "untouched");
        assert_eq!(std::fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
