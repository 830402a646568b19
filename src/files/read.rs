//! Reading of files that a stranger may have put in place: never through a link, never from a pipe or a device.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use super::FileError;

/// Opens a regular file and says how long it is; `None` where nothing has that name.
///
/// A symbolic link at `path` is not followed, and a pipe does not make this wait.
///
/// # Errors
/// Something else than a regular file has the name, or the system says why it cannot be opened.
pub fn open_regular(path: &Path) -> Result<Option<(File, u64)>, FileError> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    }
    let judge = || {
        if cfg!(not(unix)) && std::fs::symlink_metadata(path)?.is_symlink() {
            return Err(not_regular());
        }
        let file = options.open(path).map_err(|error| if is_no_file(&error) { not_regular() } else { error })?;
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_regular()) }
    };
    match judge() {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(FileError::new("read", path, error)),
    }
}

/// Reads a regular file whole; `None` where nothing has that name.
///
/// # Errors
/// As [`open_regular`], and where the file has more than `at_most` bytes.
pub fn read_regular(path: &Path, at_most: u64) -> Result<Option<Vec<u8>>, FileError> {
    let Some((file, length)) = open_regular(path)? else { return Ok(None) };
    read_opened(path, file, length, at_most).map(Some)
}

/// Reads a file that the user names or keeps, links followed; `None` where nothing has that name.
///
/// # Errors
/// The system says why it cannot be read, or the file has more than `at_most` bytes.
pub fn read_following_links(path: &Path, at_most: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        opened => opened.map_err(FileError::of("read", path))?,
    };
    let length = file.metadata().map_err(FileError::of("read", path))?.len();
    read_opened(path, file, length, at_most).map(Some)
}

fn read_opened(path: &Path, file: File, length: u64, at_most: u64) -> Result<Vec<u8>, FileError> {
    let too_long = || {
        let long = io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {at_most} bytes"));
        FileError::new("read", path, long)
    };
    if length > at_most {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // It may grow meanwhile, and a device has no length.
    file.take(at_most.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::of("read", path))?;
    if bytes.len() as u64 > at_most { Err(too_long()) } else { Ok(bytes) }
}

/// Whether a directory is missing, or holds nothing but what is expected there and names that begin with a dot.
///
/// # Errors
/// It cannot be listed.
pub fn is_vacant(directory: &Path, expected: &[&str]) -> Result<bool, FileError> {
    let names = directory.read_dir().and_then(|entries| {
        let name = |entry: io::Result<std::fs::DirEntry>| entry.map(|entry| entry.file_name());
        entries.map(name).collect::<io::Result<Vec<_>>>()
    });
    let fits = |name: &str| name.starts_with('.') || expected.contains(&name);
    match names {
        Ok(names) => Ok(names.iter().all(|name| fits(&name.to_string_lossy()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(FileError::new("list", directory, error)),
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")
}

/// Whether opening failed because the last part of the path is a symbolic link, or a socket.
fn is_no_file(error: &io::Error) -> bool {
    #[cfg(unix)]
    return matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO));
    #[cfg(not(unix))]
    return {
        let _ = error;
        false
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        assert!(read_regular(&path, 3).unwrap().is_none());
        assert!(read_regular(&path.join("below"), 3).unwrap().is_none());
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read_regular(&path, 3).unwrap().unwrap(), b"abc");
        assert!(read_regular(&path, 2).is_err());
        assert_eq!(open_regular(&path).unwrap().unwrap().1, 3);
    }

    #[cfg(unix)]
    #[test]
    fn links_pipes_devices_and_directories_are_refused_at_once() {
        let home = tempfile::tempdir().unwrap();
        let (link, pipe) = (home.path().join("link"), home.path().join("pipe"));
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [link.as_path(), &pipe, home.path(), Path::new("/dev/zero")] {
            let error = read_regular(path, 10).expect_err("refused").source.to_string();
            assert!(error.contains("no regular file"), "{}: {error}", path.display());
        }
        std::fs::write(home.path().join("file"), "abc").unwrap();
        std::os::unix::fs::symlink("file", home.path().join("alias")).unwrap();
        assert_eq!(read_following_links(&home.path().join("alias"), 3).unwrap().unwrap(), b"abc");
        assert!(read_following_links(&home.path().join("alias"), 2).is_err());
        assert!(read_following_links(Path::new("/dev/zero"), 10).is_err());
        assert!(read_following_links(home.path(), 10).is_err());
        assert!(read_following_links(&home.path().join("missing"), 10).unwrap().is_none());
    }
}
